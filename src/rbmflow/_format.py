"""How a value is written with its error, everywhere."""

import math


def with_error(value: float, error: float) -> str:
    """Write a value with its error in parentheses, two digits of it: 2.412(15) is 2.412 ± 0.015."""
    if math.isnan(value):
        return "no reading"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if not math.isfinite(error):
        return f"{value:.3f}({'n/a' if math.isnan(error) else 'inf'})"
    if error < 5e-7:
        return f"{value:.3f}(0)"
    decimals = max(0, 1 - int(f"{error:.1e}".split("e")[1]))
    if decimals <= 1:
        return f"{value:.{decimals}f}({error:.{decimals}f})"
    return f"{value:.{decimals}f}({round(error * 10**decimals)})"
