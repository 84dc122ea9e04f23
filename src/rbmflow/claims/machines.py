"""What the rules know of a machine: its row of the results of a run."""

import json
import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import xarray as xr

from rbmflow._format import why_moving
from rbmflow.claims.judgement import Measured
from rbmflow.convergence import DOUBTS, quarters
from rbmflow.diagnostics import mean_and_joined_error
from rbmflow.settings import (
    LatticeSettings,
    MachineSettings,
    ModelSettings,
    SamplingSettings,
    TrainingSettings,
    dotted,
)

NOT_COMPARED = ("training.epochs", "training.checkpoints", "sampling.method", "sampling.temperatures")
"""What is no part of a recipe: grids of other sizes need other epochs for the same updates; the others change nothing
that is learnt, or stand in the training temperatures."""


@cache
def _usual() -> dict[str, Any]:
    """Defaults of all that a recipe has from a spec, as they stand in results."""
    told = dotted(
        model=ModelSettings(),
        lattice=LatticeSettings(),
        sampling=SamplingSettings(),
        machine=MachineSettings(),
        training=TrainingSettings(),
    )
    return json.loads(json.dumps(told))


@dataclass(frozen=True)
class StartedFlow:
    """The flow of a machine from one start, read by T(E)."""

    start: str
    begin: float
    """T(E) of the start; infinite for a hot one."""
    end: Measured
    """T(E) over the last quarter."""


