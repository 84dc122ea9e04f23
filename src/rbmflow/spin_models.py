"""The spin models that there are by name, each a function that returns a table."""

import contextlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from jaxtyping import Float64

from rbmflow import lattice as lattices
from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import numbers_of
from rbmflow.lattice import Lattice, square
from rbmflow.model import Model
from rbmflow.settings import LARGEST_ENERGY, LatticeName, LatticeSettings, ModelSettings


def ising(lattice: Lattice, field: float = 0.0, couplings: float | Sequence[float] = 1.0) -> Model:
    r"""Ising model of spins -1/+1: ferromagnetic with J = 1 unless other couplings are given.

    .. math:: E = -\sum_{\langle ij \rangle} J_{k(ij)}\, s_i s_j - h \sum_i s_i, \qquad s_i = \pm 1.

    Parameters
    ----------
    lattice
        The lattice, such as `square(10)`.
    field
        h.
    couplings
        J of every kind of bond, or one for all: negative ones are antiferromagnetic.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmflow.lattice import square
    >>> model = ising(square(4))
    >>> model
    ising(square(4)): E = -sum s s'
    >>> float(model.energy(np.ones((4, 4), np.int8)))
    -2.0
    """
    problems = _on(lattice)
    problems.finite("field", field, LARGEST_ENERGY)
    strengths = _by_kind(problems, lattice, couplings)
    uniform = bool((strengths == 1).all())
    told = [str(lattice), *([f"field={field:g}"] if field else []), *([] if uniform else [f"couplings={couplings}"])]
    convention = f"E = -sum {'' if uniform else 'J '}s s'{' - h sum s' if field else ''}"
    pair = -strengths[:, None, None] * np.array([[1.0, -1.0], [-1.0, 1.0]])
    h = float(field)
    return Model(lattice, (-1, 1), pair, (h, -h), ((-1.0,), (1.0,)), f"ising({', '.join(told)})", convention)


def potts(lattice: Lattice, q: int) -> Model:
    r"""Potts model of q equivalent states, labelled 0 ... q - 1.

    .. math:: E = -\sum_{\langle ij \rangle} \delta(s_i, s_j).

    Not to be mixed up with q/(q - 1) times this, which counts unequal neighbours too: with q = 2 the temperatures are
    half of those of Ising spins. The vectors are the q corners of a simplex, of length 1.

    Examples
    --------
    >>> from rbmflow.lattice import square
    >>> potts(square(4), 3)
    potts(square(4), q=3): E = -sum delta(s, s')
    """
    q = _states(lattice, q)
    corners = (np.eye(q) - 1 / q) * np.sqrt(q / (q - 1))
    name, convention = f"potts({lattice}, q={q})", "E = -sum delta(s, s')"
    return Model(lattice, range(q), -np.eye(q), np.zeros(q), corners, name, convention)


def clock(lattice: Lattice, q: int) -> Model:
    r"""Clock model: plane vectors that point in q directions, labelled 0 ... q - 1.

    .. math:: E = -\sum_{\langle ij \rangle} \cos(2\pi (s_i - s_j) / q).

    Examples
    --------
    >>> from rbmflow.lattice import square
    >>> clock(square(4), 4).energy([[0, 2, 0, 2]] * 4).item()
    0.0
    """
    q = _states(lattice, q)
    angle = 2 * np.pi * np.arange(q) / q
    # Rounded, so that energies that are equal are the same number and those of q = 4 are whole.
    pair = -np.cos(np.subtract.outer(angle, angle)).round(15)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).round(15)
    name = f"clock({lattice}, q={q})"
    return Model(lattice, range(q), pair, np.zeros(q), vectors, name, f"E = -sum cos(2 pi (s - s') / {q})")


