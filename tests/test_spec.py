import dataclasses
import math
import re
import tomllib

import pytest
from hypothesis import given, settings, strategies as st

from rbmflow import spec
from rbmflow._checks import InvalidInput, Problem, find_temperature, same_temperature
from rbmflow.settings import FlowSettings, MachineSettings, RenormalizationSettings, SamplingSettings, TypeSettings


def problems(data):
    with pytest.raises(InvalidInput) as caught:
        spec.parse(data)
    return [str(problem) for problem in caught.value.problems]


def test_quick_is_written_out_in_full():
    path = spec.toml_files._shipped_folder() / "quick.toml"
    quick = spec.load("quick")
    assert tomllib.loads(path.read_text()) == tomllib.loads(spec.to_toml(quick))
    default = spec.Spec("quick")
    types = {**default.types, "V": TypeSettings(also_hidden=(16,))}
    block_spins = RenormalizationSettings(length=40)
    assert quick == dataclasses.replace(default, types=types, renormalization=block_spins)


def test_paper_has_the_types_of_the_paper():
    paper = spec.load("paper")
    assert paper.hidden_units("V") == (64, 16, 36, 81, 100, 225, 400)
    assert paper.type_temperatures("V") == tuple(k / 4 for k in range(25))
    assert paper.type_temperatures("H") == tuple(4 + k / 4 for k in range(9))
    assert paper.type_temperatures("L") == (0.0,)
    assert (paper.seeds, paper.training.epochs) == (5, 1000)
    shipped = spec.shipped()
    assert {"paper", "quick"} < set(shipped)
    assert list(shipped) == sorted(shipped)


def test_further_sizes_that_repeat_the_main_one_are_merged():
    types = {"V": TypeSettings(also_hidden=(64, 16, 16))}
    assert spec.Spec("x", types=types).hidden_units("V") == (64, 16)


