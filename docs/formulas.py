"""Formulas as MathML, which browsers show without a script and without a network."""

import re

from docutils import nodes
from latex2mathml.converter import convert

FUNCTION = re.compile(r"\\(arccos|cosh?|coth|exp|ln|max|min|sinh?|tanh)\s+(?=[\w\\])")


def mathml(text, display):
    """One formula; a function keeps off its argument."""
    return convert(FUNCTION.sub(r"\\\1\\,", text), display=display)


def inline(self, node):
    """Write a formula within a line."""
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block(self, node):
    """Write a formula on its own; rows are aligned at `&`."""
    text = node.astext()
    rows = rf"\begin{{aligned}}{text}\end{{aligned}}" if r"\\" in text else text
    self.body.append(f'<div class="formula">{mathml(rows, "block")}</div>')
    raise nodes.SkipNode


def setup(app):
    """Let HTML pages have it."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
