"""Any lattice, any model: tables against transfer matrices and enumeration, and heat-bath draws from them."""

import itertools

import jax
import numpy as np
import pytest
from scipy.special import logsumexp

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.sampler.table_sweep import TableSweep, aliases, neighbourhoods

LATTICES = {
    lattice.name or "lieb": lattice
    for lattice in (
        rf.chain(5),
        rf.square(2, 3),
        rf.triangular(2),
        rf.triangular(3, 4),
        rf.honeycomb(2, 3),
        rf.kagome(2),
        rf.cubic(2, 2, 3),
        rf.hypercubic((2, 2, 2, 2)),
        rf.Lattice((2, 3), [(0, 1, (0, 0)), (1, 0, (0, 1)), (0, 2, (0, 0), 1), (2, 0, (1, 0), 1)], 3),
    )
}
UNEVEN = rf.Model(
    rf.square(3),
    (0, 1, 5),
    [[[0, 0.3, 1], [0.3, -1, 0.2], [1, 0.2, -0.7]], [[0.1, 0, 0], [0, -0.5, 0], [0, 0, 0]]],
    (0, 0.5, -0.25),
    [[0], [1], [2]],
)
MODELS = [
    rf.potts(rf.square(3), 3),
    rf.potts(rf.square(2, 3), 4),
    rf.potts(rf.triangular(3), 3),
    rf.potts(rf.honeycomb(2), 3),
    rf.clock(rf.square(3), 4),
    rf.clock(rf.chain(6), 5),
    rf.blume_capel(rf.square(3), 1.0),
    rf.ising(rf.triangular(4)),
    rf.ising(rf.triangular(3, 4), 0.3, (1.0, 0.5, -0.5)),
    rf.ising(rf.square(3, 4), couplings=-1.0),
    rf.ising(rf.honeycomb(3, 2)),
    rf.ising(rf.kagome(2)),
    rf.ising(rf.cubic(2, 2, 3)),
    rf.ising(rf.hypercubic((2, 2, 2, 2))),
    rf.ising(LATTICES["lieb"], couplings=(1.0, 2.0)),
    UNEVEN,
]


def configurations(model):
    """All configurations of a model."""
    states, sites = np.array(model.states, np.int8), model.lattice.sites
    places = np.arange(len(states) ** sites)[:, None] // len(states) ** np.arange(sites) % len(states)
    return states[places].reshape(-1, *model.lattice.shape)


def energies(model, spins):
    numbers, values = model.terms(spins)
    return np.asarray(numbers) @ values


def layers(model):
    """Energies of a layer [state] and of the bonds between two [state, state]; bonds go to the next layer at most."""
    lattice, count = model.lattice, len(model.states)
    width = lattice.sites // lattice.cells[0]
    rows = np.arange(count**width)[:, None] // count ** np.arange(width) % count
    cells = np.arange(width).reshape(*lattice.cells[1:], lattice.basis)
    inside, between = np.array(model.site)[rows].sum(axis=1), np.zeros((len(rows), len(rows)))
    for start, end, (step, *further), kind in lattice.bonds:
        here = cells[..., start].ravel()
        there = np.roll(cells[..., end], [-one for one in further], range(len(further))).ravel()
        pair = np.array(model.pair[kind])
        if step == 0:
            inside += pair[rows[:, here], rows[:, there]].sum(axis=1)
        else:
            near, far = (rows[:, here], rows[:, there])[::step]
            between += sum(pair[np.ix_(near[:, one], far[:, one])] for one in range(len(here)))
    return inside, between


def partition(model, weight_of):
    """Sum over configurations of weights that are products over layers."""
    inside, between = layers(model)
    step = weight_of(inside[:, None] + between)
    return np.trace(np.linalg.matrix_power(step, model.lattice.cells[0]))


