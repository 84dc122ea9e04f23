"""Block-spin transformations of large configurations down to the lattice of the run, read at every size."""

from typing import Any

from rbmflow.settings import RenormalizationSettings
from rbmflow.steps.kind import Task, asked, step


@step(
    version=3,
    takes="seed model renormalization",
    holds="""
        blocked_read blocked_read_error: real[rule side blocked_temperature thermometer] 0 inf
        blocked_energy: real[rule side blocked_temperature] -{e} {e}
        blocked_abs_magnetization: real[rule side blocked_temperature] 0 1
        blocked_energy_error blocked_abs_magnetization_error: real[rule side blocked_temperature] 0 inf
    """,
    along=lambda settings: {"rule": 2, "blocked_temperature": asked(settings, RenormalizationSettings).temperatures},
)
def renormalization(task: Task) -> dict[str, Any]:
    """Halve the side until it is that of the run, by the majority rule and by decimation."""
    import jax
    import numpy as np

    from rbmflow import sampler
    from rbmflow.diagnostics import mean_and_error
    from rbmflow.lattice import square
    from rbmflow.renormalization import decimate, majority_rule
    from rbmflow.spin_models import ising
    from rbmflow.steps.thermometers import Instruments, energy_thermometer, per_site

    settings, small = task.asked(RenormalizationSettings), task.model.lattice.shape[0]
    sides = [settings.length]
    while sides[-1] > small:
        sides.append(sides[-1] // 2)
    large = ising(square(sides[0]))
    wolff = sampler.Wolff()
    method = "auto" if wolff.refusal(large) else wolff
    for_draws, for_ties = jax.random.split(task.key)
    draws = sampler.sample(for_draws, large, settings.temperatures, settings.draws, method)
    task.flag("sampling", *draws.flags)
    known = Instruments(task, task.settings["classes"], *task.parents)
    shape = (2, len(sides), len(settings.temperatures))
    read = np.full((2, *shape, len(known.names)), np.nan)
    averages = np.full((4, *shape), np.nan)
    for rule in range(2):
        spins = np.asarray(draws.spins)
        for level, side in enumerate(sides):
            if level:
                coins = jax.random.fold_in(for_ties, level)
                spins = np.asarray(majority_rule(coins, spins) if rule == 0 else decimate(spins))
            model = ising(square(side))
            if side == small:
                read[:, rule, level] = known.read_spins(spins)
            else:
                by_energy = energy_thermometer(model).temperature(spins)
                read[:, rule, level, ..., known.names.index("energy")] = by_energy[:2]
            energy, magnetization = (mean_and_error(of_spins, axis=1) for of_spins in per_site(model, spins))
            averages[:, rule, level] = (*energy, *magnetization)
    names = ("energy", "energy_error", "abs_magnetization", "abs_magnetization_error")
    return {
        "rule": ["majority", "decimation"],
        "side": sides,
        "blocked_temperature": settings.temperatures,
        "thermometer": known.names,
        "blocked_read": read[0],
        "blocked_read_error": read[1],
        **{f"blocked_{name}": values for name, values in zip(names, averages, strict=True)},
    }
