"""Thermodynamics of a machine that has learnt one temperature, and that of its model there."""

import equinox as eqx
import numpy as np
from jaxtyping import Float, Float64

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations
from rbmflow._own_settings import own_settings
from rbmflow.diagnostics import mean_and_error
from rbmflow.equilibrium.transferred import known
from rbmflow.flow import iterate
from rbmflow.likelihood import LogPartition, log_probability
from rbmflow.model import Model, model_of
from rbmflow.observables import CORRELATION, ENERGY, MAGNETIZATION
from rbmflow.random import key_for
from rbmflow.rbm import RBM, machine_of
from rbmflow.training.history import pseudo_likelihood

BETWEEN = 20
"""Gibbs steps between configurations that are measured."""

BLOCKS = 10
"""Parts of the chains by which the error of the pseudo-likelihood is told."""

QUANTITIES = {
    "energy": "E",
    "abs_magnetization": "|m|",
    "specific_heat": "C",
    "susceptibility": r"\chi",
    "entropy": r"s",
    "pseudo_entropy": r"s_{PL}",
}
"""What is told of a machine, per site."""


@own_settings
def thermodynamics(
    key: AnyKey,
    machine: RBM,
    model: Model,
    start: Configurations,
    temperature: float,
    *,
    partition: LogPartition | None = None,
    iterations: int = 600,
) -> dict[str, tuple[float, float]]:
    r"""Energy, order, response and entropy of a machine of one temperature, per site and each with its error.

    .. math:: C = \frac{\langle E^2 \rangle - \langle E \rangle^2}{N T^2}, \qquad
        \chi = \frac{\langle M^2 \rangle - \langle |M| \rangle^2}{N T}, \qquad
        s = \frac{\ln Z + \langle F(v) \rangle}{N}, \qquad
        s_{PL} = -\frac1N \sum_i \langle \ln p(v_i | v_{\ne i}) \rangle \le s

    with total energy E and order M of the model, and ln Z and the visible (free) energy F of the machine. Means are
    over its own chains, in the later half of the iterations; errors are those of a jackknife over chains.

    Parameters
    ----------
    start : [chain, lattice ...]
        Where chains start: exact configurations of that temperature, which a good machine leaves where they are; two
        at least.
    partition
        From `log_partition`; without it the entropy is NaN.
    iterations
        Gibbs steps.

    Returns
    -------
    dict
        Value and error by the names "energy" and "abs_magnetization" (per site), "specific_heat", "susceptibility",
        "entropy" and "pseudo_entropy" (in units of k_B).

    Raises
    ------
    InvalidInput
        If the temperature is not finite and above 0, or the start does not fit the model or is of one chain, which
        tells no error.

    References
    ----------
    G. Torlai, R. G. Melko, Phys. Rev. B 94, 165134 (2016), arXiv:1606.02718; J. Gu, K. Zhang, Entropy 24, 1701 (2022),
    arXiv:2210.06203.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> model = rf.ising(rf.square(4))
    >>> free = rf.RBM.from_weights(np.zeros((16, 4)), np.zeros(16), None, units="-1/+1")
    >>> start = rf.hot(jax.random.key(0), model, 200)
    >>> found = thermodynamics(1, free, model, start, 100.0, partition=rf.log_partition(0, free), iterations=40)
    >>> round(found["entropy"][0], 6), abs(found["energy"][0]) < 0.1  # ln 2, and no order.
    (0.693147, True)
    """
    own, sites = machine_of(machine), model_of(model).lattice.sites
    problems = Problems()
    iterations = problems.whole("iterations", iterations, 2 * BETWEEN)
    problems.positive("temperature", temperature)
    problems.kind("partition", partition, (LogPartition, type(None)), "LogPartition, as log_partition returns")
    problems.done()
    chains = len(model.own(start, "start", axes=1))
    Problems.only(
        chains > 1, "chains of start", chains, "there must be two at least, as errors are told by their scatter"
    )
    kept = range(iterations - iterations // 2, iterations + 1, BETWEEN)
    flow = iterate(key_for(key, "thermodynamics", own), own, start, iterations, model=model, keep=kept)
    spins = flow.configurations
    energy = np.asarray(model.total_energy(spins), np.float64)
    order = np.abs(np.asarray(model.total_magnetization(spins), np.float64))
    of_moments = _jackknife(np.stack([energy, energy**2, order, order**2]).mean(axis=1), temperature, sites)
    ln_z = LogPartition(np.nan, np.nan) if partition is None else partition
    by_chain = -log_probability(own, spins, LogPartition(0.0)).reshape(energy.shape).mean(axis=0)
    visible, visible_error = mean_and_error(by_chain)
    rows, turned = own.units.from_spins(spins[-1].reshape(-1, sites)), eqx.filter_jit(pseudo_likelihood)
    blocks = min(BLOCKS, len(rows))
    of_blocks = [turned(own, rows[block::blocks][: len(rows) // blocks]) for block in range(blocks)]
    pseudo = mean_and_error(-np.array(of_blocks))
    entropy = (ln_z.value + visible) / sites, np.hypot(ln_z.error, visible_error) / sites
    pairs = [*zip(*of_moments, strict=True), entropy, pseudo]
    return {name: (float(value), float(error)) for name, (value, error) in zip(QUANTITIES, pairs, strict=True)}


def thermodynamics_of(model: Model, temperature: float) -> dict[str, float]:
    """The same of a model, exactly where it is known without a draw, else NaN.

    Its pseudo-entropy, of which there is no formula, is told by the entropy, the least upper bound that is known.
    """
    found, truth, sites = dict.fromkeys(QUANTITIES, float("nan")), known(model_of(model)), model.lattice.sites
    if truth is None:
        return found
    energy = float(truth.mean(ENERGY, temperature)[0])
    entropy = float(truth.log_partition(temperature)) / sites + energy / temperature
    found |= {"energy": energy, "specific_heat": float(truth.specific_heat(temperature))}
    found |= {"entropy": entropy, "pseudo_entropy": entropy}
    if truth.knows(MAGNETIZATION):
        found["abs_magnetization"] = order = float(truth.mean(MAGNETIZATION, temperature)[0])
        if truth.knows(CORRELATION):
            squared = float(truth.parts(CORRELATION, temperature)[0])  # <M^2> / N.
            found["susceptibility"] = (squared - sites * order**2) / temperature
    return found


def _jackknife(
    moments: Float[np.ndarray, "4 chain"], temperature: float, sites: int
) -> tuple[Float64[np.ndarray, "4"], Float64[np.ndarray, "4"]]:
    """E, |m|, C and chi from the means of E, E^2, |M| and M^2 of each chain, with their errors."""
    chains = moments.shape[1]

    def of(means: Float[np.ndarray, "4 *batch"]) -> Float[np.ndarray, "4 *batch"]:
        energy, energy_2, order, order_2 = means
        heat, response = (energy_2 - energy**2) / temperature**2, (order_2 - order**2) / temperature
        return np.stack([energy, order, heat, response]) / sites

    without = of((moments.sum(axis=1, keepdims=True) - moments) / (chains - 1))
    return of(moments.mean(axis=1)), np.sqrt(chains - 1) * without.std(axis=1)
