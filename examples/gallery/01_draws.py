"""
Configurations at three temperatures
====================================

Independent draws of the Ising model on a square of 48 by 48 sites: below, at and above the critical temperature.
"""

import matplotlib.pyplot as plt

import rbmflow as rf

model = rf.ising(rf.square(48))
draws = rf.sample(0, model, temperatures=[1.8, 2.269, 3.5], draws=20)

figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
for panel, temperature, spins in zip(axes, draws.temperatures, draws.spins, strict=True):
    panel.imshow(spins[0], cmap="gray")
    panel.set(title=f"T = {temperature:g}", xticks=[], yticks=[])

# %%
# How each was drawn, and what was measured on the chains: the autocorrelation time tau decides how far draws are apart.
for method, chains in zip(draws.methods, draws.chains, strict=True):
    print(method, chains, sep="\n", end="\n\n")
