"""The weights of one machine taken apart: its spectrum, its modes, and the measures at every checkpoint."""

from typing import Any

from rbmflow.steps.kind import Task, step
from rbmflow.steps.kinds.correlation_step import covariance_in
from rbmflow.steps.kinds.machine_step import layers

CHAINS, ITERATIONS = 1000, 10
"""The flow along which the growth of the modes is measured."""

FINAL_MEASURES = {
    "gain_rank_correlation": "rank correlation of predicted and measured gain over modes",
    "growth_rank_correlation": "rank correlation of predicted gain and projection after the flow over modes",
    "grown_modes": "modes with a measured gain above 1",
}
"""Numbers that need a flow, so that checkpoints do not have them."""


@step(
    version=5,
    takes="seed model",
    holds="""
        singular_value: real[mode] 0 inf
        visible_vector: real[visible mode] -1 1
        hidden_vector: real[hidden mode] -1 1
        mode_power: real[mode shell] 0 1
        projection: real[temperature mode]
        measure_of_checkpoint: real[checkpoint measure]
        update: integer[checkpoint] 0 inf
    """,
    along=lambda settings: {"visible": layers(settings)["visible"]} if "machine" in settings else {},
)
def spectrum(task: Task) -> Any:
    """Take the weights apart, in units -1/+1; a control has no checkpoints but itself."""
    import jax
    import numpy as np

    from rbmflow import sampler, spectrum as taken
    from rbmflow.dataset import Draws
    from rbmflow.rbm import RBM
    from rbmflow.training import Checkpoints

    trained, two_points, of_mixture, drawn = task.parents
    key, model, kept = task.key, task.model, task.settings["temperatures"]
    lattice, machine = model.lattice, RBM.from_dataset(trained).in_units("-1/+1")
    update, machines = np.zeros(1, int), [machine]
    if "checkpoint_weights" in trained:
        checkpoints = Checkpoints.from_dataset(trained)
        update = np.asarray(checkpoints.update)
        machines = [checkpoints.machine(number).in_units("-1/+1") for number in range(update.size)]
    initial_scale = float(np.sqrt(np.mean(np.asarray(machines[0].weights, np.float64) ** 2)))
    of_data = covariance_in(machine.units, of_mixture)
    mixture = of_data.mean(axis=0)
    two_point = mixture if "covariance" not in of_mixture else taken.two_point_of(machine.units, mixture)
    spins = Draws.from_dataset(drawn).at(kept)
    parts = taken.decompose(machine)
    of_grid = covariance_in(machine.units, two_points)
    growth = taken.mode_growth(key, machine, sampler.hot(jax.random.fold_in(key, 1), model, CHAINS), ITERATIONS)
    along = [list(taken.measures(one, lattice, two_point, initial_scale).values()) for one in machines]
    free = lattice.sites * machine.units.directions.shape[1]
    lower, upper = taken.marchenko_pastur_edges(free, machine.weights.shape[1], initial_scale * machine.units.scale)
    torus = (*lattice.axes, *(("basis_other",) if lattice.basis > 1 else ()))
    dataset = parts.to_dataset().assign(
        product_displacement=(torus, taken.translation_average(parts, lattice)),
        mixture_two_point=(torus, two_point),
        initial_edge_lower=lower,
        initial_edge_upper=upper,
        mode_power=(("mode", "shell"), taken.fourier_power(parts, lattice)),
        mode_participation=("mode", taken.participation(parts.visible_vectors, parts.components)),
        projection=(("temperature", "mode"), taken.projections(parts, of_grid, lattice, machine.units)),
        hidden_participation=("hidden", taken.participation(np.asarray(machine.weights, np.float64), parts.components)),
        correlator=(("visible", "hidden"), taken.field_correlators(machine, spins)),
        measure_of_checkpoint=(("checkpoint", "measure"), np.array(along)),
        update=("checkpoint", update),
        predicted_gain=("mode", growth.predicted),
        gain=("mode", growth.gain),
        gain_error=("mode", growth.gain_error),
        growth_sampled=(("growth_iteration", "mode"), growth.projection),
        growth_mean_field=(("growth_iteration", "mode"), growth.mean_field),
    )
    if "covariance" in of_mixture:  # Elsewhere the two-point function tells them.
        waves = taken.covariance_waves(mixture, lattice, machine.units)
        dataset = dataset.assign(mixture_eigenvalue=("wave", waves.eigenvalue.ravel()))
    return dataset.assign({name: float(getattr(growth, name)) for name in FINAL_MEASURES}).assign_coords(
        wavenumber=("shell", taken.shells(lattice).wavenumber, {"units": "radians per lattice spacing"}),
        temperature=two_points["temperature"],
        measure=list(taken.MEASURES),
    )
