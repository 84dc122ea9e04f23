"""The report of a run: one HTML page for people, one summary for programs, one table for both."""

from rbmflow.report.document import render as render, write as write
from rbmflow.report.illustrations import (
    Drawing as Drawing,
    draw_all as draw_all,
    plots_of as plots_of,
    sayings as sayings,
)
from rbmflow.report.paper_numbers import numbers_table as numbers_table
from rbmflow.report.summary import flags as flags, summary as summary
from rbmflow.report.sweep_page import sweep_table as sweep_table, write_sweep as write_sweep
from rbmflow.report.tables import ends_table as ends_table, rest_table as rest_table
from rbmflow.report.typesetting import latex as latex
