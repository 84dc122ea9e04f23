"""The text of a figure that a web page can hold: one `<svg>` element, as small as it can be without a loss."""

import io
import itertools
import re
from collections.abc import Iterator
from xml.etree import ElementTree
from zlib import crc32

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from rbmflow.figures.remembering import remembering
from rbmflow.figures.style import STYLE

type Element = ElementTree.Element


def to_svg(figure: Figure, name: str = "figure", shows: str = "") -> str:
    """Return a figure as one `<svg>` element that can stand inside an HTML page, or alone in a file.

    The same figure gives the same text. The size is left to the page: the element carries a `viewBox` and its
    natural size as `style`, and every id starts with a hash of `name`, which is different for each drawing of a page.
    `shows` is what a screen reader says of it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> to_svg(Figure(figsize=(2, 1)), "empty")[:4]
    '<svg'
    """
    text, canvas, dpi = io.StringIO(), figure.canvas, figure.dpi
    with matplotlib.rc_context(STYLE):
        try:
            figure.dpi = 200
            # Figure.savefig would draw everything twice, the first time for the layout alone.
            with remembering():
                FigureCanvasSVG(figure).print_svg(text, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        finally:
            figure.set_canvas(canvas)
            figure.dpi = dpi
    svg = text.getvalue()
    svg = re.sub(r' xmlns(?::xlink)?="[^"]*"', "", svg[svg.index("<svg") :]).replace("xlink:href", "href")
    root = ElementTree.fromstring(svg)
    _rename(root, svg, name)
    _shrink(root)
    look = f"width:{figure.get_figwidth() * 96:.0f}px;stroke-linejoin:round;stroke-linecap:butt"
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "role": "img",
        **({"aria-label": shows} if shows else {}),
        "viewBox": root.attrib["viewBox"],
        "style": look,
    }
    return ElementTree.tostring(root, "unicode", short_empty_elements=True).replace(" />", "/>")


def _rename(root: Element, text: str, name: str) -> None:
    """Number what is referred to within the drawing of this text, and forget all other ids."""
    numbers: dict[str, str] = {}
    # Every letter of a drawing refers to its glyph, so an eighth of a page would be the names of its figures.
    begin = f"s{crc32(name.encode()):x}"
    for found in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', text):
        numbers.setdefault("".join(found), f"{begin}-{len(numbers)}")
    for element in root.iter():
        known = numbers.get(element.attrib.pop("id", ""))
        if known:
            element.set("id", known)
        if "href" in element.attrib and element.attrib["href"].startswith("#"):
            element.set("href", f"#{numbers[element.attrib['href'][1:]]}")
        if "clip-path" in element.attrib:
            element.set("clip-path", f"url(#{numbers[element.attrib['clip-path'][5:-1]]})")


def _shrink(parent: Element) -> None:
    """Leave out of everything inside an element what does not change the drawing."""
    kept: list[Element] = []
    parent.text = None
    for child in parent:
        # The `<style>` of matplotlib would reach beyond the drawing.
        if child.tag in ("metadata", "style"):
            continue
        _shrink(child)
        child.tail = None
        _write_shorter(child)
        if child.tag == "g" and not child.attrib:
            kept += child
        elif len(child) or child.tag not in ("g", "defs"):
            kept.append(child)
    parent[:] = _together(kept)


def _together(children: list[Element]) -> Iterator[Element]:
    """Put markers and letters that follow one another with one style into a group that has it."""
    for style, run in itertools.groupby(children, lambda one: one.attrib.get("style", "") if one.tag == "use" else ""):
        found = list(run)
        if style and len(found) > 1:
            group = ElementTree.Element("g", style=style)
            for child in found:
                del child.attrib["style"]
            group[:] = found
            found = [group]
        yield from found


def _write_shorter(element: Element) -> None:
    known = element.attrib
    if "style" in known:
        known["style"] = known["style"].replace(": ", ":").replace("; ", ";")
    if "d" in known:
        known["d"] = _relative(known["d"])
    for name in ("x", "y"):
        if name in known:
            known[name] = _short(_hundredths(known[name]))
    moved = re.fullmatch(r"translate\(([^ ]*) ([^ ]*)\)", known.get("transform", ""))
    if moved and element.tag == "use":
        del known["transform"]
        told = (_short(_hundredths(number)) for number in moved.groups())
        known |= {name: number for name, number in zip("xy", told, strict=True) if number != "0"}


def _relative(path: str) -> str:
    """A path whose points are told from the ones before, to a hundredth of a point; a long curve to a tenth.

    Examples
    --------
    >>> _relative("M 10 20 L 10.5 20 L 11 19.25 z")
    'm10 20l.5 0 .5-.75z'
    """
    at, begin, text, last = (0, 0), (0, 0), "", ""
    grain = 10 if path.count("L") > 30 else 1
    for command, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        if command == "z":
            at, text, last = begin, text + "z", "z"
            continue
        to = [grain * round(_hundredths(number) / grain) for number in numbers.split()]
        letter = command.lower()
        text += letter if letter != last or letter == "m" else ""
        for place, number in enumerate(to):
            told = _short(number - at[place % 2])
            text += told if told[0] == "-" or text[-1].isalpha() else f" {told}"
        at, last = (to[-2], to[-1]), letter
        begin = at if letter == "m" else begin
    return text


def _hundredths(number: str) -> int:
    return round(100 * float(number))


def _short(hundredths: int) -> str:
    whole, rest = divmod(abs(hundredths), 100)
    sign = "-" if hundredths < 0 else ""
    return f"{sign}{whole or ''}.{rest:02d}".rstrip("0") if rest else f"{sign}{whole}"
