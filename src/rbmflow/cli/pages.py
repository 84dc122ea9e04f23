"""Reports of runs, and of sweeps with their points, as HTML: `rbmflow report`, and the end of `rbmflow run`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbmflow._checks import InvalidInput, Problems, plain
from rbmflow._files import filled, write_text
from rbmflow.cli.fitting import default_workers
from rbmflow.cli.points import bring, note, noted
from rbmflow.execute import manifest
from rbmflow.execute.children import Children, Lost
from rbmflow.execute.performing import Science
from rbmflow.runs import opened, points_of, results_address, results_of, side_by_side
from rbmflow.store import Address, Step, Store

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.figures import Plot
    from rbmflow.report import Drawing

MOST_REPORTS = 40
"""Points of a sweep up to which each has its report drawn; that takes as long as a small machine."""


def report(arguments: argparse.Namespace) -> int:
    """Write the report of a run anew."""
    store = Store(arguments.store)
    record = store.find_run(arguments.run)
    files = bring(arguments.files, record, store)
    if arguments.figures is not None:
        return _write_figures(record, store, Path(arguments.figures), arguments.format, arguments.width)
    if arguments.latex is not None:
        return _write_tables(record, store, Path(arguments.latex))
    store.prepare()
    print(plain(write_page(record, store, default_workers(), files)))
    return 0


def _write_figures(record: dict[str, Any], store: Store, folder: Path, form: str, width: str) -> int:
    """Write every figure of a run, or of the points of a sweep, as a file of its own, and print their names."""
    from rbmflow import report

    results, page = (
        (opened(record, store).results, "points") if "points" in record else (results_of(record, store), "run")
    )
    folder.mkdir(parents=True, exist_ok=True)
    for plot in report.plots_of(page):
        if missing := plot.missing(results):
            print(plain(missing), file=sys.stderr)
            continue
        for number, (_, part) in enumerate(plot.parts(results), 1):
            path = folder / f"{plot.name}-{number}.{form}"
            plot(part, width=width).savefig(path, dpi=300)
            print(plain(path))
    return 0


def _write_tables(record: dict[str, Any], store: Store, folder: Path) -> int:
    """Write the tables of a run for LaTeX."""
    from rbmflow import report

    Problems.only("points" not in record, "run", record["run"], "it must be a run; a sweep has one for each point")
    texts = report.latex(results_of(record, store))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
        print(plain(folder / name))
    return 0


def write_page(
    record: dict[str, Any],
    store: Store,
    processes: int = 1,
    files: tuple[str, ...] = (),
    computed: Collection[Step] = (),
) -> Path:
    """Write the report of a run, or those of a sweep and its points, from the results in the store; return its path.

    So many processes may be at work, which are handed the files. `computed` are the steps that this call has computed.
    """
    page = store.run_folder(record["run"]) / "report.html"
    if "points" not in record:
        write_run(page, record, store, processes, files)
        return page
    from rbmflow import report
    from rbmflow.steps import machines_side_by_side, verdicts_of

    rows, wanted, there = [], {}, []
    few = len(record["points"]) <= MOST_REPORTS
    for point in points_of(record, store, computed):
        row = {"run": point.record["run"], "values": point.values, "left": point.left, "summary": None}
        if point.results is not None:
            row["summary"] = report.summary(point.results, point.record)
            there.append(point.results)
            of_point = store.run_folder(point.record["run"]) / "report.html"
            row["report"] = few or filled(of_point)
            if few and not (filled(of_point) and noted(point.record, store)):
                wanted[of_point] = point.record
        rows.append(row)
    _draw(wanted, store, processes, Science("rbmflow.report", files))
    machines = machines_side_by_side(*there) if there else None
    swept = _swept([row["values"] for row in rows if row["summary"]], there) if there else None
    report.write_sweep(page, record, rows, verdicts_of(*there) if there else [], machines, swept)
    return page


def _swept(values: Sequence[Mapping[str, Any]], results: Sequence[xr.Dataset]) -> xr.Dataset | None:
    """What the figures of a sweep's points need of their results, with the swept fields as axes; None without such."""
    from rbmflow import report

    needed = {name for plot in report.plots_of("points") for name in plot.needs}
    if not needed:
        return None
    return side_by_side(values, [one[[name for name in needed if name in one]] for one in results])


