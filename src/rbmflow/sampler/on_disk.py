"""Sets of configurations larger than the memory: drawn block by block into one netCDF-4 file."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int8

from rbmflow import _scan
from rbmflow._doors import AnyKey, Temperatures, key_of
from rbmflow._files import replacing
from rbmflow._netcdf import FileName, extend_dataset, growing_variable, place_of, require_space
from rbmflow._own_settings import own_settings
from rbmflow.model import Model
from rbmflow.sampler.choice import seconds
from rbmflow.sampler.drawing import Plan, draw_into, planned
from rbmflow.sampler.method import Method

PACKED = 0.25
"""Bytes a spin takes at most on disk: packing brings random spins to about 0.17, cold ones to nearly nothing."""
CHUNK_BYTES = 4_000_000
SPARE_BYTES = 16_000_000
"""What must stay free on a disk that is written to."""


def _estimate(model: Model, plan: Plan) -> tuple[float, str]:
    """Bytes on disk, at most, and what the set of configurations will take in words."""
    spins = len(plan.temperatures) * plan.draws * model.lattice.sites
    times = [seconds(one, model, t, plan.draws) for t, (one, _) in zip(plan.temperatures, plan.methods, strict=True)]
    size, total = PACKED * spins + 1e6, sum(times) + 6e-9 * spins
    duration = f"{total:.0f} s" if total < 600 else f"{total / 3600:.1f} h"
    return size, f"at most {size / 1e9:.3g} GB on disk, about {duration} on one core"


@own_settings
def sample_to(
    path: FileName,
    key: AnyKey,
    model: Model,
    temperatures: Temperatures,
    draws: int,
    method: Method | str = "auto",
    *,
    progress: Callable[[float], None] | None = None,
    tell: Callable[[str], None] | None = print,
) -> Path:
    """Draw as `sample` does, block by block into a file, in a memory that does not grow with the number of draws.

    The file has the configurations that `sample` returns for the same key, bit for bit, in the layout of
    `Draws.save`. It is written beside its place and moved there when it is whole.

    Parameters
    ----------
    path, key, model, temperatures, draws, method
        A netCDF-4 file, made anew; the others as for `sample`.
    progress
        Called after each block with the fraction done.
    tell
        Is told the disk and time that are needed, before anything is drawn.

    Returns
    -------
    Path
        The file. `Draws.read(path)` loads it whole; `xarray.open_dataset(path)` reads what is asked for.

    Raises
    ------
    InvalidInput
        If an argument cannot be used, the folder is not there or its disk is too full; nothing is written then.
    OSError
        If the disk fills up meanwhile; what was written is removed.
    Interrupted
        On Ctrl-C, with the path; the file has the temperatures that were done.

    Examples
    --------
    >>> import jax, tempfile, rbmflow as rf
    >>> key, model = jax.random.key(0), rf.ising(rf.square(4))
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +ELLIPSIS
    ...     path = rf.sample_to(folder + "/draws.nc", key, model, [2.0], 10)
    ...     rf.Draws.read(path).spins.shape
    at most 0.001 GB on disk, about ... s on one core
    (1, 10, 4, 4)
    """
    path = place_of(path)
    key, plan = key_of(key), planned(model, temperatures, draws, method, progress)
    size, needs = _estimate(model, plan)
    require_space(path, size)
    if tell is not None:
        tell(needs)
    shape = (len(plan.temperatures), plan.draws, *model.lattice.shape)
    axes = ("temperature", "draw", *model.lattice.axes)
    rows = max(1, min(plan.draws, CHUNK_BYTES // model.lattice.sites))
    with replacing(path) as part:
        with growing_variable(part, "spins", axes, shape, (1, rows, *shape[2:]), {"long_name": "spin"}) as growing:
            variable, shorten = growing
            spins = _WholeChunks(
                variable, path.parent, np.empty((rows, *shape[2:]), np.int8), _scan.watched(progress, "draws")
            )
            chains, stopped = draw_into(spins, key, model, plan)
            if stopped:
                shorten(len(chains))
        one_each = plan.record(np.ones((len(chains), 1, *shape[2:]), np.int8), chains)
        extend_dataset(part, one_each.to_dataset().drop_vars("spins"))
    if stopped:
        raise plan.stopped(chains, path)
    return path


class _WholeChunks:
    """Takes consecutive blocks of draws as an array does, and writes them into a file by whole chunks."""

    def __init__(self, variable: Any, folder: Path, waiting: Int8[np.ndarray, "row *lattice"], progress: Any):
        self.variable, self.folder, self.waiting, self.progress = variable, folder, waiting, progress

    def __setitem__(self, place: tuple[int, slice], block: Int8[np.ndarray, "draw *lattice"]) -> None:
        (number, of_block), rows = place, len(self.waiting)
        temperatures, draws = self.variable.shape[:2]
        at, end, taken = of_block.start, of_block.stop, 0
        while at < end:
            step = min(rows - at % rows, end - at)
            self.waiting[at % rows : at % rows + step] = block[taken : taken + step]
            at, taken = at + step, taken + step
            if at % rows == 0 or at == draws:
                self._write(number, at)
        self.progress((number + end / draws) / temperatures)

    def _write(self, number: int, end: int) -> None:
        """The chunk that has become whole, or the last of a temperature."""
        first = (end - 1) // len(self.waiting) * len(self.waiting)
        # HDF5 does not survive a write that fails.
        if shutil.disk_usage(self.folder).free < self.waiting.nbytes + SPARE_BYTES:
            raise OSError(errno.ENOSPC, "the disk has filled up meanwhile", str(self.folder))
        self.variable[number, first:end] = self.waiting[: end - first]
