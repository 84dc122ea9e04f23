"""The walls of the house: imports go one way, and the science layer needs little."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "rbmflow"

VOCABULARY = (
    "_checks",
    "_forks",
    "_doors",
    "_types",
    "_files",
    "_format",
    "_variables",
    "_arrays",
    "_hdf5",
    "_netcdf",
    "_record",
    "_registry",
    "_scan",
    "_shown",
    "_torch_file",
    "_own_settings",
    "random",
    "settings",
)
SCIENCE = (
    "diagnostics",
    "lattice",
    "geometry",
    "model",
    "symmetry",
    "spin_models",
    "critical",
    "correlations",
    "measurements",
    "scaling",
    "observables",
    "two_sample",
    "exact",
    "configurations",
    "dataset",
    "sampler",
    "data_sources",
    "equilibrium",
    "units",
    "elsewhere",
    "rbm",
    "gibbs",
    "renormalization",
    "maps",
    "controls",
    "tempering",
    "enumeration",
    "likelihood",
    "training",
    "flow",
    "relaxation",
    "one_temperature",
    "thermometer",
    "spectrum",
    "drift",
    "convergence",
    "claims",
)
PRESENTATION = ("figures", "report")
ORCHESTRATION = ("spec", "store", "steps", "execute", "runs", "cli", "trial", "__main__")
SCIENCE_LIBRARIES = {"jax", "jaxtyping", "numpy", "scipy", "equinox", "optax", "xarray"}


def allowed_inside(room: str) -> set[str]:
    """Rooms of the package that a room may import."""
    vocabulary = set(VOCABULARY)
    if room in VOCABULARY:
        return vocabulary
    if room in SCIENCE:
        return vocabulary | set(SCIENCE[: SCIENCE.index(room)])
    return {
        "figures": {"_checks", "_format", "_registry"},
        "report": {"_checks", "_files", "_format", "_registry", "figures"},
        "spec": {"_checks", "_registry", "settings", "model", "spin_models", "critical", "equilibrium", "sampler"},
        "store": {"_checks", "_files", "_hdf5", "_netcdf", "_registry"},
        "steps": vocabulary | set(SCIENCE) | {"spec", "store"},
        "execute": {"_checks", "_files", "_registry", "settings", "spec", "store"},
        "runs": vocabulary | set(SCIENCE) | {"figures", "spec", "store", "steps", "execute"},
        "trial": vocabulary | set(SCIENCE) | {"spec", "store", "steps", "execute", "runs", "cli"},
        "__main__": {"cli"},
        "cli": {"_checks", "_files", "_registry", "figures", "report", "spec", "store", "steps", "execute", "runs"},
    }[room]


def allowed_outside(room: str) -> set[str] | None:
    """Libraries that a room may import; None where any dependency may be."""
    if room in VOCABULARY or room in SCIENCE:
        # numba for cluster updates, which do without where it is missing; h5netcdf to fill a file part by part, h5py
        # since h5netcdf is slow.
        files = {"_hdf5": {"h5py"}, "_netcdf": {"h5netcdf", "h5py"}, "_arrays": {"h5py"}}
        further = {"sampler": {"numba"}, **files}
        return SCIENCE_LIBRARIES | further.get(room, set())
    if room in PRESENTATION:
        return {"numpy", "xarray", "matplotlib", "jinja2", "pandas", "markupsafe"}
    if room == "steps":
        return SCIENCE_LIBRARIES
    return None


def files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Dotted names imported by a file, those under TYPE_CHECKING left out."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            if node.module == "rbmflow":
                names.update(f"rbmflow.{alias.name}" for alias in node.names)
            else:
                names.add(str(node.module))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return names


def test_no_two_modules_share_a_name():
    names = Counter(path.parent.name if path.name == "__init__.py" else path.stem for path in files())
    assert [name for name, count in names.items() if count > 1] == []


def test_modules_and_functions_are_short():
    """At most 400 and 60 lines, the latter without the docstring, which has formula, shapes, errors and an example."""
    long = []
    for path in files():
        text = path.read_text(encoding="utf-8")
        long += [path] if text.count("\n") > 400 else []
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
                long += [node.name] if node.end_lineno - node.lineno + 1 - docstring > 60 else []
    assert long == []


def test_a_name_is_exported_in_one_line():
    """The import that exports it: `from rbmflow.rbm import RBM as RBM`, with no second list of names beside it."""
    assert [path for path in files() if "__all__" in path.read_text(encoding="utf-8")] == []


def test_tests_use_public_names():
    """Rooms of the base begin with an underscore for users; what begins with one inside any room is that room's own."""
    found = []
    for path in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("rbmflow."):
                found += [alias.name for alias in node.names if alias.name.startswith("_")]
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found += [node.attr] if node.attr.startswith("_") and not node.attr.endswith("_") else []
    assert found == []


