"""Data sources: what training configurations are drawn from, each a function that a spec names; one file a source."""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import NamedTuple

import numpy as np

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.dataset import Chains, Draws
from rbmflow.model import Model
from rbmflow.settings import SOURCES, SamplingSettings

type TwoPoint = Callable[[Model, Sequence[float]], np.ndarray]


class DataSource(NamedTuple):
    """A data source as `SOURCES` has it."""

    draw: Callable[..., Draws]
    two_point: TwoPoint | None = None

    def two_point_known(self, model: Model, temperatures: Sequence[float]) -> np.ndarray | None:
        """Its exact two-point function; None where there is none, or where states or cells need more than that."""
        simple = model.states == (-1, 1) and model.lattice.basis == 1
        return self.two_point(model, temperatures) if self.two_point and simple else None


def drawn(source: DataSource, key: Key, model: Model, sampling: SamplingSettings, **further: object) -> Draws:
    """Draws of a source as settings ask for them; what it has no parameter for, it is not given.

    Raises
    ------
    InvalidInput
        If what comes back are not so many draws of this lattice at these temperatures.
    """
    asked, takes = {"method": sampling.method, **further}, signature(source.draw).parameters
    given = {name: value for name, value in asked.items() if name in takes}
    draws = source.draw(key, model, sampling.temperatures, sampling.draws, **given)
    wanted = (len(sampling.temperatures), sampling.draws, *model.lattice.shape)
    told = f"a data source must return Draws of shape {wanted} at the temperatures asked for"
    Problems.only(isinstance(draws, Draws), "data", type(draws).__name__, told)
    fits = draws.spins.shape == wanted and draws.temperatures == sampling.temperatures
    Problems.only(fits, "data", draws.spins.shape, told)
    # What tells nothing of chains is independent, as what is drawn without chains is.
    chains = draws.chains or [Chains(ess=float(sampling.draws))] * len(draws.temperatures)
    model.require_lattice(draws, "data")
    about = model.states, model.lattice.axes, model.lattice.joined
    return Draws(draws.spins, draws.temperatures, draws.methods, chains, *about)


def data_source[Draw: Callable[..., Draws]](name: str, *, two_point: TwoPoint | None = None) -> Callable[[Draw], Draw]:
    """Register a function as a source of training configurations, which `types.X.data` of a spec names.

    The function is `draw(key, model, temperatures, draws) -> Draws`, at these temperatures in this order. If it has
    parameters `method` or `progress`, it is given `sampling.method` and a function of the fraction done.

    Parameters
    ----------
    name
        Its name in specs.
    two_point
        Its exact two-point function, `two_point(model, temperatures) -> float64 [temperature, dy, dx]`, where the
        displacements go round the torus. It is asked of spins -1/+1 on lattices with one site in a cell; elsewhere, and
        where there is none, that of the draws is taken.

    Raises
    ------
    InvalidInput
        If another place has registered the name.

    Examples
    --------
    >>> import numpy as np, rbmflow as rf
    >>> @rf.data_source("checkerboards")
    ... def checkerboards(key, model, temperatures, draws):
    ...     board = np.indices(model.lattice.shape).sum(axis=0) % 2 * 2 - 1
    ...     shape = (len(temperatures), draws, *model.lattice.shape)
    ...     return rf.Draws(np.broadcast_to(board, shape).astype(np.int8), temperatures)
    """

    def register(draw: Draw) -> Draw:
        SOURCES.add(name, DataSource(draw, two_point))
        return draw

    return register
