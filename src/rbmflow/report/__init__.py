"""The report of a run: one HTML page for people, one summary for programs, one table for both."""

from rbmflow.report.document import render, write
from rbmflow.report.illustrations import Drawing, draw_all, plots_of, sayings
from rbmflow.report.paper_numbers import numbers_table
from rbmflow.report.summary import flags, summary
from rbmflow.report.sweep_page import sweep_table, write_sweep
from rbmflow.report.tables import ends_table, rest_table
from rbmflow.report.typesetting import latex

__all__ = [
    "Drawing",
    "draw_all",
    "ends_table",
    "flags",
    "latex",
    "numbers_table",
    "plots_of",
    "render",
    "rest_table",
    "sayings",
    "summary",
    "sweep_table",
    "write",
    "write_sweep",
]
