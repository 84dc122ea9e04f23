"""Flows along a training: where the machine of every checkpoint takes its starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import jax
import numpy as np
import xarray as xr

from rbmflow import exact, sampler
from rbmflow.diagnostics import mean_and_error
from rbmflow.flow import iterate
from rbmflow.model import Ising
from rbmflow.settings import FlowSettings
from rbmflow.thermometer.reading import ensemble_reading
from rbmflow.training.ladder import Ladder

STAGES = ("start", "third quarter", "last quarter")
"""What is kept of every flow: its first configurations, and means over the last two quarters of its iterations."""


def flows_along(
    key: jax.Array, model: Ising, trained: xr.Dataset, settings: FlowSettings, progress: Callable[[float], None]
) -> xr.Dataset:
    """Iterate the machine of every checkpoint from every start and keep its energy, magnetization and T(E).

    Parameters
    ----------
    key
        JAX random key.
    model
        The spin model, of the machine's lattice.
    trained
        Data of a machine with its ladder.
    settings
        `starts`, `chains` and `iterations` of the flows.
    progress
        Called after every checkpoint with the fraction done.

    Returns
    -------
    xr.Dataset
        Axes `checkpoint start stage`; energies and magnetizations per site with standard errors over chains,
        temperatures in J/k_B.
    """
    ladder = Ladder.from_dataset(trained)
    starts, iterations = settings.starts, settings.iterations
    rows = []
    for checkpoint in range(ladder.update.size):
        of_checkpoint, machine = jax.random.fold_in(key, checkpoint), ladder.machine(checkpoint)
        row = []
        for number, start in enumerate(starts):
            for_start, for_flow = jax.random.split(jax.random.fold_in(of_checkpoint, number))
            spins = sampler.thermal(for_start, model, temperature_of(start), settings.chains)
            if not machine.finite:
                row.append(np.full((len(STAGES), 6), np.nan).tolist())
                continue
            flow = iterate(for_flow, machine, spins, iterations, keep=_kept(iterations))
            row.append(_stages(model, flow.configurations))
        rows.append(row)
        progress((checkpoint + 1) / ladder.update.size)
    names = [name + error for name in ("energy", "abs_magnetization", "temperature_read") for error in ("", "_error")]
    values = np.array(rows)
    dims = ("checkpoint", "start", "stage")
    return xr.Dataset(
        {f"ladder_{name}": (dims, values[..., at]) for at, name in enumerate(names)}
        | {"ladder_update": ("checkpoint", np.asarray(ladder.update))},
        {"stage": list(STAGES), "checkpoint": np.arange(ladder.update.size)},
    )


def temperature_of(start: str | float) -> float:
    """Temperature in J/k_B of a start: 0 for "cold", infinity for "hot", else its own number."""
    named = {"cold": 0.0, "hot": math.inf}
    return named[start] if isinstance(start, str) else float(start)


def _kept(iterations: int) -> tuple[int, ...]:
    """The start and the last half, as two quarters of one length."""
    quarter = max(1, iterations // 4)
    return (0, *range(max(1, iterations + 1 - 2 * quarter), iterations + 1))


def _stages(model: Ising, configurations: np.ndarray) -> list[list[float]]:
    quarter = max(1, (configurations.shape[0] - 1) // 2)
    told = []
    for part in (configurations[:1], configurations[1 : 1 + quarter], configurations[-quarter:]):
        # A chain counts once with its mean, for its own iterations are correlated.
        energy = np.asarray(model.energy(part), np.float64).mean(axis=0)
        magnetization = np.abs(np.asarray(model.magnetization(part), np.float64)).mean(axis=0)
        reading = ensemble_reading(energy, partial(exact.temperature_of_energy, model), model)
        read = (reading.temperature, reading.error)
        told.append([float(value) for value in (*mean_and_error(energy, 0), *mean_and_error(magnetization, 0), *read)])
    return told
