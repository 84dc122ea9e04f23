"""What a machine does to exact configurations: the drift along and off the laws of the model, and its balance."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int8

from rbmflow import sampler
from rbmflow._checks import Problems, same_temperature
from rbmflow._doors import AnyKey
from rbmflow._own_settings import own_settings
from rbmflow.critical import critical_temperature
from rbmflow.dataset import Draws
from rbmflow.diagnostics import mean_and_error
from rbmflow.equilibrium import Equilibrium, known
from rbmflow.flow import iterate
from rbmflow.model import Model
from rbmflow.observables import ENERGY, MAGNETIZATION
from rbmflow.random import key_for
from rbmflow.rbm import RBM
from rbmflow.spectrum import field_correlators

PARTS = 10
"""Independent parts of the configurations, whose scatter is the error of a balance."""


def beside_critical(
    key: AnyKey, model: Model, draws: Draws, most: int
) -> tuple[Float64[np.ndarray, " temperature"], Int8[np.ndarray, "temperature draw *lattice"]]:
    """Temperatures and exact configurations of draws, at most so many each, with as many at T_c, if it is known."""
    temperatures, spins, critical = np.array(draws.temperatures), draws.spins[:, :most], critical_temperature(model)
    if critical is not None:
        at_critical = sampler.thermal(key, model, critical, spins.shape[1])
        temperatures, spins = np.append(temperatures, critical), np.concatenate([spins, at_critical[None]])
    order = np.argsort(temperatures)
    return temperatures[order], spins[order]


class Drift(NamedTuple):
    """Mean changes of exact configurations, per site, with standard errors over chains; [temperature, horizon]."""

    energy: Float64[np.ndarray, "temperature horizon"]
    energy_error: Float64[np.ndarray, "temperature horizon"]
    """Change of E in J. That of the correlation of neighbours is -1/2 of it on the square lattice."""
    abs_magnetization: Float64[np.ndarray, "temperature horizon"]
    abs_magnetization_error: Float64[np.ndarray, "temperature horizon"]
    """Change of abs(m)."""
    off_curve: Float64[np.ndarray, "temperature horizon"]
    off_curve_error: Float64[np.ndarray, "temperature horizon"]
    """abs(m) after the iterations minus that of the model at the temperature of the mean energy; NaN where the latter
    is not known."""


@own_settings
def drift_field(
    key: AnyKey,
    machine: RBM,
    model: Model,
    spins: Int8[np.ndarray, "temperature draw *lattice"],
    horizons: Sequence[int],
    equilibrium: Equilibrium | None = None,
) -> Drift:
    r"""Mean changes of E and :math:`|m|` when exact configurations of every temperature are iterated so often.

    .. math:: \Delta_n O(T) = \langle O(v_n) - O(v_0) \rangle_{v_0 \sim p_T}, \qquad
              o_n(T) = \langle |m| \rangle_n - \langle |m| \rangle_{T'}, \quad
              \langle E \rangle_{T'} = \langle E \rangle_n

    A machine whose stationary law is the mixture of its training temperatures has changes that average to zero over
    them, at every n; at no single temperature need one vanish. The :math:`o_n` tell how far configurations have left
    the laws of the model, on which they are zero.

    Parameters
    ----------
    spins
        Independent configurations of the model at each temperature.
    horizons
        Iterations after which they are looked at, increasing, from 1 on.
    equilibrium
        What tells :math:`|m|` and E of the model, with its errors; formulas or a sum, where there are any, if none is
        given.

    Raises
    ------
    InvalidInput
        If the machine or the configurations do not fit the model, or horizons do not increase.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> model = rf.ising(rf.square(4))
    >>> free = rf.RBM.random(jax.random.key(0), 16, MachineSettings(hidden=4, initial_scale=0.0))
    >>> spins = rf.sample(jax.random.key(1), model, [2.0, 8.0], 200).spins
    >>> bool((drift_field(jax.random.key(2), free, model, spins, (1,)).energy > 0).all())
    True
    """
    flowed = iterate(key, machine, spins.reshape(-1, *spins.shape[2:]), horizons[-1], model=model, keep=tuple(horizons))
    after = flowed.configurations.reshape(len(horizons), *spins.shape)

    def measured(ours: np.ndarray) -> Float64[np.ndarray, "2 ..."]:
        energy, size = np.asarray(model.energy(ours), np.float64), np.asarray(model.magnetization(ours), np.float64)
        return np.stack([energy, np.abs(size)])

    before, later = measured(spins), measured(after)
    # [quantity, mean or error, horizon, temperature]
    changes = [mean_and_error(later[row] - before[row], axis=2) for row in range(2)]
    truth = known(model, within=0.0) if equilibrium is None else equilibrium
    nothing = np.full((2, *later.shape[1:-1]), np.nan)
    off = _off_curve(truth, *later) if truth and truth.knows(MAGNETIZATION) else nothing
    return Drift(*(np.moveaxis(values, 0, 1) for pair in (*changes, off) for values in pair))


def _off_curve(truth: Equilibrium, energy: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean abs(m) minus that of equilibrium at the mean energy, over the last axis, and its standard error."""
    of_size, of_energy = truth.curve(MAGNETIZATION), truth.curve(ENERGY)
    mean, error = mean_and_error(energy, axis=-1)
    expected = lambda mean: of_size.mean_at(of_energy.temperature_of(mean))  # noqa: E731
    at = of_energy.temperature_of(mean)
    # The slope over the energies that the error leaves open; at the end of the curve it is that of the one side.
    error = np.hypot(error, np.nan_to_num(of_energy.error_at(at)))
    low, high = (np.clip(mean + way * error, *truth.model.energy_bounds) for way in (-1, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(high > low, (expected(high) - expected(low)) / (high - low), 0.0)
    noise = mean_and_error(size - slope[..., None] * energy, axis=-1)[1]
    of_curves = np.hypot(of_size.error_at(at), slope * of_energy.error_at(at))
    return size.mean(axis=-1) - of_size.mean_at(at), np.hypot(noise, np.nan_to_num(of_curves))


def vanishing(
    temperature: Float64[np.ndarray, " temperature"], change: Float64[np.ndarray, " temperature"], error: np.ndarray
) -> tuple[float, float]:
    """Temperature at which a change of the energy goes from positive, below, to negative, and its standard error.

    Of several such places, as noise makes them, it is the one that has most of the positive changes below it and of the
    negative ones above; both NaN where there is none. A temperature that comes twice, as T_c does where a grid
    has it too, is one with the mean change.
    """
    known = np.isfinite(temperature + change + error)
    at, change, error = temperature[known], change[known], error[known]
    place = np.cumsum([0, *(not same_temperature(*pair) for pair in itertools.pairwise(at))])[: at.size]
    count = np.maximum(np.bincount(place), 1)
    change, error = np.bincount(place, change) / count, np.sqrt(np.bincount(place, error**2)) / count
    at = at[np.flatnonzero(np.diff(place, prepend=-1))]
    crossings = np.flatnonzero((change[:-1] > 0) & (change[1:] <= 0))
    if not crossings.size:
        return np.nan, np.nan
    below = crossings[np.argmax(np.cumsum(change)[crossings])]
    width, fall = at[below + 1] - at[below], change[below] - change[below + 1]
    part = change[below] / fall
    noise = np.hypot((1 - part) * error[below], part * error[below + 1])
    return float(at[below] + part * width), float(noise * width / fall)


class Balance(NamedTuple):
    """Changes over Gibbs steps from the training mixture, with standard errors over parts of it; [steps]."""

    correlators: Float64[np.ndarray, " steps"]
    correlators_error: Float64[np.ndarray, " steps"]
    """Norm of the change of <v h> over the norm of <v h>; an estimate without bias of its square, which noise can make
    negative, and the root of that with its sign."""
    energy: Float64[np.ndarray, " steps"]
    energy_error: Float64[np.ndarray, " steps"]
    """Change of the energy per site, in J."""


@own_settings
def balance(key: AnyKey, machine: RBM, model: Model, draws: Draws, steps: Sequence[int]) -> Balance:
    r"""How far the correlators that CD-k balances are from balance, after k Gibbs steps and others.

    .. math:: \Delta_k = \langle v\, E[h|v]^T \rangle_{k} - \langle v\, E[h|v]^T \rangle_{0}, \qquad
              r_k = \| \Delta_k \| / \| \langle v\, E[h|v]^T \rangle_0 \|

    At a fixed point of CD-k without weight decay :math:`\Delta_k = 0`: it is the gradient. That says nothing of any
    other number of steps. At the maximum of the likelihood it vanishes for k to infinity alone, and for every k if the
    machine is the mixture.

    Parameters
    ----------
    draws
        Fresh configurations of the training temperatures, as many at each.
    steps
        Gibbs steps after which to look, increasing, from 1 on.

    Raises
    ------
    InvalidInput
        If there are fewer than 20 configurations at a temperature, or machine and model do not fit.

    References
    ----------
    G. Hinton, Neural Comput. 14, 1771 (2002), doi:10.1162/089976602760128018 (the gradient of CD-k).

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> model = rf.ising(rf.square(4))
    >>> free = rf.RBM.random(jax.random.key(0), 16, MachineSettings(hidden=4, initial_scale=0.01))
    >>> found = balance(jax.random.key(1), free, model, rf.sample(jax.random.key(2), model, [2.0], 200), (1, 3))
    >>> bool((found.energy > 0).all())
    True
    """
    count = draws.spins.shape[1]
    Problems.only(count >= 2 * PARTS, "draws", count, f"there must be at least {2 * PARTS} at each temperature")
    sites = draws.spins.shape[2:]
    flowed = iterate(
        key_for(key, "balance", machine), machine, draws.spins.reshape(-1, *sites), steps[-1], model=model, keep=steps
    )
    after = flowed.configurations.reshape(len(steps), *draws.spins.shape)
    before = [_correlators(machine, draws.spins[:, part::PARTS]) for part in range(PARTS)]
    norm = float(np.linalg.norm(np.mean(before, axis=0)))
    rows = [
        _norm([_correlators(machine, one[:, part::PARTS]) - before[part] for part in range(PARTS)], norm)
        for one in after
    ]
    energies = np.asarray(model.energy(after), np.float64) - np.asarray(model.energy(draws.spins), np.float64)
    mean, error = mean_and_error(energies, axis=2)
    # Temperatures are strata: their errors, not the scatter between them, make that of the mean.
    of_energy = mean.mean(axis=1), np.sqrt((error**2).sum(axis=1)) / error.shape[1]
    root, noise = np.transpose(rows)
    return Balance(root, noise, *of_energy)


def _correlators(
    machine: RBM, spins: Int8[np.ndarray, "temperature draw *lattice"]
) -> Float64[np.ndarray, "visible hidden"]:
    return field_correlators(machine, spins.reshape(-1, *spins.shape[2:]))


def _norm(parts: Sequence[np.ndarray], scale: float) -> tuple[float, float]:
    """Norm of the mean of independent matrices over a scale, by the products of different ones, with its error."""
    rows = np.reshape(parts, (len(parts), -1)) / scale
    products, count = rows @ rows.T, len(rows)
    every = products.sum() - np.trace(products)
    # Jackknife: without one of the parts its products with all others are gone.
    left = (every - 2 * (products.sum(axis=1) - np.diag(products))) / ((count - 1) * (count - 2))
    square = every / (count * (count - 1))
    noise = np.sqrt((count - 1) * np.mean((left - left.mean()) ** 2))
    root = float(np.sign(square) * np.sqrt(abs(square)))
    # Far from zero the error of a root; near it the root of the error, whichever is smaller.
    return root, float(min(noise / max(2 * abs(root), 1e-300), np.sqrt(noise)))
