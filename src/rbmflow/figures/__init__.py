"""Figures of a run: one function a figure, each from the results to a matplotlib figure.

Every function takes the labelled results of a run and computes nothing but layout; `table_of` gives the numbers behind
a figure, `to_svg` the text that a web page can hold.
"""

from rbmflow.figures.along_flow import (
    class_probabilities,
    configurations,
    energy_flow,
    flow_ends,
    shown_iterations,
    temperature_flow,
)
from rbmflow.figures.behind import table_of
from rbmflow.figures.checks import calibration, training_curves
from rbmflow.figures.images import fourier_content, leading_vectors, mode_growth, projections, receptive_fields
from rbmflow.figures.manifold import correlations, flow_observables, off_manifold, renormalization
from rbmflow.figures.matrices import product_profiles, spectra, weight_products, weights_along_training
from rbmflow.figures.studies import study_ends, study_excess
from rbmflow.figures.style import start_looks, to_svg
from rbmflow.figures.training_time import study_training_time, training_time

__all__ = [
    "calibration",
    "class_probabilities",
    "configurations",
    "correlations",
    "energy_flow",
    "flow_ends",
    "flow_observables",
    "fourier_content",
    "leading_vectors",
    "mode_growth",
    "off_manifold",
    "product_profiles",
    "projections",
    "receptive_fields",
    "renormalization",
    "shown_iterations",
    "spectra",
    "start_looks",
    "study_ends",
    "study_excess",
    "study_training_time",
    "table_of",
    "temperature_flow",
    "to_svg",
    "training_curves",
    "training_time",
    "weight_products",
    "weights_along_training",
]
