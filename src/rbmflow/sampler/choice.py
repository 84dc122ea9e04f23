"""Which method draws at a temperature.

"auto" takes, for every temperature,

- the exact sampler if there is no field, a side is at most 12 (and the other not so long that its tables take more than
  a few seconds), and there are at most 100 000 draws; beyond that a chain with its measured thinning is faster;
- a cluster update if there is no field, the package numba is there, and Metropolis is slowed down: sides from 20 up
  to 3 xi, with xi the correlation length of the infinite lattice, or both sides and 3 xi at least 64. (A Metropolis
  autocorrelation time is about 0.02 min(L, 3 xi)^2.17 sweeps; a Wolff cluster costs about as much as four sweeps.)
  Wolff up to sides of 10 xi, beyond which its clusters are small parts of the lattice, else Swendsen-Wang;
- heat bath at T >= 4, where Metropolis flips most spins in every sweep;
- Metropolis everywhere else.

T = 0 and T = infinity need no chain: ground states, and independent random spins.
"""

import math

from rbmflow._checks import InvalidInput, Problem
from rbmflow.model import Model
from rbmflow.sampler.cluster_update import SwendsenWang, Wolff
from rbmflow.sampler.method import Method
from rbmflow.sampler.single_spin import HeatBath, Metropolis
from rbmflow.sampler.transfer_matrix import TransferMatrix

METHODS: dict[str, Method] = {kind.name: kind() for kind in (TransferMatrix, Metropolis, HeatBath, SwendsenWang, Wolff)}
CRITICAL_SIDE = 20
CLUSTER_SIDE = 64
MOST_EXACT_DRAWS = 100_000
MOST_TABLE_ENTRIES = 4e8
HEAT_BATH_TEMPERATURE = 4.0


def correlation_length(temperature: float) -> float:
    r"""Correlation length of the infinite lattice without field, along a row.

    .. math:: \xi^{-1} = \ln\coth K - 2K \; (T > T_c), \qquad \xi^{-1} = 2 (2K - \ln\coth K) \; (T < T_c),

    with K = 1 / T.

    References
    ----------
    B. M. McCoy, T. T. Wu, The Two-Dimensional Ising Model (Harvard, 1973), chapters XI and XII.
    """
    rate = -math.log(math.tanh(1 / temperature)) - 2 / temperature
    return 1 / (rate if rate > 0 else -2 * rate) if rate else math.inf


def no_chain(temperature: float) -> bool:
    """Whether configurations are drawn without a Markov chain whatever the method."""
    return temperature == 0 or math.isinf(temperature)


def automatic(model: Model, temperature: float, draws: int = 1) -> tuple[Method, str]:
    """The method that "auto" takes for so many draws at a temperature, and why."""
    exact = TransferMatrix()
    many = draws > MOST_EXACT_DRAWS
    if exact.refusal(model) is None and not many and exact.table_entries(model) <= MOST_TABLE_ENTRIES:
        return exact, "exact and independent at this size"
    if no_chain(temperature):
        return Metropolis(), "no chain is needed"
    length = correlation_length(temperature)
    side = min(model.lattice.shape)
    near = CRITICAL_SIDE <= side <= 3 * length
    if model.field == 0 and (near or min(side, 3 * length) >= CLUSTER_SIDE):
        cluster = Wolff() if side <= 10 * length else SwendsenWang()
        if cluster.refusal(model) is None:
            return cluster, f"large lattice with a correlation length of {length:.3g}"
        return Metropolis(), f"clusters would be faster, but {cluster.refusal(model)}"
    if temperature >= HEAT_BATH_TEMPERATURE:
        return HeatBath(), "high temperature"
    if exact.refusal(model) is None and many:
        return Metropolis(), f"more than {MOST_EXACT_DRAWS} draws, for which exact ones take longer"
    return Metropolis(), "in a field" if model.field else "short correlations or moderate size"


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
