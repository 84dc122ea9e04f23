"""Where flows end, with one joined error, and what keeps a machine from having a fixed point."""

import math
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from rbmflow._checks import InvalidInput
from rbmflow.convergence import DOUBTS, TOLERANCE, end_of_flows, mean_temperature


def flows(starts, ends, error, drift=0.0, seeds=3):
    """Readings that relax from their starts to their ends, with noise of the error's size between seeds."""
    rng = np.random.default_rng(1)
    iteration = np.arange(41)
    decay = np.exp(-iteration / 3)
    with np.errstate(invalid="ignore"):
        path = np.array([e + np.where(decay > 1e-3, (s - e) * decay, 0) for s, e in zip(starts, ends, strict=True)])
    path = np.where(iteration == 0, np.array(starts)[:, None], np.where(np.isfinite(path), path, 6.0))
    path = path + drift * iteration / 40
    values = path[None] + error * rng.standard_normal((seeds, len(starts), 1))
    return values, np.full(values.shape, error)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(
    ("starts", "ends", "drift", "doubts"),
    [
        ([0.0, math.inf], [2.3, 2.3], 0.0, set()),
        ([0.0, math.inf, 2.25], [2.3, 2.3, 2.3], 0.0, set()),
        ([0.0, math.inf], [2.2, 2.4], 0.0, {"apart"}),
        ([0.0, math.inf], [2.3, 2.3], 0.5, {"drift"}),
        ([0.0, 1.0], [2.3, 2.3], 0.0, {"one_sided"}),
        ([0.0], [2.3], 0.0, {"one_sided"}),
        ([0.0, math.inf], [math.inf, math.inf], 0.0, {"range"}),
    ],
)
def test_what_keeps_a_flow_from_having_a_fixed_point(starts, ends, drift, doubts, seeds):
    temperature, error = flows(starts, ends, 0.004, drift, seeds)
    if math.inf in ends:
        temperature, error = np.full_like(temperature, math.inf), np.full_like(error, np.nan)
    found = end_of_flows(temperature, error)
    assert found.doubts <= set(DOUBTS)
    assert found.doubts - {"one_sided"} == doubts - {"one_sided"}
    assert ("one_sided" in found.doubts) == ("one_sided" in doubts) or math.inf in ends
    assert found.converged == (not doubts)


@pytest.mark.parametrize(("other", "together"), [(0.8, False), (0.5, True)])
def test_a_frozen_start_does_not_hide_that_another_ends_elsewhere(other, together):
    """An ensemble in the ground state reads 0 with an error of 0.69: any temperature below 0.69, and none above."""
    temperature, error = flows([0.0, math.inf], [0.0, other], 0.01)
    temperature[:, 0] = 0.0
    error[:, 0] = 0.69
    if together:
        temperature[:, 1, 1:] = 0.69
    found = end_of_flows(temperature, error)
    assert found.converged == together
    # However many machines are frozen, none can be told from 0.69.
    assert found.end_error[0] == pytest.approx(0.69)


def test_no_error_is_below_the_known_noise():
    """Two machines may lie together by chance, and one has no scatter: then the chains' error stands."""
    temperature, error = np.full((2, 2, 41), 2.3), np.full((2, 2, 41), 0.1)
    for seeds in (1, 2):
        found = end_of_flows(temperature[:seeds], error[:seeds])
        assert found.seeds == seeds
        for told in (found.end_error, found.end_chain_error, mean_temperature(temperature[:seeds], error[:seeds])[1]):
            np.testing.assert_allclose(told, 0.1 / math.sqrt(seeds))
        np.testing.assert_allclose(found.end_interval, 1.96 * 0.1 / math.sqrt(seeds), rtol=1e-3)
        assert found.mean_end_error == pytest.approx(0.1 / math.sqrt(2 * seeds))
    temperature[1] += 1.0
    apart = end_of_flows(temperature, error)
    np.testing.assert_allclose(apart.end_error, 0.5)
    np.testing.assert_allclose(apart.end_interval, 12.706 * 0.5, rtol=1e-3)


def test_the_error_of_a_curve_is_shared_by_all_machines_and_starts():
    """It does not fall with their number, and differences of readings by one curve do not have it."""
    temperature, error = flows([0.0, 6.0], [2.2, 2.3], 0.001, seeds=8)
    found = end_of_flows(temperature, np.hypot(error, 0.05), 0.05)
    np.testing.assert_allclose(found.end_error, 0.05, rtol=0.01)
    assert found.mean_end_error == pytest.approx(0.05, rel=0.01)
    assert "apart" in found.doubts
    assert (found.drift_error < 0.01).all()


