r"""The tables of a run for LaTeX: one file a table, for `booktabs`, and one macro a number, so that nobody retypes."""

import unicodedata

import xarray as xr

from rbmflow.report import tables
from rbmflow.report.page import identifier

_HEAD = r"""% Written by rbmflow report --latex.
% \rbmflow{v-64:cold:energy} is the end of V-64 from cold by T(E), v-64:star:energy its T*,
% v-64:mixture:energy its training mixture.
\newcommand{\rbmflow}[1]{\ifcsname rbmflow:#1\endcsname\csname rbmflow:#1\endcsname
  \else\errmessage{rbmflow has no number #1}\fi}
"""

_SPECIAL = {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}"}
_SPECIAL |= {"|": r"\textbar{}", "<": r"\textless{}", ">": r"\textgreater{}"}
_SPECIAL |= {sign: f"\\{sign}" for sign in "&%$#_{}"}


def _plain(text: str) -> str:
    """Text as LaTeX sets it, for labels may hold anything."""
    return "".join(_SPECIAL.get(sign) or _greek(sign) for sign in text)


def _greek(sign: str) -> str:
    """A Greek letter as a formula, which text of LaTeX does not have; anything else as it is."""
    kind, _, name = unicodedata.name(sign, "").rpartition(" LETTER ")
    cases = {"GREEK SMALL": name.lower(), "GREEK CAPITAL": name.capitalize()}
    return f"$\\{cases[kind]}$" if kind in cases else sign


_CLOSING = dict(zip(tables.CLOSING_ROWS, ("mixture", "star"), strict=True))

_LIKELIHOODS = (
    *("excess", "one-temperature", "law", "share", "as-mixture", "as-star", "tau-energy", "tau-magnetization"),
    *("overlap-energy", "overlap-magnetization", "agree"),
)
"""Columns of the table of likelihoods, by short names."""


def latex(results: xr.Dataset) -> dict[str, str]:
    """Return the tables as texts by the names of their files, and `numbers.tex` with a macro for each cell."""
    thermometers = tables.names(results, "thermometer")
    # What is made of each table: what stands before its keys, and its columns by the names that the results have.
    made = {
        "ends": ("", tables.ends_table, thermometers),
        "drifts": ("drift", tables.drift_table, thermometers),
        "settling": ("relaxation", tables.settling_table, thermometers),
        "off": ("off", tables.off_table, tables.names(results, "feature")),
        "weights": ("weights", tables.measures_table, tables.names(results, "machine")),
        "likelihood": ("likelihood", tables.likelihood_table, _LIKELIHOODS),
    }
    texts, numbers = {}, [_HEAD]
    for name, (before, make, columns) in made.items():
        header, rows = make(results)
        if rows:
            texts[f"{name}.tex"] = _tabular(header, rows)
            labels = len(header) - len(columns)
            called = tables.names(results, "final_measure") if name == "weights" else None
            for place, row in enumerate(rows):
                of_row = [_CLOSING.get(label, label) for label in row[:labels]] if called is None else [called[place]]
                for column, cell in zip(columns, row[labels:], strict=True):
                    key = ":".join(filter(None, map(identifier, (before, *of_row, column))))
                    numbers.append(f"\\expandafter\\def\\csname rbmflow:{key}\\endcsname{{{_plain(cell)}}}\n")
    return texts | {"numbers.tex": "".join(numbers)}


def _tabular(header: list[str], rows: list[list[str]]) -> str:
    """A table as `booktabs` sets it, with numbers to the right."""
    labels = 2 if header[:2] == ["machine", "start"] else 1
    columns = "l" * labels + "r" * (len(header) - labels)
    lines = [" & ".join(map(_plain, line)) + r" \\" for line in (header, *rows)]
    body = "\n".join([lines[0], r"\midrule", *lines[1:]])
    return f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
