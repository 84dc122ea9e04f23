r"""The curve of an observable's equilibrium mean against temperature, and the one inverse that there is.

From T = inf to T = 0 a mean y goes from :math:`y_\infty` to :math:`y_0`, where it is flat: excitations die out as
:math:`e^{-\Delta/T}`. Its depth

.. math:: x = -\ln\frac{y - y_0}{y_\infty - y_0} \quad (\ln\frac{y}{y_\infty} \text{ if } y_0 = \infty)

grows smoothly with K = 1/T, in the end along a straight line, so K is interpolated in x. A curve known on a part of the
temperatures only is interpolated in y itself.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import equinox as eqx
import numpy as np
from jaxtyping import Float64
from scipy.interpolate import make_interp_spline

from rbmflow._doors import Numbers, numbers_of
from rbmflow._record import Held, dataset_of
from rbmflow.exact import critical_temperature

if TYPE_CHECKING:
    import xarray as xr

KNOTS = 2001
_DEEPEST = 1e-10
"""Part of the whole range of a mean that is left where rounding hides what follows."""
_NOISE = 3.0
"""Standard errors by which a curve must turn back to be told from a monotone one."""


def couplings(side: int, strongest: float, knots: int = KNOTS) -> Float64[np.ndarray, " knot"]:
    """Values of K from 0 up, close together around the transition, whose width goes as 1/L."""
    start, stop = stretched(np.array([0, strongest]), side)
    return np.append(0.0, coupling_at(np.linspace(start, stop, knots)[1:], side))


def stretched(coupling: Float64[np.ndarray, " knot"], side: int) -> Float64[np.ndarray, " knot"]:
    r"""The variable :math:`u = \sinh^{-1}((K - K_c) / w)`, in which curves are smooth at every size."""
    return np.arcsinh((coupling - 1 / critical_temperature()) / (0.5 / side))


def coupling_at(u: Float64[np.ndarray, " knot"], side: int) -> Float64[np.ndarray, " knot"]:
    """K at such a u."""
    return np.maximum(1 / critical_temperature() + 0.5 / side * np.sinh(u), 1e-12)


def depth(mean: Float64[np.ndarray, "*batch"], ground: float, free: float) -> Float64[np.ndarray, "*batch"]:
    """The depth x of means: 0 at `free`, that of T = inf, and inf at `ground`, that of T = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        part = free / mean if np.isinf(ground) else (mean - ground) / (free - ground)
        return np.asarray(-np.log(np.where(part < 1e-15, 0.0, part)))  # below is rounding


