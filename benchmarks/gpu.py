"""Correctness and speed of sampling and training on the default device of JAX, a GPU where there is one.

    python benchmarks/gpu.py sampling         writes results/gpu-sampling.md; a few minutes on a bare H100 with JAX
    python benchmarks/gpu.py training         writes results/gpu-training.md, likewise
    python benchmarks/gpu.py sampling --toy   the same at toy sizes, for a CPU; writes nothing

Correctness comes first, against closed forms and against float64 NumPy on the host; the exit code is 1, and no speed is
measured, where a number is wrong. Times are wall times, medians, waited for; the first call is that of this process,
compilation included. Peers in the same run: plain JAX with its own generator for flips, and PyTorch for updates if it
is installed. Nothing but the project's science dependencies is needed.
"""

import argparse
import datetime
import importlib.metadata
import math
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import rbmflow as rf
from rbmflow import _scan, exact
from rbmflow._own_settings import own_settings
from rbmflow.enumeration import visible_log_probability
from rbmflow.sampler import HeatBath, Metropolis
from rbmflow.settings import MachineSettings, TrainingSettings
from rbmflow.training import Training
from rbmflow.training.train import Ensemble, together

CRITICAL = exact.critical_temperature()
RESULTS = Path(__file__).parent / "results"
VISIBLE, HIDDEN = 100, 64


@dataclass(frozen=True)
class Sizes:
    """What is measured, at full size and at the size of a toy."""

    chains: int = 32_768
    sweeps: int = 1000
    flips: tuple[tuple[int, int, int], ...] = ((10, 2**20, 200), (64, 2**16, 100), (512, 4096, 20), (4096, 512, 5))
    """Side, replicas and sweeps of a measurement."""
    samples: int = 10_000
    ensembles: tuple[int, ...] = (1, 64, 1024, 4096)
    rounds: int = 5
    seconds: float = 1.0
    """Least time of one measurement of a training."""
    public: tuple[int, int] = (64, 50)
    """Machines and epochs of a call of `train_ensemble`."""
    long: int = 20
    """Epochs of the training of Veiga and Vicente."""


TOY = Sizes(
    chains=1024,
    sweeps=100,
    flips=((10, 1024, 5), (64, 64, 2)),
    samples=400,
    ensembles=(1, 4),
    rounds=2,
    seconds=0.02,
    public=(3, 2),
    long=1,
)


def medians(work, rounds):
    """Median wall time of `work()` after one call, and the time of that first call, in seconds."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        jax.block_until_ready(work())
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:]), times[0]


def require(told, away, most):
    """A line about a check; the end of everything if it is further off than that."""
    print(f"{told}: off by {away:.3g}, at most {most:g}", flush=True)
    if not away <= most:
        sys.exit("a number is wrong; speeds are not measured")


def energies(sizes):
    """Energies of long chains against Kaufman's, in standard errors over independent chains."""
    for length in (10, 64):
        model = rf.ising(rf.square(length))
        for method in (Metropolis(), HeatBath()):
            for temperature in (1.5, 4.0) if sizes is TOY else (2.0, 2.6, 4.0):
                kernel = method.sweep(model, temperature)
                up = None if temperature > CRITICAL else np.ones(sizes.chains, np.int8)
                state = kernel.advance(kernel.start(jax.random.key(1), sizes.chains, up), sizes.sweeps)
                energy = kernel.observe(kernel.planes(state))[0]
                error = energy.std() / math.sqrt(energy.size)
                away = abs(energy.mean() - exact.energy(model, temperature)) / error
                require(f"E of {method.name}, L = {length}, T = {temperature}, errors", away, 5)


