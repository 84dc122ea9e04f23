"""Scaling dimensions of spin and energy along a flow, with the two-point functions that they are fitted to."""

from collections.abc import Mapping
from typing import Any

from rbmflow.settings import ScalingSettings
from rbmflow.steps.kind import Task, asked, step, system

FIELDS = ("spin", "energy")
"""What dimensions are of, in the order of the axis."""


def _along(settings: Mapping[str, Any]) -> dict[str, Any]:
    half = min(system(settings)[1].sides) // 2
    return {"field": FIELDS, "separation": list(range(half + 1))}


@step(
    version=1,
    takes="model scaling",
    holds="""
        scaling_dimension: real[fitted field]
        scaling_dimension_error: real[fitted field] 0 inf
        scaling_probability: real[fitted field] 0 1
        scaling_known: real[field] 0 inf
        axis_correlation: real[fitted field separation]
        axis_correlation_error: real[fitted field separation] 0 inf
    """,
    along=_along,
)
def scaling(task: Task) -> dict[str, Any]:
    """Fit the configurations that a flow has kept, iteration by iteration; NaN where there is nothing to fit."""
    import numpy as np

    from rbmflow._checks import InvalidInput
    from rbmflow.critical import critical_exponents
    from rbmflow.diagnostics import mean_and_error
    from rbmflow.scaling import axis_correlations, scaling_dimension

    (flow,), model, settings = task.parents, task.model, asked(task.settings, ScalingSettings)
    exponents = critical_exponents(model)
    assert exponents, "a spec refuses models without known exponents"
    dimensions = len(model.lattice.cells)
    by_temperature, by_field = (dimensions - y for y in exponents)
    # The energy of a finite torus at T_c gives the spins their leading correction, (r / L)^x.
    windows = {"spin": (settings.spin_window, by_temperature), "energy": (settings.energy_window, None)}
    fitted, half = flow["snapshot"].values, min(model.lattice.cells) // 2
    fits = np.full((len(fitted), len(FIELDS), 3), np.nan)
    curves = np.full((2, len(fitted), len(FIELDS), half + 1), np.nan)
    for row in () if bool(flow["diverged"]) else range(len(fitted)):
        spins = flow["spins"].values[row]
        for place, (of, (window, correction)) in enumerate(windows.items()):
            curves[:, row, place] = mean_and_error(axis_correlations(model, spins, of), axis=0)
            try:
                one = scaling_dimension(model, spins, window, of, correction)
            except InvalidInput:  # The two-point function is not above zero in all of the window, or does not vary.
                continue
            fits[row, place] = one.value, one.error, one.probability
        task.progress((row + 1) / len(fitted))
    return {
        "fitted": fitted,
        "field": list(FIELDS),
        "separation": np.arange(half + 1),
        "scaling_dimension": fits[..., 0],
        "scaling_dimension_error": fits[..., 1],
        "scaling_probability": fits[..., 2],
        "scaling_known": np.array([by_field, by_temperature]),
        "axis_correlation": curves[0],
        "axis_correlation_error": curves[1],
    }
