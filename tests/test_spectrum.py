"""The weight analysis against linear algebra done another way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rbmflow.rbm import PLUS_MINUS, RBM, MachineSettings
from rbmflow.spectrum import Spectrum, decompose


@pytest.mark.parametrize(("visible", "hidden"), [(9, 4), (4, 9), (5, 5)])
def test_factors_rebuild_the_weights_and_their_product(visible, hidden):
    machine = RBM.random(jax.random.key(1), visible, MachineSettings(hidden=hidden))
    spectrum = decompose(machine)
    weights = np.asarray(machine.weights, np.float64)
    rebuilt = spectrum.visible_vectors * spectrum.singular_values @ spectrum.hidden_vectors.T
    np.testing.assert_allclose(rebuilt, weights, atol=1e-12)
    np.testing.assert_allclose(spectrum.product, weights @ weights.T, atol=1e-12)
    eigenvalues = np.linalg.eigvalsh(spectrum.product)[::-1][: min(visible, hidden)]
    np.testing.assert_allclose(spectrum.singular_values**2, eigenvalues, atol=1e-12)
    assert np.all(np.diff(spectrum.singular_values) <= 0)
    assert np.all(spectrum.visible_vectors.sum(axis=0) >= 0)


def test_a_uniform_mode_has_uniformity_one():
    rank_one = np.outer(-np.ones(16), np.arange(1.0, 4.0)).astype(np.float32)
    spectrum = decompose(RBM(jnp.asarray(rank_one), jnp.zeros(16), jnp.zeros(3), PLUS_MINUS))
    assert spectrum.uniformity[0] == pytest.approx(1, abs=1e-6)
    assert spectrum.singular_values[1:] == pytest.approx(0, abs=1e-5)


def test_spectrum_comes_back_from_disk(tmp_path):
    spectrum = decompose(RBM.random(jax.random.key(1), 6, MachineSettings(hidden=4)))
    spectrum.save(tmp_path / "spectrum.nc")
    back = Spectrum.load(tmp_path / "spectrum.nc")
    for one, other in zip(jax.tree.leaves(spectrum), jax.tree.leaves(back), strict=True):
        np.testing.assert_array_equal(one, other)
