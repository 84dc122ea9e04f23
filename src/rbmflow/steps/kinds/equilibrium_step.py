"""Equilibrium draws: observables at temperatures that cover all energies, for curves that no formula gives."""

from typing import Any

from rbmflow.settings import OBSERVABLES
from rbmflow.steps.kind import Task, step


@step(
    version=2,
    takes="seed model reading.draws",
    holds="""
        drawn_energy: real[temperature draw]
        drawn_value: real[observable part temperature draw]
        ess: real[temperature] 0 inf
    """,
    along=lambda settings: {"observable": len(settings["observables"]), "draw": settings["draws"]},
)
def equilibrium(task: Task) -> Any:
    """Draw at every temperature and measure, holding the configurations of one temperature at a time.

    Beside them the energy levels, where the transfer matrix tells them.
    """
    from rbmflow.equilibrium import Transferred, covering, known, measured

    observables, grid = [OBSERVABLES[name] for name in task.settings["observables"]], covering(task.model)
    found = measured(task.key, task.model, observables, grid, task.settings["draws"], progress=task.progress)
    exact = known(task.model) if "levels" in task.settings else None
    levels = exact.to_dataset() if isinstance(exact, Transferred) else {}
    return found.to_dataset().assign(levels)
