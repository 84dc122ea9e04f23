"""The numbers behind each figure as tidy tables, ready for CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow._checks import InvalidInput, Problem
from rbmflow.figures.along_flow import shown_iterations

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

REFERENCES = ("critical_temperature", "specific_heat_peak_temperature")

COLUMNS = {
    "temperature_flow": ("temperature_mean", "temperature_error", "null_temperature", *REFERENCES),
    "class_probabilities": ("probability_mean", "probability_error", "null_probability", *REFERENCES),
    "energy_flow": (
        "energy_mean",
        "energy_error",
        "null_energy",
        "abs_magnetization_mean",
        "abs_magnetization_error",
        "null_abs_magnetization",
    ),
    "flow_ends": (
        "end_temperature",
        "end_error",
        "end_interval",
        "end_chain_error",
        "drift",
        "drift_error",
        "converged",
        "fixed_point",
        "fixed_point_error",
        "fixed_point_chain_error",
        "iterations_needed",
        "null_temperature",
        *REFERENCES,
    ),
    "flow_observables": tuple(
        f"{name}_{part}"
        for name in ("magnetization_2", "magnetization_4", "domains", "step_distance")
        for part in ("mean", "error")
    ),
    "correlations": ("correlation_mean", "correlation_error", "null_correlation"),
    "off_manifold": ("off_distance_mean", "off_distance_error", "off_floor", "off_p_value"),
    "renormalization": (
        "blocked_read",
        "blocked_read_error",
        "blocked_energy",
        "blocked_energy_error",
        "blocked_abs_magnetization",
        "blocked_abs_magnetization_error",
    ),
    "configurations": ("example",),
    "weight_products": ("weight_product",),
    "product_profiles": ("product_profile_mean", "product_profile_error", "two_point_profile", "distance"),
    "spectra": ("singular_value", "data_eigenvalue", "initial_edge_lower", "initial_edge_upper"),
    "leading_vectors": ("leading_vector",),
    "fourier_content": ("mode_power", "wavenumber"),
    "projections": ("projection_mean", "projection_error"),
    "receptive_fields": ("receptive_field", "receptive_correlator"),
    "mode_growth": ("growth_sampled", "growth_mean_field", "predicted_gain", "gain", "gain_error"),
    "weights_along_training": ("weight_measure_mean", "weight_measure_error", "weight_update"),
    "training_time": (
        "checkpoint_end_temperature",
        "checkpoint_end_error",
        "checkpoint_end_chain_error",
        "checkpoint_converged",
        "checkpoint_end_update",
        "checkpoint_excess_mean",
        "checkpoint_excess_mean_error",
        "null_energy",
        *REFERENCES,
    ),
    "calibration": ("calibration", "calibration_error", "usable_from", "usable_to"),
    "training_curves": ("reconstruction", "weight_norm"),
}
"""The variables behind each figure; the first one decides which rows there are."""

PADDED = {
    "renormalization": 1,
    "spectra": 2,
    "leading_vectors": 1,
    "training_curves": 1,
    "training_time": 1,
    "fourier_content": 1,
    "projections": 1,
    "receptive_fields": 1,
    "mode_growth": 1,
    "weights_along_training": 1,
}
"""Figures of padded records: rows in which so many of the first variables are all missing are left out."""


def table_of(results: xr.Dataset, figure: str) -> pd.DataFrame:
    """Return the numbers of one figure, one row a point: its coordinates, then its values.

    Rows whose first value is missing because a record was padded are left out; of the symmetric matrix W W^T each pair
    of visible units comes once.

    Parameters
    ----------
    results
        The results of a run, or the part of them that the figure shows.
    figure
        Name of the figure function.

    Raises
    ------
    InvalidInput
        If there is no such figure.

    Examples
    --------
    >>> table_of(results, "spectra").columns.tolist()  # doctest: +SKIP
    ['machine', 'seed', 'mode', 'singular_value']
    """
    if figure not in COLUMNS:
        raise InvalidInput(Problem("figure", figure, f"it must be one of {', '.join(COLUMNS)}"))
    names = list(COLUMNS[figure])
    part = results[names]
    if figure in ("class_probabilities", "correlations"):
        part = part.sel(iteration=shown_iterations(results))
    dims = [str(d) for d in part[names[0]].dims]
    table = (
        part.drop_vars([c for c in part.coords if c not in part.dims and c not in names])
        .to_dataframe(dims)
        .reset_index()
    )
    if figure in PADDED:
        table = table.dropna(subset=names[: PADDED[figure]], how="all")
    if figure == "weight_products":
        table = table.loc[table["visible"] <= table["visible_other"]]
    return table.loc[:, [*dims, *names]]
