"""The weights of a machine, in units -1/+1, taken apart: W W^T, singular vectors, and what the flow makes of them."""

from rbmflow.spectrum.cascade import Cascade as Cascade, learning_cascade as learning_cascade
from rbmflow.spectrum.covariances import (
    Waves as Waves,
    covariance_waves as covariance_waves,
    in_units as in_units,
    projections as projections,
    two_point_of as two_point_of,
)
from rbmflow.spectrum.decomposition import Spectrum as Spectrum, decompose as decompose
from rbmflow.spectrum.gaussian_law import GaussianLaw as GaussianLaw, gaussian_law as gaussian_law
from rbmflow.spectrum.gaussian_training import (
    GaussianTraining as GaussianTraining,
    gaussian_training as gaussian_training,
)
from rbmflow.spectrum.generalized_ising import (
    CLUSTERS as CLUSTERS,
    clusters as clusters,
    couplings_of as couplings_of,
    effective_couplings as effective_couplings,
)
from rbmflow.spectrum.linear import (
    Growth as Growth,
    half_step_correlators as half_step_correlators,
    mean_field_jacobian as mean_field_jacobian,
    mean_field_map as mean_field_map,
    mode_growth as mode_growth,
)
from rbmflow.spectrum.measures import MEASURES as MEASURES, measures as measures
from rbmflow.spectrum.modes import (
    around_fields as around_fields,
    displacement_classes as displacement_classes,
    field_correlators as field_correlators,
    fourier_power as fourier_power,
    marchenko_pastur_edges as marchenko_pastur_edges,
    participation as participation,
    receptive_correlators as receptive_correlators,
    resemblance as resemblance,
    shells as shells,
    translation_average as translation_average,
)
