"""What a terminal is told: one console, and foreign text without what a terminal would obey."""

import sys

from rich.console import Console
from rich.markup import escape

from rbmflow._checks import plain


def console() -> Console:
    """The console of tables; a pipe gets them wide enough not to be cut."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def cell(text: object) -> str:
    """Text for a cell of a table, shown as it stands."""
    return escape(plain(text))
