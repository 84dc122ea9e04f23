"""What the rules know of a machine: numbers of a run's results, averaged over seeds, under the names of the claims."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from rbmflow.claims.judgement import Measured

UNKNOWN = Measured(math.nan, math.nan)


@dataclass(frozen=True)
class StartedFlow:
    """The flow of a machine from one start, read by T(E)."""

    start: str
    begin: float
    """T(E) of the start; infinite for a hot one."""
    end: Measured
    """T(E) over the last quarter."""
    drift: Measured
    """Change of T(E) from the third quarter to the last."""
    neural_class: float
    """Class of the largest averaged probability of the neural thermometer at the last iteration."""
    iterations: Measured = UNKNOWN
    """Iterations until it stays at its end."""


@dataclass(frozen=True)
class BlockSpins:
    """The flow of block spins by one rule."""

    rule: str
    length: int
    """Side of the lattice that they end on."""
    changes: dict[str, Measured]
    """Change of the distance of T from T_c over the last blocking, by the side of T_c that it started on."""


NOT_COMPARED = ("training.epochs", "training.checkpoints", "sampling.method", "sampling.temperatures")
"""What is no part of a recipe: grids of other sizes need other epochs for the same updates; the others change nothing
that is learnt, or stand in the training temperatures."""


@dataclass(frozen=True)
class Machine:
    """One machine, all its seeds together."""

    name: str
    """What it is called; for people only."""
    artifact: str
    """Hash of the machine of the first seed: equal ones are one machine."""
    kind: str
    """Name of its type in the spec."""
    recipe: Mapping[str, Any]
    """Every setting that it was made with, by its name in a spec."""
    updates: int
    effort: tuple[int, int, int]
    """Seeds, iterations and chains that it was measured with."""
    flows: tuple[StartedFlow, ...]
    mean_end: Measured
    """T(E) at the end over all starts."""
    doubts: frozenset[str]
    """What keeps it from having a T*, by T(E)."""
    critical: float
    specific_heat_peak: float
    mixture_temperature: float
    energy_from_mixture: Measured = UNKNOWN
    """E per site over the last quarter of all starts, minus that of the training mixture."""
    excess: Measured = UNKNOWN
    resemblance: Measured = UNKNOWN
    largest_share: Measured = UNKNOWN
    above_edge: Measured = UNKNOWN
    flatness: Measured = UNKNOWN
    leading_overlap: Measured = UNKNOWN
    two_sample: tuple[float, ...] = ()
    """Probabilities of the two-sample test, one a seed and start."""
    checkpoints: tuple[tuple[int, Measured], ...] = ()
    """T(E) at the end by gradient updates, along the training."""
    blocks: tuple[BlockSpins, ...] = ()
    """Block-spin flows that end on its lattice."""
    results: xr.Dataset = field(default_factory=xr.Dataset, repr=False, compare=False)
    """Everything that the results have of it, for rules on other variables."""

    @property
    def hidden(self) -> int:
        """Hidden units."""
        return self.recipe["machine.hidden"]

    @property
    def length(self) -> int:
        """Side of its lattice."""
        return self.recipe["model.length"]

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Temperatures of its training configurations, in J/k_B."""
        return tuple(self.recipe["temperatures"])

    @property
    def data(self) -> str:
        """What it was trained on; a control, which has learnt nothing, is called by its weights."""
        weights = self.recipe["weights"]
        return self.recipe["data"] if weights == "trained" else weights

    @property
    def is_ising(self) -> bool:
        """Whether it was trained on Ising configurations."""
        return self.data == "ising" and not self.is_topology_free

    @property
    def is_topology_free(self) -> bool:
        """Whether its data know nothing of the lattice: a mean field, or states of T = 0 and infinity alone."""
        return self.data == "mean-field" or (self.data == "ising" and set(self.temperatures) == {0.0, math.inf})

    @property
    def lowest(self) -> float:
        """Lowest training temperature."""
        return self.temperatures[0]

    @property
    def highest(self) -> float:
        """Highest training temperature."""
        return self.temperatures[-1]

    @property
    def has_gap(self) -> bool:
        """Whether the training grid has a hole of more than 1 J/k_B."""
        steps = [high - low for low, high in zip(self.temperatures[:-1], self.temperatures[1:], strict=True)]
        return any(step > 1 for step in steps)

    @property
    def holds_critical(self) -> bool:
        """Whether T_c lies inside the training grid."""
        return self.lowest < self.critical < self.highest and not self.has_gap

    def apart_from(self, *names: str) -> str:
        """All that it was made with but for these settings: equal for machines that can be compared in them.

        Updates count to two digits, as epochs are whole.
        """
        left = {name: value for name, value in self.recipe.items() if name not in (*NOT_COMPARED, *names)}
        return json.dumps(left | {"updates": float(f"{self.updates:.1e}")}, sort_keys=True)

    @property
    def end(self) -> Measured | None:
        """T*, or None of a machine that has not converged."""
        return None if self.doubts else self.mean_end

    @property
    def hot_iterations(self) -> Measured:
        """Iterations that the hottest start needs."""
        return max(self.flows, key=lambda flow: flow.begin).iterations

    @property
    def told_ends(self) -> str:
        """The ends of all starts, for people."""
        return ", ".join(f"{flow.start} {flow.end}" for flow in self.flows)
