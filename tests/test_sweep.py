"""Sweeps are expanded before anything runs, and what is wrong with one is said in a sentence."""

import re
import tomllib

import pytest

from rbmflow import spec
from rbmflow._checks import InvalidInput
from rbmflow.cli.running import refuse_equal
from rbmflow.steps import graph


def sweep(text):
    return spec.parse_sweep(tomllib.loads(f'name = "s"\n{text}'))


def test_a_product_combines_each_with_each_and_a_zip_goes_in_step():
    study = sweep(
        '[sweep.product]\n"machine.hidden" = [16, 36, 64]\ntraining.learning_rate = [0.01, 0.1]\n'
        "[sweep.zip]\nlattice.length = [4, 6]\nflow.chains = [10, 20]\n"
    )
    rows = [
        (p.spec.lattice.length, p.spec.flow.chains, p.spec.machine.hidden, p.spec.training.learning_rate)
        for p in study.points
    ]
    expected = [(n, c, h, r) for n, c in ((4, 10), (6, 20)) for h in (16, 36, 64) for r in (0.01, 0.1)]
    assert rows == expected
    assert [point.spec.name for point in study.points] == [f"s-{number:02}" for number in range(12)]
    assert study.points[3].values == {
        "lattice.length": 4,
        "flow.chains": 10,
        "machine.hidden": 36,
        "training.learning_rate": 0.1,
    }


def test_values_may_be_lists_and_may_cure_the_base():
    study = sweep("[sampling]\ndraws = 1\n[sweep.zip]\nsampling.draws = [1000]\nflow.starts = [['hot'], ]\n")
    assert study.points[0].spec.flow.starts == ("hot",)


def test_cases_are_laid_over_the_spec_one_by_one():
    study = sweep(
        "[types.V]\n[sweep.product]\nmachine.hidden = [16, 36]\n"
        "[[sweep.cases]]\ntypes.wide.minimum = 2.0\n"
        '[[sweep.cases]]\ntraining = { estimator = "PCD", steps = 10 }\n'
    )
    rows = [(list(p.spec.types), p.spec.machine.hidden, p.spec.training.estimator) for p in study.points]
    wide, plain = ["V", "wide"], ["V"]
    assert rows == [(wide, 16, "CD"), (wide, 36, "CD"), (plain, 16, "PCD"), (plain, 36, "PCD")]
    # Every point tells every swept field, None where it has no such field.
    assert study.points[0].values == {
        "types.wide.minimum": 2.0,
        "machine.hidden": 16,
        "training.estimator": "CD",
        "training.steps": 1,
    }
    assert study.points[3].values["types.wide.minimum"] is None
    assert spec.parse_sweep(tomllib.loads(study.toml)) == study


def test_the_resolved_toml_gives_the_sweep_back():
    study = sweep("[sweep.product]\nmachine.hidden = [16, 36]\n[sweep.zip]\nseed = [1, 2]\n")
    again = spec.parse_sweep(tomllib.loads(study.toml))
    assert again == study


