"""Kinds of steps: what each one is, and what a step that is computed has at hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._registry import Registry
from rbmflow.settings import LatticeSettings, ModelSettings, Settings
from rbmflow.store import Step
from rbmflow.store.expected import KINDS, Expected

if TYPE_CHECKING:
    import jax
    import xarray as xr

    from rbmflow.model import Model
    from rbmflow.spec import Spec


@dataclass(frozen=True)
class Task:
    """One step while it is computed, with the data of its parents in its order.

    `work` is a folder for what a later try goes on from; what is written there depends on the step alone. `progress` is
    called now and then with the fraction done. What is doubtful is noted in `flags`, each the kind of doubt and a
    sentence without names of people's making: the same step is called otherwise in other runs.
    """

    step: Step
    parents: tuple[xr.Dataset, ...]
    work: Path
    progress: Callable[[float], None]
    flags: list[dict[str, str]] = field(default_factory=list)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the step; see `asked` for those of one class."""
        return self.step.settings

    def asked[T: Settings](self, of: type[T]) -> T:
        """Settings of one class, see `asked`."""
        return asked(self.settings, of)

    def flag(self, what: str, *messages: str) -> None:
        """Note doubts of one kind."""
        self.flags.extend({"what": what, "message": message} for message in messages)

    @property
    def key(self) -> jax.Array:
        """Random key: the root seed folded with the step's hash, so that no step moves another's stream."""
        import jax

        from rbmflow.random import fold_in

        key = jax.random.key(self.settings["seed"], impl="threefry2x32")
        for at in range(0, 32, 8):
            key = fold_in(key, int(self.step.hash[at : at + 8], 16))
        return key

    def named[T](self, registry: Registry[T], field: str, default: str = "") -> T:
        """What the settings name in a registry; refused if its file is another than when the step was planned."""
        name, planned = self.settings.get(field, default), self.settings.get("source")
        found, source = registry[name], registry.source(name)
        told = f"the file that registers it here (sha256 {source}) is not that of the step: {planned}"
        Problems.only(source == planned, field, name, told)
        return found

    def file(self, field: str) -> str:
        """Path of the file that a setting names by its hash; refused if its content is another by now."""
        path = self.step.files.get(self.settings[field], "")
        told = "it must be the file of the spec, with the content that it had when the run was planned"
        Problems.only(content_hash(path) == self.settings[field], field, path, told)
        return path

    @property
    def model(self) -> Model:
        """Spin model."""
        from rbmflow.spin_models import from_settings

        return from_settings(*system(self.settings))


def content_hash(path: str) -> str:
    """SHA-256 of the content of a file; `InvalidInput` if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInput(Problem("path", path, f"it must be a file that can be read ({error.strerror})")) from error


def asked[T: Settings](settings: Mapping[str, Any], of: type[T]) -> T:
    """Settings of one class among those of a step, under their section's name; what is left out has its default."""
    return of(**settings[of.__name__.removesuffix("Settings").lower()])


_OF_LATTICE = {entry.name for entry in fields(LatticeSettings)} - {"kind"}
"""Settings of the lattice by their names among those of the model in a step, where its kind is "lattice"."""


DRAWN = 3
"""Version of how models that formulas do not tell are drawn: a part of the hash of what has to do with them alone."""


def system(settings: Mapping[str, Any]) -> tuple[ModelSettings, LatticeSettings]:
    """Model and lattice among the settings of a step."""
    told = {name: value for name, value in settings["model"].items() if name != "drawn"}
    lattice = {name: told.pop(name) for name in _OF_LATTICE & told.keys()}
    kind = {"kind": told.pop("lattice")} if "lattice" in told else {}
    return ModelSettings(**told), LatticeSettings(**lattice, **kind)


def _system_of(spec: Spec, lattice: LatticeSettings) -> dict[str, Any]:
    """Model and lattice as the settings of a step have them, in one table."""
    own = lattice.differing().items()
    told = spec.model.differing() | {"lattice" if name == "kind" else name: value for name, value in own}
    return told if spec.square_ising else told | {"drawn": DRAWN}


