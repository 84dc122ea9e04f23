r"""The exact distribution of the magnetization, by a row transfer matrix that counts up spins.

Rows run along the shorter side. Weights are polynomials :math:`\sum_n w_n z^n` in the number n of up spins and every
broken bond costs :math:`y = e^{-2K}`. Half the torus is built row by row from each first row s,

.. math:: B_1 = V, \qquad B_{k+1} = B_k\, D(z)\, V, \qquad
          V_{st} = y^{\text{bonds broken between rows } s, t}, \quad
          D(z)_{ss} = y^{\text{bonds broken in } s} z^{\text{up spins in } s},

and the two halves are joined: :math:`\sum_M Z(M) z^{(M + N)/2} = \sum_{st} D_{ss} D_{tt} (B_a)_{st} (B_b)_{st}` with
a + b rows. First rows that are related by translation, reflection or reversal of all spins are done once. All terms are
positive, so even the smallest probability has full relative precision.

References
----------
H. A. Kramers and G. H. Wannier, Phys. Rev. 60, 252 (1941), doi:10.1103/PhysRev.60.252 (the transfer matrix).
K. Binder, Z. Phys. B 43, 119 (1981), doi:10.1007/BF01293604 (the distribution of M and its cumulant U4).
"""

import functools

import numpy as np
from jaxtyping import Float64, Int64

from rbmflow._checks import Problems
from rbmflow.exact._temperature import PerTemperature, Reals, inverse_temperature, vanishing
from rbmflow.lattice import Square
from rbmflow.model import Ising, free_lattice, model_of

WIDEST = 12
"""Longest shorter side: a row has 2^12 states."""

LARGEST_SITES = 256
"""Sites of the largest torus: the polynomials grow with it."""

_SMALL_PRODUCT = 2**18
"""Multiplications of one matrix product. Larger ones are threaded by OpenBLAS, and thousands of short threaded products
stall wherever the cores are shared."""


def magnetization_known(model: Ising) -> bool:
    """Whether there is no field, the shorter side is at most 12, and there are at most 256 sites."""
    lattice = model_of(model).lattice
    return min(lattice.shape) <= WIDEST and lattice.sites <= LARGEST_SITES and model.field == 0


def magnetization_distribution(
    model: Ising, temperature: Reals
) -> tuple[Int64[np.ndarray, " level"], Float64[np.ndarray, "*batch level"]]:
    """Probability of each total magnetization at each temperature.

    Parameters
    ----------
    model
        The model; shorter side at most 12 and at most 256 sites.
    temperature
        Temperatures of any shape, in units J/k_B.

    Returns
    -------
    magnetizations : int64 [level]
        Total magnetization -N, -N + 2, ..., N.
    probabilities : float64 [..., level]
        Symmetric in M; each distribution adds up to one.

    Raises
    ------
    InvalidInput
        If a temperature is negative or NaN, or the lattice is too large.

    Examples
    --------
    >>> from rbmflow.lattice import Square
    >>> magnetizations, probabilities = magnetization_distribution(Ising(Square(2)), float("inf"))
    >>> (16 * probabilities).tolist()
    [1.0, 4.0, 6.0, 4.0, 1.0]
    """
    lattice = free_lattice(model)
    allowed = f"the magnetization distribution is known up to a shorter side of {WIDEST} and {LARGEST_SITES} sites"
    Problems.only(magnetization_known(model), "lattice", lattice, allowed)
    coupling = inverse_temperature(temperature)
    rows = [_distribution(lattice, k) for k in coupling.ravel().tolist()]
    magnetizations = np.arange(-lattice.sites, lattice.sites + 1, 2)
    return magnetizations, np.array(rows).reshape(*coupling.shape, lattice.sites + 1)


def magnetization_moment(model: Ising, temperature: Reals, power: float) -> PerTemperature:
    r"""Moment :math:`\langle |m|^p \rangle` of the magnetization per site.

    Parameters
    ----------
    model
        The model; shorter side at most 12 and at most 256 sites.
    temperature
        Temperatures of any shape, in units J/k_B.
    power
        The exponent p, at least 0.

    Raises
    ------
    InvalidInput
        If a temperature is negative or NaN, or the lattice is too large.
    """
    problems = Problems()
    problems.not_negative("power", power)
    problems.done()
    magnetizations, probabilities = magnetization_distribution(model, temperature)
    return (probabilities @ np.abs(magnetizations / model.lattice.sites) ** power)[()]


def abs_magnetization(model: Ising, temperature: Reals) -> PerTemperature:
    r"""Mean absolute magnetization per site, :math:`\langle |m| \rangle`.

    Parameters
    ----------
    model
        The model; shorter side at most 12 and at most 256 sites.
    temperature
        Temperatures of any shape, in units J/k_B.

    Raises
    ------
    InvalidInput
        If a temperature is negative or NaN, or the lattice is too large.

    Examples
    --------
    >>> from rbmflow.lattice import Square
    >>> float(abs_magnetization(Ising(Square(2)), float("inf")))
    0.375
    """
    return magnetization_moment(model, temperature, 1)