def test_a_spec_without_a_sweep_is_one_point_of_its_own_name():
    study = spec.load_sweep("quick")
    assert study.single
    assert study.points == (spec.Point({}, spec.load("quick")),)
    assert study.toml == spec.to_toml(spec.load("quick"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sweep = 3", "sweep = 3 is not allowed: it must be a table"),
        ("[sweep]", "sweep = {} is not allowed: it must be a table that sweeps a field"),
        ("[sweep.product]", "sweep = {'product': {}} is not allowed: it must sweep at least one field"),
        ("[sweep.grid]\nseed = [1]", "sweep.grid = {'seed': [1]} is not allowed: a sweep has product, zip and cases"),
        ("[sweep]\ncases = 1", "sweep.cases = 1 is not allowed: it must be a list of tables"),
        ("[[sweep.cases]]", "sweep.cases[0] = {} is not allowed: it must be a table that sets a field"),
        (
            "[[sweep.cases]]\nseed = 1\n[[sweep.cases]]\nseed = 1",
            "sweep.cases[1] = {'seed': 1} is not allowed: no case",
        ),
        ("[[sweep.cases]]\nname = 'a'", "the names of the points are made from that of the spec"),
        (
            "[sweep.product]\nseed = [1]\n[[sweep.cases]]\nseed = 1",
            "sweep.product.seed = [1] is not allowed: sweep.cases has this field too",
        ),
        ("[sweep]\nproduct = 3", "sweep.product = 3 is not allowed: it must be a table of fields"),
        ("[sweep.product]\nmachine.hidden = 3", "sweep.product.machine.hidden = 3 is not allowed: it must be a list"),
        ("[sweep.product]\nmachine.hidden = []", "sweep.product.machine.hidden = [] is not allowed: it must be a list"),
        ("[sweep.product]\nseed = [1, 1]", "sweep.product.seed = [1, 1] is not allowed: no value may come twice"),
        ("[sweep.product]\nname = ['a']", "sweep.product.name = ['a'] is not allowed: the names of the points"),
        ("[sweep.product]\ntypes = [{V = {}}]", "sweep.product.types = [{'V': {}}] is not allowed: it must be a list"),
        (
            "[sweep.product]\n'machine.hidden' = [1]\nmachine.hidden = [2]",
            "sweep.product.machine.hidden = [2] is not allowed: no field may come twice",
        ),
        ("[sweep.zip]\nseed = [1, 2]\nseeds = [3]", "sweep.zip.seeds = [3] is not allowed: it must be a list as long"),
        ("[sweep.product]\nseed = [1]\n[sweep.zip]\nseed = [1]", "sweep.zip.seed = [1] is not allowed: sweep.product"),
        ("[sweep.product]\nmachine.hidden = [3, 0]", "machine.hidden = 0 is not allowed: it must be a whole number"),
        ("[sweep.product]\nmachine.hiden = [3]", "did you mean machine.hidden?"),
        ("[sweep.product]\nseed.first = [3]\n", "seed = {'first': 3} is not allowed: it must be a whole number"),
        ("seed = 3\n[sweep.product]\nseed.first = [3]\n", "sweep: seed.first = 3 is not allowed: seed is not a table"),
    ],
)
def test_a_bad_sweep_is_one_sentence(text, sentence):
    with pytest.raises(InvalidInput, match=re.escape(sentence)) as caught:
        sweep(text)
    assert len(caught.value.problems) == 1


def test_a_sweep_without_bounds_is_refused_before_it_is_expanded():
    values = list(range(1, 1000))
    text = f"[sweep.product]\nseed = {values}\nseeds = {values}\nmachine.hidden = {values}"
    with pytest.raises(InvalidInput, match="sweep = '997002999 points' is not allowed: it may have 100000 points"):
        sweep(text)


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("[sweep.zip]\nseed = [0, 1, 0]", "'s-2' is not allowed: its results are those of s-0"),
        ("[types.V]\n[[sweep.cases]]\nseed = 3\n[[sweep.cases]]\nseed = 3\ntypes.V.maximum = 6.0", "those of s-0"),
        ("[[sweep.cases]]\ntypes.V.maximum = 3.0\n[[sweep.cases]]\ntypes.W.maximum = 3.0", "those of s-0"),
        ("[sweep.product]\nseed = [0, 1]\nflow.chains = [10, 20]", ""),
    ],
)
def test_points_of_equal_results_are_refused(text, alike):
    """Whether the same values come twice, a value that changes nothing, or the same machines under another name."""
    study = sweep(text)
    graphs = [graph(point.spec) for point in study.points]
    if not alike:
        return refuse_equal(study, graphs)
    with pytest.raises(InvalidInput, match=re.escape(alike)):
        refuse_equal(study, graphs)


def test_one_run_has_no_sweep():
    with pytest.raises(InvalidInput, match=r"sweep = .* is read by load_sweep"):
        spec.parse({"name": "x", "sweep": {"product": {"seed": [1]}}})


def test_a_sweep_without_a_name_misses_its_name():
    with pytest.raises(InvalidInput, match=re.escape("name = (nothing) is not allowed: it must be given")):
        spec.parse_sweep({"sweep": {"product": {"seed": [1]}}})


def test_the_deciding_study_changes_one_thing_at_a_time():
    study = spec.load_sweep("fixed-point")
    assert len(study.points) == 15
    assert {point.spec.seeds for point in study.points} == {3}
    for point in study.points:
        training, temperatures = point.spec.training, point.spec.type_temperatures("V")
        updates = training.epochs * (point.spec.sampling.draws * len(temperatures) // training.batch)
        assert abs(updates - 50_000) < 200
    lengths = sorted({point.spec.lattice.length for point in study.points})
    assert lengths == [4, 6, 8, 10, 12, 16]
