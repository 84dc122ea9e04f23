"""Models: the energy of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rbmflow._types import Spins
from rbmflow.lattice import Square


@dataclass(frozen=True)
class Ising:
    r"""Ferromagnetic Ising model with coupling J = 1 and no field.

    .. math:: E(s) = -\sum_{\langle ij \rangle} s_i s_j, \qquad s_i = \pm 1.

    Parameters
    ----------
    lattice
        The lattice; its bonds are the pairs of the sum.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> model = Ising(Square(4))
    >>> float(model.energy(jnp.ones((4, 4), jnp.int8)))
    -2.0
    """

    lattice: Square

    def total_energy(self, spins: Spins) -> Int[Array, "*batch"]:
        """Energy of each configuration in units of J, an int32 of at most two a site.

        Parameters
        ----------
        spins : int8 [..., y, x]
            Configurations of -1/+1.
        """
        right = jnp.sum(spins * jnp.roll(spins, -1, axis=-1), axis=(-2, -1), dtype=jnp.int32)
        down = jnp.sum(spins * jnp.roll(spins, -1, axis=-2), axis=(-2, -1), dtype=jnp.int32)
        return -(right + down)

    def total_magnetization(self, spins: Spins) -> Int[Array, "*batch"]:
        """Sum of the spins of each configuration, an int32."""
        return jnp.sum(spins, axis=(-2, -1), dtype=jnp.int32)

    def energy(self, spins: Spins) -> Float[Array, "*batch"]:
        """Energy per site of each configuration."""
        return self.total_energy(spins) / self.lattice.sites

    def magnetization(self, spins: Spins) -> Float[Array, "*batch"]:
        """Magnetization per site of each configuration."""
        return self.total_magnetization(spins) / self.lattice.sites
