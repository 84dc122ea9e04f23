"""Tables of these pages that are made from the package when they are built, so that they cannot differ from it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow._format import with_error
from rbmflow._variables import RESULTS, STUDY
from rbmflow.claims import CLAIMS
from rbmflow.claims.declaration import TABLES
from rbmflow.figures import FIGURES
from rbmflow.report.summary import END
from rbmflow.spec import parse
from rbmflow.spectrum import MEASURES
from rbmflow.steps.kinds.spectrum_step import FINAL_MEASURES

MADE = Path(__file__).parent / "made"


def table(header, rows):
    """Lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    told = [[str(cell).replace("|", "\\|").replace("*", "\\*") for cell in line] for line in lines]
    return "".join("| " + " | ".join(line) + " |\n" for line in told)


def claims(module):
    """The claims of one module of `rbmflow.claims`, with their rules."""
    there = [claim for claim in CLAIMS.values() if claim.judge.__module__ == f"rbmflow.claims.{module}"]
    header = ("id", "claim", "source", "observable", "supports", "contradicts")
    return table(header, [(f"`{c.id}`", c.words, c.source, *c.in_full) for c in there])


def figures():
    """Every figure, what it shows, and the variables that it needs."""
    rows = [(f"`{f.name}`", f.page, f.shows, ", ".join(f"`{name}`" for name in f.needs)) for f in FIGURES.values()]
    return table(("figure", "of a", "shows", "needs"), sorted(rows))


def variables(declared):
    """Every variable of a dataset: axes, units, name and meaning."""
    told = {name: "; ".join(filter(None, (one.long_name, one.meaning))) for name, one in declared.items()}
    rows = [(f"`{name}`", " ".join(one.dims), one.units, told[name]) for name, one in declared.items()]
    return table(("variable", "axes", "units", "what it is"), rows)


def of_ends():
    """What `show --json` tells of the end of a flow."""
    rows = [(f"`{key}`", RESULTS[name].meaning or RESULTS[name].long_name, f"`{name}`") for key, name in END.items()]
    return table(("key", "value", "variable"), rows)


def measures():
    """The numbers that sum up the weights."""
    return table(("name", "meaning"), [(f"`{name}`", meaning) for name, meaning in (MEASURES | FINAL_MEASURES).items()])


TINY = [
    *(rf.ising(rf.square(4)), rf.ising(rf.square(4), 0.5), rf.ising(rf.square(3, 4), couplings=-1.0)),
    *(rf.ising(rf.chain(12)), rf.ising(rf.triangular(4)), rf.ising(rf.honeycomb(3)), rf.ising(rf.kagome(2))),
    *(rf.ising(rf.cubic(2, 2, 3)), rf.ising(rf.hypercubic((2, 2, 2, 2)))),
    *(rf.potts(rf.square(3), 3), rf.potts(rf.square(4), 3), rf.potts(rf.square(4), 4), rf.potts(rf.honeycomb(2), 3)),
    *(rf.clock(rf.square(4), 4), rf.clock(rf.chain(6), 5), rf.blume_capel(rf.square(4), 1.0)),
]
"""Models whose energies are known without a draw."""

DRAWS = 2000


class Drawn(NamedTuple):
    """Energies per site of draws of a model by `rf.sample`, beside the exact ones."""

    model: rf.Model
    temperature: list[float]
    log_partition: list[float]
    levels: list[tuple[float, int]]
    exact: list[float]
    mean: list[float]
    error: list[float]


def drawn(model):
    """Draws of a model at 3/4, 1 and 3/2 of its T_c, or of 2 J/k_B where it has none."""
    scale = rf.critical_temperature(model) or 2.0
    temperature = [0.75 * scale, scale, 1.5 * scale]
    truth, draws = rf.equilibrium.known(model), rf.sample(1, model, temperature, DRAWS)
    exact, levels = truth.mean("energy", np.array(temperature))[0], truth.levels()
    attained = [(float(e), round(np.exp(log))) for e, log in zip(levels.energy, levels.log_count, strict=True)]
    lowest = [level for level in attained if level[1]][:4]
    energy = np.asarray(model.energy(draws.spins), float)
    # The spread is that of equilibrium: draws deep in the ground state may show none.
    spread = np.sqrt(truth.specific_heat(np.array(temperature)) / model.lattice.sites) * temperature
    effective = [min(DRAWS, chain.ess) for chain in draws.chains] or [DRAWS] * 3
    error = spread / np.sqrt(effective)
    logs = truth.log_partition(np.array(temperature))
    mean = energy.reshape(3, -1).mean(axis=1)
    return Drawn(model, temperature, logs.tolist(), lowest, exact.tolist(), mean.tolist(), error.tolist())