def draws_of_sample(sizes):
    """The public call: energies of `sample` at six temperatures, and chi-squared of them."""
    temperatures = (1.8, 5.0) if sizes is TOY else (1.8, 2.2, 2.27, 2.4, 3.0, 5.0)
    model = rf.ising(rf.square(16))
    number = 500 if sizes is TOY else 4000
    start = time.perf_counter()
    draws = rf.sample(jax.random.key(3), model, temperatures, number)
    seconds = time.perf_counter() - start
    for temperature in temperatures:
        spins = np.asarray(draws.at([temperature]).spins, float).reshape(-1, 16, 16)
        energy = -(spins * (np.roll(spins, 1, 1) + np.roll(spins, 1, 2))).mean((1, 2))
        away = abs(energy.mean() - exact.energy(model, temperature)) / (energy.std() / math.sqrt(len(energy)))
        require(f"E of sample, L = 16, T = {temperature}, errors", away, 5)
    print(f"sample, L = 16, {len(temperatures)} temperatures, {number} draws each, first call: {seconds:.2f} s")


def products(_):
    """Hidden fields against float64 on the host: products in TF32, which a GPU takes by default, are off by 1e-3."""
    rng = np.random.default_rng(5)
    for visible, hidden in ((100, 64), (4096, 100)):
        weights = rng.normal(0, 0.5, (visible, hidden)).astype(np.float32)
        spins = rng.choice([-1, 1], (500, visible)).astype(np.int8)
        machine = rf.RBM.from_weights(weights, np.zeros(visible), np.zeros(hidden), units="-1/+1")
        fields = np.asarray(eqx.filter_jit(lambda m, v: m.hidden_fields(m.units.from_spins(v)))(machine, spins))
        right = spins.astype(float) @ weights.astype(float)
        scale = np.sqrt((right**2).mean())
        require(f"hidden fields, {visible} x {hidden}, of their size", np.abs(fields - right).max() / scale, 1e-5)


def chain_of_a_machine(sizes):
    """Flows of a small machine against its enumerated stationary law."""
    rng = np.random.default_rng(6)
    machine = rf.RBM.from_weights(rng.normal(0, 0.4, (9, 4)), np.zeros(9), np.zeros(4), units="-1/+1")
    flow = rf.iterate(jax.random.key(7), machine, rf.hot(8, rf.ising(rf.square(3)), sizes.chains), 60, keep=[60])
    rows = np.asarray(flow.configurations).reshape(-1, 9)
    code = lambda spins: ((spins > 0) << np.arange(9)).sum(1)  # noqa: E731
    seen = np.bincount(code(rows), minlength=512)[code(machine.units.listed(9))]
    expected = np.exp(visible_log_probability(machine)) * len(rows)
    square = ((seen - expected) ** 2 / expected).sum()
    require("visible law of a flow, chi-squared of 511", abs(square - 511) / math.sqrt(2 * 511), 5)