class Curve(eqx.Module):
    """Equilibrium mean of an observable, with its standard error (0 of an exact one), against increasing temperatures.

    T = 0 and T = inf stand at the ends of a curve that is known as a whole; a mean that is not known is NaN.
    """

    temperature: Float64[np.ndarray, " temperature"]
    mean: Float64[np.ndarray, " temperature"]
    error: Float64[np.ndarray, " temperature"]

    def temperature_of(self, mean: Numbers) -> Float64[np.ndarray, "*batch"]:
        """Temperatures at which equilibrium has these means.

        0 beyond the end of T = 0 and inf beyond that of T = inf; NaN where several temperatures have this mean, where
        the curve is flat, and beyond the ends of a curve that reaches neither.
        """
        mean = numbers_of(mean, "mean", nan=True)
        if self._inverse is None:
            return np.full_like(mean, np.nan)
        y, outside, hot, cold, x, k, smooth = self._inverse
        asked = _along(mean, y, hot and cold)
        inside = np.clip(np.where(np.isnan(asked), x[0], asked), x[0], x[-1])
        above = np.clip(np.searchsorted(x, inside), 1, x.size - 1)
        # Smooth, but between the neighbouring knots, so that it is monotone as they are.
        found = np.clip(smooth(inside), k[above - 1], k[above])
        deep = k[-1] + (asked - x[-1]) * (k[-1] - k[-2]) / (x[-1] - x[-2]) if hot else np.inf
        found = np.where(asked > x[-1], deep if cold else np.nan, found)
        found = np.where(asked <= x[0], 0.0 if hot else np.where(asked == x[0], k[0], np.nan), found)
        if outside.size:
            # What the rest of the curve reaches as well belongs to more than one temperature, and beyond it to none.
            told = (asked >= x[0]) & (asked <= x[-1]) & ((mean < outside.min()) | (mean > outside.max()))
            found = np.where(told, found, np.nan)
        with np.errstate(divide="ignore"):
            return np.where(np.isnan(mean), np.nan, 1 / found)

    @functools.cached_property
    def _inverse(self) -> tuple | None:
        """Of the longest monotone stretch: its means and those outside, which ends it has, x, K and a spline of K."""
        known = np.isfinite(self.mean) | np.isposinf(self.mean)
        with np.errstate(divide="ignore"):
            # From T = inf on, as K grows.
            coupling, y, error = (1 / self.temperature)[known][::-1], self.mean[known][::-1], self.error[known][::-1]
        if y.size < 3:
            return None
        first, last = _longest_stretch(y, error)
        hot, cold = bool(coupling[first] == 0), bool(np.isinf(coupling[last]))
        within, k = y[first : last + 1], coupling[first : last + 1]
        x = _along(within, within, hot and cold)
        steep = x <= -np.log(_DEEPEST) if hot and cold else np.isfinite(k)
        x, k = x[steep], k[steep]
        highest = np.maximum.accumulate(x)
        rises = np.append(True, highest[1:] > highest[:-1] + 1e-12 * max([1.0, *highest[-1:]]))[: x.size]
        x, k = x[rises], k[rises]
        if x.size < 2:
            return None
        smooth = make_interp_spline(x, k, k=min(5, max(1, (x.size - 2) // 2 * 2 + 1)))
        return within, np.concatenate([y[:first], y[last + 1 :]]), hot, cold, x, k, smooth

    def pictured(self, label: str) -> tuple[str, xr.Dataset]:
        """Name of its figure, and what that shows: the mean around the temperatures where it changes."""
        middle = float(self.temperature_of((self.mean[0] + self.mean[-1]) / 2))
        shown = self.temperature <= (2 * middle if np.isfinite(middle) else 6.0)
        layout = {
            "temperature": Held("temperature", "temperature", "J/k_B", "float64"),
            "mean": Held("temperature", f"equilibrium mean of {label}", dtype="float64"),
        }
        return "thermometer_curve", dataset_of(layout, (self.temperature[shown], self.mean[shown]))

    def mean_at(self, temperature: Float64[np.ndarray, "*batch"]) -> Float64[np.ndarray, "*batch"]:
        """The mean at temperatures between those of the curve, NaN beyond them."""
        return self._at(temperature, self.mean)

    def error_at(self, temperature: Float64[np.ndarray, "*batch"]) -> Float64[np.ndarray, "*batch"]:
        """Standard error of the mean at temperatures between those of the curve; NaN of no temperature."""
        return self._at(temperature, self.error) if self.error.any() else np.zeros_like(temperature)

    def _at(self, temperature: np.ndarray, values: np.ndarray) -> Float64[np.ndarray, "*batch"]:
        # In arctan(T / T_c), where T = inf is an end like any other.
        at, knots = (np.arctan(t / critical_temperature()) for t in (temperature, self.temperature))
        return np.asarray(np.interp(at, knots, values, left=np.nan, right=np.nan))


def _along(mean: np.ndarray, y: np.ndarray, whole: bool) -> Float64[np.ndarray, "*batch"]:
    """How far means lie along a stretch y of a curve: their depth, if it is known as a whole."""
    return depth(mean, float(y[-1]), float(y[0])) if whole else np.sign(y[-1] - y[0]) * (mean - y[0])


def _longest_stretch(y: np.ndarray, error: np.ndarray) -> tuple[int, int]:
    """First and last knot of the longest stretch on which a curve does not turn back by more than its noise."""
    noise = np.maximum(_NOISE * error, 1e-12 * (1 + np.abs(np.where(np.isfinite(y), y, 0.0))))
    ends, extreme, direction = [0], 0, 0.0
    for knot in range(1, y.size):
        step = y[knot] - y[extreme]
        if step * direction >= 0 and (direction or abs(step) > noise[knot]):
            extreme, direction = knot, direction or float(np.sign(step))
        elif direction and abs(step) > noise[knot]:
            ends.append(extreme)
            extreme, direction = knot, -direction
    ends.append(y.size - 1)
    widest = int(np.argmax(np.diff(ends)))
    return ends[widest], ends[widest + 1]
