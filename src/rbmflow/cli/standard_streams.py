"""The standard streams: what cannot be told, since one is closed or its disk is full, is dropped, and all goes on."""

import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import Any


class _Forgiving:
    """A stream that drops what it cannot write."""

    def __init__(self, stream: Any):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    """Have the three standard streams be there, and the standard error forgive, as long as a command runs."""
    # The next file that is opened takes the number of a closed stream: a result, with messages written into it.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A path or a name that the terminal's encoding lacks must not end a run that has come to its end.
            stream.reconfigure(errors="backslashreplace")
    stream = open(os.devnull, "w", encoding="utf-8") if sys.stderr is None else sys.stderr  # noqa: SIM115
    try:
        with contextlib.redirect_stderr(_Forgiving(stream)):  # pyright: ignore[reportArgumentType]
            yield
    finally:
        try:
            sys.stdout.flush()
        except (OSError, ValueError):  # What is left must not be tried again when this process ends.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def reader_left() -> bool:
    """Whether whoever read the standard output, `head` for one, has seen enough."""
    with contextlib.suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(events & select.POLLERR for _, events in poll.poll(0))
    return False
