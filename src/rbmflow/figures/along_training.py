"""Figures of training time: how a machine learns, and where the flows of its checkpoints end."""

import textwrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rbmflow.figures import marks, panels, style
from rbmflow.figures.plot import figure

LOWEST, HIGHEST = 0.22, 2.65
"""Range of temperatures that is drawn, in units of T_c; ends beyond are triangles at its edge."""

PREDICTED = (
    *("predicted_temperature_mean", "predicted_temperature_error"),
    *("checkpoint_stationary_temperature_mean", "checkpoint_stationary_temperature_mean_error"),
)
"""T* of the stationary law along a training, by theory and measured."""

MACHINE_LINES = ((style.INK, "-"), (style.DATA, (0, (5, 1.5))), ("#C28E00", "-."), ("#5B8FC7", (0, (1, 1.2))))
"""Colour and dashes of the machines of one figure."""

MEASURES = {
    "resemblance": "resemblance: correlation",
    "resemblance_cosine": "resemblance: cosine",
    "neighbour_ratio": "$W W^T$: neighbours / diagonal",
    "translation_share": "translation-invariant share",
    "effective_ratio": "effective modes / random",
    "first_share": "share of first eigenvalue",
    "above_edge": "eigenvalues above random edge",
    "largest_eigenvalue": "largest eigenvalue",
    "leading_uniformity": "first mode on uniform vector",
    "purity": "purity of modes in $|k|$",
    "mode_extent": "extent of modes",
    "hidden_extent": "extent of hidden units",
}
"""The measures that are drawn, with their titles."""


@figure(
    section="training",
    padded=1,
    needs="reconstruction weight_norm",
    caption="Reconstruction error and norm of the weights against the epoch of training, one line for each of {n}. "
    "Look whether the curves have become level.",
)
def training_curves(results: xr.Dataset) -> Figure:
    """Reconstruction error and size of the weights against the training epoch, one line a seed."""
    drawn, columns = panels.machine_columns(results, ("reconstruction error", "norm of $W$"), "epoch", 3.9, 2.0)
    for column, here in columns:
        for axes, name in zip(column, ("reconstruction", "weight_norm"), strict=True):
            curves = here[name].transpose("seed", "epoch").values
            axes.plot(here["epoch"].values, curves.T, color=style.NEUTRAL, alpha=0.75, linewidth=0.9)
            marks.say_empty(axes, curves)
    return drawn


