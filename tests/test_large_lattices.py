"""Lattices beyond a side of 32: nothing wraps in few bits, blocks change no number, and data stay small."""

import jax
import numpy as np
import pytest

import rbmflow as rf
from rbmflow import flow, measurements
from rbmflow.sampler import HeatBath, Metropolis, SwendsenWang, Wolff
from rbmflow.settings import FlowSettings, MachineSettings

SIDE = 256
MODEL = rf.ising(rf.square(SIDE))


def test_totals_beyond_sixteen_bits():
    """All up, all but a band: sums of 65 536 spins, 131 072 bonds, and 512 bonds between the same two domains."""
    up = np.ones((SIDE, SIDE), np.int8)
    band = up.copy()
    band[:, SIDE // 4 : 3 * SIDE // 4] = -1
    seen = measurements.observe(MODEL, np.stack([up, -band])[:, None], before=band[None])
    assert seen.energy.ravel().tolist() == [-2 * SIDE**2, -2 * SIDE**2 + 4 * SIDE]
    assert seen.magnetization.ravel().tolist() == [SIDE**2, 0]
    assert seen.domains.ravel().tolist() == [1, 2]
    assert seen.overturned.ravel().tolist() == [SIDE**2 // 2, SIDE**2 // 2]
    assert seen.correlation[0].min() == pytest.approx(1, abs=1e-5)
    assert seen.long_wave[0, 0] == pytest.approx(0, abs=1e-2)
    assert np.asarray(MODEL.total_energy([up, band])).tolist() == seen.energy.ravel().tolist()
    assert np.asarray(MODEL.total_magnetization(-up)).item() == -(SIDE**2)


@pytest.mark.parametrize("method", [Metropolis(), HeatBath(), SwendsenWang(), Wolff()], ids=lambda one: one.name)
def test_energies_and_magnetizations_of_ordered_replicas(method):
    if method.refusal(MODEL) is not None:
        pytest.skip("numba is not installed")
    kernel = method.sweep(MODEL, 1.0)
    labels = np.tile(np.array([1, -1], np.int8), kernel.bundle // 2)
    energy, magnetization = kernel.observe(kernel.planes(kernel.start(jax.random.key(0), kernel.bundle, labels)))
    assert np.all(energy == -2)
    assert magnetization.tolist() == [1.0, -1.0] * (kernel.bundle // 2)


def test_blocks_change_no_measurement(monkeypatch):
    spins = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (5, 30, 6, 8))
    model = rf.ising(rf.square(6, 8))
    whole = measurements.observe(model, spins[1:], spins[0])
    # Several iterations at once, one at a time, and chains in blocks with a last one of one chain.
    for at_once in (2 * 30 * 48, 30 * 48, 29 * 48):
        monkeypatch.setattr(measurements, "SPINS_AT_ONCE", at_once)
        monkeypatch.setattr(measurements, "LABELLED_AT_ONCE", 3 * 48)
        again = measurements.observe(model, spins[1:], spins[0])
        for one, other in zip(*map(jax.tree.leaves, (whole, again)), strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
            assert np.allclose(one, other, atol=1e-6, rtol=1e-6)


def test_stretches_of_a_flow_change_no_configuration(monkeypatch):
    machine = rf.RBM.random(1, 36, MachineSettings(hidden=5))
    start, model = np.ones((7, 6, 6)), rf.ising(rf.square(6))
    whole, lengths = rf.iterate(2, machine, start, 9, keep=(0, 4, 9)), []
    monkeypatch.setattr(flow, "CHUNK_BYTES", 2 * 7 * 36)
    parts = rf.iterate(2, machine, start, 9, keep=(0, 4, 9), watch=lambda stretch: lengths.append(len(stretch)))
    assert parts == whole
    assert lengths == [1, 2, 2, 2, 2, 1]
    assert np.asarray(model.total_energy(parts.configurations[0])).tolist() == [-72] * 7


@pytest.mark.parametrize("length", [4, 32, 64, 128, 1000])
@pytest.mark.parametrize("iterations", [1, 4, 40, 400])
def test_a_flow_keeps_what_has_room_and_its_end(length, iterations):
    settings = FlowSettings(iterations=iterations)
    kept = settings.kept(length**2)
    assert kept == tuple(sorted(set(kept)))
    assert kept[0] == 0
    assert kept[-1] == iterations
    assert len(kept) * 1000 * length**2 <= 128e6 or len(kept) == min(4, iterations + 1)
    assert (len(kept) == iterations + 1) == (iterations < 128e6 // (1000 * length**2) or iterations < 4)
    quarter = max(1, iterations // 4)
    assert sum(at > iterations - quarter for at in kept) >= 1
    assert FlowSettings(iterations=40, keep=(3, 1, 3)).kept(length**2) == (1, 3)