def test_every_room_is_on_the_plan():
    assert {room_of(path) for path in files()} == {*VOCABULARY, *SCIENCE, *PRESENTATION, *ORCHESTRATION}


def test_the_docs_name_every_room_in_its_layer():
    """Those of science in their order, since the docs let each import what stands to its left."""
    text = (PACKAGE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (base|science|presentation|orchestration) \| (.*?) \|", text, re.MULTILINE)
    told = {layer: re.findall(r"`(\w+)`", rooms) for layer, rooms in rows}
    plan = {"base": VOCABULARY, "presentation": PRESENTATION, "orchestration": ORCHESTRATION}
    assert told.pop("science") == list(SCIENCE)
    assert {layer: sorted(rooms) for layer, rooms in told.items()} == {
        layer: sorted(rooms) for layer, rooms in plan.items()
    }


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_downwards(path):
    room = room_of(path)
    inside = {name.split(".")[1] for name in imported(path) if name.startswith("rbmflow.")}
    version = {"__version__"}
    assert inside - {room} - version <= allowed_inside(room)
    libraries = allowed_outside(room)
    if libraries is not None:
        outside = {name.split(".")[0] for name in imported(path)} - {"rbmflow"} - set(sys.stdlib_module_names)
        assert outside <= libraries


BARE = """
import importlib.metadata as metadata, re, sys
allowed = {"rbmflow"}
todo = list(%r)
while todo:
    name = re.split(r"[ ;<>=!~\\[(]", todo.pop())[0].lower().replace("_", "-")
    if name in allowed:
        continue
    allowed.add(name)
    try:
        todo += [r for r in metadata.requires(name) or [] if "extra ==" not in r]
    except metadata.PackageNotFoundError:
        pass
hidden = {top for top, owners in metadata.packages_distributions().items()
          if not {owner.lower().replace("_", "-") for owner in owners} & allowed}
class Bare:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in hidden else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = map(Bare, sys.meta_path)
assert {"pydantic", "rich", "h5netcdf", "matplotlib"} <= hidden
for module in %r:
    __import__(f"rbmflow.{module}")
import jax, numpy, rbmflow as rf
key = jax.random.key(0)
model = rf.ising(rf.square(4))
draws = rf.sample(key, model, temperatures=[1.0, 2.27, 4.0], draws=100)
machine, history = rf.train(key, draws, hidden=4, epochs=2)
flow = rf.iterate(key, machine, start=rf.hot(key, model, 10), iterations=3)
assert rf.equilibrium.exact(model).posterior(flow.spins, draws.temperatures).shape == (10, 3)
assert rf.decompose(machine).to_dataset()["singular_value"].shape == (4,)
assert numpy.isfinite(rf.exact.energy(model, 2.27)) and numpy.isfinite(rf.exact.log_partition(model, 2.27))
"""


def test_science_works_on_a_bare_machine():
    """Every distribution that jax, numpy, scipy, equinox, optax, jaxtyping and xarray do not need is hidden."""
    modules = [name for name in (*VOCABULARY, *SCIENCE) if name != "diagnostics"]
    script = BARE % (sorted(SCIENCE_LIBRARIES), modules)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


PLAN = """
import sys
from rbmflow import spec, steps
steps.graph(spec.load("quick"))
print(*sorted({"jax", "numpy", "scipy", "xarray"} & set(sys.modules)))
"""


def test_planning_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", PLAN], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_pins_of_uv_are_those_of_the_constraints_file():
    root = PACKAGE.parents[1]
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    pins = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [pin.replace('"', "'") for pin in settings["tool"]["uv"]["constraint-dependencies"]] == pins
    assert not any("://" in pin for pin in pins)
