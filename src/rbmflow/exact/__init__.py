"""Exact numbers of the Ising model: the infinite lattice and finite tori.

Everything is NumPy in float64. Formulas take temperatures of any shape in J/k_B, T = 0 and T = inf included, and give
one number for each, on tori of any size unless they say otherwise. Negative temperatures, NaN, models in a field and
lattices that are too large are refused (`InvalidInput`). Not here: other boundaries, other models.
"""

from rbmflow.exact import infinite
from rbmflow.exact.energy_levels import density_of_states, energy_distribution, log_density_of_states
from rbmflow.exact.infinite import critical_temperature
from rbmflow.exact.kaufman import energy, log_partition, specific_heat, specific_heat_peak
from rbmflow.exact.row_transfer import (
    abs_magnetization,
    binder,
    correlation_length,
    correlations_known,
    magnetization_distribution,
    magnetization_known,
    magnetization_moment,
    structure_factors,
    two_point,
)

__all__ = [
    "abs_magnetization",
    "binder",
    "correlation_length",
    "correlations_known",
    "critical_temperature",
    "density_of_states",
    "energy",
    "energy_distribution",
    "infinite",
    "log_density_of_states",
    "log_partition",
    "magnetization_distribution",
    "magnetization_known",
    "magnetization_moment",
    "specific_heat",
    "specific_heat_peak",
    "structure_factors",
    "two_point",
]
