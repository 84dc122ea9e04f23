"""How good class probabilities are."""

import numpy as np
from jaxtyping import Float64, Int

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of


def cross_entropy(probabilities: Numbers, true_class: Numbers) -> float:
    r"""Mean of :math:`-\ln p_k` at the true class k, in nats; infinite if it was ever held impossible.

    Parameters
    ----------
    probabilities : [..., bin]
        As given by `read`.
    true_class : int [...]
        Number of the class of each configuration.

    Raises
    ------
    InvalidInput
        If they are no probabilities, a class is none of theirs, or the shapes differ.
    """
    given = np.take_along_axis(*_classified(probabilities, true_class), axis=-1)
    with np.errstate(divide="ignore"):
        return float(-np.mean(np.log(given)))


def accuracy(probabilities: Numbers, true_class: Numbers) -> float:
    """Fraction of configurations whose most probable class is the true one; it takes what `cross_entropy` takes."""
    given, classes = _classified(probabilities, true_class)
    return float(np.mean(np.argmax(given, axis=-1) == classes[..., 0]))


def _classified(
    probabilities: Numbers, true_class: Numbers
) -> tuple[Float64[np.ndarray, "*batch bin"], Int[np.ndarray, "*batch 1"]]:
    given = numbers_of(probabilities, "probabilities", ("...", "bin"), lowest=0.0, highest=1 + 1e-5)
    Problems.only(given.size > 0, "shape of probabilities", given.shape, "no axis may be empty")
    sums = given.sum(axis=-1)
    odd = sums[np.abs(sums - 1) > 1e-4]
    allowed = "those of one configuration must add up to 1"
    Problems.only(odd.size == 0, "sum of probabilities", odd.flat[0].item() if odd.size else None, allowed)
    classes = numbers_of(true_class, "true_class", given.shape[:-1], lowest=0, highest=given.shape[-1] - 1)
    odd = classes[classes % 1 != 0]
    Problems.only(odd.size == 0, "true_class", odd.flat[0].item() if odd.size else None, "it must be a whole number")
    return given, classes.astype(np.int64)[..., None]
