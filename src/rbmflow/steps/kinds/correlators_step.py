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
    """Root mean squares over the hidden units of the highest layer at T_c; NaN of blocks where none are of the size."""
    import math

    import jax
    import numpy as np

    from rbmflow import sampler
    from rbmflow.critical import critical_temperature
    from rbmflow.maps import Gibbs, Stack
    from rbmflow.renormalization import block_machine
    from rbmflow.spectrum import displacement_classes, receptive_correlators
    from rbmflow.steps.restoring import restored

    model = task.model
    own, diverged = restored(task.parents[0], model, "sampled")
    assert isinstance(own, Gibbs | Stack), "no other map has hidden units"
    machines = own.machines if isinstance(own, Stack) else (own.machine,)
    critical = critical_temperature(model)
    assert critical, "a spec refuses models without T_c"
    spins = sampler.sample(task.key, model, critical, task.asked(ScalingSettings).draws).spins[0]
    classes = displacement_classes(model.lattice)

    def decay(correlators: np.ndarray) -> np.ndarray:
        """Of hidden units with random signs squares are taken, so that none cancels another."""
        values = np.sqrt(classes.average((correlators**2).mean(axis=0)))
        return values / values[1]

    def of_blocks(side: int) -> np.ndarray:
        return decay(receptive_correlators(block_machine(model, side), spins))

    nothing = np.full(classes.distance.shape, np.nan)
    hidden = machines[-1].weights.shape[1]
    side = math.isqrt(model.lattice.sites // hidden)
    blocked = side > 1 and side**2 * hidden == model.lattice.sites and not any(n % side for n in model.lattice.shape)
    return {
        "hidden_decay": nothing if diverged else decay(_of_top(jax.random.fold_in(task.key, 1), machines, spins)),
        "block_decay": of_blocks(side) if blocked else nothing,
        "site_decay": of_blocks(1),
        "block_side": float(side) if blocked else np.nan,
    }


def _of_top(key: Any, machines: Any, spins: Any) -> Any:
    """Correlators of the highest hidden units, given units below that are drawn from the spins."""
    import numpy as np

    from rbmflow.gibbs import GibbsNoise, sample_hidden
    from rbmflow.renormalization import layer_fields
    from rbmflow.spectrum import around_fields, receptive_correlators

    *below, top = machines
    if not below:
        return receptive_correlators(top, spins)
    rows = np.asarray(spins).reshape(len(spins), -1)
    units = machines[0].units.from_spins(rows)
    for one in below:
        _, units = sample_hidden(one, GibbsNoise.seeded(key, one, len(rows)), one.hidden_fields(units))
    means = np.tanh(np.asarray(top.hidden_fields(units)))
    return around_fields(layer_fields(machines)[-1], rows.T @ means / len(rows), spins.shape[1:])
