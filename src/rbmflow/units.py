"""Units: the numbers that a layer of a machine has for the states of its sites."""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, Int, Int8

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow._types import Fields, Key
from rbmflow.random import random_spins
from rbmflow.settings import CodeName, UnitsName

LARGEST_LISTED = 2**14
"""States of a layer that are listed, at most."""


@dataclass(frozen=True)
class Units:
    r"""A table of codes: the numbers that stand for each state of a site.

    A site of components x in fields f is in the state s, with :math:`x = code_s`, with the probability

    .. math:: p(s) \propto e^{f \cdot code_s}.

    A layer is an array of sites and components, `site * components + component`. Two states with one number each,
    `low` and `low + span`, are two-valued units: their mean is :math:`\tanh f` in units -1/+1 and the logistic function
    in units 0/1.

    Parameters
    ----------
    name
        What a spec and a file call them.
    states
        Labels of the states, increasing.
    codes : [state, component]
        Numbers of each state, no two the same.

    Raises
    ------
    InvalidInput
        If the table does not fit the states, or two states have the same numbers.

    Examples
    --------
    >>> import numpy as np, rbmflow as rf
    >>> one_hot = rf.Units("mine", (0, 1, 2), [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> one_hot.from_spins(np.array([[0, 2]], np.int8)).tolist()
    [[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    """

    name: str
    states: tuple[int, ...]
    codes: tuple[tuple[float, ...], ...]

    def __init__(self, name: str, states: Sequence[int], codes: Numbers):
        problems = Problems()
        labels = problems.wholes("states", states, -128, 127)
        rising = len(labels) > 1 and all(a < b for a, b in itertools.pairwise(labels))
        problems.unless(rising, "states", states, "there must be at least two labels, increasing")
        problems.done()
        table = numbers_of(codes, "codes", (len(labels), "component"))
        apart = table.shape[1] > 0 and len(np.unique(table, axis=0)) == len(labels)
        Problems.only(apart, "codes", table.tolist(), "every state must have numbers of its own")
        for field, value in (("name", name), ("states", labels), ("codes", tuple(map(tuple, table.tolist())))):
            object.__setattr__(self, field, value)

    @property
    def components(self) -> int:
        """Numbers of a site."""
        return len(self.codes[0])

    @property
    def two_valued(self) -> bool:
        """Whether a unit has one number, of two values, the higher one for the second state."""
        return len(self.states) == 2 and self.components == 1 and self.span > 0

    @property
    def low(self) -> float:
        """Lower of the two values of two-valued units, of the first state."""
        return self.codes[0][0]

    @property
    def span(self) -> float:
        """Difference of the two values of two-valued units."""
        return self.codes[1][0] - self.codes[0][0]

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest number in the table."""
        return min(map(min, self.codes)), max(map(max, self.codes))

    def mean(self, fields: Fields) -> Fields:
        r"""Mean numbers in each field; of two-valued units :math:`low + span / 2 + (span / 2) \tanh(span f / 2)`."""
        if self.two_valued:
            half = 0.5 * self.span
            return (self.low + half) + half * jnp.tanh(half * fields)
        return jnp.reshape(jax.nn.softmax(self._exponents(fields)) @ self._table, fields.shape)

    def sample(self, fields: Fields, symmetric: Float[Array, "*batch site"]) -> Fields:
        """Numbers drawn in each field with a uniform one of [-1, 1) a site.

        Of two states the second is drawn where tanh(span f / 2) exceeds it, of more the first whose probability, added
        to those before, does so on the scale of [0, 1).
        """
        if self.two_valued:
            high = jnp.tanh(0.5 * self.span * fields) > symmetric
            return jnp.where(high, self.low + self.span, self.low).astype(fields.dtype)
        before = jnp.cumsum(jax.nn.softmax(self._exponents(fields)), axis=-1)[..., :-1]
        drawn = jnp.sum(0.5 * (symmetric[..., None] + 1) >= before, axis=-1)
        return jnp.reshape(self._table[drawn], fields.shape)

    def log_sum(self, fields: Fields) -> Float[Array, "*batch site"]:
        r"""Log of the sum over the states of each site, :math:`\ln \sum_s e^{f \cdot code_s}`."""
        if self.two_valued:
            return fields * self.low + jax.nn.softplus(self.span * fields)
        return jax.nn.logsumexp(self._exponents(fields), axis=-1)

    def unlikeness(self, layer: Array, fields: Fields) -> Float[Array, ""]:
        """Mean probability that a site, drawn anew in its field, has another state than it has in the layer."""
        exponents = jnp.sum(self.by_site(layer) * self.by_site(fields), axis=-1)
        return jnp.mean(1 - jnp.exp(exponents - self.log_sum(fields)))

    def by_site(self, layer: Array) -> Float[Array, "*batch site component"]:
        """A layer with an axis for its components."""
        return jnp.reshape(layer, (*layer.shape[:-1], layer.shape[-1] // self.components, self.components))

    def from_spins(self, spins: Any) -> Float[Array, "*batch unit"]:
        """Numbers (float32) of labels; those of NumPy are turned there, where nothing is compiled."""
        own = np if isinstance(spins, np.ndarray) else jnp
        if self.two_valued:
            upper = (own.asarray(spins, np.float32) - self.states[0]) / (self.states[1] - self.states[0])
            return jax.device_put(self.low + self.span * upper)
        places = np.searchsorted(self.states, np.arange(self.states[0], self.states[-1] + 1))
        at = own.asarray(places)[own.asarray(spins, np.int32) - self.states[0]]
        layer = own.asarray(np.array(self.codes, np.float32))[at]
        return jax.device_put(own.reshape(layer, (*layer.shape[:-2], layer.shape[-2] * self.components)))

    def places(self, layer: Float[Array, "*batch unit"]) -> Int[Array, "*batch site"]:
        """Places in the table of the states whose numbers are nearest."""
        if self.two_valued:
            return (layer > self.low + 0.5 * self.span).astype(jnp.int8)
        exponents, halves = self._exponents(layer), 0.5 * jnp.sum(self._table**2, axis=1)
        return jnp.argmax(exponents - jnp.broadcast_to(halves, exponents.shape), axis=-1)

    def to_spins(self, layer: Float[Array, "*batch unit"]) -> Int8[Array, "*batch site"]:
        """Labels (int8) of numbers."""
        return jnp.asarray(self.states, jnp.int8)[self.places(layer)]

    def uniform(self, key: Key, shape: tuple[int, ...]) -> Float[Array, "*batch unit"]:
        """Numbers of independent sites [..., site], each in any state with the same probability."""
        if len(self.states) == 2:
            first, second = self.states
            return self.from_spins((random_spins(key, shape).astype(np.int32) + 1) // 2 * (second - first) + first)
        places = jax.random.randint(key, shape, 0, len(self.states))
        return jnp.reshape(self._table[places], (*shape[:-1], -1))

    def numbered(self, numbers: Int[Any, " number"], sites: int) -> Any:
        """Numbers of a layer whose site k has the state of digit k of a number, the first site the last digit."""
        own, table = (np, np.array(self.codes)) if isinstance(numbers, np.ndarray) else (jnp, self._table)
        digits = numbers[:, None] // len(self.states) ** own.arange(sites)[None] % len(self.states)
        return own.reshape(table[digits], (len(numbers), -1))

    def listed(self, sites: int) -> Float64[np.ndarray, "state unit"]:
        """All states of a layer; the first site changes slowest."""
        most = int(np.log(LARGEST_LISTED) / np.log(len(self.states)) + 1e-9)
        problems = Problems()
        sites = problems.whole("units", sites, 1, most)
        problems.done()
        count = len(self.states) ** sites
        return self.numbered(np.arange(count), sites).reshape(count, sites, -1)[:, ::-1].reshape(count, -1)

    @property
    def spread(self) -> float:
        """Largest standard deviation of a number over the states."""
        return float(np.std(self.codes, axis=0).max())

    @functools.cached_property
    def _principal(self) -> tuple[Float64[np.ndarray, " component"], Float64[np.ndarray, "component component"]]:
        """Eigenvalues and eigenvectors of the covariance of the numbers of a free site over its states."""
        return np.linalg.eigh(np.cov(np.array(self.codes).T, bias=True).reshape(self.components, -1))

    @functools.cached_property
    def root(self) -> Float64[np.ndarray, "component component"]:
        r"""Square root of the covariance of the numbers of a free site over its states."""
        values, vectors = self._principal
        return vectors * np.sqrt(values.clip(0)) @ vectors.T

    @property
    def scale(self) -> float:
        """Standard deviation of a number along `directions` over the states, root mean square of all."""
        return float(np.linalg.norm(self.root) / np.sqrt(self.directions.shape[1]))

    @property
    def is_even(self) -> bool:
        """Whether the numbers of a free site vary alike in all `directions`, as those of one-hot and clock units do."""
        values, _ = self._principal
        return bool(np.ptp(values[values > 1e-9 * values.max()]) < 1e-9 * values.max())

    @functools.cached_property
    def directions(self) -> Float64[np.ndarray, "component direction"]:
        """Orthonormal directions in which the numbers of a site vary: all but one of one-hot units."""
        values, vectors = self._principal
        return vectors[:, values > 1e-9 * values.max()]

    @functools.cached_property
    def free(self) -> Float64[np.ndarray, "state direction"]:
        """Numbers of each state along `directions`, over all states of mean zero and independent with variance one."""
        along = np.array(self.codes) @ self.directions
        return (along - along.mean(axis=0)) / along.std(axis=0)

    def whitened(self, spins: Int[np.ndarray, "*batch site"]) -> Float64[np.ndarray, "*batch unit"]:
        """Numbers of labels, less their mean over the states and over `root`: those of free sites have covariance 1."""
        layer = (self.free @ self.directions.T)[np.searchsorted(self.states, spins)]
        return layer.reshape(*layer.shape[:-2], -1)

    @property
    def _table(self) -> Float[Array, "state component"]:
        return jnp.asarray(np.array(self.codes, np.float32))

    def _exponents(self, fields: Fields) -> Float[Array, "*batch site state"]:
        return self.by_site(fields) @ self._table.T


PLUS_MINUS = Units("-1/+1", (-1, 1), [[-1.0], [1.0]])
ZERO_ONE = Units("0/1", (-1, 1), [[0.0], [1.0]])


def units_named(name: str, states: tuple[int, ...] = (-1, 1), code: CodeName = "one-hot") -> Units:
    """Units of a layer of sites with these labels, of the names written in a spec."""
    known = {units.name: units for units in (PLUS_MINUS, ZERO_ONE)}
    problems = Problems()
    allowed = 'it must be "-1/+1" or "0/1"'
    problems.unless(name in get_args(UnitsName.__value__), "units", name, allowed)
    problems.one_of("code", code, get_args(CodeName.__value__))
    problems.done()
    if len(states) == 2:
        return known[name] if states == (-1, 1) else Units(name, states, known[name].codes)
    angle = 2 * np.pi * np.arange(len(states)) / len(states)
    tables: dict[CodeName, np.ndarray] = {
        "one-hot": np.eye(len(states)),
        "clock": np.stack([np.cos(angle), np.sin(angle)], axis=1).round(15),
        "labels": np.array(states, float)[:, None],
    }
    return Units(code, states, tables[code])
