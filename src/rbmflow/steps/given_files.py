"""Files that a spec names: their hashes, which stand in the settings of steps, and what plans need to know of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.settings import LatticeSettings, ModelSettings
from rbmflow.steps.kind import content_hash
from rbmflow.steps.kinds.given_step import machine_in

if TYPE_CHECKING:
    from rbmflow.spec import Spec


def given_machines(spec: Spec, name: str) -> list[dict[str, Any]]:
    """Settings of the machines of a type that are in files, which are looked at now, so that nothing starts in vain."""
    kind, found = spec.types[name], []
    about = replace(spec.machine, units=kind.machine_units) if kind.machine_files else spec.machine
    for path in kind.machine_files:
        with _naming(f"types.{name}.machine_files", path):
            sha256 = content_hash(path)
            hidden = machine_in(path, about, kind.machine_axes, spec.model, spec.lattice).weights.shape[1]
            alike = hidden == (found[0]["machine"].hidden if found else hidden)
            Problems.only(alike, "hidden units", hidden, "machines of one type must have as many as the first")
        own = {"machine": replace(about, hidden=hidden), "axes": kind.machine_axes}
        found.append({**own, "file": sha256, "files": {sha256: path}})
    return found


def given_data(spec: Spec, name: str) -> dict[str, Any]:
    """Settings of a step for the data of a type that are in a file; none if they are not."""
    if not (path := spec.types[name].data_file):
        return {}
    with _naming(f"types.{name}.data_file", path):
        sha256 = content_hash(path)
        _look_at(path, sha256, spec.model, spec.lattice, spec.type_temperatures(name), spec.sampling.draws)
    return {"data_file": sha256, "files": {sha256: path}}


@functools.cache
def _look_at(
    path: str,
    sha256: str,
    model: ModelSettings,
    lattice: LatticeSettings,
    temperatures: tuple[float, ...],
    draws: int,
) -> None:
    """Refuse configurations that the step could not use, once for each content, which many machines may share."""
    from rbmflow.data_sources.file import first_of
    from rbmflow.spin_models import from_settings

    first_of(path, from_settings(model, lattice), temperatures, draws)


@contextmanager
def _naming(field: str, path: str) -> Iterator[None]:
    """Tell what is wrong with a file by the field of the spec that names it."""
    try:
        yield
    except InvalidInput as error:
        told = "; ".join(one.allowed if one.field == "path" else str(one) for one in error.problems)
        raise InvalidInput(Problem(field, path, told)) from error
