"""
Where flows end, along a training
=================================

All chains of a machine end in its law p(v), whose temperature is known without a chain. It falls as the machine learns:
with PCD to the mixture of the temperatures that the machine is trained on, with CD-1 below it, towards T_c.
"""

import matplotlib.pyplot as plt
import numpy as np

import rbmflow as rf
from rbmflow.likelihood import stationary_law

model = rf.ising(rf.square(4))
grid = np.arange(0.0, 6.5, 0.5)
draws = rf.sample(11, model, grid, draws=1000)
mixture = np.mean([rf.exact.energy(model, t) for t in grid])

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for estimator in ("CD", "PCD"):
    machine, history = rf.train(13, draws, hidden=16, epochs=60, estimator=estimator)
    saved = history.checkpoints
    ends = [stationary_law(saved.machine(number), model, draws).temperature for number in range(1, len(saved.update))]
    axes.plot(saved.update[1:], ends, marker="o", label=estimator)
axes.axhline(rf.critical_temperature(model), color="black", linewidth=0.8, label="T_c")
mixed = rf.equilibrium.exact(model).curve(rf.OBSERVABLES["energy"]).temperature_of(mixture)
axes.axhline(mixed, color="black", linestyle="dotted", label="mixture")
axes.set(xscale="log", xlabel="updates", ylabel="T* of p(v)", ylim=(0, 8))
axes.legend()
