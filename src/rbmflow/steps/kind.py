"""Kinds of steps: what each one is, and what a step that is computed has at hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbmflow._checks import Problems
from rbmflow._registry import Registry
from rbmflow.settings import ModelSettings, Settings
from rbmflow.store import Step
from rbmflow.store.expected import KINDS, Expected

if TYPE_CHECKING:
    import jax
    import xarray as xr

    from rbmflow.model import Ising
    from rbmflow.spec import Spec


@dataclass(frozen=True)
class Task:
    """One step while it is computed.

    Parameters
    ----------
    step
        What to compute.
    parents
        The data of its parents, in its order.
    work
        Folder for what a later try goes on from; what is written there depends on the step alone.
    progress
        Called now and then with the fraction done.
    """

    step: Step
    parents: tuple[xr.Dataset, ...]
    work: Path
    progress: Callable[[float], None]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the step; see `asked` for those of one class."""
        return self.step.settings

    def asked[T: Settings](self, of: type[T]) -> T:
        """Settings of one class, see `asked`."""
        return asked(self.settings, of)

    @property
    def key(self) -> jax.Array:
        """Random key: the root seed folded with the step's hash, so that no step moves another's stream."""
        import jax

        key = jax.random.key(self.settings["seed"], impl="threefry2x32")
        for at in range(0, 32, 8):
            key = jax.random.fold_in(key, int(self.step.hash[at : at + 8], 16))
        return key

    def named[T](self, registry: Registry[T], field: str, default: str = "") -> T:
        """What the settings name in a registry, if it is as it was when the step was planned.

        Raises
        ------
        InvalidInput
            If there is no such thing, or its file is another here.
        """
        name = self.settings.get(field, default)
        found, source = registry[name], registry.source(name)
        told = (
            f"the file that registers it here (sha256 {source}) is not that of the step: {self.settings.get('source')}"
        )
        Problems.only(source == self.settings.get("source"), field, name, told)
        return found

    @property
    def model(self) -> Ising:
        """Spin model."""
        return model_of(self.step)


def asked[T: Settings](settings: Mapping[str, Any], of: type[T]) -> T:
    """Settings of one class among those of a step, under their section's name; what is left out has its default."""
    return of(**settings[of.__name__.removesuffix("Settings").lower()])


def source_of(registry: Registry[Any], name: str) -> dict[str, str]:
    """What the settings of a step hold that computes with a thing of an extension: the hash of its file."""
    source = registry.source(name)
    return {} if source is None else {"source": source}


def model_of(step: Step) -> Ising:
    """Spin model of a step."""
    from rbmflow.lattice import Square
    from rbmflow.model import Ising

    return Ising(Square(asked(step.settings, ModelSettings).length))


type Compute = Callable[[Task], Any]
type Together = Callable[[Sequence[Task]], list[Any]]
type Along = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Kind:
    """A kind of step, as `step` makes it."""

    name: str
    version: int
    compute: Compute
    rows: str
    along: Along
    together: Together | None
    apart: str | None

    def step(self, name: str, settings: Mapping[str, Any], *parents: Step) -> Step:
        """Return a step of this kind under a name for people."""
        return Step(self.name, name, settings, parents, self.version)

    def holds(self, settings: Mapping[str, Any]) -> Expected:
        """What the data of a step with these settings must hold."""
        return Expected(self.rows, {**lattice_sizes(settings), **self.along(settings)})


def step(
    *,
    version: int,
    holds: str,
    along: Along = lambda settings: {},
    together: Together | None = None,
    apart: str | None = None,
) -> Callable[[Compute], Kind]:
    """Make a function a kind of step, which has its name.

    The function takes the labelled data of the parents and gives labelled data. Data hold no names for people: the same
    step is called otherwise in other runs.

    Parameters
    ----------
    version
        Number of its code, a part of the hash: raised whenever the same settings give other numbers.
    holds, along
        What the data must hold, as `Expected` says it, besides the lengths that the lattice decides.
    together
        Computes steps of one `group`, as the function does one by one but for rounding; None if it cannot.
    apart
        The setting in which steps of one `group` differ.
    """

    def register(compute: Compute) -> Kind:
        return KINDS.add(compute.__name__, Kind(compute.__name__, version, compute, holds, along, together, apart))

    return register


def compute(step: Step, parents: tuple[xr.Dataset, ...], work: Path, progress: Callable[[float], None]) -> xr.Dataset:
    """Run one step; see `Task` for what it takes.

    Returns
    -------
    xr.Dataset
        The result; quality flags are in `attrs["flags"]`, a JSON list of {"what", "message"}.
    """
    return KINDS[step.kind].compute(Task(step, parents, work, progress))


def compute_together(
    steps: Sequence[Step], parents: tuple[xr.Dataset, ...], progress: Callable[[float], None]
) -> list[xr.Dataset]:
    """Run steps of one `group` at once; they share the data of their parents, and cannot go on after a kill."""
    together = KINDS[steps[0].kind].together
    assert together is not None, f"steps of the kind {steps[0].kind} stand alone"
    return together([Task(step, parents, Path(), progress) for step in steps])


def group(step: Step) -> str | None:
    """Label that steps have in common which `compute_together` can compute at once; None if it must stand alone."""
    kind = KINDS[step.kind]
    if kind.together is None:
        return None
    shared = {name: value for name, value in step.settings.items() if name != kind.apart}
    return json.dumps([step.kind, step.version, shared, [parent.hash for parent in step.parents]], sort_keys=True)


def flagged(dataset: xr.Dataset, *flags: tuple[str, str]) -> xr.Dataset:
    """Data with quality flags, each the kind of doubt and a sentence."""
    return dataset.assign_attrs(flags=json.dumps([{"what": what, "message": text} for what, text in flags]))


def lattice_sizes(settings: Mapping[str, Any]) -> dict[str, int]:
    """Lengths of the dimensions that the lattice of a step decides."""
    if "model" not in settings:
        return {}
    side = asked(settings, ModelSettings).length
    half = side // 2 + 1
    return {"y": side, "x": side, "dy": half, "dx": half, "visible": side**2}


def of_run(spec: Spec) -> dict[str, Any]:
    """The settings that every step has which draws random numbers: the root seed and the spin model."""
    return {"seed": spec.seed, "model": spec.model.differing()}
