"""Exact numbers of the Ising model: the infinite lattice and finite tori.

Everything is NumPy in float64. Formulas take temperatures of any shape in J/k_B, T = 0 and T = inf included, and give
one number for each, on tori of any size unless they say otherwise. Negative temperatures, NaN, models in a field and
lattices that are too large are refused (`InvalidInput`). Not here: other boundaries, other models.
"""

from rbmflow.exact import infinite as infinite
from rbmflow.exact.energy_levels import (
    density_of_states as density_of_states,
    energy_distribution as energy_distribution,
    log_density_of_states as log_density_of_states,
)
from rbmflow.exact.infinite import critical_temperature as critical_temperature
from rbmflow.exact.kaufman import (
    energy as energy,
    log_partition as log_partition,
    specific_heat as specific_heat,
    specific_heat_peak as specific_heat_peak,
)
from rbmflow.exact.row_transfer import (
    abs_magnetization as abs_magnetization,
    binder as binder,
    correlation_length as correlation_length,
    correlations_known as correlations_known,
    magnetization_distribution as magnetization_distribution,
    magnetization_known as magnetization_known,
    magnetization_moment as magnetization_moment,
    structure_factors as structure_factors,
    two_point as two_point,
)
