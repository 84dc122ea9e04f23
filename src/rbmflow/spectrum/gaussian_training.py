"""What a training makes of the law of a machine, predicted from the data and from its first weights."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rbmflow._checks import Problems
from rbmflow._doors import Configurations
from rbmflow.model import Model
from rbmflow.rbm import RBM
from rbmflow.settings import TrainingSettings
from rbmflow.spectrum.cascade import by_guards
from rbmflow.spectrum.gaussian_law import NODE_WEIGHTS, NODES, GaussianLaw, Means, conditional, means_of, waves_of
from rbmflow.training.optimiser import rate_of

ASCENDING = ("Exact", "PCD", "PTT")
"""Estimators whose mean is the gradient of the log-likelihood, if their chains keep up."""

ONE_BY_ONE = 100
"""Updates that are gone through one by one; later ones are joined while their rates are small."""

LONGEST = 0.02
"""Largest sum of the rates of updates that are joined, well below the inverse curvature along saturated waves."""

FEW_NODES, FEW_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
FEW_WEIGHTS = FEW_WEIGHTS / FEW_WEIGHTS.sum()

NEGLIGIBLE = 1e-8
"""Weights of a quadrature below this are left out."""

AT_A_TIME = 10_000_000
"""Spins that are taken apart at a time."""


class GaussianTraining(NamedTuple):
    """The predicted law after each number of updates."""

    update: Int[np.ndarray, " update"]
    energy: Float[np.ndarray, " update"]
    """Mean energy per site of p(v)."""
    uniform: Float[np.ndarray, " update"]
    """Length of the weights on the uniform wave."""
    magnetization: Float[np.ndarray, " m"]
    """Absolute total magnetization."""
    probability: Float[np.ndarray, "update m"]
    largest_rate: Float[np.ndarray, " update"]
    """Learning rate beyond which the uniform wave swings ever more, 2 over the curvature there; NaN for CD."""


def gaussian_training(
    machine: RBM, configurations: Configurations, model: Model, training: TrainingSettings, updates: Sequence[int]
) -> GaussianTraining:
    r"""Law of a machine along a training, predicted from its training data and its first weights, with nothing fitted.

    At each magnetization the waves of the data have the measured :math:`C_k(M)`, those of the machine the
    :math:`S_k(M)` of `gaussian_law`. By Stein's lemma the mean gradient of the log-likelihood is

    .. math:: \dot{\hat W}_{kj} = \hat W_{kj} \big[ \langle C_k \mathrm{sech}^2 x_j \rangle_{data}
        - \langle S_k \mathrm{sech}^2 x_j \rangle_{machine} \big], \qquad
        \dot{\hat W}_{0j} = \tfrac{1}{\sqrt N} \big[ \langle M \tanh x_j \rangle_{data}
        - \langle M \tanh x_j \rangle_{machine} \big] :

    first the uniform wave grows and saturates, where T* stays for long, then the next ones. For CD the second mean is
    over the data after one Gibbs step, whose waves are again Gaussian at given magnetization.

    Parameters
    ----------
    machine
        The untrained machine, units -1/+1, no biases.
    configurations : [..., lattice ...]
        Training data.
    model
        As for `gaussian_law`.
    training
        By exact gradients, persistent chains or CD-1; steps in proportion to the gradient.
    updates
        Numbers of updates, increasing, after which the law is told.

    Raises
    ------
    InvalidInput
        If the machine, the model or the training is none that this is known for.

    References
    ----------
    arXiv:2405.14689 (the cascade of waves); what follows after the first one saturates is ours.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings, TrainingSettings
    >>> model = rf.ising(rf.square(4))
    >>> draws = rf.sample(jax.random.key(0), model, [k / 4 for k in range(25)], 400)
    >>> first = rf.RBM.random(jax.random.key(1), 16, MachineSettings(hidden=16, initial_scale=0.02, biases=False))
    >>> training = TrainingSettings(estimator="Exact", learning_rate=0.05)
    >>> found = rf.gaussian_training(first, draws.spins, model, training, [0, 10, 100])
    >>> (found.energy < [0.01, -0.3, -0.9]).tolist()
    [True, True, True]
    """
    problems = Problems()
    counts = problems.wholes("updates", tuple(updates), 0)
    problems.unless(list(counts) == sorted(set(counts)) and bool(counts), "updates", updates, "they must increase")
    if (refused := no_gaussian_training(training)) is not None:
        problems.unless(False, *refused)
    problems.done()
    uniform, sizes = waves_of(machine, model)
    own = model.own(configurations, "configurations")
    data = given_magnetization(np.asarray(own), model.lattice.shape)
    theory = _Theory(data, training.estimator == "CD")
    course = list(_course(theory, uniform, sizes, training, counts))
    laws = [theory.law(*weights) for weights in course]
    onto = [one for one, _ in course]
    curvature = [_curvature(*found, one, machine.sites) for found, one in zip(laws, onto, strict=True)]
    return GaussianTraining(
        np.array(counts),
        np.array([law.energy(model) for law, _ in laws]),
        np.array([np.linalg.norm(one) for one in onto]),
        laws[0][0].magnetization,
        np.array([law.probability for law, _ in laws]),
        np.full(len(counts), np.nan) if theory.contrastive else 2 / np.array(curvature),
    )


def no_gaussian_training(training: TrainingSettings) -> tuple[str, object, str] | None:
    """What `gaussian_training` refuses in a training: field, value, and what is allowed; None if it refuses nothing."""
    if training.estimator not in (*ASCENDING, "CD"):
        return "estimator", training.estimator, f"the theory is known for {', '.join(ASCENDING)} and CD"
    if training.estimator == "CD" and training.steps > 1:
        return "steps", training.steps, "of CD the theory is known for one step"
    if training.optimiser != "sgd":
        return "optimiser", training.optimiser, "the theory is known for steps in proportion to the gradient, sgd"
    if (guarded := by_guards(training, "the theory")) is not None:
        return guarded
    if training.l1_penalty:
        return "l1_penalty", training.l1_penalty, "the theory is known without it"
    if training.centred:
        return "centred", True, "the theory is known for machines without biases"
    return None


def given_magnetization(spins: np.ndarray, shape: tuple[int, ...]) -> GaussianLaw:
    """The law of configurations [..., lattice ...] by their magnetization and their waves, the data as they are."""
    sites, axes = math.prod(shape), tuple(range(1, len(shape) + 1))
    magnetization = np.arange(sites % 2, sites + 1, 2.0)
    count, power = np.zeros(len(magnetization)), np.zeros((len(magnetization), sites))
    every = spins.reshape(-1, *shape)
    for part in np.array_split(every, 1 + every.size // AT_A_TIME):
        which = np.abs(part.sum(axis=axes, dtype=np.int64)) // 2
        waves = np.abs(np.fft.fftn(part, axes=axes, norm="ortho").reshape(len(part), sites)) ** 2
        np.add.at(power, which, waves)
        count += np.bincount(which, minlength=len(magnetization))
    structure = power[:, 1:] / np.maximum(count, 1)[:, None]
    return GaussianLaw(magnetization, count / count.sum(), structure)


class _Theory:
    """The mean gradient of weights on waves, beside data; it remembers the law it found last."""

    def __init__(self, data: GaussianLaw, contrastive: bool):
        self.data, self.contrastive = data, contrastive
        self.last: np.ndarray | None = None

    def law(self, uniform: np.ndarray, sizes: np.ndarray) -> tuple[GaussianLaw, Means]:
        """The law of a machine."""
        found = conditional(uniform, sizes, self.last)
        self.last = found[0].structure
        return found

    def gradient(self, uniform: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean gradient of the weights on the uniform wave and of the sizes of the others, and a curvature.

        The curvature is that along the first, the variance of M tanh x over a law. It grows as N N_h, and is by far the
        largest of all.
        """
        means = means_of(uniform, sizes, self.data.magnetization, self.data.structure)
        if self.contrastive:
            against, curved = after_gibbs_step(self.data, means, uniform, sizes), (self.data, means)
        else:
            against = curved = self.law(uniform, sizes)
        pairs = zip(_moments(self.data, means, sizes), _moments(*against, sizes), strict=True)
        on_uniform, on_waves = (of_data - of_machine for of_data, of_machine in pairs)
        return on_uniform, on_waves, _curvature(*curved, uniform, len(sizes) + 1)


