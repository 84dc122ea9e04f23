r"""The tables of a run for LaTeX: one file a table, for `booktabs`, and one macro a number, so that nobody retypes."""

import unicodedata

import xarray as xr

from rbmflow.report import tables
from rbmflow.report.page import identifier

_HEAD = r"""% Written by rbmflow report --latex.
% \rbmflow{ends:v-64:cold:t-e} is a number of the table `ends`: its row, its column.
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


def latex(results: xr.Dataset) -> dict[str, str]:
    """Return the tables as texts by the names of their files, and `numbers.tex` with a macro for each cell."""
    made = {"ends": tables.ends_table, "drifts": tables.drift_table, "settling": tables.settling_table}
    made |= {"off": tables.off_table, "weights": tables.measures_table, "likelihood": tables.likelihood_table}
    texts, numbers = {}, [_HEAD]
    for name, make in made.items():
        header, rows = make(results)
        if not rows:
            continue
        labels = 2 if header[:2] == ["machine", "start"] else 1
        columns = "l" * labels + "r" * (len(header) - labels)
        lines = [" & ".join(map(_plain, line)) + r" \\" for line in (header, *rows)]
        body = "\n".join([lines[0], r"\midrule", *lines[1:]])
        texts[f"{name}.tex"] = f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
        for row in rows:
            for heading, cell in zip(header[labels:], row[labels:], strict=True):
                key = ":".join(map(identifier, (name, *row[:labels], heading)))
                numbers.append(f"\\expandafter\\def\\csname rbmflow:{key}\\endcsname{{{_plain(cell)}}}\n")
    return texts | {"numbers.tex": "".join(numbers)}
