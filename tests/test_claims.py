"""Every rule decides as the page of claims says, on machines made for it."""

import json
import math
import re
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from rbmflow import figures
from rbmflow.claims import CLAIMS, BlockSpins, Claim, Judgement, Machine, Measured, StartedFlow, study

GRID = tuple(0.25 * step for step in range(25))
NEEDED = xr.Dataset({name: 0.0 for claim in CLAIMS.values() for name in claim.needs})
"""Results with every variable that a claim needs."""


def flow(start, begin, end, error=0.01, drift=0.0, neural=2.25, iterations=10.0):
    measured = Measured(end, error, 5)
    return StartedFlow(start, begin, measured, Measured(drift, 0.001), neural, Measured(iterations, 1.0))


RECIPE = {
    "seed": 0,
    "model.length": 10,
    "machine.hidden": 64,
    "training.estimator": "CD",
    "training.steps": 1,
    "training.learning_rate": 0.01,
    "training.epochs": 200,
    "machine.units": "-1/+1",
    "training.optimiser": "sgd",
    "training.weight_decay": 0.0,
    "temperatures": list(GRID),
    "data": "ising",
    "weights": "trained",
}
SHORT = {"hidden": "machine.hidden", "length": "model.length", "estimator": "training.estimator"}
SHORT |= {"gibbs_steps": "training.steps", "learning_rate": "training.learning_rate"}


def machine(end=2.27, *, hot=None, drift=0.0, neural=2.25, iterations=10.0, **changed):
    """A machine with two flows; settings of its recipe are given by their names or by the last part of them."""
    hot = end if hot is None else hot
    made = {SHORT.get(name, name): changed.pop(name) for name in list(changed) if SHORT.get(name, name) in RECIPE}
    recipe = RECIPE | {name: list(value) if isinstance(value, tuple) else value for name, value in made.items()}
    flows = (
        flow("cold", 0.0, end, drift=drift, neural=neural, iterations=iterations),
        flow("hot", math.inf, hot, drift=drift, neural=neural, iterations=iterations),
    )
    plain = Machine(
        name="V-64",
        artifact=json.dumps(recipe),
        kind="V",
        recipe=recipe,
        updates=50_000,
        effort=(5, 40, 1000),
        flows=flows,
        mean_end=Measured((end + hot) / 2, 0.01, 5),
        doubts=frozenset({"drift"} if drift else ()),
        critical=2.269,
        specific_heat_peak=2.3445,
        mixture_temperature=2.562,
        results=NEEDED,
    )
    if "flows" in changed:
        ends = [one.end for one in changed["flows"]]
        mean = sum(one.value for one in ends) / len(ends)
        changed["mean_end"] = Measured(mean, ends[0].error, ends[0].samples)
    return replace(plain, **changed)


def verdict(id_, *machines, blocks=()):
    """What a claim says of machines, each with the block spins on its lattice."""
    return CLAIMS[id_]([replace(one, blocks=tuple(b for b in blocks if b.length == one.length)) for one in machines])


def high(*args, **changed):
    return machine(*args, temperatures=GRID[16:], **changed)


def ground(*args, **changed):
    return machine(*args, temperatures=(0.0,), **changed)


def control(*args, **changed):
    return machine(*args, data="mean-field", **changed)


SUPPORTED_AND_REFUTED = {
    "V-to-Tc": (machine(2.2), machine(2.0)),
    "V-to-Tc-neural": (machine(neural=2.5), machine(neural=2.0)),
    "H-to-hot": (high(5.0), high(3.5)),
    "L-to-zero": (ground(1.0), ground(1.5)),
    "start-forgotten": (machine(2.0), machine(2.0, hot=3.0, doubts=frozenset({"apart"}))),
    "WWt-correlations": (machine(resemblance=Measured(0.95, 0.01)), machine(resemblance=Measured(0.4, 0.01))),
    "spectrum-V": (
        machine(largest_share=Measured(0.3, 0.0), above_edge=Measured(9, 0.0)),
        machine(largest_share=Measured(0.8, 0.0), above_edge=Measured(9, 0.0)),
    ),
    "spectrum-H": (high(5.0, flatness=Measured(0.9, 0.0)), high(5.0, flatness=Measured(0.3, 0.0))),
    "spectrum-L": (ground(1.0, largest_share=Measured(0.9, 0.0)), ground(1.0, largest_share=Measured(0.1, 0.0))),
    "leading-magnetization": (machine(leading_overlap=Measured(0.99, 0)), machine(leading_overlap=Measured(0.7, 0))),
    "to-specific-heat": (machine(2.345), machine(2.6)),
    "topology-free": (control(neural=2.25), control(neural=5.0)),
    "neural-cannot-tell": (machine(two_sample=(1e-9, 1e-5)), machine(two_sample=(0.3, 0.06))),
    "perfect-ends-in-mixture": (
        machine(excess=Measured(0.02, 0.001), energy_from_mixture=Measured(0.01, 0.001)),
        machine(excess=Measured(0.02, 0.001), energy_from_mixture=Measured(0.3, 0.001)),
    ),
}


