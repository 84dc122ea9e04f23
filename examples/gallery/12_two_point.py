"""
Correlations at the end of a flow
=================================

Beside the exact correlations at the temperature that the energy of the flow tells.
"""

import matplotlib.pyplot as plt
import numpy as np

import rbmflow as rf

model = rf.ising(rf.square(8))
draws = rf.sample(5, model, temperatures=np.arange(0.0, 7.0), draws=500)
machine, _ = rf.train(6, draws, hidden=64, epochs=50)
flow = rf.iterate(10, machine, rf.hot(8, model, 500), iterations=40)
ends = float(rf.Thermometer("energy", rf.equilibrium.exact(model)).temperature(flow.spins).temperature)
seen = rf.two_point(model, flow.spins)

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
axes.errorbar(range(5), seen.mean[0, :5], seen.error[0, :5], fmt="o", label="end of the flow")
axes.plot(range(5), rf.exact.two_point(model, ends)[0, :5], label=f"exact at T = {ends:.2f}")
axes.set(xlabel="distance along a row", ylabel="⟨s(0) s(r)⟩")
axes.legend()
