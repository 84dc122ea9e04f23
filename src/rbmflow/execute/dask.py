"""Steps computed by the workers of a dask cluster, which replaces a worker that dies and goes on with its step."""

from __future__ import annotations

import errno
import importlib.util
import json
import logging
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.execute.performing import Perform
from rbmflow.execute.workers import Executor, Submitted
from rbmflow.store import Step

if TYPE_CHECKING:
    from distributed import Client

_ALLOWED = "it must be the address, such as tcp://host:8786, or the scheduler file, of a dask"

_ADDRESS = re.compile(r"(?:(?:tcp|tls|ucx|ws|wss)://)?(?:[\w.-]+|\[[\da-fA-F:.%\w]+\]):(\d{1,5})")

_PATIENCE = 10
"""Seconds that a scheduler may take to answer."""


def connect_dask(where: str) -> Client:
    """Connect to a dask scheduler by its address or by the path of its scheduler file.

    Raises
    ------
    InvalidInput
        If dask is not installed, or no scheduler answers.
    """
    installed = importlib.util.find_spec("distributed") is not None
    Problems.only(installed, "dask", where, "dask must be installed: pip install rbmflow[dask]")
    from distributed import Client

    address = _address_in(where)

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # What befalls the client is told in a sentence.
    try:
        # Of a scheduler file the client takes more than the address.
        named: dict[str, Any] = {"address": where} if address == where else {"scheduler_file": where}
        return Client(**named, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        told = "" if address == where else f", and {address} does not"
        raise InvalidInput(Problem("dask", where, f"{_ALLOWED} that answers{told}")) from error


def _address_in(where: str) -> str:
    """The address that was given, or that of a scheduler file; what is neither is refused.

    A client that is given anything else tries for ever, and cannot be closed.
    """
    address, path = where, Path(where)
    if path.is_file():
        try:
            address = json.loads(path.read_text("utf-8"))["address"]
        except (OSError, ValueError, TypeError, KeyError):
            address = ""
    found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    Problems.only(found is not None and 0 < int(found[1]) < 2**16, "dask", where, _ALLOWED)
    return address


def is_dask(workers: Executor) -> bool:
    """Whether an executor is a client of dask, told without importing it."""
    return any(kind.__module__ == "distributed.client" for kind in type(workers).__mro__)


class DaskWorkers(Submitted):
    """Steps computed by the workers of a dask cluster, one thread each."""

    def __init__(self, client: Any, work: Perform):
        super().__init__(client, work)
        self._client, self._address = client, client.scheduler.address
        try:
            wide = sum(threads > 1 for threads in client.nthreads().values())
        except OSError as error:
            raise self._gone() from error
        told = f"its workers must be started with --nthreads 1, and {wide} of them have more threads"
        Problems.only(not wide, "dask", self._address, told)

    def submit(self, step: Step) -> Any:
        """Hand one step over, under a key that dask's own pages tell by its kind, and that no earlier answer has."""
        key = f"{step.kind}-{step.hash[:10]}-{uuid.uuid4().hex[:10]}"
        return self._client.submit(self._work, [step], key=key, pure=False)

    def reason(self, error: Exception) -> str:
        """Say why there is no answer; a scheduler that is gone ends the run, since it takes all answers with it."""
        if self._client.status != "running" or getattr(error, "reason", "") == "scheduler-connection-lost":
            raise self._gone() from error
        if type(error).__name__ == "KilledWorker":
            return f"its worker died, and so did {error.args[2]} more that it was given to"
        return super().reason(error)

    def _gone(self) -> ConnectionResetError:
        return ConnectionResetError(errno.ECONNRESET, f"the dask scheduler {self._address} is gone")