def recipes(sizes):
    """Machines of an ensemble against machines trained alone, after a few updates."""
    data = spins(sizes.samples)
    machine, training = MachineSettings(hidden=HIDDEN), TrainingSettings(epochs=1, batch=sizes.samples // 4)
    keys = list(jax.random.split(jax.random.key(9), 3))
    many = rf.train_ensemble(keys, data, machine, training)
    away = 0.0
    for key, (one, _) in zip(keys, many, strict=True):
        alone, _ = rf.train(key, data, hidden=HIDDEN, epochs=1, batch=sizes.samples // 4)
        away = max(away, float(jnp.abs(one.weights - alone.weights).max() / jnp.abs(alone.weights).max()))
    require("weights of an ensemble beside machines alone, 4 updates", away, 1e-3)


def spins(samples, visible=VISIBLE):
    """Training set of independent spins."""
    return np.random.default_rng(0).choice([-1, 1], (samples, visible)).astype(np.int8)


def rows_of_flips(sizes):
    """Attempted spin updates per ns at T_c, and those of plain JAX: a checkerboard of int8 with `jax.random`."""
    yield "| attempted flips at T_c | L | replicas | flips / ns | first call, s |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for length, replicas, count in sizes.flips:
        for method in (Metropolis(), HeatBath()):
            kernel = method.sweep(rf.ising(rf.square(length)), CRITICAL)
            held = [kernel.start(jax.random.key(0), replicas, np.ones(replicas, np.int8))]

            def work(kernel=kernel, held=held, count=count):
                held[0] = kernel.advance(held[0], count)
                return held[0]

            seconds, first = medians(work, sizes.rounds)
            rate = length**2 * replicas * count / seconds / 1e9
            yield f"| rbmflow {method.name} | {length} | {replicas} | {rate:.1f} | {first:.2f} |"
            del held
    length, replicas, count = sizes.flips[1]
    replicas = max(1, replicas // 16)
    seconds, first = medians(lambda: plain_checkerboard(jax.random.key(0), length, replicas, count), sizes.rounds)
    rate = length**2 * replicas * count / seconds / 1e9
    yield f"| plain JAX, int8 and jax.random.uniform | {length} | {replicas} | {rate:.1f} | {first:.2f} |"


@eqx.filter_jit
def plain_checkerboard(key, length, replicas, count):
    """Metropolis sweeps as they are usually written in JAX."""
    places = jnp.indices((length, length)).sum(0) % 2

    def sweep(number, spins):
        for colour in (0, 1):
            uniform = jax.random.uniform(jax.random.fold_in(key, 2 * number + colour), spins.shape)
            around = sum(jnp.roll(spins, shift, axis) for shift in (1, -1) for axis in (1, 2))
            chance = jnp.exp(-2.0 * spins * around / CRITICAL)
            spins = jnp.where((places == colour) & (uniform < chance), -spins, spins)
        return spins

    return jax.lax.fori_loop(0, count, sweep, jnp.ones((replicas, length, length), jnp.int8))


def rows_of_updates(sizes):
    """RBM updates per second of ensembles: CD-1, batch 100, 100 visible and 64 hidden units."""
    yield "| CD-1 updates, batch 100, 100 x 64 | machines | updates / s | first call, s |"
    yield "| --- | ---: | ---: | ---: |"
    for machines in sizes.ensembles:
        rate, first = ensemble_rate(machines, sizes)
        yield f"| rbmflow, the epochs alone | {machines} | {rate:.3g} | {first:.1f} |"
    with jax.default_matmul_precision("tensorfloat32"):
        rate, first = ensemble_rate(machines, sizes)
    yield f"| the same if products were in TF32, which they are not | {machines} | {rate:.3g} | {first:.1f} |"
    machines, epochs = sizes.public
    settings = MachineSettings(hidden=HIDDEN), TrainingSettings(epochs=epochs, batch=100)
    keys = list(jax.random.split(jax.random.key(0), machines))
    data = spins(sizes.samples)
    times = []
    for _ in range(2):
        start = time.perf_counter()
        rf.train_ensemble(keys, data, *settings)
        times.append(time.perf_counter() - start)
    rate = machines * epochs * (sizes.samples // 100) / times[1]
    told = f"train_ensemble, {epochs} epochs, from call to machines and histories"
    yield f"| {told} | {machines} | {rate:.3g} | {times[0]:.1f} |"
    peer = torch_rate(sizes)
    if peer is not None:
        yield f"| PyTorch {importlib.metadata.version('torch')}, one machine, eager | 1 | {peer:.3g} | |"


def ensemble_rate(machines, sizes):
    """Updates per second of the compiled epochs of machines trained at once, and the seconds of the first call."""
    training = TrainingSettings(epochs=10**6, batch=100, checkpoints=2)
    whole = Training.of(spins(sizes.samples), MachineSettings(hidden=HIDDEN), training)
    first_state = whole.start(jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), machines)
    if machines == 1:
        epoch, state = whole, first_state
    else:
        # A few different machines over and over: starting thousands one by one would take the time of the measurement.
        few = [whole.start(key) for key in keys[: min(machines, 16)]]
        state = together([few[number % len(few)] for number in range(machines)])
        epoch = Ensemble(whole)
    held, epochs, times = [state], 1, []
    while len(times) < sizes.rounds + 1:
        start = time.perf_counter()
        for _, later, _ in _scan.chunks(epoch, held[0], epochs, epochs):
            held[0] = later
        took = time.perf_counter() - start
        if len(times) > 0 and took < sizes.seconds / 2 and epochs < 1000:
            epochs, times = min(1000, math.ceil(epochs * sizes.seconds / took)), []
            continue
        times.append(took)
    return machines * epochs * (sizes.samples // 100) / statistics.median(times[1:]), times[0]


def torch_rate(sizes):
    """CD-1 as it is usually written in PyTorch, on the same device; None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = torch.tensor(spins(sizes.samples), dtype=torch.float32, device=device)
    weights = 0.1 * torch.randn(VISIBLE, HIDDEN, device=device)

    def update(batch, weights):
        fields = batch @ weights
        hidden = torch.where(torch.rand_like(fields) < torch.sigmoid(2 * fields), 1.0, -1.0)
        back = hidden @ weights.T
        visible = torch.where(torch.rand_like(back) < torch.sigmoid(2 * back), 1.0, -1.0)
        change = batch.T @ torch.tanh(fields) - visible.T @ torch.tanh(visible @ weights)
        return weights + 0.01 / 100 * change

    rates = []
    for _ in range(sizes.rounds):
        start, count = time.perf_counter(), 0
        for batch in data[torch.randperm(len(data), device=device)].split(100):
            weights = update(batch, weights)
            count += 1
        if device == "cuda":
            torch.cuda.synchronize()
        rates.append(count / (time.perf_counter() - start))
    return statistics.median(rates)


def rows_of_a_large_machine(sizes):
    """The machine of Veiga and Vicente (arXiv:2006.10176) at L = 100: 10 000 visible and hidden units, CD-1."""
    yield "| one machine, CD-1, batch 100 | visible | hidden | updates / s | first call, s |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for visible, hidden in ((100, 100), (10_000, 10_000)) if sizes is not TOY else ((100, 100), (144, 144)):
        data = spins(2000 if sizes is not TOY else 200, visible)
        training = TrainingSettings(epochs=10**6, batch=100, checkpoints=2)
        whole = Training.of(data, MachineSettings(hidden=hidden, units="0/1"), training)
        held = [whole.start(jax.random.key(0))]
        count = sizes.long

        def work(held=held, whole=whole, count=count):
            for _, later, _ in _scan.chunks(whole, held[0], count, count):
                held[0] = later
            return held[0]

        seconds, first = medians(work, max(2, sizes.rounds - 2))
        yield f"| rbmflow | {visible} | {hidden} | {count * len(data) // 100 / seconds:.3g} | {first:.1f} |"
        del held, whole


PARTS = {
    "sampling": ((energies, draws_of_sample), (rows_of_flips,)),
    "training": ((products, chain_of_a_machine, recipes), (rows_of_updates, rows_of_a_large_machine)),
}
"""What is checked and then measured."""


@own_settings
def main():
    """Check, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("sampling", "training"))
    parser.add_argument("--toy", action="store_true", help="toy sizes; nothing is written")
    asked = parser.parse_args()
    sizes = TOY if asked.toy else Sizes()
    device = jax.devices()[0]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("jax", "jaxlib", "numpy"))
    lines = [f"{datetime.datetime.now(datetime.UTC).date()}, {device.device_kind} ({device.platform}), {versions}."]
    print(lines[0], flush=True)
    checks, parts = PARTS[asked.part]
    for check in checks:
        check(sizes)
    for part in parts:
        lines.append("")
        for line in part(sizes):
            print(line, flush=True)
            lines.append(line)
    if sizes is not TOY:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"gpu-{asked.part}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
