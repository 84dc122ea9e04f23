"""Layers of a stack as changes of scale at T_c: their eigenvalues, and whether their receptive fields are blocks."""

from typing import Any

from rbmflow.settings import StabilitySettings
from rbmflow.steps.kind import Task, step

SHOWN = 8
"""Receptive fields of every layer that are kept as images."""


@step(
    version=1,
    takes="seed model stability",
    holds="""
        layer_exponent: real[layer change sector]
        layer_exponent_error: real[layer change sector] 0 inf
        layer_participation: real[layer change] 1 inf
        layer_share: real[layer change] 0 1
        layer_field: real[layer shown y x]
        layer_known: real[sector] 0 inf
    """,
    along=lambda settings: {"change": 3, "sector": ["even", "odd"], "shown": SHOWN},
)
def layers(task: Task) -> dict[str, Any]:
    """The hidden units of the stack, block spins, and random weights of the same norms, on the same configurations."""
    import jax
    import numpy as np

    from rbmflow import sampler
    from rbmflow.critical import critical_exponents, critical_temperature
    from rbmflow.maps import Stack
    from rbmflow.renormalization import block_share, layer_fields, layers_as_rules, stability
    from rbmflow.spectrum import participation
    from rbmflow.steps.restoring import restored

    settings, model = task.asked(StabilitySettings), task.model
    critical, exponents = critical_temperature(model), critical_exponents(model)
    stack, diverged = restored(task.parents[0], model, "sampled")
    assert critical, "a spec refuses other models"
    assert isinstance(stack, Stack), "a spec refuses other machines"
    for_draws, for_weights, for_units = jax.random.split(task.key, 3)
    keys = jax.random.split(for_draws, settings.runs)
    drawn = [sampler.sample(key, model, critical, settings.draws) for key in keys]
    for one in drawn:
        task.flag("sampling", *one.flags)
    task.progress(0.25)
    changes = {"hidden units": stack.machines, **_controls(for_weights, model, stack)}
    side, count = model.lattice.shape[0], len(stack.machines)
    blocks = 2 ** np.arange(1, count + 1)
    found, images = {}, np.zeros(0)
    for place, (name, machines) in enumerate(changes.items()):
        told = stability(for_units, model, [one.spins[0] for one in drawn], count, layers_as_rules(model, machines))
        fields = layer_fields(machines)
        images = np.stack([one.T[:SHOWN].reshape(-1, side, side) for one in fields]) if place == 0 else images
        found[name] = {
            "exponent": np.stack([told.even.exponent[:, 0], told.odd.exponent[:, 0]], axis=-1),
            "exponent_error": np.stack([told.even.exponent_error[:, 0], told.odd.exponent_error[:, 0]], axis=-1),
            "participation": [model.lattice.sites * participation(one).mean() for one in fields],
            "share": [block_share(one, side, int(b)).mean() for one, b in zip(fields, blocks, strict=True)],
        }
        task.progress(0.25 * (place + 2))
    if diverged:
        found["hidden units"] = {name: np.full_like(of, np.nan) for name, of in found["hidden units"].items()}
    return {
        "layer": np.arange(1, count + 1),
        "change": list(changes),
        "sector": ["even", "odd"],
        **{f"layer_{name}": np.stack([one[name] for one in found.values()], axis=1) for name in found["block spins"]},
        "layer_field": images,
        "layer_known": exponents,
    }


def _controls(key: Any, model: Any, stack: Any) -> dict[str, Any]:
    """A stack whose layers are block spins, and one of random weights as large as those of the trained one."""
    import jax

    from rbmflow.controls.gaussian import gaussian
    from rbmflow.lattice import square
    from rbmflow.renormalization import block_machine
    from rbmflow.settings import MachineSettings
    from rbmflow.spin_models import ising

    side, count = model.lattice.shape[0], len(stack.machines)
    return {
        "block spins": [block_machine(ising(square(side >> place))) for place in range(count)],
        "random weights": [
            gaussian(one, trained, MachineSettings(hidden=trained.weights.shape[1]))
            for one, trained in zip(jax.random.split(key, count), stack.machines, strict=True)
        ],
    }
