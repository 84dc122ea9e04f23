"""Sets written block by block, and configurations made elsewhere."""

import shutil
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import xarray as xr

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.likelihood.partition import log_mixture_probability
from rbmflow.sampler import on_disk

KEY = jax.random.key(3)


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("method", ["auto", "metropolis"])
def test_file_holds_the_bits_of_sample_however_chunked(tmp_path, monkeypatch, rows, method):
    model, temperatures = rf.ising(rf.square(4, 6)), [0.0, 2.0, 3.0, np.inf]
    monkeypatch.setattr(on_disk, "CHUNK_BYTES", rows * model.lattice.sites)
    done, told = [], []
    path = rf.sample_to(
        tmp_path / "draws.nc", KEY, model, temperatures, 600, method, progress=done.append, tell=told.append
    )
    drawn, read = rf.sample(KEY, model, temperatures, 600, method), rf.Draws.read(path)
    assert np.array_equal(read.spins, drawn.spins)
    assert (read.temperatures, read.methods, read.chains) == (drawn.temperatures, drawn.methods, drawn.chains)
    assert (read.method, read.flags) == (drawn.method, drawn.flags)
    assert done == sorted(done)
    assert done[-1] == 1
    assert "GB on disk" in told[0]
    assert [one.name for one in tmp_path.iterdir()] == ["draws.nc"]
    with xr.open_dataset(path, engine="h5netcdf") as lazy:
        assert lazy["spins"].dims == ("temperature", "draw", "y", "x")
        assert np.array_equal(lazy["spins"].isel(temperature=1, draw=slice(3, 9)).values, drawn.spins[1, 3:9])


@pytest.mark.parametrize("method", ["wolff", "swendsen-wang"])
def test_cluster_draws_on_disk(tmp_path, method):
    model = rf.ising(rf.square(6))
    if rf.Wolff().refusal(model) is not None:
        pytest.skip("numba is not installed")
    path = rf.sample_to(tmp_path / "draws.nc", KEY, model, [2.2], 700, method, tell=None)
    assert np.array_equal(rf.Draws.read(path).spins, rf.sample(KEY, model, [2.2], 700, method).spins)


def test_a_full_disk_is_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10_000_000)
    monkeypatch.setattr(on_disk.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InvalidInput, match=r"path = .* up to 0\.101 GB and its disk has 0\.01 GB free"):
        rf.sample_to(tmp_path / "draws.nc", KEY, rf.ising(rf.square(64)), [2.0], 97_700)
    with pytest.raises(InvalidInput, match="its folder must be there"):
        rf.sample_to(tmp_path / "no" / "draws.nc", KEY, rf.ising(rf.square(4)), [2.0], 10)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(tmp_path, monkeypatch):
    free = iter([10**12, 10**12, 10**6])
    monkeypatch.setattr(on_disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    with pytest.raises(OSError, match="filled up"):
        rf.sample_to(tmp_path / "draws.nc", KEY, rf.ising(rf.square(4)), [2.0, 2.5], 10, tell=None)
    assert list(tmp_path.iterdir()) == []


def test_random_spins_take_less_than_is_promised(tmp_path):
    path = rf.sample_to(tmp_path / "draws.nc", KEY, rf.ising(rf.square(64)), [np.inf], 1000, tell=None)
    assert path.stat().st_size < on_disk.PACKED * 1000 * 64**2


def test_an_interrupted_set_leaves_nothing(tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rf.sample_to(tmp_path / "draws.nc", KEY, rf.ising(rf.square(4)), [2.0], 10, progress=stop, tell=None)
    assert list(tmp_path.iterdir()) == []


def test_a_flow_on_configurations_made_elsewhere(tmp_path):
    """Independent random spins of a NumPy archive and of a netCDF file of another program, to the end of a flow."""
    spins = np.random.default_rng(0).choice([-1.0, 1.0], (2, 50, 4, 4))
    np.savez(tmp_path / "mine.npz", spins=spins, temperatures=[2.0, 4.0])
    dims = ("temperature", "draw", "y", "x")
    xr.Dataset({"spins": (dims, spins)}, {"temperature": [2.0, 4.0]}).to_netcdf(tmp_path / "mine.nc", engine="h5netcdf")
    for name in ("mine.npz", "mine.nc"):
        draws = rf.Draws.read(tmp_path / name)
        assert np.array_equal(draws.spins, spins)
        assert (draws.temperatures, draws.method) == ((2.0, 4.0), "given")
        machine, _ = rf.train(KEY, draws, hidden=4, epochs=2)
        flow = rf.iterate(KEY, machine, start=draws.spins[0], iterations=3)
        assert rf.equilibrium.exact(rf.ising(rf.square(4))).posterior(flow.spins, draws.temperatures).shape == (50, 2)


def test_axes_are_known_by_their_names_and_attributes_of_others_mean_nothing(tmp_path):
    spins = np.random.default_rng(0).choice([-1.0, 1.0], (2, 2, 4, 3))
    dataset = xr.Dataset({"spins": (("draw", "temperature", "y", "x"), spins)}, {"temperature": [2.0, 4.0]})
    dataset.assign_attrs(method="ours").to_netcdf(tmp_path / "mine.nc", engine="h5netcdf")
    draws = rf.Draws.read(tmp_path / "mine.nc")
    assert np.array_equal(draws.spins, spins.swapaxes(0, 1))
    assert (draws.spins.dtype.name, draws.method) == ("int8", "given")
    dataset.rename(draw="sample").to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(InvalidInput, match=r"axes of spins = .* must be spins \[temperature, draw, y, x\]"):
        rf.Draws.read(tmp_path / "other.nc")


@pytest.mark.parametrize("name", ["folder", "draws.npz"])
def test_a_place_that_is_no_file_for_draws_is_refused_before_anything_is_drawn(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidInput, match="name of a netCDF-4 file"):
        rf.sample_to(tmp_path / name, KEY, rf.ising(rf.square(4)), [2.0], 10, tell=lambda _: pytest.fail("drawn"))


@pytest.mark.parametrize(
    ("spins", "temperatures", "field"),
    [
        (np.ones((1, 2, 4, 4)), np.ones((2, 2)), "temperatures"),
        (np.ones((1, 2, 4, 4)), [2.0, 3.0], "shape of spins"),
        (None, [2.0], "type of spins"),
        ([[[[1, 1], [1]]]], [2.0], "spins"),
        (np.ones((1, 2, 4, 4), complex), [2.0], "type of spins"),
        (np.ma.masked_equal(np.ones((1, 2, 4, 4)), 1), [2.0], "type of spins"),
        (np.ones((1, 2, 1, 4)), [2.0], "shape of spins"),
    ],
)
def test_arrays_that_are_no_draws(spins, temperatures, field):
    with pytest.raises(InvalidInput) as caught:
        rf.Draws(spins, temperatures)
    assert field in [problem.field for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"spins": np.ones((1, 3, 4, 4)), "temperatures": [2.0, 3.0]}, "number of temperatures"),
        ({"spins": np.full((1, 2, 4, 4), 2), "temperatures": [2.0]}, "every spin must be -1 or \\+1"),
        ({"spins": np.ones((1, 2, 4, 4)), "temperatures": [np.nan]}, "temperatures"),
        ({"spins": np.ones((1, 2, 4, 4)), "temperatures": ["warm"]}, "temperatures"),
        ({"spins": np.ones((1, 2, 4, 4))}, "must be given as temperatures="),
        ({"spins": np.array([{}], object), "temperatures": [2.0]}, "Object arrays cannot be loaded"),
    ],
)
def test_bad_archives(tmp_path, arrays, message):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(InvalidInput, match=message):
        rf.Draws.read(tmp_path / "mine.npz")