@settings(max_examples=40, deadline=None)
@given(
    temperatures=st.lists(st.integers(0, 10**6).map(lambda n: n / 1e5), min_size=1, max_size=5, unique=True),
    infinite=st.booleans(),
    hidden=st.integers(1, 10**5),
    scale=st.floats(0, 1e6),
    biases=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_toml_gives_the_spec_back(temperatures, infinite, hidden, scale, biases, seed):
    grid = (*sorted(abs(t) for t in temperatures), *([math.inf] if infinite else []))
    written = spec.Spec(
        "x",
        seed=seed,
        sampling=SamplingSettings(temperatures=grid),
        machine=MachineSettings(hidden=hidden, initial_scale=scale, biases=biases),
        types={"V": TypeSettings(), "one": TypeSettings(grid[0], grid[0], also_hidden=(3, 5))},
        flow=FlowSettings(starts=("hot", grid[-1])),
    )
    assert spec.parse(tomllib.loads(spec.to_toml(written))) == written


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"machine": {"hidden": 0}}, "machine.hidden = 0 is not allowed: it must be a whole number from 1 to 100000"),
        ({"machine": {"hidden": "64"}}, "machine.hidden = '64' is not allowed: it must be a whole number"),
        ({"machine": {"hidden": 64.0}}, "machine.hidden = 64.0 is not allowed: it must be a whole number"),
        ({"machine": {"hidden": True}}, "machine.hidden = True is not allowed: it must be a whole number"),
        ({"machine": {"units": "0/2"}}, "machine.units = '0/2' is not allowed: it must be '-1/+1' or '0/1'"),
        ({"machine": {"initial_scale": math.inf}}, "machine.initial_scale = inf is not allowed: it must be a finite"),
        ({"machine": {"biases": 1}}, "machine.biases = 1 is not allowed: it must be true or false"),
        ({"machine": 3}, "machine = 3 is not allowed: it must be a table"),
        ({"lattice": {"length": 1}}, "lattice.length = 1 is not allowed: it must be a whole number from 2 to 256"),
        ({"sampling": {"temperatures": [-1.0, 2.25]}}, "sampling.temperatures = [-1.0, 2.25] is not allowed"),
        ({"sampling": {"temperatures": [2.25, math.nan]}}, "sampling.temperatures = [2.25, nan] is not allowed"),
        ({"sampling": {"temperatures": [2.25, 1.0]}}, "sampling.temperatures = [2.25, 1.0] is not allowed"),
        ({"sampling": {"temperatures": [2.25, 2.25]}}, "sampling.temperatures = [2.25, 2.25] is not allowed"),
        ({"sampling": {"temperatures": []}}, "sampling.temperatures = [] is not allowed: it must hold at least one"),
        ({"sampling": {"temperatures": 2.25}}, "sampling.temperatures = 2.25 is not allowed: it must be a list"),
        ({"sampling": {"draws": 0}}, "sampling.draws = 0 is not allowed"),
        ({"types": {"X": {"minimum": 7.0}}}, "types.X = {'minimum': 7.0} is not allowed: it must keep at least one of"),
        ({"types": {"X": {"minimum": math.nan}}}, "types.X.minimum = nan is not allowed"),
        ({"types": {"X": {"data": "potts"}}}, "types.X.data = 'potts' is not allowed: it must be one of file, ising,"),
        ({"types": {"X": {"weights": "os.remove"}}}, "types.X.weights = 'os.remove' is not allowed: it must be one of"),
        ({"training": {"estimator": "SGD"}}, "training.estimator = 'SGD' is not allowed: it must be one of "),
        ({"types": {"X": {"also_hidden": [16, 0]}}}, "types.X.also_hidden = [16, 0] is not allowed"),
        ({"types": {"3": {"minimum": 7.0}}}, "types.3 = {'minimum': 7.0} is not allowed"),
        ({"types": {"a b": {}}}, "types = {'a b': {}} is not allowed: the name of a type must be"),
        ({"types": {}}, "types = {} is not allowed: it must hold at least one type"),
        ({"flow": {"starts": [2.3]}}, "flow.starts[0] = 2.3 is not allowed: a start that is a number must be one of"),
        ({"flow": {"starts": ["cold", "warm"]}}, 'flow.starts[1] = \'warm\' is not allowed: it must be "cold", "hot"'),
        ({"flow": {"starts": ["cold", "cold"]}}, "flow.starts = ['cold', 'cold'] is not allowed: no start may come"),
        ({"flow": {"starts": [False]}}, "flow.starts[0] = False is not allowed: it must be text or a number"),
        ({"flow": {"starts": []}}, "flow.starts = [] is not allowed: it must hold at least one start"),
        ({"training": {"learning_rate": 0}}, "training.learning_rate = 0 is not allowed: it must be a finite number"),
        ({"sampling": {"draws": 99}}, "training.batch = 100 is not allowed: it must be at most 99, the training"),
        ({"thermometer": {"batch": 10**6}}, "thermometer.batch = 1000000 is not allowed: it must be at most 50000"),
        (
            {"training": {"centred": True}},
            "training.centred = True is not allowed: a centred gradient changes the biases",
        ),
        (
            {"training": {"estimator": "Exact"}},
            "training.estimator = 'Exact' is not allowed: \"Exact\" cannot train a machine with a smaller layer of 64",
        ),
        ({"types": {"V": {"also_hidden": [10**9]}}}, "it must hold whole numbers from 1 to 100000"),
        ({"name": "a/b"}, "name = 'a/b' is not allowed: it must be 1 to 60 letters, digits, - or _"),
        ({"name": 3}, "name = 3 is not allowed: it must be text"),
        ({"seed": -1}, "seed = -1 is not allowed"),
        ({"seed": 2**32}, "seed = 4294967296 is not allowed"),
        (
            {"lattice": {"length": 13}, "sampling": {"method": "transfer-matrix"}},
            "the exact sampler needs a side of at most 12",
        ),
        ({"seeds": 0}, "seeds = 0 is not allowed: it must be a whole number of at least 1"),
        (
            {"machine": {"hiden": 3}},
            "machine.hiden = 3 is not allowed: there is no such field; section machine has hidden",
        ),
        (
            {"types": {"V": {"minimm": 1.0}}},
            "section types.V has minimum, maximum, temperatures, data, data_file, machine, machine_files, "
            "machine_units, machine_axes, weights, also_hidden, split; did",
        ),
        ({"modle": {}}, "modle = {} is not allowed: there is no such field; a spec has name, seed, seeds, model"),
    ],
)
def test_bad_input_is_one_sentence(data, sentence):
    found = problems({"name": "x", **data})
    assert len(found) == 1
    assert sentence in found[0]


