r"""The exact distribution of the magnetization, two-point function and structure factors, by a row transfer matrix.

Rows run along the shorter side. Weights are polynomials :math:`\sum_n w_n z^n` in the number n of up spins and every
broken bond costs :math:`y = e^{-2K}`. Half the torus is built row by row from each first row s,

.. math:: B_1 = V, \qquad B_{k+1} = B_k\, D(z)\, V, \qquad
          V_{st} = y^{\text{bonds broken between rows } s, t}, \quad
          D(z)_{ss} = y^{\text{bonds broken in } s} z^{\text{up spins in } s},

and the two halves are joined: :math:`\sum_M Z(M) z^{(M + N)/2} = \sum_{st} D_{ss} D_{tt} (B_a)_{st} (B_b)_{st}` with
a + b rows. With :math:`T = D(1) V` the two-point function, averaged over x, is

.. math:: \langle s_{0,0}\, s_{\Delta y, \Delta x} \rangle = \frac1Z \sum_{st} s_x\, t_{x + \Delta x}\,
          (T^{\Delta y})_{st}\, (T^{L_y - \Delta y})_{ts},

and from the row magnetizations m, as :math:`\sum_y \cos ky = 0`, the structure factor at k along y is

.. math:: S(k) = \frac1L \sum_y e^{iky} \langle m_0 m_y \rangle
               = -\frac1{2L} \sum_y \cos(ky)\, \langle (m_0 - m_y)^2 \rangle.

First rows that are related by translation, reflection or reversal of all spins are done once, and V is a product over
sites, so that only thin matrices are ever made. All terms are positive, so even the smallest probability has full
relative precision.

References
----------
H. A. Kramers and G. H. Wannier, Phys. Rev. 60, 252 (1941), doi:10.1103/PhysRev.60.252 (the transfer matrix).
F. Cooper, B. Freedman, D. Preston, Nucl. Phys. B 210, 210 (1982), doi:10.1016/0550-3213(82)90240-1 (the second-moment
correlation length).
K. Binder, Z. Phys. B 43, 119 (1981), doi:10.1007/BF01293604 (the distribution of M and its cumulant U4).
"""

import functools

import numpy as np
from jaxtyping import Float64, Int64

from rbmflow._checks import Problems
from rbmflow.exact._temperature import PerTemperature, Reals, inverse_temperature, vanishing
from rbmflow.lattice import Lattice
from rbmflow.model import Model, free_lattice, no_square_ising

WIDEST = 12
"""Longest shorter side: a row has 2^12 states."""

LARGEST_SITES = 256
"""Sites of the largest torus: the polynomials grow with it."""

_SMALL_PRODUCT = 2**18
"""Multiplications of one matrix product. Larger ones are threaded by OpenBLAS, and thousands of short threaded products
stall wherever the cores are shared."""


def magnetization_known(model: Model) -> bool:
    """Whether there is no field, the shorter side is at most 12, and there are at most 256 sites."""
    if no_square_ising(model) is not None or model.field != 0:
        return False
    return min(model.lattice.shape) <= WIDEST and model.lattice.sites <= LARGEST_SITES


def magnetization_distribution(
    model: Model, temperature: Reals
) -> tuple[Int64[np.ndarray, " level"], Float64[np.ndarray, "*batch level"]]:
    """Probability of each total magnetization at each temperature, where `magnetization_known`.

    Returns
    -------
    magnetizations : int64 [level]
        Total magnetization -N, -N + 2, ..., N.
    probabilities : float64 [..., level]
        Symmetric in M; each distribution adds up to one.

    Examples
    --------
    >>> import rbmflow as rf
    >>> magnetizations, probabilities = magnetization_distribution(rf.ising(rf.square(2)), float("inf"))
    >>> (16 * probabilities).tolist()
    [1.0, 4.0, 6.0, 4.0, 1.0]
    """
    lattice, coupling = _known_lattice(model, "magnetization distribution"), inverse_temperature(temperature)
    rows = [_distribution(lattice, k) for k in coupling.ravel().tolist()]
    magnetizations = np.arange(-lattice.sites, lattice.sites + 1, 2)
    return magnetizations, np.array(rows).reshape(*coupling.shape, lattice.sites + 1)


