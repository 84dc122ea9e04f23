"""Runs that are there, opened in a line: results, machines, flows and draws of a run, and the points of a sweep."""

from __future__ import annotations

import functools
import html
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rbmflow._checks import InvalidInput, Problem, Problems, one_of
from rbmflow.execute import manifest, recording
from rbmflow.settings import start_label
from rbmflow.store import Address, Damaged, Step, Store, ancestry, parcels

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from rbmflow.claims import Verdict
    from rbmflow.dataset import Draws
    from rbmflow.flow import Flow
    from rbmflow.maps import Map
    from rbmflow.rbm import RBM
    from rbmflow.spec import Point
    from rbmflow.training import Epochs, History


def results_address(record: dict[str, Any]) -> Address:
    """Where the results of a run are in a store: they are its last step."""
    last = record["steps"][-1]
    return Address(last["kind"], last["hash"])


def results_of(record: dict[str, Any], store: Store) -> xr.Dataset:
    """Read the results of a run; `InvalidInput` if they are not there."""
    try:
        return store.read(results_address(record))
    except Damaged as damage:
        allowed = f"its results must be there ({damage.reason}); `rbmflow run` with its spec computes them"
        raise InvalidInput(Problem("run", record["run"], allowed)) from damage


class Standing(NamedTuple):
    """A point of a sweep as it stands in the store."""

    record: dict[str, Any]
    values: dict[str, Any]
    results: xr.Dataset | None
    """None where they are not there yet."""
    left: int
    """Steps that are still to be computed for them."""


def points_of(record: dict[str, Any], store: Store, computed: Collection[Step] | None = None) -> Iterator[Standing]:
    """Every point of a sweep; `computed` is given where the records of finished points are to be written."""
    known = manifest.read(store.run_folder(record["run"]))
    started = datetime.fromisoformat(record["started"])
    for row, point in zip(record["points"], _specs(record, known), strict=True):
        steps = ancestry(known[row["results"]])
        of_point = recording.kept(row["run"], store) or {"run": row["run"], "started": record["started"]}
        try:
            results = store.read(steps[-1])
        except Damaged:
            left = sum(store.state(step) != "done" for step in steps)
            yield Standing(of_point, row["values"], None, left)
            continue
        if computed is not None and not recording.finished(of_point):
            of_point = recording.finish(point.spec, steps, store, started, 0.0, computed)
        yield Standing(of_point, row["values"], results, 0)


def _specs(record: dict[str, Any], known: Mapping[str, Step]) -> tuple[Point, ...]:
    """Points of the spec of a sweep; `InvalidInput` if its record does not fit them and the steps of its manifest."""
    from rbmflow.spec import parse_sweep, parse_toml

    points = parse_sweep(parse_toml(record.get("spec_toml", ""))).points
    rows = record["points"]
    fits = len(points) == len(rows) and all(
        row["results"] in known and row["run"] == recording.run_name(point.spec, [known[row["results"]]])
        for row, point in zip(rows, points, strict=True)
    )
    Problems.only(fits, "run", record["run"], "the points in its run.json must be those of its spec and manifest")
    return points


def open(what: str | os.PathLike[str] = "quick", store: str | os.PathLike[str] = "rbmflow-store") -> Run | Sweep:
    """Open a run, or a sweep, that `rbmflow run` has computed.

    Parameters
    ----------
    what
        The name of its spec (the newest run of that name), its id or the beginning of one; the path of its folder; or
        that of a zip written by `rbmflow publish`, which is verified first.
    store
        Folder of results, where a name or an id is looked for.

    Raises
    ------
    InvalidInput
        If there is no such run, or the file is not whole.

    Examples
    --------
    >>> run = rf.open("quick")  # doctest: +SKIP
    >>> run.results["fixed_point"].sel(machine="V-64")  # doctest: +SKIP
    >>> rf.iterate(0, run.machine("V-64", seed=1), start=run.flow("V-64").spins)  # doctest: +SKIP
    """
    path, place = path_of(what, "what"), path_of(store, "store")
    if path.is_file():
        folder = tempfile.TemporaryDirectory(prefix="rbmflow-")
        there = Store(Path(folder.name) / "store")
        try:
            return opened(there.find_run(parcels.unpack(there, path).run), there, folder)
        except BaseException:
            folder.cleanup()
            raise
    if path.is_dir() and path.parent.name == "runs":
        there = Store(path.parent.parent)
        return opened(there.find_run(path.name), there)
    there = Store(place)
    return opened(there.find_run(str(what)), there)


def path_of(given: str | os.PathLike[str], name: str) -> Path:
    """A path, and nothing else that stands in its place."""
    Problems.only(isinstance(given, str | os.PathLike), name, given, "it must be a text or a path")
    return Path(given)


def opened(record: dict[str, Any], store: Store, kept: Any = None) -> Run | Sweep:
    """A run or a sweep by its record."""
    return (Sweep if "points" in record else Run)(record, store, kept)