def models():
    """Energies of draws of tiny models beside exact ones, with ln Z and the lowest levels."""
    rows = []
    for one in map(drawn, TINY):
        name, convention = str(one.model).split(": ", 1)
        lowest = ", ".join(f"({energy:g}, {count})" for energy, count in one.levels)
        for place, temperature in enumerate(one.temperature):
            told = (f"`{name}`", convention, lowest) if place == 0 else ("", "", "")
            seen = with_error(one.mean[place], one.error[place])
            values = f"{one.log_partition[place]:.9f}", f"{one.exact[place]:.9f}", seen
            rows.append((*told, f"{temperature:.6g}", *values))
    header = ("model", "energy", "lowest levels (E, states)", "T", "ln Z", "E/N exact", f"E/N of {DRAWS} draws")
    return table(header, rows)


WARM = {"sampling": {"temperatures": [1.0, 2.0]}, "flow": {"starts": ["hot"]}, "types": {"X": {}}}
POTTS, FIELD = {"model": {"kind": "potts", "q": 3}}, {"model": {"field": 0.1}}
FRUSTRATED = {"model": {"couplings": [1.0, -0.5]}}
SCALES = {"scaling": {"spin_window": [1, 4], "energy_window": [1, 4]}, "flow": {**WARM["flow"], "chains": 1000}}
STACK = {"kind": "stack", "hidden": 64, "layers": [16]}

REFUSED = [
    (
        "flow.predicted",
        "the waves of a field, of sublattices and of several states are not Gaussian at given M",
        {**POTTS, "flow": {**WARM["flow"], "predicted": True}},
    ),
    (
        "types.X.data",
        "sublattices may order apart: the mean field is not one law",
        {**FRUSTRATED, "types": {"X": {"data": "mean-field"}}},
    ),
    (
        "model.couplings",
        "ground states are not told by uniform configurations",
        {**FRUSTRATED, "flow": {"starts": ["cold"]}},
    ),
    (
        "renormalization.length",
        "the majority of a block of sublattices means nothing",
        {**FRUSTRATED, "renormalization": {"length": 20, "temperatures": [2.0]}},
    ),
    (
        "renormalization.temperatures",
        "the default is around T_c of the square",
        {**POTTS, "renormalization": {"length": 20}},
    ),
    ("stability.length", "the map is linear at T_c alone", {**FIELD, "stability": {"length": 32}}),
    ("scaling.spin_window", "dimensions are fitted to draws of T_c", {**FIELD, **SCALES}),
    (
        "stability.layers",
        "the change of scale is that of a square of spins",
        {**POTTS, "lattice": {"length": 16}, "machine": STACK, "stability": {"length": 32, "layers": True}},
    ),
    ("sampling.method", "each kernel is made for some tables", {**POTTS, "sampling": {"method": "wolff"}}),
    ("sampling.temperatures.unit", "nobody knows it", {**FIELD, "sampling": {"temperatures": {"unit": "T_c"}}}),
]
"""What a run refuses for some models: the field, why, and a spec that asks for it."""


def refusal(asked):
    """The sentences with which a spec is refused."""
    told = {name: {**WARM.get(name, {}), **asked.get(name, {})} for name in (*WARM, *asked)}
    if isinstance(told["sampling"]["temperatures"], dict):
        told["sampling"]["temperatures"] |= {"from": 1.0, "to": 2.0, "count": 2}
    try:
        parse({"name": "x", **told})
    except InvalidInput as error:
        return error.problems
    return ()


def refused():
    """What runs refuse for some models, why, and the sentence."""
    rows = [(f"`{field}`", refusal(asked)[0].allowed, why) for field, why, asked in REFUSED]
    return table(("field", "what it says", "because"), rows)


PAGES = {f"claims-{name}": lambda name=name: claims(name) for name in TABLES}
PAGES |= {"models": models, "refused": refused, "figures": figures, "ends": of_ends, "measures": measures}
# The first that is of machines, and not of flows, in the order in which they are declared.
OF_MACHINES = list(RESULTS).index("reconstruction")
PAGES |= {
    "results": lambda: variables(dict(list(RESULTS.items())[:OF_MACHINES])),
    "results-of-machines": lambda: variables(dict(list(RESULTS.items())[OF_MACHINES:])),
    "study": lambda: variables(STUDY),
}


def write():
    """Write every table; the pages include them."""
    MADE.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (MADE / f"{name}.md").write_text(make(), encoding="utf-8")
