"""What a terminal is told: one console, and foreign text without what a terminal would obey."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rbmflow._checks import plain

if TYPE_CHECKING:
    import xarray as xr


def console() -> Console:
    """The console of tables; a pipe gets them wide enough not to be cut."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def cell(text: object) -> str:
    """Text for a cell of a table, shown as it stands."""
    return escape(plain(text))


def print_ends(results: xr.Dataset, record: dict[str, Any]) -> None:
    """Print where each flow ended, and the quality flags."""
    from rbmflow import report

    header, rows = report.ends_table(results)
    table = Table(*map(cell, header), title="Temperature at the end of the flows (J/k_B)", title_justify="left")
    for row in rows:
        table.add_row(*map(cell, row))
    console().print(table)
    for flag in report.flags(results, record):
        print(plain(f"flag: {flag['where']}: {flag['message']}"))
