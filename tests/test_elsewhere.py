"""Machines and configurations made elsewhere, in files of the formats of others, and what cannot be read in one way."""

import copyreg
import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import h5py
import numpy as np
import pytest
import xarray as xr

import rbmflow as rf
from rbmflow._arrays import named_arrays
from rbmflow._checks import InvalidInput
from rbmflow.settings import LatticeSettings, MachineSettings, ModelSettings
from rbmflow.steps.kinds.given_step import machine_in

SHAPE = (3, 3)
RNG = np.random.default_rng(5)
WEIGHTS, VISIBLE, HIDDEN = (RNG.normal(size=size).astype(np.float32) for size in ((9, 4), (9,), (4,)))
UNITS = {"units": "0/1"}


class Storage:
    """What pickles of PyTorch have of a tensor: the numbers stand in a file of their own."""

    def __init__(self, name, values):
        self.name, self.values = name, values


def torch_file(path, content, order="little"):
    """A file as `torch.save` writes it, by the layout of its documentation; arrays are written as parameters."""
    utils, torch = types.ModuleType("torch._utils"), types.ModuleType("torch")

    def named(function, name):
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(utils, name, function)
        return function

    tensor = named(lambda *_: None, "_rebuild_tensor_v2")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    storages, buffer = [], io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return ("storage", torch.FloatStorage, obj.name, "cpu", obj.values.size) if type(obj) is Storage else None

        def reducer_override(self, obj):
            if not isinstance(obj, np.ndarray):
                return NotImplemented
            storages.append(Storage(str(len(storages)), obj.ravel(order="K")))
            strides = tuple(step // obj.itemsize for step in obj.strides)
            return tensor, (storages[-1], 0, obj.shape, strides, False, OrderedDict())

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "torch", torch)
        patched.setitem(sys.modules, "torch._utils", utils)
        Pickler(buffer, 2).dump(content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("machine/data.pkl", buffer.getvalue())
        archive.writestr("machine/byteorder", order)
        for one in storages:
            archive.writestr(f"machine/data/{one.name}", one.values.tobytes())
    return path


def the_same(machine):
    assert machine.units.name == "0/1"
    for found, known in ((machine.weights, WEIGHTS), (machine.visible_bias, VISIBLE), (machine.hidden_bias, HIDDEN)):
        np.testing.assert_array_equal(found, known)


class Bernoulli:
    """scikit-learn's BernoulliRBM after `fit`, as far as its attributes go."""

    def __init__(self):
        self.n_components, self.components_ = 4, WEIGHTS.T
        self.intercept_visible_, self.intercept_hidden_ = VISIBLE, HIDDEN
        self.h_samples_ = np.zeros((10, 4))


class Module:
    """What PyTorch has: parameters by name."""

    def state_dict(self):
        return OrderedDict(W=WEIGHTS.T, v_bias=VISIBLE, h_bias=HIDDEN)


def test_machines_of_others_are_the_same_machine(tmp_path):
    """PyTorch in its usual names, QuCumber, scikit-learn, rbmflow, and plain arrays: all have the same energies."""
    np.savez(tmp_path / "mine.npz", W=WEIGHTS.T, a=VISIBLE, b=HIDDEN)
    np.savez(tmp_path / "fischer.npz", W=WEIGHTS, b=VISIBLE, c=HIDDEN)
    torch_file(tmp_path / "mine.pt", {"epoch": 3, "model": Module().state_dict(), "lr": 0.1})
    qucumber = OrderedDict(weights=WEIGHTS.T, visible_bias=VISIBLE, hidden_bias=HIDDEN)
    torch_file(tmp_path / "wave.pt", {"rbm_am": qucumber, "rbm_ph": {**qucumber, "weights": -WEIGHTS.T}})
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file["rbm/weight"], file["rbm/visible_bias"], file["rbm/hidden_bias"] = WEIGHTS, VISIBLE, HIDDEN
    rf.RBM.from_weights(WEIGHTS, VISIBLE, HIDDEN, units="0/1").save(tmp_path / "own.nc")
    names = ("mine.npz", "fischer.npz", "mine.pt", "wave.pt", "mine.h5", "own.nc")
    read = [rf.RBM.read(tmp_path / name, **UNITS, shape=SHAPE) for name in names]
    read += [rf.RBM.read(one, **UNITS, shape=SHAPE) for one in (Bernoulli(), Module(), Module().state_dict())]
    for machine in read:
        the_same(machine)
        assert machine.shape == SHAPE
    with pytest.raises(InvalidInput, match="the file says that they are 0/1"):
        rf.RBM.read(tmp_path / "own.nc", units="-1/+1")


def test_a_square_machine_is_turned_by_its_format_or_its_reader_is_asked(tmp_path):
    """Of PyTorch's no format says it, so it is asked about; of scikit-learn's and QuCumber's it is known."""
    square, bias = RNG.normal(size=(9, 9)).astype(np.float32), np.zeros(9)
    with pytest.raises(InvalidInput, match=r"axes = None .* fits both ways"):
        rf.RBM.read({"W": square, "v_bias": bias, "h_bias": bias}, **UNITS)
    learnt = Bernoulli()
    learnt.components_, learnt.intercept_hidden_ = square, bias
    assert np.array_equal(rf.RBM.read(learnt, **UNITS).weights, square.T)
    assert np.array_equal(rf.RBM.read(learnt, **UNITS, axes="visible, hidden").weights, square)
    alone = {"W": WEIGHTS.T}
    assert np.array_equal(rf.RBM.read(alone, **UNITS, shape=SHAPE).weights, WEIGHTS)
    with pytest.raises(InvalidInput, match="fits both ways"):
        rf.RBM.read(alone, **UNITS)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"fc": WEIGHTS, "fc_bias": HIDDEN}, r"no weights .* \(fc \[9, 4\], fc_bias \[4\]\): call the arrays"),
        ({"fc.weight": WEIGHTS.T, "fc.bias": HIDDEN}, r"arrays of the machine = \['bias'\] .* may be biases"),
        ({"W": WEIGHTS, "b": VISIBLE}, r"arrays of the machine = \['b'\]"),
        ({"W": WEIGHTS, "vb": VISIBLE, "bv": VISIBLE}, "one alone may be a bias"),
        ({"one.W": WEIGHTS, "other.W": WEIGHTS}, "part = None .* one of one, other, the machines of the file"),
        ({}, "no arrays"),
    ],
)
def test_machines_that_cannot_be_read_in_one_way(arrays, message):
    with pytest.raises(InvalidInput, match=message):
        rf.RBM.read(arrays, **UNITS)


