"""Reading: every thermometer at every iteration of a flow, and how far the flow is off the Ising manifold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow.settings import CLASSIFIERS, start_label
from rbmflow.steps.kind import Task, of_run, step
from rbmflow.steps.kinds.equilibrium_step import read_by
from rbmflow.store import Step

if TYPE_CHECKING:
    import jax
    import numpy as np
    import xarray as xr
    from jaxtyping import Float64

    from rbmflow.measurements import Measurements
    from rbmflow.model import Ising
    from rbmflow.spec import Spec

COMPARED_CHAINS = 500
"""Most chains of a flow that are compared with true configurations, and as many of these."""

COMPARED_ITERATIONS = (1, 5, 20, 100, 400)
"""Iterations at which that is done, besides the last."""

FEATURES = ("energy", "abs_magnetization", "joint")
"""What is compared; "joint" is both together with the logarithm of the longest wave's structure factor."""


@step(
    version=5,
    holds="""
        temperature_read: real[iteration thermometer] 0 inf
        probability: real[iteration classifier bin] 0 1
        energy: real[iteration] -2 2
        abs_magnetization magnetization_2 magnetization_4: real[iteration] 0 1
        correlation: real[iteration dy dx] -1 1
        off_p_value: real[compared feature] 0 1
        was_read: truth[iteration thermometer]
    """,
    along=lambda settings: {"classifier": 2, "bin": settings["temperatures"]},
)
def reading(task: Task) -> xr.Dataset:
    """Read the configurations of a flow and average over its chains."""
    import numpy as np
    import xarray as xr

    from rbmflow.diagnostics import mean_and_error
    from rbmflow.equilibrium.source import mean_class
    from rbmflow.measurements import Measurements
    from rbmflow.steps.thermometers import Instruments, at_kept

    model, temperatures, (flow, *read_with) = task.model, task.settings["temperatures"], task.parents
    measured, kept, spins = Measurements.from_dataset(flow), flow["snapshot"].values, flow["spins"].values
    iteration = np.arange(len(measured.energy))
    known = Instruments(task, temperatures, *read_with)
    neural = np.asarray(known.neural.read(spins), np.float64)
    read, was_read = known.read_flow(measured, spins, mean_class(neural), kept)
    bayes = known.exact.posterior_of_energy(measured.energy, temperatures)
    told = [mean_and_error(values, axis=1) for values in (neural, bayes)]
    of_neural = [at_kept(kept, iteration.size, values) for values in told[0]]
    posterior, posterior_error = (np.stack(both, axis=1) for both in zip(of_neural, told[1], strict=True))
    averages = {}
    for name, (mean, of_mean) in measured.averages().items():
        averages |= {name: ("iteration", mean), f"{name}_error": ("iteration", of_mean)}
    compared = [at for at in COMPARED_ITERATIONS if at < iteration[-1]] + [int(iteration[-1])]
    by_energy = read.temperature[:, known.names.index("energy")]
    off = _off_manifold(task.key, model, measured, compared, by_energy)
    whole = xr.Dataset(
        {
            "temperature_read": (("iteration", "thermometer"), read.temperature),
            "temperature_read_error": (("iteration", "thermometer"), read.error),
            "temperature_read_curve_error": (("iteration", "thermometer"), read.curve_error),
            "was_read": (("iteration", "thermometer"), was_read),
            "probability": (("iteration", "classifier", "bin"), posterior),
            "probability_error": (("iteration", "classifier", "bin"), posterior_error),
            "correlation": (("iteration", "dy", "dx"), measured.correlation),
        }
        | averages
        | {
            name: (("compared", "feature"), off[..., place])
            for place, name in enumerate(("off_distance", "off_floor", "off_p_value"))
        },
        {
            "iteration": iteration,
            "thermometer": known.names,
            "classifier": list(CLASSIFIERS),
            "bin": temperatures,
            "compared": compared,
            "feature": list(FEATURES),
        },
    )
    if not bool(flow.get("diverged", False)):
        return whole
    return whole.map(lambda values: values if values.dtype == bool else xr.full_like(values, np.nan, float))


def _features(measured: Measurements) -> Float64[np.ndarray, "iteration chain feature"]:
    """Energy and |m| per site and the logarithm of the longest wave, which is that of 1/N where there is none."""
    import numpy as np

    sites = measured.sites
    wave = np.log(np.maximum(measured.long_wave.astype(np.float64), 1 / sites))
    return np.stack([measured.energy / sites, np.abs(measured.magnetization) / sites, wave], axis=-1)


def _off_manifold(
    key: jax.Array, model: Ising, measured: Measurements, compared: list[int], temperature: np.ndarray
) -> Float64[np.ndarray, "compared feature 3"]:
    """Distance, floor and p-value between a flow and true configurations at its temperature of the energy.

    One configuration a chain enters, so all are independent.
    """
    import jax
    import numpy as np

    from rbmflow import sampler
    from rbmflow.measurements import observe
    from rbmflow.two_sample import compare

    chains = min(COMPARED_CHAINS, measured.energy.shape[1])
    found = np.full((len(compared), len(FEATURES), 3), np.nan)
    if chains < 2:
        return found
    ours = _features(measured)[compared, :chains]
    for row, at in enumerate(compared):
        for_draws, *for_tests = jax.random.split(jax.random.fold_in(key, at), 1 + len(FEATURES))
        true = sampler.thermal(for_draws, model, float(temperature[at]), chains)
        theirs = _features(observe(np.asarray(true)[None]))[0]
        for place, columns in enumerate(([0], [1], [0, 1, 2])):
            found[row, place] = compare(for_tests[place], ours[row][:, columns], theirs[:, columns])
    return found


def reading_of(spec: Spec, label: str, start: str | float, flow: Step, *instruments: Step) -> Step:
    """That of a flow, by its machine's label and its start."""
    settings = {**of_run(spec), "temperatures": list(spec.sampling.temperatures), **read_by(spec)}
    return reading.step(f"reading {label} {start_label(start)}", settings, flow, *instruments)
