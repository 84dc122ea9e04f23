"""Models: the energy of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rbmflow._checks import Problems
from rbmflow._types import Spins
from rbmflow.lattice import Square


@dataclass(frozen=True)
class Ising:
    r"""Ferromagnetic Ising model with coupling J = 1 in a uniform field h.

    .. math:: E(s) = -\sum_{\langle ij \rangle} s_i s_j - h \sum_i s_i, \qquad s_i = \pm 1.

    Parameters
    ----------
    lattice
        The lattice; its bonds are the pairs of the sum.
    field
        The field h in units of J; 0 unless given.

    Raises
    ------
    InvalidInput
        If the field is not a finite number.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> model = Ising(Square(4))
    >>> float(model.energy(jnp.ones((4, 4), jnp.int8)))
    -2.0
    """

    lattice: Square
    field: float = 0.0

    def __post_init__(self):
        problems = Problems()
        problems.finite("field", self.field)
        problems.done()

    def total_energy(self, spins: Spins) -> Int[Array, "*batch"] | Float[Array, "*batch"]:
        """Energy of each configuration in units of J: an int32 without field, else a float32.

        Parameters
        ----------
        spins : int8 [..., y, x]
            Configurations of -1/+1.
        """
        right = jnp.sum(spins * jnp.roll(spins, -1, axis=-1), axis=(-2, -1), dtype=jnp.int32)
        down = jnp.sum(spins * jnp.roll(spins, -1, axis=-2), axis=(-2, -1), dtype=jnp.int32)
        bonds = -(right + down)
        return bonds if self.field == 0 else bonds - self.field * self.total_magnetization(spins)

    def total_magnetization(self, spins: Spins) -> Int[Array, "*batch"]:
        """Sum of the spins of each configuration, an int32."""
        return jnp.sum(spins, axis=(-2, -1), dtype=jnp.int32)

    def energy(self, spins: Spins) -> Float[Array, "*batch"]:
        """Energy per site of each configuration."""
        return self.total_energy(spins) / self.lattice.sites

    def magnetization(self, spins: Spins) -> Float[Array, "*batch"]:
        """Magnetization per site of each configuration."""
        return self.total_magnetization(spins) / self.lattice.sites
