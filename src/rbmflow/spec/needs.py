"""What the steps of a spec need at least, from its settings alone: memory while computed, and disk afterwards."""

from typing import NamedTuple

from rbmflow.spec.contents import Spec

_PACKED = 1 / 10
"""Bytes on disk of a spin, at most; ordered ones take less."""

_MEASURED = 24
"""Bytes of the observables of one chain at one iteration."""


class Need(NamedTuple):
    """What one step of a kind needs at least; what is not counted comes on top."""

    field: str
    """The field of the spec that it grows with."""
    value: object
    memory: float
    """Bytes of the arrays that it has in memory at once."""
    disk: float
    """Bytes of its artifact, if its spins are as random as can be."""


def needs(spec: Spec) -> dict[str, Need]:
    """Estimate what a step of each kind needs that can be large.

    Parameters
    ----------
    spec
        The spec.

    Examples
    --------
    >>> needs(Spec("x"))["draws"].memory
    5000000.0
    """
    sites, grid = spec.model.length**2, len(spec.sampling.temperatures)
    flow, training, blocks, neural = spec.flow, spec.training, spec.renormalization, spec.thermometer
    drawn = float(sites * grid * spec.sampling.draws)
    learnt = max(len(spec.type_temperatures(name)) for name in spec.types) * spec.sampling.draws
    hidden = max(max(spec.hidden_units(name)) for name in spec.types)
    updates = training.epochs * max(1, learnt // training.batch)
    rungs = training.rungs if training.estimator == "PTT" else 0
    weights = 4.0 * sites * hidden
    kept = weights * (1 + min(training.checkpoints, updates + 1))
    snapshots = len(flow.kept(sites))
    chains = flow.chains * (sites * snapshots + _MEASURED * (flow.iterations + 1.0))
    of_flow = flow.chains * (sites * snapshots * _PACKED + _MEASURED * flow.iterations)
    seen = float(sites * grid * neural.draws)
    network = 4.0 * neural.hidden * (sites + grid)
    blocked = float(blocks.length**2 * len(blocks.temperatures) * blocks.draws)
    return {
        # Configurations once more in the bytes of the file.
        "draws": Need("sampling.draws", spec.sampling.draws, 2 * drawn, _PACKED * drawn),
        "machine": Need("machine.hidden", hidden, sites * learnt + kept + (2 + rungs) * weights, kept),
        "flow": Need("flow.chains", flow.chains, chains, of_flow),
        "thermometer": Need("thermometer.draws", neural.draws, seen + 3 * network, network),
        "renormalization": Need("renormalization.draws", blocks.draws, 2 * blocked, 0.0),
    }
