"""
Three thermometers on one flow
==============================

The energy, the magnetization and the correlation length. Where they tell different temperatures, the flow has left the
Ising model at every temperature.
"""

import matplotlib.pyplot as plt
import numpy as np

import rbmflow as rf

model = rf.ising(rf.square(8))
draws = rf.sample(5, model, temperatures=np.arange(0.0, 7.0), draws=500)
machine, _ = rf.train(6, draws, hidden=64, epochs=50)
flow = rf.iterate(10, machine, rf.hot(8, model, 500), iterations=40)
truth = rf.equilibrium.exact(model)

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for observable in ("energy", "magnetization", "correlation"):
    reading = rf.Thermometer(observable, truth).temperature(flow.configurations)
    axes.errorbar(range(41), reading.temperature, reading.error, label=observable)
axes.axhline(rf.critical_temperature(model), color="black", linewidth=0.8, label="T_c")
axes.set(xlabel="iteration", ylabel="T", ylim=(0, 6))
axes.legend()