def test_windows_and_lists_keep_temperatures_that_rounding_has_moved():
    grid = [0.0, 0.1, 0.2, 0.1 + 0.2, 0.4]
    types = {"A": {"maximum": 0.3}, "B": {"minimum": 0.3}, "C": {"temperatures": [0.1, 0.3]}}
    data = {"name": "x", "sampling": {"temperatures": grid}, "types": types, "flow": {"starts": [0.3]}}
    kept = {name: spec.parse(data).type_temperatures(name) for name in types}
    assert kept == {"A": tuple(grid[:4]), "B": tuple(grid[3:]), "C": (grid[1], grid[3])}


@pytest.mark.parametrize(
    ("temperatures", "sentence"),
    [
        ([2.25, 2.2500001], "float32 cannot tell 2.25 and 2.2500001 apart"),
        ([1e-300, 1.0], "float32 cannot hold 1e-300; 0 and inf are allowed"),
        ([2.25, 1e308], "float32 cannot hold 1e+308; 0 and inf are allowed"),
    ],
)
def test_temperatures_that_float32_cannot_tell_apart_are_refused(temperatures, sentence):
    data = {"name": "x", "flow": {"starts": ["hot"]}, "types": {"V": {}}}
    assert any(sentence in told for told in problems(data | {"sampling": {"temperatures": temperatures}}))
    assert any(sentence in told for told in problems(data | {"types": {"V": {"temperatures": temperatures}}}))


def test_the_one_comparison_of_temperatures():
    assert same_temperature(math.inf, math.inf)
    assert same_temperature(0.0, 0.0)
    assert not same_temperature(math.inf, 1e38)
    assert not same_temperature(0.0, 1e-37)
    assert find_temperature(0.3, (0.0, 0.1 + 0.2, math.inf)) == 1
    assert find_temperature(0.31, (0.0, 0.1 + 0.2, math.inf)) is None


@pytest.mark.parametrize("value", [10**5000, [10**5000], "x" * 10**6, [[0] * 10**6], {"a" * 10**6: 1}], ids=range(5))
def test_a_sentence_never_repeats_much(value):
    assert len(str(Problem("f" * 10**6, value, "g" * 10**6))) < 4000


def test_a_date_is_of_no_type():
    for field in ("name", "seed", "machine", "types"):
        data = tomllib.loads(f'name = "x"\n{field} = 2020-01-01' if field != "name" else "name = 2020-01-01")
        assert [sentence.split(" = ")[0] for sentence in problems(data)] == [field]


def test_a_missing_name_is_named():
    assert problems({}) == ["name = (nothing) is not allowed: it must be given"]


def test_all_problems_are_found_at_once():
    data = {
        "name": "a b",
        "seed": -1,
        "machine": {"hidden": "many", "hiden": 3, "initial_scale": -1.0},
        "sampling": {"temperatures": [2.0, 1.0], "draws": 0},
        "types": {"V": {"minimum": 9.0}, "W": 3, "X": {"also_hidden": [0], "minimm": 3}},
        "flow": {"starts": [7.0], "chains": 1.5},
    }
    fields = [sentence.split(" = ")[0] for sentence in problems(data)]
    # Nothing is said of types.V and flow.starts: that would compare them with temperatures that are wrong themselves.
    assert sorted(fields) == [
        "flow.chains",
        "machine.hidden",
        "machine.hiden",
        "machine.initial_scale",
        "name",
        "sampling.draws",
        "sampling.temperatures",
        "seed",
        "types.W",
        "types.X.also_hidden",
        "types.X.minimm",
    ]


def test_given_data_are_left_alone():
    data = {"name": "x", "machine": {"hidden": 0}}
    problems(data)
    assert data == {"name": "x", "machine": {"hidden": 0}}


