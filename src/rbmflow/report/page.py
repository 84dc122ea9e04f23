"""What all pages have in common: templates, ids, what a page may load, and how numbers and captions are set."""

from __future__ import annotations

import base64
import gzip
import math
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import markupsafe

if TYPE_CHECKING:
    from rbmflow.claims import Verdict

TEMPLATES = Path(__file__).with_name("templates")


def page(template: str, script: str = "", **content: Any) -> str:
    """Return a page made from its template: text is escaped, a name that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "identifier": identifier,
        "joined": joined,
        "side_by_side": side_by_side,
        "typeset": typeset,
        "duration": lambda seconds: duration(seconds).replace(" ", "\N{NO-BREAK SPACE}"),
    }
    style, runs = (TEMPLATES / "report.css").read_text("utf-8"), content_policy(script)
    return environment.get_template(template).render(style=style, script=script, policy=runs, **content)


def identifier(text: object) -> str:
    """An id of a page that stands for a text: of `[a-z0-9-]` alone, for labels may come from strangers.

    Examples
    --------
    >>> identifier('flow_ends "><script>')
    'flow-ends-script'
    """
    return re.sub("[^a-z0-9]+", "-", str(text).lower()).strip("-")


def typeset(text: str) -> markupsafe.Markup:
    """Plain text as markup: sub- and superscripts where a single letter has one, and names of code between backticks.

    Examples
    --------
    >>> str(typeset("T_c < C_max of `end_temperature`"))
    'T<sub>c</sub> &lt; C<sub>max</sub> of <code>end_temperature</code>'
    """
    told = str(markupsafe.escape(text))
    for written, set_as in (
        (r"\b([^\W\d_])_(\w+)", r"\1<sub>\2</sub>"),
        (r"\b([^\W\d_])\^(\w+)", r"\1<sup>\2</sup>"),
        (r"`(\w+)`", r"<code>\1</code>"),
    ):
        told = re.sub(written, set_as, told)
    return markupsafe.Markup(told)


def joined(flags: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Flags that say the same of several seeds or machines, as one.

    Examples
    --------
    >>> [one["where"] for one in joined([{"where": f"V-9 seed {n}", "what": "a", "message": "b"} for n in (0, 1)])]
    ['V-9 seed 0, 1']
    """
    found: dict[tuple[str, str], list[str]] = {}
    for flag in flags:
        found.setdefault((flag["what"], flag["message"]), []).append(flag["where"])
    return [{"where": _together(where), "what": what, "message": said} for (what, said), where in found.items()]


def _together(places: Sequence[str]) -> str:
    """Names of places; what all but the last word have in common stands once."""
    stems = {place.rpartition(" ")[0] for place in places}
    if len(stems) > 1 or stems == {""}:
        return ", ".join(places)
    return ", ".join([places[0], *(place.rpartition(" ")[2] for place in places[1:])])


def side_by_side(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """Those that were tested, each with those that exclude it or that it excludes, in their order."""
    groups: list[list[Verdict]] = []
    for verdict in verdicts:
        if verdict.judgements:
            near = [
                group for group in groups for one in group if one.id in verdict.excludes or verdict.id in one.excludes
            ]
            if near:
                near[0].append(verdict)
            else:
                groups.append([verdict])
    return groups


def packed(text: str) -> str:
    """A text as a page holds it where it is long: by gzip, in base64; `unpacked` of the script reads it.

    Examples
    --------
    >>> text = "0.25," * 1000
    >>> gzip.decompress(base64.b64decode(packed(text))).decode() == text, len(packed(text)) < 100
    (True, True)
    """
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def content_policy(script: str = "") -> str:
    """Content-Security-Policy of a page: it loads nothing, and no script runs but this one.

    Should a label ever get into a page as markup, a browser will still not run it.
    """
    runs = f"'sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}'" if script else "'none'"
    looks = "style-src 'unsafe-inline'; img-src data:; connect-src blob:; worker-src blob:"
    return f"default-src 'none'; {looks}; script-src {runs}; base-uri 'none'; form-action 'none'"


def duration(seconds: float | None) -> str:
    """Write a time for people.

    Examples
    --------
    >>> duration(83.2), duration(7384), duration(0.42), duration(None)
    ('1 min 23 s', '2 h 03 min', '0.4 s', 'unknown')
    """
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    if seconds < 59.5:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