@pytest.mark.parametrize("seeds", [1, 2, 3, 10])
@pytest.mark.parametrize("training", [0.0, 0.02, 0.5])
def test_intervals_hold_the_true_end_as_often_as_they_say(seeds, training):
    """Of machines that differ by nothing, a little, and far more than the chains can tell; one has its chains alone."""
    rng, runs, of_chains = np.random.default_rng(seeds), 1000, 0.05
    training = training if seeds > 1 else 0.0
    # A hundred machines at once, as starts: each has seeds of its own, and an end of its own.
    offsets = training * rng.standard_normal((runs // 100, seeds, 100, 1))
    # The chains of one flow are so correlated that their error is that of a single iteration.
    offsets = offsets + of_chains * rng.standard_normal(offsets.shape)
    shape = (seeds, 100, 9)
    found = [end_of_flows(2.3 + one + np.zeros(shape), np.full(shape, of_chains)) for one in offsets]
    inside = np.mean([abs(one.end_temperature - 2.3) <= one.end_interval for one in found])
    assert inside > 0.95 - 5 * math.sqrt(0.95 * 0.05 / runs)
    # The standard error is no larger than it has to be.
    if training == 0.0:
        errors = np.sqrt(np.mean([one.end_error**2 for one in found]))
        assert errors < 1.5 * of_chains / math.sqrt(seeds)


def test_iterations_that_were_not_read_are_left_out():
    temperature, error = flows([0.0, math.inf], [2.3, 2.3], 0.002)
    was_read = np.isin(np.arange(41), [0, 22, 28, 33, 40])
    temperature[:, :, ~was_read] = np.nan
    found = end_of_flows(temperature, error, was_read=was_read)
    assert found.converged
    assert np.isfinite(found.end_temperature).all()
    assert not np.isfinite(end_of_flows(temperature, error).end_temperature).any()


@pytest.mark.parametrize(
    ("temperature", "error", "sentence"),
    [
        (
            np.zeros((3, 5)),
            np.zeros((3, 5)),
            "shape of temperature = (3, 5) is not allowed: it must be [seed, start",
        ),
        (
            np.zeros((3, 2, 1)),
            np.zeros((3, 2, 1)),
            "(3, 2, 1) is not allowed: it must have no empty axis",
        ),
        (np.zeros((3, 2, 5)), np.zeros((3, 2, 4)), "shape of error = (3, 2, 4) is not allowed: it must be [3, 2, 5]"),
        (np.zeros((3, 2, 5)), np.full((3, 2, 5), -0.1), "error = -0.1 is not allowed: every number must be at least 0"),
        ([[["hot", "cold"]]], np.zeros((1, 1, 2)), "type of temperature"),
    ],
)
def test_arrays_of_other_shapes_and_no_errors_are_refused(temperature, error, sentence):
    with pytest.raises(InvalidInput, match=re.escape(sentence)):
        end_of_flows(temperature, error)


def simulation():
    """The flows of `benchmarks/convergence.py`, whose true end is known."""
    path = Path(__file__).parents[1] / "benchmarks" / "convergence.py"
    loaded = spec_from_file_location("simulated_flows", path)
    assert loaded is not None
    assert loaded.loader is not None
    module = module_from_spec(loaded)
    loaded.loader.exec_module(module)
    return module


def told(*row):
    """Cells of a row of the tables of `docs/conventions.md`, each as its numbers."""
    text = (Path(__file__).parents[1] / "docs" / "conventions.md").read_text(encoding="utf-8")
    [line] = [line for line in text.splitlines() if line.startswith(f"| {' | '.join(row)} |")]
    return [[float(number) for number in re.findall(r"[\d.]+", cell)] for cell in line.split("|")[len(row) + 1 : -1]]


def test_rates_of_the_rule_are_those_of_the_conventions():
    """How often ends are shown, misses of slow approaches, and what errors cover, within five sigma of the docs."""
    simulated, rng, runs, of_docs = simulation(), np.random.default_rng(3), 200, 300

    def compare(percent, share):
        expected = min(max(percent / 100, 1 / of_docs), 1 - 1 / of_docs)
        band = 5 * math.sqrt(expected * (1 - expected) * (1 / runs + 1 / of_docs))
        assert share == pytest.approx(percent / 100, abs=band)

    def found(**asked):
        return simulated.judged(simulated.flows(rng, runs, **({"correlation": 5, "spread": 1} | asked)))

    of_ended = told("5", "3")
    for place, (iterations, seeds) in ((0, (40, 3)), (3, (200, 10))):
        ended = found(spread=3, seeds=seeds, iterations=iterations)
        missed, one, interval, star = of_ended[place]
        compare(missed, np.mean([not end.converged for end in ended]))
        compare(one, simulated.covered(ended, "end_error"))
        compare(interval, simulated.covered(ended, "end_interval"))
        compare(star, np.mean([abs(end.mean_end - simulated.END) <= end.mean_end_error for end in ended]))
    of_moving = told("each from its side", "40 iterations, 3 seeds")
    for place, left in ((0, 0.1), (2, 0.2), (5, 3.0)):
        moving = found(seeds=3, iterations=40, left=left)
        compare(of_moving[place][0], np.mean([end.converged for end in moving]))


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_machines_whose_starts_differ_by_the_tolerance_pass_in_one_case_of_twenty(seeds):
    """However much seeds scatter; an absence of a difference would let the more pass the more they do."""
    rng, runs = np.random.default_rng(seeds), 1000
    for scatter in (0.002, 0.01, 0.1):
        gaps = TOLERANCE + scatter * rng.standard_normal((runs, seeds))
        shown = 0
        for gap in gaps:
            temperature = np.full((seeds, 2, 9), 2.3) + np.array([[0.0], [1.0]]) * gap[:, None, None]
            shown += "apart" not in end_of_flows(temperature, np.zeros(temperature.shape)).doubts
        assert shown / runs < 0.05 + 5 * math.sqrt(0.05 * 0.95 / runs)


def test_the_relaxation_time_is_that_of_the_difference_between_hot_and_cold():
    """A fast mode beside a slow one; flows that are too short for it have the same time and more iterations needed."""
    rng, iteration = np.random.default_rng(0), np.arange(401)
    for time, length in ((40.0, 401), (40.0, 101), (400.0, 401)):
        half = np.exp(-iteration / time) + 2 * np.exp(-iteration / 3)
        path = 2.3 + np.array([[-0.5], [0.5]]) * half
        values = path + 0.002 * rng.standard_normal((5, 2, 401))
        found = end_of_flows(values[:, :, :length], np.full((5, 2, length), 0.002))
        assert found.relaxation_time == pytest.approx(time, rel=0.06)
        assert found.relaxation_time_error < 0.03 * time
        assert found.iterations_needed == pytest.approx(time * math.log(1 / TOLERANCE), rel=0.06)
        assert ("apart" in found.doubts) == (time == 400 or length == 101)
    # From T = inf the first readings are large, and so are their errors.
    values[:, 1, :3], errors = [np.inf, 50.0, 9.0], np.full(values.shape, 0.002)
    errors[:, 1, :3] = [np.nan, 40.0, 5.0]
    assert end_of_flows(values, errors).relaxation_time == pytest.approx(400, rel=0.06)
    still = end_of_flows(np.broadcast_to([[[2.0], [3.0]]], (2, 2, 41)), np.full((2, 2, 41), 0.01))
    assert still.relaxation_time == still.iterations_needed == math.inf
    assert still.start_difference == 1.0
    assert math.isnan(end_of_flows(np.full((2, 1, 41), 2.0), np.full((2, 1, 41), 0.01)).relaxation_time)


def test_of_one_machine_whose_chains_read_the_same_no_error_is_known():
    """An error of zero would say that T* is exact; two machines that agree have measured that they do."""
    relaxing = 2.3 + np.exp(-np.arange(41) / 3) * np.array([[-2.0], [2.0]])
    alone, both = (end_of_flows(np.broadcast_to(relaxing, (n, 2, 41)), np.zeros((n, 2, 41))) for n in (1, 2))
    assert alone.converged
    assert alone.mean_end == pytest.approx(2.3)
    assert np.isnan([alone.mean_end_error, alone.mean_end_chain_error, *alone.end_error, *alone.end_interval]).all()
    assert both.mean_end_error == 0