def test_overrides():
    overridden = spec.load(
        "quick",
        {
            "machine.hidden": "36",
            "machine.units": "0/1",
            "sampling.temperatures": "[0, 2.25, inf]",
            "flow.starts": '["hot", 2.25]',
            "types.X.minimum": "inf",
            "name": "mine",
        },
    )
    assert overridden.machine == MachineSettings(hidden=36, units="0/1")
    assert overridden.sampling.temperatures == (0.0, 2.25, math.inf)
    assert overridden.flow.starts == ("hot", 2.25)
    assert overridden.type_temperatures("X") == (math.inf,)
    assert overridden.name == "mine"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("machine.hidden", "0", "machine.hidden = 0 is not allowed"),
        (
            "machine.hidden",
            "36\nseed = 3",
            "machine.hidden = '36\\nseed = 3' is not allowed: it must be a whole number",
        ),
        ("machine.hiden", "3", "did you mean machine.hidden?"),
        ("name.first", "x", "name.first = 'x' is not allowed: name is not a table"),
        ("types.V", "3", "types.V = 3 is not allowed: it must be a table"),
    ],
)
def test_bad_overrides(name, text, sentence):
    with pytest.raises(InvalidInput, match=re.escape(sentence)):
        spec.load("quick", {name: text})


def test_files_that_are_no_specs(tmp_path):
    broken, latin = tmp_path / "broken.toml", tmp_path / "latin.toml"
    broken.write_text('name = "x"\nseed 4\n')
    latin.write_bytes(b'name = "\xff"')
    for source, sentence in {
        tmp_path: "this cannot be read (Is a directory)",
        tmp_path / "none.toml": "this cannot be read (No such file or directory)",
        broken / "below": "Not a directory",
        broken: "it must be TOML: Expected '=' after a key in a key/value pair (at line 2, column 6)",
        latin: "it must be TOML, which is UTF-8 text, and byte 8 is not",
        "qick": f"it must be one of {', '.join(spec.shipped())} or the path of a TOML file",
    }.items():
        with pytest.raises(InvalidInput, match=re.escape(sentence)) as caught:
            spec.load(source)
        assert f"spec = '{source}'" in str(caught.value)


def test_a_file_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[lattice]\nlength = 4\n')
    mine = spec.load(path)
    assert (mine.name, mine.lattice.length, tuple(mine.types)) == ("mine", 4, ("V", "H", "L"))


def test_every_field_has_a_meaning_and_its_default():
    fields = {field.name: field for field in spec.fields()}
    assert all(field.meaning.endswith(".") for field in fields.values())
    assert fields["machine.units"].default == '"-1/+1"'
    assert fields["flow.starts"].default == '["cold", "hot", 2.25]'
    assert fields["types.<type>.maximum"].default == "inf"
    written = {}
    for line in [f"{field.name} = {field.default}" for field in fields.values() if "<" not in field.name][1:]:
        section, _, entry = line.rpartition(".") if "." in line.split(" = ")[0] else ("", "", line)
        written.setdefault(section, []).append(entry)
    default = spec.Spec("x")
    for section, lines in written.items():
        if section and "." not in section:
            assert spec.parse({"name": "x", section: tomllib.loads("\n".join(lines))}) == default


