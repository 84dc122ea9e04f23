"""Temperatures told as a table: evenly spaced ones, in J/k_B or in units of a temperature of the model.

That is its T_c, or the maximum of its specific heat on its lattice where that is found exactly within seconds: a spec
is read often, and has the same temperatures each time.
"""

from collections.abc import Mapping
from typing import Any

from rbmflow._checks import InvalidInput, Problem, Problems, is_number
from rbmflow.settings import LatticeSettings, ModelSettings

SECTIONS = ("sampling", "renormalization")
UNITS = ("J/k_B", "T_c", "C_max")


def expanded(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tables of a spec with its temperatures one by one; one of another form is left to who checks the spec."""
    found = dict(data)
    for section in SECTIONS:
        own = data.get(section)
        told = own.get("temperatures") if isinstance(own, Mapping) else None
        if isinstance(own, Mapping) and isinstance(told, Mapping):
            found[section] = {**own, "temperatures": _one_by_one(data, told, f"{section}.temperatures")}
    return found


def _one_by_one(data: Mapping[str, Any], told: Mapping[str, Any], place: str) -> list[float]:
    problems = Problems()
    for name in told.keys() - {"from", "to", "count", "unit"}:
        problems.unless(False, f"{place}.{name}", told[name], "the table has from, to, count and unit")
    lowest, highest, unit = told.get("from"), told.get("to"), told.get("unit", UNITS[0])
    problems.not_negative(f"{place}.from", lowest)
    problems.positive(f"{place}.to", highest)
    if is_number(lowest) and is_number(highest):
        problems.unless(lowest < highest, f"{place}.to", highest, "it must be above from")  # pyright: ignore[reportOptionalOperand]
    count = problems.whole(f"{place}.count", told.get("count"), 2, 10_000)
    if is_number(unit):
        problems.positive(f"{place}.unit", unit)
    else:
        allowed = f"it must be {', '.join(map(repr, UNITS))} or a temperature in J/k_B"
        problems.unless(unit in UNITS, f"{place}.unit", unit, allowed)
    problems.done()
    scale = unit if is_number(unit) else 1.0 if unit == UNITS[0] else _of_model(data, unit, place)
    step = (highest - lowest) / (count - 1)  # pyright: ignore[reportOptionalOperand]
    return [scale * (lowest + number * step) for number in range(count)]


def _of_model(data: Mapping[str, Any], unit: str, place: str) -> float:
    """T_c of the model or its maximum of C; 1 of one that is at fault, which is told by who checks it."""
    from rbmflow.critical import critical_temperature
    from rbmflow.equilibrium import quick_peak
    from rbmflow.spin_models import from_settings

    try:
        model = from_settings(ModelSettings(**_listed(data, "model")), LatticeSettings(**_listed(data, "lattice")))
    except (InvalidInput, TypeError, AttributeError):
        return 1.0
    found = critical_temperature(model) if unit == "T_c" else quick_peak(model)
    if found is None:
        of_peak = "rf.equilibrium.specific_heat_peak(model) tells it with its error, and the unit must be that number"
        told = {
            "T_c": f'T_c of {model} is not known: the unit must be "C_max", "J/k_B" or a temperature',
            "C_max": f"the maximum of C of {model} takes long to find: {of_peak}",
        }
        raise InvalidInput(Problem(f"{place}.unit", unit, told[unit]))
    return found


def _listed(data: Mapping[str, Any], section: str) -> dict[str, Any]:
    """A section with its lists as settings have them."""
    return {name: tuple(one) if isinstance(one, list) else one for name, one in data.get(section, {}).items()}
