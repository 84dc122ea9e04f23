"""A laboratory for RBM flows on lattice spin models.

The same path in a notebook, from temperatures to weights, is seven calls: `sample`, `train`, `hot` or `cold`,
`iterate`, a thermometer's `read`, and `decompose`; `exact` has the finite-size formulas beside them.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"


def _places() -> dict[str, str]:
    """Public names and the modules that define them, as the stub beside this file has them."""
    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = (node for node in stub.body if isinstance(node, ast.ImportFrom))
    return {alias.name: f"{__name__}.{node.module or alias.name}" for node in imports for alias in node.names}


_PLACES = _places()
__all__ = sorted(_PLACES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    # Public names are imported on first use, so that `rbmflow --help` does not wait for jax.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_PLACES[name])
    return module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