def test_bad_files(tmp_path):
    with pytest.raises(InvalidInput, match="there must be a file"):
        rf.Draws.read(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("no data\nat all")
    with pytest.raises(InvalidInput, match=r"must be a whole \.npy, \.npz, a table of numbers"):
        rf.Draws.read(tmp_path / "text.nc")
    (tmp_path / "text.npz").write_text("no data\nat all")
    with pytest.raises(InvalidInput, match=r"must be a whole \.npy, \.npz, a table of numbers"):
        rf.Draws.read(tmp_path / "text.npz")
    xr.Dataset({"spin": ("x", [1])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(InvalidInput, match="it must hold one array of configurations"):
        rf.Draws.read(tmp_path / "other.nc")


def test_draws_of_another_lattice_are_refused_wherever_a_model_reads_them(tmp_path):
    """Square and triangular have the same axes: the energies were told, of the wrong bonds."""
    square, triangular = rf.ising(rf.square(4)), rf.ising(rf.triangular(4))
    draws = rf.sample(0, square, [2.0, 3.0], 10)
    draws.save(tmp_path / "kept.nc")
    rf.sample_to(tmp_path / "streamed.nc", 0, square, [2.0, 3.0], 10, tell=None)
    for one in (draws, draws.at([3.0]), rf.Draws.read(tmp_path / "kept.nc"), rf.Draws.read(tmp_path / "streamed.nc")):
        assert np.array_equal(square.energy(one), square.energy(one.spins))
        for call in (triangular.energy, lambda one: log_mixture_probability(triangular, [2.0], one)):
            with pytest.raises(InvalidInput, match="they are of another lattice"):
                call(one)
    with pytest.raises(InvalidInput, match=r"bonds of the file .* another lattice"):
        rf.Draws.read(tmp_path / "kept.nc", triangular)
    # The order of bonds and their kinds play no part, and what tells nothing is taken as it is.
    turned = rf.ising(rf.Lattice((4, 4), [(0, 0, (-1, 0), 0), (0, 0, (0, 1), 0)]))
    assert np.array_equal(turned.energy(draws), square.energy(draws))
    assert triangular.energy(draws.spins).shape == triangular.energy(rf.Draws(draws.spins, [2.0, 3.0])).shape == (2, 10)
