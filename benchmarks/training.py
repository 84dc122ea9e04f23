"""Speed of CD-1 training beside its peers in the same run: 100 visible, 64 hidden, 25 000 samples, one thread each.

    taskset -c 0 python benchmarks/training.py    writes results/training.md and results/training.svg
    python benchmarks/training.py --cores         16 machines in two processes on two cores against one on one
    python benchmarks/training.py --sides         batch 1000 at L = 32 to 128, and machines trained at once
    python benchmarks/training.py --first         first calls of train, iterate and read in new processes

Times are CPU seconds of this process, so that other work on the machine counts less; medians over rounds in which all
codes take turns; compilation is excluded. GPUs: `gpu.py`. Peers (scikit-learn, rbms) come with the dependency group
`bench`; those not installed are left out.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("NPROC", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import datetime
import importlib.metadata
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import rbmflow as rf
from rbmflow import _scan
from rbmflow.execute.surroundings import one_thread
from rbmflow.settings import MachineSettings, TrainingSettings
from rbmflow.training import Training
from rbmflow.training.train import Ensemble, together

VISIBLE, HIDDEN, SAMPLES = 100, 64, 25_000
RESULTS = Path(__file__).parent / "results"
GOALS = {
    100: {"plain NumPy": 1.4, "scikit-learn": 2.5, "rbms": 10},
    1000: {"plain NumPy": 1.5, "scikit-learn": 2.5, "rbms": 6},
}


def rate(work, updates):
    """Updates per CPU second."""
    started = time.process_time()
    work()
    return updates / (time.process_time() - started)


def spins(samples=SAMPLES, visible=VISIBLE):
    """Training set of independent spins."""
    return np.where(
        np.random.default_rng(0).random((samples, visible), dtype=np.float32) < 0.5, np.int8(-1), np.int8(1)
    )


class Ours:
    """The library's own epochs, compiled before the first measurement."""

    def __init__(self, batch, checkpoints=16, epochs=10**6, data=None, machines=1):
        data = jnp.asarray(spins() if data is None else data)
        machine = MachineSettings(hidden=HIDDEN)
        training = TrainingSettings(epochs=epochs, batch=batch, checkpoints=checkpoints)
        whole = Training.of(data, machine, training)
        starts = [whole.start(key) for key in jax.random.split(jax.random.key(0), machines)]
        self.epoch, self.state = (whole, starts[0]) if machines == 1 else (Ensemble(whole), together(starts))
        self.updates_of_an_epoch = machines * (len(data) // batch)
        self.run(1)

    def run(self, epochs):
        """Train on."""
        for _, state, _ in _scan.chunks(self.epoch, self.state, epochs, epochs):
            self.state = jax.block_until_ready(state)

    def speed(self, updates):
        """Updates per second."""
        epochs = max(1, updates // self.updates_of_an_epoch)
        return rate(lambda: self.run(epochs), epochs * self.updates_of_an_epoch)


class PlainNumpy:
    """The loop that everybody writes, in float32."""

    def __init__(self, batch, data=None):
        data = spins() if data is None else data
        self.batch, self.data, self.rng = batch, data.astype(np.float32), np.random.default_rng(0)
        self.weights = 0.1 * self.rng.standard_normal((data.shape[1], HIDDEN), dtype=np.float32)

    def speed(self, updates):
        """Updates per second."""
        return rate(lambda: self.run(updates), updates)

    def run(self, updates):
        """Train on."""
        batch, rng, weights, one = self.batch, self.rng, self.weights, np.float32(1)
        for update in range(updates):
            at = update % (len(self.data) // batch)
            if at == 0:
                order = rng.permutation(len(self.data))
            visible = self.data[order[at * batch : (at + 1) * batch]]
            means = np.tanh(visible @ weights)
            hidden = np.where(means > 2 * rng.random(means.shape, dtype=np.float32) - 1, one, -one)
            fields = np.tanh(hidden @ weights.T)
            again = np.where(fields > 2 * rng.random(fields.shape, dtype=np.float32) - 1, one, -one)
            weights += np.float32(0.01 / batch) * (visible.T @ means - again.T @ np.tanh(again @ weights))


class MatrixProducts:
    """The five float32 products of an update and nothing else, by OpenBLAS: the bound of a loop in NumPy."""

    def __init__(self, batch):
        self.visible, self.hidden = np.ones((batch, VISIBLE), np.float32), np.ones((batch, HIDDEN), np.float32)
        self.weights = np.ones((VISIBLE, HIDDEN), np.float32)

    def speed(self, updates):
        """Updates per second."""
        v, h, w = self.visible, self.hidden, self.weights

        def work():
            for _ in range(updates):
                v @ w, h @ w.T, v @ w, v.T @ h, v.T @ h

        return rate(work, updates)


class ScikitLearn:
    """BernoulliRBM, which is PCD-1 with units 0/1; its fit of one epoch."""

    def __init__(self, batch):
        from sklearn.neural_network import BernoulliRBM

        self.batch, self.data = batch, (spins() > 0).astype(np.float32)
        self.machine = BernoulliRBM(HIDDEN, learning_rate=0.01, batch_size=batch, n_iter=1, random_state=0)
        self.machine.fit(self.data[:batch])

    def speed(self, updates):
        """Updates per second."""
        samples = self.data[: min(SAMPLES, updates * self.batch)]
        return rate(lambda: self.machine.fit(samples), len(samples) // self.batch)


class Rbms:
    """The CD-1 gradient and update of rbms with units -1/+1."""

    def __init__(self, batch, data=None):
        import torch
        from rbms.ising_ising.classes import IIRBM
        from rbms.sampler.cd import CD

        torch.set_num_threads(1)
        self.torch, self.batch = torch, batch
        self.data = torch.from_numpy((spins() if data is None else data).astype(np.float32))
        visible = self.data.shape[1]
        weights = 0.1 * torch.randn(visible, HIDDEN)
        self.machine = IIRBM(weight_matrix=weights, vbias=torch.zeros(visible), hbias=torch.zeros(HIDDEN))
        self.sampler = CD(self.machine, 1)
        self.optimiser = torch.optim.SGD(list(self.machine.parameters()), lr=0.01, maximize=True)
        self.run(2)

    def speed(self, updates):
        """Updates per second."""
        updates = max(2, updates // 4)
        return rate(lambda: self.run(updates), updates)

    def run(self, updates):
        """Train on."""
        machine, batch = self.machine, self.batch
        for update in range(updates):
            at = update % (len(self.data) // batch) * batch
            visible = self.data[at : at + batch]
            self.optimiser.zero_grad(set_to_none=False)
            data = machine.init_chains(num_samples=batch, start_v=visible)
            chains = self.sampler.get_conf_grad(batch=visible)
            machine.compute_gradient(data=data, chains=chains, centered=False)
            self.optimiser.step()


def installed(package):
    """Version of a distribution, None if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def compare(batch, rounds):
    """Speeds of every code in rounds: by name, one number a round."""
    codes = {"rbmflow": Ours(batch), "rbmflow, two checkpoints": Ours(batch, checkpoints=2)}
    codes |= {"plain NumPy": PlainNumpy(batch), "the five products alone, by NumPy": MatrixProducts(batch)}
    if installed("scikit-learn"):
        codes["scikit-learn"] = ScikitLearn(batch)
    if installed("rbms"):
        codes["rbms"] = Rbms(batch)
    updates = 1000 if batch == 100 else 150
    return {name: [code.speed(updates) for _ in range(rounds)] for name, code in codes.items()}


def diagnostics(rounds):
    """How much longer 100 epochs take with all checkpoints and diagnostics than with neither."""
    data, key = spins(), jax.random.key(0)
    machine, training = MachineSettings(hidden=HIDDEN), TrainingSettings(checkpoints=2)
    kept = jnp.asarray(data[: int(0.9 * SAMPLES)])

    def without():
        bare = Training.of(kept, machine, training)
        for _, later, _ in bare.chunks(bare.start(key)):
            jax.block_until_ready(later)

    def whole():
        jax.block_until_ready(rf.train(key, data, hidden=HIDDEN, held_out=0.1)[1].checkpoints.pseudo_likelihood)

    without()
    whole()
    return statistics.median(rate(without, 1) / rate(whole, 1) for _ in range(rounds))


FIRST = """
import time; started = time.perf_counter()
import jax, numpy as np, rbmflow as rf
rf.train
print(time.perf_counter() - started)
started = time.perf_counter()
rf.train(jax.random.key(0), np.ones((25000, 100), np.int8), hidden=64, epochs=1)
print(time.perf_counter() - started)
"""


def first_call(folder):
    """Seconds that new processes take to import the library and to train for one epoch: without cache, then with it.

    The surroundings are those that `rbmflow run` makes for its workers, with a cache of their own.
    """
    environment = os.environ | one_thread() | {"JAX_COMPILATION_CACHE_DIR": str(folder)}
    command = [sys.executable, "-c", FIRST]
    outputs = [subprocess.check_output(command, env=environment, text=True) for _ in range(4)]
    return [tuple(map(float, output.split())) for output in outputs]


def cores():
    """Wall time of 16 machines in two processes on two cores, of 8 in one on one."""
    chosen = sorted(os.sched_getaffinity(0))[:2]
    code = (
        f"import sys, time; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import training; one = training.Ours(100); started = time.perf_counter()\n"
        "for _ in range(8): one.run(10)\n"
        "print(time.perf_counter() - started)"
    )

    def work(count):
        started = [
            subprocess.Popen(
                ["taskset", "-c", str(core), sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
            )
            for core in chosen[:count]
        ]
        return max(float(process.communicate()[0]) for process in started)

    one, two = work(1), work(2)
    text = (
        f"{about()}: 16 machines on two cores against 8 on one: {2 * one / two:.2f} times as many a second (goal 1.7)."
    )
    print(text)
    (RESULTS / "training-cores.md").write_text(text + "\n", encoding="utf-8")


def sides(rounds):
    """Batch 1000 on larger lattices beside plain NumPy and rbms, and machines of L = 10 trained at once."""
    lines = [
        about(),
        "",
        "| CD-1, batch 1000, 64 hidden units | L | CPU s / update | rbmflow is faster by |",
        "|---|---|---|---|",
    ]
    for side in (32, 64, 128):
        data = spins(2000, side**2)
        codes = {"rbmflow": Ours(1000, checkpoints=2, data=data), "plain NumPy": PlainNumpy(1000, data)}
        codes |= {"rbms": Rbms(1000, data)} if installed("rbms") else {}
        speeds = {name: [code.speed(2) for _ in range(rounds)] for name, code in codes.items()}
        for name, row in speeds.items():
            ratio = statistics.median(a / b for a, b in zip(speeds["rbmflow"], row, strict=True))
            lines.append(f"| {name} | {side} | {1 / statistics.median(row):.3g} | {ratio:.2f} |")
    lines += ["", "| machines of L = 10 trained at once, batch 100 | updates / CPU s, one thread |", "|---|---|"]
    for machines in (1, 4, 16):
        code = Ours(100, checkpoints=2, data=spins(5000), machines=machines)
        rate_of_all = statistics.median(code.speed(50 * machines) for _ in range(rounds))
        lines.append(f"| {machines} | {rate_of_all:.0f} |")
    lines += [
        "",
        "On a CPU machines that are trained at once gain little over one after another: two cores take two processes.",
    ]
    write("training-sides.md", lines)


FIRST_CALLS = """
import sys, time
import jax, numpy as np, rbmflow as rf
from rbmflow.settings import MachineSettings, ThermometerSettings
what = sys.argv[1]
key, model = jax.random.key(0), rf.ising(rf.square(10))
spins = np.where(np.random.default_rng(0).random((100, 10, 10)) < 0.5, -1, 1).astype(np.int8)
if what == "train":
    call = lambda: rf.train(key, np.tile(spins.reshape(100, -1), (250, 1)), hidden=64, epochs=1)
elif what == "iterate":
    machine = rf.RBM.random(key, 100, MachineSettings(hidden=64))
    call = lambda: rf.iterate(key, machine, spins, 40)
elif what == "neural":
    thermometer, _ = rf.train_thermometer(key, model, [1.0, 2.0, 4.0], ThermometerSettings(draws=500, epochs=1))
    call = lambda: thermometer.temperature(spins)
else:
    exact = rf.equilibrium.exact(model)
    observable = exact.mean_class([1.0, 2.0, 4.0]) if what == "bayes" else what
    call = lambda: rf.Thermometer(observable, exact).temperature(spins)
for _ in range(2):
    started = time.process_time()
    call()
    print(time.process_time() - started)
"""


def first_calls(rounds):
    """CPU seconds of a first call and of a second in new processes with empty caches of compiled programs."""
    lines = [
        about(),
        "",
        "| L = 10, cold cache | first call, CPU s | second | first less second |",
        "|---|---|---|---|",
    ]
    for what in ("train", "iterate", "energy", "magnetization", "correlation", "bayes", "neural"):
        rows = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                environment = os.environ | one_thread() | {"JAX_COMPILATION_CACHE_DIR": folder}
                # A user has the bytecode of modules from the first time on; read anew, they count here.
                environment.pop("PYTHONDONTWRITEBYTECODE", None)
                command = [sys.executable, "-c", FIRST_CALLS, what]
                output = subprocess.check_output(command, env=environment, text=True).split()
            first, second = map(float, output)
            rows.append((first, second, first - second))
        name = what if what in ("train", "iterate") else f"read, {what}"
        medians = (f"{statistics.median(column):.2f}" for column in zip(*rows, strict=True))
        lines.append(f"| {name} | {' | '.join(medians)} |")
    lines += ["", "The first call of a thermometer makes its curve too; a neural one has its curve from its training."]
    write("first-calls.md", lines)


def write(name, lines):
    """Keep and show a table."""
    (RESULTS / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def figure(path, measured):
    """Bars of the speeds."""
    import matplotlib
    from matplotlib import pyplot

    from rbmflow.figures.style import INK, NEUTRAL, STYLE_FILE

    with matplotlib.rc_context(fname=STYLE_FILE):
        drawn, axes = pyplot.subplots(1, len(measured), figsize=(8, 2.6), sharey=True, layout="constrained")
        for panel, (batch, speeds) in zip(axes, measured.items(), strict=True):
            colours = [INK if name.startswith("rbmflow") else NEUTRAL for name in speeds]
            panel.barh(list(speeds), [statistics.median(row) for row in speeds.values()], color=colours)
            panel.set(xlabel="updates / CPU s, one thread", title=f"CD-1, batch {batch}")
        axes[0].invert_yaxis()
        drawn.savefig(path, metadata={"Date": None})


def about():
    """Date, machine and versions."""
    versions = {name: installed(name) for name in ("jax", "numpy", "scikit-learn", "rbms")}
    place = f"{datetime.datetime.now(datetime.UTC).date()}, {platform.machine()}, {platform.system()}, one thread each"
    return f"{place}; " + ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def report(measured):
    """Lines of the table of results."""
    yield about()
    for batch, speeds in measured.items():
        yield ""
        yield f"| batch {batch} | updates / CPU s | rbmflow is faster by | goal |"
        yield "|---|---|---|---|"
        for name, row in speeds.items():
            ratio = statistics.median(a / b for a, b in zip(speeds["rbmflow"], row, strict=True))
            goal = GOALS[batch].get(name)
            yield f"| {name} | {statistics.median(row):.0f} | {ratio:.2f} | {f'>= {goal}' if goal else ''} |"


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", action="store_true", help="two cores against one")
    parser.add_argument("--sides", action="store_true", help="larger lattices, and machines at once")
    parser.add_argument("--first", action="store_true", help="first calls in new processes")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    if asked.cores:
        return cores()
    if asked.sides or asked.first:
        return (sides if asked.sides else first_calls)(asked.rounds)
    measured = {batch: compare(batch, asked.rounds) for batch in (100, 1000)}
    with tempfile.TemporaryDirectory() as folder:
        calls = first_call(folder)
    lines = list(report(measured))
    imports = statistics.median(seconds for seconds, _ in calls)
    cold, warm = calls[0][1], statistics.median(seconds for _, seconds in calls[1:])
    text = f"First training of a new process: {cold:.1f} s without, {warm:.1f} s with the persistent compilation cache"
    lines += ["", f"{text} (goal 2 s), after {imports:.1f} s of imports."]
    slower = diagnostics(asked.rounds)
    lines += [
        "",
        f"100 epochs with held-out data, 16 checkpoints and diagnostics take {slower:.2f} times as long (goal 1.05).",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "training.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    figure(RESULTS / "training.svg", measured)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
