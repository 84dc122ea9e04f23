"""Specs: everything a run is determined by, from TOML and back to TOML."""

from rbmflow.spec.contents import Spec, Variant
from rbmflow.spec.parsing import Field, fields, parse, settings_from, to_toml
from rbmflow.spec.study import Study, StudyNumber
from rbmflow.spec.sweep import Point, Sweep, load_sweep, parse_sweep
from rbmflow.spec.toml_files import load, parse_toml, read_toml, shipped, shipped_text, studies

__all__ = [
    "Field",
    "Point",
    "Spec",
    "Study",
    "StudyNumber",
    "Sweep",
    "Variant",
    "fields",
    "load",
    "load_sweep",
    "parse",
    "parse_sweep",
    "parse_toml",
    "read_toml",
    "settings_from",
    "shipped",
    "shipped_text",
    "studies",
    "to_toml",
]