@pytest.mark.usefixtures("as_people_call")
def test_units_must_be_said():
    with pytest.raises(InvalidInput, match=r"units = None .* must be given"):
        rf.RBM.read(Module())
    with pytest.raises(InvalidInput, match="path of a file, a state dict"):
        rf.RBM.read(7, **UNITS)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('run')",)


def test_no_code_of_a_file_is_run(tmp_path):
    """Whatever a pickle names besides tensors is refused by its name before it is called."""
    path = torch_file(tmp_path / "evil.pt", {"W": Evil()})
    with pytest.raises(InvalidInput, match=r"builtin.*\.exec.* it must hold tensors alone"):
        rf.RBM.read(path, **UNITS)
    copyreg.add_extension("os", "system", 77)
    try:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("machine/data.pkl", b"\x80\x02\x82\x4d.")
        with pytest.raises(InvalidInput, match="it must"):
            rf.RBM.read(path, **UNITS)
    finally:
        copyreg.remove_extension("os", "system", 77)
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InvalidInput, match="this is a pickle, which runs code"):
        rf.RBM.read(tmp_path / "evil.pkl", **UNITS)


def test_tensors_larger_than_their_storage_and_packed_files_are_refused(tmp_path):
    path = torch_file(tmp_path / "mine.pt", {"W": np.zeros((2, 2), np.float32)})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text[:8] if name.endswith("data/0") else text)
    with pytest.raises(InvalidInput, match="it must fit its storage of 2 numbers"):
        named_arrays(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    with pytest.raises(InvalidInput, match="packs nothing"):
        named_arrays(path)


MODEL = rf.ising(rf.square(4))
SPINS = np.random.default_rng(1).choice([-1, 1], (2, 30, 4, 4)).astype(np.int8)
BITS = (SPINS + 1) // 2
AT = [2.0, 3.0]


def layouts(folder):
    """Files of the same configurations in every usual layout, with the temperatures where the file has none."""
    each = np.repeat(AT, 30)
    flat = SPINS.reshape(60, 16)
    np.save(folder / "sets.npy", SPINS)
    yield "sets.npy", AT
    np.save(folder / "rows.npy", BITS.reshape(2, 30, 16).astype(bool))
    yield "rows.npy", AT
    np.savez(folder / "each.npz", X=BITS.reshape(60, 4, 4).astype(np.uint8), T=each, energy=np.zeros(60))
    yield "each.npz", None
    np.savez(folder / "turned.npz", spins=SPINS[::-1].reshape(2, 30, 16), temperatures=AT[::-1])
    yield "turned.npz", None
    header = ",".join(["T", *(f"s{site}" for site in range(16))])
    np.savetxt(folder / "header.csv", np.column_stack([each, flat]), "%g", ",", header=header, comments="")
    yield "header.csv", None
    np.savetxt(folder / "table.txt", BITS.reshape(60, 16), "%d")
    yield "table.txt", each
    with h5py.File(folder / "plain.h5", "w") as file:
        file["data/spins"], file["data/T"] = BITS.reshape(60, 16).astype(np.float32), each
    yield "plain.h5", None
    dims = ("temperature", "draw", "y", "x")
    xr.Dataset({"spins": (dims, BITS)}, {"temperature": AT}).to_netcdf(folder / "bits.nc", engine="h5netcdf")
    yield "bits.nc", None
    torch_file(folder / "mine.pt", {"configs": SPINS.astype(np.float32), "temps": np.array(AT, np.float32)})
    yield "mine.pt", None


def test_configurations_of_every_usual_layout_are_the_same_draws(tmp_path):
    for name, temperatures in layouts(tmp_path):
        draws = rf.Draws.read(tmp_path / name, MODEL, temperatures)
        assert np.array_equal(draws.spins, SPINS), name
        assert draws.temperatures == tuple(AT)
        said = name in ("rows.npy", "each.npz", "table.txt", "plain.h5", "bits.nc")
        assert draws.method == ("given (0/1 read as -1/+1)" if said else "given"), name


def test_labels_of_other_models_stay_as_they_are(tmp_path):
    """0 and 1 are labels of Potts and of Blume-Capel spins."""
    np.save(tmp_path / "bits.npy", BITS)
    for model in (rf.potts(rf.square(4), 3), rf.blume_capel(rf.square(4), 0.5)):
        draws = rf.Draws.read(tmp_path / "bits.npy", model, AT)
        assert np.array_equal(draws.spins, BITS)
        assert draws.states == model.states


@pytest.mark.parametrize(
    ("spins", "temperatures", "message"),
    [
        (SPINS.reshape(60, 16), AT, "shape of spins"),
        (SPINS[0, 0], 2.0, "shape of spins"),
        (SPINS, [1.0, 2.0, 3.0], "one for each of 2 or 60 rows"),
        (SPINS, np.repeat(AT, [20, 40]), r"= \[20, 40\] .* cut each set to 20"),
        (SPINS + 1, AT, "every spin must be -1 or"),
        (SPINS, None, "must be given as temperatures="),
    ],
)
def test_configurations_that_cannot_be_read_in_one_way(tmp_path, spins, temperatures, message):
    np.save(tmp_path / "mine.npy", spins)
    model = None if spins.shape == (60, 16) else MODEL
    with pytest.raises(InvalidInput, match=message):
        rf.Draws.read(tmp_path / "mine.npy", model, temperatures)


def test_of_several_arrays_one_must_be_called_spins(tmp_path):
    np.savez(tmp_path / "mine.npz", train=SPINS, test=SPINS, T=AT)
    with pytest.raises(InvalidInput, match=r"called spins if there are others .* \(train \[2, 30, 4, 4\], test"):
        rf.Draws.read(tmp_path / "mine.npz", MODEL)


@pytest.mark.usefixtures("as_people_call")
def test_units_are_asked_for_in_a_sentence_and_taken_from_a_file_that_tells_them(tmp_path):
    """A machine in other units reads as another temperature."""
    table = {"W": WEIGHTS, "v_bias": VISIBLE, "h_bias": HIDDEN}
    for call in (lambda: rf.RBM.read(table), lambda: rf.RBM.from_weights(WEIGHTS, VISIBLE, HIDDEN)):
        with pytest.raises(InvalidInput, match=r"units = None .* must be given.* QuCumber are 0/1"):
            call()
    known = rf.RBM.from_weights(WEIGHTS, VISIBLE, HIDDEN, **UNITS)
    known.save(tmp_path / "own.nc")
    assert rf.RBM.read(tmp_path / "own.nc") == known
    with pytest.raises(InvalidInput, match=r"units = '-1/.1' .* the file says that they are 0/1"):
        rf.RBM.read(tmp_path / "own.nc", units="-1/+1")
    with pytest.raises(InvalidInput, match=r"machine = 'RBM' .* already"):
        rf.RBM.read(known, units="-1/+1")
    with pytest.raises(InvalidInput, match=r"part = 'a' .* there is one machine, which has no name"):
        rf.RBM.read(table, part="a", **UNITS)


def test_hidden_units_are_those_that_a_file_tells(tmp_path):
    """Of a model with several states the visible units alone were told, and hidden ones taken for -1/+1."""
    settings = MachineSettings(3, units="0/1")
    machine = rf.RBM.random(0, 9, settings, (0, 1, 2))
    machine.save(tmp_path / "own.nc")
    assert rf.RBM.read(tmp_path / "own.nc", units=machine.units) == machine
    model, lattice = ModelSettings("potts", q=3), LatticeSettings(length=3)
    assert np.array_equal(machine_in(str(tmp_path / "own.nc"), settings, "", model, lattice).weights, machine.weights)
    with pytest.raises(InvalidInput, match="the file says that they are 0/1"):
        machine_in(str(tmp_path / "own.nc"), MachineSettings(3, units="-1/+1"), "", model, lattice)


def test_an_archive_of_other_things_has_no_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    for call in (lambda path: rf.RBM.read(path, **UNITS), rf.Draws.read):
        with pytest.raises(InvalidInput, match=r"no arrays|one array of configurations"):
            call(tmp_path / "other.zip")


@pytest.mark.parametrize("text", ["junk\n", "s1,s2,s3\n", "# nothing\n", "one two three\n"])
def test_a_table_without_rows_is_refused_without_a_warning(tmp_path, text, recwarn):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InvalidInput, match="must have rows of numbers"):
        rf.Draws.read(tmp_path / "a.csv", temperatures=2.0)
    assert not recwarn.list


def test_a_row_with_a_number_that_is_none_is_no_header(tmp_path):
    """It was left out, and the rest was read."""
    (tmp_path / "a.csv").write_text("1,nan,-1,1\n" + "1,1,-1,1\n" * 3)
    assert named_arrays(tmp_path / "a.csv")[""].shape == (4, 4)
    with pytest.raises(InvalidInput, match="spins = nan"):
        rf.Draws.read(tmp_path / "a.csv", rf.ising(rf.square(2)), temperatures=2.0)


def test_temperatures_of_a_file_are_not_overridden(tmp_path):
    model = rf.ising(rf.square(2))
    draws = rf.Draws(np.ones((2, 3, 2, 2)), (1.0, 2.0))
    draws.save(tmp_path / "draws.nc")
    np.savez(tmp_path / "draws.npz", spins=draws.spins, T=[1.0, 2.0])
    for name in ("draws.nc", "draws.npz"):
        assert rf.Draws.read(tmp_path / name, model, [1.0, 2.0]).temperatures == (1.0, 2.0)
        with pytest.raises(InvalidInput, match=r"temperatures = \[1.0, 3.0\] .* its own, \[1.0, 2.0\]"):
            rf.Draws.read(tmp_path / name, model, [1.0, 3.0])
