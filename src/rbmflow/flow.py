"""The RBM flow: v -> h -> v' iterated, and with it the temperature of the configurations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, get_args

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Float32, Int8

from rbmflow import _scan
from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations, spins_of
from rbmflow._own_settings import own_settings
from rbmflow._record import Held, Record, arrays_of, dataset_of, in_order, owned
from rbmflow._types import Spins, Visible
from rbmflow.gibbs import GibbsNoise, sample_hidden, sample_visible
from rbmflow.random import key_for
from rbmflow.rbm import RBM, machine_of
from rbmflow.settings import HalvesName

if TYPE_CHECKING:
    import xarray as xr

ITERATIONS_IN_A_CHUNK = 20
CHUNK_BYTES = 64_000_000
"""Most that the configurations of a chunk take, if it has more than one iteration."""

_LAYOUT = {
    "iteration": Held("iteration", "iteration", dtype="int64"),
    "spins": Held("iteration chain y x", "spin", dtype="int8"),
}


def _increasing(iterations: Any) -> tuple[int, ...]:
    numbers = np.asarray(iterations)
    fits = numbers.ndim == 1 and numbers.size > 0 and numbers.dtype.kind in "iu" and numbers[0] >= 0
    rising = fits and bool((np.diff(numbers) > 0).all())
    Problems.only(rising, "iterations", iterations, "they must be whole numbers from 0 on, increasing")
    return tuple(numbers.tolist())


class Flow(Record):
    """Configurations int8 [iteration, chain, y, x] of every chain at the iterations that were kept; 0 is the start.

    NumPy's functions take it as the array of its spins. Those are int8, whose products of matrices wrap beyond 127:
    formulas are for `floats`.
    """

    iterations: tuple[int, ...] = eqx.field(static=True, converter=_increasing)
    configurations: Int8[np.ndarray, "iteration chain y x"] = eqx.field(
        converter=lambda given: owned(np.asarray(spins_of(given, name="configurations", axes=4)))
    )

    def __check_init__(self):
        allowed = f"it must be [iteration, chain, y, x] with {len(self.iterations)} iterations"
        shape = self.configurations.shape
        Problems.only(shape[0] == len(self.iterations), "shape of configurations", shape, allowed)

    @property
    def spins(self) -> Int8[np.ndarray, "chain y x"]:
        """The last step, int8 [chain, y, x]."""
        return self.configurations[-1]

    def at(self, iteration: int) -> Int8[np.ndarray, "chain y x"]:
        """The configurations of one iteration, int8 [chain, y, x]; one that was not kept is refused."""
        kept = iteration in self.iterations
        Problems.only(kept, "iteration", iteration, f"it must be one of those kept, {list(self.iterations)}")
        return self.configurations[self.iterations.index(iteration)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The configurations, so that every function that takes configurations takes this record."""
        return np.array(self.configurations, dtype=dtype, copy=copy)

    @property
    def floats(self) -> Float32[np.ndarray, "iteration chain y x"]:
        """The configurations as numbers to calculate with."""
        return self.configurations.astype(np.float32)

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        return dataset_of(_LAYOUT, (np.array(self.iterations), self.configurations))

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Flow:
        """Flow from the data written by `to_dataset`; iterations may be in any order."""
        iterations, spins = arrays_of(in_order(dataset, "iteration"), _LAYOUT)
        return cls(iterations.tolist(), spins)


class _FlowState(eqx.Module):
    visible: Float[Array, "chain visible"]
    noise: GibbsNoise


class _FlowStep(eqx.Module):
    """One iteration v -> h -> v', a step of the chunked driver."""

    machine: RBM
    halves: HalvesName = eqx.field(static=True)

    def __call__(self, state: _FlowState) -> tuple[_FlowState, Visible]:
        units, fields, noise = self.machine.units, self.machine.hidden_fields(state.visible), state.noise
        if self.halves == "sampled":
            noise, hidden = sample_hidden(self.machine, noise, fields)
        else:
            hidden = units.mean(fields)
        noise, drawn = sample_visible(self.machine, noise, hidden)
        onward = units.mean(self.machine.visible_fields(hidden)) if self.halves == "mean-field" else drawn
        return _FlowState(onward, noise), units.to_spins(drawn)


