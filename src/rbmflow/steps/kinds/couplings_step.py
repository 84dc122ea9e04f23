"""Effective couplings of a machine that has learnt one temperature of an Ising model."""

from typing import Any

from rbmflow.steps.kind import Task, step


@step(
    version=1,
    takes="model",
    holds="""
        coupling coupling_exact: real[cluster]
        coupling_scatter: real[cluster] 0 inf
    """,
)
def couplings(task: Task) -> dict[str, Any]:
    """Mean and scatter over all clusters of a sort; NaN where the lattice has none, or the training has diverged."""
    import numpy as np

    from rbmflow import spectrum as of
    from rbmflow.rbm import RBM

    machine = RBM.from_dataset(task.parents[0])
    sites = of.clusters(task.model.lattice)
    found = {name: of.effective_couplings(machine, sites[name]) for name in sites}
    exact = of.couplings_of(task.model, task.settings["temperature"])
    return {
        "cluster": list(of.CLUSTERS),
        "coupling": np.array([found[name].mean() if name in found else np.nan for name in of.CLUSTERS]),
        "coupling_scatter": np.array([found[name].std() if name in found else np.nan for name in of.CLUSTERS]),
        "coupling_exact": np.array([exact[name] for name in of.CLUSTERS]),
    }
