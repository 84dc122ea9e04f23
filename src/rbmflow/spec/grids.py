"""Temperatures told as a table: evenly spaced ones, in J/k_B or in units of the critical temperature of the model."""

from collections.abc import Mapping
from typing import Any

from rbmflow._checks import InvalidInput, Problem, Problems, is_number
from rbmflow.settings import LatticeSettings, ModelSettings

PLACE = "sampling.temperatures"
UNITS = ("J/k_B", "T_c")


def expanded(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tables of a spec with its temperatures one by one; one of another form is left to who checks the spec."""
    sampling = data.get("sampling")
    told = sampling.get("temperatures") if isinstance(sampling, Mapping) else None
    if not isinstance(sampling, Mapping) or not isinstance(told, Mapping):
        return data
    problems = Problems()
    for name in told.keys() - {"from", "to", "count", "unit"}:
        problems.unless(False, f"{PLACE}.{name}", told[name], "the table has from, to, count and unit")
    lowest, highest, unit = told.get("from"), told.get("to"), told.get("unit", UNITS[0])
    problems.not_negative(f"{PLACE}.from", lowest)
    problems.positive(f"{PLACE}.to", highest)
    if is_number(lowest) and is_number(highest):
        problems.unless(lowest < highest, f"{PLACE}.to", highest, "it must be above from")  # pyright: ignore[reportOptionalOperand]
    count = problems.whole(f"{PLACE}.count", told.get("count"), 2, 10_000)
    problems.one_of(f"{PLACE}.unit", unit, UNITS)
    problems.done()
    scale = _critical(data) if unit == "T_c" else 1.0
    step = (highest - lowest) / (count - 1)  # pyright: ignore[reportOptionalOperand]
    grid = [scale * (lowest + number * step) for number in range(count)]
    return {**data, "sampling": {**sampling, "temperatures": grid}}


def _critical(data: Mapping[str, Any]) -> float:
    """T_c of the model; 1 of one that is at fault, which is told by who checks it."""
    from rbmflow.critical import critical_temperature
    from rbmflow.spin_models import from_settings

    try:
        model = from_settings(ModelSettings(**data.get("model", {})), LatticeSettings(**data.get("lattice", {})))
    except (InvalidInput, TypeError):
        return 1.0
    critical = critical_temperature(model)
    if critical is None:
        told = f"T_c of {model} is not known: the unit must be {UNITS[0]}"
        raise InvalidInput(Problem(f"{PLACE}.unit", "T_c", told))
    return critical
