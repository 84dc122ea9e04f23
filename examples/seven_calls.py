"""From temperatures to weights in seven calls, without a store."""

import jax
import numpy as np

import rbmflow as rf

for_draws, for_training, for_start, for_flow = jax.random.split(jax.random.key(0), 4)
model = rf.ising(rf.square(10))
draws = rf.sample(for_draws, model, temperatures=[1.0, 2.27, 4.0], draws=1000)
machine, history = rf.train(for_training, draws, hidden=64, epochs=100, batch=100, learning_rate=0.01)
flow = rf.iterate(for_flow, machine, start=rf.hot(for_start, model, 1000), iterations=40)

probabilities = rf.equilibrium.exact(model).posterior(flow.spins, draws.temperatures)
reading = rf.Thermometer("energy", rf.equilibrium.exact(model)).temperature(flow.spins)
spectrum = rf.decompose(machine)

print("temperature classes        ", draws.temperatures)
print("mean class probabilities   ", np.asarray(probabilities).mean(axis=0).round(3))
print(f"temperature by the energy   {float(reading.temperature):.3f} +- {float(reading.error):.3f}")
print("leading singular values    ", spectrum.singular_values[:4].round(2))
print(
    f"exact energy and ln Z at T = 2.27: {rf.exact.energy(model, 2.27):.6f}, {rf.exact.log_partition(model, 2.27):.6f}"
)