def _curvature(law: GaussianLaw, means: Means, uniform: np.ndarray, sites: int) -> float:
    along = law.magnetization / math.sqrt(sites) * (means.tanh @ uniform) / np.linalg.norm(uniform)
    return float(law.probability @ along**2 - (law.probability @ along) ** 2)


def _moments(law: GaussianLaw, means: Means, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of v_0 tanh x_j, and of v_k tanh x_j by Stein's lemma along each wave of the weights."""
    order = law.magnetization / np.sqrt(len(sizes) + 1)
    of_waves = sizes * ((law.probability[:, None] * law.structure).T @ means.slope)
    return (law.probability * order) @ means.tanh, of_waves


def after_gibbs_step(
    law: GaussianLaw, means: Means, uniform: np.ndarray, sizes: np.ndarray
) -> tuple[GaussianLaw, Means]:
    """Where v -> h -> v takes a law, as a quadrature over magnetizations that are no longer whole, and its means.

    The field on a spin, sum of W h, has a uniform part and a normal one; spins are independent given both.
    """
    sites = len(sizes) + 1
    stiffness = means.slope @ (sizes**2).T
    inputs = law.structure @ sizes**2
    noise = np.maximum(1 - means.tanh**2 - means.slope**2 * inputs, 0)
    fields = stiffness**2 * law.structure + noise @ (sizes**2).T
    spread = np.sqrt((1 - means.tanh**2) @ uniform**2)
    common = ((means.tanh @ uniform)[:, None] + spread[:, None] * FEW_NODES) / np.sqrt(sites)
    width = np.sqrt(fields.sum(axis=1) / sites)
    spin = np.tanh(common[..., None] + width[:, None, None] * NODES)
    mean, square = spin @ NODE_WEIGHTS, spin**2 @ NODE_WEIGHTS
    # What is not linear in the field is white.
    white = np.maximum(square - mean**2 - (1 - square) ** 2 * width[:, None] ** 2, 0) + 1 - square
    structure = white[..., None] + ((1 - square) ** 2)[..., None] * fields[:, None]
    # Two orders of this mean and variance, none beyond all spins; the law is even, so that signs do not matter.
    mean = np.sqrt(sites) * np.abs(mean)
    up = np.minimum(np.sqrt(white), np.sqrt(sites) - mean)
    share = white / (white + up**2)
    order = np.stack([mean + up, mean - white / up], axis=-1)
    scale = (sites - order**2) / structure.sum(axis=-1)[..., None]
    probability = law.probability[:, None, None] * FEW_WEIGHTS[:, None] * np.stack([share, 1 - share], axis=-1)
    kept = probability > NEGLIGIBLE
    every = (structure[:, :, None] * scale[..., None])[kept]
    after = GaussianLaw(order[kept] * np.sqrt(sites), probability[kept], every)
    return after, means_of(uniform, sizes, after.magnetization, every)


def _course(
    theory: _Theory, uniform: np.ndarray, sizes: np.ndarray, training: TrainingSettings, updates: Sequence[int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Weights on the uniform wave, and sizes of those on the others, after each number of updates."""
    course, decay = rate_of(training, updates[-1]), training.weight_decay
    count = np.arange(updates[-1])
    rates = np.asarray(course(count), np.float64) if callable(course) else np.full(count.size, course)
    passed, gone = np.concatenate([[0.0], np.cumsum(rates)]), 0
    for update in updates:
        while gone < update:
            on_uniform, on_waves, curvature = theory.gradient(uniform, sizes)
            # Where the uniform wave swings it must be followed; CD, whose curvature is smaller, does not swing.
            follows = theory.contrastive or curvature * rates[gone] < 1
            joined = gone + 1
            if gone >= ONE_BY_ONE and follows:
                last = int(np.searchsorted(passed, passed[gone] + LONGEST, side="right")) - 1
                joined = max(joined, min(last, update))
            far = passed[joined] - passed[gone]
            if joined > gone + 1:
                # The weights on the uniform wave relax within these updates, so they are followed to where they go.
                along = uniform / np.linalg.norm(uniform)
                part = -math.expm1(-curvature * far) / (curvature * far)
                on_uniform = on_uniform - (1 - part) * (along @ on_uniform) * along
            uniform, sizes = uniform + far * (on_uniform - decay * uniform), sizes + far * (on_waves - decay * sizes)
            gone = joined
        yield uniform, sizes