def magnetization_moment(model: Model, temperature: Reals, power: float) -> PerTemperature:
    r"""Moment :math:`\langle |m|^p \rangle` per site with p at least 0, where `magnetization_known`."""
    problems = Problems()
    problems.not_negative("power", power)
    problems.done()
    magnetizations, probabilities = magnetization_distribution(model, temperature)
    return (probabilities @ np.abs(magnetizations / model.lattice.sites) ** power)[()]


def abs_magnetization(model: Model, temperature: Reals) -> PerTemperature:
    r"""Mean absolute magnetization per site, :math:`\langle |m| \rangle`, where `magnetization_known`.

    Examples
    --------
    >>> import rbmflow as rf
    >>> float(abs_magnetization(rf.ising(rf.square(2)), float("inf")))
    0.375
    """
    return magnetization_moment(model, temperature, 1)


def binder(model: Model, temperature: Reals) -> PerTemperature:
    r"""Binder's cumulant, 2/3 in the ordered phase and 0 for a Gaussian, where `magnetization_known`.

    .. math:: U_4 = 1 - \frac{\langle m^4 \rangle}{3 \langle m^2 \rangle^2}.
    """
    fourth, second = (magnetization_moment(model, temperature, power) for power in (4, 2))
    return 1 - fourth / (3 * second**2)


def two_point(model: Model, temperature: Reals) -> Float64[np.ndarray, "*batch y x"]:
    r"""Spin-spin correlation :math:`G(r) = \langle s_i s_{i + r} \rangle`, 1 at (0, 0), where `magnetization_known`.

    Without a field :math:`\langle s_i \rangle = 0` on a finite torus, so G is also the covariance.

    Examples
    --------
    >>> import rbmflow as rf
    >>> two_point(rf.ising(rf.square(2)), [0.0, float("inf")]).tolist()
    [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]]
    """
    lattice, coupling = _known_lattice(model, "two-point function"), inverse_temperature(temperature)
    found = np.array([_two_point(lattice, k) for k in coupling.ravel().tolist()])
    return found.reshape(*coupling.shape, *lattice.shape)


def correlations_known(model: Model) -> bool:
    """Whether the lattice is a square with a side from 3 to 12 and there is no field."""
    if no_square_ising(model) is not None:
        return False
    ly, lx = model.lattice.shape
    return ly == lx and 3 <= ly <= WIDEST and model.field == 0


def structure_factors(model: Model, temperature: Reals) -> tuple[PerTemperature, PerTemperature]:
    r"""Structure factors :math:`S(k) = \langle |\sum_r s_r e^{-ik \cdot r}|^2 \rangle / N` at k = 0 and 2 pi / L.

    They are known above T = 0, where `correlations_known`.

    Examples
    --------
    >>> import rbmflow as rf
    >>> [round(float(s), 12) for s in structure_factors(rf.ising(rf.square(4)), float("inf"))]
    [1.0, 1.0]
    """
    lattice, coupling = free_lattice(model), inverse_temperature(temperature)
    problems = Problems()
    allowed = f"it must be a square torus with a side from 3 to {WIDEST}"
    problems.unless(correlations_known(model), "lattice", lattice, allowed)
    problems.unless(bool(np.isfinite(coupling).all()), "temperature", temperature, "it must be above 0")
    problems.done()
    found = np.array([_structure_factors(lattice, k) for k in coupling.ravel().tolist()]).reshape(*coupling.shape, 2)
    return found[..., 0][()], found[..., 1][()]


def correlation_length(model: Model, temperature: Reals) -> PerTemperature:
    r"""Second-moment correlation length of the torus, in lattice spacings.

    .. math:: \xi = \frac{1}{2 \sin(\pi / L)} \sqrt{\frac{S(0)}{S(2\pi/L)} - 1}

    S(0) is that of the full two-point function, so that the length goes on growing below T_c.

    Examples
    --------
    >>> import rbmflow as rf
    >>> round(float(correlation_length(rf.ising(rf.square(10)), 2.269185314213022) / 10), 3)
    0.918
    """
    uniform, wave = structure_factors(model, temperature)
    return np.sqrt(np.maximum(uniform / wave - 1, 0)) / (2 * np.sin(np.pi / model.lattice.shape[0]))