@dataclass(frozen=True, eq=False)
class Machine:
    """One machine, all its seeds together, as it stands in the results of a run."""

    name: str
    """What it is called; for people only."""
    results: xr.Dataset
    """Its row of the results: all their variables, without the axis `machine`."""

    def number(self, name: str, **at: Any) -> float:
        """A variable of its results at labels of the axes, read by T(E) where thermometers differ; NaN of none."""
        try:
            variable = self.results[name]
            thermometer = {"thermometer": "energy"} if "thermometer" in variable.dims else {}
            return float(variable.sel(thermometer | at))
        except KeyError:
            return math.nan

    def measured(self, name: str, **at: Any) -> Measured:
        """The same with its standard error: `mean_end` with `mean_end_error`, `end_temperature` with `end_error`."""
        error = f"{name}_error" if f"{name}_error" in self.results else f"{name.rpartition('_')[0]}_error"
        return Measured(self.number(name, **at), self.number(error, **at), self.seeds - 1)

    @property
    def artifact(self) -> str:
        """Hash of the machine of the first seed: equal ones are one machine."""
        return str(self.results["artifact"].values[0])

    @property
    def kind(self) -> str:
        """Name of its type in the spec."""
        return str(self.results["machine_type"].values)

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Every setting that it was made with, by its name in a spec; what its results do not know of is usual."""
        told = json.loads(str(self.results["recipe"].values))
        # Of a machine of others it is not known how it was trained.
        given = "training.epochs" in told and told["training.epochs"] is None
        later = {name: value for name, value in _usual().items() if name not in told}
        return told | {name: None if given and name.startswith("training.") else later[name] for name in later}

    @property
    def network(self) -> str:
        """What kind of map it is; earlier results know of RBMs alone."""
        return self.recipe.get("machine.kind", "rbm")

    @property
    def updates(self) -> int:
        """Gradient updates of its training."""
        return int(np.nanmax(self.results["update"].values))

    @property
    def seeds(self) -> int:
        """Independent trainings."""
        return self.results.sizes["seed"]

    @property
    def effort(self) -> tuple[int, int, int]:
        """Seeds, iterations and chains that it was measured with."""
        return self.seeds, self.results.sizes["iteration"] - 1, int(self.results["chains"])

    @property
    def hidden(self) -> int:
        """Hidden units."""
        return self.recipe["machine.hidden"]

    @property
    def length(self) -> int:
        """Side of its lattice, the shortest of several."""
        return min(self.recipe.get("lattice.cells") or [self.recipe["lattice.length"]])

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Temperatures of its training configurations, in J/k_B."""
        return tuple(self.recipe["temperatures"])

    @property
    def has_gap(self) -> bool:
        """Whether the training grid has a hole of more than 1 J/k_B."""
        return bool((np.diff(self.temperatures) > 1).any())

    @property
    def data(self) -> str:
        """What it was trained on; a control, which has learnt nothing, is called by its weights."""
        weights = self.recipe["weights"]
        return self.recipe["data"] if weights == "trained" else weights

    @property
    def is_topology_free(self) -> bool:
        """Whether its data know nothing of the lattice: a mean field, or states of T = 0 and infinity alone."""
        return self.data == "mean-field" or (self.data == "ising" and set(self.temperatures) == {0.0, math.inf})

    @property
    def is_from_outside(self) -> bool:
        """Whether it has learnt from configurations of a file or of a source that is none of this package."""
        return self.recipe["weights"] == "trained" and self.data not in ("ising", "mean-field")

    @property
    def is_ising(self) -> bool:
        """Whether it was trained on configurations of the Ising model with J = 1 and no field on the square."""
        return self.data == "ising" and not self.is_topology_free and self.is_of_square_ising

    @property
    def is_of_square_ising(self) -> bool:
        """Whether its model is that of the claims, the Ising model with J = 1 and no field on the square."""
        usual = {"model.kind": "ising", "model.field": 0, "lattice.kind": "square"}
        plain = all(self.recipe.get(name, value) == value for name, value in usual.items())
        return plain and set(self.recipe.get("model.couplings", ())) <= {1.0}

    def apart_from(self, *names: str) -> str:
        """All that it was made with but for these settings: equal for machines that can be compared in them.

        Updates count to two digits, as epochs are whole.
        """
        left = {name: value for name, value in self.recipe.items() if name not in (*NOT_COMPARED, *names)}
        return json.dumps(left | {"updates": float(f"{self.updates:.1e}")}, sort_keys=True)

    @property
    def critical(self) -> float:
        """T_c of the infinite lattice, in J/k_B."""
        return self.number("critical_temperature")

    @cached_property
    def flows(self) -> tuple[StartedFlow, ...]:
        """Its flows, by start."""
        starts = self.results["start"].values.tolist()
        begins = [self.number("temperature_mean", start=start, iteration=0) for start in starts]
        ends = [self.measured("end_temperature", start=start) for start in starts]
        return tuple(map(StartedFlow, starts, begins, ends))

    @property
    def told_ends(self) -> str:
        """The ends of all starts, for people."""
        return ", ".join(f"{flow.start} {flow.end}" for flow in self.flows)

    @cached_property
    def doubts(self) -> frozenset[str]:
        """What keeps it from having a T*, by T(E)."""
        return frozenset(doubt for doubt in DOUBTS if self.number(f"doubt_{doubt}") != 0)

    @property
    def mean_end(self) -> Measured:
        """T(E) at the end over all starts."""
        return self.measured("mean_end")

    @property
    def end(self) -> Measured | None:
        """T*, or None of a machine that has not converged."""
        return None if self.doubts else self.mean_end

    @property
    def why_moving(self) -> str:
        """Why it has no T*, in words."""
        drifts = [self.measured("drift", start=flow.start) for flow in self.flows]
        apart = self.measured("start_difference")
        return why_moving(self.doubts, (apart.value, apart.error), ((one.value, one.error) for one in drifts))

    @property
    def energy_from_mixture(self) -> Measured:
        """E per site of the stationary law, minus that of the training mixture.

        Where that is not known of all seeds, it is E over the last quarter of all starts.
        """
        if "stationary_energy" in self.results and np.isfinite(self.results["stationary_energy"]).all():
            energies, errors = (self.results[f"stationary_energy{one}"].values for one in ("", "_error"))
            mean, error = map(float, mean_and_joined_error(energies, errors))
            return Measured(mean - self.number("null_energy"), error, self.seeds - 1)
        if "energy_mean" not in self.results:
            return Measured(math.nan, math.nan)
        last = self.results[["energy_mean", "energy_error"]].isel(iteration=quarters(self.effort[1] + 1)[1])
        # Iterations are correlated and starts serve the same machines: the error is that of one of them.
        error = float(np.sqrt((last["energy_error"] ** 2).mean()))
        return Measured(float(last["energy_mean"].mean()) - self.number("null_energy"), error, self.seeds - 1)

    @property
    def checkpoints(self) -> list[tuple[int, Measured]]:
        """T(E) at the end by updates, all starts together; nothing where the training was not followed."""
        names = ("update", "checkpoint_mean_end", "checkpoint_mean_end_error")
        followed = set(names) <= set(self.results.variables)
        rows = zip(*(self.results[name].values.tolist() for name in names), strict=True) if followed else ()
        known = [row for row in rows if math.isfinite(row[0]) and math.isfinite(row[1])]
        return [(int(update), Measured(end, error, self.seeds - 1)) for update, end, error in known]
