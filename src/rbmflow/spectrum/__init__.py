"""The weights of a machine taken apart: W W^T, singular values and vectors, and what the flow makes of them.

`decompose` gives the singular value decomposition; `product` holds W W^T against the two-point function of the data;
`modes` has the Fourier content of singular vectors and what they see of the data; `linear` the mean-field map of the
flow and the growth of the modes along it; `measures` the numbers that sum a weight matrix up. All speak of
the machine in units -1/+1, into which one of units 0/1 is converted.
"""

from rbmflow.spectrum.decomposition import Spectrum, decompose
from rbmflow.spectrum.linear import Growth, mean_field_jacobian, mean_field_map, mode_growth
from rbmflow.spectrum.measures import MEASURES, measures
from rbmflow.spectrum.modes import (
    covariance_eigenvalues,
    field_correlators,
    fourier_power,
    marchenko_pastur_edges,
    participation,
    projections,
    shells,
)
from rbmflow.spectrum.product import displacement_classes, resemblance, translation_average

__all__ = [
    "MEASURES",
    "Growth",
    "Spectrum",
    "covariance_eigenvalues",
    "decompose",
    "displacement_classes",
    "field_correlators",
    "fourier_power",
    "marchenko_pastur_edges",
    "mean_field_jacobian",
    "mean_field_map",
    "measures",
    "mode_growth",
    "participation",
    "projections",
    "resemblance",
    "shells",
    "translation_average",
]