def thermal(model, temperature):
    """ln Z, and the energy and the specific heat per site from its derivatives, by Cauchy's formula on a circle."""
    sites, radius, points = model.lattice.sites, 0.02 / temperature, 16
    turn = np.exp(2j * np.pi * np.arange(points) / points)
    ground = model.uniform_energies.min() / model.lattice.cells[0]
    logs = [
        np.log(partition(model, lambda energy, k=1 / temperature + radius * z: np.exp(-k * (energy - ground))))
        for z in turn
    ]
    taylor = np.fft.fft(logs).real / points / radius ** np.arange(points)
    whole = model.uniform_energies.min()
    return taylor[0] - whole / temperature, (whole - taylor[1]) / sites, 2 * taylor[2] / temperature**2 / sites


def lowest_levels(model, count):
    """Lowest whole energies, and how many configurations have them, by Fourier's formula."""
    inside, between = layers(model)
    step = (inside[:, None] + between).round().astype(int)
    size = (step.max() - step.min()) * model.lattice.cells[0] + 1
    turns = np.exp(2j * np.pi * np.arange(size) / size)
    waves = [partition(model, lambda energy, z=z: z ** (energy.round().astype(int) - step.min())) for z in turns]
    numbers = np.fft.fft(waves).real / size
    levels = [level for level in range(size) if numbers[level] > 0.5][:count]
    return [(level + step.min() * model.lattice.cells[0], round(numbers[level])) for level in levels]


@pytest.mark.parametrize(
    ("model", "temperature", "levels", "log_z", "energy", "heat"),
    [
        (rf.potts(rf.square(3), 3), 1 / np.log(1 + np.sqrt(3)), [(-18, 3), (-14, 54), (-12, 144), (-11, 108)],
         19.688939732, -1.742122215, 1.162000),
        (rf.potts(rf.square(4), 3), 1 / np.log(1 + np.sqrt(3)), [], 34.172608138, -1.710062276, 1.511881),
        (rf.potts(rf.square(4), 4), 1 / np.log(3), [], 37.498931787, -1.680868888, 2.177978),
        (rf.ising(rf.triangular(4)), 4 / np.log(3), [(-48, 2), (-36, 32), (-28, 96), (-24, 208)],
         14.710241472, -2.253968254, 0.797130),
        (rf.ising(rf.honeycomb(3)), 2 / np.log(2 + np.sqrt(3)), [(-27, 2), (-21, 36), (-19, 54), (-17, 108)],
         19.088733979, -1.252128396, 0.758779),
        (rf.clock(rf.square(4), 4), 1 / np.log(1 + np.sqrt(2)), [], 31.043830918, -1.565624, None),
        (rf.blume_capel(rf.square(4), 1.0), 1.4, [], 14.779718173, -0.387747, None),
        (rf.ising(rf.square(4), 0.5), 2.5, [], 16.582274669, -2.119242320, None),
    ],
    ids=str,
)  # fmt: skip
def test_tiny_systems_have_their_known_levels_and_partition_functions(model, temperature, levels, log_z, energy, heat):
    found = thermal(model, temperature)
    assert lowest_levels(model, len(levels)) == levels
    np.testing.assert_allclose(found[0], log_z, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found[1], energy, rtol=0, atol=1e-8 if energy != round(energy, 6) else 1e-6)
    if heat is not None:
        np.testing.assert_allclose(found[2], heat, rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", [MODELS[8], MODELS[0], UNEVEN, MODELS[14]], ids=str)
def test_energies_of_configurations_are_those_of_layers(model):
    for temperature in (0.7, 3.0):
        spins = configurations(model) if len(model.states) ** model.lattice.sites < 10**6 else None
        if spins is not None:
            expected = logsumexp(-energies(model, spins) / temperature)
            np.testing.assert_allclose(thermal(model, temperature)[0], expected, rtol=1e-11)
            np.testing.assert_allclose(
                model.total_energy(spins[:99]), energies(model, spins[:99]), rtol=1e-6, atol=1e-6
            )


@pytest.mark.parametrize("lattice", LATTICES.values(), ids=str)
def test_neighbours_and_colours_follow_from_the_bonds(lattice):
    ends, kinds = lattice.neighbours, lattice.neighbour_kinds
    pairs = sorted(
        (site, end, kind) for site in range(lattice.sites) for end, kind in zip(ends[site], kinds[site], strict=True)
    )
    bonds = [one for one in pairs if one[2] >= 0]
    assert bonds == sorted((end, site, kind) for site, end, kind in bonds)
    assert len(bonds) == 2 * len(lattice.bonds) * lattice.sites // lattice.basis
    colour = np.empty(lattice.sites, int)
    for number, sites in enumerate(lattice.colours):
        colour[sites] = number
    assert all(colour[site] != colour[end] for site, end, _ in bonds)
    assert len(lattice.colours) <= lattice.sites
    assert lattice.connected
    assert len(lattice.shape) == len(lattice.axes)


def test_sites_that_are_all_neighbours_have_a_colour_each():
    assert [sites.tolist() for sites in rf.chain(3).colours] == [[0], [1], [2]]
    every = rf.Lattice((5,), [(0, 0, (1,)), (0, 0, (2,))])
    assert len(every.colours) == every.sites


def test_both_bonds_count_on_sides_of_two():
    lattice = rf.triangular(2)
    assert sorted(lattice.neighbours[0].tolist()) == [1, 1, 2, 2, 3, 3]
    assert rf.ising(lattice).total_energy(np.ones((2, 2), np.int8)) == -12


def test_four_clocks_are_two_ising_models():
    clock, ising = rf.clock(rf.square(2, 3), 4), rf.ising(rf.square(2, 3))
    for temperature in (0.5, 1.2):
        both = 2 * thermal(ising, 2 * temperature)[0]
        np.testing.assert_allclose(thermal(clock, temperature)[0], both, rtol=1e-12)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[10]], ids=str)
