"""How much work the steps of a run are by its settings, in nanoseconds that it takes on one core, about.

The numbers were measured at L = 4 to 128 (`benchmarks/estimate.py`); some repeat what steps do, which a test compares.
Nothing is computed, imported or made of a model, so that `plan` answers at once.
"""

import itertools
import math
from collections.abc import Mapping
from statistics import mean

from rbmflow.settings import (
    LARGEST_ROW,
    LARGEST_SUMMED_LAYER,
    LONGEST_EXACT_ROW,
    LatticeSettings,
    ModelSettings,
    SamplingSettings,
    is_square_ising,
    is_summed,
)
from rbmflow.spec import Spec
from rbmflow.store import Step

_UNIT = 130
"""Products of a weight and a state that take as long as one unit does to be drawn."""

_MOVED = 2.0
"""A site of a configuration that a symmetry moves, for each axis of the lattice."""

_SITE = 6.0
"""A site of a configuration that Markov chains draw, about as much at T_c as elsewhere, by clusters."""

_THROWN_AWAY, SHARED_BY = 2500, 1600
"""Draws at one temperature that thermalisation takes as long as, and those that share it."""

_OTHER_STATES = 4
"""As many times as long as of Ising spins do chains of other models take."""

LONGEST_EXACT, EXACT_WORTH = 1e9, 1.5
"""Most that independent draws at one temperature take, unless Markov chains take nearly as long."""

_LONGEST_LEVELS = 32e9
"""Most that levels of a transfer matrix take; of others only draws tell."""

ALL_STATES = 16
"""Most sites for which a likelihood goes through all configurations."""

_ANNEALED_FROM = 250
"""Sites from which hardly a draw of the model stands for a machine, so that its partition function is annealed."""

UNSEEN, FEW = 1000, 250
"""Unseen draws at each temperature, and those of them with which a checkpoint is compared."""

ANNEALED = 100 * 200, 250 * 1000
"""Steps of chains that anneal a checkpoint, and the last machine."""

COMPARED_AT, MOST_COMPARED = (1, 5, 20, 100, 400), 500
"""Iterations of a flow, and most of its chains, that are compared with true configurations."""

CURVE_TEMPERATURES, CURVE_DRAWS = 17, 68_000
"""Temperatures of the curve of a neural thermometer where formulas tell the energy, and draws at all of them."""

COVERED_SITES = 1024
"""Most sites with no more temperatures than these."""

MOST_TURNED = 200
"""Held-out configurations whose pseudo-likelihood is watched by `patience`, after every epoch."""

SHORTEST_KEPT, _ROW = 8, 4.9
"""Shortest side of squares whose curves the package has, and how many times as long a row of one more site takes."""

PILOT = 200
"""Draws at a temperature by which the next one is found, where no formula tells it."""

_GAUSSIAN_STEPS = 500
"""Steps of a predicted training, about, each of as many products for every site and magnetization."""


def curves(spec: Spec) -> float:
    """Exact magnetization and correlation at the temperatures of their curves, once in every process that reads."""
    sides, asked = spec.lattice.sides, {"magnetization", "correlation"} & set(spec.reading.thermometers)
    known = len(set(sides)) == 1 and sides[0] >= SHORTEST_KEPT
    return (12 if known else 300) * _ROW ** min(sides) if _narrow(spec) and asked else 0.0


def mixture(spec: Spec) -> float:
    """Exact magnetizations at the temperatures of the run, once in every process that asks how near a machine is."""
    return 6 * len(spec.sampling.temperatures) * _ROW ** min(spec.lattice.sides) if _narrow(spec) else 0.0


def _narrow(spec: Spec) -> bool:
    """Whether a row transfer matrix tells the magnetization."""
    return is_square_ising(spec.model, spec.lattice) and min(spec.lattice.sides) <= LONGEST_EXACT_ROW


def by_chains(model: ModelSettings, lattice: LatticeSettings) -> bool:
    """Whether Markov chains draw, as slices of the lattice have too many states for independent draws."""
    return _of_exact(model, lattice, 1) > LONGEST_EXACT


