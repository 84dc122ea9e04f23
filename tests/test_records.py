"""Records as labelled data, as files and as Python objects: nothing wrong is read as right."""

import io
import itertools
import warnings
import zipfile

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings, strategies as st

import rbmflow as rf
from rbmflow import _netcdf, equilibrium
from rbmflow._checks import InvalidInput
from rbmflow.dataset import Chains
from rbmflow.measurements import Measurements
from rbmflow.observables import CORRELATION
from rbmflow.rbm import RBM
from rbmflow.relaxation import relax
from rbmflow.settings import MachineSettings
from rbmflow.spectrum.measures import measures
from rbmflow.thermometer.neural import Network, NeuralThermometer, ThermometerHistory
from rbmflow.training import Checkpoints
from rbmflow.units import ZERO_ONE

KEY = jax.random.key(0)
MODEL = rf.ising(rf.square(4, 6))
SPINS = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (2, 3, 4, 6))


def measured(*flags):
    return Chains(1.5, 10, 2, 0.1, 300.0, 1.01, flags)


def draws(temperatures=(1.0, 2.0), spins=SPINS):
    return rf.Draws(spins, temperatures, ["a", "b"], [measured("one", "two"), measured()])


def thermometer():
    network = Network.untrained(KEY, 24, 5, 3)
    curve = equilibrium.Curve(np.array([0.0, 1.0, 2.0, np.inf]), np.array([0.0, 0.7, 1.1, 2.0]), np.zeros(4))
    return NeuralThermometer(network, curve, rf.ising(rf.square(4, 6)), (1.0, 2.0, 4.0))


def every_record():
    machine, history = rf.train(KEY, SPINS, hidden=5, epochs=3, batch=2, held_out=0.3, estimator="PTT", checkpoints=4)
    losses = ThermometerHistory(np.array([1.0, 0.5], np.float32), np.array([0.3, np.nan], np.float32))
    made = [
        draws(),
        rf.Draws(SPINS, [0.0, np.inf]),
        machine,
        RBM.random(KEY, 7, MachineSettings(hidden=3, units="0/1")),
    ]
    made += [history, history.checkpoints, rf.Flow((0, 4), SPINS), rf.observe(MODEL, SPINS), rf.decompose(machine)]
    measured = equilibrium.measured(KEY, rf.ising(rf.square(4)), [CORRELATION], [1.0, 3.0], 20)
    return [*made, thermometer(), losses, measured]


RECORDS = every_record()
NAMES = [f"{type(record).__name__} {number}" for number, record in enumerate(RECORDS)]
of_every_record = pytest.mark.parametrize("record", RECORDS, ids=NAMES)
ORDERED = ("temperature", "iteration", "epoch", "update", "bin", "singular_value")
"""Variables that say in which order the entries of their axis belong."""


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_axes_are_read_by_their_names_and_entries_by_their_coordinates(data):
    record = data.draw(st.sampled_from(RECORDS), "record")
    dataset = record.to_dataset()
    turned = dataset.transpose(*data.draw(st.permutations(list(dataset.sizes)), "axes"))
    turned = turned.map(lambda one: one.transpose(*data.draw(st.permutations(one.dims), one.name)), keep_attrs=True)
    for name in set(ORDERED) & set(turned.variables):
        axis = turned[name].dims[0]
        turned = turned.isel({axis: data.draw(st.permutations(range(turned.sizes[axis])), axis)})
    back = type(record).from_dataset(turned)
    assert back == record


@of_every_record
def test_a_record_comes_back_from_a_file_with_its_axes_in_another_order(record, tmp_path):
    dataset = record.to_dataset()
    _netcdf.write_dataset(dataset.transpose(*reversed(list(dataset.sizes))), tmp_path / "turned.nc")
    assert type(record).load(tmp_path / "turned.nc") == record
    record.save(tmp_path / "record.nc")
    assert type(record).load(tmp_path / "record.nc") == record
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["record.nc", "turned.nc"]


@of_every_record
def test_what_is_missing_or_of_another_kind_is_told(record):
    dataset, kind = record.to_dataset(), type(record)
    optional = {"epoch", "sampling_method", "sampling_flags"}
    for name in set(dataset.variables) - optional:
        with pytest.raises(InvalidInput, match=f"it must hold {name} .*, which is missing"):
            kind.from_dataset(dataset.drop_vars(name))
        units = dataset[name].attrs.get("units", "1")
        values = dataset[name].expand_dims("seed") if name not in dataset.dims else dataset[name].astype(str)
        for other in (values, xr.zeros_like(dataset[name], "timedelta64[s]"), dataset[name].assign_attrs(units="days")):
            if units == "1" and other.attrs.get("units") == "days":
                continue
            with pytest.raises(InvalidInput):
                kind.from_dataset(dataset.drop_vars(name).assign({name: other}))
    for other in RECORDS:
        if not isinstance(other, kind) and kind is not Checkpoints:
            with pytest.raises(InvalidInput, match="which is missing"):
                kind.from_dataset(other.to_dataset())