def test_enumeration_reads_the_temperature_of_draws_of_any_model(model):
    enumerated = rf.equilibrium.enumerated(model)
    np.testing.assert_allclose(enumerated.log_partition(1.3), thermal(model, 1.3)[0], rtol=1e-12)
    spins, counts = configurations(model), np.exp(-energies(model, configurations(model)) / 1.3)
    chosen = np.random.default_rng(4).choice(len(spins), 4000, p=counts / counts.sum())
    reading = rf.Thermometer("energy", enumerated).temperature(spins[chosen])
    assert abs(reading.temperature - 1.3) < 5 * reading.error


def test_two_potts_states_are_ising_spins():
    spins = np.random.default_rng(0).integers(0, 2, (20, 4, 4))
    potts, ising = rf.potts(rf.square(4), 2), rf.ising(rf.square(4))
    np.testing.assert_allclose(potts.energy(spins), (np.asarray(ising.energy(2 * spins - 1)) - 2) / 2)
    np.testing.assert_allclose(
        potts.magnetization(spins), abs(np.asarray(ising.magnetization(2 * spins - 1))), atol=1e-6
    )


def test_what_is_told_of_ground_states_is_true():
    for model in MODELS:
        if len(model.states) ** model.lattice.sites > 10**5 or not model.ground_states:
            continue
        every = energies(model, configurations(model))
        lowest = np.isclose(every, every.min(), atol=1e-9)
        assert np.isclose(every.min(), model.uniform_energies.min())
        assert lowest.sum() == len(model.ground_states)
    assert [len(MODELS[at].ground_states) for at in (0, 4, 6, 8, 9, 10)] == [3, 4, 2, 0, 0, 2]


def test_symmetries_leave_energies_alone():
    assert [len(model.symmetries) for model in (MODELS[0], MODELS[4], MODELS[6], UNEVEN)] == [6, 8, 2, 1]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_laws_of_a_site_are_those_of_its_energies(model):
    """Every neighbourhood that comes up in random configurations has the law of the energies it is looked up by."""
    states, found = np.array(model.states, np.int8), neighbourhoods(model)
    places = np.random.default_rng(1).integers(0, len(states), (5, model.lattice.sites))
    index = found.first + (found.scale * np.array(found.digits)[places[:, model.lattice.neighbours]]).sum(axis=-1)
    for site in range(model.lattice.sites):
        spins = np.repeat(states[places][:, None], len(states), axis=1)
        spins[:, :, site] = states
        expected = energies(model, spins.reshape(5, len(states), *model.lattice.shape))
        got = found.energy[index[:, site]] + np.array(model.site)
        np.testing.assert_allclose(got - got[:, :1], expected - expected[:, :1], atol=1e-9)


