"""Figure of what machines do to exact configurations of every temperature."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from rbmflow.figures import marks, panels, style
from rbmflow.figures.along_training import MACHINE_LINES
from rbmflow.figures.plot import figure

QUANTITIES = {
    "drift_energy": r"$\Delta E$ (J)",
    "drift_abs_magnetization": r"$\Delta |m|$",
    "drift_off_curve": r"$|m|$ off the model's curve",
}
"""The variables that are drawn, with what their axes say."""


@figure(
    section="manifold",
    padded=1,
    needs="drift_energy_mean drift_energy_error drift_abs_magnetization_mean drift_abs_magnetization_error "
    "drift_off_curve_mean drift_off_curve_error critical_temperature null_temperature",
    caption="Exact configurations of every temperature, iterated a few times: mean change of the energy per site, of "
    "the absolute magnetization, and how far the latter is from that of the model at the same energy afterwards. "
    "Bands: {bar}. Full line T_c, dotted T(E) of the mixture of what the machine is trained on. Look where a change is "
    "zero, and that energy and magnetization need not agree on it. Of a machine that is the mixture the changes "
    "average to zero over its training temperatures.",
)
def drift_fields(results: xr.Dataset) -> Figure:
    """Change of exact configurations in one and in ten iterations, against their temperature, one column a machine."""
    xlabel = "initial temperature $(J/k_B)$"
    drawn, columns = panels.machine_columns(results, tuple(QUANTITIES.values()), xlabel, 5.6, pad=18)
    top, at = marks.top_temperature(results), results["drift_temperature"].values.astype(float)
    x, critical = marks.positions(at, top), float(results["critical_temperature"])
    for column, here in columns:
        mixture = float(here["null_temperature"].sel(thermometer="energy"))
        for axes, name in zip(column, QUANTITIES, strict=True):
            marks.temperature_axis(axes, top, infinite=bool(np.isinf(at).any()))
            axes.axhline(0.0, color=style.INK, linewidth=0.6)
            axes.axvline(critical, **marks.CRITICAL)
            axes.axvline(mixture, **marks.NULL)
            for number, horizon in enumerate(here["horizon"].values):
                chosen = here.sel(horizon=horizon)
                mean, error = (chosen[f"{name}_{part}"].values for part in ("mean", "error"))
                colour, dashes = MACHINE_LINES[1 + number % (len(MACHINE_LINES) - 1)]
                label = f"{horizon} iteration{'s' * int(horizon > 1)}"
                axes.plot(x, mean, color=colour, linestyle=dashes, linewidth=1.1, label=label)
                axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0)
            marks.say_empty(axes, here[f"{name}_mean"].values)
        marks.side_labels(column[0], {marks.T_C: critical}, "x")
    panels.label_legend(drawn, columns[0][0][0], results.sizes["horizon"])
    return drawn
