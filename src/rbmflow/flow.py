"""The flow: a map iterated from given configurations, for an RBM v -> h -> v'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float32, Int8, Int32

from rbmflow import _scan
from rbmflow._checks import InvalidInput, Problem, Problems, in_a_line, let_go
from rbmflow._doors import AnyKey, Configurations, spins_of
from rbmflow._own_settings import own_settings
from rbmflow._record import Held, Layout, Record, arrays_of, dataset_of, in_order, owned
from rbmflow._registry import FIGURES
from rbmflow._shown import Shown
from rbmflow._types import Key
from rbmflow.critical import critical_temperature
from rbmflow.lattice import AXES
from rbmflow.maps import Map, map_of
from rbmflow.model import Model, model_of
from rbmflow.random import key_for
from rbmflow.rbm import RBM

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ITERATIONS_IN_A_CHUNK = 20
CHUNK_BYTES = 64_000_000
"""Most that the configurations of a chunk take, if it has more than one iteration."""

ISING = (-1, 1)


def _layout(lattice_axes: Sequence[str]) -> Layout:
    return {
        "iteration": Held("iteration", "iteration", dtype="int64"),
        "spins": Held(" ".join(("iteration", "chain", *lattice_axes)), "spin", dtype="int8"),
    }


_READ = {
    "iteration": Held("iteration", "iteration", dtype="int64"),
    "temperature": Held("iteration", "temperature", "J/k_B", "float64"),
    "error": Held("iteration", "standard error of the temperature", "J/k_B", "float64"),
}


def _increasing(iterations: Any) -> tuple[int, ...]:
    numbers = np.asarray(iterations)
    fits = numbers.ndim == 1 and numbers.size > 0 and numbers.dtype.kind in "iu" and numbers[0] >= 0
    rising = fits and bool((np.diff(numbers) > 0).all())
    Problems.only(rising, "iterations", iterations, "they must be whole numbers from 0 on, increasing")
    return tuple(numbers.tolist())


class MapFailed(InvalidInput):
    """A map that returned no configurations of the model; `result` is the flow of the iterations before, if any."""

    result: Flow | None = None


class Flow(Record, Shown):
    """Configurations of every chain at the iterations that were kept; 0 is the start.

    NumPy's functions take it as the array of its spins. Those are int8, whose products of matrices wrap beyond 127:
    formulas are for `floats`.

    Parameters
    ----------
    iterations
        Those that were kept, increasing.
    configurations : [iteration, chain, lattice ...]
        Labels of the model, kept as int8.
    states
        Labels of the model, where it has others than Ising spins.
    lattice_axes
        Names of the axes of the lattice; by default x, y x, or z y x by their number.
    """

    iterations: tuple[int, ...] = eqx.field(static=True)
    configurations: Int8[np.ndarray, "iteration chain *lattice"]
    states: tuple[int, ...] = eqx.field(static=True, repr=False)
    lattice_axes: tuple[str, ...] = eqx.field(static=True, repr=False)

    def __init__(
        self,
        iterations: Sequence[int] | Array,
        configurations: Configurations,
        states: Sequence[int] = ISING,
        lattice_axes: Sequence[str] = (),
    ):
        self.iterations, self.states = _increasing(iterations), tuple(map(int, states))
        shape = np.shape(configurations)[2:]
        self.lattice_axes = tuple(lattice_axes) or tuple(AXES[-len(shape) :])
        allowed = f"it must be [iteration, chain, lattice ...] with {len(self.iterations)} iterations"
        fits = np.shape(configurations)[:1] == (len(self.iterations),) and 0 < len(shape) == len(self.lattice_axes)
        Problems.only(fits, "shape of configurations", np.shape(configurations), allowed)
        told = spins_of(configurations, shape, "configurations", states=self.states)
        self.configurations = owned(np.asarray(told))

    @property
    def spins(self) -> Int8[np.ndarray, "chain *lattice"]:
        """The last step, int8 [chain, y, x]."""
        return self.configurations[-1]

    def at(self, iteration: int) -> Int8[np.ndarray, "chain *lattice"]:
        """The configurations of one iteration, int8 [chain, y, x]; one that was not kept is refused."""
        kept = iteration in self.iterations
        Problems.only(kept, "iteration", iteration, f"it must be one of those kept, {list(self.iterations)}")
        return self.configurations[self.iterations.index(iteration)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The configurations, so that every function that takes configurations takes this record."""
        return np.array(self.configurations, dtype=dtype, copy=copy)

    @property
    def floats(self) -> Float32[np.ndarray, "iteration chain *lattice"]:
        """The configurations as numbers to calculate with."""
        return self.configurations.astype(np.float32)

    def plot(
        self, thermometer: Any = None, *, ax: Axes | None = None, width: Literal["page", "column"] = "page"
    ) -> Figure:
        """Draw the temperature that a thermometer reads of it against the iteration; without one, its first chain."""
        name, data = self._pictured(thermometer)
        return FIGURES[name](data, ax=ax, width=width)

    def _pictured(self, thermometer: Any = None) -> tuple[str, xr.Dataset]:
        if thermometer is None:
            return "record_configurations", self.to_dataset()
        temperature, error, _ = thermometer.temperature(self.configurations)
        found = dataset_of(_READ, (np.array(self.iterations), temperature, error))
        critical = critical_temperature(thermometer.model)
        return "flow_temperature", found if critical is None else found.assign(critical_temperature=critical)

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        data = dataset_of(_layout(self.lattice_axes), (np.array(self.iterations), self.configurations))
        if (self.states, self.lattice_axes) != (ISING, ("y", "x")):
            data.attrs.update(states=list(self.states), lattice_axes=" ".join(self.lattice_axes))
        return data

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Flow:
        """Flow from the data written by `to_dataset`; iterations may be in any order."""
        axes = str(dataset.attrs.get("lattice_axes", "y x")).split()
        iterations, spins = arrays_of(in_order(dataset, "iteration"), _layout(axes))
        return cls(iterations.tolist(), spins, np.ravel(dataset.attrs.get("states", ISING)).tolist(), axes)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)


