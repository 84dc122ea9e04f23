"""
The leading modes of the weights
================================

The singular vectors of the weights on the lattice; the first is nearly uniform, the magnetization.
"""

import matplotlib.pyplot as plt
import numpy as np

import rbmflow as rf

model = rf.ising(rf.square(8))
draws = rf.sample(5, model, temperatures=np.arange(0.0, 7.0), draws=500)
machine, _ = rf.train(6, draws, hidden=64, epochs=50)
spectrum = rf.decompose(machine)

figure, axes = plt.subplots(1, 4, figsize=(9, 2.8), layout="constrained")
for panel, value, vector in zip(axes, spectrum.singular_values[:4], spectrum.visible_vectors.T[:4], strict=True):
    panel.imshow(vector.reshape(8, 8), cmap="RdBu", vmin=-0.4, vmax=0.4)
    panel.set(title=f"{value:.2f}", xticks=[], yticks=[])
print("overlap of each with the uniform vector:", spectrum.uniformity[:4].round(2))
