"""
Exact energies and specific heats
=================================

Every size of the square lattice has formulas of its own. The specific heat of a finite lattice peaks above T_c.
"""

import matplotlib.pyplot as plt
import numpy as np

import rbmflow as rf

temperatures = np.linspace(1.2, 4.0, 60)
critical = rf.critical_temperature(rf.ising(rf.square(4)))

figure, (energies, heats) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for length in (4, 8, 16):
    model = rf.ising(rf.square(length))
    energies.plot(temperatures, [rf.exact.energy(model, t) for t in temperatures], label=f"L = {length}")
    heats.plot(temperatures, [rf.exact.specific_heat(model, t) for t in temperatures])
for panel, name in ((energies, "energy per site"), (heats, "specific heat per site")):
    panel.axvline(critical, color="black", linewidth=0.8)
    panel.set(xlabel="T", ylabel=name)
energies.legend()
