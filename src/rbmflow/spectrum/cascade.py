"""Which waves of the data a machine learns, and when: linear theory beside the machines along a training."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float, Int

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow.diagnostics import rank_correlation
from rbmflow.lattice import hypercubic
from rbmflow.model import Model
from rbmflow.rbm import RBM
from rbmflow.settings import TrainingSettings
from rbmflow.spectrum.covariances import covariance_waves
from rbmflow.spectrum.decomposition import whitened
from rbmflow.training.history import Checkpoints, History
from rbmflow.training.optimiser import MOMENTUM, rate_of
from rbmflow.units import Units

LINEAR = ("CD", "PCD", "PTT", "Exact")
"""Estimators whose gradient is (C - 1) W to first order in W."""

ROUNDING = 1e-9
"""Nearer to 1 than this an eigenvalue is 1, as those of independent spins are."""

SIGMAS = 3.0
"""Standard errors by which an eigenvalue must be above 1."""

LARGEST = 1e9
"""Growth is counted up to here, so that small singular values beside it are not lost in rounding."""

THRESHOLD = 1.0
"""Amplitude of a wave at which v = 0 is no longer stable in the mean-field map of the machine."""


class Cascade(NamedTuple):
    """Waves of the data in the order of their eigenvalues, and the weights on them at every checkpoint."""

    eigenvalue: Float[np.ndarray, " wave"]
    """Eigenvalues c of the covariance of the data, largest first."""
    error: Float[np.ndarray, " wave"]
    """Their standard errors; 0 of what is exact."""
    update: Int[np.ndarray, " checkpoint"]
    """Gradient updates of the checkpoints."""
    amplitude: Float[np.ndarray, "checkpoint wave"]
    """Length of the projection of W on every wave."""
    predicted_amplitude: Float[np.ndarray, "checkpoint wave"]
    """The same by linear theory, from the untrained machine."""
    singular_value: Float[np.ndarray, "checkpoint mode"]
    """Singular values of W, largest first."""
    predicted_singular_value: Float[np.ndarray, "checkpoint mode"]
    """Those that linear theory makes of the untrained W."""

    @property
    def grows(self) -> Bool[np.ndarray, " wave"]:
        """Whether linear theory says that a wave grows, c > 1 by three standard errors."""
        return self.eigenvalue > 1 + ROUNDING + SIGMAS * self.error

    @property
    def time(self) -> Float[np.ndarray, " wave"]:
        """Updates after which the amplitude is beyond 1, between checkpoints as an exponential; NaN if it never is."""
        return _crossing(self.update, self.amplitude)

    @property
    def predicted_time(self) -> Float[np.ndarray, " wave"]:
        """The same by linear theory."""
        return _crossing(self.update, self.predicted_amplitude)

    @property
    def appeared(self) -> int:
        """Number of waves that have appeared by the last checkpoint."""
        return int(np.sum(self.amplitude[-1] > THRESHOLD))

    @property
    def order(self) -> float:
        """Spearman's rank correlation of eigenvalue and earliness over the waves that appear; NaN for fewer than 3."""
        there = np.isfinite(self.time)
        if there.sum() < 3:
            return float("nan")
        return rank_correlation(*(values[there].round(9) for values in (self.eigenvalue, -self.time)))