def test_aliases_have_the_probabilities():
    wanted = np.random.default_rng(2).dirichlet(np.full(5, 0.3), 200)
    wanted[0], wanted[1] = (0, 0, 1, 0, 0), 0.2
    entries = aliases(wanted).reshape(wanted.shape)
    kept = (entries >> 8) / 2**24
    got = kept.copy()
    for law, slot in itertools.product(range(len(wanted)), range(5)):
        got[law, entries[law, slot] & 0xFF] += 1 - kept[law, slot]
    np.testing.assert_allclose(got / 5, wanted, atol=1e-7)


def check_energies(model, method):
    spins = configurations(model)
    every = energies(model, spins)
    for temperature in (0.9, 1.6, 4.0):
        draws = rf.sample(1, model, temperature, 2000, method)
        weight = np.exp(-(every - every.min()) / temperature)
        mean = np.average(every, weights=weight)
        error = np.sqrt(np.average((every - mean) ** 2, weights=weight) / min(2000, draws.chains[0].ess))
        assert abs(energies(model, draws).mean() - mean) < 5 * error
        assert draws.flags == (), draws.chains


@pytest.mark.parametrize("model", [MODELS[0], MODELS[8]], ids=str)
def test_draws_have_the_energies_of_enumeration(model):
    check_energies(model, rf.TableHeatBath())


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_draws_of_every_model_have_the_energies_of_enumeration(model):
    check_energies(model, rf.TableHeatBath())


def test_a_sweep_leaves_the_law_of_configurations_alone():
    """Started from exact draws, the frequencies of all configurations stay those of equilibrium."""
    model, temperature, replicas = rf.blume_capel(rf.chain(4), 0.5), 0.8, 60_000
    spins = configurations(model)
    weight = np.exp(-energies(model, spins) / temperature)
    weight /= weight.sum()
    chosen = np.random.default_rng(3).choice(len(spins), replicas, p=weight)
    kernel = TableSweep.of(model, temperature)
    state = kernel.start(jax.random.key(0), replicas, None)
    rows, digits = np.asarray(kernel.rows), np.array(kernel.digits)
    placed = np.empty((model.lattice.sites, replicas), np.int32)
    placed[rows] = digits[spins[chosen].T + 1]
    later, planes = kernel.record(type(state)(jax.device_put(placed), state.streams, state.sweeps), 1, 1)
    after = kernel.spins(planes[:, :1])
    got = np.bincount((after + 1) @ 3 ** np.arange(4), minlength=81)
    error = np.sqrt(replicas * weight * (1 - weight))
    assert (abs(got - replicas * weight) < 5 * error + 1).all()
    assert int(later.sweeps) == 1
    energy, order = kernel.observe(planes[:, :1])
    np.testing.assert_allclose(energy, np.asarray(model.energy(after)), atol=1e-6)
    np.testing.assert_allclose(order, np.asarray(model.magnetization(after)), atol=1e-6)


def test_ground_states_and_infinite_temperature_need_no_chain():
    model = rf.potts(rf.honeycomb(3), 3)
    cold, hot = rf.sample(0, model, [0.0, np.inf], 500).spins
    assert cold.shape == (500, 3, 3, 2)
    assert (cold == cold[:, :1, :1, :1]).all()
    assert abs(np.bincount(cold[:, 0, 0, 0], minlength=3) - 500 / 3).max() < 5 * np.sqrt(500 * 2 / 9)
    assert abs(np.bincount(hot.ravel(), minlength=3) - 3000).max() < 5 * np.sqrt(9000 * 2 / 9)