@of_every_record
def test_a_cut_axis_gives_a_smaller_record_or_a_sentence(record):
    dataset, kind = record.to_dataset(), type(record)
    for name, size in dataset.sizes.items():
        with pytest.raises(InvalidInput):
            kind.from_dataset(dataset.isel({name: slice(0, 0)}))
        for part in ([0], slice(size // 2, None), 0):
            try:
                smaller = kind.from_dataset(dataset.isel({name: part}))
            except InvalidInput:
                continue
            assert isinstance(smaller, kind)
            assert {type(leaf.shape) for leaf in jax.tree.leaves(smaller)} == {tuple}


def test_what_belongs_to_a_temperature_moves_with_it():
    dataset, warm = draws().to_dataset(), draws((3.0, 4.0)).to_dataset()
    assert rf.Draws.from_dataset(dataset.sortby("temperature", ascending=False)) == draws()
    assert rf.Draws.from_dataset(dataset.sel(temperature=2.0)) == draws().at(2.0)
    assert draws().at([2.0]).flags == ()
    joined = rf.Draws.from_dataset(xr.concat([warm, dataset], "temperature"))
    assert joined.temperatures == (1.0, 2.0, 3.0, 4.0)
    assert joined.flags == ("T = 1: one", "T = 1: two", "T = 3: one", "T = 3: two")
    assert joined.methods == ("a", "b", "a", "b")
    assert joined.at([3.0, 4.0]) == draws((3.0, 4.0))
    with pytest.raises(InvalidInput, match="temperatures"):
        rf.Draws.from_dataset(xr.concat([dataset, dataset], "temperature"))
    foreign = rf.Draws(SPINS, [5.0, 6.0]).to_dataset()
    with pytest.raises(InvalidInput, match=r"discarded = nan .* NaN stands for what is missing"):
        rf.Draws.from_dataset(xr.concat([dataset, foreign], "temperature"))


@pytest.mark.parametrize("variables", ["all", "minimal"])
def test_sets_that_were_joined_along_draws_have_the_worst_of_each(variables):
    bad = rf.Draws(-SPINS, (1.0, 2.0), ["a", "c"], [measured("two", "three"), Chains(2.5, 5, 1, 0.0, 200.0, 1.0)])
    parts = [draws().to_dataset(), bad.to_dataset() if variables == "all" else draws().to_dataset()]
    joined = rf.Draws.from_dataset(xr.concat(parts, "draw", data_vars=variables))
    assert joined.spins.shape == (2, 6, 4, 6)
    if variables == "minimal":
        assert joined.chains == draws().chains
    else:
        assert joined.chains == (
            measured("one", "two", "three"),
            Chains(2.5, 5, 1, 0.1, 200.0, 1.01),
        )
        assert joined.methods == ("a", "b; c")


@of_every_record
def test_records_as_python_objects(record):
    """One truth value, one hash for equal ones; no length, no numbered entries; types and shapes in one short text."""
    leaves, form = jax.tree.flatten(record)
    copy = jax.tree.unflatten(form, [np.array(leaf) for leaf in leaves])
    other = jax.tree.unflatten(form, [np.array(leaf) for leaf in leaves[:-1]] + [np.asarray(leaves[-1]) + 1])
    assert (record == copy) is True
    assert hash(record) == hash(copy)
    assert (record != copy) is False
    assert (record == other) is False
    assert (record == 1) is False
    assert len({record, copy, other}) == 2
    assert not any(record == one for one in RECORDS if one is not record)
    for call in (len, iter, lambda one: one[0]):
        with pytest.raises(TypeError, match=type(record).__name__):
            call(record)
    for leaf in jax.tree.leaves(record):
        with pytest.raises((TypeError, ValueError)):
            leaf[...] = 0
    assert repr(record).startswith(f"{type(record).__name__}(")
    assert len(repr(record)) < 1500


def test_what_stands_beside_the_arrays_may_come_as_an_array_of_jax():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rf.Draws(SPINS, jnp.array([1.0, 2.0])) == rf.Draws(SPINS, [1.0, 2.0])
        assert rf.Flow(jnp.array([0, 4]), jnp.asarray(SPINS)) == rf.Flow((0, 4), SPINS)  # pyright: ignore
        machine = RBM(jnp.ones((24, 2)), jnp.ones(24), jnp.ones(2), ZERO_ONE, jnp.array([4, 6]))  # pyright: ignore
        assert machine.shape == (4, 6)
        seen = rf.observe(MODEL, SPINS)
        measured_here = eqx.tree_at(lambda at: at.domains, seen, seen.domains)
        assert Measurements(*jax.tree.leaves(measured_here), jnp.array(24), ["dy", "dx"]) == seen  # pyright: ignore
        assert equilibrium.exact(rf.ising(rf.square(4))).mean_class((1.0, 2.0)) is not None


def wrong_files(folder):
    """One file of every kind that people mistake for a record."""
    other = xr.Dataset({"other": ("x", np.arange(3.0))})
    other.to_netcdf(folder / "classic.nc", engine="scipy")
    np.savez(folder / "archive.npz", other=np.ones(3))
    with zipfile.ZipFile(folder / "torch.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
    (folder / "pickled.pt").write_bytes(b"\x80\x02}q\x00.")
    (folder / "empty.nc").write_bytes(b"")
    (folder / "empty.npz").write_bytes(b"")
    (folder / "text.nc").write_text("no data")
    draws().save(folder / "whole.nc")
    content = (folder / "whole.nc").read_bytes()
    for share in (0.1, 0.5, 0.9):
        (folder / f"cut-{share}.nc").write_bytes(content[: int(share * len(content))])
    (folder / "whole.nc").unlink()
    _netcdf.write_dataset(other, folder / "other.nc")
    (folder / "folder.nc").mkdir()
    return [
        *sorted(folder.iterdir()),
        folder / "*.nc",
        folder / "none.nc",
        [folder / "other.nc"],
        io.BytesIO(content),
        7,
    ]


def test_a_file_of_another_kind_is_one_sentence(tmp_path):
    doors = [*{type(record).load for record in RECORDS}, rf.Draws.read]
    for path, read in itertools.product(wrong_files(tmp_path), doors):
        with pytest.raises(InvalidInput) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert len(caught.value.problems) == 1


def test_an_archive_is_known_by_what_it_holds(tmp_path):
    with open(tmp_path / "MINE.NPZ", "wb") as file:
        np.savez(file, spins=SPINS, temperatures=[1.0, 2.0])
    assert rf.Draws.read(tmp_path / "MINE.NPZ") == rf.Draws(SPINS, [1.0, 2.0])


def test_temperatures_with_units_of_time_and_what_stands_under_a_fill_value(tmp_path):
    dims = ("temperature", "draw", "y", "x")
    for number, (units, allowed) in enumerate(
        [("days since 2000-01-01", False), ("s", False), ("K", False), ("1", True)]
    ):
        coordinate = ("temperature", [1.0, 2.0], {"units": units})
        path = tmp_path / f"{number}.nc"
        _netcdf.write_dataset(xr.Dataset({"spins": (dims, SPINS)}, {"temperature": coordinate}), path)
        if allowed:
            assert rf.Draws.read(path) == rf.Draws(SPINS, [1.0, 2.0])
            continue
        with pytest.raises(InvalidInput, match=f"units of temperature = '{units}' .* must be J/k_B"):
            rf.Draws.read(path)
        with pytest.raises(InvalidInput, match="temperature"):
            rf.Draws.from_dataset(xr.decode_cf(xr.load_dataset(path, decode_times=False), decode_timedelta=True))
    spins = xr.Dataset({"spins": (dims, SPINS)}, {"temperature": [1.0, 2.0]})
    spins["spins"].encoding["_FillValue"] = np.int8(-1)
    spins.to_netcdf(tmp_path / "filled.nc", engine="h5netcdf")
    with pytest.raises(InvalidInput, match=r"spins = nan .* NaN stands for what is missing"):
        rf.Draws.read(tmp_path / "filled.nc")


def test_temperatures_are_the_same_within_float32():
    grid = np.arange(1, 6) * 0.1
    set_of = rf.Draws(np.ones((5, 2, 4, 4)), grid)
    assert grid[2] != 0.3
    assert set_of.select(maximum=0.3).temperatures == tuple(grid[:3])
    assert set_of.select(minimum=0.3).temperatures == tuple(grid[2:])
    assert set_of.at([0.3]).temperatures == (grid[2],)
    assert set_of.at(0.3) == set_of.at([0.3])
    with pytest.raises(InvalidInput, match="they must be some of"):
        set_of.at([0.31])
    with pytest.raises(InvalidInput, match="cannot tell"):
        rf.Draws(SPINS, [2.25, 2.2500001])


def test_nothing_is_found_past_the_end():
    flow, history = rf.Flow((0, 4), SPINS), RECORDS[4]
    assert np.array_equal(flow.at(4), SPINS[1])
    for iteration in (1, 20, -1):
        with pytest.raises(InvalidInput, match="must be one of those kept"):
            flow.at(iteration)
    checkpoints = history.checkpoints
    assert checkpoints.machine(-1) == checkpoints.machine(len(checkpoints.update) - 1)
    for checkpoint in (len(checkpoints.update), -len(checkpoints.update) - 1, 100):
        with pytest.raises(InvalidInput, match="checkpoint"):
            checkpoints.machine(checkpoint)
    held = [flow.configurations, draws().spins, history.reconstruction, checkpoints.update, checkpoints.singular_value]
    for array in [*held, history.trajectory.acceptance, *jax.tree.leaves((RECORDS[7], RECORDS[8]))]:
        with pytest.raises(IndexError):
            array[100]


def test_formulas_of_spins_do_not_wrap():
    """Ground states: every pair of spins has the correlation 1, which int8 gives as -0.024."""
    model = rf.ising(rf.square(4))
    ground = rf.sample(KEY, model, [0.0], 250)
    rows = ground.floats.reshape(-1, 16)
    assert np.array_equal(rows.T @ rows / len(rows), np.ones((16, 16)))
    of_ground, of_flow = rf.two_point(model, ground), rf.two_point(MODEL, rf.Flow((0, 1), SPINS))
    assert np.allclose(of_ground.mean, 1)
    assert np.allclose(of_ground.error, 0, atol=1e-12)
    flow = rf.Flow((0, 1), SPINS)
    assert flow.floats.dtype == np.float32
    pairs = [[(SPINS * np.roll(SPINS, (-y, -x), (-2, -1))).mean(axis=(-2, -1)) for x in range(6)] for y in range(4)]
    told = np.moveaxis(np.array(pairs), (0, 1), (-2, -1))
    assert np.allclose(of_flow.mean, told.mean(axis=1), atol=1e-6)
    assert np.allclose(of_flow.error, told.std(axis=1, ddof=1) / np.sqrt(3), atol=1e-6)


def test_counts_fit_any_lattice():
    up = np.ones((1, 1, 200, 202), np.int8)
    board = np.where(np.indices((200, 202)).sum(axis=0) % 2, 1, -1).astype(np.int8)[None, None]
    seen = rf.observe(rf.ising(rf.square(200, 202)), np.concatenate([up, -up, board]))
    assert seen.overturned.ravel().tolist() == [-1, 40_400, 20_200]
    assert seen.domains.ravel().tolist() == [1, 1, 40_400]


def test_a_machine_remembers_its_lattice(tmp_path):
    machine, history = RECORDS[2], RECORDS[4]
    machine.save(tmp_path / "machine.nc")
    history.save(tmp_path / "history.nc")
    back = type(history).load(tmp_path / "history.nc")
    kept = [machine, RBM.load(tmp_path / "machine.nc"), machine.in_units("0/1"), machine.or_free()]
    for one in [*kept, back.checkpoints.machine(1), back.trajectory.machines]:
        assert one.shape == (4, 6)
    for start in (np.ones((3, 2, 12)), np.ones((3, 6, 4)), np.ones((3, 24, 1)), np.ones((3, 24))):
        with pytest.raises(InvalidInput, match="shape of start"):
            rf.iterate(KEY, machine, start, 2)
    with pytest.raises(InvalidInput, match=r"shape of data .* \[..., 4, 6\] of 24 sites"):
        rf.log_probability(machine, np.ones((3, 2, 12)), rf.log_partition(KEY, machine))
    model = rf.ising(rf.square(2, 12))
    for call in (
        lambda: measures(machine, rf.square(2, 12), np.ones((2, 12)), 0.1),
        lambda: relax(KEY, machine, model, (1.0, 2.0)),
    ):
        with pytest.raises(InvalidInput, match=r"lattice of .* that of the machine, 24 sites on the lattice \[4, 6\]"):
            call()
    foreign = RBM(machine.weights, machine.visible_bias, machine.hidden_bias, machine.units)
    assert foreign.shape is None
    assert rf.iterate(KEY, foreign, np.ones((3, 2, 12)), 2).spins.shape == (3, 2, 12)
    with pytest.raises(InvalidInput, match=r"shape = \(3, 5\) .* must have 24 sites"):
        RBM(machine.weights, machine.visible_bias, machine.hidden_bias, machine.units, (3, 5))


def test_saving_on_a_full_disk_is_a_sentence_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "draws.nc"
    draws().save(path)
    usage = _netcdf.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(_netcdf.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InvalidInput, match=r"path = .* its disk has 1e-06 GB free"):
        draws((3.0, 4.0)).save(path)
    assert rf.Draws.load(path) == draws()
    assert [one.name for one in tmp_path.iterdir()] == ["draws.nc"]


@pytest.mark.parametrize("name", ["folder", "draws.npz", "draws.NPZ", "machine.pt", "none/draws.nc", ["draws.nc"]])
def test_a_place_where_no_record_can_be(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidInput, match="path = "):
        draws().save(name if isinstance(name, list) else tmp_path / name)
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]