@own_settings
def iterate(
    key: AnyKey,
    machine: RBM,
    start: Configurations,
    iterations: int = 40,
    *,
    keep: Iterable[int] | None = None,
    halves: HalvesName = "sampled",
    watch: Callable[[Spins], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    r"""Iterate a machine, :math:`h \sim p(h|v),\ v' \sim p(v'|h)`, from given configurations.

    Parameters
    ----------
    key
        JAX random key, or a whole number. Flows of other starts or machines have other random numbers with it.
    start : [chain, y, x]
        Configurations of -1/+1 on the lattice of the machine in any form, one a chain, such as `cold(...)` or
        `hot(...)`; [y, x] is one chain.
    keep
        Iterations to keep (0 is the start); all of them by default.
    halves
        "sampled"; "mean-hidden", with the mean :math:`E[h|v]` in place of h; or "mean-field", with the means of both
        layers in place of h and v'. The configurations of a mean-field flow are drawn from its means, one spin by one.
    watch
        Called with the configurations int8 [iteration, chain, y, x] of every stretch of the flow in turn, the start
        first, whether they are kept or not; `measurements.observe` is made for it.
    progress
        Called between chunks with the fraction done.

    Raises
    ------
    InvalidInput
        If the start does not fit the machine, a weight is not finite, an iteration to be kept is outside the flow,
        or `halves` is unknown.
    Interrupted
        On Ctrl-C, with the flow so far: the iterations that were to be kept, and the last.

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
    machine_of(machine)
    problems = Problems()
    iterations = problems.whole("iterations", iterations, 1)
    kept_ones = range(iterations + 1) if keep is None else problems.wholes("keep", keep, 0, iterations)
    some = len(kept_ones) > 0 or bool(problems.found)
    problems.unless(some, "keep", keep, "it must hold at least one iteration, or be left out for all")
    problems.function("watch", watch, "configurations")
    problems.function("progress", progress, "the fraction done")
    problems.one_of("halves", halves, get_args(HalvesName.__value__))
    problems.unless(machine.finite, "machine", "weights that are not finite", "its training must not have diverged")
    problems.done()
    wanted = tuple(sorted(set(kept_ones)))
    spins, visible = spins_of(start, machine.sides, "start"), machine.weights.shape[0]
    spins = np.asarray(spins if spins.ndim > 2 else spins[None])
    fits = spins.ndim == 3 and spins.shape[1] * spins.shape[2] == visible
    allowed = f"it must be [chain, y, x] with y * x = {visible}, such as flow.spins or draws.spins[0]"
    Problems.only(fits, "shape of start", spins.shape, allowed)
    chains = spins.shape[0]
    noise = GibbsNoise.seeded(key_for(key, "iterate", machine, spins), machine, chains)
    state = _FlowState(machine.units.from_spins(spins.reshape(chains, -1)), noise)
    kept = np.empty((len(wanted), *spins.shape), np.int8)
    done, stretch = -1, spins[None]

    def seen(now: int, after: Spins) -> None:
        """Keep and show the iterations after those that are done."""
        nonlocal done, stretch
        inside = [(row, at) for row, at in enumerate(wanted) if done < at <= now]
        for row, at in inside:
            kept[row] = np.asarray(after)[at - done - 1]
        done, stretch = now, after
        if watch is not None:
            watch(after)

    try:
        seen(0, stretch)
        size = max(1, min(ITERATIONS_IN_A_CHUNK, CHUNK_BYTES // spins.size))
        for later, _, steps in _scan.chunks(_FlowStep(machine, halves), state, iterations, size):
            seen(later, steps.reshape(-1, *spins.shape))
            if progress is not None:
                progress(done / iterations)
    except KeyboardInterrupt:
        if done < 0:
            raise
        until = [at for at in wanted if at <= done]
        rows = kept[: len(until)] if done in until else np.concatenate([kept[: len(until)], stretch[-1:]])
        flow = Flow(sorted({*until, done}), rows)
        raise _scan.Interrupted(f"stopped after {done} of {iterations} iterations", flow) from None
    kept.flags.writeable = False
    return Flow(wanted, kept)
