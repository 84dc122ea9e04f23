"""
A Potts model against enumeration
=================================

Draws of the Potts model with three states, and the sum over all 19 683 configurations of a square of 3 by 3 sites.
"""

import matplotlib.pyplot as plt
import numpy as np

import rbmflow as rf

model = rf.potts(rf.square(3), 3)
truth = rf.equilibrium.enumerated(model)
temperatures = np.linspace(0.4, 2.0, 9)
draws = rf.sample(2, model, temperatures, draws=500)
energy = np.asarray(model.energy(draws))
exact, _ = truth.mean(rf.OBSERVABLES["energy"], temperatures)

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
axes.plot(temperatures, exact, label="all configurations")
axes.errorbar(temperatures, energy.mean(1), energy.std(1) / 500**0.5, fmt="o", label="500 draws")
axes.set(xlabel="T", ylabel="energy per site")
axes.legend()
