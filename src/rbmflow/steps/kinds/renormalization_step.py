"""Block-spin transformations of large configurations down to the lattice of the run, read at every size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow.settings import RenormalizationSettings
from rbmflow.steps.kind import Task, asked, flagged, of_run, step
from rbmflow.steps.kinds.equilibrium_step import read_by
from rbmflow.store import Step

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from rbmflow.model import Ising
    from rbmflow.spec import Spec


@step(
    version=2,
    holds="""
        blocked_read: real[rule side blocked_temperature thermometer] 0 inf
        blocked_energy: real[rule side blocked_temperature] -2 2
        blocked_abs_magnetization: real[rule side blocked_temperature] 0 1
    """,
    along=lambda settings: {"rule": 2, "blocked_temperature": asked(settings, RenormalizationSettings).temperatures},
)
def renormalization(task: Task) -> xr.Dataset:
    """Halve the side until it is that of the run, by the majority rule and by decimation."""
    import jax
    import numpy as np
    import xarray as xr

    from rbmflow import sampler
    from rbmflow.lattice import Square
    from rbmflow.model import Ising
    from rbmflow.renormalization import decimate, majority_rule
    from rbmflow.steps.thermometers import Instruments, energy_thermometer

    settings, small = task.asked(RenormalizationSettings), task.model.lattice.shape[0]
    sides = [settings.length]
    while sides[-1] > small:
        sides.append(sides[-1] // 2)
    large = Ising(Square(sides[0]))
    wolff = sampler.Wolff()
    method = "auto" if wolff.refusal(large) else wolff
    for_draws, for_ties = jax.random.split(task.key)
    draws = sampler.sample(for_draws, large, settings.temperatures, settings.draws, method)
    known = Instruments(task, task.settings["classes"], *task.parents)
    names = known.names
    shape = (2, len(sides), len(settings.temperatures))
    read = np.full((2, *shape, len(names)), np.nan)
    averages = np.full((4, *shape), np.nan)
    for rule in range(2):
        spins = np.asarray(draws.spins)
        for level, side in enumerate(sides):
            if level:
                coins = jax.random.fold_in(for_ties, level)
                spins = np.asarray(majority_rule(coins, spins) if rule == 0 else decimate(spins))
            if side == small:
                read[:, rule, level] = known.read_spins(spins)
            else:
                by_energy = energy_thermometer(Ising(Square(side))).temperature(spins)
                read[:, rule, level, ..., names.index("energy")] = by_energy[:2]
            averages[:, rule, level] = _energy_and_magnetization(Ising(Square(side)), spins)
    dims = ("rule", "side", "blocked_temperature")
    energies = ("energy", "energy_error", "abs_magnetization", "abs_magnetization_error")
    whole = xr.Dataset(
        {
            "blocked_read": ((*dims, "thermometer"), read[0]),
            "blocked_read_error": ((*dims, "thermometer"), read[1]),
        }
        | {f"blocked_{name}": (dims, averages[place]) for place, name in enumerate(energies)},
        {
            "rule": ["majority", "decimation"],
            "side": sides,
            "blocked_temperature": list(settings.temperatures),
            "thermometer": names,
        },
    )
    return flagged(whole, *(("sampling", text) for text in draws.flags))


def _energy_and_magnetization(model: Ising, spins: np.ndarray) -> tuple[np.ndarray, ...]:
    """Means and errors over the draws [temperature] of energy and |m| per site."""
    import numpy as np

    from rbmflow.diagnostics import mean_and_error

    energy = mean_and_error(np.asarray(model.energy(spins), np.float64), axis=1)
    return *energy, *mean_and_error(np.abs(np.asarray(model.magnetization(spins), np.float64)), axis=1)


def renormalization_of(spec: Spec, *instruments: Step) -> Step:
    """That of a run."""
    settings = {**of_run(spec), "classes": list(spec.sampling.temperatures), **read_by(spec)}
    settings["renormalization"] = spec.renormalization.differing()
    return renormalization.step("block spins", settings, *instruments)