@pytest.mark.parametrize("id_", SUPPORTED_AND_REFUTED)
def test_a_rule_on_single_machines_has_both_sides(id_):
    good, bad = SUPPORTED_AND_REFUTED[id_]
    assert verdict(id_, good).verdict == "holds"
    assert verdict(id_, bad).verdict == "fails"
    both = verdict(id_, good, replace(bad, name="other"))
    assert both.verdict == "holds only when"
    assert [row.of for row in both.of("supports")] == ["V-64"]
    assert [row.of for row in both.of("contradicts")] == ["other"]


def test_a_machine_that_has_not_converged_is_open_unless_it_leaves_on_one_side():
    assert verdict("V-to-Tc", machine(2.05, hot=2.6, drift=0.01)).verdict == "open"
    assert verdict("V-to-Tc", machine(2.0, hot=2.1, drift=-0.01)).verdict == "fails"
    # 0.05 a quarter brings the flow from 2.0 to 2.2 within as many iterations again.
    assert verdict("V-to-Tc", machine(2.0, hot=2.0, drift=0.05)).verdict == "open"
    assert verdict("start-forgotten", machine(2.0, drift=0.05)).verdict == "open"


def test_within_its_error_of_the_window_a_machine_is_open():
    assert verdict("V-to-Tc", machine(2.269 + 0.125 + 0.02)).verdict == "open"


def test_the_maximum_of_the_specific_heat_needs_an_error_that_tells_it_from_t_c():
    vague = (flow("cold", 0.0, 2.31, error=0.03), flow("hot", math.inf, 2.31, error=0.03))
    assert verdict("to-specific-heat", machine(flows=vague)).verdict == "open"


def test_hidden_units_above_those_visible_slow_the_flow_and_move_its_end():
    few = [machine(2.2, hidden=hidden) for hidden in (16, 64, 100)]
    moved = [machine(2.4, iterations=40.0, hidden=hidden) for hidden in (225, 400)]
    alike = [machine(2.2, hidden=hidden) for hidden in (225, 400)]
    assert verdict("N_h-moves-end", *few, *moved).verdict == "holds"
    assert verdict("N_h-moves-end", *few, *alike).verdict == "fails"
    assert verdict("N_h-moves-end", *few).verdict == "not tested"


def test_the_direction_is_set_against_that_of_block_spins():
    away = BlockSpins("majority", 10, {"below": Measured(0.3, 0.01), "above": Measured(0.5, 0.01)})
    back = BlockSpins("majority", 10, {"below": Measured(-0.3, 0.01), "above": Measured(0.5, 0.01)})
    assert verdict("against-RG", machine(), blocks=[away]).verdict == "holds"
    assert verdict("against-RG", machine(), blocks=[back]).verdict == "fails"
    still = BlockSpins("majority", 10, {"below": Measured(0.01, 0.01), "above": Measured(0.5, 0.01)})
    assert verdict("against-RG", machine(), blocks=[still]).verdict == "open"
    beside = (*machine(2.0).flows, flow("T = 2.25", 2.25, 2.0))
    assert verdict("against-RG", machine(2.0), blocks=[away]).verdict == "holds"
    assert verdict("against-RG", machine(flows=beside), blocks=[away]).verdict == "fails"
    decimated = BlockSpins("decimation", 10, away.changes)
    assert verdict("against-RG", machine(), blocks=[decimated]).verdict == "not tested"
    assert verdict("against-RG", machine()).verdict == "not tested"


