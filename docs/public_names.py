"""The index of public names, made from the package when these pages are built."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import rbmflow

PLACE = Path(__file__).parent / "api"

GROUPS = {
    "Lattices and models": """Lattice chain square triangular honeycomb kagome cubic hypercubic Model ising potts clock
        blume_capel critical_temperature critical_exponents""",
    "Configurations": """Draws sample sample_to cold hot thermal TransferMatrix TableTransferMatrix TableHeatBath
        TableWolff Metropolis HeatBath Wolff SwendsenWang data_source sampler.chains""",
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
    "Weights": """Spectrum decompose effective_couplings learning_cascade Cascade gaussian_law GaussianLaw
        gaussian_training GaussianTraining spectrum.modes spectrum.linear spectrum.measures""",
    "Runs, figures and claims": "open Run judge runs figure figures claim verdicts Judgement claims",
}
"""Names of `rbmflow`, and modules with all that they define beyond these; what is in no group comes last."""

HEAD = """{count} names, each on its own page with its source and the pages that use it. Those of ``rbmflow`` itself are
meant for everyday use (``import rbmflow as rf``), those of its modules for what goes deeper."""


def thing_of(word):
    """What a name of `rbmflow` stands for, or a module of it."""
    return getattr(rbmflow, word) if word in rbmflow.__all__ else import_module(f"rbmflow.{word}")


def members(module, known):
    """Names of public functions, classes and values of a module that are defined there or below it."""
    names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    for name in names:
        thing = getattr(module, name)
        here = str(getattr(thing, "__module__", "")).startswith(module.__name__)
        if here and callable(thing) and not any(thing is one for one in known):
            yield name


def summary(names, *options):
    """A table of names, each of which gets a page by the option `toctree`."""
    return "\n   ".join([".. autosummary::", *options, ":nosignatures:\n", *names]) + "\n\n"


def save(name, text):
    """Write a page, and leave one that has not changed, which need not be built anew."""
    page, text = PLACE / f"{name}.rst", f"{text.rstrip()}\n"
    if not page.exists() or page.read_text("utf-8") != text:
        page.write_text(text, encoding="utf-8")


def headed(title, line, text):
    """A heading of reStructuredText and what stands below it."""
    return f"{title}\n{line * len(title)}\n\n{text}\n\n"


def write():
    """Write the index, and the page of every module; return by its name where a class is defined, as code is traced."""
    PLACE.mkdir(exist_ok=True)
    known = [getattr(rbmflow, name) for name in rbmflow.__all__]
    listed = {title: words.split() for title, words in GROUPS.items()}
    if further := sorted(set(rbmflow.__all__) - {word for words in listed.values() for word in words}):
        listed["Further names"] = further
    parts, pages, things = [], [], {}
    for title, words in listed.items():
        parts.append(headed(title, "-", ""))
        modules = {f"rbmflow.{word}": thing_of(word) for word in words if isinstance(thing_of(word), ModuleType)}
        if names := [f"rbmflow.{word}" for word in words if f"rbmflow.{word}" not in modules]:
            parts.append(summary(names, ":toctree: ."))
        for name, module in modules.items():
            found = list(members(module, known))
            known += [getattr(module, member) for member in found]
            told = headed(name, "=", f".. automodule:: {name}")
            save(name, told + (summary(found, ":toctree: .") if found else ""))
            things |= {f"{name}.{member}": getattr(module, member) for member in found}
        if modules:
            parts.append(summary(modules))
        pages += modules
        things |= {name: thing_of(name.removeprefix("rbmflow.")) for name in names}
    contents = "\n   ".join([".. toctree::", ":hidden:\n", *pages])
    save("index", headed("API", "=", HEAD.format(count=len(things))) + "".join(parts) + contents)
    classes = {name: thing for name, thing in things.items() if isinstance(thing, type)}
    return {name: f"{thing.__module__}.{thing.__qualname__}" for name, thing in classes.items()}
