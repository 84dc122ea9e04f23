"""The numbers that sum up a weight matrix, the same for every machine and every checkpoint."""

import math

import numpy as np

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow.geometry import distances
from rbmflow.lattice import Lattice
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


def measures(machine: RBM, lattice: Lattice, two_point: Numbers, initial_scale: float) -> dict[str, float]:
    r"""Numbers that sum up the weights of a machine.

    With the eigenvalues :math:`\lambda_m` of W W^T the participation ratio, or effective number of modes, is

    .. math:: \frac{(\sum_m \lambda_m)^2}{\sum_m \lambda_m^2},

    1 for a single eigenvalue and their number if all are equal. For independent Gaussian weights its mean is
    :math:`N_v N_h / (N_v + N_h + 1)` for large matrices. Spectra that decay gradually lie in between.

    There is a number for every name of `MEASURES`; all are NaN for weights that are zero or not finite. Biases play no
    part. `two_point` [cells], or [cells, a, b] where a cell has several sites, is G of what the machine was trained on,
    see `two_point_of`; `initial_scale` is the standard deviation of its initial weights, in its own units.
    """
    spectrum, apart = decompose(machine), distances(lattice)
    machine.require_lattice("two_point", lattice.shape)
    correlation = numbers_of(two_point, "two_point", apart.shape)
    hidden = machine.weights.shape[1]
    problems = Problems()
    problems.not_negative("initial_scale", initial_scale)
    problems.done()
    # Of the components of a site so many are independent, in a spectrum of free units all with this scale.
    independent = machine.units.directions.shape[1]
    visible = machine.sites * independent
    scale = float(initial_scale * (machine.units.scale * machine.hidden_units.root.item()))
    eigenvalues = spectrum.singular_values**2
    total = eigenvalues.sum()
    if not total > 0:
        return dict.fromkeys(MEASURES, float("nan"))
    average = translation_average(spectrum, lattice)
    alike = resemblance(average, correlation, lattice)
    share = eigenvalues / total
    effective = 1 / np.sum(share**2)
    purity = fourier_power(spectrum, lattice).max(axis=1)
    found = {
        "resemblance": alike.correlation,
        "resemblance_cosine": alike.cosine,
        "neighbour_ratio": _of_neighbours(average, lattice) / np.mean(average[apart == 0]),
        "translation_share": math.prod(lattice.cells) * np.sum(average**2) / independent / np.sum(eigenvalues**2),
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


def _of_neighbours(average: np.ndarray, lattice: Lattice) -> float:
    """Mean of a function of the displacement over all bonds."""
    pairs = [() if lattice.basis == 1 else (bond.start, bond.end) for bond in lattice.bonds]
    steps = [tuple(np.mod(bond.displacement, lattice.cells)) for bond in lattice.bonds]
    return float(np.mean([average[*step, *pair] for step, pair in zip(steps, pairs, strict=True)]))
