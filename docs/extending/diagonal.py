"""An observable with its thermometer: the correlation of spins that are neighbours along a diagonal."""

import numpy as np

import rbmflow as rf


@rf.observable(label="s(0) s(1, 1)")
def diagonal(model, spins):
    return (spins * np.roll(spins, (1, 1), axis=(-2, -1))).mean(axis=(-2, -1))