def test_some_cases_means_some_machines_at_t_c_and_some_elsewhere():
    assert verdict("some-cases", machine(2.2), machine(2.0)).verdict == "holds"
    assert verdict("some-cases", machine(2.2), machine(2.25)).verdict == "fails"
    assert verdict("some-cases", machine(2.2)).verdict == "open"


def test_recipes_and_training_time_move_the_end_if_equal_ends_are_rejected():
    recipes = [machine(end, gibbs_steps=k) for end, k in ((2.0, 1), (2.4, 10), (2.5, 100))]
    assert verdict("recipe-moves-end", *recipes).verdict == "holds"
    same = [machine(2.2 + 0.001 * k, gibbs_steps=k) for k in (1, 2, 3)]
    assert verdict("recipe-moves-end", *same).verdict == "fails"
    ends = ((100, 2.9), (20_000, 2.3), (50_000, 2.0))
    checkpoints = tuple((update, Measured(end, 0.01, 5)) for update, end in ends)
    assert verdict("recipe-moves-end", machine(checkpoints=checkpoints)).verdict == "holds"
    # The rule's test is chi-squared; what three seeds are worth is told beside it.
    apart = [machine(gibbs_steps=k, flows=(flow("cold", 0.0, end, error=0.03),)) for k, end in ((1, 2.2), (10, 2.36))]
    (judgement,) = verdict("recipe-moves-end", *apart).judgements
    assert (judgement.side, judgement.measured) == (
        "supports",
        "ends from 2.200 to 2.360, p = 1.6e-04 (F test 5.5e-03)",
    )


def test_a_narrow_window_has_the_error_in_it():
    for end, error, sides in (
        (2.40, 0.01, "fails"),
        (2.37, 0.01, "holds"),
        (2.30, 0.01, "holds"),
        (2.25, 0.02, "fails"),
    ):
        flows = tuple(flow(start, begin, end, error=error) for start, begin in (("cold", 0.0), ("hot", math.inf)))
        small = machine(flows=flows, length=6, hidden=23, critical=3.0)
        assert (
            verdict("follows-specific-heat", small, machine(2.3445))
            .of("contradicts" if sides == "fails" else "supports")[0]
            .of
        )
        assert verdict("to-specific-heat", small).verdict == sides


def test_small_k_is_off_equilibrium_if_long_chains_come_closer_to_the_mixture():
    def of(k, away):
        return machine(gibbs_steps=k, energy_from_mixture=Measured(away, 0.01))

    assert verdict("small-k-off-equilibrium", of(1, -0.3), of(100, -0.05)).verdict == "holds"
    assert verdict("small-k-off-equilibrium", of(1, 0.01), of(100, 0.0)).verdict == "fails"
    assert verdict("small-k-off-equilibrium", of(1, -0.3), of(100, -0.3)).verdict == "open"
    assert verdict("small-k-off-equilibrium", of(1, -0.3)).verdict == "not tested"


def test_grids_tell_t_c_from_the_mixture():
    wide = tuple(0.25 * step for step in range(49))
    grids = [(GRID, 2.562), (wide, 4.0), (GRID[:13], 1.6)]
    at_critical = [machine(2.27, temperatures=grid, mixture_temperature=mix) for grid, mix in grids]
    at_mixture = [machine(mix, temperatures=grid, mixture_temperature=mix) for grid, mix in grids]
    assert verdict("follows-Tc", *at_critical).verdict == "holds"
    assert verdict("follows-mixture", *at_critical).verdict == "fails"
    assert verdict("follows-Tc", *at_mixture).verdict == "fails"
    assert verdict("follows-mixture", *at_mixture).verdict == "holds"
    assert verdict("follows-Tc", at_critical[0]).verdict == "not tested"


def test_sizes_tell_the_maximum_of_the_specific_heat_from_t_c():
    peaks = {6: 2.42, 8: 2.38, 10: 2.3445, 12: 2.33}

    def at(length, end):
        return machine(
            end, length=length, hidden=round(0.64 * length**2), specific_heat_peak=peaks[length], critical=2.269
        )

    assert verdict("follows-specific-heat", *(at(n, peaks[n]) for n in peaks)).verdict == "holds"
    assert verdict("follows-specific-heat", *(at(n, 2.1) for n in peaks)).verdict == "fails"


