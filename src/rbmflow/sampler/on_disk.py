"""Sets of configurations larger than the memory: drawn block by block into one netCDF-4 file."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rbmflow._doors import AnyKey, Temperatures, key_of
from rbmflow._files import replacing
from rbmflow._netcdf import FileName, extend_dataset, growing_variable, place_of, require_space
from rbmflow._own_settings import own_settings
from rbmflow._scan import Interrupted
from rbmflow.dataset import Draws
from rbmflow.model import Ising
from rbmflow.sampler import Method, checked, correlation_length, draw, methods_told
from rbmflow.sampler.chains import FIRST_WINDOW, POINTS, THERMAL
from rbmflow.sampler.cluster import SwendsenWang, Wolff
from rbmflow.sampler.transfer_matrix import TransferMatrix

OBSERVING = 0.3e-9
"""Seconds that the energy and the magnetization take, a site."""
PACKED = 0.25
"""Bytes a spin takes at most on disk: packing brings random spins to about 0.17, cold ones to nearly nothing."""
CHUNK_BYTES = 4_000_000
SPARE_BYTES = 16_000_000
"""What must stay free on a disk that is written to."""
SPINS = ("temperature", "draw", "y", "x")


class Estimate(NamedTuple):
    """What a set of configurations will take."""

    size: float
    """Bytes on disk, at most."""
    seconds: float
    """On one core of 2026, within a factor of about three."""

    def __str__(self) -> str:
        duration = f"{self.seconds:.0f} s" if self.seconds < 600 else f"{self.seconds / 3600:.1f} h"
        return f"at most {self.size / 1e9:.3g} GB on disk, about {duration} on one core"


def _seconds(model: Ising, temperature: float, draws: int, method: Method) -> float:
    """Rough CPU time of the draws at one temperature, from times per site and autocorrelation times at T_c."""
    sites = model.lattice.sites
    if temperature == 0 or math.isinf(temperature):
        return 1e-9 * sites * draws
    if isinstance(method, TransferMatrix):
        return 0.1 + 8e-9 * method.table_entries(model) + 10e-9 * sites * draws
    length = min(*model.lattice.shape, 3 * correlation_length(temperature))
    if isinstance(method, SwendsenWang | Wolff):
        tau, step, replicas = 1 + 1.3 * length**0.35, (1e-9 if isinstance(method, Wolff) else 15e-9) * sites, 512
    else:
        tau, step, replicas = 0.5 + 0.02 * length**2.17, 0.4e-9 * sites, 1024
    replicas = min(replicas, max(64, draws // 8))
    # Windows of thermalisation double until they have seen many tau; each is measured at a number of points.
    windows = 2 + max(0, math.ceil(math.log2(THERMAL * tau / FIRST_WINDOW)))
    measured = OBSERVING * sites * (windows * POINTS * replicas + draws)
    return step * (60 * tau * replicas + 3 * (tau + 0.5) * draws) + measured


def estimate(model: Ising, temperatures: Temperatures, draws: int, method: Method | str = "auto") -> Estimate:
    """Disk and time that `sample_to` will take.

    Raises
    ------
    InvalidInput
        As `sample`.
    """
    grid, draws, chosen = checked(model, temperatures, draws, method)
    spins = len(grid) * draws * model.lattice.sites
    times = [_seconds(model, t, draws, one) for t, (one, _) in zip(grid, chosen, strict=True)]
    return Estimate(PACKED * spins + 1e6, sum(times) + 6e-9 * spins)


@own_settings
def sample_to(
    path: FileName,
    key: AnyKey,
    model: Ising,
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
    path
        netCDF-4 file, made anew.
    key, model, temperatures, draws, method
        As for `sample`.
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
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = rf.sample_to(folder + "/draws.nc", jax.random.key(0), rf.Ising(rf.Square(4)), [2.0, 2.5], 10)
    ...     rf.Draws.read(path).spins.shape
    at most 0.001 GB on disk, about 2 s on one core
    (2, 10, 4, 4)
    """
    path = place_of(path)
    key, (grid, draws, chosen) = key_of(key), checked(model, temperatures, draws, method, progress)
    needs = estimate(model, grid, draws, method)
    require_space(path, needs.size)
    if tell is not None:
        tell(str(needs))
    shape = (len(grid), draws, *model.lattice.shape)
    rows = max(1, min(draws, CHUNK_BYTES // model.lattice.sites))
    chains = []
    with replacing(path) as part:
        with growing_variable(part, "spins", SPINS, shape, (1, rows, *shape[2:]), {"long_name": "spin"}) as growing:
            spins, shorten = growing
            try:
                for number, (temperature, (one, _)) in enumerate(zip(grid, chosen, strict=True)):
                    block = _Blocks(spins, path.parent, number, rows, draws, progress)
                    measured = draw(key, model, temperature, draws, one, block)
                    block.flush()
                    chains.append(measured)
            except KeyboardInterrupt:
                if not chains:
                    raise
                shorten(len(chains))
        ones, methods = np.ones((len(chains), 1, *shape[2:]), np.int8), methods_told(chosen[: len(chains)])
        one_each = Draws(ones, grid[: len(chains)], methods, chains)
        extend_dataset(part, one_each.to_dataset().drop_vars("spins"))
    if len(chains) < len(grid):
        raise Interrupted(f"stopped after {len(chains)} of {len(grid)} temperatures", path)
    return path


class _Blocks:
    """Gathers blocks of draws at one temperature into the chunks of the file."""

    def __init__(self, spins, folder: Path, number: int, rows: int, draws: int, progress):
        self.spins, self.folder = spins, folder
        self.number, self.rows, self.draws, self.progress = number, rows, draws, progress
        self.waiting: list[np.ndarray] = []
        self.written = 0

    def __call__(self, block: np.ndarray) -> None:
        self.waiting.append(block)
        if sum(map(len, self.waiting)) >= self.rows:
            together = np.concatenate(self.waiting)
            whole = len(together) // self.rows * self.rows
            self._write(together[:whole])
            self.waiting = [together[whole:]]

    def flush(self) -> None:
        """Write what is left."""
        self._write(np.concatenate(self.waiting))

    def _write(self, block: np.ndarray) -> None:
        if len(block):
            # HDF5 does not survive a write that fails.
            if shutil.disk_usage(self.folder).free < block.nbytes + SPARE_BYTES:
                raise OSError(errno.ENOSPC, "the disk has filled up meanwhile", str(self.folder))
            self.spins[self.number, self.written : self.written + len(block)] = block
            self.written += len(block)
        if self.progress is not None:
            self.progress((self.number + self.written / self.draws) / self.spins.shape[0])