def _slice_states(model: ModelSettings, lattice: LatticeSettings) -> int:
    """States of a slice across the longest side, one more than can be counted with where there are too many."""
    across = lattice.sites // max(lattice.sides)
    return min(LARGEST_ROW + 1, len(model.states) ** min(across, 64))


def _of_exact(model: ModelSettings, lattice: LatticeSettings, draws: int) -> float:
    """Independent draws at one temperature."""
    states, slices = _slice_states(model, lattice), max(lattice.sides)
    if states > LARGEST_ROW:
        return math.inf
    if is_square_ising(model, lattice):
        return 2.0 * slices * states**2 + 10.0 * lattice.sites * draws
    powers = states**2 * (slices.bit_length() * states + slices * min(draws, states))
    return 0.018 * powers + 5.0 * slices * states * draws


def _of_chains(model: ModelSettings, lattice: LatticeSettings, grid: float, draws: float) -> float:
    thermal = _THROWN_AWAY * max(1, round(draws / SHARED_BY))
    slow = _OTHER_STATES if model.kind != "ising" else 1
    return _SITE * slow * lattice.sites * grid * (draws + thermal)


def drawing(model: ModelSettings, lattice: LatticeSettings, grid: float, draws: int) -> float:
    """Configurations at so many temperatures, as `sample` draws them by default."""
    exact = _of_exact(model, lattice, draws)
    chains = _of_chains(model, lattice, 1, draws)
    return grid * (exact if exact <= max(LONGEST_EXACT, EXACT_WORTH * chains) else chains)


def _covering(model: ModelSettings, lattice: LatticeSettings) -> tuple[float, float]:
    """Temperatures that cover all energies, and the work of finding them: draws, unless formulas tell them."""
    count = 3 + 0.65 * math.sqrt(lattice.sites)
    if is_square_ising(model, lattice):
        return count, 0.0
    return 2 * count, drawing(model, lattice, 2 * count, PILOT)