def test_draws_of_any_lattice_are_kept_with_their_axes_and_labels(tmp_path):
    draws = rf.sample(0, rf.potts(rf.cubic(2, 3, 4), 3), [0.0, np.inf], 6)
    draws.save(tmp_path / "draws.nc")
    again = rf.Draws.read(tmp_path / "draws.nc")
    assert again == draws
    assert again.lattice_axes == ("z", "y", "x")
    assert again.states == (0, 1, 2)


SQUARE = rf.square(4)


SMALLEST = rf.equilibrium.enumerated(rf.potts(rf.square(2), 3))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: rf.Lattice((4, 4), [(0, 1, (0, 1), 0)]), "must join site 0, the only one of a cell"),
        (lambda: rf.Lattice((4, 4), [(0, 0, (0, 1, 0), 0)]), "by 2 numbers of cells"),
        (lambda: rf.Lattice((4, 4), [(0, 0, (4, 0), 0)]), "joins a site to itself"),
        (lambda: rf.Lattice((4, 4), [(0, 0, (0, 1), 0), (0, 0, (0, -1), 0)]), "each must be there once"),
        (lambda: rf.Lattice((4, 4), [(0, 0, (0, 1), 1)]), "numbered from 0 on"),
        (lambda: rf.Lattice((4, 4), []), "at least one bond"),
        (lambda: rf.Lattice((4, 1), [(0, 0, (0, 1))]), "at least 2"),
        (lambda: rf.Model(SQUARE, (0, 1), [[0, 1], [2, 0]], (0, 0), [[0], [1]]), "the same from both ends"),
        (lambda: rf.Model(SQUARE, (0, 1), np.zeros((3, 2, 2)), (0, 0), [[0], [1]]), "with 2 kinds of bonds"),
        (lambda: rf.Model(SQUARE, (1, 0), np.eye(2), (0, 0), [[0], [1]]), "increasing"),
        (lambda: rf.Model(SQUARE, (0, 1), np.eye(2), (0, np.inf), [[0], [1]]), "site"),
        (lambda: rf.potts(SQUARE, 1), "q = 1 is not allowed"),
        (lambda: rf.ising(SQUARE, couplings=(1.0, 2.0, 3.0)), "one for each of 2 kinds"),
        (lambda: rf.ising(SQUARE, field=np.nan), "field = nan"),
        (lambda: rf.potts(SQUARE, 3).energy(np.full((4, 4), 3)), "every label must be one of 0, 1, 2"),
        (lambda: rf.potts(SQUARE, 3).energy(np.zeros((4, 5))), r"the last axes must be \[4, 4\]"),
        (lambda: rf.exact.energy(rf.ising(rf.triangular(4)), 2.0), "the square torus: it needs the square lattice"),
        (lambda: rf.exact.energy(rf.potts(SQUARE, 3), 2.0), "it needs the Ising model with J = 1"),
        (lambda: rf.sample(0, rf.potts(SQUARE, 3), 2.0, 5, "metropolis"), "it needs the Ising model"),
        (lambda: rf.sample(0, rf.potts(rf.cubic(4), 20), 2.0, 5, rf.TableHeatBath()), "its table would have"),
        (lambda: rf.sample(0, rf.ising(SQUARE, couplings=-1.0), 0.0, 5), "only uniform ground states"),
        (lambda: rf.square(2**16), "fewer than 2\\^31 sites"),
        (lambda: rf.equilibrium.enumerated(rf.ising(rf.square(200))), r"of two states\), not 2\^40000"),
        (lambda: rf.equilibrium.transferred(rf.ising(rf.cubic(150))), r"this one has 2\^22500"),
        (lambda: rf.equilibrium.covering(SQUARE), "model = 'Lattice'"),
        (lambda: rf.equilibrium.measured(0, rf.ising(SQUARE), ["energy"], 2.0), "observables = .* must be observables"),
        (lambda: rf.equilibrium.reweighted(rf.ising(SQUARE)), "measured = 'Model' .* a record of draws"),
        (
            lambda: SMALLEST.posterior_of_energy(-0.3, [1.0, 2.0]),
            "a total is one of -8, -7, ..., not a number per site",
        ),
        (lambda: rf.Lattice((2, 2), [(0, 0, (0, 1))], basis=2**30), "fewer than 2\\^31 sites"),
        (lambda: rf.ising(SQUARE).with_cells((4,)), "cells = .* 2 numbers of cells, as square"),
        (lambda: rf.ising(SQUARE, field=1e7), "field = 10000000.0 is not allowed: .* from -1e\\+06 to 1e\\+06"),
        (lambda: rf.blume_capel(SQUARE, -1e7), "crystal_field = -10000000.0 is not allowed: .* to 1e\\+06"),
        (lambda: rf.Model(SQUARE, (0, 1), np.eye(2), (0, 0), [[], []]), "there must be a component"),
        (lambda: rf.equilibrium.specific_heat_peak(rf.ising(SQUARE, couplings=0.0)), "no maximum"),
        (lambda: rf.equilibrium.enumerated(rf.ising(SQUARE, couplings=0.0)).specific_heat_peak(), "no maximum"),
    ],
)
@pytest.mark.usefixtures("as_people_call")
def test_bad_tables_are_refused_in_a_sentence(made, told):
    with pytest.raises(InvalidInput, match=told):
        made()


