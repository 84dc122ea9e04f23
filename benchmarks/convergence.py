"""How often the rule of convergence errs: `end_of_flows` on simulated flows whose true end is known.

    python benchmarks/convergence.py              the tables of docs/conventions.md

A simulated reading is the true end, plus an offset of its machine, plus what is left of the start, plus the noise of
its chains, an AR(1) process whose standard deviation is the error that is stated. Nothing of it knows the rule.
"""

import argparse

import numpy as np

from rbmflow.convergence import end_of_flows

END, NOISE = 2.27, 0.01
"""True end in J/k_B, and the error of one reading, about that of T(E) over 1000 chains at L = 10."""

STARTS = {"cold": -2.27, "2.25": -0.02, "hot": 3.73}
"""Where each start is at first, relative to the end."""


def flows(rng, runs, *, seeds, iterations, correlation=0.0, spread=0.0, left=0.0, together=0.0):
    """Readings [run, seed, start, iteration] of flows whose chains are correlated over some iterations.

    `spread` is the standard deviation of the machines in errors of a reading, `left` the time constant of the approach
    from each start in lengths of the flow. With `together` all starts come to one
    path at once, which is so many errors away from the end and goes on slowly.
    """
    shape = (runs, seeds, len(STARTS), iterations + 1)
    memory = np.exp(-1 / correlation) if correlation else 0.0
    noise = rng.standard_normal(shape)
    for at in range(1, iterations + 1):
        noise[..., at] = memory * noise[..., at - 1] + np.sqrt(1 - memory**2) * noise[..., at]
    time = np.arange(iterations + 1) / iterations
    decay = np.exp(-time / left) if left else (time == 0).astype(float)
    begin = np.array(list(STARTS.values()))[:, None]
    path = np.where(time == 0, begin, together * NOISE * decay) if together else begin * decay
    return END + NOISE * (spread * rng.standard_normal((runs, seeds, 1, 1)) + noise) + path


def judged(temperature):
    """What `end_of_flows` says of each of the simulated machines."""
    error = np.full(temperature.shape[1:], NOISE)
    return [end_of_flows(one, error) for one in temperature]


def rates(found, moving=False):
    """Share of the machines that are not shown to have converged, or of those that are if they are still moving."""
    converged = np.mean([one.converged for one in found])
    return converged if moving else 1 - converged


def covered(found, width):
    """How often the true end lies within the error or the interval that is stated, over the starts."""
    return np.mean([np.abs(one.end_temperature - END) <= getattr(one, width) for one in found])


def table(header, rows):
    """Rows of a table in Markdown."""
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


SIZES = [(iterations, seeds) for iterations in (40, 200) for seeds in (3, 10)]
NAMES = [f"{iterations} iterations, {seeds} seeds" for iterations, seeds in SIZES]


def of_ended(rng, runs):
    """Ends that are not shown, and what the errors cover."""
    rows = []
    for correlation in (0, 1, 5, 20):
        for spread in (0, 3):
            row = [str(correlation), str(spread)]
            for iterations, seeds in SIZES:
                asked = {"seeds": seeds, "iterations": iterations, "correlation": correlation, "spread": spread}
                found = judged(flows(rng, runs, **asked))
                star = np.mean([abs(one.mean_end - END) <= one.mean_end_error for one in found])
                inside = [covered(found, "end_error"), covered(found, "end_interval"), star]
                row.append(f"{100 * rates(found):.1f}: " + " ".join(f"{100 * value:.0f}" for value in inside))
            rows.append(row)
    return table(["correlation", "spread", *NAMES], rows)


LEFT = (0.1, 0.15, 0.2, 0.3, 1.0, 3.0)


def of_moving(rng, runs):
    """Misses of slow approaches, beside how far the flow still is from its end, in stated errors."""
    rows = []
    for together in (0, 3, 10, 30):
        for (iterations, seeds), name in zip(SIZES, NAMES, strict=True):
            row = [f"together from {together}" if together else "each from its side", name]
            for left in LEFT:
                asked = {"seeds": seeds, "iterations": iterations, "correlation": 5, "spread": 1}
                found = judged(flows(rng, runs, **asked, left=left, together=together))
                away = np.median([np.max(np.abs(one.end_temperature - END) / one.end_error) for one in found])
                row.append(f"{100 * rates(found, moving=True):.0f} ({away:.1f})")
            rows.append(row)
    return table(["approach", "flow", *(f"{left:g}" for left in LEFT)], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="simulated machines of each cell")
    runs = parser.parse_args().runs
    rng = np.random.default_rng(0)
    print(of_ended(rng, runs), of_moving(rng, runs), sep="\n\n")
