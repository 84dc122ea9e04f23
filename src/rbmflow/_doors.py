"""What comes in through a public call: configurations, keys, temperatures and numbers, each read in one place.

What can be read in one way only is read; anything else is refused in a sentence, since 0/1 data or another lattice
would otherwise give a plausible temperature. Where JAX traces there are no values yet: shape and type are looked at.
"""

import functools
import math
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float64, Int8

from rbmflow._checks import InvalidInput, Problem, Problems, is_number, listed, plain_number
from rbmflow._types import Key

type Configurations = Any
"""Spins -1/+1 [..., y, x] in any form: an array of numbers of any type, nested lists, `Draws`, `Flow`."""

type AnyKey = Any
"""A JAX random key, old or new, or a whole number to make one from."""

type Numbers = Any
"""Real numbers of any shape: one number, an array, nested lists."""

type Temperatures = Any
"""Temperatures in J/k_B: one number, a sequence, an array, a generator."""


def spins_of(
    given: Configurations,
    shape: tuple[int, ...] | None = None,
    name: str = "spins",
    *,
    axes: int | None = None,
    states: tuple[int, ...] = (-1, 1),
) -> Int8[Array | np.ndarray, "..."]:
    """Configurations of states as int8 on a lattice of this shape, else [..., y, x]; of JAX if a JAX array came."""
    array = _numbers(given, name)
    sides = "y, x" if shape is None else ", ".join(map(str, shape))
    own = getattr(given, "lattice_axes", ("y", "x"))
    Problems.only(shape is not None or own == ("y", "x"), f"axes of {name}", own, "they must be y, x")
    last = array.shape[-2:] if shape is None else array.shape[-len(shape) :]
    fits = array.size > 0 and axes in (None, array.ndim)
    fits = fits and (last == tuple(shape) if shape is not None else len(last) == 2 and min(last) > 1)
    number = "" if axes is None else f" and have {axes} axes"
    allowed = f"the last axes must be [{sides}], the sides of the lattice{number}, and no axis empty"
    problems = Problems()
    problems.unless(fits, f"shape of {name}", array.shape, allowed)
    own = problems.of(_as_spins, array, name, states) if array.size else array
    problems.done()
    return own  # pyright: ignore[reportReturnType]


def rows_of(
    given: Configurations,
    sites: int | None = None,
    name: str = "data",
    *,
    shape: tuple[int, ...] | None = None,
    states: tuple[int, ...] | None = None,
) -> Int8[Any, "sample site"]:
    """Configurations, or rows of them, as int8 [sample, site], the last axis of the lattice fastest; others are joined.

    Their states are those that a record tells, or Ising spins, if none are asked for.
    """
    array = _numbers(given, name)
    axes = len(shape or getattr(given, "lattice_axes", ("y", "x")))
    last = array.shape[-axes:]
    one = axes > 1 and array.ndim == axes and sites == math.prod(last) and shape in (None, last)
    flat = array.ndim == 2 and not one and axes > 1
    count = array.shape[-1] if flat else math.prod(last)
    fits = array.ndim >= min(2, axes + 1) and array.size > 0 and sites in (None, count)
    fits = fits and (flat or (len(last) == axes and shape in (None, last)))
    of = "" if sites is None else f" of {sites} sites"
    torus = "y, x" if shape is None else ", ".join(map(str, shape))
    allowed = f"it must be [sample, visible] or [..., {torus}]{of} with no empty axis"
    Problems.only(fits, f"shape of {name}", array.shape, allowed)
    return _as_spins(array.reshape(-1, count), name, states or states_in(given))


def states_in(given: Configurations) -> tuple[int, ...]:
    """Labels of the states that a record of configurations tells, those of Ising spins for anything else."""
    return getattr(given, "states", (-1, 1))


def numbers_of(
    given: Numbers,
    name: str,
    axes: tuple[int | str, ...] | None = None,
    *,
    lowest: float = -np.inf,
    highest: float = np.inf,
    nan: bool = False,
) -> Float64[np.ndarray, "..."]:
    """Real numbers as a float64 array, refused outside their bounds or where they are NaN, unless that may pass.

    The axes are sizes, and names where any size will do; "..." in front stands for any further ones.
    """
    own = np.asarray(_numbers(list(given) if isinstance(given, Iterator) else given, name))
    values = own.astype(np.float64)
    if axes is not None:
        wanted = axes[1:] if axes[:1] == ("...",) else axes
        shape = values.shape[values.ndim - len(wanted) :] if wanted is not axes else values.shape
        fits = len(shape) == len(wanted) and all(
            isinstance(w, str) or w == n for w, n in zip(wanted, shape, strict=True)
        )
        Problems.only(fits, f"shape of {name}", values.shape, f"it must be [{', '.join(map(str, axes))}]")
    inside = (values >= lowest) & (values <= highest) | (np.isnan(values) & nan)
    if not inside.all():
        limits = (("least", lowest), ("most", highest))
        bounds = " and ".join(f"at {word} {bound:g}" for word, bound in limits if np.isfinite(bound))
        # As it was given: the number of a site is no decimal.
        raise InvalidInput(Problem(name, own[~inside].flat[0].item(), f"every number must be {bounds or 'no NaN'}"))
    return values


