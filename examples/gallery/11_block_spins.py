"""
Block spins leave the critical temperature
==========================================

The majority of two by two spins is a spin of a lattice of half the length. Read as a temperature of that lattice, it
moves away from T_c on both sides: the direction that a flow to T_c would be against.
"""

import jax
import matplotlib.pyplot as plt

import rbmflow as rf
from rbmflow.renormalization import majority_rule

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for temperature in (2.0, 2.15, 2.269, 2.4, 2.6):
    spins = rf.thermal(15, rf.ising(rf.square(32)), temperature, 1000)
    readings = []
    for key in jax.random.split(jax.random.key(16), 3):
        truth = rf.equilibrium.exact(rf.ising(rf.square(spins.shape[-1])))
        readings.append(float(rf.Thermometer("energy", truth).temperature(spins).temperature))
        spins = majority_rule(key, spins)
    axes.plot(["32", "16", "8"], readings, marker="o", label=f"T = {temperature:g}")
axes.axhline(2.269, color="black", linewidth=0.8)
axes.set(xlabel="L", ylabel="T(E)")
axes.legend()