class _FlowState(eqx.Module):
    inner: Any
    done: Int32[Array, ""] | int


class _FlowStep(eqx.Module):
    """One iteration of a map, a step of the chunked driver."""

    map: Map
    key: Key
    shape: tuple[int, ...] = eqx.field(static=True)

    @property
    def compiled(self) -> bool:
        return getattr(self.map, "compiled", True)

    def __call__(self, state: _FlowState) -> tuple[_FlowState, Array | np.ndarray]:
        done = state.done + 1
        told = self.map.step(jax.random.fold_in(self.key, done), state.inner)
        pair = isinstance(told, tuple | list) and len(told) == 2
        Problems.only(pair, "what step returns", type(told).__name__, "it must be a state and configurations")
        inner, spins = told
        shape = getattr(spins, "shape", type(spins).__name__)
        Problems.only(shape == self.shape, "shape of spins", shape, f"it must be {list(self.shape)}")
        Problems.only(not np.ma.is_masked(spins), "spins", "a masked array", "no site may be masked")
        return _FlowState(inner, done), spins


class _Collected:
    """The iterations of a flow that are to be kept, and the last one that was seen."""

    def __init__(self, wanted: tuple[int, ...], start: np.ndarray, watch: Callable[[np.ndarray], None] | None):
        self.wanted, self.watch, self.done = wanted, watch, -1
        self.kept = np.empty((len(wanted), *start.shape), np.int8)
        self.stretch = start[None]
        self.add(self.stretch)

    def add(self, stretch: Int8[np.ndarray, "iteration chain *lattice"]) -> None:
        """Keep and show the iterations after those that are done."""
        before, self.done, self.stretch = self.done, self.done + len(stretch), stretch
        for row, at in enumerate(self.wanted):
            if before < at <= self.done:
                self.kept[row] = stretch[at - before - 1]
        if self.watch is not None:
            self.watch(stretch)

    def rows(self) -> tuple[list[int], np.ndarray]:
        """The iterations that were to be kept so far, and the last, with their configurations."""
        until = [at for at in self.wanted if at <= self.done]
        rows = self.kept[: len(until)]
        if self.done not in until:
            rows = np.concatenate([rows, self.stretch[-1:]])
        rows.flags.writeable = False
        return sorted({*until, self.done}), rows


