"""The numbers that sum up a weight matrix, the same for every machine and every checkpoint."""

import numpy as np

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow.rbm import RBM
from rbmflow.spectrum.decomposition import decompose
from rbmflow.spectrum.modes import (
    fourier_power,
    marchenko_pastur_edges,
    participation,
    resemblance,
    translation_average,
)

MEASURES = {
    "resemblance": "correlation of W W^T with the two-point function over displacements",
    "resemblance_cosine": "cosine of W W^T and the two-point function over displacements",
    "neighbour_ratio": "mean W W^T of nearest neighbours over that of the diagonal",
    "translation_share": "share of the translation average in the squared norm of W W^T",
    "effective_modes": "participation ratio of the eigenvalues of W W^T",
    "effective_ratio": "that ratio over its mean for independent Gaussian weights",
    "first_share": "share of the largest eigenvalue in their sum",
    "above_edge": "eigenvalues above the Marchenko-Pastur edge of the initial weights",
    "leading_uniformity": "overlap of the leading mode with the uniform vector",
    "purity": "largest share of one |k| in a mode, mean weighted with the eigenvalues",
    "mode_extent": "participation ratio of a mode over N, mean weighted with the eigenvalues",
    "hidden_extent": "participation ratio of a hidden unit's weights over N, mean",
    "largest_eigenvalue": "largest eigenvalue",
    "above_one": "eigenvalues above 1, the threshold of learning with small weights",
}
"""What `measures` gives, by name."""


def measures(machine: RBM, two_point: Numbers, initial_scale: float) -> dict[str, float]:
    r"""Numbers that sum up the weights of a machine.

    With the eigenvalues :math:`\lambda_m` of W W^T the participation ratio, or effective number of modes, is

    .. math:: \frac{(\sum_m \lambda_m)^2}{\sum_m \lambda_m^2},

    1 for a single eigenvalue and their number if all are equal. For independent Gaussian weights its mean is
    :math:`N_v N_h / (N_v + N_h + 1)` for large matrices. Spectra that decay gradually lie in between.

    There is a number for every name of `MEASURES`; all are NaN for weights that are zero or not finite. Biases play no
    part. `two_point` [y, x] is G of what the machine was trained on, of no other lattice; `initial_scale` is the
    standard deviation of its initial weights, in its own units.
    """
    spectrum, correlation = decompose(machine), numbers_of(two_point, "two_point", ("y", "x"))
    sites, hidden = machine.sites, machine.weights.shape[1]
    ly, lx = correlation.shape
    machine.require_lattice("two_point", (ly, lx))
    problems = Problems()
    problems.not_negative("initial_scale", initial_scale)
    problems.done()
    # Of the components of a site so many are independent, in a spectrum of free units all with this scale.
    independent = int(np.linalg.matrix_rank(machine.units.root))
    visible = machine.sites * independent
    of_units = np.linalg.norm(machine.units.root) / np.sqrt(independent) * machine.hidden_units.root.item()
    scale = float(initial_scale * of_units)
    eigenvalues = spectrum.singular_values**2
    total = eigenvalues.sum()
    if not total > 0:
        return dict.fromkeys(MEASURES, float("nan"))
    average = translation_average(spectrum, ly, lx)
    alike = resemblance(average, correlation)
    share = eigenvalues / total
    effective = 1 / np.sum(share**2)
    purity = fourier_power(spectrum, ly, lx).max(axis=1)
    found = {
        "resemblance": alike.correlation,
        "resemblance_cosine": alike.cosine,
        "neighbour_ratio": (average[0, 1] + average[1, 0]) / (2 * average[0, 0]),
        "translation_share": sites * np.sum(average**2) / np.sum(eigenvalues**2),
        "effective_modes": effective,
        "effective_ratio": effective * (visible + hidden + 1) / (visible * hidden),
        "first_share": share[0],
        "above_edge": np.sum(eigenvalues > marchenko_pastur_edges(visible, hidden, scale)[1]),
        "leading_uniformity": spectrum.uniformity[0],
        "purity": share @ purity,
        "mode_extent": share @ participation(spectrum.visible_vectors, spectrum.components),
        "hidden_extent": np.mean(participation(np.asarray(machine.weights, np.float64), spectrum.components)),
        "largest_eigenvalue": eigenvalues[0],
        "above_one": np.sum(eigenvalues > 1),
    }
    return {name: float(found[name]) for name in MEASURES}
