"""Which method draws: the one that takes least time by a cost model, exact draws being worth more.

Chains take the steps that `chains` says, for the autocorrelation time and the time of a step that their method expects:
roughly, from measurements on sides of 10 to 128 and the correlation length. Independent exact draws are worth `WORTH`
times as long, or `SHORT` seconds; T = 0 and T = infinity need no chain: ground states, and independent random spins.
"""

import functools
import math

from rbmflow._checks import InvalidInput, Problem
from rbmflow.model import Model
from rbmflow.sampler.chains import replicas_for
from rbmflow.sampler.cluster_update import SwendsenWang, Wolff
from rbmflow.sampler.method import POINTS, ChainMethod, ExactMethod, Method
from rbmflow.sampler.single_spin import HeatBath, Metropolis
from rbmflow.sampler.table_sweep import TableHeatBath
from rbmflow.sampler.table_transfer_matrix import TableTransferMatrix
from rbmflow.sampler.table_wolff import TableWolff
from rbmflow.sampler.transfer_matrix import TransferMatrix

METHODS: dict[str, Method] = {
    kind.name: kind()
    for kind in (
        TransferMatrix,
        TableTransferMatrix,
        Metropolis,
        HeatBath,
        SwendsenWang,
        Wolff,
        TableHeatBath,
        TableWolff,
    )
}
WORTH = 1.5
SHORT = 1.0
OBSERVING = 0.3e-9
"""Seconds that the energy and the magnetization of a configuration take, a site."""


def no_chain(temperature: float) -> bool:
    """Whether configurations are drawn without a Markov chain whatever the method."""
    return temperature == 0 or math.isinf(temperature)


def seconds(method: Method, model: Model, temperature: float, draws: int) -> float:
    """Rough CPU time of the draws at one temperature, on a core of 2026; within a factor of about three."""
    sites = model.lattice.sites
    if no_chain(temperature):
        return 1e-9 * sites * draws
    if isinstance(method, ExactMethod):
        return method.seconds(model, temperature, draws)
    assert isinstance(method, ChainMethod)
    tau, step = method.expected(model, temperature)
    replicas = replicas_for(draws, method.bundle)
    moved = max(2 * POINTS, 43 * tau) * replicas + 3 * (tau + 0.5) * max(draws, replicas)
    return step * moved + OBSERVING * sites * (2 * POINTS * replicas + draws)


@functools.lru_cache
def able_methods(model: Model) -> tuple[Method, ...]:
    """The methods that can draw from a model."""
    return tuple(method for method in METHODS.values() if method.refusal(model) is None)


def automatic(model: Model, temperature: float, draws: int = 1) -> tuple[Method, str]:
    """The method that "auto" takes for so many draws at a temperature, and why."""
    able = able_methods(model)
    if not able:
        reasons = "; ".join(f"{name}: {method.refusal(model)}" for name, method in METHODS.items())
        raise InvalidInput(Problem("model", model, f"no method draws from it ({reasons})"))
    if no_chain(temperature):
        return able[0], "no chain is needed"
    times = {method: seconds(method, model, temperature, draws) for method in able}
    exact = next((method for method in able if isinstance(method, ExactMethod) and times[method] < math.inf), None)
    chain = min((method for method in able if isinstance(method, ChainMethod)), key=lambda method: times[method])
    if exact is not None and times[exact] <= max(SHORT, WORTH * times[chain]):
        return exact, "exact and independent at this size"
    return chain, f"about {times[chain]:.2g} s, the least of {len(able)} methods"


def method_for(model: Model, temperature: float, method: Method | str = "auto", draws: int = 1) -> tuple[Method, str]:
    """The method that `method` stands for, and why.

    Raises
    ------
    InvalidInput
        If the method is unknown or cannot draw from the model.
    """
    if method == "auto":
        return automatic(model, temperature, draws)
    chosen = METHODS.get(method) if isinstance(method, str) else method
    if not isinstance(chosen, Method):
        allowed = f'it must be "auto", {", ".join(METHODS)} or a method such as Metropolis()'
        raise InvalidInput(Problem("method", method, allowed))
    reason = chosen.refusal(model)
    if reason is not None:
        field, value = ("method", chosen.name)
        if isinstance(chosen, TransferMatrix):
            field, value = ("field", model.field) if model.field else ("lattice", model.lattice.shape)
        raise InvalidInput(Problem(field, value, reason))
    return chosen, "asked for"