@figure(
    section="along-training",
    padded=1,
    needs="weight_measure_mean weight_measure_error update",
    caption="The numbers of the table at every checkpoint, against the gradient updates so far (0 is the untrained "
    "machine; logarithmic beyond 1). {seed_band} Look whether a number has become level, and how far it is from that "
    "of the untrained machine.",
)
def weights_along_training(results: xr.Dataset) -> Figure:
    """Numbers that sum up the weights against training time, one panel a number, one line a machine."""
    across, height = (2, 8.8) if style.in_column() else (4, 6.4)
    names = ["mean over seeds"] * (len(MEASURES) // across)
    drawn, grid = panels.panel_grid([""] * across, names, "gradient updates", height, sharey=False)
    cells, machines = grid.ravel(), panels.by_machine(results)
    for axes, (measure, title) in zip(cells, MEASURES.items(), strict=True):
        for number, (name, machine) in enumerate(machines):
            here, update = machine.sel(measure=measure), machine["update"].values
            mean, error = here["weight_measure_mean"].values, here["weight_measure_error"].values
            colour, dashes = MACHINE_LINES[number % len(MACHINE_LINES)]
            axes.plot(update, mean, color=colour, linestyle=dashes, linewidth=1.0, label=name)
            axes.fill_between(update, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
        axes.set_title(title)
        axes.set_xscale("symlog", linthresh=1.0)
        axes.margins(x=0.03)
    panels.update_axis(cells[0])
    panels.label_legend(drawn, cells[0], len(machines))
    return drawn


@figure(
    section="cascade",
    padded=1,
    needs="checkpoint_singular_value predicted_singular_value appearance appearance_predicted data_eigenvalue "
    "growing_waves appeared_waves order_of_appearance update",
    caption="Which waves of the data are learnt, and when. Above: the six largest singular values of W at the "
    "checkpoints (symbols, mean over {n}), and those that linear theory makes of the untrained weights "
    "(lines): every wave with an eigenvalue c of the covariance of the data above 1 grows as (1 + η(c − 1))ᵗ,"
    " the others decay. Below: the update at which the amplitude of each wave goes beyond 1, where the "
    "machine itself orders in it, against its eigenvalue: grey symbols measured, one for each wave and seed, "
    "black lines predicted. Right of the upright line waves should grow; the numbers are those of waves with "
    "c > 1, by three standard errors where the covariance is that of draws, and of waves that have appeared "
    "by the end, and the rank correlation of eigenvalue and earliness. The theory ends where the first wave "
    "saturates. It has no lines where a step is not in proportion to the gradient, as with Adam, of which the"
    " order alone is told. Look how far the symbols keep to the lines, and whether waves left of the upright "
    "line appear.",
)
def learning_cascade(results: xr.Dataset) -> Figure:
    """Singular values along the training and the updates at which waves appear, against linear theory."""
    names = ("singular value", "update of appearance")
    drawn, columns = panels.machine_columns(results, names, "", 5.2, 2.4, sharex=False, sharey=False)
    for (upper, lower), here in columns:
        _draw_singular_values(upper, here)
        _draw_appearance(lower, here)
    return drawn


def _draw_singular_values(axes: Axes, here: xr.Dataset) -> None:
    order = ("leading", "checkpoint", "seed")
    measured, theory = (here[f"{name}_singular_value"].transpose(*order).values for name in ("checkpoint", "predicted"))
    update, mean = here["update"].values, measured.mean(axis=-1)
    axes.set_yscale("log")
    there = mean[np.isfinite(mean) & (mean > 0)]
    if there.size:
        axes.set_ylim(there.min() / 2, there.max() * 3)
    lines = theory.mean(axis=-1)
    for shade, values, line in zip(style.tints(style.NEUTRAL, len(mean))[::-1], mean, lines, strict=True):
        axes.plot(update, values, ".", color=shade, markersize=5)
        axes.plot(update, line, color=shade, linewidth=0.7)
    axes.axhline(1.0, color=style.INK, linewidth=0.6, linestyle=(0, (1, 1.6)))
    axes.set_xlabel("gradient updates")
    marks.say_empty(axes, mean)
    panels.update_axis(axes)


def _draw_appearance(axes: Axes, here: xr.Dataset) -> None:
    eigenvalue = here["data_eigenvalue"].values
    measured, theory = (here[name].transpose("wave", "seed").values for name in ("appearance", "appearance_predicted"))
    eigenvalue = eigenvalue[: len(measured)]
    axes.plot(np.repeat(eigenvalue, measured.shape[1]), measured.ravel(), ".", color=style.NEUTRAL, markersize=4)
    axes.plot(eigenvalue, theory.mean(axis=1), "_", color=style.INK, markersize=9, markeredgewidth=1.2)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(0, 1.5 * max(float(here["update"].max()), 1.0))
    axes.axvline(1.0, color=style.INK, linewidth=0.6, linestyle=(0, (1, 1.6)))
    axes.set_xlabel("eigenvalue $c$ of the data")
    order, appeared = float(here["order_of_appearance"].mean()), float(here["appeared_waves"].mean())
    told = f"c > 1: {float(here['growing_waves']):g}   appeared: {appeared:.3g}"
    axes.set_title(told + ("" if np.isnan(order) else f"   order {order:.2f}"), fontsize=7.5, loc="left")
    marks.say_empty(axes, measured, theory)


@figure(
    section="training-time",
    padded=1,
    needs="checkpoint_end_temperature checkpoint_end_error checkpoint_end_chain_error checkpoint_converged "
    "update checkpoint_excess_mean checkpoint_excess_mean_error null_energy null_temperature "
    "critical_temperature specific_heat_peak_temperature",
    caption="Every checkpoint of the training is a machine that is iterated from the same starts. Above: T(E) at the "
    "end of its flows, mean over the last quarter; filled where the machine of that checkpoint has converged, open "
    "where it has not. Full line T_c, dashed the maximum of the specific heat, dotted the mixture of what the "
    "machine is trained on (null). A triangle is an end beyond the axis. Below: excess nats of the same machines over "
    "that mixture, logarithmic axis. Error bars and bands: {bar}; updates are logarithmic beyond 1, 0 is the "
    "untrained machine. Look whether the end becomes level, and where the machine knows most.",
)
def training_time(results: xr.Dataset) -> Figure:
    """T(E) at the end of the flows and excess nats of every checkpoint, against the gradient updates."""
    names = ("$T(E)$ at the end $(J/k_B)$", "excess (nats)")
    drawn, columns = panels.machine_columns(results, names, "gradient updates", 4.3)
    for (upper, lower), here in columns:
        _draw_ends(upper, here)
        _draw_excess(lower, here)
        panels.update_axis(lower)
    panels.start_legend(drawn, results)
    return drawn


@figure(
    section="training-time",
    padded=1,
    needs=f"{' '.join(PREDICTED)} update null_energy null_temperature critical_temperature "
    "specific_heat_peak_temperature",
    caption="T* of the stationary law p(v) at every checkpoint of the training: symbols measured, mean over {n} with "
    "standard error, black line predicted from the training data and the untrained weights with nothing fitted (band: "
    "standard error by the first weights). The level that the line keeps at first is that of a machine that has learnt "
    "the uniform wave alone. Full line T_c, dashed the maximum of the specific heat, dotted the training mixture. A "
    "triangle is a T* beyond the axis. Updates are logarithmic beyond 1. Look where symbols leave the line, and "
    "whether the end is that of a theory that knows no critical point.",
)
def predicted_law(results: xr.Dataset) -> Figure:
    """T* of the stationary law along the training, measured and by the Gaussian theory."""
    drawn, columns = panels.machine_columns(results, ("$T^*$ of $p(v)$ $(J/k_B)$",), "gradient updates", 2.6)
    for (axes,), here in columns:
        lines = panels.references(here.sel(thermometer="energy"), "mixture")
        panels.reference_lines(axes, lines)
        _set_range(axes, results)
        _draw_predicted(axes, here)
        marks.side_labels(axes, lines)
    return drawn


@figure(
    section="study",
    page="sweep",
    by="run",
    padded=1,
    needs=f"{' '.join(PREDICTED)} update mixture_temperature critical_temperature specific_heat_peak_temperature",
    caption="T* of the stationary law p(v) along the training of every machine: symbols measured, mean over the seeds "
    "with standard error, line predicted from the training data and the untrained weights with nothing fitted. Full "
    "line T_c, dotted the training mixture. A triangle is a T* beyond the axis. Updates are logarithmic beyond 1.",
)
def study_predicted(study: xr.Dataset) -> Figure:
    """T* of the stationary law along every training, measured and by the Gaussian theory."""
    drawn, cells = panels.machine_panels(study, (0.6, 1.9), "gradient updates", "$T^*$ $(J/k_B)$", 3, sharey=False)
    for axes, here in cells:
        axes.set_title(textwrap.fill(marks.plain(str(here["machine"].values)), 40), fontsize=7.5)
        critical, mixture = (float(here[f"{name}_temperature"]) for name in ("critical", "mixture"))
        axes.axhline(critical, **marks.CRITICAL)
        axes.axhline(mixture, color=style.INK, linewidth=0.9, linestyle=(0, (1, 1.2)))
        unit = marks.temperature_unit(here)
        axes.set_ylim(LOWEST * unit, max(1.76 * unit, mixture + 0.44 * unit))
        _draw_predicted(axes, here)
    return drawn


def _draw_predicted(axes: Axes, here: xr.Dataset) -> None:
    """T* of one machine and its prediction against the updates, between axes whose range is set."""
    theory, spread, measured, error = (here[name].values for name in PREDICTED)
    update = here["update"].values
    axes.plot(update, theory, color=style.INK, linewidth=1.0)
    axes.fill_between(update, theory - spread, theory + spread, color=style.INK, alpha=0.2, linewidth=0)
    shown = np.isfinite(measured) & (error < axes.get_ylim()[1])
    axes.errorbar(update[shown], measured[shown], error[shown], fmt="o", color=style.DATA, markersize=3)
    marks.draw_beyond(axes, update, measured, style.DATA)
    marks.say_empty(axes, measured, theory)
    panels.update_axis(axes)


def _draw_ends(axes: Axes, here: xr.Dataset) -> None:
    lines = panels.references(here.sel(thermometer="energy"), "mixture")
    panels.reference_lines(axes, lines)
    _set_range(axes, here)
    update, converged = here["update"].values, here["checkpoint_converged"].values == 1
    for _, look, flow in panels.by_start(here):
        end, error = flow["checkpoint_end_temperature"].values, flow["checkpoint_end_error"].values
        inside = _with_error(axes, update, end, error, look.colour)
        for chosen, face in ((converged, look.colour), (~converged, "white")):
            shown_as = {"color": look.colour, "markerfacecolor": face, "markersize": 4}
            axes.plot(update[chosen], inside[chosen], look.marker, **shown_as)
    marks.say_empty(axes, here["checkpoint_end_temperature"].values)
    marks.side_labels(axes, lines)


def _set_range(axes: Axes, of: xr.Dataset) -> None:
    """Draw temperatures between the lowest and the highest, for T_c or the maximum of the specific heat of data."""
    unit = marks.temperature_unit(of)
    axes.set_ylim(LOWEST * unit, HIGHEST * unit)


def _with_error(axes: Axes, update: np.ndarray, end: np.ndarray, error: np.ndarray, colour: str) -> np.ndarray:
    """Draw line and error bars, triangles at the edge of what lies beyond the axis; return what lies inside."""
    low, high = axes.get_ylim()
    inside = np.where((end >= low) & (end <= high), end, np.nan)
    axes.errorbar(update, inside, np.nan_to_num(error), color=colour, linewidth=0.8)
    marks.draw_beyond(axes, update, end, colour)
    return inside


def _draw_excess(axes: Axes, here: xr.Dataset) -> None:
    update, mean = here["update"].values, here["checkpoint_excess_mean"].values
    error = here["checkpoint_excess_mean_error"].values
    if np.isfinite(mean).any():
        axes.set_yscale("log")
        drawable = np.where(mean > 0, mean, np.nan)
        axes.plot(update, drawable, ".-", color=style.NEUTRAL)
        low = np.maximum(mean - error, 0.1 * np.abs(mean))
        axes.fill_between(update, low, mean + error, color=style.NEUTRAL, alpha=0.22, linewidth=0)
    marks.say_empty(axes, mean)


@figure(
    section="study",
    page="sweep",
    by="run",
    needs="checkpoint_end checkpoint_end_error checkpoint_update critical_temperature specific_heat_peak_temperature "
    "mixture_temperature",
    caption="T(E) at the end of the flows of every checkpoint, mean over all starts, against gradient updates "
    "(logarithmic beyond 1, 0 is the untrained machine). Error bars are one standard error, of seeds and chains "
    "joined. Full line T_c, dashed the maximum of the specific heat of the machine's size, dotted its training "
    "mixture. A triangle is an end beyond the axis.",
)
def study_training_time(study: xr.Dataset) -> Figure:
    """T(E) at the end of the flows against training time, one panel a machine of a study."""
    drawn, cells = panels.machine_panels(study, (0.5, 1.75), "", "$T(E)$ $(J/k_B)$", most=5)
    for axes, here in cells:
        candidates = ("critical_temperature", "specific_heat_peak_temperature", "mixture_temperature")
        panels.reference_lines(axes, {name: float(here[name]) for name in candidates})
        _set_range(axes, study)
        update, end, error = (here[f"checkpoint_{part}"].values for part in ("update", "end", "end_error"))
        inside = _with_error(axes, update, end, error, style.NEUTRAL)
        axes.plot(update, inside, ".", color=style.NEUTRAL, markersize=4)
        marks.say_empty(axes, end)
        panels.update_axis(axes, ticks=axes is cells[0][0])
        axes.set_title("\n".join(textwrap.wrap(axes.get_title(loc="left"), 30)), fontsize=7.5)
    drawn.supxlabel("gradient updates", fontsize=8)
    return drawn