class _Opened:
    """What a run and a sweep have in common: a record in a store, results, and figures of them."""

    def __init__(self, record: dict[str, Any], store: Store, kept: Any = None):
        self.record, self.store, self._kept = record, store, kept

    @property
    def name(self) -> str:
        """Id of the run."""
        return self.record["run"]

    @functools.cached_property
    def results(self) -> xr.Dataset:
        """Everything that was measured, as labelled data; each variable has its units and meaning as attributes.

        Of a sweep those of all points that are there, with the swept fields as axes, see `side_by_side`.
        """
        return self._gathered()

    def _gathered(self) -> xr.Dataset:
        raise NotImplementedError

    @functools.cached_property
    def verdicts(self) -> list[Verdict]:
        """What its machines say of every claim."""
        from rbmflow.claims import verdicts

        return verdicts(*self._of_points())

    def _of_points(self) -> list[xr.Dataset]:
        """Results of the run, or of the points of the sweep that are there."""
        return [self.results]

    def plot(self, figure: str = "", *, width: str = "page", **chosen: Any) -> Figure:
        """Draw a figure of the report by its name, of all machines or of what is chosen.

        Parameters
        ----------
        figure
            One of `rbmflow.figures.FIGURES`; where flows end if not given.
        width
            As of `rbmflow.figures.Plot`: "page", or "column" of a journal.
        chosen
            Entries of axes of the results, such as `machine="V-64"`.
        """
        from rbmflow.figures import FIGURES

        return FIGURES[figure or self._lead](self.results, width=width, **chosen)

    _lead = "flow_ends"

    def __repr__(self) -> str:
        sizes = ", ".join(f"{count} {axis}s" for axis, count in self.results.sizes.items() if axis in self._told)
        return f"{type(self).__name__}({self.name!r}: {sizes})"

    _told: tuple[str, ...] = ("machine", "seed", "start", "thermometer")

    def _repr_html_(self) -> str:
        from rbmflow.figures import to_svg

        return f"<p><code>{self.name}</code></p>{to_svg(self.plot(), self.name)}"


class Run(_Opened):
    """A run that is there, see `open`."""

    def _gathered(self) -> xr.Dataset:
        return results_of(self.record, self.store)

    @property
    def page(self) -> Path:
        """Path of its report."""
        return self.store.run_folder(self.name) / "report.html"

    @functools.cached_property
    def answer(self) -> list[str]:
        """Whether its flows go to T_c and where its machines are, in sentences."""
        from rbmflow.claims import answer

        return answer(self.results)

    def _repr_html_(self) -> str:
        told = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.answer)
        page = html.escape(str(self.page))
        return f'<ul>{told}</ul>{super()._repr_html_()}<p>Report: <a href="{page}">{page}</a></p>'

    @functools.cached_property
    def draws(self) -> Draws:
        """The configurations that its machines have learnt from."""
        from rbmflow.dataset import Draws

        return Draws.from_dataset(self._read("draws"))

    def machine(self, name: str, seed: int = 0) -> RBM | Map:
        """A machine, or another map, by its name in the results, such as "V-64", and the number of its training."""
        from rbmflow.rbm import RBM
        from rbmflow.spec import parse, parse_toml
        from rbmflow.spin_models import from_settings
        from rbmflow.steps.restoring import restored

        found = self._of_machine(name, seed)
        if "made" not in found.attrs:
            return RBM.from_dataset(found)
        spec = parse(parse_toml(self.record["spec_toml"]))
        trained, diverged = restored(found, from_settings(spec.model, spec.lattice), spec.flow.halves)
        Problems.only(not diverged, "machine", name, "its training must not have diverged")
        return trained

    def history(self, name: str, seed: int = 0) -> History | Epochs:
        """What was seen along the training of a machine; of a map that is no RBM its epochs alone, see `train_map`."""
        import jax
        import numpy as np

        from rbmflow.training import Epochs, History

        found = self._of_machine(name, seed)
        if "made" not in found.attrs:
            return History.from_dataset(found)
        # The largest weight is told of RBMs alone.
        norm = found["weight_norm"].values
        rows = found["reconstruction"].values, norm, np.full_like(norm, np.nan)
        done = found.attrs.get("plateau_after")
        return Epochs(*(jax.device_put(row[:done].astype(np.float32)) for row in rows))

    def flow(self, name: str, start: str | float = "cold", seed: int = 0) -> Flow:
        """The flow of a machine from one of the starts of the run, at the iterations whose configurations were kept."""
        from rbmflow.flow import Flow

        label = f"flow {name} seed {seed} {start_label(start)}"
        machine = self._artifact(name, seed)
        flows = [step for step in self._steps.values() if step.kind == "flow" and step.parents[0].hash == machine]
        found = [step for step in flows if start_label(step.settings["start"]) == start_label(start)]
        starts = ", ".join(repr(step.settings["start"]) for step in flows)
        Problems.only(bool(found), "start", start, f"it must be one of {starts}")
        kept = self._read(found[0], label)[["spins"]]
        return Flow.from_dataset(kept.rename(snapshot="iteration"))

    @functools.cached_property
    def _steps(self) -> dict[str, Step]:
        return manifest.read(self.store.run_folder(self.name))

    def _artifact(self, name: str, seed: int) -> str:
        """Hash of a machine; types that share one share their machines, each under its own name."""
        rows = self._steps[self.record["steps"][-1]["hash"]].settings["machines"]
        found = [row["artifacts"] for row in rows if name in (row["label"], *row["label"].split(" = "))]
        Problems.only(bool(found), "machine", name, one_of(name, (row["label"] for row in rows)))
        count = len(found[0])
        Problems.only(seed in range(count), "seed", seed, f"it must be a whole number from 0 to {count - 1}")
        return found[0][seed]

    def _of_machine(self, name: str, seed: int) -> xr.Dataset:
        return self._read(self._steps[self._artifact(name, seed)], f"machine {name} seed {seed}")

    def _read(self, step: Step | str, told: str = "") -> xr.Dataset:
        """Data of a step, or of the first of a kind."""
        if isinstance(step, str):
            step, told = next(one for one in self._steps.values() if one.kind == step), step
        try:
            return self.store.read(step)
        except Damaged as damage:
            gone = "`rbmflow run` computes it, and `rbmflow publish --flows` puts flows into a zip"
            reason = gone if self.store.state(step) == "missing" else damage.reason
            allowed = f"it must be in the store or the zip ({reason})"
            raise InvalidInput(Problem(told, self.name, allowed)) from damage


