"""What block spins, hidden units and flows have of a universality class; the rules were written before the runs."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import LEVEL, Judgement, Measured, Side, within
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
    both = "contradicts" if "contradicts" in sides else "supports" if sides == {"supports"} else "open"
    return both, "; ".join(told)


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
    side: Side = "contradicts" if "contradicts" in sides else "supports" if sides == {"supports"} else "open"
    return side, " and ".join(told)
