"""Claims on machines that have learnt one temperature each, and on what is read from them."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rbmflow.claims.candidates import PERFECT, about_laws
from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import Judgement, Measured, Side, all_of, within
from rbmflow.claims.machines import Machine
from rbmflow.claims.rules import alike_but_for, each
from rbmflow.convergence import SIGMAS
from rbmflow.diagnostics import mean_and_error

ENERGY, HEAT = 0.02, 0.1
"""Parts of the exact value within which a machine has the energy, or the order, and the specific heat."""

COUPLING = 0.1
"""Part of 1/T within which a coupling is that of the model, or nothing."""

ENTROPY = 0.02
"""Window of the entropy per site, in k_B; ln 2 is all that there is."""

AT_OWN = 0.03
"""Window of T* about the one temperature that was learnt, in J/k_B: less than half of what T_c and the C maximum of
L = 10 are apart."""

AROUND = 0.1
"""Part of T_c that a temperature may be away from it where machines of few hidden units are judged."""


def _deviation(machine: Machine, name: str, **at: str) -> Measured:
    """Difference of a mean to its exact value, in parts of that value where it is not zero."""
    found, exact = machine.measured(f"{name}_mean", **at), machine.number(f"{name}_exact", **at)
    scale = abs(exact) or 1.0
    return Measured((found.value - exact) / scale, found.error / scale, found.freedom)


def _whole(machines: Sequence[Machine]) -> list[Machine]:
    """Machines of one temperature of the Ising model on the square, with as many hidden units as spins or more."""
    return [m for m in machines if m.is_ising and len(m.temperatures) == 1 and m.hidden >= m.length**2 and _known(m)]


def _known(machine: Machine) -> bool:
    return math.isfinite(machine.number("thermodynamics_mean", quantity="energy"))


def _with_order(machines: Sequence[Machine]) -> list[Machine]:
    """Those of lattices whose exact order is known."""
    return [m for m in machines if math.isfinite(m.number("thermodynamics_exact", quantity="abs_magnetization"))]


@claim(
    id="one-temperature",
    words="A machine that has learnt one temperature, with as many hidden units as spins, has the energy, the order "
    "and the specific heat of the model there",
    source="1606.02718",
    needs=("thermodynamics_mean", "thermodynamics_exact"),
    figure="thermodynamics",
)
def one_temperature(machines: Sequence[Machine]) -> list[Judgement]:
    """E, abs m and C of its own chains, N_h of at least N. Supports: E and abs m are within 2 % of the exact ones, and
    C within 10 %. Contradicts: one of them is outside by more than its error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        asked = {"energy": ENERGY, "abs_magnetization": ENERGY, "specific_heat": HEAT}
        found = {name: _deviation(machine, "thermodynamics", quantity=name) for name in asked}
        told = ", ".join(f"{sign} {100 * one.value:+.1f} %" for sign, one in zip("EmC", found.values(), strict=True))
        return all_of([within(found[name], 0.0, window) for name, window in asked.items()]), told

    return each(_with_order(_whole(machines)), rule)


@claim(
    id="few-hidden-units",
    words="Near T_c a machine with few hidden units has the right order and far too high an energy",
    source="1606.02718",
    needs=("thermodynamics_mean", "thermodynamics_exact"),
    figure="thermodynamics",
)
def few_hidden_units(machines: Sequence[Machine]) -> list[Judgement]:
    """Machines of one temperature within 10 % of T_c, N_h of at most N / 4. Supports: abs m within 5 % of the exact
    one, and E above the exact one by more than 2 % and its error. Contradicts: abs m outside by more than its error, or
    E above by less than 2 % by more than its error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        # The deviation is in parts of |E|, and a higher energy has a positive one.
        energy, order = (_deviation(machine, "thermodynamics", quantity=q) for q in ("energy", "abs_magnetization"))
        over = energy.value - ENERGY
        high: Side = "open" if not abs(over) > energy.margin else "supports" if over > 0 else "contradicts"
        told = f"E {100 * energy.value:+.1f} %, abs m {100 * order.value:+.1f} %"
        return all_of([high, within(order, 0.0, 0.05)]), told

    few = [m for m in machines if m.is_ising and len(m.temperatures) == 1 and 4 * m.hidden <= m.length**2 and _known(m)]
    return each([m for m in _with_order(few) if abs(m.temperatures[0] / m.critical - 1) <= AROUND], rule)


@claim(
    id="couplings-in-weights",
    words="The weights of a machine of one temperature hold the couplings of the model: 1/T between neighbours, and "
    "nothing elsewhere",
    source="1810.11503, 2309.02292",
    needs=("coupling_mean", "thermodynamics_mean"),
    figure="couplings",
)
def couplings_in_weights(machines: Sequence[Machine]) -> list[Judgement]:
    """Mean effective couplings of bonds, other pairs, corners and plaquettes, N_h of at least N. Supports: that of
    bonds is within 10 % of 1/T, and the others are within 10 % of 1/T of nothing. Contradicts: one is outside by more
    than its error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        unit, sides, told = 1 / machine.temperatures[0], [], []
        for cluster in ("bond", "other pairs", "corner", "plaquette"):
            found, exact = machine.measured("coupling_mean", cluster=cluster), unit * (cluster == "bond")
            sides.append(within(found, exact, COUPLING * unit))
            told.append(f"{cluster} {found}")
        return all_of(sides), f"{', '.join(told)} beside 1/T = {unit:.3f}"

    return each(_whole(machines), rule)