def blume_capel(lattice: Lattice, crystal_field: float) -> Model:
    r"""Blume-Capel model of spins -1, 0, +1.

    .. math:: E = -\sum_{\langle ij \rangle} s_i s_j + D \sum_i s_i^2.

    Examples
    --------
    >>> from rbmflow.lattice import square
    >>> blume_capel(square(4), 1.0).energy([[1] * 4] * 4).item()
    -1.0
    """
    problems = _on(lattice)
    problems.finite("crystal_field", crystal_field, LARGEST_ENERGY)
    problems.done()
    d, spins = float(crystal_field), np.array([-1.0, 0.0, 1.0])
    name, convention = f"blume_capel({lattice}, crystal_field={d:g})", "E = -sum s s' + D sum s^2"
    return Model(lattice, (-1, 0, 1), -np.outer(spins, spins), d * spins**2, spins[:, None], name, convention)


def from_settings(model: ModelSettings, lattice: LatticeSettings) -> Model:
    """The model that a spec names.

    Examples
    --------
    >>> from rbmflow.settings import LatticeSettings, ModelSettings
    >>> from_settings(ModelSettings(kind="potts", q=3), LatticeSettings(kind="triangular", length=6))
    potts(triangular(6), q=3): E = -sum delta(s, s')
    """
    torus = lattices.hypercubic(lattice.sides) if lattice.kind == "hypercubic" else _torus(lattice)
    match model.kind:
        case "potts":
            return potts(torus, model.q)
        case "clock":
            return clock(torus, model.q)
        case "blume-capel":
            return blume_capel(torus, model.crystal_field)
    return ising(torus, model.field, model.couplings or 1.0)


def settings_of(model: Model) -> tuple[ModelSettings, LatticeSettings]:
    """The names by which a spec has a model, found by comparing tables; `InvalidInput` if it has none."""
    cells, q = model.lattice.cells, len(model.states)
    alike = len(set(cells)) == 1
    couplings = model.couplings or ()
    asked = [{"kind": "ising", "field": model.field, "couplings": () if set(couplings) <= {1.0} else couplings}]
    asked += [{"kind": "potts", "q": q}, {"kind": "clock", "q": q}]
    asked += [{"kind": "blume-capel", "crystal_field": model.site[-1]}]
    for kind, one in itertools.product(get_args(LatticeName.__value__), asked):
        with contextlib.suppress(InvalidInput):
            own = () if alike and kind != "hypercubic" else cells
            lattice = LatticeSettings(kind, cells=own) if own else LatticeSettings(kind, cells[0])
            if from_settings(found := ModelSettings(**one), lattice) == model:
                return found, lattice
    raise InvalidInput(Problem("model", repr(model), "it must be one that a spec can name, such as ising(square(10))"))


def _torus(lattice: LatticeSettings) -> Lattice:
    return getattr(lattices, lattice.kind)(*lattice.sides)


def _on(lattice: Lattice) -> Problems:
    """What is wrong with a lattice, to which a model adds."""
    problems = Problems()
    problems.kind("lattice", lattice, Lattice, "lattice, such as square(10)")
    return problems


def _states(lattice: Lattice, q: int) -> int:
    problems = _on(lattice)
    q = problems.whole("q", q, 2, 128)
    problems.done()
    return q


def _by_kind(problems: Problems, lattice: Lattice, couplings: float | Sequence[float]) -> Float64[np.ndarray, " kind"]:
    """The coupling of each kind of bonds; raises what was noted before with what is wrong of it."""
    values = problems.of(numbers_of, couplings, "couplings", lowest=-LARGEST_ENERGY, highest=LARGEST_ENERGY)
    if values is not None and isinstance(lattice, Lattice):
        told = f"there must be one number, or one for each of {lattice.kinds} kinds of bonds"
        problems.unless(values.shape in ((), (1,), (lattice.kinds,)), "couplings", values.tolist(), told)
    problems.done()
    return np.broadcast_to(np.asarray(values), lattice.kinds)


def model_in(attributes: Mapping[str, Any]) -> Model:
    """The model that labelled data are of; earlier ones tell the sides of the square and the field alone."""
    if "spin_model" in attributes:
        lattice, *tables = json.loads(attributes["spin_model"])
        return Model(Lattice(*lattice), *tables)
    Problems.only("lattice" in attributes, "attributes of the data", sorted(attributes), "they must have spin_model")
    return ising(square(*map(int, attributes["lattice"])), float(attributes.get("field", 0.0)))
