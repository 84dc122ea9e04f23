"""Speed of CD-1 training: ours, a plain NumPy loop, and the float32 matrix-product bound, in one run.

    python benchmarks/training.py              one core, 100 visible, 64 hidden, 25 000 samples
    python benchmarks/training.py --ensemble 1000   besides, many machines at once under vmap (for a GPU)

Prints medians over rounds, in updates per second, and ratios taken round by round. Compilation is excluded.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("NPROC", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rbmflow import _scan
from rbmflow.settings import MachineSettings, TrainingSettings
from rbmflow.training.epochs import _Epoch, start_training

VISIBLE, HIDDEN, SAMPLES = 100, 64, 25_000


def plain_numpy(data: np.ndarray, batch: int, updates: int) -> float:
    """Updates per second of the loop that everybody writes, in float32."""
    rng = np.random.default_rng(0)
    weights = 0.1 * rng.standard_normal((VISIBLE, HIDDEN), dtype=np.float32)
    one = np.float32(1)
    started = time.perf_counter()
    for update in range(updates):
        at = update % (SAMPLES // batch)
        if at == 0:
            order = rng.permutation(SAMPLES)
        visible = data[order[at * batch : (at + 1) * batch]]
        means = np.tanh(visible @ weights)
        hidden = np.where(means > 2 * rng.random(means.shape, dtype=np.float32) - 1, one, -one)
        fields = np.tanh(hidden @ weights.T)
        again = np.where(fields > 2 * rng.random(fields.shape, dtype=np.float32) - 1, one, -one)
        weights += np.float32(0.01 / batch) * (visible.T @ means - again.T @ np.tanh(again @ weights))
    return updates / (time.perf_counter() - started)


def matrix_products(batch: int, updates: int) -> float:
    """Updates per second if an update were its five matrix products alone."""
    visible, hidden = np.ones((batch, VISIBLE), np.float32), np.ones((batch, HIDDEN), np.float32)
    weights = np.ones((VISIBLE, HIDDEN), np.float32)
    started = time.perf_counter()
    for _ in range(updates):
        visible @ weights, hidden @ weights.T, visible @ weights, visible.T @ hidden, visible.T @ hidden
    return updates / (time.perf_counter() - started)


class Ours:
    """The library's own epochs, compiled before the first measurement."""

    def __init__(self, data: jax.Array, batch: int, machines: int = 0):
        machine, training = MachineSettings(hidden=HIDDEN), TrainingSettings(epochs=10**6, batch=batch)
        epoch = _Epoch(data, training, machine.biases)
        start = lambda key: start_training(key, data, machine, training)  # noqa: E731
        if machines:
            self.state = eqx.filter_vmap(start)(jax.random.split(jax.random.key(0), machines))
            self.epoch = lambda state: eqx.filter_vmap(epoch)(state)
        else:
            self.state = start(jax.random.key(0))
            self.epoch = epoch
        self.updates_of_an_epoch = max(1, machines) * (SAMPLES // batch)
        self.speed(1)

    def speed(self, epochs: int) -> float:
        """Updates per second over some epochs."""
        started = time.perf_counter()
        for _, state, _ in _scan.chunks(self.epoch, self.state, epochs, epochs):
            self.state = jax.block_until_ready(state)
        return epochs * self.updates_of_an_epoch / (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ensemble", type=int, default=0, help="also this many machines at once")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    data = np.where(np.random.default_rng(0).random((SAMPLES, VISIBLE)) < 0.5, -1, 1).astype(np.int8)
    print(f"jax {jax.__version__}, numpy {np.__version__}, {jax.devices()[0].device_kind}")
    print("batch | ours | plain NumPy | product bound | ours / NumPy | ours / bound   (updates/s, medians)")
    for batch in (100, 1000):
        ours = Ours(jnp.asarray(data), batch)
        updates = SAMPLES // batch * 4
        rows = []
        for _ in range(asked.rounds):
            rows.append(
                (ours.speed(4), plain_numpy(data.astype(np.float32), batch, updates), matrix_products(batch, updates))
            )
        a, b, c = (statistics.median(column) for column in zip(*rows, strict=True))
        to_numpy = statistics.median(row[0] / row[1] for row in rows)
        to_bound = statistics.median(row[0] / row[2] for row in rows)
        print(f"{batch:5} | {a:9.0f} | {b:9.0f} | {c:9.0f} | {to_numpy:6.2f} | {to_bound:6.2f}")
    if asked.ensemble:
        many = Ours(jnp.asarray(data), 100, asked.ensemble)
        speeds = [many.speed(2) for _ in range(asked.rounds)]
        print(f"{asked.ensemble} machines at once, batch 100: {statistics.median(speeds):.3g} updates/s in all")


if __name__ == "__main__":
    main()
