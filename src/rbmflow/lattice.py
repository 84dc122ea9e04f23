"""Lattices: which sites are neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from rbmflow._checks import Problems


@dataclass(frozen=True)
class Square:
    """Square lattice of `ly` rows and `lx` columns on a torus.

    Site `(y, x)` has number `y * lx + x`. Every site has one bond to the right and one downwards, so there are
    `2 * sites` bonds; on a side of length 2 the two bonds between a pair both count.

    Parameters
    ----------
    ly
        Rows, at least 2.
    lx
        Columns, at least 2; the same as `ly` when not given.

    Raises
    ------
    InvalidInput
        If a side is not a whole number of at least 2.

    Examples
    --------
    >>> Square(10).sites
    100
    >>> Square(4, 6).shape
    (4, 6)
    """

    ly: int
    lx: int = 0

    def __post_init__(self):
        if self.lx == 0:
            object.__setattr__(self, "lx", self.ly)
        problems = Problems()
        problems.whole("ly", self.ly, 2)
        problems.whole("lx", self.lx, 2)
        problems.done()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.ly, self.lx

    @property
    def sites(self) -> int:
        """Number of sites N."""
        return self.ly * self.lx

    @property
    def bonds(self) -> int:
        """Number of bonds, 2 N."""
        return 2 * self.sites
