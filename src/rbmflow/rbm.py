"""The restricted Boltzmann machine: its energy, its conditionals, its units."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Numbers, key_of, numbers_of
from rbmflow._netcdf import inspect
from rbmflow._record import Held, Record, arrays_of, attribute, dataset_of
from rbmflow._types import Fields, Visible
from rbmflow.lattice import square
from rbmflow.settings import MachineSettings, UnitsName

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Units:
    r"""The two values a unit can take, `low` and `low + span`, and what follows from them.

    A unit x in a field f has :math:`p(x) \propto e^{f x}`; its mean is :math:`\tanh f` in units -1/+1 and the logistic
    function :math:`(1 + \tanh(f/2)) / 2` in units 0/1.
    """

    name: UnitsName
    low: float
    span: float

    def mean(self, fields: Fields) -> Fields:
        r"""Mean unit in each field, :math:`low + span / 2 + (span / 2) \tanh(span f / 2)`."""
        half = 0.5 * self.span
        return (self.low + half) + half * jnp.tanh(half * fields)

    def sample(self, fields: Fields, symmetric: Fields) -> Fields:
        """Unit drawn in each field with uniform numbers of [-1, 1): high where tanh(span f / 2) exceeds them."""
        high = jnp.tanh(0.5 * self.span * fields) > symmetric
        return jnp.where(high, self.low + self.span, self.low).astype(fields.dtype)

    def log_sum(self, fields: Fields) -> Fields:
        r"""Log of the sum over both values, :math:`\ln \sum_x e^{f x}`."""
        return fields * self.low + jax.nn.softplus(self.span * fields)

    def from_spins(self, spins: Visible) -> Float[Array, "*batch visible"]:
        """Units (float32) of spins -1/+1; those of NumPy are turned there, where nothing is compiled."""
        own = np if isinstance(spins, np.ndarray) else jnp
        return jax.device_put(self.low + self.span * 0.5 * (own.asarray(spins, np.float32) + 1))

    def to_spins(self, units: Float[Array, "*batch visible"]) -> Visible:
        """Spins -1/+1 (int8) of units."""
        return jnp.where(units > self.low + 0.5 * self.span, 1, -1).astype(jnp.int8)


PLUS_MINUS = Units("-1/+1", -1.0, 2.0)
ZERO_ONE = Units("0/1", 0.0, 1.0)


def units_named(name: str) -> Units:
    """Units of the name written in a spec."""
    known = {units.name: units for units in (PLUS_MINUS, ZERO_ONE)}
    Problems.only(name in tuple(known), "units", name, 'it must be "-1/+1" or "0/1"')
    return known[name]


type AxesName = Literal["visible, hidden", "hidden, visible"]
"""Which way round weights are stored."""


def _real(name: str, values: Numbers, axes: int) -> Float[np.ndarray, "..."]:
    """Finite values as float32."""
    largest = float(np.finfo(np.float32).max)
    array = numbers_of(values, name, lowest=-largest, highest=largest)
    fits = array.ndim == axes and array.size > 0
    Problems.only(fits, f"shape of {name}", array.shape, f"it must have {axes} axes, none of them empty")
    return array.astype(np.float32)


_LAYOUT = {
    "weights": Held("visible hidden", "weights W"),
    "visible_bias": Held("visible", "visible biases b"),
    "hidden_bias": Held("hidden", "hidden biases c"),
}


def sides_of(given: Any) -> tuple[int, int] | None:
    """Rows and columns of a lattice as a record keeps them, None where none is known."""
    if given is None:
        return None
    ly, lx = square(*(int(side) for side in given)).shape
    return ly, lx


class RBM(Record):
    r"""Restricted Boltzmann machine on `visible` and `hidden` two-valued units.

    .. math:: p(v, h) \propto \exp(v^T W h + b^T v + c^T h)

    The machine has no temperature.

    Parameters
    ----------
    weights, visible_bias, hidden_bias : float32 [visible, hidden], [visible], [hidden]
        W, b and c; those of several machines in one, such as checkpoints, have one more axis in front.
    units
        The values of the units of both layers.
    sides
        Rows and columns of the lattice that it was trained on; None for a machine made elsewhere, which then fits every
        lattice of its number of sites.

    Raises
    ------
    InvalidInput
        If the lattice has another number of sites.

    References
    ----------
    P. Smolensky (1986); G. Hinton, Neural Comput. 14, 1771 (2002), doi:10.1162/089976602760128018.
    """

    weights: Float[Array, "*several visible hidden"]
    visible_bias: Float[Array, "*several visible"]
    hidden_bias: Float[Array, "*several hidden"]
    units: Units = eqx.field(static=True, default=PLUS_MINUS)
    sides: tuple[int, int] | None = eqx.field(static=True, default=None, converter=sides_of)

    def __check_init__(self):
        visible = self.weights.shape[-2]
        fits = self.sides is None or math.prod(self.sides) == visible
        Problems.only(fits, "sides", self.sides, f"the lattice of the machine must have {visible} sites")

    @classmethod
    def random(cls, key: AnyKey, visible: int, settings: MachineSettings) -> RBM:
        """Untrained machine: independent Gaussian weights, zero biases."""
        problems = Problems()
        problems.kind("settings", settings, MachineSettings, "MachineSettings(...)")
        visible = problems.whole("visible", visible, 1)
        problems.done()
        shape = (visible, settings.hidden)
        weights = settings.initial_scale * jax.random.normal(key_of(key), shape, jnp.float32)
        biases = (np.zeros(units, np.float32) for units in shape)
        return of_arrays((weights, *biases), units_named(settings.units))

    @classmethod
    def from_weights(
        cls,
        weights: Numbers,
        visible_bias: Numbers,
        hidden_bias: Numbers,
        *,
        units: UnitsName,
        axes: AxesName | None = None,
        sides: tuple[int, int] | None = None,
    ) -> RBM:
        r"""Machine of weights trained elsewhere, with :math:`p \propto e^{v W h + b v + c h}` in the given units.

        Nothing is taken for granted, since a machine in other units, turned over or without its biases reads as
        another temperature: PyTorch, scikit-learn and QuCumber have units 0/1 and weights [hidden, visible].

        Parameters
        ----------
        weights : [visible, hidden] or [hidden, visible]
            W; the biases tell which, or `axes` where they leave it open.
        visible_bias, hidden_bias : [visible], [hidden]
            b and c; None for a machine that has none.
        sides
            Rows and columns of its lattice; configurations of others are refused then.

        Raises
        ------
        InvalidInput
            If shapes do not fit together or fit both ways, a value is not a finite real number, or there are no such
            units or no such lattice.

        Examples
        --------
        >>> import numpy as np
        >>> RBM.from_weights(np.zeros((4, 9)), np.zeros(9), np.zeros(4), units="0/1").weights.shape
        (9, 4)
        """
        of_units, known = units_named(units), get_args(AxesName.__value__)
        says = f"it must say {' or '.join(map(repr, known))}"
        matrix = _real("weights", weights, 2)
        given = {"visible_bias": visible_bias, "hidden_bias": hidden_bias}
        biases = [None if bias is None else _real(name, bias, 1) for name, bias in given.items()]
        Problems.only(axes is None or axes in known, "axes", axes, says)
        ways = [matrix if way == known[0] else matrix.T for way in (known if axes is None else (axes,))]
        sizes = tuple(None if bias is None else bias.size for bias in biases)
        fitting = [way for way in ways if all(n in (None, m) for n, m in zip(sizes, way.shape, strict=True))]
        allowed = f"they must fit the weights of shape {matrix.shape}"
        Problems.only(bool(fitting), "sizes of visible_bias and hidden_bias", sizes, allowed)
        Problems.only(len(fitting) == 1, "axes", axes, f"{says}, since the shape {matrix.shape} fits both ways")
        filled = [np.zeros(n, np.float32) if b is None else b for n, b in zip(fitting[0].shape, biases, strict=True)]
        return of_arrays((fitting[0], *filled), of_units, sides)

    @classmethod
    def from_rbms(cls, path: str | Path, update: int | None = None) -> RBM:
        """Machine of a checkpoint file of the package rbms (HDF5), whose "BBRBM" has units 0/1 and "IIRBM" -1/+1.

        The checkpoint is that of `update` gradient updates, the last one that is whole if not given.

        Raises
        ------
        InvalidInput
            If it is no such file, or holds another kind of machine or no such checkpoint.

        References
        ----------
        https://github.com/DsysDML/rbms (`rbms/io.py`).
        """
        import xarray as xr

        inspect(path)
        groups = xr.open_groups(path, engine="h5netcdf", phony_dims="sort")
        kind = str(groups["/"]["model_type"].astype(str).item()) if "model_type" in groups["/"] else "unknown"
        known: dict[str, UnitsName] = {"BBRBM": "0/1", "IIRBM": "-1/+1"}
        problems = Problems()
        problems.unless(kind in known, "kind of machine", kind, f"it must be {' or '.join(known)}")
        names = ("weight_matrix", "vbias", "hbias")
        # A program that was killed has left its last checkpoint without some of its parts.
        whole = [name for name, group in groups.items() if set(names) <= set(group.variables)]
        matches = map(re.compile(r"/update_(\d{1,18})/params").fullmatch, whole)
        found = sorted(int(match[1]) for match in matches if match)
        chosen = update if update is not None else max(found, default=None)
        problems.unless(chosen in found, "update", chosen, f"the file has checkpoints at {found}")
        problems.done()
        kept = groups[f"/update_{chosen}/params"].load()
        for group in groups.values():
            group.close()
        return cls.from_weights(*(kept[name].values for name in names), units=known[kind], axes="visible, hidden")

    def require_lattice(self, name: str, sides: tuple[int, ...] | None) -> None:
        """Refuse what belongs to another lattice than the machine; None stands for rows, which tell of none."""
        visible = self.weights.shape[0]
        fits = sides is None or (sides == self.sides if self.sides else math.prod(sides) == visible)
        known = "" if self.sides is None else f" on the lattice {list(self.sides)}"
        Problems.only(fits, f"lattice of {name}", sides, f"it must be that of the machine, {visible} sites{known}")

    @property
    def finite(self) -> bool:
        """Whether all weights and biases are finite numbers, as they are not after a training that diverged."""
        return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(self))

    def or_free(self) -> RBM:
        """The machine, or free units in the place of one that diverged, of which nothing must be read then."""
        return self if self.finite else jax.tree.map(jnp.zeros_like, self)

    def hidden_fields(self, visible: Numbers) -> Float[Array, "*batch hidden"]:
        """Fields on the hidden units, v W + c, of visible units or their means; values of no unit are refused."""
        fields = self._layer(visible, "visible", 0) @ self.weights
        return fields + jnp.broadcast_to(self.hidden_bias, fields.shape)

    def visible_fields(self, hidden: Numbers) -> Float[Array, "*batch visible"]:
        """Fields on the visible units, h W^T + b, of hidden units or their means, as `hidden_fields`."""
        fields = self._layer(hidden, "hidden", 1) @ self.weights.T
        return fields + jnp.broadcast_to(self.visible_bias, fields.shape)

    def free_energy(self, visible: Numbers) -> Float[Array, "*batch"]:
        r"""Free energy of visible units, :math:`-\ln \sum_h e^{...} = -b^T v - \sum_j \ln \sum_{h_j} e^{f_j h_j}`."""
        visible = self._layer(visible, "visible", 0)
        return -visible @ self.visible_bias - jnp.sum(self.units.log_sum(self.hidden_fields(visible)), axis=-1)

    def _layer(self, given: Numbers, name: str, axis: int) -> Float[Array, "*batch unit"]:
        """Units of a layer; inside a compiled loop there are no values to look at."""
        if isinstance(given, Tracer):
            return given
        shape, low = ("...", self.weights.shape[axis]), self.units.low
        return jnp.asarray(numbers_of(given, name, shape, lowest=low, highest=low + self.units.span), jnp.float32)

    def in_units(self, name: UnitsName) -> RBM:
        r"""Machine of other units with the same probability of every configuration of spins.

        With units :math:`x = a x' + d` in both layers,

        .. math:: W' = a^2 W, \qquad b' = a b + a d\, W 1, \qquad c' = a c + a d\, W^T 1.

        Z changes by a factor. Without biases a machine of one kind has biases in the other.
        """
        units = units_named(name)
        if units == self.units:
            return self
        scale = self.units.span / units.span
        shift = self.units.low - scale * units.low
        return RBM(
            scale**2 * self.weights,
            scale * (self.visible_bias + shift * jnp.sum(self.weights, axis=1)),
            scale * (self.hidden_bias + shift * jnp.sum(self.weights, axis=0)),
            units,
            self.sides,
        )

    def to_dataset(self) -> xr.Dataset:
        """Labelled weights and biases."""
        return dataset_of(_LAYOUT, jax.tree.leaves(self), **kind_attributes(self))

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> RBM:
        """Machine from the data written by `to_dataset`."""
        return of_arrays(arrays_of(dataset, _LAYOUT), *kind_of(dataset))


def machine_of(given: RBM, name: str = "machine") -> RBM:
    """A machine, and nothing else that stands in its place, such as the pair that `train` returns."""
    problems = Problems()
    problems.kind(name, given, RBM, "machine, such as the first of the two things that train returns")
    problems.done()
    return given


def kind_attributes(machine: RBM) -> dict[str, Any]:
    """What all machines of a dataset have in common, as its attributes."""
    sides = {} if machine.sides is None else {"sides": list(machine.sides)}
    return {"units_of_both_layers": machine.units.name} | sides


def kind_of(dataset: xr.Dataset) -> tuple[Units, tuple[int, int] | None]:
    """Units and sides of the machines of a dataset."""
    return units_named(attribute(dataset, "units_of_both_layers")), sides_of(dataset.attrs.get("sides"))


def of_arrays(arrays: Iterable[Any], units: Units, sides: tuple[int, int] | None = None) -> RBM:
    """Machine, or several in one, of its weights, visible and hidden biases."""
    weights, visible_bias, hidden_bias = map(jax.device_put, arrays)
    return RBM(weights, visible_bias, hidden_bias, units, sides)


def on_lattice[M](machines: M, sides: tuple[int, int] | None) -> M:
    """The same with every machine in it known to be of a lattice of these sides; None leaves them as they are."""

    def known(part: Any) -> Any:
        return of_arrays(jax.tree.leaves(part), part.units, sides) if isinstance(part, RBM) else part

    return machines if sides is None else jax.tree.map(known, machines, is_leaf=lambda part: isinstance(part, RBM))
