"""A machine that is a function on NumPy arrays: every spin of one colour, in turn, follows its neighbours."""

import numpy as np

import rbmflow as rf


@rf.machine("quenched")
def quenched(key, model, settings):
    rows, columns = np.indices(model.lattice.shape)

    def one_step(generator, spins):
        for colour in range(2):
            field = sum(np.roll(spins, step, axis) for step in (-1, 1) for axis in (-2, -1))
            field = field + generator.uniform(-1, 1, spins.shape)  # Where they are equal, at random.
            spins = np.where((rows + columns) % 2 == colour, np.sign(field), spins).astype(np.int8)
        return spins

    return rf.host(one_step, model.states)
