"""Operators against loops over sites, and stability matrices against recursions that are known in closed form."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.claims import CLAIMS, Machine
from rbmflow.renormalization import block_machine, decimate, layers_as_rules, majority_rule, operators, stability
from rbmflow.renormalization.operators import sums_of, vectors_of
from rbmflow.spec import parse
from rbmflow.steps import graph
from rbmflow.steps.kind import compute
from rbmflow.store.expected import expected_of

NEAREST = {"pairs": 1, "fours": 0, "threes": 0}


def halved(key, model, spins):
    """The blocks of the chain by hand."""
    return spins[..., ::2]


def test_operators_of_the_square_are_the_seven_and_four():
    chosen = operators(rf.square(8))
    assert [operator.odd for operator in chosen] == [False] * 7 + [True] * 4
    steps = [sorted(map(abs, operator.sets[0][1][1])) for operator in chosen[:5]]
    assert steps == [[0, 1], [1, 1], [0, 2], [1, 2], [2, 2]]
    assert [len(operator.sets) for operator in chosen] == [2, 2, 2, 4, 2, 1, 4, 1, 4, 2, 4]
    assert chosen == operators(rf.square(64, 32))


@pytest.mark.parametrize(
    "model",
    [rf.ising(rf.square(4, 5)), rf.ising(rf.honeycomb(3)), rf.potts(rf.triangular(4, 3), 3), rf.clock(rf.square(3), 5)],
)
def test_operators_against_loops_over_sites(model):
    lattice, chosen = model.lattice, operators(model.lattice)
    own = np.random.default_rng(0).choice(model.states, (2, *lattice.shape)).astype(np.int8)
    even, odd = map(np.asarray, sums_of(model, chosen, jnp.asarray(own)))
    vectors = vectors_of(model)
    of_site = vectors[np.searchsorted(model.states, own)].reshape(2, *lattice.cells, lattice.basis, -1)
    # As many components as there are, and the same products as those of the vectors of the model.
    centred = np.array(model.vectors) - np.mean(model.vectors, axis=0)
    np.testing.assert_allclose(vectors @ vectors.T, centred @ centred.T, atol=1e-12)
    found = {False: [], True: []}
    for operator in chosen:
        total = 0.0
        for cell in itertools.product(*map(range, lattice.cells)):
            for places in operator.sets:
                at = [tuple((np.add(cell, step) % lattice.cells).tolist()) for _, step in places]
                v = [of_site[(slice(None), *one, site)] for one, (site, _) in zip(at, places, strict=True)]
                dot = np.einsum("inc,jnc->ijn", v, v)
                match len(v):
                    case 1:
                        total = total + v[0]
                    case 2:
                        total = total + dot[0, 1]
                    case 3:
                        parts = [dot[1, 2][:, None] * v[0], dot[0, 2][:, None] * v[1], dot[0, 1][:, None] * v[2]]
                        total = total + sum(parts) / 3
                    case 4:
                        total = total + (dot[0, 1] * dot[2, 3] + dot[0, 2] * dot[1, 3] + dot[0, 3] * dot[1, 2]) / 3
        found[operator.odd].append(total)
    np.testing.assert_allclose(even, np.stack(found[False], axis=-1), atol=1e-4)
    np.testing.assert_allclose(odd, np.stack(found[True], axis=1), atol=1e-4)


def test_decimation_of_free_spins_by_enumeration():
    """The chain at infinite temperature, all its configurations: K' = 0 whatever K is near 0, and h' = h."""
    model = rf.ising(rf.chain(8))
    every = np.array(list(itertools.product((-1, 1), repeat=8)), np.int8)
    found = stability(0, model, [every], 1, halved, operators(model.lattice, **NEAREST))
    np.testing.assert_allclose([found.even.value[0, 0], found.odd.value[0, 0]], [0, 1], atol=1e-12)
    assert np.isnan(found.even.error).all()


def test_decimation_of_the_chain_against_its_recursion():
    r"""K' = ln cosh(2K) / 2 and h' = h + ln[cosh(2K + h) / cosh(2K - h)] / 2, so tanh 2K and 1 + tanh 2K."""
    model, coupling, generator = rf.ising(rf.chain(16)), 0.6, np.random.default_rng(0)
    # Bonds are free but for their product, which is 1 round the ring.
    bonds = np.where(generator.random((60_000, 16)) < 1 / (1 + np.exp(-2 * coupling)), 1, -1).astype(np.int8)
    spins = np.cumprod(bonds[bonds.prod(axis=1) == 1], axis=1, dtype=np.int8)
    spins *= generator.choice(np.array([-1, 1], np.int8), (len(spins), 1))
    runs = np.array_split(spins, 4)
    found = stability(1, model, runs, 2, halved, operators(model.lattice, **NEAREST))
    assert found.scale == (2.0, 2.0)
    for step, at in enumerate((coupling, np.log(np.cosh(2 * coupling)) / 2)):
        for sector, wanted in ((found.even, np.tanh(2 * at)), (found.odd, 1 + np.tanh(2 * at))):
            # Four runs tell the error within a factor of two or so.
            assert abs(sector.value[step, 0] - wanted) < 5 * max(sector.error[step, 0], 0.004)
            assert sector.error[step, 0] < 0.02


def test_block_spins_of_the_square_have_the_known_eigenvalues():
    model = rf.ising(rf.square(8))
    runs = np.split(rf.sample(0, model, rf.critical_temperature(model), 12_000).spins[0], 4)
    found = stability(0, model, runs)
    # The first step is off by a few per cent.
    assert found.even.value[0, 0] == pytest.approx(2.0, rel=0.05)
    assert found.odd.value[0, 0] == pytest.approx(2**1.875, rel=0.02)
    np.testing.assert_allclose(found.even.exponent, np.log2(found.even.value))
    with pytest.raises(InvalidInput, match="depend on one another"):
        stability(0, model, runs, steps=2)


def test_a_layer_that_is_block_spins_gives_what_block_spins_give():
    """Hidden units that hold one block each, of nine sites, so that there are no ties."""
    model = rf.ising(rf.square(9))
    runs = [rf.sample(seed, model, 2.4, 500).spins[0] for seed in range(2)]
    machine = block_machine(model, 3)

    def layer(key, model, spins):
        fields = machine.hidden_fields(np.asarray(spins, np.float32).reshape(len(spins), -1))
        return np.sign(fields).astype(np.int8).reshape(-1, 3, 3)

    chosen = operators(model.lattice, **NEAREST)
    blocks = stability(0, model, runs, 1, lambda key, model, spins: majority_rule(key, spins, 3, model), chosen)
    learnt = stability(0, model, runs, 1, layer, chosen)
    assert blocks.scale == learnt.scale == (3.0,)
    for one, other in zip(blocks.even + blocks.odd, learnt.even + learnt.odd, strict=True):
        np.testing.assert_array_equal(one, other)


def test_layers_that_are_blocks_find_their_cells_and_signs_whatever_the_order_of_their_units():
    model, rng = rf.ising(rf.square(8)), np.random.default_rng(1)
    machines, below = [], (np.arange(64), np.ones(64))
    for side in (8, 4):
        weights = np.asarray(block_machine(rf.ising(rf.square(side))).weights)[below[0]] * below[1][:, None]
        below = rng.permutation(weights.shape[1]), rng.choice([-1.0, 1.0], weights.shape[1])
        shuffled = weights[:, below[0]] * below[1]
        machines.append(rf.RBM.from_weights(shuffled, None, None, units="-1/+1", axes="visible, hidden"))
    first, second = layers_as_rules(model, machines)
    coarse = rng.choice(np.array([-1, 1], np.int8), (50, 2, 2))
    finer = coarse.repeat(2, axis=1).repeat(2, axis=2)
    drawn = first(jax.random.key(0), model, jnp.asarray(finer.repeat(2, axis=1).repeat(2, axis=2)))
    np.testing.assert_array_equal(drawn, finer)
    np.testing.assert_array_equal(second(jax.random.key(1), model, drawn), coarse)
    with pytest.raises(InvalidInput, match="machine"):
        layers_as_rules(model, machines[1:])


@pytest.mark.parametrize("model", [rf.potts(rf.triangular(4), 3), rf.ising(rf.honeycomb(4)), rf.ising(rf.cubic(4))])
def test_block_spins_as_a_map_of_any_model(model):
    start = rf.hot(0, model, 20)
    flow = rf.iterate(1, rf.BlockSpins(model=model), start, 2)
    np.testing.assert_array_equal(flow.at(1), flow.at(2))
    axes = len(model.lattice.cells)
    kept = decimate(flow.at(1), 2, model)
    np.testing.assert_array_equal(
        functools.reduce(lambda a, axis: a.repeat(2, axis), range(1, 1 + axes), np.asarray(kept)), flow.at(1)
    )


@pytest.mark.usefixtures("as_people_call")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"steps": 0}, "steps = 0"),
        ({"rule": [halved, halved]}, "it must be a function of key, model and configurations, or 1 of them"),
        ({"rule": lambda key, model, spins: spins}, "with fewer cells than"),
        ({"rule": lambda key, model, spins: spins[:5, ::2, ::2]}, "shape of what the rule returns"),
        ({"rule": lambda key, model, spins: np.zeros((20, 4, 4))}, "what the rule returns"),
        ({"runs": []}, "there must be at least one run"),
        ({"runs": [np.ones((20, 4, 4))]}, "runs"),
        ({"runs": None}, "runs = 'NoneType' .* one entry for each run"),
        ({"runs": rf.Draws(np.ones((2, 20, 8, 8)), (1.0, 2.0))}, "runs = 'Draws' .* one entry for each run"),
        ({"runs": [np.ones((1, 8, 8))]}, "on so few cells or in so few draws"),
        ({"rule": None}, "it must be a function of key, model and configurations"),
        ({"rule": 3}, "it must be a function of key, model and configurations"),
        ({"chosen": 3}, "chosen = 3 .* it must hold operators"),
        ({"chosen": ()}, "it must hold operators"),
        ({"chosen": ["pair 1"]}, "it must hold operators"),
        ({"chosen": rf.operators(rf.cubic(4))}, "sets of pair 1 .* a lattice of 2 axes with 1 sites a cell"),
        ({"chosen": rf.operators(rf.honeycomb(4))}, "sets of pair 1 .* a lattice of 2 axes with 1 sites a cell"),
    ],
)
def test_what_cannot_be_is_refused(given, told):
    model = rf.ising(rf.square(8))
    runs = given.pop("runs", [rf.hot(0, model, 20)])
    with pytest.raises(InvalidInput, match=told):
        stability(0, model, runs, **given)


@pytest.mark.usefixtures("as_people_call")
@pytest.mark.parametrize("sets", [(), 3, "xy", ((),), (((0.5, (0, 0)),),), [[[0, [0, 0]]], [[0, [0, 0]], [0, [0, 1]]]]])
def test_sets_that_are_no_operator_are_refused(sets):
    with pytest.raises(InvalidInput, match=r"sets = .* sets of as many sites each"):
        rf.Operator("mine", sets)


@pytest.mark.usefixtures("as_people_call")
def test_operators_may_be_of_one_sector_and_written_in_lists():
    model, spin = rf.ising(rf.square(8)), rf.Operator("spin", [[[0, [0, 0]]]])
    found = stability(0, model, [rf.hot(seed, model, 50) for seed in range(2)], chosen=[spin])
    assert found.even.value.shape == (1, 0)
    assert repr(found).startswith("Stability(to (4, 4): y_h ")


SPEC = {
    "name": "blocks",
    "lattice": {"kind": "triangular", "length": 4},
    "types": {"V": {}},
    "flow": {"starts": ["hot"]},
    "sampling": {"temperatures": [2.0, 4.0]},
    "stability": {"length": 16, "steps": 1, "runs": 3, "draws": 1000},
}


def test_the_step_of_a_run(tmp_path):
    [step] = [step for step in graph(parse(SPEC)) if step.kind == "stability"]
    told = []
    data = compute(step, (), tmp_path, told.append)
    assert expected_of(step.kind, step.settings).fault(data) is None
    assert told == pytest.approx([1 / 3, 2 / 3, 1])
    assert data["blocked_to"].values.tolist() == [8]
    # A first step: it is off by several per cent.
    even, odd = data["stability_exponent"].sel(rank=1).values[:, 0]
    assert even == pytest.approx(1.0, abs=0.12)
    assert odd == pytest.approx(1.875, abs=0.05)
    assert data["stability_known"].values.tolist() == [1.0, 1.875]
    assert np.isnan(data["stability_eigenvalue"].sel(sector="odd", rank=5)).all()


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"stability": {"length": 24, "steps": 2}}, None),
        ({"stability": {"length": 20, "steps": 3}}, "stability.length = 20 .* multiple of 8 of at least 32"),
        ({"model": {"kind": "blume-capel"}}, "stability.length = 16 .* T_c of this model on this lattice is not known"),
        ({"model": {"field": 0.1}}, "stability.length = 16 .* T_c of this model"),
    ],
)
def test_specs_that_ask_for_eigenvalues(section, told):
    if told is None:
        assert parse(SPEC | section).stability.sides == (12, 6)
        return
    with pytest.raises(InvalidInput, match=told):
        parse(SPEC | section)


@pytest.mark.parametrize(
    ("last", "verdict"),
    [((0.99, 1.874), "holds"), ((0.8, 1.874), "fails"), ((1.0, 1.8985), "open"), ((1.0, 2.0), "fails")],
)
def test_exponents_are_judged_at_the_last_step(last, verdict):
    exponents = np.array([[0.5, last[0]], [1.5, last[1]]])[..., None]
    values = {"stability_exponent": exponents, "stability_exponent_error": np.full(exponents.shape, 0.001)}
    axes = ("sector", "blocked_to", "rank")
    results = xr.Dataset({name: (axes, value) for name, value in values.items()})
    results = results.assign(stability_known=("sector", [1.0, 1.875]), stability_runs=8)
    results = results.assign_coords(sector=["even", "odd"], rank=[1])
    machine = Machine("V", results.assign(recipe='{"model.kind": "potts", "model.q": 3}'))
    found = CLAIMS["block-spin-exponents"]([machine, machine])
    assert (found.verdict, len(found.judgements)) == (verdict, 1)
    assert found.judgements[0].of == "potts 3, square"
