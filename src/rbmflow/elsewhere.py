"""Machines made elsewhere: which of their arrays are weights and biases, which way round, and in what units."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rbmflow._arrays import bare_name, flattened, named_arrays
from rbmflow._checks import InvalidInput, Problem, Problems, one_of

_WEIGHTS = ("w", "weight", "weights", "weightmatrix", "components")
_VISIBLE = ("visiblebias", "vbias", "biasvisible", "bvisible", "biasv", "bv", "vb", "interceptvisible", "a")
_HIDDEN = ("hiddenbias", "hbias", "biashidden", "bhidden", "biash", "bh", "hb", "intercepthidden", "c")
"""Names as `bare_name` has them; of b the other one decides, a or c."""

_KINDS = {"BBRBM": "0/1", "IIRBM": "-1/+1"}
"""Machines of the package rbms, and their units."""

_ASKED = "call the arrays weights, visible_bias and hidden_bias, or pass them to RBM.from_weights"


class Parameters(NamedTuple):
    """Weights and biases of a machine made elsewhere, and what its format tells of them."""

    weights: np.ndarray
    visible_bias: np.ndarray | None
    hidden_bias: np.ndarray | None
    axes: str | None
    """Which way round the weights are, where the format has it fixed."""
    units: str | None
    """Name of its units, where the file tells them."""
    hidden_units: str | None
    """Name of those of its hidden units, where the file tells them apart."""

    @property
    def biases(self) -> int:
        """Layers with biases."""
        return (self.visible_bias is not None) + (self.hidden_bias is not None)


def parameters_of(given: Any, part: str | None) -> Parameters:
    """Weights and biases of a file, a state dict, or anything with one or with arrays as its attributes.

    Formats: https://github.com/DsysDML/rbms (`rbms/io.py`), https://github.com/PIQuIL/QuCumber
    (`qucumber/nn_states/neural_state.py`), `sklearn.neural_network.BernoulliRBM`.
    """
    if isinstance(given, str | os.PathLike):
        arrays, called = named_arrays(Path(given)), str(given)
    else:
        arrays, called = dict(flattened(_attributes(given))), type(given).__name__
    groups = {}
    for name, array in arrays.items():
        groups.setdefault(name[: len(name) - len(re.split(r"[./]", name)[-1])], {})[bare_name(name)] = array
    machines = {group: found for group, inside in groups.items() if (found := _parameters(inside)) is not None}
    Problems.only(bool(machines), "machine", called, f"it has {_names(arrays)}: {_ASKED}")
    group = _chosen(machines, part)
    found = machines[group]
    kind = arrays.get("model_type")
    told = None if kind is None else str(kind)
    Problems.only(told in (None, *_KINDS), "kind of machine", told, f"it must be {' or '.join(_KINDS)}")
    own = arrays.get("units_of_both_layers", arrays.get("units"))
    axes = "visible, hidden" if own is not None else "hidden, visible" if group.startswith("rbm_am") else found.axes
    units, hidden = _KINDS.get(told or "", None if own is None else str(own)), arrays.get("hidden_units")
    return found._replace(axes=axes, units=units, hidden_units=None if hidden is None else str(hidden))


def _attributes(given: Any) -> Mapping[str, Any]:
    if hasattr(given, "state_dict"):
        return given.state_dict()
    if isinstance(given, Mapping):
        return given
    told = "it must be the path of a file, a state dict, or a machine with arrays"
    if not hasattr(given, "__dict__"):
        raise InvalidInput(Problem("machine", type(given).__name__, told))
    return vars(given)


def _parameters(arrays: Mapping[str, np.ndarray]) -> Parameters | None:
    """Weights and biases among the arrays of one group; None if there are no weights."""
    weights = [name for name in _WEIGHTS if name in arrays and arrays[name].ndim == 2]
    if len(weights) != 1:
        return None
    visible = _VISIBLE if "c" not in arrays else (*_VISIBLE, "b")
    hidden = _HIDDEN if "a" not in arrays else (*_HIDDEN, "b")
    biases = [[name for name in names if name in arrays] for names in (visible, hidden)]
    for found in biases:
        Problems.only(len(found) < 2, "arrays of the machine", found, f"one alone may be a bias: {_ASKED}")
    _refuse_unread(arrays, arrays[weights[0]], [*biases[0], *biases[1]])
    axes = {"components": "hidden, visible", "weightmatrix": "visible, hidden"}.get(weights[0])
    one, other = (arrays[found[0]].ravel() if found else None for found in biases)
    return Parameters(arrays[weights[0]], one, other, axes, None, None)


def _refuse_unread(arrays: Mapping[str, np.ndarray], weights: np.ndarray, read: list[str]) -> None:
    """Refuse vectors as long as a layer that are no bias by their names: a machine without its biases is another."""
    odd = [name for name, one in arrays.items() if one.ndim == 1 and one.size in weights.shape and name not in read]
    Problems.only(len(read) == 2 or not odd, "arrays of the machine", odd, f"they may be biases: {_ASKED}")


def _chosen(machines: Mapping[str, Parameters], part: str | None) -> str:
    """The group of the machine that is asked for; the last whole checkpoint, and the modulus of a wave function."""
    # A program that was killed has left its last checkpoint without some of its parts.
    most = max(one.biases for one in machines.values())
    whole = {re.split(r"[./]", group)[0]: group for group, one in machines.items() if one.biases == most}
    numbers = {name: int(found[1]) for name in whole if (found := re.fullmatch(r"update_(\d{1,18})", name))}
    if part is None and len(numbers) == len(whole):
        part = max(numbers, key=lambda name: numbers[name])
    elif part is None:
        part = "rbm_am" if "rbm_am" in whole else next(iter(whole)) if len(whole) == 1 else None
    told = one_of(part, sorted(whole, key=lambda name: (numbers.get(name, 0), name)), ", the machines of the file")
    Problems.only(part in whole, "part", part, told if any(whole) else "there is one machine, which has no name")
    return whole[str(part)]


def _names(arrays: Mapping[str, np.ndarray]) -> str:
    shown = [f"{name or 'one array'} {list(array.shape)}" for name, array in arrays.items()]
    return f"no weights that are known by their names ({', '.join(shown) or 'no arrays'})"
