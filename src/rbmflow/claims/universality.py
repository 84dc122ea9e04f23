"""What block spins have of a universality class; the rules were written before the studies were run."""

from collections.abc import Sequence

import xarray as xr

from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import Judgement, Measured, Side, within
from rbmflow.claims.machines import Machine
from rbmflow.convergence import SIGMAS

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