def test_all_problems_of_a_table_are_told_at_once():
    with pytest.raises(InvalidInput) as caught:
        rf.Model(SQUARE, (0, 1), [[0, 1], [2, 0]], (0,), [[0]])
    assert len(caught.value.problems) == 3


TWO = [[0.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        (lambda: rf.Lattice((3, 3), [(0, 1, (0, 1)), (3, 0, (0, 1)), (0, 0, (3, 0))]), ["bond"] * 3),
        (lambda: rf.Lattice((3, 1), [(0, 0, (0, 0)), (2, 0, (0, 1, 1))], basis=0), ["cells", "basis", "bond", "bond"]),
        (lambda: rf.Lattice((1,), [(0, 0, (1,))]), ["cells"]),
        (lambda: rf.Lattice(4, [(0, 0, (1,))]), ["cells"]),
        (lambda: rf.Lattice((), [(0, 0, ())]), ["cells"]),
        (lambda: rf.Lattice((4, 4), (0, 0, (0, 1), 0)), ["bonds"]),
        (lambda: rf.Lattice((4, 4), [(0, 0, (0, 1))], name=5), ["name"]),
        (lambda: rf.Model(rf.square(4), "ab", np.eye(2), (0, 0), [[0], [1]]), ["states"]),
        (
            lambda: rf.Model(rf.square(4), (0, 200), np.eye(2), (0, 0), [[0], [1]], 5, 6),
            ["states", "name", "convention"],
        ),
        (lambda: rf.Model(rf.square(4), (1, 0), TWO, (0, 0, 1), [[0]]), ["states", "pair", "site", "vectors"]),
        (lambda: rf.Model("square", (0,), TWO, (0, 0), [[0]]), ["lattice", "states"]),
        (lambda: rf.potts("square", 1), ["lattice", "q"]),
        (lambda: rf.clock("square", 0), ["lattice", "q"]),
        (lambda: rf.ising(rf.square(4), "a", [1, 2, 3]), ["field", "couplings"]),
        (lambda: rf.ising("square", np.nan, "b"), ["lattice", "field", "type of couplings"]),
        (lambda: rf.blume_capel("square", "x"), ["lattice", "crystal_field"]),
        (lambda: rf.potts(rf.square(4), 3).energy([[3] * 4] * 3), ["spins", "spins"]),
        (lambda: rf.sample(0, "model", [-1.0], 0), ["draws", "model", "temperatures"]),
    ],
)
@pytest.mark.usefixtures("as_people_call")
def test_all_faults_of_tables_are_told_at_once(call, fields):
    with pytest.raises(InvalidInput) as error:
        call()
    assert [problem.field.removeprefix("shape of ") for problem in error.value.problems] == fields
