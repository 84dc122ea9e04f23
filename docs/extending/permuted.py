"""A control: the trained weights in a random order, so that their distribution stays and their patterns are gone."""

import equinox as eqx
import jax

import rbmflow as rf


@rf.control("permuted")
def permuted(key, trained, machine):
    mixed = jax.random.permutation(key, trained.weights.ravel()).reshape(trained.weights.shape)
    return eqx.tree_at(lambda rbm: rbm.weights, trained, mixed)