def write_run(
    page: Path, record: dict[str, Any], store: Store, processes: int = 1, files: tuple[str, ...] = ()
) -> None:
    """Write the report of one run, with a verdict on every claim, and note its numbers.

    A second process may draw figures from the last on, while this one draws from the first, until they meet.
    """
    science = Science("rbmflow.report", files)
    there = science, results_address(record), str(store.path)
    with contextlib.closing(Children(1, science)) as crew:
        if processes > 1:  # Before anything heavy is imported here: it takes its time to begin.
            crew.submit(_begin_there, *there)
        from rbmflow import report
        from rbmflow.steps import answer_of, verdicts_of

        names = [plot.name for plot in report.plots_of("run")] if processes > 1 else []
        theirs = {name: crew.submit(draw_there, name, *there) for name in reversed(names)}

        def draw(
            results: xr.Dataset, plots: Sequence[Plot], words: Mapping[str, str]
        ) -> tuple[list[Drawing], list[str]]:
            ours = (plot for plot in plots if plot.name not in theirs or theirs[plot.name].cancel())
            drawn, left_out = report.draw_all(results, ours, words)
            for plot in plots:
                if plot.name in theirs and not theirs[plot.name].cancelled():
                    try:
                        others = theirs[plot.name].result()
                    except Lost:  # What has kept it from drawing is told here, if it was the figure.
                        others = report.draw_all(results, [plot], words)
                    drawn, left_out = drawn + others[0], left_out + others[1]
            order = [plot.name for plot in plots]
            return sorted(drawn, key=lambda one: order.index(one.figure)), sorted(left_out)

        results = results_of(record, store)
        verdicts = verdicts_of(results)
        answer, live = answer_of(results, verdicts), _live(record, store)
        note(results, record, store, answer)
        report.write(page, results, record, verdicts, answer=answer, draw=draw, live=live)


def _live(record: dict[str, Any], store: Store) -> xr.Dataset:
    """The machines that the page of a run iterates; none, and a sentence, where its manifest is not whole."""
    import xarray as xr

    from rbmflow.steps import live_of

    try:
        known = manifest.read(store.run_folder(record["run"]))
        return live_of(known[record["steps"][-1]["hash"]], store.read)
    except InvalidInput:
        return xr.Dataset(attrs={"left_out": ["no machine runs in this page: the manifest of the run is not whole"]})


@functools.lru_cache(1)
def _results_there(science: Science, results: Address, store: str) -> xr.Dataset:
    """Results of a run in a child that draws its figures and then ends."""
    science.load()
    gc.disable()
    return Store(store).read(results)


def _begin_there(*there: Any) -> None:
    """Read the results in a child while its master does the same."""
    _results_there(*there)


def draw_there(name: str, *there: Any) -> tuple[list[Drawing], list[str]]:
    """Draw a figure of a run in a child."""
    results = _results_there(*there)
    from rbmflow import report

    plots = [plot for plot in report.plots_of("run") if plot.name == name]
    return report.draw_all(results, plots, report.sayings(results))


def _draw(records: dict[Path, dict[str, Any]], store: Store, processes: int, science: Science) -> None:
    """Write the reports of runs, in processes of their own where several may be at work: each takes its seconds."""
    if min(processes, len(records)) < 2:
        for page, record in records.items():
            write_run(page, record, store)
        return
    with contextlib.closing(Children(processes, science)) as crew:
        answers = [crew.submit(_write_there, science, page, record, store) for page, record in records.items()]
        for record, answer in zip(records.values(), answers, strict=True):
            try:
                answer.result()
            except Lost as lost:
                print(plain(f"the report of {record['run']} was not written: {lost}"), file=sys.stderr)


def _write_there(science: Science, page: Path, record: dict[str, Any], store: Store) -> None:
    """Write the report of one run in a child, or raise what has kept its files from being loaded."""
    science.load()
    write_run(page, record, store)
