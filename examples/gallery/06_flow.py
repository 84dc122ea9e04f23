"""
A flow from cold and from hot
=============================

A machine that has learnt seven temperatures is iterated from both sides; the energy tells the temperature.
"""

import matplotlib.pyplot as plt
import numpy as np

import rbmflow as rf

model = rf.ising(rf.square(8))
draws = rf.sample(5, model, temperatures=np.arange(0.0, 7.0), draws=500)
machine, _ = rf.train(6, draws, hidden=64, epochs=50)
thermometer = rf.Thermometer("energy", rf.equilibrium.exact(model))

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for name, start in (("cold", rf.cold(7, model, 500)), ("hot", rf.hot(8, model, 500))):
    flow = rf.iterate(9, machine, start, iterations=40)
    reading = thermometer.temperature(flow.configurations)
    axes.errorbar(range(41), reading.temperature, reading.error, label=f"from {name}")
axes.axhline(rf.critical_temperature(model), color="black", linewidth=0.8, label="T_c")
axes.set(xlabel="iteration", ylabel="T(E)", ylim=(0, 6))
axes.legend()
