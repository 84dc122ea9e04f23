"""Sphinx configuration."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import cells
import made
import public_names

made.write()
cells.write(made.MADE)
places = public_names.write()

project = "rbmflow"
author = "The rbmflow developers"
copyright = "2026, The rbmflow developers"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "sphinx_codeautolink",
    "formulas",
]
exclude_patterns = ["_build", "_templates", "made", "results/*/*.md", "gallery/*.ipynb", "gallery/*.py"]
templates_path = ["_templates"]
autosummary_context = {"places": places}
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
html_title = "rbmflow"
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_show_sourcelink = False
html_sidebars = {"**": []}
html_math_renderer = "mathml"
numpydoc_show_class_members = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True
nb_output_stderr = "remove"
# Code of these pages links to the names that it uses, and the page of each name tells where it is used.
codeautolink_concat_default = True
codeautolink_custom_blocks = {"Python": None}
# Flags of doctest are not shown, and recipes link their names by themselves.
suppress_warnings = ["codeautolink.match_block", "codeautolink.match_name"]
sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "write_computation_times": False,
    "min_reported_time": float("inf"),
    "show_signature": False,
}