def learning_cascade(
    trained: History | Checkpoints,
    two_point: Numbers,
    training: TrainingSettings | None = None,
    model: Model | None = None,
    draws: int | None = None,
) -> Cascade:
    r"""Linear theory of learning beside what a training did: which waves of the data appear, in what order, and when.

    For small weights between units -1/+1 the mean gradient of the log-likelihood, and that of CD and PCD, is
    :math:`(C - 1) W`, with the covariance C of the training data. On a torus its eigenvectors are the plane waves,
    with the structure factor :math:`c_k` as eigenvalue, so that after t updates with learning rate :math:`\eta`

    .. math:: \| \hat W_k(t) \| = (1 + \eta (c_k - 1))^t\, \| \hat W_k(0) \|, \qquad
        \hat W_{kj} = \tfrac{1}{\sqrt N} \sum_r e^{-ikr} W_{rj} :

    waves with :math:`c_k > 1` grow, in the order of their eigenvalues, and the others decay. One has appeared when its
    amplitude is 1, the threshold at which the machine itself orders in this wave. Of any other units it holds of their
    free numbers, of mean zero and covariance one over the states: their covariance has several waves at each k, one
    for each of them in a cell (`covariance_waves`), and W is taken between them (`decompose`), so that the threshold
    is 4 in W itself with units 0/1 and :math:`\sqrt q` with one-hot units of q states. The rate is then :math:`\eta\,
    \sigma_v^2 \sigma_h^2` with the variances of both layers, 1/16 of it and 1/q; with hidden units 0/1 the gradient
    must be centred. Momentum, schedules and weight decay are gone through update by update. The theory holds until the
    first wave saturates, near a singular value of 1. It is exact in C where `two_point` is.

    Of Adam, which divides every entry of the gradient by its own size, no times are known. Measured at L = 6 and T =
    3.5 with rates of 0.001 and 0.003, its order is that of the theory: the nine waves with c > 1 are the nine largest,
    and appear in the order of c.

    Parameters
    ----------
    trained
        The history of a training, or its checkpoints, of which the first must be the untrained machine.
    two_point : [cells], or [cells, number, number]
        G(r) of the training data, mean over all temperatures; with several numbers a cell their covariance, as
        `spectrum.in_units` makes it. With a first axis of temperatures if they are means over draws.
    training
        How it was trained; without it predictions are NaN.
    model
        The model of the data. Without it they are those of spins on a lattice with one site a cell, of mean zero.
    draws
        Independent configurations at each temperature that `two_point` [temperature, ...] is the mean over: a wave then
        grows if its eigenvalue is above 1 by three standard errors. None of what is exact.

    Raises
    ------
    InvalidInput
        If no linear theory is known of the optimiser, the estimator or the units, a guard changed steps, a state of the
        data is more frequent than others while the machine has biases, or the lattice is not that of the machine.

    References
    ----------
    A. Decelle, G. Fissore, C. Furtlehner, EPL 119, 60001 (2017), arXiv:1708.02917, eq. (10); D. Bachtis, G. Biroli,
    A. Decelle, B. Seoane, arXiv:2405.14689 (the cascade).

    Examples
    --------
    >>> import rbmflow as rf
    >>> from rbmflow.settings import TrainingSettings
    >>> model = rf.ising(rf.square(4))
    >>> machine, history = rf.train(1, rf.sample(0, model, [4.0], 500), hidden=8, epochs=20, initial_scale=0.01)
    >>> exactly = rf.exact.two_point(model, [4.0])[0]
    >>> found = rf.learning_cascade(history, exactly, TrainingSettings(epochs=20))
    >>> int(found.grows.sum())
    5
    """
    problems = Problems()
    given = numbers_of(two_point, "two_point", ("...",))
    checkpoints = trained.checkpoints if isinstance(trained, History) else trained
    updates, first = np.asarray(checkpoints.update), checkpoints.machine(0)
    every = given if draws is not None else given[None]
    if model is None:
        told = f"there must be a value for each of the {first.sites} sites of the machine"
        problems.unless(every[0].size == first.sites, "two_point", given.shape, told)
        problems.done()
    problems.unless(
        int(updates[0]) == 0, "update", int(updates[0]), "the first checkpoint must be the untrained machine"
    )
    if training is not None and (refused := no_linear_theory(training, checkpoints.machines, model)):
        problems.unless(False, *refused)
    cut = isinstance(trained, History) and trained.reconstruction.size < (trained.epochs_asked or 0)
    if cut and training is not None:
        told = "the training ended before its schedule, so linear theory is known for constant rates"
        problems.unless(training.schedule == "constant", "schedule", training.schedule, told)
    problems.done()
    lattice = hypercubic(every.shape[1:]) if model is None else model.lattice
    machines = [checkpoints.machine(number).in_units("-1/+1") for number in range(len(updates))]
    units = machines[0].units
    of_data = covariance_waves(every.mean(axis=0), lattice, units)
    waves = [of_data.amplitude(whitened(machine), lattice, units) for machine in machines]
    eigenvalues = of_data.eigenvalue.ravel().round(12)
    error = np.zeros(eigenvalues.shape) if draws is None else of_data.error(every, draws, lattice, units).ravel()
    growth = np.full((len(updates), eigenvalues.size), np.nan)
    if training is not None:
        slowed = (first.units.scale * first.hidden_units.scale) ** 2
        distinct, which = np.unique(eigenvalues, return_inverse=True)
        growth = _growth(distinct, updates, training, slowed)[:, which]
    amplitude, order = np.array([np.linalg.norm(one, axis=1) for one in waves]), np.argsort(-eigenvalues, kind="stable")
    values, predicted = (
        np.array([_singular_values(one) for one in every])
        for every in (waves, [row[:, None] * waves[0] for row in growth])
    )
    named = eigenvalues[order], error[order], updates, amplitude[:, order], (growth * amplitude[0])[:, order]
    return Cascade(*named, values, predicted)


