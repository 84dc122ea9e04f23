"""Change one ingredient: train a machine in plain NumPy and let the library iterate, read and decompose it."""

import jax
import jax.numpy as jnp
import numpy as np

import rbmflow as rf

for_draws, *keys = jax.random.split(jax.random.key(1), 5)
model = rf.ising(rf.square(6))
draws = rf.sample(for_draws, model, temperatures=[2.0, 2.5, 3.0], draws=1000)
data = np.asarray(draws.spins).reshape(-1, 36).astype(np.float32)

rng = np.random.default_rng(2)
weights = 0.1 * rng.standard_normal((36, 24))
for _ in range(3000):
    visible = data[rng.integers(0, len(data), 100)]
    means = np.tanh(visible @ weights)
    hidden = np.where(rng.random(means.shape) < (1 + means) / 2, 1, -1)
    again = np.where(rng.random(visible.shape) < (1 + np.tanh(hidden @ weights.T)) / 2, 1, -1)
    weights += 0.01 / 100 * (visible.T @ means - again.T @ np.tanh(again @ weights))

machine = rf.RBM(jnp.asarray(weights, jnp.float32), jnp.zeros(36), jnp.zeros(24))
for name, for_start, for_flow, started in (("cold", *keys[:2], rf.cold), ("hot", *keys[2:], rf.hot)):
    flow = rf.iterate(for_flow, machine, started(for_start, model, 1000), iterations=40)
    reading = rf.Thermometer("energy", rf.equilibrium.exact(model)).temperature(flow.configurations)
    path = ", ".join(f"{float(reading.temperature[i]):.2f}" for i in (1, 5, 10, 20, 40))
    print(f"{name:>4}: T(E) after 1, 5, 10, 20, 40 iterations: {path}")
print("uniformity of the leading modes:", rf.decompose(machine).uniformity[:3].round(2))
