"""A made-up `results` dataset with physical-looking numbers, and the `run` kept beside it.

Nothing here is a measurement: the flows are exponentials with noise, the weights are built from plane waves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from rbmflow.figures import against_model

T_C, C_MAX = 2.269185314213022, 2.3445
ENDS = {"V": 2.42, "H": 4.9, "L": 0.0}
NULLS = {"V": 2.56, "H": 4.75, "L": 0.0}
TEMPERATURES = tuple(0.25 * i for i in range(25))


def energy_at(temperature):
    """Rough energy per site of the Ising model, -2 at T = 0 and -1.48 near T_c."""
    t = np.minimum(np.asarray(temperature, float), 50.0)
    return -2 / (1 + np.exp((t - 2.55) / 0.5)) - 2 / np.maximum(t, 2.0) * (1 - 1 / (1 + np.exp((t - 2.55) / 0.5)))


def magnetization_at(temperature):
    """Rough mean absolute magnetization per site at L = 10."""
    t = np.asarray(temperature, float)
    return 0.08 + 0.92 / (1 + np.exp((t - 2.5) / 0.22))


def probabilities_at(temperature, bins):
    """Class probabilities like those of a thermometer at one temperature."""
    bins = np.minimum(np.asarray(bins, float), 8.0)
    t = np.minimum(np.asarray(temperature, float), 8.0)[..., None]
    width = 0.22 + 0.13 * t
    p = np.exp(-0.5 * ((bins - t) / width) ** 2) + 1e-4
    return p / p.sum(-1, keepdims=True)


def spins_at(rng, temperature, length):
    """One configuration of blobs whose size falls with temperature."""
    k = 2 * np.pi * np.fft.fftfreq(length)
    k2 = 4 - 2 * np.cos(k)[:, None] - 2 * np.cos(k)[None, :]
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(length, length))) / (k2 + 0.02 + temperature**2 / 8)).real
    shift = 10.0 if temperature < 1.2 else 0.0
    return np.where(field + shift >= 0, 1, -1).astype(np.int8)


def weights_of(rng, kind, length, hidden):
    """Weights whose visible vectors are plane waves, with a spectrum typical of the machine's type."""
    n = length * length
    k = 2 * np.pi * np.fft.fftfreq(length)
    k2 = (4 - 2 * np.cos(k)[:, None] - 2 * np.cos(k)[None, :]).ravel()
    y, x = np.divmod(np.arange(n), length)
    order = np.argsort(k2, kind="stable")
    ky, kx = np.divmod(order, length)
    waves = np.cos(2 * np.pi * (np.outer(y, ky) + np.outer(x, kx)) / length - np.pi / 4)
    u, _ = np.linalg.qr(waves + 0.02 * rng.normal(size=(n, n)))
    strength = {"V": 1.2 / (k2[order] + 0.25), "H": np.full(n, 0.8), "L": np.where(order == 0, 8.0, 0.05)}
    s = strength.get(kind, strength["V"])[: min(n, hidden)]
    v, _ = np.linalg.qr(rng.normal(size=(hidden, s.size)))
    return (u[:, : s.size] * s) @ v.T + 0.04 * rng.normal(size=(n, hidden))


