"""Figures of scale invariance: dimensions and two-point functions along a flow, and what hidden units see at T_c."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from rbmflow.figures import marks, panels, style
from rbmflow.figures.plot import figure

SECTION = "Scale invariance"

OF_SPIN = {"spin": r"$x_\sigma$ of the spin", "energy": r"$x_\epsilon$ of the energy"}

LEAST = 1e-3
"""The smallest part of the largest two-point function that is drawn."""

OF_CURVE = {"spin": "$G(r)$ of the spin", "energy": "$G(r)$ of the energy"}


@figure(
    section=SECTION,
    padded=1,
    needs="scaling_dimension_mean scaling_dimension_mean_error scaling_known",
    caption="Scaling dimensions of the configurations along the flow, by correlated fits of a power of the distance to "
    "the two-point functions of spin and energy. Error bars: {bar}. Level line: the known one at T_c. A gap is an "
    "iteration whose two-point function is not above zero at all distances, a triangle a value beyond the axis. A "
    "start at T_c is exact configurations: look first whether they have the known dimensions at iteration 0, then "
    "whether the ends do. That of the energy hardly depends on the temperature on a small lattice.",
)
def scaling_dimensions(results: xr.Dataset) -> Figure:
    """Scaling dimensions of spin and energy along the flow from each start, beside the known ones."""
    drawn, columns = panels.machine_columns(results, list(OF_SPIN.values()), "iteration", 4.0)
    for column, machine in columns:
        for place, axes in enumerate(column):
            here = machine.isel(field=place)
            known = float(here["scaling_known"])
            axes.axhline(known, **marks.CRITICAL)
            axes.set_ylim(-0.5 * known, 2.5 * known)
            for _, look, flow in panels.by_start(here):
                mean, error = (flow[f"scaling_dimension_mean{end}"].values for end in ("", "_error"))
                shown_as = {"color": look.colour, "marker": look.marker, "markersize": 3, "linewidth": 0.8}
                inside = np.where((mean >= -0.5 * known) & (mean <= 2.5 * known), mean, np.nan)
                axes.errorbar(flow["fitted"].values, inside, np.nan_to_num(error), **shown_as)
                marks.draw_beyond(axes, flow["fitted"].values, mean, look.colour)
            marks.say_empty(axes, here["scaling_dimension_mean"].values)
    panels.start_legend(drawn, results, markers=True)
    return drawn


@figure(
    section=SECTION,
    padded=1,
    needs="axis_correlation_mean axis_correlation_mean_error",
    caption="Two-point functions along the axes of the lattice at the end of the flow, of the spins and of the "
    "energies of bonds less their mean, both logarithmic. Error bars: {bar}. Dashed: at the start. A power of the "
    "distance is a straight line, until the other side of the torus is as near. Points below a "
    "thousandth of the largest are left out.",
)
def axis_correlations(results: xr.Dataset) -> Figure:
    """Two-point functions of spin and energy at the end of the flow from each start."""
    drawn, columns = panels.machine_columns(results, list(OF_CURVE.values()), "distance (cells)", 4.4)
    for column, machine in columns:
        for place, axes in enumerate(column):
            here = machine.isel(field=place, separation=slice(1, None))
            axes.set_xscale("log")
            axes.set_yscale("log")
            apart = here["separation"].values
            axes.set_xticks(apart, [f"{r}" if r & (r - 1) == 0 else "" for r in apart.tolist()])
            axes.xaxis.set_minor_locator(NullLocator())
            top = 2 * np.nanmax(here["axis_correlation_mean"].values, initial=LEAST)
            axes.set_ylim(LEAST * top, top)
            for _, look, flow in panels.by_start(here):
                first, last = (_above_zero(flow.isel(fitted=at)) for at in (0, -1))
                axes.plot(*first[:2], color=look.colour, linewidth=0.7, linestyle="--")
                shown_as = {"color": look.colour, "marker": look.marker, "markersize": 3, "linewidth": 0.8}
                axes.errorbar(*last, **shown_as)
            marks.say_empty(axes, here["axis_correlation_mean"].values)
    panels.start_legend(drawn, results, markers=True)
    return drawn


def _above_zero(flow: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances, values and errors of what a logarithmic axis can show."""
    mean, error = (flow[f"axis_correlation_mean{end}"].values for end in ("", "_error"))
    return flow["separation"].values, np.where(mean > 0, mean, np.nan), np.nan_to_num(error)