def _stretches(
    step: _FlowStep, state: _FlowState, iterations: int, states: tuple[int, ...]
) -> Iterator[Int8[np.ndarray, "iteration chain *lattice"]]:
    """Configurations of successive iterations; a map that fails is told of at the iteration where it does."""
    most = ITERATIONS_IN_A_CHUNK if step.compiled else 1
    size, done = max(1, min(most, CHUNK_BYTES // int(np.prod(step.shape)))), 0
    while done < iterations:
        try:
            for later, now, found in _scan.chunks(step, state, iterations, size, done):
                yield from _of_states(np.asarray(found), states, done)
                done, state = later, now
        except (MapFailed, KeyboardInterrupt, GeneratorExit):
            raise
        except (Exception, SystemExit) as error:
            let_go(error)
            if size == 1:
                raise _failed(done + 1, _told(error, step, state)) from error
            size = 1  # Gone through again one by one, so that the iterations before are not lost.


def _of_states(found: np.ndarray, states: tuple[int, ...], done: int) -> Iterator[Int8[np.ndarray, "..."]]:
    """The iterations before the first with anything that is no label of the model, which is told then."""
    odd = np.ones(found.shape, bool)
    for state in states if found.dtype.kind in "iuf" else ():
        odd &= found != state
    bad = odd.reshape(len(found), -1).any(axis=1)
    good = len(found) if not bad.any() else int(bad.argmax())
    if good:
        yield found[:good].astype(np.int8, copy=False)
    if good < len(found):
        number = found.dtype.kind in "iufcb"
        what = found[good][odd[good]].flat[0] if number else f"an array of type {found.dtype}"
        raise _failed(done + good + 1, f"it returned {what}")


def _told(error: BaseException, step: _FlowStep, state: _FlowState) -> str:
    """What went wrong in a step, in a line."""
    if isinstance(error, InvalidInput):
        [first, *_] = error.problems
        return f"{first.field} = {first.value}, {first.allowed}"
    if step.compiled and isinstance(error, TypeError):
        with suppress(Exception):
            after, before = jax.eval_shape(step, state)[0].inner, jax.eval_shape(lambda: state).inner
            leaves = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
            for old, new in ([f"{leaf.dtype}{list(leaf.shape)}" for leaf in pair] for pair in leaves):
                if old != new:
                    return f"a part of its state goes from {old} to {new}, and must keep its shape and type"
    return in_a_line(error)


def _failed(iteration: int, what: str) -> MapFailed:
    allowed = "no step may fail, and each must return labels of the model in the shape of the start"
    return MapFailed(Problem("map", f"at iteration {iteration} {what}", allowed))


@own_settings
def iterate(
    key: AnyKey,
    map: RBM | Map,
    start: Configurations,
    iterations: int = 40,
    *,
    model: Model | None = None,
    keep: Iterable[int] | None = None,
    watch: Callable[[np.ndarray], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    r"""Iterate a map from given configurations; that of a machine is :math:`h \sim p(h|v),\ v' \sim p(v'|h)`.

    Parameters
    ----------
    key
        JAX random key, or a whole number. Flows of other starts or machines have other random numbers with it.
    map
        A machine, or anything with the two methods of `Map`.
    start : [chain, lattice ...]
        Configurations on the lattice of the map in any form, one a chain, such as `cold(...)` or `hot(...)`; one
        without the axis chain is one chain.
    model
        Whose configurations these are; where it is not given, the map tells their labels, -1 and +1 if it says
        nothing, and their axes are named x, y x or z y x by their number.
    keep
        Iterations to keep (0 is the start); all of them by default.
    watch
        Called with the configurations int8 [iteration, chain, lattice ...] of every stretch of the flow in turn, the
        start first, whether they are kept or not; `measurements.observe` is made for it.
    progress
        Called between chunks with the fraction done.

    Raises
    ------
    InvalidInput
        If the start does not fit the map, a weight is not finite, or an iteration to be kept is outside the flow.
    MapFailed
        If the map raises, or returns another shape or what is no label of the model, NaN for one; `result` of this
        `InvalidInput` has the flow before: the iterations that were to be kept, and the last.
    Interrupted
        On Ctrl-C, with the flow so far, as `MapFailed`.

    References
    ----------
    S. Iso, S. Shiba, S. Yokoo, Phys. Rev. E 97, 053304 (2018), arXiv:1801.07172.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> keys, model = jax.random.split(jax.random.key(0), 4), rf.ising(rf.square(4))
    >>> machine, _ = rf.train(keys[0], rf.sample(keys[1], model, [2.0], 200), hidden=8, epochs=1)
    >>> flow = rf.iterate(keys[2], machine, start=rf.hot(keys[3], model, 5), iterations=3)
    >>> flow.spins.shape, flow.iterations
    ((5, 4, 4), (0, 1, 2, 3))
    """
    moved = map_of(map)
    problems = Problems()
    iterations = problems.whole("iterations", iterations, 1)
    kept_ones = range(iterations + 1) if keep is None else problems.wholes("keep", keep, 0, iterations)
    some = len(kept_ones) > 0 or bool(problems.found)
    problems.unless(some, "keep", keep, "it must hold at least one iteration, or be left out for all")
    problems.function("watch", watch, "configurations")
    problems.function("progress", progress, "the fraction done")
    problems.done()
    spins, about = _started(moved, start, model)
    for_flow = key_for(key, "iterate", eqx.filter(moved, _is_array), spins)
    try:
        inner = moved.start(spins)
        inner = moved.seeded(for_flow, inner) if hasattr(moved, "seeded") else inner  # pyright: ignore
    except InvalidInput:
        raise
    except (Exception, SystemExit) as error:
        let_go(error)
        raise _failed(0, f"start raised {in_a_line(error)}") from error
    step = _FlowStep(moved, for_flow, spins.shape)
    state = _FlowState(inner, jax.device_put(np.int32(0)) if step.compiled else 0)
    flow, told = None, _scan.watched(progress, "flow")
    try:
        flow = _Collected(tuple(sorted(set(kept_ones))), spins, watch)
        for stretch in _stretches(step, state, iterations, about[0]):
            flow.add(stretch)
            told(flow.done / iterations)
    except KeyboardInterrupt:
        if flow is None:
            raise
        raise _scan.Interrupted(
            f"stopped after {flow.done} of {iterations} iterations", Flow(*flow.rows(), *about)
        ) from None
    except MapFailed as error:
        error.result = Flow(*flow.rows(), *about)  # pyright: ignore
        raise
    flow.kept.flags.writeable = False
    return Flow(flow.wanted, flow.kept, *about)


def _started(
    moved: Map, start: Configurations, model: Model | None
) -> tuple[Int8[np.ndarray, "chain *lattice"], tuple[tuple[int, ...], tuple[str, ...]]]:
    """Configurations to start from, with the labels and the names of the axes of their lattice."""
    shape, states, names = getattr(moved, "shape", None), getattr(moved, "states", ISING), ()
    if model is not None:
        fits = shape in (None, model_of(model).lattice.shape)
        Problems.only(fits, "lattice of model", model.lattice.shape, f"it must be that of the map, {shape}")
        shape, states, names = model.lattice.shape, model.states, model.lattice.axes
    if shape is None:
        own = np.shape(start)
        shape = own if len(own) == 2 else own[1:]
    spins = np.asarray(spins_of(start, shape, "start", states=states))
    spins = spins if spins.ndim > len(shape) else spins[None]
    allowed = "it must be [chain, lattice ...], such as flow.spins or draws.spins[0]"
    Problems.only(spins.ndim == len(shape) + 1, "shape of start", spins.shape, allowed)
    return spins, (states, names)
