"""Specs: everything a run is determined by, from TOML and back to TOML."""

from rbmflow.spec.contents import Spec as Spec, Variant as Variant
from rbmflow.spec.parsing import (
    Field as Field,
    fields as fields,
    parse as parse,
    settings_from as settings_from,
    to_toml as to_toml,
)
from rbmflow.spec.study import Study as Study, StudyNumber as StudyNumber
from rbmflow.spec.sweep import Point as Point, Sweep as Sweep, load_sweep as load_sweep, parse_sweep as parse_sweep
from rbmflow.spec.toml_files import (
    load as load,
    parse_toml as parse_toml,
    read_toml as read_toml,
    shipped as shipped,
    shipped_text as shipped_text,
    studies as studies,
)
