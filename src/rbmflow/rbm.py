"""The restricted Boltzmann machine: its energy and its conditionals."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import AnyKey, Numbers, key_of, numbers_of
from rbmflow._record import Held, Record, arrays_of, attribute, dataset_of
from rbmflow._shown import Shown
from rbmflow.elsewhere import parameters_of
from rbmflow.settings import MachineSettings, UnitsName
from rbmflow.units import PLUS_MINUS, ZERO_ONE, Units, units_named

if TYPE_CHECKING:
    import xarray as xr


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


def shape_of(given: Any) -> tuple[int, ...] | None:
    """Shape of a lattice as a record keeps it, None where none is known."""
    if given is None:
        return None
    problems = Problems()
    shape = problems.wholes("shape", given, 1)
    problems.unless(len(shape) > 0, "shape", given, "it must have at least one axis")
    problems.done()
    return shape


class RBM(Record, Shown):
    r"""Restricted Boltzmann machine of a visible unit a site and two-valued hidden units.

    .. math:: p(v, h) \propto \exp(v^T W h + b^T v + c^T h)

    The machine has no temperature. A site with more than two states has several numbers in v, see `Units`.

    Parameters
    ----------
    weights, visible_bias, hidden_bias : float32 [visible, hidden], [visible], [hidden]
        W, b and c, with `visible = site * components + component`; those of several machines in one, such as
        checkpoints, have one more axis in front.
    units
        What a site is in v.
    shape
        Shape of the lattice that it was trained on; None for a machine made elsewhere, which then fits every lattice of
        its number of sites.
    hidden_units
        The values of hidden units; by default 0/1 if those of the visible ones are, else -1/+1.

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
    units: Units = eqx.field(static=True)
    shape: tuple[int, ...] | None = eqx.field(static=True)
    hidden_units: Units = eqx.field(static=True)

    def __init__(
        self,
        weights: Any,
        visible_bias: Any,
        hidden_bias: Any,
        units: Units = PLUS_MINUS,
        shape: Any = None,
        hidden_units: Units | None = None,
    ):
        self.weights, self.visible_bias, self.hidden_bias = weights, visible_bias, hidden_bias
        self.units, self.shape = units, shape_of(shape)
        self.hidden_units = hidden_units or (ZERO_ONE if units.codes == ZERO_ONE.codes else PLUS_MINUS)

    def __check_init__(self):
        fits = self.shape is None or math.prod(self.shape) == self.sites
        Problems.only(fits, "shape", self.shape, f"the lattice of the machine must have {self.sites} sites")

    @property
    def sites(self) -> int:
        """Sites of its lattice."""
        return self.weights.shape[-2] // self.units.components

    @property
    def layer_bits(self) -> tuple[float, float]:
        """Logarithms to the base 2 of the numbers of states of the visible and the hidden layer."""
        hidden = self.weights.shape[-1]
        of_site, of_hidden = (math.log2(len(units.states)) for units in (self.units, self.hidden_units))
        return self.sites * of_site, hidden // self.hidden_units.components * of_hidden

    def like(self, weights: Any, visible_bias: Any, hidden_bias: Any) -> RBM:
        """A machine of the same units and lattice, or a gradient in the shape of one."""
        return RBM(weights, visible_bias, hidden_bias, self.units, self.shape, self.hidden_units)

    @property
    def swapped(self) -> RBM:
        """The machine with its layers in each other's place."""
        return RBM(self.weights.T, self.hidden_bias, self.visible_bias, self.hidden_units, None, self.units)

    @classmethod
    def random(
        cls, key: AnyKey, sites: int, settings: MachineSettings, states: tuple[int, ...] = PLUS_MINUS.states
    ) -> RBM:
        """Untrained machine of sites with these labels: independent Gaussian weights, zero biases."""
        problems = Problems()
        problems.kind("settings", settings, MachineSettings, "MachineSettings(...)")
        sites = problems.whole("sites", sites, 1)
        problems.done()
        units = units_named(settings.units, states, settings.code)
        shape = (sites * units.components, settings.hidden)
        weights = settings.initial_scale * jax.random.normal(key_of(key), shape, jnp.float32)
        biases = (np.zeros(count, np.float32) for count in shape)
        return of_arrays((weights, *biases), units, None, units_named(settings.units))

    @classmethod
    def from_weights(
        cls,
        weights: Numbers,
        visible_bias: Numbers,
        hidden_bias: Numbers,
        *,
        units: UnitsName | Units | None = None,
        axes: AxesName | None = None,
        shape: tuple[int, ...] | None = None,
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
        units
            Name of the values of both layers, or the `Units` of the visible one, with hidden units -1/+1. They must be
            given.
        shape
            Shape of its lattice, such as (10, 10); configurations of others are refused then. Where biases leave it
            open, it tells which way round the weights are.

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
        told = "they must be given, '-1/+1' or '0/1': those of PyTorch, scikit-learn and QuCumber are 0/1"
        if units is None:
            raise InvalidInput(Problem("units", None, told))
        of_units = units if isinstance(units, Units) else units_named(units)
        known = get_args(AxesName.__value__)
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
        if len(fitting) > 1 and shape is not None:
            visible = math.prod(shape_of(shape) or ()) * of_units.components
            fitting = [way for way in fitting if len(way) == visible] or fitting
        Problems.only(len(fitting) == 1, "axes", axes, f"{says}, since the shape {matrix.shape} fits both ways")
        filled = [np.zeros(n, np.float32) if b is None else b for n, b in zip(fitting[0].shape, biases, strict=True)]
        return of_arrays((fitting[0], *filled), of_units, shape)

    @classmethod
    def read(
        cls,
        given: Any,
        *,
        units: UnitsName | Units | None = None,
        axes: AxesName | None = None,
        shape: tuple[int, ...] | None = None,
        part: str | None = None,
    ) -> RBM:
        """Machine made elsewhere, from its file or as the object that it is there; no code of a file is run.

        Parameters
        ----------
        given
            Path of a `.npz`, a `.pt` of PyTorch with tensors (PyTorch is not needed) or of QuCumber, or an HDF5 file,
            of rbms or any other; a state dict, a module of PyTorch, scikit-learn's `BernoulliRBM`, or whatever has its
            weights and biases as attributes. They are found by the names that are usual.
        units, axes, shape
            As of `from_weights`. A file that tells its units must have the same, or they may be left out; and of square
            weights the shape or the format decides which way round they are where `axes` does not.
        part
            Which machine of a file of several: "update_20" of a file of rbms, of which the last whole one is read.

        Raises
        ------
        InvalidInput
            If there are no such weights, an array may be a bias and is not known, or as of `from_weights`.

        Examples
        --------
        >>> import numpy as np, rbmflow as rf
        >>> rf.RBM.read({"W": np.zeros((4, 9)), "v_bias": np.zeros(9), "h_bias": np.zeros(4)}, units="0/1").sites
        9
        """
        told = "it is one of this package already: RBM.load reads its file, and in_units changes its units"
        Problems.only(not isinstance(given, RBM), "machine", "RBM", told)
        found = parameters_of(given, part)
        name = units.name if isinstance(units, Units) else units
        Problems.only(
            found.units in (None, name) or name is None, "units", name, f"the file says that they are {found.units}"
        )
        known: Any = axes or found.axes
        of_units: Any = found.units if units is None else units
        machine = cls.from_weights(*found[:3], units=of_units, axes=known, shape=shape)
        if found.hidden_units is None:
            return machine
        return of_arrays(jax.tree.leaves(machine), machine.units, shape, units_named(found.hidden_units))

    def require_lattice(self, name: str, shape: tuple[int, ...] | None) -> None:
        """Refuse what belongs to another lattice than the machine; None stands for rows, which tell of none."""
        fits = shape is None or (shape == self.shape if self.shape else math.prod(shape) == self.sites)
        known = "" if self.shape is None else f" on the lattice {list(self.shape)}"
        Problems.only(fits, f"lattice of {name}", shape, f"it must be that of the machine, {self.sites} sites{known}")

    def _pictured(self) -> tuple[str, xr.Dataset]:
        return "machine_weights", self.to_dataset()

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
        return -visible @ self.visible_bias - jnp.sum(self.hidden_units.log_sum(self.hidden_fields(visible)), axis=-1)

    def _layer(self, given: Numbers, name: str, axis: int) -> Float[Array, "*batch unit"]:
        """Units of a layer; inside a compiled loop there are no values to look at."""
        if isinstance(given, Tracer):
            return given
        shape, (low, high) = ("...", self.weights.shape[axis]), (self.units, self.hidden_units)[axis].bounds
        return jnp.asarray(numbers_of(given, name, shape, lowest=low, highest=high), jnp.float32)

    def in_units(self, name: UnitsName) -> RBM:
        r"""Machine of other two-valued units with the same probability of every configuration of spins.

        With units :math:`x = a x' + d`, those of a site with more than two states being left as they are,

        .. math:: W' = a_v a_h W, \qquad b' = a_v (b + d_h W 1), \qquad c' = a_h (c + d_v W^T 1).

        Z changes by a factor. Without biases a machine of one kind has biases in the other.
        """
        hidden = units_named(name)
        visible = units_named(name, self.units.states) if self.units.two_valued else self.units
        if (visible, hidden) == (self.units, self.hidden_units):
            return self
        of_visible, to_visible = _scale(self.units, visible)
        of_hidden, to_hidden = _scale(self.hidden_units, hidden)
        return RBM(
            of_visible * of_hidden * self.weights,
            of_visible * (self.visible_bias + to_hidden * jnp.sum(self.weights, axis=1)),
            of_hidden * (self.hidden_bias + to_visible * jnp.sum(self.weights, axis=0)),
            visible,
            self.shape,
            hidden,
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


def _scale(units: Units, others: Units) -> tuple[float, float]:
    """Factor a and shift d of units a x' + d of others x'."""
    if units == others:
        return 1.0, 0.0
    scale = units.span / others.span
    return scale, units.low - scale * others.low


def kind_attributes(machine: RBM) -> dict[str, Any]:
    """What all machines of a dataset have in common, as its attributes."""
    known = {} if machine.shape is None else {"sides": list(machine.shape)}
    if machine.units == machine.hidden_units and machine.units in (PLUS_MINUS, ZERO_ONE):
        return {"units_of_both_layers": machine.units.name} | known
    visible = {"states": list(machine.units.states), "codes": np.ravel(machine.units.codes).tolist()}
    return {"units": machine.units.name, "hidden_units": machine.hidden_units.name} | visible | known


def kind_of(dataset: xr.Dataset) -> tuple[Units, tuple[int, ...] | None, Units]:
    """Units, lattice and hidden units of the machines of a dataset."""
    shape = dataset.attrs.get("sides")
    if "hidden_units" not in dataset.attrs:
        units = units_named(attribute(dataset, "units_of_both_layers"))
        return units, shape_of(shape), units
    name, states, codes = (attribute(dataset, part) for part in ("units", "states", "codes"))
    units = Units(str(name), np.ravel(states).tolist(), np.reshape(codes, (np.size(states), -1)))
    return units, shape_of(shape), units_named(str(dataset.attrs["hidden_units"]))


def of_arrays(
    arrays: Iterable[Any], units: Units, shape: tuple[int, ...] | None = None, hidden_units: Units | None = None
) -> RBM:
    """Machine, or several in one, of its weights, visible and hidden biases."""
    weights, visible_bias, hidden_bias = map(jax.device_put, arrays)
    return RBM(weights, visible_bias, hidden_bias, units, shape, hidden_units)


def on_lattice[M](machines: M, shape: tuple[int, ...] | None) -> M:
    """The same with every machine in it known to be of a lattice of this shape; None leaves them as they are."""

    def known(part: Any) -> Any:
        if not isinstance(part, RBM):
            return part
        return of_arrays(jax.tree.leaves(part), part.units, shape, part.hidden_units)

    return machines if shape is None else jax.tree.map(known, machines, is_leaf=lambda part: isinstance(part, RBM))