def binder(model: Ising, temperature: Reals) -> PerTemperature:
    r"""Binder's cumulant of the magnetization, 2/3 in the ordered phase and 0 for a Gaussian.

    .. math:: U_4 = 1 - \frac{\langle m^4 \rangle}{3 \langle m^2 \rangle^2}.

    Parameters
    ----------
    model
        The model; shorter side at most 12 and at most 256 sites.
    temperature
        Temperatures of any shape, in units J/k_B.

    Raises
    ------
    InvalidInput
        If a temperature is negative or NaN, or the lattice is too large.

    References
    ----------
    K. Binder, Z. Phys. B 43, 119 (1981), doi:10.1007/BF01293604.
    """
    fourth, second = (magnetization_moment(model, temperature, power) for power in (4, 2))
    return 1 - fourth / (3 * second**2)


@functools.lru_cache(maxsize=4096)
@vanishing
def _distribution(lattice: Square, coupling: float) -> Float64[np.ndarray, " level"]:
    """Probability of each number of up spins at one coupling."""
    width, length = sorted(lattice.shape)
    broken = np.exp(-2 * coupling) ** np.arange(width + 1)
    states = np.arange(2**width)
    row_weight = broken[np.bitwise_count(states ^ _rotated(states, width))]
    between = _between_rows(broken, width - width // 2), _between_rows(broken, width // 2)
    levels = width * ((length + 1) // 2 - 1) + 1
    joined = np.zeros(lattice.sites + 1)
    for spins, first, orbit in _first_rows(width, max(1, _SMALL_PRODUCT // (len(between[0]) ** 2 * levels))):
        short = broken[np.bitwise_count(states[:, None] ^ first)][:, None]
        for _ in range(length // 2 - 1):
            short = _next_row(short, row_weight, between)
        long = _next_row(short, row_weight, between) if length % 2 else short
        sums = _join(short * (row_weight[first] * orbit), long, row_weight)
        joined[spins : spins + len(sums)] += sums
    joined = joined + joined[::-1]
    return joined / np.sum(joined)


def _next_row(
    half: Float64[np.ndarray, "state ups first"],
    row_weight: Float64[np.ndarray, " state"],
    between: tuple[Float64[np.ndarray, "a a"], Float64[np.ndarray, "b b"]],
) -> Float64[np.ndarray, "state more_ups first"]:
    """Weight the last row, count its up spins, and go on to the next row: B D(z) V."""
    states, levels, rows = half.shape
    classes = _by_up_spins(states)
    counted = np.zeros((states, levels + len(classes) - 1, rows))
    for spins, members in enumerate(classes):
        counted[members, spins : spins + levels] = half[members] * row_weight[members, None, None]
    left, right = between
    moved = np.matmul(right, counted.reshape(len(left), len(right), -1))
    result = counted.reshape(moved.shape)  # its old content is no longer needed
    np.matmul(left, moved.swapaxes(0, 1), out=result.swapaxes(0, 1))
    return counted


def _join(
    short: Float64[np.ndarray, "state ups_short first"],
    long: Float64[np.ndarray, "state ups_long first"],
    row_weight: Float64[np.ndarray, " state"],
) -> Float64[np.ndarray, " ups"]:
    """Sum of the products of the two halves over their common rows, by the number of up spins."""
    (states, levels, rows), more_levels = short.shape, long.shape[1]
    classes = _by_up_spins(states)
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


@functools.cache
def _by_up_spins(states: int) -> tuple[Int64[np.ndarray, " member"], ...]:
    """Row states with 0, 1, 2, ... up spins."""
    up = np.bitwise_count(np.arange(states))
    return tuple(np.flatnonzero(up == spins) for spins in range(int(up[-1]) + 1))


def _between_rows(broken: Float64[np.ndarray, " bonds"], width: int) -> Float64[np.ndarray, "state state"]:
    """Weight of the bonds between two rows, by the number of broken ones."""
    states = np.arange(2**width)
    return broken[np.bitwise_count(states[:, None] ^ states)]


def _rotated(states: Int64[np.ndarray, " state"], width: int) -> Int64[np.ndarray, " state"]:
    """Rows moved by one site around the torus; a bit is a spin."""
    return (states >> 1) | ((states & 1) << (width - 1))


@functools.cache
def _first_rows(
    width: int, most: int
) -> tuple[tuple[int, Int64[np.ndarray, " first"], Float64[np.ndarray, " first"]], ...]:
    """One row of each class under translation, reflection and spin reversal, and the size of the class.

    They come in blocks of at most `most` rows with the same number of up spins, which comes first.
    """
    states = np.arange(2**width)
    reflected = np.zeros_like(states)
    for site in range(width):
        reflected |= ((states >> site) & 1) << (width - 1 - site)
    smallest = states
    for image in (states, reflected, states ^ states[-1], reflected ^ states[-1]):
        for _ in range(width):
            smallest = np.minimum(smallest, image)
            image = _rotated(image, width)
    first, orbit = np.unique(smallest, return_counts=True)
    up = np.bitwise_count(first)
    blocks = []
    for spins in np.unique(up).tolist():
        same = np.flatnonzero(up == spins)
        for some in np.split(same, range(most, len(same), most)):
            blocks.append((spins, first[some], orbit[some].astype(float)))
    return tuple(blocks)
