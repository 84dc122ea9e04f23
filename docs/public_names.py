"""The index of public names, made from the package when these pages are built."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import rbmflow

PLACE = Path(__file__).parent / "api"

GROUPS = {
    "Lattices and models": """Lattice chain square triangular honeycomb kagome cubic hypercubic Model ising potts clock
        blume_capel critical_temperature critical_exponents""",
    "Configurations": """Draws sample sample_to cold hot thermal TransferMatrix TableHeatBath TableWolff Metropolis
        HeatBath Wolff SwendsenWang data_source sampler.chains""",
    "Machines and training": """RBM Units train train_ensemble recipe Estimator CD PCD PTT Exact History Interrupted
        control training.estimator training.cd training.pcd training.ptt training.summed training.fit training.history
        tempering""",
    "Flows": """Flow iterate Map Gibbs Autoencoder VAE Stack BlockSpins host machine train_map train_stack Loss
        MapFailed FlowEnds end_of_flows convergence""",
    "Likelihood and relaxation": """LogPartition excess_nats log_partition log_probability machine_mean
        trajectory_log_partition thermodynamics likelihood relaxation enumeration""",
    "Observables": """Observable observable OBSERVABLES Measurements observe TwoPoint two_point scaling_dimension
        ScalingDimension observables measurements correlations scaling two_sample""",
    "Thermometers and equilibrium": "Thermometer NeuralThermometer Reading train_thermometer thermometer equilibrium",
    "Exact numbers": "exact exact.infinite",
    "Renormalization group": "operators Operator stability Stability renormalization",
    "Weights": "Spectrum decompose effective_couplings spectrum.modes spectrum.linear spectrum.measures",
    "Runs, figures and claims": "open Run judge runs figure figures claim verdicts Judgement claims",
}
"""Names of `rbmflow`, and modules with all that they define beyond these; what is in no group comes last."""

HEAD = """# API

{count} names, each on its own page with its source and the pages that use it. Those of `rbmflow` itself are meant for
everyday use, those of its modules for what goes deeper. `import rbmflow as rf`.

"""


def thing_of(word):
    """What a name of `rbmflow` stands for, or a module of it."""
    return getattr(rbmflow, word) if word in rbmflow.__all__ else import_module(f"rbmflow.{word}")


def members(module, known):
    """Public functions, classes and values of a module that are defined there or below it, with their full names."""
    names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    for name in names:
        thing = getattr(module, name)
        here = str(getattr(thing, "__module__", "")).startswith(module.__name__)
        if here and callable(thing) and not any(thing is one for one in known):
            yield f"{module.__name__}.{name}"


def summary(names):
    """A table of names, each of which gets a page."""
    lines = [".. autosummary::", "   :toctree: .", "   :nosignatures:", "", *(f"   {name}" for name in names)]
    return "\n".join(["```{eval-rst}", *lines, "```", ""])


def write():
    """Write the index."""
    known = [getattr(rbmflow, name) for name in rbmflow.__all__]
    listed = {title: words.split() for title, words in GROUPS.items()}
    if further := sorted(set(rbmflow.__all__) - {word for words in listed.values() for word in words}):
        listed["Further names"] = further
    parts, count = [], 0
    for title, words in listed.items():
        modules = [word for word in words if isinstance(thing_of(word), ModuleType)]
        names = [f"rbmflow.{word}" for word in words if word not in modules]
        parts += [f"## {title}\n", *([summary(names)] if names else [])]
        count += len(names)
        for module in modules:
            found = list(members(thing_of(module), known))
            known += [getattr(thing_of(module), name.rpartition(".")[2]) for name in found]
            parts.append(summary([f"rbmflow.{module}", *found]))
            count += len(found)
    PLACE.mkdir(exist_ok=True)
    page, text = PLACE / "index.md", HEAD.format(count=count) + "\n".join(parts)
    if not page.exists() or page.read_text("utf-8") != text:  # Pages that have not changed are not built anew.
        page.write_text(text, encoding="utf-8")
