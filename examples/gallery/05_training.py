"""
What a training leaves behind
=============================

Along a training machines are kept at updates that are even in the logarithm, with what was measured on each.
"""

import matplotlib.pyplot as plt

import rbmflow as rf

model = rf.ising(rf.square(8))
draws = rf.sample(3, model, temperatures=[1.0, 2.0, 3.0, 4.0], draws=500)
machine, history = rf.train(4, draws, hidden=64, epochs=50, learning_rate=0.02, held_out=0.1)

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
history.plot(ax=axes)

# %%
# The record prints what it holds, and can be saved.
print(history)
