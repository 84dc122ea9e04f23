"""Serving: what a child process does, which is to answer the calls of its master and to end with it."""

import contextlib
import ctypes
import os
import signal
import threading
import time
import traceback
from multiprocessing.connection import Connection

from rbmflow.execute.performing import SIGN_OF_LIFE, Science

_PARENT_DEATH_SIGNAL = 1
"""What Linux calls PR_SET_PDEATHSIG."""


def serve(channel: int, master: int, module: str, files: tuple[str, ...]) -> None:
    """Answer the calls that come through a channel until it closes or the master is gone.

    Parameters
    ----------
    channel
        Number of the open file.
    master
        Number of the process that sends them.
    module, files
        The science, which is made ready before the clock of the first call runs; its errors are those of the calls.
    """
    threading.Thread(target=_end_with, args=(master,), daemon=True).start()
    line, turn = Connection(channel), threading.Lock()

    def send(what: str, value: object = None) -> None:
        with turn:
            line.send((what, value))

    def beat() -> None:
        with contextlib.suppress(OSError):
            while True:
                send("alive")
                time.sleep(SIGN_OF_LIFE)

    threading.Thread(target=beat, daemon=True).start()
    with contextlib.suppress(Exception):
        getattr(Science(module, files).load(), "compute", None)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            function, arguments = line.recv()
            send("begun")
            try:
                answer = "answer", function(*arguments, lambda news: send("news", news))
            except Exception as error:
                traceback.print_exc()
                answer = "raised", f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0]}"
            send(*answer)


def _end_with(master: int) -> None:
    """End this process once its master is gone, even in the middle of a call."""
    with contextlib.suppress(OSError, AttributeError):  # Where the system can do it, also a process that is stopped.
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    while os.getppid() == master:
        time.sleep(0.5)
    os._exit(1)
