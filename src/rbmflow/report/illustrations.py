"""Figures drawn for a page: the drawing, its caption, and the numbers behind it."""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray as xr

from rbmflow._checks import in_a_line
from rbmflow.report.page import identifier, packed

if TYPE_CHECKING:
    from rbmflow.figures import Plot

LARGEST_LINK = 1_900_000
"""Characters of a link to numbers; browsers refuse to save a data address of more than 2 MiB."""

MOST_ALIVE = 50
"""Drawings whose objects may be in memory at once, of some megabytes each."""

CLASSIFIERS = {"bayes": "the exact Bayes rule from the energy", "neural": "the neural network"}
"""How classifiers are called in captions; one that is not here is called by its name in quotes."""


@dataclass(frozen=True)
class Drawing:
    """One drawn figure with the numbers behind it."""

    name: str
    """Identifier in the page, start of all ids in the drawing, and file name of the data."""
    figure: str
    section: str
    shows: str
    svg: str
    caption: str
    data: str | None
    """Address that holds the compressed CSV, or None where it would be too long."""
    rows: int
    narrow: str = ""
    """The same for a phone."""


def sayings(results: xr.Dataset) -> dict[str, str]:
    """Return what captions say of seeds, chains and errors of a run."""
    seeds, chains = results.sizes["seed"], int(results["chains"]) if "chains" in results else 0
    n = f"{seeds} seed{'s' if seeds > 1 else ''}"
    joined, of_seeds = f"one standard error of {n} and the chains joined", f"one standard error over {n}"
    return {
        "seeds": str(seeds),
        "n": n,
        "chains": str(chains),
        "bar": joined,
        "band": f"The band is {joined}.",
        "seed_bar": of_seeds if seeds > 1 else "not available (one seed)",
        "seed_bars": f"Error bars: {of_seeds}." if seeds > 1 else "",
        "seed_band": f"The band is {of_seeds}." if seeds > 1 else "There is one seed, so no band.",
    }


def plots_of(page: str, plots: Iterable[Plot] | None = None) -> list[Plot]:
    """Those of the figures, of all that are registered by default, that stand in such a page."""
    from rbmflow.figures import FIGURES

    return [plot for plot in (FIGURES.values() if plots is None else plots) if plot.page == page]


def draw_all(
    data: xr.Dataset, plots: Iterable[Plot], words: Mapping[str, str] | None = None
) -> tuple[list[Drawing], list[str]]:
    """Draw figures of a run or sweep, a part each; a sentence for each left out, as it lacks something or fails.

    Only figures from outside this package may fail: they shall not cost the others. `words` are what `{...}` in a
    caption stands for.
    """
    drawn: list[Drawing] = []
    left_out: list[str] = []
    collects, alive = gc.isenabled(), 0
    gc.disable()  # Taking the many objects of a figure apart takes a sixth of the time.
    try:
        for plot in plots:
            if missing := plot.missing(data):
                left_out.append(missing)
                continue
            try:
                found = _drawings(plot, data, words or {})
            except (Exception, SystemExit) as error:
                if plot.draw.__module__.startswith("rbmflow."):
                    raise
                left_out.append(f"the figure {plot.name} could not be drawn: {in_a_line(error)}")
                continue
            drawn += found
            if not found:
                left_out.append(f"the figure {plot.name} shows `{plot.needs[0]}`, of which there is nothing here")
            if len(drawn) - alive > MOST_ALIVE:
                gc.collect()
                alive = len(drawn)
    finally:
        if collects:
            gc.enable()
    return drawn, left_out


def _drawings(plot: Plot, data: xr.Dataset, words: Mapping[str, str]) -> list[Drawing]:
    from rbmflow.figures import to_svg

    counted: Counter[str] = Counter()
    found = []
    for entry, part in plot.parts(data):
        stem = identifier(f"{plot.name} {'' if plot.by == 'machine' else entry}")
        counted[stem] += 1
        name = f"{stem}-{counted[stem]}"
        told = {plot.by: CLASSIFIERS.get(entry, f"“{entry}”"), **words}
        caption = plot.caption if counted[stem] == 1 else "As above, further machines."
        if plot.by == "machine":
            caption = f"Machine {entry}: {caption}" if counted[stem] == 1 else f"Machine {entry}, as above."
        caption = re.sub(r"\{(\w+)\}", lambda word, told=told: str(told.get(word[1], word[0])), caption).strip()
        table = plot.table(part)
        csv = table.to_csv(index=False, float_format="%.5g", lineterminator="\n")
        address = f"data:application/gzip;base64,{packed(csv)}"
        link = address if len(address) <= LARGEST_LINK else None
        shows = f"{plot.shows} {entry}".strip()
        svg = to_svg(plot(part), name, shows)
        narrow = to_svg(plot(part, width="column"), f"{name} narrow", shows) if plot.narrow else ""
        found.append(Drawing(name, plot.name, plot.section, plot.shows, svg, caption, link, len(table), narrow))
    return found