def _known_lattice(model: Model, what: str) -> Lattice:
    lattice = free_lattice(model)
    allowed = f"the exact {what} is known up to a shorter side of {WIDEST} and {LARGEST_SITES} sites"
    Problems.only(magnetization_known(model), "lattice", lattice, allowed)
    return lattice


class _Rows:
    """The weights of rows of so many spins at one coupling; a bit is a spin."""

    def __init__(self, width: int, coupling: float):
        self.states = np.arange(2**width)
        self.broken = np.exp(-2 * coupling) ** np.arange(width + 1)
        self.inside = self.broken[np.bitwise_count(self.states ^ _rotated(self.states, width))]
        halves = np.arange(2 ** (width - width // 2)), np.arange(2 ** (width // 2))
        self.halves = [self.between(half, half) for half in halves]

    def between(self, one: np.ndarray, other: np.ndarray) -> Float64[np.ndarray, "one other"]:
        """V: weight of the bonds between two rows, by the number of broken ones."""
        return self.broken[np.bitwise_count(one[:, None] ^ other)]

    def times_between(self, rows: Float64[np.ndarray, "state *more"]) -> Float64[np.ndarray, "state *more"]:
        """Multiply with V in place, half the sites at a time."""
        left, right = self.halves
        moved = np.matmul(right, rows.reshape(len(left), len(right), -1))
        result = rows.reshape(moved.shape)  # its old content is no longer needed
        np.matmul(left, moved.swapaxes(0, 1), out=result.swapaxes(0, 1))
        return rows


@functools.lru_cache(maxsize=4096)
@vanishing
def _distribution(lattice: Lattice, coupling: float) -> Float64[np.ndarray, " level"]:
    """Probability of each number of up spins at one coupling."""
    width, length = sorted(lattice.shape)
    rows, (first, orbit) = _Rows(width, coupling), _first_rows(width)
    levels = width * ((length + 1) // 2 - 1) + 1
    most = max(1, _SMALL_PRODUCT // (len(rows.halves[0]) ** 2 * levels))
    joined = np.zeros(lattice.sites + 1)
    for spins, same in enumerate(_by_up_spins(first)):
        for some in np.split(same, range(most, len(same), most)):
            short = rows.between(rows.states, first[some])[:, None]
            for _ in range(length // 2 - 1):
                short = _next_row(short, rows)
            long = _next_row(short, rows) if length % 2 else short
            sums = _join(short * (rows.inside[first[some]] * orbit[some]), long, rows.inside)
            joined[spins : spins + len(sums)] += sums
    joined = joined + joined[::-1]
    return joined / np.sum(joined)


def _next_row(half: Float64[np.ndarray, "state ups first"], rows: _Rows) -> Float64[np.ndarray, "state more_ups first"]:
    """Weight the last row, count its up spins, and go on to the next row: B D(z) V."""
    states, levels, firsts = half.shape
    classes = _by_up_spins(rows.states)
    counted = np.zeros((states, levels + len(classes) - 1, firsts))
    for spins, members in enumerate(classes):
        counted[members, spins : spins + levels] = half[members] * rows.inside[members, None, None]
    return rows.times_between(counted)


def _join(
    short: Float64[np.ndarray, "state ups_short first"],
    long: Float64[np.ndarray, "state ups_long first"],
    row_weight: Float64[np.ndarray, " state"],
) -> Float64[np.ndarray, " ups"]:
    """Sum of the products of the two halves over their common rows, by the number of up spins."""
    (states, levels, rows), more_levels = short.shape, long.shape[1]
    classes = _by_up_spins(np.arange(states))
    ups = np.add.outer(np.arange(levels), np.arange(more_levels)).ravel()
    joined = np.zeros(ups[-1] + len(classes))
    most = max(1, _SMALL_PRODUCT // (levels * more_levels * rows))
    for spins, members in enumerate(classes):
        pairs = np.zeros((levels, more_levels))
        for some in np.split(members, range(most, len(members), most)):
            a = (short[some] * row_weight[some, None, None]).swapaxes(0, 1).reshape(levels, -1)
            pairs += a @ long[some].swapaxes(0, 1).reshape(more_levels, -1).T
        joined[spins : spins + ups[-1] + 1] += np.bincount(ups, weights=pairs.ravel())
    return joined


@vanishing
def _row_pairs(lattice: Lattice, coupling: float) -> tuple[np.ndarray, list[Float64[np.ndarray, "state first"]]]:
    """One row of each class, and the probabilities of class and row that stand 0, 1, ... rows apart."""
    width, length = sorted(lattice.shape)
    rows, (first, orbit) = _Rows(width, coupling), _first_rows(width)
    every, sizes = np.arange(first.size), orbit * rows.inside[first]
    start = np.zeros((rows.states.size, first.size))
    start[first, every] = 1
    # powers[k - 1] is D^-1 T^k with the columns `first`, without a division: T may have rows of zeros.
    powers = [rows.times_between(start.copy())]
    for _ in range(length - 1):
        powers.append(rows.times_between(rows.inside[:, None] * powers[-1]))
    returned = powers[-1][first, every] * sizes
    sizes = sizes / returned.sum()
    apart = [rows.inside[:, None] * one * other * sizes for one, other in zip(powers, powers[-2::-1], strict=False)]
    return first, [start * (returned / returned.sum()), *apart]


def _two_point(lattice: Lattice, coupling: float) -> Float64[np.ndarray, "y x"]:
    first, pairs = _row_pairs(lattice, coupling)
    width, length = sorted(lattice.shape)
    spins = ((np.arange(2**width)[:, None] >> np.arange(width)) & 1) * 2.0 - 1
    columns = np.add.outer(np.arange(width), np.arange(width)) % width  # [displacement, x] -> x + displacement
    together = [spins[first].T @ one.T @ spins for one in pairs]  # [x, x']: spin x of the first row, x' of the other
    found = np.stack([one[np.arange(width), columns].mean(axis=1) for one in together])
    # Both directions along a row are the same; one row of a reflected pair stands for both.
    found = (found + found[:, -np.arange(width)]) / 2
    return found if lattice.shape == (length, width) else found.T


def _structure_factors(lattice: Lattice, coupling: float) -> tuple[float, float]:
    """S at 0 and at the smallest wave vector, from squares of differences, so that no digits are lost."""
    first, pairs = _row_pairs(lattice, coupling)
    side = len(pairs)
    magnetization = 2.0 * np.bitwise_count(np.arange(2**side)) - side
    squares = (magnetization[:, None] - magnetization[first]) ** 2 / 2
    apart = np.array([np.sum(squares * one) for one in pairs])
    same = pairs[0].sum(axis=0) @ magnetization[first] ** 2
    return float(same - apart.sum() / side), float(-np.cos(2 * np.pi * np.arange(side) / side) @ apart / side)


def _by_up_spins(rows: Int64[np.ndarray, " row"]) -> list[Int64[np.ndarray, " member"]]:
    """Places of the rows with 0, 1, 2, ... up spins."""
    up = np.bitwise_count(rows)
    return [np.flatnonzero(up == spins) for spins in range(int(up.max()) + 1)]


def _rotated(states: Int64[np.ndarray, " state"], width: int) -> Int64[np.ndarray, " state"]:
    """Rows moved by one site around the torus."""
    return (states >> 1) | ((states & 1) << (width - 1))


@functools.cache
def _first_rows(width: int) -> tuple[Int64[np.ndarray, " first"], Int64[np.ndarray, " first"]]:
    """One row of each class under translation, reflection and spin reversal, and the size of the class."""
    states = np.arange(2**width)
    reflected = np.zeros_like(states)
    for site in range(width):
        reflected |= ((states >> site) & 1) << (width - 1 - site)
    smallest = states
    for image in (states, reflected, states ^ states[-1], reflected ^ states[-1]):
        for _ in range(width):
            smallest = np.minimum(smallest, image)
            image = _rotated(image, width)
    return np.unique(smallest, return_counts=True)