def test_excess_and_distance_from_the_mixture_go_together():
    rows = [
        machine(excess=Measured(nats, 0.01), energy_from_mixture=Measured(-nats / 10, 0.001))
        for nats in (0.1, 0.2, 0.4, 0.8, 1.0, 1.5, 2.0, 3.0)
    ]
    assert verdict("perfect-ends-in-mixture", *rows).verdict == "holds"
    turned = [replace(row, energy_from_mixture=Measured(1 / row.excess.value, 0.01)) for row in rows]
    assert verdict("perfect-ends-in-mixture", *turned).verdict == "fails"


def test_iterations_whose_error_is_not_known_differ_from_none():
    """Of one machine on each side nothing is known of the error of the iterations needed, so nothing is decided."""
    few, more = machine(2.2, hidden=64), machine(2.4, hidden=400, iterations=40.0)
    told = [[replace(one, iterations=Measured(one.iterations.value, math.nan)) for one in m.flows] for m in (few, more)]
    unknown = [replace(one, flows=tuple(flows)) for one, flows in zip((few, more), told, strict=True)]
    assert verdict("N_h-moves-end", *unknown).verdict == "open"
    assert verdict("N_h-moves-end", replace(unknown[0], mean_end=unknown[1].mean_end), unknown[1]).verdict == "open"
    assert verdict("N_h-moves-end", few, more).verdict == "holds"
    bare = Measured(1.0, math.nan)
    assert not bare.differs
    assert not bare.minus(Measured(0.0, 0.1)).differs
    assert Measured(math.inf, math.nan).differs


def test_the_page_of_claims_has_every_claim_with_its_rule():
    docs = Path(__file__).parents[1] / "docs"
    made, page = runpy.run_path(str(docs / "made.py"))["PAGES"], (docs / "claims.md").read_text("utf-8")
    rows = "".join(made[name]() for name in re.findall(r"\{include\} made/(\S+)\.md", page))
    found = dict(re.findall(r"^\| `([\w-]+)` \| (.*?) \|", rows.replace(r"\*", "*"), re.MULTILINE))
    assert found == {claim.id: claim.words for claim in CLAIMS.values()}
    tested = [claim for claim in CLAIMS.values() if claim.needs]
    assert len(tested) == len(CLAIMS) - 3
    assert all(all(claim.in_full) for claim in tested)


def test_a_claim_is_judged_by_machines_that_have_what_it_needs():
    mine = Claim(
        "mine", "w", "s", "r", lambda machines: [Judgement(m.name, "supports", "") for m in machines], ("extra",)
    )
    able = machine(name="able", results=xr.Dataset({"extra": 1.0}))
    told = mine([machine(), able])
    assert [row.of for row in told.judgements] == ["able"]
    assert told.note == "1 of 2 machines judged: the others have no `extra`"
    assert mine([machine()]).verdict == "not tested"


def test_machines_side_by_side_keep_their_checkpoints():
    """Trainings of different lengths are padded; the figure has one panel a machine with its own points."""
    ends = ((0, Measured(4.0, 0.1, 3)), (10, Measured(2.5, 0.02, 3)))
    table = study([machine(checkpoints=ends), machine(name="V-16"), machine(name="V-36", checkpoints=ends[:1])])
    assert table["checkpoint_end"].sel(machine="V-64").values.tolist() == [4.0, 2.5]
    assert table["checkpoint_end"].sel(machine="V-36").values[0] == 4.0
    assert [int(table["checkpoint_end"].sel(machine=name).notnull().sum()) for name in table["machine"].values] == [
        2,
        0,
        1,
    ]
    panels = [axes for axes in figures.study_training_time(table).axes if axes.get_title("left")]
    assert [axes.get_title("left") for axes in panels] == ["V-64", "V-16", "V-36"]
    drawn = {float(y) for line in panels[0].lines for y in np.asarray(line.get_ydata(), float)}
    assert {4.0, 2.5} <= drawn
    assert [text.get_text() for text in panels[1].texts] == ["no reading"]
