"""What block spins, hidden units and flows have of a universality class; the rules were written before the runs."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from rbmflow._checks import same_temperature
from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import LEVEL, Judgement, Measured, Side, all_of, within
from rbmflow.claims.machines import Machine
from rbmflow.claims.rules import each
from rbmflow.convergence import CONFIDENCE, SIGMAS
from rbmflow.diagnostics import mean_and_error

WINDOWS = {"even": 0.05, "odd": 0.02}
"""How near an exponent must be to the known one, by the symmetry of its couplings."""

SYMBOLS = {"even": "y_T", "odd": "y_h"}


@claim(
    id="block-spin-exponents",
    words="The stability matrix of block spins at T_c has the exponents of the universality class",
    source="Swendsen 1979, doi:10.1103/PhysRevLett.42.859",
    needs=("stability_exponent", "stability_exponent_error", "stability_known", "stability_runs"),
    figure="stability",
)
def block_spin_exponents(machines: Sequence[Machine]) -> list[Judgement]:
    """y_T and y_h of the majority rule on blocks of two cells a side at the last step, of every model and lattice; the
    steps before it are reported and decide nothing. Supports: y_T within 0.05 and y_h within 0.02 of the known ones,
    both widened by three errors over independent runs. Contradicts: one of them outside that window by more than its
    error.
    """
    systems: dict[str, xr.Dataset] = {}
    for machine in machines:
        words = {name: machine.recipe.get(name, usual) for name, usual in (("model.kind", "ising"), ("model.q", 0))}
        called = f"{words['model.kind']}{f' {q}' if (q := words['model.q']) else ''}"
        systems.setdefault(f"{called}, {machine.recipe.get('lattice.kind', 'square')}", machine.results)
    return [Judgement(of, *_judged(results)) for of, results in systems.items()]


def _judged(results: xr.Dataset) -> tuple[Side, str]:
    sides, told = set[Side](), []
    for sector, window in WINDOWS.items():
        here = results.sel(sector=sector, rank=1)
        steps = [
            Measured(float(value), float(error), float(results["stability_runs"]) - 1)
            for value, error in zip(
                here["stability_exponent"].values, here["stability_exponent_error"].values, strict=True
            )
        ]
        known = float(here["stability_known"])
        sides.add(within(steps[-1], known, window, SIGMAS))
        told.append(f"{SYMBOLS[sector]} {', '.join(map(str, steps))} (known {known:.4g})")
    return all_of(sides), "; ".join(told)


ALIKE = 0.1
"""Difference of two decays, in parts of the value at nearest neighbours, up to which they look alike."""


@claim(
    id="hidden-correlators",
    words="Correlators of visible and hidden spins look like those of the RG",
    source="1906.05212",
    needs=("hidden_decay", "block_decay"),
    figure="hidden_decays",
)
def hidden_correlators(machines: Sequence[Machine]) -> list[Judgement]:
    """Decay: <v h> over exact configurations at T_c, as root mean square over hidden units, at all displacements from
    the site with the largest weight, over that of its nearest neighbours; against the same of as many block spins. Of
    trained machines with as many hidden units as there are such blocks. Supports: at all displacements within 0.1 of
    it, at 95 %. Contradicts: at some displacement further away by more than its error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        ordered = machine.results.sortby("distance")
        own, blocks = (ordered[name].transpose("seed", ...).values for name in ("hidden_decay", "block_decay"))
        # Both of a seed are of the same configurations; nearest neighbours are 1 of both.
        apart = np.delete(own - blocks, 1, axis=1)
        means, errors = mean_and_error(apart, axis=0)
        gaps = [Measured(float(m), float(e), machine.seeds - 1) for m, e in zip(means, errors, strict=True)]
        worst = max(gaps, key=lambda gap: abs(gap.value))
        bound = max(abs(gap.value) + gap.error * float(stdtrit(max(gap.freedom, 1), CONFIDENCE)) for gap in gaps)
        # Any of them may be the one that is too far.
        margins = [gap.at_level(LEVEL.get() / len(gaps)) for gap in gaps]
        beyond = any(abs(gap.value) - ALIKE > margin for gap, margin in zip(gaps, margins, strict=True))
        side: Side = "contradicts" if beyond else "supports" if bound < ALIKE else "open"
        told = f"{machine.number('block_side'):g} cells a side"
        return side, f"largest deviation of the decay from that of blocks of {told} {worst}"

    trained = [machine for machine in machines if machine.recipe["weights"] == "trained"]
    return each([machine for machine in trained if math.isfinite(machine.number("block_side"))], rule)


DIMENSIONS = {"spin": 0.03, "energy": 0.2}
"""How near a scaling dimension of a flow must be to the known one. At L = 16, from 2 to 7 cells, the first is a window
of 0.04 J/k_B about T_c; all temperatures from 2.1 to 2.5 are in the second, which tells failures alone."""