def _weights_in_depth(weights, singular, length, temperature):
    """Made-up values of what is told of modes and measures, of the right shape."""
    machines, seeds, modes = singular.shape
    rng = np.random.default_rng(9)
    distance = np.sqrt(sorted({y * y + x * x for y in range(length // 2 + 1) for x in range(y + 1)}))
    wave = np.linspace(0, np.pi * np.sqrt(2), distance.size)
    there = np.isfinite(singular)
    profile = np.exp(-distance) + 0.01 * rng.normal(size=(machines, distance.size))
    power = np.exp(-((np.arange(modes)[:, None] / modes * 4 - wave) ** 2))
    power = np.where(there[:, 0, :, None], power / power.sum(1, keepdims=True), np.nan)
    leading = there[:, 0, :6, None] * np.ones((machines, min(6, modes), temperature.size))
    leading = np.concatenate([leading, np.zeros((machines, 6 - leading.shape[1], temperature.size))], 1)
    seen = np.where(leading > 0, 1 + 50 / (1 + np.arange(6))[:, None] * np.exp(-np.minimum(temperature, 9)), np.nan)
    fields = np.full((machines, 6, length, length), np.nan)
    for row, own in zip(fields, weights, strict=True):
        some = own[0].T[:6].reshape(-1, length, length)
        row[: len(some)] = some
    growth = singular[..., None] ** np.arange(5)
    along, last = rng.uniform(0.2, 0.9, (machines, 6, len(MEASURES))), len(MEASURES) + 1
    variables = {
        "product_profile_mean": _labelled("machine displacement", profile),
        "product_profile_error": _labelled(
            "machine displacement", np.full(profile.shape, 0.01 if seeds > 1 else np.nan)
        ),
        "two_point_profile": _labelled("machine displacement", np.ones((machines, 1)) * np.exp(-distance / 2)),
        "data_eigenvalue": _labelled("machine mode", np.ones((machines, 1)) * 9.0 / np.arange(1, modes + 1) ** 1.5),
        "initial_edge_lower": _labelled("machine seed", np.full((machines, seeds), 0.05)),
        "initial_edge_upper": _labelled("machine seed", np.full((machines, seeds), 1.4)),
        "mode_power": _labelled("machine mode shell", power),
        "projection_mean": _labelled("machine leading temperature", seen),
        "projection_error": _labelled("machine leading temperature", 0.02 * seen),
        "receptive_field": _labelled("machine leading y x", fields),
        "receptive_correlator": _labelled("machine leading y x", 0.5 * fields),
        "predicted_gain": _labelled("machine seed mode", singular**2),
        "gain": _labelled("machine seed mode", np.tanh(singular**2)),
        "gain_error": _labelled("machine seed mode", 0.03 * singular),
        "growth_sampled": _labelled("machine seed mode growth_iteration", growth),
        "growth_mean_field": _labelled("machine seed mode growth_iteration", growth**2),
        "weight_measure_mean": _labelled("machine checkpoint measure", along),
        "weight_measure_error": _labelled(
            "machine checkpoint measure", np.full(along.shape, 0.02 if seeds > 1 else np.nan)
        ),
        "weight_final_mean": _labelled("machine final_measure", rng.uniform(0.2, 0.9, (machines, last))),
        "weight_final_error": _labelled(
            "machine final_measure", np.full((machines, last), 0.02 if seeds > 1 else np.nan)
        ),
    }
    leading = np.repeat(singular[:, :, None, :6], 6, 2) * np.geomspace(0.01, 1, 6)[:, None]
    leading = np.pad(leading, [(0, 0)] * 3 + [(0, 6 - leading.shape[-1])], constant_values=np.nan)
    waves = 3.0 * np.ones((machines, seeds, 1)) * np.arange(1, modes + 1)
    for name in ("checkpoint_singular_value", "predicted_singular_value"):
        variables[name] = _labelled("machine seed checkpoint leading", leading)
    for name in ("appearance", "appearance_predicted"):
        variables[name] = _labelled("machine seed wave", waves)
    variables["growing_waves"] = _labelled("machine", np.full(machines, 9.0))
    for name in ("appeared_waves", "order_of_appearance"):
        variables[name] = _labelled("machine seed", np.ones((machines, seeds)))
    coordinates = {
        "distance": ("displacement", distance),
        "wavenumber": ("shell", wave),
        "measure": list(MEASURES),
        "final_measure": [*MEASURES, "grown_modes"],
        "meaning": ("final_measure", [*(f"meaning of {name}" for name in MEASURES), "modes that grow"]),
    }
    return variables, coordinates


MEASURES = (
    *("resemblance", "resemblance_cosine", "neighbour_ratio", "translation_share", "effective_modes"),
    *("effective_ratio", "first_share", "above_edge", "leading_uniformity", "purity", "mode_extent"),
    *("hidden_extent", "largest_eigenvalue", "above_one"),
)


def _labelled(dims, values):
    return tuple(dims.split()), np.asarray(values)


def _flows(rng, kinds, starts, seeds, iterations, top):
    """Temperature of every flow: [machine, seed, start, iteration]."""
    first = {"cold": 0.0, "hot": top}
    t = np.arange(iterations)
    flows = np.empty((len(kinds), seeds, len(starts), iterations))
    for m, kind in enumerate(kinds):
        for s, start in enumerate(starts):
            begin = first.get(start, float(start.removeprefix("T = ")) if start.startswith("T") else 2.0)
            for seed in range(seeds):
                end = ENDS.get(kind, 2.3) + (0.05 * rng.normal() if ENDS.get(kind, 2.3) else 0.0)
                flow = end + (begin - end) * np.exp(-t / (6.0 if m != 1 else 25.0))
                flows[m, seed, s] = flow + (0.02 * rng.normal(size=t.size) if end else 0.0)
    return np.maximum(flows, 0.0)


def _beyond_temperatures(machines, starts, iterations, length, converged, end):
    """Observables, comparisons and block spins."""
    flow = (len(machines), len(starts), iterations)
    t = np.broadcast_to(np.exp(-np.arange(iterations) / 5.0), flow)
    variables = {}
    for name in ("magnetization_2", "magnetization_4", "domains", "step_distance"):
        variables[f"{name}_mean"] = _labelled("machine start iteration", 0.2 + 0.3 * t)
        variables[f"{name}_error"] = _labelled("machine start iteration", np.full(flow, 0.01))
    half = length // 2 + 1
    away = np.add.outer(np.arange(half), np.arange(half))
    correlation = np.exp(-away / (1 + 3 * t[..., None, None]))
    variables["correlation_mean"] = _labelled("machine start iteration dy dx", correlation)
    variables["correlation_error"] = _labelled("machine start iteration dy dx", np.full(correlation.shape, 0.01))
    variables["null_correlation"] = _labelled("machine dy dx", correlation[:, 0, 0])
    compared = (len(machines), len(starts), len({0, 1, iterations - 1}), 3)
    for name, value in (("distance_mean", 0.05), ("distance_error", 0.01), ("floor", 0.005), ("p_value", 0.02)):
        variables[f"off_{name}"] = _labelled("machine start compared feature", np.full(compared, value))
    for name, value in (("relaxation_time", 2.0), ("relaxation_time_error", 0.1), ("iterations_needed", 7.0)):
        variables[name] = _labelled("machine thermometer", np.full(end[:, 0].shape, value))
    mean = np.where(converged, end.mean(1), np.nan)
    for name, values in (("", mean), ("_error", 0 * mean + 0.02), ("_chain_error", 0 * mean + 0.004)):
        variables[f"fixed_point{name}"] = _labelled("machine thermometer", values)
    steps = np.array([1.8, T_C, 3.0]) + np.outer(np.arange(3), [-0.4, 0.05, 1.5])
    read = np.broadcast_to(steps[None, ..., None], (2, 3, 3, end.shape[-1]))
    for name, values in (("read", read), ("read_error", 0 * read + 0.01)):
        variables[f"blocked_{name}"] = _labelled("rule side blocked_temperature thermometer", values)
    for name in ("energy", "energy_error", "abs_magnetization", "abs_magnetization_error"):
        variables[f"blocked_{name}"] = _labelled("rule side blocked_temperature", 0.1 + 0 * read[..., 0])
    exponents = np.array([[0.95, 0.98, 1.0], [1.88, 1.876, 1.875]])[..., None] - np.array([0.0, 2.0])
    for name, values in (("eigenvalue", 2**exponents), ("exponent", exponents)):
        variables[f"stability_{name}"] = _labelled("sector blocked_to rank", values)
        variables[f"stability_{name}_error"] = _labelled("sector blocked_to rank", 0 * values + 0.01)
    variables["stability_known"] = _labelled("sector", [1.0, 1.875])
    variables["stability_runs"] = _labelled("", 8)
    return variables | _along_training(len(machines), len(starts)) | _scale_invariance(flow, length)


LAYERS = {"layer": [1, 2], "change": ["hidden units", "block spins", "random weights"], "sector": ["even", "odd"]}
"""Labels of the layers of a stack, and of what they are held against."""


def _scale_invariance(flow, length):
    """Dimensions at the start and the end of the flows, and decays of correlators."""
    machines, starts, _ = flow
    known = np.broadcast_to([0.125, 1.0], (machines, starts, 2, 2))
    apart = np.arange(length // 2 + 1)
    curve = known[..., None] * (1.0 + apart) ** (-2 * known[..., None])
    distance = np.sqrt(sorted({y * y + x * x for y in range(length // 2 + 1) for x in range(y + 1)}))
    decay = np.broadcast_to(1.3 * np.exp(-distance / 5), (machines, distance.size))
    found = {"scaling_known": _labelled("field", known[0, 0, 0]), "block_side": _labelled("machine", [2.0] * machines)}
    for name, axes, values in (
        ("scaling_dimension_mean", "machine start fitted field", known),
        ("axis_correlation_mean", "machine start fitted field separation", curve),
        ("hidden_decay_mean", "machine displacement", decay),
    ):
        found |= {name: _labelled(axes, values), f"{name}_error": _labelled(axes, 0.01 + 0 * values)}
    found |= {f"{name}_decay_mean": _labelled("machine displacement", decay) for name in ("block", "site")}
    change = np.array([1.05, 1.0, 0.3])[:, None] * np.array([1.0, 1.875])
    exponents = np.broadcast_to(change, (machines, 2, 3, 2))
    for name, axes, values in (
        ("layer_exponent_mean", "machine layer change sector", exponents),
        ("layer_participation_mean", "machine layer change", 4.0 + exponents[..., 0]),
        ("layer_share_mean", "machine layer change", 0.5 * exponents[..., 0]),
    ):
        found |= {name: _labelled(axes, values), f"{name}_error": _labelled(axes, 0.01 + 0 * values)}
    fields = np.random.default_rng(5).normal(size=(machines, 2, 8, length, length))
    found |= {"layer_field": _labelled("machine layer shown y x", fields)}
    found |= {"layer_known": _labelled("sector", [1.0, 1.875])}
    found |= {name: ((name,), values) for name, values in LAYERS.items()}
    coordinates = {"fitted": [0, flow[2] - 1], "field": ["spin", "energy"], "separation": apart}
    return found | {name: ((name,), values) for name, values in coordinates.items()}


def _along_training(machines, starts):
    """Ends of the flows and excess of six checkpoints."""
    updates, excess = [0, 1, 10, 100, 1000, 10000], [9, 8, 5, 3, 2, 1]
    variables = {}
    for name, value in (("end_temperature", 2.3), ("end_error", 0.02), ("end_chain_error", 0.01)):
        variables[f"checkpoint_{name}"] = _labelled("machine start checkpoint", np.full((machines, starts, 6), value))
    rows = (("converged", 1), ("excess_mean", excess))
    for name, values in (*rows, ("excess_mean_error", 0.05)):
        variables[f"checkpoint_{name}"] = _labelled("machine checkpoint", np.ones((machines, 6)) * values)
    law = np.ones((machines, 1)) * [np.inf, 400.0, 3.1, 3.1, 2.8, 2.7]
    for name, value in (("predicted_temperature_mean", law), ("checkpoint_stationary_temperature_mean", law + 0.03)):
        variables[name] = _labelled("machine checkpoint", value)
    for name in ("predicted_temperature_error", "checkpoint_stationary_temperature_mean_error"):
        variables[name] = _labelled("machine checkpoint", 0 * law.clip(max=1) + 0.01)
    variables["predicted_rate"] = _labelled("machine checkpoint", 0 * law.clip(max=1) + 0.1)
    return variables | {"update": _labelled("machine checkpoint", np.ones((machines, 1)) * updates)}


def _of_one_temperature(machines, seeds):
    """Thermodynamics and couplings of machines of one temperature each."""
    found = {}
    for name, axis, size in (("thermodynamics", "quantity", 6), ("coupling", "cluster", 5)):
        exact = np.outer(np.linspace(0.5, 0.3, machines), 1 / np.arange(1, size + 1))
        found[f"{name}_exact"] = _labelled(f"machine {axis}", exact)
        found[f"{name}_mean"] = _labelled(f"machine {axis}", 0.9 * exact)
        found[f"{name}_mean_error"] = _labelled(f"machine {axis}", 0.01 * exact if seeds > 1 else np.nan * exact)
    return found


def _from_exact(machines):
    """Changes of exact configurations of three temperatures in one and in ten iterations."""
    found = {}
    for name, size in (("energy", 0.2), ("abs_magnetization", -0.1), ("off_curve", 0.05)):
        change = size * np.outer([1.0, 0.0, -1.0], [0.3, 1.0]) * np.ones((machines, 1, 1))
        found[f"drift_{name}_mean"] = _labelled("machine drift_temperature horizon", change)
        found[f"drift_{name}_error"] = _labelled("machine drift_temperature horizon", 0 * change + 0.01)
    return found


def results(
    machines: Sequence[str] = ("V-64", "V-16", "H-64", "L-64"),
    seeds: int = 3,
    starts: Sequence[str] = ("cold", "hot", "T = 2.25"),
    thermometers: Sequence[str] = ("neural", "bayes", "energy", "magnetization", "correlation"),
    length: int = 10,
    iterations: int = 41,
    temperatures: Sequence[float] = TEMPERATURES,
    seed: int = 0,
) -> xr.Dataset:
    """Make the dataset; every size and name can be changed."""
    rng = np.random.default_rng(seed)
    kinds = [m.rsplit("-", 1)[0] for m in machines]
    hidden = [int(m.rsplit("-", 1)[1]) for m in machines]
    finite = [t for t in temperatures if np.isfinite(t)]
    flows = _flows(rng, kinds, starts, seeds, iterations, max(finite))
    classifiers = [t for t in thermometers if t in ("neural", "bayes")]
    bins = np.asarray(temperatures, float)

    shift = {"neural": 0.0, "bayes": 0.03, "energy": 0.06, "magnetization": -0.05, "correlation": 0.15}
    read = np.stack([flows + shift[t] * (flows > 0.3) for t in thermometers], -1)
    if "magnetization" in thermometers:  # a hot magnetization says nothing, or infinity
        column = read[..., thermometers.index("magnetization")]
        column[flows > 5.5] = np.inf
        column[(flows > 5.2) & (flows <= 5.5)] = np.nan

    def mean_error(values):
        error = values.std(1, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.full(values.mean(1).shape, np.nan)
        return values.mean(1), error

    with np.errstate(invalid="ignore"):
        mean, error = mean_error(read)
        probability, probability_error = mean_error(
            np.stack([probabilities_at(flows + shift[c], bins) for c in classifiers], -2)
        )
        energy = mean_error(energy_at(flows))
        magnetization = mean_error(magnetization_at(flows))
        quarter, half = max(iterations // 4, 1), max(iterations // 2, 1)
        end = mean[:, :, -quarter:].mean(2)
        end_error = error[:, :, -quarter:].mean(2)
        drift = mean[:, :, -1] - mean[:, :, -half]
        spread = end.max(1) - end.min(1)
    null = np.array([[NULLS.get(k, 2.3) + (k != "L") * shift[t] / 2 for t in thermometers] for k in kinds])
    mixture = {"V": bins >= 0, "H": bins >= 4, "L": bins <= 0}
    null_probability = np.stack(
        [[probabilities_at(bins[mixture.get(k, bins >= 0)], bins).mean(0)] * len(classifiers) for k in kinds]
    )

    weights = [[weights_of(rng, k, length, h) for _ in range(seeds)] for k, h in zip(kinds, hidden, strict=True)]
    modes, leading = length**2, 6
    singular = np.full((len(machines), seeds, modes), np.nan)
    vectors = np.full((len(machines), leading, length, length), np.nan)
    for m, row in enumerate(weights):
        for s, w in enumerate(row):
            u, sigma, _ = np.linalg.svd(w, full_matrices=False)
            singular[m, s, : sigma.size] = sigma
            if s == 0:
                some = min(leading, sigma.size)
                vectors[m, :some] = u.T[:some].reshape(some, length, length)
    snapshots = [i for i in (0, 1, 2, 3, 5, 10, 20, 30, 40) if i < iterations]
    example = [
        [[spins_at(rng, flows[m, 0, s, i], length) for i in snapshots] for s in range(len(starts))]
        for m in range(len(machines))
    ]
    true = np.asarray(temperatures, float)
    offset = np.stack(
        [np.full(true.size, shift[t]) * np.exp(-((np.minimum(true, 9) - 1.5) ** 2)) for t in thermometers], 1
    )
    epochs = np.arange(1, 201)
    decay = np.exp(-epochs / 30.0) * (1 + 0.02 * rng.normal(size=(len(machines), seeds, epochs.size)))

    variables = {
        "temperature_read": _labelled("machine seed start iteration thermometer", read),
        "temperature_mean": _labelled("machine start iteration thermometer", mean),
        "temperature_error": _labelled("machine start iteration thermometer", error),
        "energy_mean": _labelled("machine start iteration", energy[0]),
        "energy_error": _labelled("machine start iteration", energy[1]),
        "abs_magnetization_mean": _labelled("machine start iteration", magnetization[0]),
        "abs_magnetization_error": _labelled("machine start iteration", magnetization[1]),
        "probability_mean": _labelled("machine start iteration classifier bin", probability),
        "probability_error": _labelled("machine start iteration classifier bin", probability_error),
        "null_temperature": _labelled("machine thermometer", null),
        "null_energy": _labelled("machine", energy_at(null[:, 0])),
        "null_abs_magnetization": _labelled("machine", magnetization_at(null[:, 0])),
        "null_probability": _labelled("machine classifier bin", null_probability),
        "end_temperature": _labelled("machine start thermometer", end),
        "end_error": _labelled("machine start thermometer", end_error),
        "end_interval": _labelled("machine start thermometer", 2 * end_error),
        "end_chain_error": _labelled("machine start thermometer", np.full(end.shape, 0.006)),
        "drift": _labelled("machine start thermometer", drift),
        "drift_error": _labelled("machine start thermometer", end_error * 1.4),
        "converged": _labelled("machine thermometer", spread < 0.3),
        "doubt_apart": _labelled("machine thermometer", spread >= 0.3),
        "start_difference": _labelled("machine thermometer", spread),
        "start_difference_error": _labelled("machine thermometer", 0.05 * np.ones(spread.shape)),
        "singular_value": _labelled("machine seed mode", singular),
        "weight_product": _labelled("machine visible visible_other", [row[0] @ row[0].T for row in weights]),
        "leading_vector": _labelled("machine leading y x", vectors),
        "leading_uniformity": _labelled("machine seed", np.full((len(machines), seeds), 0.97)),
        "example": _labelled("machine start snapshot y x", np.array(example, np.int8)),
        "calibration": _labelled("temperature thermometer", true[:, None] + offset),
        "calibration_error": _labelled("temperature thermometer", np.full((true.size, len(thermometers)), 0.01)),
        "cross_entropy": _labelled("classifier", [2.16, 2.127][: len(classifiers)]),
        "accuracy": _labelled("classifier", [0.181, 0.188][: len(classifiers)]),
        "reconstruction": _labelled("machine seed epoch", 0.3 + 0.4 * decay),
        "weight_norm": _labelled("machine seed epoch", 12.0 - 9.0 * decay),
        "bayes_cross_entropy_exact": ((), 2.1251),
        "bayes_accuracy_exact": ((), 0.1885),
        "critical_temperature": ((), T_C),
        "specific_heat_peak_temperature": ((), C_MAX),
        "specific_heat_peak_error": ((), 0.0),
        "chains": ((), 1000),
    }
    in_depth, labels = _weights_in_depth(weights, singular, length, true)
    variables |= in_depth
    variables |= _beyond_temperatures(machines, starts, iterations, length, converged=spread < 0.3, end=end)
    variables |= _of_one_temperature(len(machines), seeds)
    variables |= _from_exact(len(machines))
    variables |= {
        "usable_from": _labelled("thermometer", np.full(len(thermometers), finite[0])),
        "usable_to": _labelled("thermometer", np.full(len(thermometers), finite[-1])),
    }
    flags = [
        {
            "where": "flow V-16",
            "what": "not converged",
            "message": "the flow from hot still drifts after 40 iterations",
        },
        {"where": "thermometer neural", "what": "miscalibrated", "message": "reads 2.31(1) at T = 2.25 <held out>"},
    ]
    return xr.Dataset(
        variables,
        coords={
            "machine": list(machines),
            "machine_type": ("machine", kinds),
            "hidden_units": ("machine", hidden),
            "training_temperature": ("machine", 1.8 + 0.4 * np.arange(len(machines))),
            "recipe": ("machine", [json.dumps({"machine.hidden": n, "temperatures": [0.0, np.inf]}) for n in hidden]),
            "artifact": (("machine", "seed"), [[f"{m}, seed {s}" for s in range(seeds)] for m in machines]),
            "seed": np.arange(seeds),
            "start": list(starts),
            "iteration": np.arange(iterations),
            "thermometer": list(thermometers),
            "classifier": classifiers,
            "bin": bins,
            "temperature": true,
            "snapshot": snapshots,
            "epoch": epochs,
            **labels,
            "compared": sorted({0, 1, iterations - 1}),
            "feature": ["energy", "abs_magnetization", "joint"],
            "rule": ["majority", "decimation"],
            "quantity": list(against_model.QUANTITIES),
            "cluster": list(against_model.CLUSTERS),
            "side": [4 * length, 2 * length, length],
            "blocked_temperature": [1.8, T_C, 3.0],
            "drift_temperature": [1.5, T_C, 4.0],
            "horizon": [1, 10],
        },
        attrs={
            "title": "A quick look at RBM flows",
            "lattice": f"square torus {length} x {length}",
            "model": "Ising",
            "flags": json.dumps(flags),
        },
    )


def run() -> dict:
    """Make the record of a run that could belong to `results()`."""
    kinds = ("draws", "thermometer", "machine", "machine", "machine", "flow", "flow", "spectrum", "results")
    steps = [
        {
            "kind": kind,
            "name": f"{kind} {i}",
            "hash": f"{i:02x}" * 32,
            "seconds": 1.5 * i + 0.1,
            # Records of old stores tell no CPU time.
            **({"cpu_seconds": i + 0.1} if i else {}),
            "cached": i < 2,
            "device": "cpu",
            "flags": [],
        }
        for i, kind in enumerate(kinds)
    ]
    return {
        "name": "quick",
        "run": "quick-0123456789",
        "spec_toml": 'name = "quick"\nseed = 0\n\n[machine]\nhidden = 64  # <units>\n',
        "started": "2025-11-23T17:08:00+00:00",
        "seconds": 83.2,
        "compute_seconds": 214.0,
        "cpu_seconds": None,
        "steps": steps,
        "versions": {"rbmflow": "0.1.0", "jax": "0.11.2", "numpy": "2.3.4", "xarray": "2026.9.0"},
        "device": "cpu",
        "cores": 2,
        "platform": "Linux-6.1 x86_64, Python 3.12.11",
        "revision": None,
        "seed": 0,
    }
