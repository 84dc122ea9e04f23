"""What is told of a run, as it was noted beside its record, and the files that were handed over to it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbmflow import __version__
from rbmflow._checks import plain
from rbmflow._files import read_bytes, to_json, write_text
from rbmflow._registry import load_files
from rbmflow.execute import recording
from rbmflow.runs import results_address, results_of
from rbmflow.store import Damaged, Store, parse_record
from rbmflow.store.records import Numbers, read_record

if TYPE_CHECKING:
    import xarray as xr


def bring(files: Iterable[str], record: dict[str, Any], store: Store) -> tuple[str, ...]:
    """Run the files that were handed over to a run, from its folder, and those that are handed over now.

    One of the same name that is handed over now takes the place of the recorded one.
    """
    by_name = {Path(file).name: file for file in (*recording.files_of(record, store), *files)}
    for row in record.get("extensions", ()):
        if row["name"] not in by_name:
            told = f"{row['name']} was handed over to this run and is not in its folder: --with FILE does so again"
            print(plain(told), file=sys.stderr)
    load_files(by_name.values())
    return tuple(by_name.values())


_NUMBERS = "numbers.json"
"""Note in the folder of a run: reading results takes the libraries of labelled data, which take a second to import."""


def numbers_of(record: dict[str, Any], store: Store) -> Numbers:
    """What is told of a run: as it was noted, else from its results; `InvalidInput` if they are not there."""
    return noted(record, store) or _numbers(results_of(record, store), record, store)


def noted(record: dict[str, Any], store: Store) -> Numbers | None:
    """The numbers of a run that `note` has written, if they are of its results and record as they are now."""
    found = read_record(Numbers, store.run_folder(record["run"]) / _NUMBERS)
    try:
        return found if isinstance(found, dict) and found["of"] == _sources(record, store) else None
    except (Damaged, OSError):
        return None


def note(results: xr.Dataset, record: dict[str, Any], store: Store, answer: Sequence[str] | None = None) -> None:
    """Write down what is told of a run, with its answer where that is known."""
    write_text(store.run_folder(record["run"]) / _NUMBERS, to_json(_numbers(results, record, store, answer)))


def _numbers(results: xr.Dataset, record: dict[str, Any], store: Store, answer: Sequence[str] | None = None) -> Numbers:
    from rbmflow import report
    from rbmflow.steps import answer_of

    header, rows = report.ends_table(results)
    answer = answer_of(results) if answer is None else answer
    numbers = report.summary(results, record) | {"answer": answer}
    found = {"of": _sources(record, store), "summary": numbers, "ends": [header, *rows]}
    return parse_record(Numbers, to_json(found))  # The same whether it was noted or not.


def _sources(record: dict[str, Any], store: Store) -> str:
    """Hash of what numbers come from: the results, the record, and the code that reads them."""
    results = store.fingerprint(results_address(record))
    written = read_bytes(store.run_folder(record["run"]) / "run.json")
    return sha256(f"{__version__} {results} ".encode() + written).hexdigest()