def no_linear_theory(
    training: TrainingSettings, machines: RBM, model: Model | None = None
) -> tuple[str, object, str] | None:
    """What `learning_cascade` refuses in a training: field, value, and what is allowed; None if it refuses nothing.

    The machines are those of the checkpoints, with a leading axis.
    """
    if training.estimator not in LINEAR:
        return "estimator", training.estimator, f"linear theory is known for {', '.join(LINEAR)}"
    if (guarded := by_guards(training, "linear theory")) is not None:
        return guarded
    if training.l1_penalty:
        return "l1_penalty", training.l1_penalty, "linear theory is known without it: it shrinks all weights alike"
    if training.optimiser not in ("sgd", "momentum"):
        told = "linear theory is known for steps in proportion to the gradient, sgd and momentum"
        return "optimiser", training.optimiser, told
    units = machines.units
    if (units.two_valued and units.low not in (-1.0, 0.0)) or not units.is_even:
        told = "linear theory is known for -1/+1, 0/1 and units whose numbers vary alike in all directions"
        return "units", units.name, told
    off = abs(units.low + units.span / 2) if units.two_valued else 0.0
    if (off or machines.hidden_units.low == 0) and not training.centred:
        return "centred", False, "linear theory of units 0/1 is known for a centred gradient"
    biased = any(bool(np.any(np.asarray(biases))) for biases in (machines.visible_bias, machines.hidden_bias))
    if model is not None and not _even(model, units) and (biased or not units.two_valued or off):
        told = "linear theory is known for data of the mean of free sites, or units -1/+1 without biases"
        return "model", repr(model), told
    return None


def by_guards(training: TrainingSettings, theory: str) -> tuple[str, object, str] | None:
    """What a theory of the mean gradient refuses in guards of a training: field, value, what is allowed, or None."""
    for guard in ("kl_limit", "swap_limit"):
        if limit := getattr(training, guard):
            return guard, limit, f"{theory} is known for steps that no guard shortens"
    if training.patience and training.schedule != "constant":
        told = f"the schedule of a training that stops at a plateau is cut, so {theory} is known for constant rates"
        return "schedule", training.schedule, told
    return None


def _even(model: Model, units: Units) -> bool:
    """Whether symmetries of the model make the mean of the numbers of a site that over all states."""
    free = units.free[np.asarray(model.symmetries)].mean(axis=0)
    return bool(np.abs(free).max() < 1e-9)


def _singular_values(matrix: Complex[np.ndarray, "wave hidden"]) -> Float[np.ndarray, " mode"]:
    """Singular values, NaN of a matrix that is not finite."""
    finite = np.isfinite(matrix).all()
    return np.linalg.svd(matrix, compute_uv=False) if finite else np.full(min(matrix.shape), np.nan)


def _growth(
    eigenvalues: Float[np.ndarray, " wave"],
    updates: Int[np.ndarray, " checkpoint"],
    training: TrainingSettings,
    slowed: float,
) -> Float[np.ndarray, "checkpoint wave"]:
    """Factor by which an amplitude has grown at each checkpoint, the last one being the end of the training."""
    count = int(updates[-1])
    course = rate_of(training, count)
    rates = np.asarray(course(np.arange(count)), np.float64) if callable(course) else np.full(count, course)
    memory, decay = MOMENTUM if training.optimiser == "momentum" else 0.0, training.weight_decay
    size, velocity = np.ones_like(eigenvalues), np.zeros_like(eigenvalues)
    kept, wanted = {0: size}, set(updates.tolist())
    for update, rate in enumerate(rates.tolist(), 1):
        velocity = memory * velocity + slowed * (eigenvalues - 1) * size
        size = np.clip(size + rate * (velocity - decay * size), -LARGEST, LARGEST)
        if update in wanted:
            kept[update] = size
    return np.abs([kept[update] for update in updates.tolist()])


def _crossing(
    updates: Int[np.ndarray, " checkpoint"], amplitude: Float[np.ndarray, "checkpoint wave"]
) -> Float[np.ndarray, " wave"]:
    """Update at which each amplitude first goes beyond the threshold; NaN for those that never do."""
    times = np.full(amplitude.shape[1], np.nan)
    for wave, course in enumerate(amplitude.T):
        beyond = np.flatnonzero(course > THRESHOLD)
        if beyond.size and beyond[0] == 0:
            times[wave] = updates[0]
        elif beyond.size:
            after = beyond[0]
            low, high = course[after - 1 : after + 1]
            share = math.log(THRESHOLD / low) / math.log(high / low)
            times[wave] = updates[after - 1] + share * (updates[after] - updates[after - 1])
    return times
