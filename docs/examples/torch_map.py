"""A flow of a model of PyTorch, here an untrained autoencoder of a 4 x 4 lattice, and its whole report."""

import numpy as np
import torch

import rbmflow as rf

torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.Tanh(), torch.nn.Linear(8, 16), torch.nn.Sigmoid())


def torch_step(generator: np.random.Generator, spins: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        rows = torch.from_numpy(spins.reshape(len(spins), -1).astype(np.float32))
        probability_up = network(rows).numpy()
    return np.where(generator.random(rows.shape) < probability_up, 1, -1).reshape(spins.shape)


model = rf.ising(rf.square(4))
flow = rf.iterate(0, rf.host(torch_step), start=rf.cold(1, model, 100), iterations=10)
thermometer = rf.Thermometer("energy", rf.equilibrium.exact(model))
print(thermometer.temperature(flow.spins))

run = rf.judge(rf.host(torch_step), model, name="torch", temperatures=[0.0, 1.0, 2.25, 4.0, 6.0])
print(run.answer[0], run.page, sep="\n")
