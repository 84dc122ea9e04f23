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
    """Halve the sides until they are those of the run, by the majority rule and by decimation.

    T(E) is read at every size, by equilibrium draws of that size among the parents where no formula or sum tells it.
    """
    import jax
    import numpy as np

    from rbmflow import sampler
    from rbmflow.diagnostics import mean_and_error
    from rbmflow.model import has_formulas
    from rbmflow.renormalization import decimate, majority_rule
    from rbmflow.spin_models import model_in
    from rbmflow.steps.thermometers import Instruments, energy_thermometer, per_site

    settings, own = task.asked(RenormalizationSettings), task.model
    cells = own.lattice.cells
    ratios = [2**halvings for halvings in range((settings.length // cells[0]).bit_length())][::-1]
    models = [own.with_cells([ratio * side for side in cells]) for ratio in ratios]
    neural, *curves = task.parents
    told = {model_in(one.attrs).lattice.cells: one for one in curves}
    of_size = [[told[one.lattice.cells]] if one.lattice.cells in told else [] for one in models]
    by_clusters = has_formulas(own) and sampler.Wolff().refusal(models[0]) is None
    for_draws, for_ties = jax.random.split(task.key)
    method = sampler.Wolff() if by_clusters else "auto"
    draws = sampler.sample(for_draws, models[0], settings.temperatures, settings.draws, method)
    task.flag("sampling", *draws.flags)
    known = Instruments(task, task.settings["classes"], neural, *of_size[-1])
    shape = (2, len(models), len(settings.temperatures))
    read = np.full((2, *shape, len(known.names)), np.nan)
    averages = np.full((4, *shape), np.nan)
    by_energy = [energy_thermometer(one, *of) for one, of in zip(models[:-1], of_size[:-1], strict=True)]
    for rule in range(2):
        spins = np.asarray(draws.spins)
        for level, model in enumerate(models):
            if level:
                larger = models[level - 1]
                coins = jax.random.fold_in(for_ties, level)
                blocked = decimate(spins, 2, larger) if rule else majority_rule(coins, spins, 2, larger)
                spins = np.asarray(blocked)
            if model is models[-1]:
                read[:, rule, level] = known.read_spins(spins)
            else:
                read[:, rule, level, ..., known.names.index("energy")] = by_energy[level].temperature(spins)[:2]
            energy, magnetization = (mean_and_error(of_spins, axis=1) for of_spins in per_site(model, spins))
            averages[:, rule, level] = (*energy, *magnetization)
    names = ("energy", "energy_error", "abs_magnetization", "abs_magnetization_error")
    return {
        "rule": ["majority", "decimation"],
        "side": [one.lattice.cells[0] for one in models],
        "blocked_temperature": settings.temperatures,
        "thermometer": known.names,
        "blocked_read": read[0],
        "blocked_read_error": read[1],
        **{f"blocked_{name}": values for name, values in zip(names, averages, strict=True)},
    }
