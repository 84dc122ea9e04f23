"""Which waves of the data a machine learns, and when: linear theory beside the machines along a training."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from scipy.stats import rankdata

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow.settings import TrainingSettings
from rbmflow.training.history import Checkpoints, History
from rbmflow.training.train import MOMENTUM, rate_of

LINEAR = ("CD", "PCD", "PTT", "Exact")
"""Estimators whose gradient is (C - 1) W to first order in W."""

ROUNDING = 1e-9
"""Nearer to 1 than this an eigenvalue is 1, as those of independent spins are."""

LARGEST = 1e9
"""Growth is counted up to here, so that small singular values beside it are not lost in rounding."""

THRESHOLD = 1.0
"""Amplitude of a wave at which v = 0 is no longer stable in the mean-field map of the machine."""


class Cascade(NamedTuple):
    """Waves of the data in the order of their eigenvalues, and the weights on them at every checkpoint."""

    eigenvalue: Float[np.ndarray, " wave"]
    """Eigenvalues c of the covariance of the data, largest first."""
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
        """Whether linear theory says that a wave grows, c > 1."""
        return self.eigenvalue > 1 + ROUNDING

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
        ranks = [rankdata(values[there].round(9)) for values in (self.eigenvalue, -self.time)]
        if there.sum() < 3 or not all(np.ptp(one) > 0 for one in ranks):
            return float("nan")
        return float(np.corrcoef(*ranks)[0, 1])


def learning_cascade(
    trained: History | Checkpoints, two_point: Numbers, training: TrainingSettings | None = None
) -> Cascade:
    r"""Linear theory of learning beside what a training did: which waves of the data appear, in what order, and when.

    For small weights between units -1/+1 the mean gradient of the log-likelihood, and that of CD and PCD, is
    :math:`(C - 1) W`, with the covariance C of the training data. On a torus its eigenvectors are the plane waves,
    with the structure factor :math:`c_k` as eigenvalue, so that after t updates with learning rate :math:`\eta`

    .. math:: \| \hat W_k(t) \| = (1 + \eta (c_k - 1))^t\, \| \hat W_k(0) \|, \qquad
        \hat W_{kj} = \tfrac{1}{\sqrt N} \sum_r e^{-ikr} W_{rj} :

    waves with :math:`c_k > 1` grow, in the order of their eigenvalues, and the others decay. One has appeared when its
    amplitude is 1, the threshold at which the machine itself orders in this wave (4 with units 0/1).
    With units 0/1 and a centred gradient the rate is :math:`\eta / 16`. Momentum, schedules and weight decay are
    gone through update by update. The theory holds until the first wave saturates, near a singular value of 1.
    It is exact in C where `two_point` is.

    Parameters
    ----------
    trained
        The history of a training, or its checkpoints, of which the first must be the untrained machine.
    two_point : [lattice ...]
        G(r) of the training data, mean over all temperatures; one site a cell.
    training
        How it was trained; without it predictions are NaN.

    Raises
    ------
    InvalidInput
        If no linear theory is known of the optimiser, the estimator or the units, a guard changed steps, or the
        lattice is not that of the machine.

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
    correlation = numbers_of(two_point, "two_point", ("...",), lowest=-1 - 1e-5, highest=1 + 1e-5)
    checkpoints = trained.checkpoints if isinstance(trained, History) else trained
    updates, first = np.asarray(checkpoints.update), checkpoints.machine(0)
    told = f"there must be a value for each of the {first.sites} sites of the machine"
    problems.unless(correlation.size == first.sites, "two_point", correlation.shape, told)
    problems.unless(
        int(updates[0]) == 0, "update", int(updates[0]), "the first checkpoint must be the untrained machine"
    )
    if training is not None and (refused := no_linear_theory(training, first.units.name)):
        problems.unless(False, *refused)
    cut = isinstance(trained, History) and trained.reconstruction.size < (trained.epochs_asked or 0)
    if cut and training is not None:
        told = "the training ended before its schedule, so linear theory is known for constant rates"
        problems.unless(training.schedule == "constant", "schedule", training.schedule, told)
    problems.done()
    machines = [checkpoints.machine(number).in_units("-1/+1") for number in range(len(updates))]
    weights = [np.asarray(machine.weights, np.float64).reshape(*correlation.shape, -1) for machine in machines]
    axes = tuple(range(correlation.ndim))
    waves = [np.fft.fftn(one, axes=axes, norm="ortho").reshape(first.sites, -1) for one in weights]
    eigenvalues = np.real(np.fft.fftn(correlation)).ravel().round(12)
    growth = np.full((len(updates), first.sites), np.nan)
    if training is not None:
        distinct, which = np.unique(eigenvalues, return_inverse=True)
        growth = _growth(distinct, updates, training, 1.0 if first.units.name == "-1/+1" else 1 / 16)[:, which]
    amplitude, order = np.array([np.linalg.norm(one, axis=1) for one in waves]), np.argsort(-eigenvalues, kind="stable")
    values, predicted = (
        np.array([_singular_values(one) for one in every])
        for every in (waves, [row[:, None] * waves[0] for row in growth])
    )
    return Cascade(
        eigenvalues[order], updates, amplitude[:, order], (growth * amplitude[0])[:, order], values, predicted
    )


def no_linear_theory(training: TrainingSettings, units: str) -> tuple[str, object, str] | None:
    """What `learning_cascade` refuses in a training: field, value, and what is allowed; None if it refuses nothing."""
    if training.estimator not in LINEAR:
        return "estimator", training.estimator, f"linear theory is known for {', '.join(LINEAR)}"
    for guard in ("kl_limit", "swap_limit"):
        if limit := getattr(training, guard):
            return guard, limit, "linear theory is known for steps that no guard shortens"
    if training.patience and training.schedule != "constant":
        told = "the schedule of a training that stops at a plateau is cut, so linear theory is known for constant rates"
        return "schedule", training.schedule, told
    if training.l1_penalty:
        return "l1_penalty", training.l1_penalty, "linear theory is known for weights that shrink in proportion"
    if training.optimiser == "adam":
        return "optimiser", "adam", "linear theory is known for steps in proportion to the gradient, sgd and momentum"
    if units not in ("-1/+1", "0/1"):
        return "units", units, "linear theory is known for units of two values"
    if units == "0/1" and not training.centred:
        return "centred", False, "linear theory of units 0/1 is known for a centred gradient"
    return None


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
