"""Optimisers and learning-rate schedules by name."""

import jax
import optax

from rbmflow.rbm import RBM
from rbmflow.settings import TrainingSettings

MOMENTUM = 0.9


def optimiser_of(settings: TrainingSettings, updates: int) -> optax.GradientTransformation:
    r"""Optimiser that the settings name, for a training of so many updates.

    The learning rate is constant, or falls to zero at the last update: linearly, or as
    :math:`\frac{\eta}{2} (1 + \cos \pi t / t_{last})`. Weight decay shrinks the weights and no biases, by
    :math:`\eta \lambda W` an update.

    References
    ----------
    D. P. Kingma, J. Ba, ICLR 2015, arXiv:1412.6980 (adam); I. Loshchilov, F. Hutter, ICLR 2019, arXiv:1711.05101
    (its decoupled weight decay).
    """
    rate: optax.ScalarOrSchedule = settings.learning_rate
    if settings.schedule == "linear":
        rate = optax.linear_schedule(settings.learning_rate, 0.0, updates)
    elif settings.schedule == "cosine":
        rate = optax.cosine_decay_schedule(settings.learning_rate, updates)
    if settings.optimiser == "adam":
        return optax.adamw(rate, weight_decay=settings.weight_decay, mask=_weights_only)
    # After the momentum, which would multiply the decay by 1 / (1 - momentum).
    decay = optax.add_decayed_weights(settings.weight_decay, _weights_only)
    return optax.chain(
        optax.trace(MOMENTUM) if settings.optimiser == "momentum" else optax.identity(),
        decay if settings.weight_decay else optax.identity(),
        optax.scale_by_learning_rate(rate),
    )


def _weights_only(machine: RBM) -> RBM:
    return jax.tree.map(lambda leaf: leaf.ndim == 2, machine)
