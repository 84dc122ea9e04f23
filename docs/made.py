"""Tables of these pages that are made from the package when they are built, so that they cannot differ from it."""

from pathlib import Path

from rbmflow._variables import RESULTS, STUDY
from rbmflow.claims import CLAIMS
from rbmflow.claims.declaration import TABLES
from rbmflow.figures import FIGURES
from rbmflow.report.summary import END
from rbmflow.spectrum import MEASURES
from rbmflow.steps.kinds.spectrum_step import FINAL_MEASURES

MADE = Path(__file__).parent / "made"


def table(header, rows):
    """Lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    told = [[str(cell).replace("|", "\\|").replace("*", "\\*") for cell in line] for line in lines]
    return "".join("| " + " | ".join(line) + " |\n" for line in told)


def claims(module):
    """The claims of one module of `rbmflow.claims`, with their rules."""
    there = [claim for claim in CLAIMS.values() if claim.judge.__module__ == f"rbmflow.claims.{module}"]
    header = ("id", "claim", "source", "observable", "supports", "contradicts")
    return table(header, [(f"`{c.id}`", c.words, c.source, *c.in_full) for c in there])


def figures():
    """Every figure, what it shows, and the variables that it needs."""
    rows = [(f"`{f.name}`", f.page, f.shows, ", ".join(f"`{name}`" for name in f.needs)) for f in FIGURES.values()]
    return table(("figure", "of a", "shows", "needs"), sorted(rows))


def variables(declared):
    """Every variable of a dataset: axes, units, name and meaning."""
    told = {name: "; ".join(filter(None, (one.long_name, one.meaning))) for name, one in declared.items()}
    rows = [(f"`{name}`", " ".join(one.dims), one.units, told[name]) for name, one in declared.items()]
    return table(("variable", "axes", "units", "what it is"), rows)


def of_ends():
    """What `show --json` tells of the end of a flow."""
    rows = [(f"`{key}`", RESULTS[name].meaning or RESULTS[name].long_name, f"`{name}`") for key, name in END.items()]
    return table(("key", "value", "variable"), rows)


def measures():
    """The numbers that sum up the weights."""
    return table(("name", "meaning"), [(f"`{name}`", meaning) for name, meaning in (MEASURES | FINAL_MEASURES).items()])


PAGES = {f"claims-{name}": lambda name=name: claims(name) for name in TABLES}
PAGES |= {"figures": figures, "ends": of_ends, "measures": measures}
# The first that is of machines, and not of flows, in the order in which they are declared.
OF_MACHINES = list(RESULTS).index("reconstruction")
PAGES |= {
    "results": lambda: variables(dict(list(RESULTS.items())[:OF_MACHINES])),
    "results-of-machines": lambda: variables(dict(list(RESULTS.items())[OF_MACHINES:])),
    "study": lambda: variables(STUDY),
}


def write():
    """Write every table; the pages include them."""
    MADE.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (MADE / f"{name}.md").write_text(make(), encoding="utf-8")
