"""Models: the energy of a configuration."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Int8

from rbmflow._checks import Problems
from rbmflow._doors import Configurations, spins_of
from rbmflow.lattice import Square


@dataclass(frozen=True)
class Ising:
    r"""Ferromagnetic Ising model with coupling J = 1 in a uniform field h.

    .. math:: E(s) = -\sum_{\langle ij \rangle} s_i s_j - h \sum_i s_i, \qquad s_i = \pm 1.

    The sum is over the bonds of `lattice`, and `field` is h in units of J. Configurations are [..., y, x] of -1/+1 in
    any form (an array, lists, `Draws`, `Flow`); other values and other shapes are refused (`InvalidInput`).

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
        problems.kind("lattice", self.lattice, Square, "lattice, such as Square(10)")
        problems.finite("field", self.field)
        problems.done()
        object.__setattr__(self, "field", float(self.field))

    def total_energy(self, spins: Configurations) -> Int[Array, "*batch"] | Float[Array, "*batch"]:
        """Energy of each configuration in units of J: an int32 without field, else a float32."""
        own = self._own(spins)
        bonds = -bond_sums(own)
        if self.field == 0:
            return bonds
        return bonds - self.field * jnp.sum(own, axis=(-2, -1), dtype=jnp.int32)

    def total_magnetization(self, spins: Configurations) -> Int[Array, "*batch"]:
        """Sum of the spins of each configuration, an int32."""
        return jnp.sum(self._own(spins), axis=(-2, -1), dtype=jnp.int32)

    def energy(self, spins: Configurations) -> Float[Array, "*batch"]:
        """Energy per site of each configuration."""
        return self.total_energy(spins) / self.lattice.sites

    def magnetization(self, spins: Configurations) -> Float[Array, "*batch"]:
        """Magnetization per site of each configuration."""
        return self.total_magnetization(spins) / self.lattice.sites

    def _own(self, spins: Configurations) -> Int8[Array, "*batch y x"]:
        return jnp.asarray(spins_of(spins, self.lattice.shape))


@jax.jit
def bond_sums(spins: Int8[Array, "*batch y x"]) -> Int[Array, "*batch"]:
    """Sum over bonds; compiled, so that no products of all spins are kept."""
    products = (spins * jnp.roll(spins, -1, axis) for axis in (-1, -2))
    right, down = (jnp.sum(product, axis=(-2, -1), dtype=jnp.int32) for product in products)
    return right + down


def model_of(given: Ising, name: str = "model") -> Ising:
    """A model; anything else that stands in its place is refused."""
    problems = Problems()
    problems.kind(name, given, Ising, "model, such as Ising(Square(10))")
    problems.done()
    return given


def free_lattice(model: Ising) -> Square:
    """Lattice of a model without a field, others being refused: every exact formula gets its lattice here."""
    field = model_of(model).field
    Problems.only(field == 0, "field", field, "the exact formulas are those of the model without a field")
    return model.lattice