@claim(
    id="flow-dimensions",
    words="Configurations at the end of a flow have the scaling dimensions of spin and energy at T_c",
    source="2002.02664, of earlier Ising studies",
    needs=("scaling_dimension_mean", "scaling_dimension_mean_error", "scaling_known"),
    figure="scaling_dimensions",
)
def flow_dimensions(machines: Sequence[Machine]) -> list[Judgement]:
    """Scaling dimensions of spin and energy at the last iteration from each start, by a correlated fit, of trained
    machines around T_c. Supports: from every start that of the spin is within 0.03 and that of the energy within 0.2
    of the known ones, both widened by three errors. Contradicts: from every start one of them is outside that by more
    than its error. Open where exact configurations at T_c, as the start of a flow, do not pass the same.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        first, last = (int(machine.results["fitted"].values[end]) for end in (0, -1))
        starts = [str(start) for start in machine.results["start"].values]
        exact = [start for start in starts if start == f"T = {machine.critical:g}"]
        ends: dict[str, tuple[Side, str]] = {start: _dimensions(machine, start, last) for start in starts}
        told = ", ".join(f"{start} {numbers}" for start, (_, numbers) in ends.items())
        if not any(_dimensions(machine, start, first)[0] == "supports" for start in exact):
            return "open", f"{told}; exact configurations at T_c were not started from, or do not pass"
        sides: set[Side] = {side for side, _ in ends.values()}
        return next(iter(sides)) if len(sides) == 1 else "open", told

    around = [m for m in machines if m.temperatures[0] <= m.critical <= m.temperatures[-1]]
    return each([m for m in around if m.recipe["weights"] == "trained"], rule)


def _dimensions(machine: Machine, start: str, iteration: int) -> tuple[Side, str]:
    """Whether spin and energy have their dimensions at an iteration; a fit that cannot be made decides nothing."""
    sides, told = set[Side](), []
    for field, window in DIMENSIONS.items():
        found = machine.measured("scaling_dimension_mean", start=start, fitted=iteration, field=field)
        sides.add(within(found, machine.number("scaling_known", field=field), window, SIGMAS))
        told.append(f"{found}" if math.isfinite(found.value) else "no fit")
    return all_of(sides), " and ".join(told)


FIELD = 2.0
"""How many times the participation number of a block that of a receptive field may be, or how small a part of it."""

SHARE = 0.5
"""Part of its square that a receptive field must have within one block."""


@claim(
    id="stack-fields-blocks",
    words="Receptive fields of the layers of a stack trained at T_c are blocks of spins",
    source="1410.3831, from memory, not checked against the text",
    needs=("layer_participation", "layer_share"),
    figure=("layer_scaling", "layer_fields"),
)
def stack_fields_blocks(machines: Sequence[Machine]) -> list[Judgement]:
    """Participation number of the fields in the spins, mean over the units of a layer, over that of a block of the size
    of the layer, and the largest share of a squared field in one such block, of stacks of one critical temperature.
    Supports: in every layer the ratio is between 1/2 and 2 and the share above 1/2, both widened by three errors.
    Contradicts: in some layer one of them is outside that by more than its error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        sides, told = set[Side](), []
        for layer in machine.results["layer"].values.tolist():
            own = machine.results.sel(layer=layer)
            fields, blocks = own.sel(change="hidden units"), own.sel(change="block spins")
            octaves = np.log2(fields["layer_participation"].values / blocks["layer_participation"].values)
            parts = fields["layer_share"].values
            ratio, share = (_over_seeds(values) for values in (octaves, parts))
            sides.add(within(ratio, 0, math.log2(FIELD), SIGMAS))
            sides.add(within(share, 1, 1 - SHARE, SIGMAS))
            number, part = (_over_seeds(fields[f"layer_{name}"].values) for name in ("participation", "share"))
            told.append(f"layer {layer} on {number} spins, a block on {4**layer}, {part} of the square in one block")
        return all_of(sides), "; ".join(told)

    return each(_stacks(machines), rule)


@claim(
    id="stack-exponents",
    words="The layers of a stack trained at T_c are changes of scale with the exponents of the universality class",
    source="1410.3831 and 1708.04622",
    needs=("layer_exponent_mean", "layer_exponent_mean_error", "layer_known"),
    figure="layer_scaling",
)
def stack_exponents(machines: Sequence[Machine]) -> list[Judgement]:
    """y_T and y_h of every layer, from the largest even and odd eigenvalue of its stability matrix at T_c, of stacks of
    one critical temperature. A layer decides where block spins of the same sizes have the exponents on the same
    configurations, by the windows of this rule. Supports: in every layer that decides y_T is within 0.05 and y_h within
    0.02 of the known ones, both widened by three errors, and in one of them random weights of the same norm are not.
    Contradicts: in some layer that decides one of them is outside that window by more than its error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        sides, told, decides, random_fails = set[Side](), [], 0, False
        for layer in machine.results["layer"].values.tolist():
            of = {name: _layer(machine, layer, name) for name in machine.results["change"].values.tolist()}
            if of["block spins"][0] == "supports":
                decides += 1
                sides.add(of["hidden units"][0])
                random_fails |= of["random weights"][0] == "contradicts"
            told.append(f"layer {layer}: " + ", ".join(f"{change} {numbers}" for change, (_, numbers) in of.items()))
        side = all_of(sides)
        return "open" if not decides or (side == "supports" and not random_fails) else side, "; ".join(told)

    return each(_stacks(machines), rule)


def _layer(machine: Machine, layer: int, change: str) -> tuple[Side, str]:
    """Whether a layer has both exponents, and what they are."""
    sides, told = set[Side](), []
    for sector, window in WINDOWS.items():
        found = machine.measured("layer_exponent_mean", layer=layer, change=change, sector=sector)
        sides.add(within(found, machine.number("layer_known", sector=sector), window, SIGMAS))
        told.append(f"{SYMBOLS[sector]} {found}")
    return all_of(sides), " ".join(told)


def _over_seeds(values: np.ndarray) -> Measured:
    mean, error = mean_and_error(values, axis=0)
    return Measured(float(mean), float(error), len(values) - 1)


def _stacks(machines: Sequence[Machine]) -> list[Machine]:
    """Trained stacks of the critical temperature alone."""
    alike = [machine for machine in machines if machine.network == "stack" and len(machine.temperatures) == 1]
    return [machine for machine in alike if same_temperature(machine.temperatures[0], machine.critical)]