class Sweep(_Opened):
    """A sweep that is there, or as much of it as is, see `open`; `sweep[number]` is the run of a point."""

    _lead, _told = "swept_temperatures", ("point", "machine", "seed", "start", "thermometer")

    @functools.cached_property
    def points(self) -> tuple[Standing, ...]:
        """Every point, with the values of the swept fields and what of it is there."""
        return tuple(points_of(self.record, self.store))

    def _of_points(self) -> list[xr.Dataset]:
        return [point.results for point in self.points if point.results is not None]

    def _gathered(self) -> xr.Dataset:
        there = [(point.values, point.results) for point in self.points if point.results is not None]
        Problems.only(bool(there), "run", self.name, "one of its points must be there")
        return side_by_side([values for values, _ in there], [results for _, results in there])

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, number: int) -> Run:
        return Run(self.points[number].record, self.store, self._kept)


def side_by_side(values: Sequence[Mapping[str, Any]], results: Sequence[xr.Dataset]) -> xr.Dataset:
    """Lay the results of points of a sweep side by side, with the swept fields as axes; NaN where one lacks something.

    A field whose values are lists or tables is an axis of their texts; one that is called as an axis of the results is
    has `spec.` before its name. Where the points are no product of the values of their fields, they stand on one axis,
    `point`, and the fields are coordinates along it. Machines whose hidden units are swept are called by their types.
    """
    import numpy as np
    import xarray as xr

    from rbmflow.spec import fields

    named = all(len(set(one["machine_type"].values.tolist())) == one.sizes["machine"] for one in results)
    alike = len({tuple(one["machine"].values.tolist()) for one in results}) == 1
    rows = []
    for one in results:
        if named and not alike:
            one = one.assign_coords(machine=("machine", one["machine_type"].values, one["machine"].attrs))
        # Axes of other lengths can be joined where their entries are counted.
        rows.append(one.assign_coords({axis: np.arange(n) for axis, n in one.sizes.items() if axis not in one.indexes}))
    counted = {axis for row, one in zip(rows, results, strict=True) for axis in set(row.indexes) - set(one.indexes)}
    coordinates = dict.fromkeys(name for one in rows for name in one.coords if name not in one.indexes)
    apart = [
        name for name in coordinates if not all(name in one and one[name].equals(rows[0].get(name)) for one in rows)
    ]
    # As variables, since xarray tells no coordinates apart that a point may lack.
    rows = [one.reset_coords([name for name in apart if name in one]) for one in rows]
    asked = {"join": "outer", "combine_attrs": "drop_conflicts", "coords": "minimal", "compat": "override"}
    whole = xr.concat(rows, "point", data_vars="all", **asked).drop_vars(counted).set_coords(apart)  # pyright: ignore
    meanings = {field.name: field.meaning for field in fields()}
    axes, count = [], 1
    for field in values[0]:
        column = [one[field] for one in values]
        told = column if all(isinstance(value, int | float | str) for value in column) else list(map(str, column))
        about = {"long_name": meanings.get(field, field).rstrip("."), "units": "1"}
        name = f"spec.{field}" if field in whole.variables else field
        whole = whole.assign_coords({name: ("point", told, about)})
        axes.append(name)
        count *= len(set(told))
    whole.attrs["swept"] = axes
    if count != len(values):
        return whole
    return whole.swap_dims(point=axes[0]) if len(axes) == 1 else whole.set_index(point=axes).unstack("point")
