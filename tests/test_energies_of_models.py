"""The table of models of the docs: energies of `rf.sample` against exact ones, ln Z and levels against known values."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.spatial.distance import pdist

import rbmflow as rf


def of_docs(name):
    """A module of the docs."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CELLS, MADE = map(of_docs, ("cells", "made"))


def test_the_table_has_as_many_pairs_as_were_asked_for():
    assert len({repr(model) for model in MADE.TINY}) >= 16


@pytest.mark.parametrize(("field", "why", "asked"), MADE.REFUSED, ids=[row[0] for row in MADE.REFUSED])
def test_what_a_run_does_not_do_for_a_model_is_refused_in_one_sentence(field, why, asked):
    (problem,) = MADE.refusal(asked)
    assert problem.field == field
    assert len(problem.allowed) < 160
    assert why


@pytest.mark.parametrize("lattice", CELLS.LATTICES.values(), ids=str)
def test_the_drawing_of_a_lattice_has_all_sites_and_the_bonds_of_a_cell(lattice):
    axes = Figure().add_subplot()
    CELLS.draw_cell(axes, lattice)
    assert sorted(int(text.get_text()) for text in axes.texts) == list(range(lattice.sites))
    bold = [line for line in axes.lines if line.get_linewidth() == 3.0]
    lengths = [np.hypot(*np.ptp(line.get_xydata(), axis=0)) for line in bold]
    own = len({bond.kind for bond in lattice.bonds}) == 2 and len(lattice.bonds) == 4
    # Along z a step of the cube is short on the page, and no two sites may lie on each other there.
    slanted = [1, 1, np.hypot(*CELLS.DEPTH)] if len(lattice.cells) == 3 else np.ones(len(lattice.bonds))
    np.testing.assert_allclose(lengths, [1, 1, np.sqrt(2), np.sqrt(2)] if own else slanted)
    assert pdist([text.get_position() for text in axes.texts]).min() > 0.4


@pytest.mark.parametrize("model", MADE.TINY, ids=lambda model: str(model).split(":")[0])
def test_draws_have_the_exact_energies(model):
    found = MADE.drawn(model)
    pulls = (np.array(found.mean) - found.exact) / found.error
    assert np.abs(pulls).max() < 5


@pytest.mark.parametrize(
    ("model", "levels"),
    [
        (rf.potts(rf.square(3), 3), [(-18, 3), (-14, 54), (-12, 144), (-11, 108)]),
        (rf.potts(rf.square(4), 3), [(-32, 3), (-28, 96), (-26, 192), (-25, 192)]),
        (rf.potts(rf.square(4), 4), [(-32, 4), (-28, 192), (-26, 384), (-25, 768)]),
        (rf.ising(rf.triangular(4)), [(-48, 2), (-36, 32), (-28, 96), (-24, 208)]),
        (rf.ising(rf.honeycomb(3)), [(-27, 2), (-21, 36), (-19, 54), (-17, 108)]),
    ],
    ids=str,
)
def test_lowest_levels_are_those_known(model, levels):
    found = rf.equilibrium.known(model).levels()
    np.testing.assert_allclose(found.energy[:4], [energy for energy, _ in levels])
    np.testing.assert_allclose(np.exp(found.log_count[:4]), [count for _, count in levels], rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "temperature", "log_partition"),
    [
        (rf.potts(rf.square(3), 3), None, 19.688939732),
        (rf.potts(rf.square(4), 3), None, 34.172608138),
        (rf.potts(rf.square(4), 4), None, 37.498931787),
        (rf.ising(rf.triangular(4)), None, 14.710241472),
        (rf.ising(rf.honeycomb(3)), None, 19.088733979),
        (rf.clock(rf.square(4), 4), None, 31.043830918),
        (rf.blume_capel(rf.square(4), 1.0), 1.4, 14.779718173),
        (rf.ising(rf.square(4), 0.5), 2.5, 16.582274669),
    ],
    ids=str,
)
def test_partition_functions_are_those_known(model, temperature, log_partition):
    at = temperature or rf.critical_temperature(model)
    assert float(rf.equilibrium.known(model).log_partition(at)) == pytest.approx(log_partition, rel=0, abs=1e-8)
