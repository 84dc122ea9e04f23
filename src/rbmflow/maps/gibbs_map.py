"""The Gibbs step of a machine, the map of an RBM flow."""

from __future__ import annotations

from typing import get_args

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.gibbs import GibbsNoise, sample_hidden, sample_visible
from rbmflow.rbm import RBM, machine_of
from rbmflow.settings import HalvesName


class _State(eqx.Module):
    visible: Float[Array, "chain visible"]
    noise: GibbsNoise | None
    shape: tuple[int, ...] = eqx.field(static=True)


class Gibbs(eqx.Module):
    r"""A Gibbs step of a machine, :math:`h \sim p(h|v),\ v' \sim p(v'|h)`; `iterate` takes the machine itself as this.

    Parameters
    ----------
    machine
        A machine that has not diverged.
    halves
        "sampled"; "mean-hidden", with the mean :math:`E[h|v]` in place of h; or "mean-field", with the means of both
        layers in place of h and v'. The configurations of a mean-field flow are drawn from its means, one spin by one.

    Raises
    ------
    InvalidInput
        If a weight is not finite, or there are no such halves.

    Examples
    --------
    >>> import rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> free = rf.RBM.random(0, 16, MachineSettings(hidden=4))
    >>> rf.iterate(1, rf.Gibbs(free, "mean-field"), rf.hot(2, rf.ising(rf.square(4)), 5), 3).spins.shape
    (5, 4, 4)
    """

    machine: RBM = eqx.field(converter=machine_of)
    halves: HalvesName = eqx.field(static=True, default="sampled")

    def __check_init__(self):
        problems = Problems()
        problems.one_of("halves", self.halves, get_args(HalvesName.__value__))
        allowed = "its training must not have diverged"
        problems.unless(self.machine.finite, "machine", "weights that are not finite", allowed)
        problems.done()

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of the machine's lattice."""
        return self.machine.shape

    @property
    def states(self) -> tuple[int, ...]:
        """Labels of the states of a site."""
        return self.machine.units.states

    def start(self, spins: Int8[np.ndarray, "chain *lattice"]) -> _State:
        """Visible units, without random numbers yet."""
        sites = int(np.prod(spins.shape[1:]))
        allowed = f"it must be [chain, lattice ...] of {self.machine.sites} sites, such as flow.spins or draws.spins[0]"
        Problems.only(sites == self.machine.sites, "shape of start", spins.shape, allowed)
        return _State(self.machine.units.from_spins(spins.reshape(len(spins), -1)), None, spins.shape)

    def seeded(self, key: Key, state: _State) -> _State:
        """The state with generators of the whole flow, far quicker than a key a step."""
        return _State(state.visible, GibbsNoise.seeded(key, self.machine, state.shape[0]), state.shape)

    def step(self, key: Key, state: _State) -> tuple[_State, Int8[Array, "chain *lattice"]]:
        """One iteration v -> h -> v'."""
        units, fields = self.machine.units, self.machine.hidden_fields(state.visible)
        noise = state.noise or GibbsNoise.seeded(key, self.machine, state.shape[0])
        if self.halves == "sampled":
            noise, hidden = sample_hidden(self.machine, noise, fields)
        else:
            hidden = self.machine.hidden_units.mean(fields)
        noise, drawn = sample_visible(self.machine, noise, hidden)
        onward = units.mean(self.machine.visible_fields(hidden)) if self.halves == "mean-field" else drawn
        kept = None if state.noise is None else noise
        return _State(onward, kept, state.shape), jnp.reshape(units.to_spins(drawn), state.shape)