def test_settings_of_python_callers_are_checked_too():
    with pytest.raises(InvalidInput, match=r"types\.X"):
        spec.Spec("x", types={"X": TypeSettings(minimum=7.0)})
    with pytest.raises(InvalidInput, match="seed = -1"):
        spec.Spec("x", seed=-1)


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ({"model": {"kind": "potts", "q": 1}, "lattice": {"length": 1}}, ["model.q", "lattice.length"]),
        (
            {"model": {"kind": "clock", "field": 0.1, "crystal_field": 1.0}},
            ["model.q", "model.field", "model.crystal_field"],
        ),
        ({"model": {"q": 3, "couplings": [1.0, float("nan")]}}, ["model.q", "model.couplings"]),
        ({"model": {"couplings": [1.0, 1.0, 1.0, 1.0]}, "lattice": {"kind": "triangular"}}, ["model.couplings"]),
        ({"model": {"couplings": [-1.0]}, "lattice": {"kind": "triangular"}}, ["model.couplings"]),
        ({"lattice": {"kind": "cubic", "cells": [4, 4]}}, ["lattice.cells"]),
        ({"lattice": {"kind": "hypercubic"}}, ["lattice.cells"]),
        (
            {"lattice": {"kind": "kagome"}, "flow": {"predicted": True}, "model": {"couplings": [1.0, 2.0, 1.0]}}
            | {"types": {"X": {"data": "mean-field"}}},
            ["flow.predicted", "types.X.data"],
        ),
        (
            {"model": {"couplings": [1.0, -0.5]}, "types": {"X": {"data": "mean-field"}}}
            | {"sampling": {"temperatures": [1.0, 2.0]}, "flow": {"starts": ["hot"]}},
            ["types.X.data"],
        ),
        ({"model": {"field": 0.5}, "renormalization": {"length": 30}}, ["renormalization.length"]),
        (
            {"renormalization": {"length": 20, "temperatures": {"from": 1, "to": 0.5, "count": 3}}},
            ["renormalization.temperatures.to"],
        ),
        (
            {"sampling": {"temperatures": {"from": 2, "to": 1, "count": 1, "unit": "K"}}},
            [f"sampling.temperatures.{name}" for name in ("to", "count", "unit")],
        ),
        (
            {"model": {"field": 0.5}, "sampling": {"temperatures": {"from": 0, "to": 2, "count": 5, "unit": "T_c"}}},
            ["sampling.temperatures.unit"],
        ),
        *[({"model": {"kind": "potts", "q": q}}, ["model.q"]) for q in (3.0, "3", True, -3, 129, 1)],
        ({"model": {"field": 1e7}}, ["model.field"]),
        ({"model": {"kind": "blume-capel", "crystal_field": -1e7}}, ["model.crystal_field"]),
        ({"model": {"couplings": [1e7]}}, ["model.couplings"]),
        ({"lattice": {"kind": "hypercubic", "cells": [200] * 6}}, ["lattice.cells"]),
        (
            {"model": {"couplings": [0.0]}, "flow": {"starts": ["hot"]}, "types": {"V": {}}}
            | {"sampling": {"temperatures": {"from": 0.5, "to": 2, "count": 5, "unit": "C_max"}}},
            ["model.couplings"],
        ),
    ],
)
def test_models_and_lattices_that_there_are_not_are_refused_all_at_once(data, fields):
    with pytest.raises(InvalidInput) as error:
        spec.parse({"name": "x", **data})
    assert [problem.field for problem in error.value.problems] == fields


@pytest.mark.parametrize(
    ("tables", "scale"),
    [
        ({"lattice": {"length": 10}}, 2.34459),
        ({"model": {"field": 0.1}, "lattice": {"length": 6}}, 2.50091),
        ({"model": {"kind": "blume-capel", "crystal_field": 1.0}, "lattice": {"length": 4}}, 1.35707),
        ({"lattice": {"kind": "kagome", "length": 2}}, 2.39637),
    ],
    ids=["square", "field", "blume-capel", "kagome"],
)
def test_temperatures_in_units_of_the_maximum_of_c(tables, scale):
    def grid(unit):
        sampling = {"temperatures": {"from": 0.5, "to": 1.5, "count": 3, "unit": unit}}
        own = {"flow": {"starts": ["hot"]}, "types": {"V": {}}, "sampling": sampling}
        return spec.parse({"name": "x", **own, **tables}).sampling.temperatures

    assert grid("C_max") == pytest.approx([0.5 * scale, scale, 1.5 * scale], rel=2e-4)
    assert grid(2.5) == (1.25, 2.5, 3.75)


def test_a_maximum_of_c_that_takes_long_is_refused_with_the_way_to_it():
    sampling = {"temperatures": {"from": 0, "to": 2, "count": 5, "unit": "C_max"}}
    with pytest.raises(InvalidInput, match=r"rf.equilibrium.specific_heat_peak\(model\) tells it with its error"):
        spec.parse({"name": "x", "model": {"field": 0.1}, "lattice": {"length": 16}, "sampling": sampling})


def test_temperatures_in_units_of_the_critical_one():
    table = {"from": 0.5, "to": 1.5, "count": 3, "unit": "T_c"}
    found = spec.parse(
        {
            "name": "x",
            "lattice": {"kind": "triangular"},
            "sampling": {"temperatures": table},
            "flow": {"starts": ["hot"]},
            "types": {"V": {}},
        }
    )
    assert found.sampling.temperatures == pytest.approx([part * 4 / math.log(3) for part in (0.5, 1.0, 1.5)])
