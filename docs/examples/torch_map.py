"""A flow of a model of PyTorch, here an untrained autoencoder of a 4 x 4 lattice, and its whole report.

Where torch lives in an environment of its own, RBMFLOW_TORCH_PYTHON is the Python of that one, whatever its version:
this file is run there too, and arrays go to and fro. Only NumPy and torch are needed there.
"""

import io
import os
import struct
import subprocess
import sys

import numpy as np


def model_of_torch():
    """A function of spins [chain, y, x] that gives the probability of +1 at every site."""
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.Tanh(), torch.nn.Linear(8, 16), torch.nn.Sigmoid())

    def probability_up(spins):
        with torch.no_grad():
            return network(torch.from_numpy(spins.reshape(len(spins), -1).astype(np.float32))).numpy()

    return probability_up


def send(pipe, array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    pipe.write(struct.pack("<q", buffer.tell()) + buffer.getvalue())
    pipe.flush()


def receive(pipe):
    head = pipe.read(8)
    return np.load(io.BytesIO(pipe.read(*struct.unpack("<q", head))), allow_pickle=False) if head else None


def serve():
    """Answer what comes in until nothing does; an error is sent back as its text, and prints go to the error stream."""
    out, answer = os.fdopen(os.dup(1), "wb"), None
    os.dup2(2, 1)
    while (spins := receive(sys.stdin.buffer)) is not None:
        try:
            answer = answer or model_of_torch()
            send(out, answer(spins))
        except Exception as error:
            send(out, np.array(f"{type(error).__name__}: {error}"))


class Elsewhere:
    """The model in a process of another Python, which ends with the block."""

    def __init__(self, python):
        command = [python, __file__, "serve"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, spins):
        try:
            send(self.process.stdin, spins)
            told = receive(self.process.stdout)
        except OSError:
            told = None
        if told is None:
            raise RuntimeError(f"the other Python has ended with code {self.process.wait()}")
        if told.dtype.kind == "U":
            raise RuntimeError(f"in the other Python {told}")
        return told

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()


def drawn(probability_up):
    """A step for `rf.host`: all that is random is drawn here, so that the flow comes again with its key."""

    def step(generator, spins):
        probability = probability_up(spins).reshape(spins.shape)
        return np.where(generator.random(spins.shape) < probability, 1, -1)

    return step


def report(probability_up):
    import rbmflow as rf

    model, step = rf.ising(rf.square(4)), drawn(probability_up)
    flow = rf.iterate(0, rf.host(step), start=rf.cold(1, model, 100), iterations=10)
    thermometer = rf.Thermometer("energy", rf.equilibrium.exact(model))
    print(thermometer.temperature(flow.spins))
    run = rf.judge(rf.host(step), model, name="torch", temperatures=[0.0, 1.0, 2.25, 4.0, 6.0])
    print(run.answer[0], run.page, sep="\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    elif python := os.environ.get("RBMFLOW_TORCH_PYTHON"):
        with Elsewhere(python) as probability_up:
            report(probability_up)
    else:
        report(model_of_torch())
