"""Correlators of hidden units with the spins around their receptive fields, beside those of block spins."""

from typing import Any

from rbmflow.settings import ScalingSettings
from rbmflow.steps.kind import Task, step


@step(
    version=1,
    takes="seed model scaling",
    holds="""
        hidden_decay block_decay site_decay: real[displacement] 0 inf
        block_side: real[] 2 inf
    """,
)
def correlators(task: Task) -> dict[str, Any]:
    """Root mean squares over hidden units at T_c, by displacement; NaN of blocks where there are none of the size."""
    import math

    import numpy as np

    from rbmflow import sampler
    from rbmflow.critical import critical_temperature
    from rbmflow.rbm import RBM
    from rbmflow.renormalization import block_machine
    from rbmflow.spectrum import displacement_classes, receptive_correlators

    machine, model = RBM.from_dataset(task.parents[0]), task.model
    critical = critical_temperature(model)
    assert critical, "a spec refuses models without T_c"
    spins = sampler.sample(task.key, model, critical, task.asked(ScalingSettings).draws).spins[0]
    classes = displacement_classes(model.lattice)

    def decay(own: RBM) -> np.ndarray:
        """Of hidden units with random signs squares are taken, so that none cancels another."""
        squares = (receptive_correlators(own, spins) ** 2).mean(axis=0)
        values = np.sqrt(classes.average(squares))
        return values / values[1]

    nothing = np.full(classes.distance.shape, np.nan)
    hidden = machine.weights.shape[1]
    side = math.isqrt(model.lattice.sites // hidden)
    blocked = side > 1 and side**2 * hidden == model.lattice.sites and not any(n % side for n in model.lattice.shape)
    return {
        "hidden_decay": decay(machine) if machine.finite else nothing,
        "block_decay": decay(block_machine(model, side)) if blocked else nothing,
        "site_decay": decay(block_machine(model, 1)),
        "block_side": float(side) if blocked else np.nan,
    }
