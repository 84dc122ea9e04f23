"""A stack of machines as one map: up through all of them, and down again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int8

from rbmflow._checks import Problems, listed
from rbmflow._doors import AnyKey, key_of
from rbmflow._types import Key
from rbmflow.gibbs import GibbsNoise, sample_hidden, sample_visible
from rbmflow.maps.gibbs_map import Gibbs
from rbmflow.maps.machine_kind import machine
from rbmflow.model import Model
from rbmflow.rbm import RBM, on_lattice
from rbmflow.settings import MachineSettings
from rbmflow.units import PLUS_MINUS


def stack_layers(settings: MachineSettings) -> list[MachineSettings]:
    """Every machine of a stack as one by itself, the lowest first."""
    return [replace(settings, kind="rbm", hidden=units, layers=()) for units in (settings.hidden, *settings.layers)]


class Stack(eqx.Module):
    """Machines on top of one another, the hidden units of each the visible ones of the next, as `train_stack` makes it.

    A step draws every layer upwards and every layer downwards; a stack of one machine is its `Gibbs`.

    Raises
    ------
    InvalidInput
        If machines do not fit on one another, or one has diverged.

    References
    ----------
    G. E. Hinton, S. Osindero, Y.-W. Teh, Neural Comput. 18, 1527 (2006), doi:10.1162/neco.2006.18.7.1527.
    """

    machines: tuple[RBM, ...] = eqx.field(converter=lambda given: listed(given) or ())

    @classmethod
    def random(cls, key: AnyKey, model: Model, settings: MachineSettings) -> Stack:
        """Untrained machines, of `hidden` units and of those of `layers` above them."""
        keys = jax.random.split(key_of(key), 1 + len(settings.layers))
        below, states, machines = model.lattice.sites, model.states, []
        for one, layer in zip(keys, stack_layers(settings), strict=True):
            machines.append(RBM.random(one, below, layer, states))
            below, states = layer.hidden, PLUS_MINUS.states
        return cls((on_lattice(machines[0], model.lattice.shape), *machines[1:]))

    def __check_init__(self):
        told = "there must be at least one machine, in a list"
        Problems.only(len(self.machines) > 0, "machines", self.machines, told)
        for one in self.machines:
            Gibbs(one)
        for below, above in zip(self.machines, self.machines[1:], strict=False):
            fits = below.weights.shape[1] == above.weights.shape[0] and below.hidden_units == above.units
            told = "each machine must have as many visible units as the one below has hidden ones, of the same kind"
            Problems.only(fits, "machines", [one.weights.shape for one in self.machines], told)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of the lowest machine's lattice."""
        return Gibbs(self.machines[0]).shape

    @property
    def states(self) -> tuple[int, ...]:
        """Labels of the states of a site."""
        return self.machines[0].units.states

    def start(self, spins: Int8[Any, "chain *lattice"]) -> Any:
        """State of the lowest machine, without random numbers yet."""
        return Gibbs(self.machines[0]).start(spins), None

    def seeded(self, key: Key, state: Any) -> Any:
        """The state with generators of all machines for the whole flow."""
        lowest, _ = state
        keys = jax.random.split(key, len(self.machines))
        chains = lowest.shape[0]
        return lowest, tuple(GibbsNoise.seeded(k, one, chains) for k, one in zip(keys, self.machines, strict=True))

    def step(self, key: Key, state: Any) -> tuple[Any, Int8[Array, "chain *lattice"]]:
        """Up and down."""
        lowest, noises = state if state[1] is not None else self.seeded(key, state)
        units, advanced = lowest.visible, []
        for layer, noise in zip(self.machines, noises, strict=True):
            noise, units = sample_hidden(layer, noise, layer.hidden_fields(units))
            advanced.append(noise)
        for place, layer in reversed(list(enumerate(self.machines))):
            advanced[place], units = sample_visible(layer, advanced[place], units)
        onward = eqx.tree_at(lambda one: one.visible, lowest, units)
        spins = jnp.reshape(self.machines[0].units.to_spins(units), lowest.shape)
        return (onward, None if state[1] is None else tuple(advanced)), spins


machine("stack", recipe="CD")(Stack.random)