def _numbers(given: Any, name: str) -> Any:
    """An array of real numbers, of JAX if it was one; records give their configurations by `__array__`."""
    try:
        array = given if isinstance(given, jax.Array) else np.asanyarray(_in_order(given))
        kind = np.dtype("O") if jnp.issubdtype(array.dtype, jax.dtypes.extended) else np.dtype(array.dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInput(Problem(name, type(given).__name__, f"they must be an array of numbers ({error})")) from None
    real = kind.kind in "iuf" or jnp.issubdtype(kind, jnp.floating)
    masked = np.ma.isMaskedArray(array) and bool(np.ma.getmaskarray(array).any())
    if kind.kind == "b":
        raise InvalidInput(Problem(name, "truth values", "they must be numbers; of spins pass 2 * x - 1 as int8"))
    what = type(given).__name__ if kind.kind == "O" else str(kind)
    Problems.only(real and not masked, f"type of {name}", what, "it must be an array of real numbers without a mask")
    return np.asarray(array) if np.ma.isMaskedArray(array) else array


def _in_order(given: Any) -> Any:
    """Labelled configurations with y and x last and their ensemble before; parameters of torch without gradient."""
    given = given.detach().cpu() if hasattr(given, "detach") else given
    labels = getattr(given, "dims", ())
    if not isinstance(labels, tuple) or not {"y", "x"} <= set(labels):
        return given
    return given.transpose(..., *(label for label in ("sample", "draw", "chain", "y", "x") if label in labels))


def shape_in(given: Configurations, name: str = "data") -> tuple[int, ...] | None:
    """Shape of the lattice that configurations are on, None for rows that are flat already."""
    shape, axes = _numbers(given, name).shape, len(getattr(given, "lattice_axes", ("y", "x")))
    return tuple(shape[-axes:]) if len(shape) > axes else None


def _as_spins(array: Any, name: str, states: tuple[int, ...] = (-1, 1)) -> Any:
    """The same array as int8, refused unless every value is one of the states; a tracer has no values to look at.

    One that is int8 already is not copied, as sets of configurations may be half as large as the memory.
    """
    if not isinstance(array, Tracer) and _any_odd(array, states):
        values = np.asarray(array)
        wrong = values[_odd(values, states)].flat[0].item()
        if states != (-1, 1):
            raise InvalidInput(Problem(name, wrong, f"every label must be one of {', '.join(map(str, states))}"))
        halves = values.min() >= 0 and set(np.unique(values[:1]).tolist()) <= {0, 1}
        hint = "; spins are 0/1 here: pass 2 * x - 1 of a signed type" if halves else ""
        raise InvalidInput(Problem(name, wrong, f"every spin must be -1 or +1{hint}"))
    return array.astype(np.int8, copy=False) if isinstance(array, np.ndarray) else array.astype(np.int8)


def _odd(array: Any, states: tuple[int, ...]) -> Any:
    """Where an array holds anything but the states, of which types without a sign have those alone that have none."""
    held = [state for state in states if state >= 0 or array.dtype.kind != "u"]
    return functools.reduce(operator.and_, (array != state for state in held))


@functools.partial(jax.jit, static_argnums=1)
def _compiled_odd(array: Array, states: tuple[int, ...]) -> Array:
    return _odd(array, states).any()


def _any_odd(array: Any, states: tuple[int, ...]) -> bool:
    """Whether any value is odd, in one pass or in pieces, so that no second array of the whole size is made."""
    if isinstance(array, jax.Array):
        return bool(_compiled_odd(array, states))
    flat, piece = array.ravel(order="K"), 1 << 17
    return any(bool(_odd(flat[at : at + piece], states).any()) for at in range(0, flat.size, piece))


def key_of(given: AnyKey, name: str = "key") -> Key:
    """One typed JAX key, from a key of either kind or from a whole number as `jax.random.key` takes it."""
    plain = plain_number(given)
    if isinstance(plain, int) and not isinstance(plain, bool) and 0 <= plain < 2**32:
        return jax.random.key(plain)
    if isinstance(given, jax.Array) and jnp.issubdtype(given.dtype, jax.dtypes.prng_key) and given.shape == ():
        return given
    array = isinstance(given, jax.Array | np.ndarray)
    if array and given.dtype == np.uint32 and given.shape == jax.random.key_data(jax.random.key(0)).shape:
        return jax.random.wrap_key_data(jnp.asarray(given))
    shown = f"{type(given).__name__} {getattr(given, 'shape', '') or ''}".strip() if plain is given else plain
    shown = given if isinstance(given, str | bool | int | float) or given is None else shown
    allowed = "it must be one key of JAX, such as jax.random.key(0), or a whole number from 0 to 2^32 - 1"
    raise InvalidInput(Problem(name, shown, allowed))


def keys_of(given: Iterable[AnyKey], name: str = "keys") -> list[Key]:
    """One key or more, from an array of them or a list of what `key_of` takes."""
    # An old key is an array of two numbers, which are no keys each.
    one_old = getattr(given, "dtype", None) == np.uint32 and getattr(given, "shape", None) == (2,)
    rows = None if one_old else listed(given)
    shown = None if rows is not None else type(given).__name__
    Problems.only(bool(rows), name, shown, "there must be at least one key, in a list")
    return [key_of(one, name) for one in rows or ()]


def temperatures_of(given: Temperatures, name: str = "temperatures") -> tuple[float, ...]:
    """Temperatures in J/k_B as floats, refused unless they increase from 0 on."""
    problems = Problems()
    values = problems.temperatures(name, [given] if is_number(plain_number(given)) else given)
    problems.done()
    return values
