"""Lattices: which sites are neighbours."""

from dataclasses import dataclass

import numpy as np

from rbmflow._checks import Problems


@dataclass(frozen=True)
class Square:
    """Square lattice of `ly` rows and `lx` columns on a torus, at least 2 of each, as many if `lx` is not given.

    Site `(y, x)` has number `y * lx + x`. Every site has one bond to the right and one downwards, so there are
    `2 * sites` bonds; on a side of length 2 the two bonds between a pair both count.

    Examples
    --------
    >>> Square(10).sites
    100
    >>> Square(4, 6).shape
    (4, 6)
    """

    ly: int
    lx: int = None  # pyright: ignore[reportAssignmentType]

    def __post_init__(self):
        problems = Problems()
        ly = problems.whole("ly", self.ly, 2)
        lx = ly if self.lx is None else problems.whole("lx", self.lx, 2)
        problems.done()
        object.__setattr__(self, "ly", ly)
        object.__setattr__(self, "lx", lx)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.ly, self.lx

    @property
    def sites(self) -> int:
        """Number of sites N."""
        return self.ly * self.lx

    @property
    def neighbours(self) -> np.ndarray:
        """Site numbers int32 [site, 4] at the other ends of the bonds right, down, left, up.

        On a side of length 2 a neighbour is named twice, once for each of its two bonds.
        """
        sites = np.arange(self.sites, dtype=np.int32).reshape(self.shape)
        ends = [np.roll(sites, shift, axis) for shift, axis in ((-1, 1), (-1, 0), (1, 1), (1, 0))]
        return np.stack(ends, axis=-1).reshape(self.sites, 4)

    @property
    def colours(self) -> tuple[np.ndarray, ...]:
        """Site numbers by colour: no two neighbours have the same, so one colour can be updated at once.

        Colour `(a(y) + b(x)) mod n`, where a and b alternate 0, 1 and end in 2 on an odd side: n = 2 (checkerboard)
        if both sides are even, else 3.
        """

        def alternating(length: int) -> np.ndarray:
            colour = np.arange(length) % 2
            colour[-1] = 2 if length % 2 else 1
            return colour

        count = 2 if self.ly % 2 == 0 and self.lx % 2 == 0 else 3
        colour = np.add.outer(alternating(self.ly), alternating(self.lx)).ravel() % count
        return tuple(np.flatnonzero(colour == number) for number in range(count))