@figure(
    section=SECTION,
    padded=1,
    needs="hidden_decay_mean hidden_decay_mean_error block_decay_mean site_decay_mean block_side distance",
    caption="Correlators ⟨v h⟩ of hidden units with the spins around the site of their largest weight, over exact "
    "configurations at T_c: root mean square over hidden units, over that of the nearest neighbours. {seed_bars} "
    "Squares: the same of block spins, as many as there are hidden units, where there are such blocks; dotted: of "
    "single spins. A unit that sees a block decays as the blocks do, one that sees a single spin has a peak at "
    "distance 0, one that sees the magnetization is level.",
)
def hidden_decays(results: xr.Dataset) -> Figure:
    """Decay of the correlators of hidden units with the spins around them, beside block spins."""
    drawn, cells = panels.machine_panels(results, (0.8, 2.2), "distance", "over nearest neighbours")
    for axes, here in cells:
        ordered = here.sortby("distance")
        x = ordered["distance"].values
        axes.plot(x, ordered["site_decay_mean"].values, color=style.INK, linestyle=":", label="single spins")
        blocks = ordered["block_decay_mean"].values
        if np.isfinite(blocks).any():
            axes.plot(x, blocks, "s-", color=style.DATA, markersize=3, linewidth=0.8, label="block spins")
        mean, error = (ordered[f"hidden_decay_mean{end}"].values for end in ("", "_error"))
        own = {"color": style.NEUTRAL, "marker": "o", "markersize": 3, "linewidth": 0.8, "label": "hidden units"}
        axes.errorbar(x, mean, np.nan_to_num(error), **own)
        marks.say_empty(axes, mean)
    panels.label_legend(drawn, cells[0][0], 3)
    return drawn


CHANGES = {
    "hidden units": (style.INK, "o", "-"),
    "block spins": (style.DATA, "s", "--"),
    "random weights": (style.FAINT, "D", ":"),
}
"""Colour, marker and dashes of the changes of scale."""

OF_LAYER = {"even": "$y_T$", "odd": "$y_h$"}


@figure(
    section=SECTION,
    padded=1,
    needs="layer_exponent_mean layer_exponent_mean_error layer_known layer_participation_mean "
    "layer_participation_mean_error",
    caption="Layers of stacks as changes of scale at T_c. Above and middle: logarithms to the base 2 of the largest "
    "even and odd eigenvalue of the stability matrix of each layer, with the known exponents as level lines. Below: on "
    "how many spins the receptive field of a hidden unit lives, its participation number. {seed_bars} Squares: block "
    "spins on the same configurations, what a layer that does RG must give. Diamonds: random weights with the norms of "
    "the trained ones, what a layer that has learnt nothing gives; an exponent that they have too tells nothing.",
)
def layer_scaling(results: xr.Dataset) -> Figure:
    """Exponents and participation numbers of the layers of stacks, beside block spins and random weights."""
    names = [*OF_LAYER.values(), "spins of a field"]
    drawn, columns = panels.machine_columns(results, names, "layer", 5.4)
    layers = results["layer"].values
    for column, machine in columns:
        for change, (colour, marker, dashes) in CHANGES.items():
            here = machine.sel(change=change)
            look = {"color": colour, "marker": marker, "linestyle": dashes, "markersize": 4, "linewidth": 0.8}
            for axes, sector in zip(column, OF_LAYER, strict=False):
                mean, error = (here[f"layer_exponent_mean{end}"].sel(sector=sector).values for end in ("", "_error"))
                axes.errorbar(layers, mean, np.nan_to_num(error), label=change, **look)
            mean, error = (here[f"layer_participation_mean{end}"].values for end in ("", "_error"))
            column[-1].errorbar(layers, mean, np.nan_to_num(error), **look)
        for axes, sector in zip(column, OF_LAYER, strict=False):
            known = float(machine["layer_known"].sel(sector=sector))
            axes.axhline(known, **marks.CRITICAL)
            marks.side_labels(axes, {"known": known})
            axes.margins(y=0.2)
        column[-1].set_yscale("log", base=4)
        column[-1].set_xticks(layers, map(str, layers))
        column[-1].margins(x=0.15, y=0.15)
    panels.label_legend(drawn, columns[0][0][0], len(CHANGES))
    return drawn