def _curve_of_network(spec: Spec) -> float:
    """The curve of the neural thermometer: draws at all energies, each seen by the network, and their reweighting."""
    model, lattice, seen = spec.model, spec.lattice, spec.machine.components(spec.model) * spec.lattice.sites
    network = 0.1 * CURVE_DRAWS * seen * spec.thermometer.hidden
    if is_square_ising(model, lattice) and lattice.sites <= COVERED_SITES:
        return network + drawing(model, lattice, CURVE_TEMPERATURES, CURVE_DRAWS // CURVE_TEMPERATURES)
    count, found = _covering(model, lattice)
    reweighted = 0.0 if is_square_ising(model, lattice) else 1500 * CURVE_DRAWS * count
    return network + reweighted + found + drawing(model, lattice, count, round(CURVE_DRAWS / count))


def _equilibrium(model: ModelSettings, lattice: LatticeSettings, draws: int) -> float:
    """Draws at temperatures that cover all energies, and the levels, of a lattice of its own."""
    count, found = _covering(model, lattice)
    return found + drawing(model, lattice, count, draws) + _levels(model, lattice)


def _levels(model: ModelSettings, lattice: LatticeSettings) -> float:
    """The levels of a transfer matrix, where it tells them: traces of powers of it at complex couplings."""
    states = _slice_states(model, lattice)
    if is_square_ising(model, lattice) or is_summed(model, lattice) or states > LARGEST_ROW:
        return 0.0
    slices, shifts = max(lattice.sides), math.prod(lattice.sides) // max(lattice.sides)
    products = max(0, slices.bit_length() - 2 + (slices // 2).bit_count())
    orbits = states / shifts
    trace = shifts * (0.7 * products * orbits**3 + 50 * orbits**2)
    whole = 0.35 * trace * _counted(model, lattice)
    return whole if whole <= _LONGEST_LEVELS else 0.0


def _counted(model: ModelSettings, lattice: LatticeSettings) -> float:
    """Levels from the lowest energy to the highest, about, in steps of which all differences are multiples."""
    bond = 2 if model.kind == "ising" else 1
    gaps = [bond * abs(coupling) for coupling in model.couplings or (1.0,)]
    gaps += [2 * abs(model.field), abs(model.crystal_field)]
    step = math.gcd(*(round(1000 * gap) for gap in gaps)) / 1000 or 1.0
    return lattice.sites * (bond * lattice.bonds * model.largest_coupling + gaps[-2] + gaps[-1]) / step


def of_step(spec: Spec, step: Step, known: Mapping[str, float]) -> float:
    """The work of one step, of draws and larger lattices by its own settings, else by its kind; see `works`."""
    if step.kind == "equilibrium":
        own = {name: value for name, value in step.settings["model"].items() if name in ("length", "cells")}
        return _equilibrium(spec.model, LatticeSettings(spec.lattice.kind, **own), spec.reading.draws)
    if step.kind != "draws" or "data" in step.settings:
        return known.get(step.kind, 0.0)
    asked = SamplingSettings(**step.settings.get("sampling", {}))
    return drawing(spec.model, spec.lattice, len(asked.temperatures), asked.draws)


def _gibbs(visible: int, hidden: int) -> float:
    """Products that one Gibbs step takes as long as."""
    return visible * hidden + _UNIT * (visible + hidden)


def _learning(spec: Spec, grid: int, layers: tuple[int, ...]) -> float:
    """Contrastive divergence of one machine on another, each of two layers, and spectra of what is kept of them."""
    training, work, drawn = spec.training, 0.0, spec.sampling.draws * grid
    shown = training.epochs * drawn * (1 - training.held_out)
    scored = training.epochs * min(MOST_TURNED, drawn * training.held_out) if training.patience else 0.0
    work += _moving(spec, shown)
    for visible, hidden in itertools.pairwise(layers):
        work += 0.012 * shown * (1 + training.steps) * _gibbs(visible, hidden)
        work += 660 * training.checkpoints * visible * hidden + 2.4 * scored * visible * hidden
        if training.optimiser == "natural":
            work += shown / training.batch * _in_metric(training.batch, visible, hidden)
    return work


def _moving(spec: Spec, shown: float) -> float:
    """Symmetries of all configurations that are trained on."""
    return _MOVED * len(spec.lattice.sides) * spec.lattice.sites * shown if spec.training.symmetries else 0.0


def _in_metric(batch: int, visible: int, hidden: int) -> float:
    """Second moments of both layers over the batch and what is drawn, and a gradient over them."""
    moments = 2 * batch * (visible**2 + hidden**2)
    solved = (visible**3 + hidden**3) / 3 + visible * hidden * (visible + hidden)
    return 0.02 * (moments + solved) + 1500 * (visible + hidden)


def _learner(spec: Spec, grid: int, visible: int, hidden: int) -> float:
    """Training of a map that is no RBM: of every machine of a stack, else of layers there and back."""
    about = spec.machine
    if about.kind == "stack":
        return _learning(spec, grid, (visible, hidden, *about.layers))
    products = visible * about.width + max(0, about.depth - 1) * about.width**2 + about.width * hidden
    shown = spec.training.epochs * spec.sampling.draws * grid
    return 0.35 * shown * (products if about.depth else visible * hidden) + _moving(spec, shown)


def _likelihood(spec: Spec, grid: int, visible: int, hidden: int) -> float:
    """Annealing of the last machine and of every checkpoint, and what each says of the unseen draws."""
    kept, sites = spec.training.checkpoints, spec.lattice.sites
    annealed = (kept * ANNEALED[0] + ANNEALED[1]) * min(1.0, sites / _ANNEALED_FROM)
    if min(visible, hidden) <= LARGEST_SUMMED_LAYER:
        annealed = 0.0
    weighed = grid * (UNSEEN + kept * FEW) + (kept * 2**sites if sites <= ALL_STATES else 0)
    return 0.09 * annealed * _gibbs(visible, hidden) + weighed * visible * (0.8 * hidden + 40)


def _spectrum(spec: Spec, grid: int, visible: int, hidden: int) -> float:
    """Singular values of all checkpoints, and what modes do with the training configurations."""
    shown = spec.sampling.draws * grid
    return 4750 * visible * hidden + 3680 * visible**1.5 + shown * (10 * visible + 0.13 * visible * hidden)


def _flow(spec: Spec, grid: int, visible: int, hidden: int) -> float:
    """Gibbs steps of all chains, and what is measured after each and of those that are kept."""
    flow, sites = spec.flow, spec.lattice.sites
    moved = flow.chains * flow.iterations * (0.02 * visible * hidden + 30 * (visible + hidden))
    return moved + 60 * flow.chains * len(flow.kept(sites)) * sites


def works(spec: Spec) -> dict[str, float]:
    """The work of a step of each kind but draws, in the mean over the types and sizes of machine."""
    model, lattice, training, neural, flow = spec.model, spec.lattice, spec.training, spec.thermometer, spec.flow
    sites, grid, draws = lattice.sites, len(spec.sampling.temperatures), spec.sampling.draws
    visible, blocks = sites * spec.machine.components(model), spec.renormalization
    before_blocks = spec.lattice.enlarged(max(1, blocks.length // spec.lattice.sides[0]))
    sizes = [(len(one.temperatures), visible, one.hidden) for one in spec.variants]
    learnt, weights = mean(size[0] for size in sizes), visible * mean(size[2] for size in sizes)
    seen, flowed = visible * neural.hidden, mean(_flow(spec, *size) for size in sizes)
    compared = 1 + sum(at < flow.iterations for at in COMPARED_AT)
    kept, pairs = flow.chains * len(flow.kept(sites)), min(flow.chains, MOST_COMPARED)
    stable = math.prod([spec.stability.length] * len(lattice.sides)) * lattice.basis * spec.stability.runs
    return {
        "correlation": 20.0 * sites * grid * draws,
        "thermometer": 0.06 * neural.epochs * neural.draws * grid * neural.hidden * (visible + grid)
        + drawing(model, lattice, grid, neural.draws)
        + _curve_of_network(spec),
        "equilibrium": _equilibrium(model, lattice, spec.reading.draws),
        "calibration": 0.3 * grid * draws * seen + drawing(model, lattice, grid, draws),
        "null": draws * learnt * (0.2 * seen + 85 * sites) + drawing(model, lattice, learnt, draws),
        "machine": mean(_learning(spec, size[0], size[1:]) for size in sizes),
        "learner": mean(_learner(spec, *size) for size in sizes),
        "control": weights,
        "given": weights,
        "likelihood": mean(_likelihood(spec, *size) for size in sizes),
        "spectrum": mean(_spectrum(spec, *size) for size in sizes),
        "cascade": 2e4 * visible,
        "thermodynamics": 2e4 * weights,
        "couplings": 1e5 * weights,
        "drift": 300 * grid * FEW * visible,
        "prediction": 450 * mean(sites**2 * size[0] * _GAUSSIAN_STEPS for size in sizes),
        "scaling": 45 * kept * sites,
        "correlators": drawing(model, lattice, 1, spec.scaling.draws),
        "flow": flowed,
        "checkpoint_flow": flowed * training.checkpoints,
        "reading": compared * (200 * pairs**2 + drawing(model, lattice, 1, pairs))
        + kept * 0.15 * seen
        + 11 * flow.chains * flow.iterations * grid,
        "renormalization": drawing(model, before_blocks, 1, blocks.draws) * len(blocks.temperatures),
        "stability": 230 * stable * spec.stability.draws,
        "layers": 500 * sites * spec.stability.runs * spec.stability.draws,
        "results": 6e7 * len(sizes) * spec.seeds * len(flow.starts) + 1000 * weights * len(sizes) * spec.seeds,
    }
