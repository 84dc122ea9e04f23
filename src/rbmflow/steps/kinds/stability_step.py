"""Monte Carlo renormalization group: eigenvalues of block spins at T_c, step by step."""

from collections.abc import Mapping
from typing import Any

from rbmflow.settings import StabilitySettings
from rbmflow.steps.kind import Task, asked, step


def _along(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"sector": ["even", "odd"], "blocked_to": asked(settings, StabilitySettings).sides}


@step(
    version=1,
    takes="seed model stability",
    holds="""
        stability_eigenvalue stability_eigenvalue_error: real[sector blocked_to rank] 0 inf
        stability_exponent stability_exponent_error: real[sector blocked_to rank]
        stability_known: real[sector] 0 inf
        stability_runs: integer[] 2 inf
    """,
    along=_along,
)
def stability(task: Task) -> dict[str, Any]:
    """Block draws of the model of the run on a larger lattice, one run after the other."""
    import jax
    import numpy as np

    from rbmflow import renormalization, sampler
    from rbmflow.critical import critical_exponents, critical_temperature

    settings, small = task.asked(StabilitySettings), task.model
    model = small.with_cells((settings.length,) * len(small.lattice.cells))
    critical, exponents = critical_temperature(model), critical_exponents(model)
    assert critical, "a spec refuses models without T_c"
    for_draws, for_ties = jax.random.split(task.key)

    def runs():
        for number in range(settings.runs):
            draws = sampler.sample(jax.random.fold_in(for_draws, number), model, critical, settings.draws)
            task.flag("sampling", *draws.flags)
            yield draws.spins[0]
            task.progress((number + 1) / settings.runs)

    found = renormalization.stability(for_ties, model, runs(), settings.steps)
    sectors = (found.even, found.odd)
    ranks = max(one.value.shape[1] for one in sectors)

    def table(name: str) -> list[np.ndarray]:
        """Both sectors with as many ranks, NaN where there is none."""
        rows = [getattr(one, name) for one in sectors]
        return [np.pad(row, ((0, 0), (0, ranks - row.shape[1])), constant_values=np.nan) for row in rows]

    return {
        "sector": ["even", "odd"],
        "blocked_to": settings.sides,
        "rank": np.arange(1, ranks + 1),
        "stability_eigenvalue": table("value"),
        "stability_eigenvalue_error": table("error"),
        "stability_exponent": table("exponent"),
        "stability_exponent_error": table("exponent_error"),
        "stability_known": exponents,
        "stability_runs": settings.runs,
    }
