"""
Order on three lattices
=======================

A lattice is a table of bonds, so the same calls sample all of them. Lines: the exact critical temperatures.
"""

import matplotlib.pyplot as plt
import numpy as np

import rbmflow as rf

temperatures = np.linspace(1.0, 4.5, 8)
figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for lattice in (rf.honeycomb(8), rf.square(12), rf.triangular(12)):
    model = rf.ising(lattice)
    draws = rf.sample(1, model, temperatures, draws=200)
    size = np.abs(model.magnetization(draws))
    (line, *_) = axes.errorbar(temperatures, size.mean(1), size.std(1) / 200**0.5, marker="o", label=lattice.name)
    axes.axvline(rf.critical_temperature(model), color=line.get_color(), linewidth=0.8)
axes.set(xlabel="T", ylabel="|m|")
axes.legend()