@claim(
    id="pseudo-entropy",
    words="The pseudo-likelihood that a machine is trained by tells the entropy of the model",
    source="2210.06203",
    needs=("thermodynamics_mean", "thermodynamics_exact"),
    figure="thermodynamics",
)
def pseudo_entropy(machines: Sequence[Machine]) -> list[Judgement]:
    """Entropy per site by the pseudo-likelihood of its own configurations, N_h of at least N; beside it that by ln Z
    and the visible energy. Supports: within 0.02 of the exact one. Contradicts: outside that by more than its error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        found, sums = (machine.measured("thermodynamics_mean", quantity=q) for q in ("pseudo_entropy", "entropy"))
        exact = machine.number("thermodynamics_exact", quantity="entropy")
        return within(found, exact, ENTROPY), f"s {found} beside {exact:.3f}, by ln Z {sums}"

    return each(_whole(machines), rule)


INDICATORS = {
    "largest_eigenvalue": "largest eigenvalue of W Wᵀ",
    "first_share": "share of the largest eigenvalue",
    "effective_modes": "effective number of modes",
}
"""What marks a transition in the weights, by names of measures; the choice is ours."""

FEWEST_TEMPERATURES = 6

NEAR_MAXIMUM = 0.15
"""How near the maximum of the specific heat a mark must be, in J/k_B."""


@claim(
    id="weight-indicators",
    words="Numbers derived from the weights of machines of one temperature each mark the transition",
    source="2210.06203; which numbers, the abstract does not say",
    needs=("weight_final", "thermodynamics_mean"),
    figure="weight_indicators",
)
def weight_indicators(machines: Sequence[Machine]) -> list[Judgement]:
    """Largest eigenvalue of W Wᵀ, its share, and the participation ratio of all, against the temperature that machines
    alike in all else have learnt: six temperatures or more on both sides of the maximum of the specific heat, N_h of at
    least N. The mark of each is its extremum if that is beyond both ends by three errors, else the middle of the
    interval of the steepest change; its error is that of a jackknife over seeds, and never below that of the spacing.
    Supports: the mark is within 0.15 of the maximum of the specific heat. Contradicts: it is further by more than its
    error.
    """
    found = []
    for group in alike_but_for(_whole(machines), "temperatures"):
        group.sort(key=lambda machine: machine.temperatures)
        temperatures = np.array([machine.temperatures[0] for machine in group])
        peak = group[0].number("specific_heat_peak_temperature")
        if len(group) < FEWEST_TEMPERATURES or not temperatures[0] < peak < temperatures[-1]:
            continue
        for name, title in INDICATORS.items():
            values = np.stack([m.results["weight_final"].sel(final_measure=name).values for m in group], axis=-1)
            kind, mark = _mark(temperatures, values)
            of = f"{title}, N_h = {group[0].hidden}, L = {group[0].length}"
            told = f"{kind} at {mark}, the specific heat is largest at {peak:.3f}"
            found.append(Judgement(of, within(mark, peak, NEAR_MAXIMUM), told))
    return found


def _mark(temperatures: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[str, Measured]:
    """Where an indicator [seed, temperature] is extreme, or else where it changes most."""
    seeds, (mean, error) = len(values), mean_and_error(values, axis=0)
    last, spacing = len(temperatures) - 1, np.diff(temperatures)
    kind, curves = "steepest", _left_out(values)
    slopes = [int(np.argmax(np.abs(np.diff(row) / spacing))) for row in curves]
    resolution = spacing[slopes[0]]
    places = [(temperatures[at] + temperatures[at + 1]) / 2 for at in slopes]
    for name, sign in (("largest", 1), ("smallest", -1)):
        at = int(np.argmax(sign * mean))
        beyond = [sign * (mean[at] - mean[end]) > SIGMAS * np.hypot(error[at], error[end]) for end in (0, last)]
        if 0 < at < last and all(beyond):
            kind, resolution, near = name, spacing[at - 1 : at + 1].mean(), slice(at - 1, at + 2)
            places = [_vertex(temperatures[near], row[near]) for row in curves]
    whole, *without = places
    scatter = math.sqrt((seeds - 1) * np.var(without)) if without else 0.0
    # What is uniform over an interval is off by this much.
    of_grid = float(resolution) / math.sqrt(12)
    known = seeds > 1 and of_grid >= scatter
    return kind, Measured(float(whole), max(scatter, of_grid), math.inf if known else seeds - 1)


def _left_out(values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Mean over all seeds, then without each of them; of one seed alone itself."""
    rows = range(len(values)) if len(values) > 1 else ()
    return [values.mean(axis=0), *(np.delete(values, row, axis=0).mean(axis=0) for row in rows)]


def _vertex(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Of a parabola through three points, which is never beyond them."""
    curvature, slope, _ = np.polyfit(x - x[1], y, 2)
    return float(np.clip(x[1] - slope / (2 * curvature), x[0], x[-1])) if curvature else float(x[1])


@about_laws(
    id="one-temperature-ends-there",
    words="A machine that has learnt one temperature ends there, be it T_c, the maximum of C or another",
)
def one_temperature_ends_there(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of the stationary law of machines of one temperature with at most 0.05 excess nats. Supports: within 0.03 of
    that temperature. Contradicts: outside by more than its error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        star, own = machine.measured("stationary_temperature_mean"), machine.temperatures[0]
        excess = machine.measured("excess_mean")
        return within(star, own, AT_OWN), f"T* of p(v) = {star} beside {own:.4g}, excess {excess}"

    single = [m for m in machines if m.is_ising and len(m.temperatures) == 1 and 0 < m.temperatures[0] < math.inf]
    return each([m for m in single if m.number("excess_mean") <= PERFECT], rule)