type Compute = Callable[[Task], Any]
type Together = Callable[[Sequence[Task]], list[Any]]
type Along = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of step, as `step` makes it."""

    compute: Compute
    """Gives labelled data, or arrays by name on the axes that `holds` declares, and coordinates on their own axes."""
    version: int
    """Number of its code, a part of the hash: raised whenever the same settings give other numbers."""
    takes: str
    """Dotted names of the parts of a spec that are its settings, of sections what differs from the defaults."""
    holds: str
    """What the data must hold, as `Expected` says it; {lattice} and {displacement} are axes of the lattice, {torus}
    those of all its displacements, {e} is the largest energy per site, {change} the largest change of it, {total} the
    sort of a total energy, {moment} that of a magnetization."""
    along: Along = lambda settings: {}
    """Lengths or coordinates by settings, besides the lengths that the lattice decides."""
    together: Together | None = None
    """Computes steps of one `group`, as `compute` does one by one but for rounding; None if it cannot."""
    apart: str | None = None
    """The setting in which steps of one `group` differ."""

    def of(
        self,
        spec: Spec,
        name: str,
        *parents: Step,
        files: Mapping[str, str] | None = None,
        lattice: LatticeSettings | None = None,
        **own: Any,
    ) -> Step:
        """A step of a run under a name for people: its settings are what it takes of the spec, and those given.

        Its lattice is that of the run unless another one is given.
        """
        settings = {path.rpartition(".")[2]: attrgetter(path)(spec) for path in self.takes.split()} | own
        plain = {name: value.differing() if isinstance(value, Settings) else value for name, value in settings.items()}
        if "model" in plain:
            plain["model"] = _system_of(spec, lattice or spec.lattice)
        return Step(self.compute.__name__, name, plain, parents, self.version, files or {})

    def expected(self, settings: Mapping[str, Any]) -> Expected:
        """What the data of a step with these settings must hold."""
        model, lattice = system(settings)
        largest = lattice.bonds * model.largest_coupling + abs(model.field) + abs(model.crystal_field)
        words = {
            "lattice": " ".join(lattice.axes),
            "displacement": " ".join(lattice.displacements),
            "torus": " ".join((*lattice.axes, *(("basis_other",) if lattice.basis > 1 else ()))),
            "e": f"{largest:g}",
            "change": f"{2 * largest:g}",
            "total": "integer" if model.whole else "real",
            "moment": "integer" if model.components == 1 else "real",
        }
        sizes = {**dict(zip(lattice.axes, lattice.shape, strict=True)), **lattice.displacements}
        along = {**sizes, "visible": lattice.sites, **self.along(settings)}
        return Expected(self.holds.format(**words), along, model.states)

    def told(self, task: Task, found: Any) -> xr.Dataset:
        """What was computed as labelled data, with their units and the flags."""
        from rbmflow._variables import RESULTS, labelled

        if isinstance(found, dict):
            found = labelled(found, declared=self.expected(task.settings).declared())
            for name in set(found.variables) & set(RESULTS):
                found[name].attrs.update(long_name=RESULTS[name].long_name, units=RESULTS[name].units)
        return found.assign_attrs(flags=json.dumps(task.flags))


def step(**declared: Any) -> Callable[[Compute], Kind]:
    """Make a function a kind of step, which has its name; what is declared are the fields of `Kind`."""
    return lambda compute: KINDS.add(compute.__name__, Kind(compute=compute, **declared))


def compute(step: Step, parents: tuple[xr.Dataset, ...], work: Path, progress: Callable[[float], None]) -> xr.Dataset:
    """Run one step, see `Task`; quality flags are in `attrs["flags"]`, a JSON list of {"what", "message"}."""
    kind, task = KINDS[step.kind], Task(step, parents, work, progress)
    return kind.told(task, kind.compute(task))


def compute_together(
    steps: Sequence[Step], parents: tuple[xr.Dataset, ...], progress: Callable[[float], None]
) -> list[xr.Dataset]:
    """Run steps of one `group` at once; they share the data of their parents, and cannot go on after a kill."""
    kind, tasks = KINDS[steps[0].kind], [Task(step, parents, Path(), progress) for step in steps]
    return [kind.told(task, found) for task, found in zip(tasks, kind.together(tasks), strict=True)]


def group(step: Step) -> str | None:
    """Label that steps have in common which `compute_together` can compute at once; None if it must stand alone."""
    kind = KINDS[step.kind]
    if kind.together is None:
        return None
    shared = {name: value for name, value in step.settings.items() if name != kind.apart}
    return json.dumps([step.kind, step.version, shared, [parent.hash for parent in step.parents]], sort_keys=True)
