"""The trial of one machine: the run of a spec whose one type is a machine that came in as a value."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import Temperatures, temperatures_of
from rbmflow._files import make_folder, write_bytes
from rbmflow._hdf5 import to_bytes
from rbmflow._scan import watched
from rbmflow.cli.pages import write_page
from rbmflow.execute import Event, ExecutionFailed, recording, run
from rbmflow.execute.performing import Perform, Science
from rbmflow.maps import Gibbs, MachineKind, Map, host, map_of
from rbmflow.model import Model, model_of
from rbmflow.rbm import RBM
from rbmflow.runs import Run, path_of
from rbmflow.settings import (
    GIVEN,
    MACHINES,
    PAPER_GRID,
    MachineSettings,
    SamplingSettings,
    TrainingSettings,
    TypeSettings,
)
from rbmflow.spec import Spec
from rbmflow.spin_models import settings_of
from rbmflow.steps import graph
from rbmflow.store import Step, Store, ancestry
from rbmflow.units import units_named

_OWN = frozenset({"name", "seed", "seeds", "types", "model", "lattice", "machine"})
"""Fields of a spec that follow from the machine and its model."""


def judge(
    machine: Any,
    model: Model,
    *,
    name: str = "judged",
    temperatures: Temperatures = PAPER_GRID,
    seed: int = 0,
    store: str | os.PathLike[str] = "rbmflow-store",
    workers: int = 1,
    **sections: Any,
) -> Run:
    """Judge a machine as a run does: flows from cold, hot and 2.25, thermometers, null, off-manifold test, convergence.

    It is the run of a spec of this one machine, whose page is `run.page`; `run.results` and `run.answer` are its
    numbers. What does not depend on the machine stays in the store, so that the next one takes less time.

    Parameters
    ----------
    machine
        An `RBM`, see `RBM.read`, or several that were trained independently, from which errors come then; a map, see
        `Map`; or a function `function(generator, spins) -> spins` of arrays of NumPy, see `host`.
    model
        The model whose temperatures are read, one that a spec can name.
    name
        Name of the run and of the machine: letters, digits, - and _.
    temperatures
        Those of the configurations that it has learnt from, for the null: what a perfect machine gives.
    seed
        Root seed of every random stream.
    store
        Folder of results, as of `open`.
    workers
        Processes at work; a map that is no RBM is iterated in this one.
    sections
        Sections of a spec that are not as usual, such as `flow=FlowSettings(iterations=100)`.

    Raises
    ------
    InvalidInput
        If the machine does not fit the model, or a setting is not allowed.
    ExecutionFailed
        If the map fails: at which step, and what it says; what does not depend on it stays in the store.

    Examples
    --------
    >>> run = rf.judge(rf.RBM.read("mine.pt", units="0/1"), rf.ising(rf.square(10)), name="mine")  # doctest: +SKIP
    >>> run.answer  # doctest: +SKIP
    ['mine-64 is not shown to rest: T(E) = 2.5(1) from cold, ...']
    """
    started, clock, there = datetime.now(UTC), time.perf_counter(), Store(path_of(store, "store"))
    about, lattice = settings_of(model_of(model))
    machines = _machines_of(machine, model)
    kind = f"{GIVEN}{uuid.uuid4().hex[:12]}"
    problems, free = Problems(), sorted({one.name for one in fields(Spec)} - _OWN)
    workers = problems.whole("workers", workers, 1)
    for section in sections:
        problems.one_of("section", section, free)
    problems.done()
    own: dict[str, Any] = {"temperatures": temperatures_of(temperatures)}
    files: dict[str, bytes] = {}
    if all(isinstance(one, RBM) for one in machines):
        asked, files = _settings_of(machines[0]), _files_of(machines, there.path)
        own |= {"machine": "file", "machine_units": asked.units, "machine_files": tuple(files)}
        lent = nullcontext(asked)
    else:
        lent = _lent(kind, machines[0])
    with lent as asked:
        usual = {"sampling": SamplingSettings(PAPER_GRID), "model": about, "lattice": lattice, "machine": asked}
        usual["training"] = TrainingSettings(epochs=1, batch=1)  # Nothing is trained.
        spec = Spec(name, seed, len(machines), types={name: TypeSettings(**own)}, **usual | sections)
        there.prepare()
        for path, content in files.items():
            make_folder(Path(path).parent)
            write_bytes(Path(path), content)
        steps = graph(spec)
        computed = _compute(steps, there, workers)
        record = recording.finish(spec, steps, there, started, time.perf_counter() - clock, computed)
    write_page(record, there)
    return Run(record, there)


def _machines_of(given: Any, model: Model) -> Sequence[Any]:
    """The machine, or those that were trained independently; of one in units that no spec can name its map."""
    several = list(given) if isinstance(given, list | tuple) else [given]
    Problems.only(not isinstance(given, type), "machine", given, "it must be a machine, and this is a class")
    if len(several) == 1 and not isinstance(several[0], RBM):
        one: Any = several[0]
        return [map_of(one if isinstance(one, Map) or not callable(one) else host(one, model.states))]
    rbms = bool(several) and all(isinstance(one, RBM) for one in several)
    Problems.only(rbms, "machine", type(given).__name__, "it must be a machine, a map, a function, or a list of RBMs")
    for one in several:
        one.require_lattice("model", model.lattice.shape)
        states, told = one.units.states, f"its sites must have those of the model, {model.states}"
        Problems.only(states == model.states, "states of the machine", states, told)
        Problems.only(one.finite, "weights", "not finite", "all weights and biases must be finite numbers")
    alike = len({(one.units, one.hidden_units, one.weights.shape) for one in several}) == 1
    Problems.only(alike, "machine", len(several), "machines in a list must have the same units and sizes")
    try:
        _settings_of(several[0])
    except InvalidInput:
        return [Gibbs(several[0])]
    return several


def _settings_of(machine: RBM) -> MachineSettings:
    """Settings that have the units of a machine."""
    hidden, states = machine.hidden_units, machine.units.states
    for code in ("one-hot", "clock", "labels"):
        if hidden == units_named(hidden.name) and machine.units == units_named(hidden.name, states, code):
            return MachineSettings(units=hidden.name, code=code)  # pyright: ignore[reportArgumentType]
    raise InvalidInput(Problem("units", machine.units.name, "they must be such as a spec can name"))


def _files_of(machines: Iterable[RBM], store: Path) -> dict[str, bytes]:
    """Files that machines will have in the store by their paths, each under the hash of its content."""
    contents = [to_bytes(one.to_dataset()) for one in machines]
    return {str(store / "given" / f"{hashlib.sha256(one).hexdigest()[:16]}.nc"): one for one in contents}


@contextmanager
def _lent(kind: str, given: Map) -> Iterator[MachineSettings]:
    """A map under a name that a spec can have, for as long as it is judged."""
    MACHINES.add(kind, MachineKind(lambda key, model, settings: given, None))
    try:
        yield MachineSettings(kind=kind)
    finally:
        MACHINES.remove(kind)


def _compute(steps: Sequence[Step], store: Store, workers: int) -> set[Step]:
    """Compute what is missing, the steps of a map in this process, and return what was computed."""
    here: set[Step] = set()
    for step in steps:
        if step.kind == "learner" or here.intersection(step.parents):
            here.add(step)
    computed, told = set[Step](), watched(None, "judge")

    def tell(event: Event) -> None:
        if event.what == "done" and event.step is not None:
            computed.add(event.step)
        told(min(0.99, (len(computed) + event.fraction) / len(steps)))

    run([step for step in steps if step not in here], store, workers, tell, name=None)
    perform = Perform(str(store.path), Science("rbmflow.steps"))
    for step in filter(here.__contains__, steps):
        [outcome] = perform([step])
        if outcome.what != "done":
            raise ExecutionFailed([(step, outcome.reason)], sum(step in ancestry(one) for one in steps) - 1)
        computed.add(step)
        told(len(computed) / len(steps))
    told(1.0)
    return computed
