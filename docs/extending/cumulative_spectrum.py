"""A figure: how many modes the weights of a machine are made of."""

from matplotlib.figure import Figure

import rbmflow as rf


@rf.figure(
    section="weights",
    needs=("singular_value",),
    caption="Share of the squared weights that the leading modes have together; a line for every seed. Look how soon "
    "a line comes near 1: the weights are made of as many modes as that takes.",
)
def cumulative_spectrum(results):
    """Share of the squared weights that the leading modes have together."""
    drawn = Figure(layout="constrained")
    axes = drawn.subplots()
    for machine in results["machine"].values:
        squares = results["singular_value"].sel(machine=machine).dropna("mode") ** 2
        share = (squares.cumsum("mode") / squares.sum("mode")).transpose("mode", "seed")
        axes.plot(range(1, share.sizes["mode"] + 1), share, ".-", label=machine)
    axes.set(xlabel="modes", ylabel="share of the squared weights", ylim=(0, 1.05))
    axes.legend(*[rows[:: results.sizes["seed"]] for rows in axes.get_legend_handles_labels()])
    return drawn
