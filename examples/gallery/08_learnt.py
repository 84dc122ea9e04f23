"""
How much a machine has learnt
=============================

The excess is what a machine loses on configurations that it has not seen, against the exact mixture of its training
temperatures: zero is a perfect machine.
"""

import matplotlib.pyplot as plt
import numpy as np

import rbmflow as rf

model = rf.ising(rf.square(4))
grid = np.arange(0.0, 6.5, 0.5)
draws, unseen = rf.sample(11, model, grid, draws=1000), rf.sample(12, model, grid, draws=1000)

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for estimator in ("CD", "PCD"):
    machine, history = rf.train(13, draws, hidden=16, epochs=60, estimator=estimator)
    saved = history.checkpoints
    machines = [saved.machine(number) for number in range(1, len(saved.update), 2)]
    nats = [rf.excess_nats(one, model, unseen, rf.log_partition(14, one)) for one in machines]
    axes.errorbar(
        saved.update[1::2], [one.mean for one in nats], [one.error for one in nats], marker="o", label=estimator
    )
axes.set(xscale="log", yscale="log", xlabel="updates", ylabel="excess in nats")
axes.legend()
