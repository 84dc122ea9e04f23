"""Children: processes of this machine that call what they are sent, are replaced when they die, and end with this one.

A child begins as a new Python. It has nothing of the memory, the locks and the threads of its master, since a fork of a
process that computes with JAX hangs; nor does it run the master's script again, so that a script needs no guard.
"""

import collections
import contextlib
import ctypes
import importlib.util
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rbmflow._checks import Problems, in_a_line
from rbmflow.execute.performing import Science
from rbmflow.execute.surroundings import one_thread, resident_memory
from rbmflow.settings import Settings, checked
from rbmflow.store import STALE_AFTER

DEATHS = 3
"""Processes that a call may be lost with before it has failed."""

_LOOK = 0.2
"""Seconds between looks at a call that is silent."""

_SIGN_OF_LIFE = 0.5

_PARENT_DEATH_SIGNAL = 1
"""What Linux calls PR_SET_PDEATHSIG."""


class Lost(Exception):
    """A call without an answer, and why: it raised, or was killed, or its processes died."""


class _Died(Exception):
    """How a process has ended in the middle of a call."""


def _limit(problems: Problems, name: str, value: float) -> None:
    problems.unless(value > 0, name, value, "it must be a number above 0")


@dataclass(frozen=True)
class Limits(Settings):
    """What one step may take in a process of its own; what takes more is killed and counts as failed."""

    seconds: float = checked(math.inf, _limit)
    """Time from start to end."""
    memory: float = checked(math.inf, _limit)
    """Resident bytes of its process, where the system tells them (Linux)."""

    def breach(self, seconds: float, process: int) -> str | None:
        """Say which limit a step has passed that runs for so long in the process of that number, if any."""
        if seconds > self.seconds:
            return f"it ran past its limit of {self.seconds:g} s and was killed"
        if self.memory < math.inf and (resident := resident_memory(process)) > self.memory:
            return f"it took {resident / 1e6:.0f} MB, past its limit of {self.memory / 1e6:.0f} MB, and was killed"
        return None


NO_LIMITS = Limits()


class Children:
    """Up to `count` processes of one thread, started as they are needed; each makes the science ready first.

    A thread of this process stands beside each, which speaks with it and replaces it when it dies.
    """

    def __init__(self, count: int, science: Science, limits: Limits = NO_LIMITS):
        self._science, self._limits = science, limits
        # The terminal sends Ctrl-C to every process: a child blocks it from its birth on, and the master decides.
        self._threads = ThreadPoolExecutor(count, "", signal.pthread_sigmask, (signal.SIG_BLOCK, {signal.SIGINT}))
        self._mine = threading.local()
        self._all: list[_Child] = []
        self._closed, self._hiring = False, threading.Lock()

    def submit(
        self, function: Callable[..., Any], *arguments: object, tell: Callable[[Any], None] | None = None
    ) -> Future[Any]:
        """Have `function(*arguments)` called in a process; `Lost` is raised where there is no answer.

        Where `tell` is given, the function gets one more argument, which sends news to it. What befalls the process is
        news as well. They come from another thread.
        """
        return self._threads.submit(self._call, (function, arguments, tell is not None), tell or (lambda news: None))

    def _call(self, call: tuple[object, ...], tell: Callable[[Any], None]) -> Any:
        """Call until there is an answer, unless that was tried often enough; this is in the thread of a process."""
        reason = ""
        for _ in range(DEATHS):
            if reason:
                tell(f"{reason}; another goes on")
            child = getattr(self._mine, "child", None)
            if child is None or child.process.poll() is not None:
                child = self._mine.child = self._hire()
            try:
                return child.ask(call, tell, self._limits)
            except _Died as death:
                reason = str(death)
        raise Lost(f"{reason}, as {DEATHS} processes were")

    def _hire(self) -> "_Child":
        with self._hiring:
            if self._closed:
                raise Lost("its processes were ended")
            self._all.append(child := _Child(self._science))
        return child

    def close(self) -> None:
        """End every process and wait for that."""
        with self._hiring:
            self._closed = True
        for child in self._all:
            child.kill()
        self._threads.shutdown(cancel_futures=True)


class _Child:
    """One process, as its master sees it."""

    def __init__(self, science: Science):
        self._channel, there = multiprocessing.Pipe()
        call = f"serve({there.fileno()}, {os.getpid()}, {science.module!r}, {science.files!r})"
        path = f"import sys; sys.path[:] = {_path(science.module)!r}"
        command = [sys.executable, "-P", "-c", f"{path}; from rbmflow.execute.children import serve; {call}"]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **one_thread()},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(there.fileno(),),
            text=True,
            errors="replace",
        )
        there.close()
        self._tail: collections.deque[str] = collections.deque(maxlen=20)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        """Pass on what the process writes to its standard error, and remember the end of it."""
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self._tail.append(line)
                with contextlib.suppress(OSError, ValueError, AttributeError):  # What cannot be told is dropped.
                    sys.stderr.write(line)

    def ask(self, call: tuple[object, ...], tell: Callable[[Any], None], limits: Limits) -> Any:
        """Have the process answer a call; a process that is still starting has not begun with it."""
        begun, silent, looked = math.inf, 0.0, time.monotonic()
        try:
            self._channel.send(call)
            while True:
                heard = self._channel.poll(_LOOK)
                # Time in which this process did not run either (it was stopped, the machine slept) is nobody's silence.
                elapsed, looked = min(time.monotonic() - looked, 1.0), time.monotonic()
                silent = 0.0 if heard else silent + elapsed
                what, value = self._channel.recv() if heard else ("", None)
                if what == "answer":
                    return value
                if what == "raised":
                    raise Lost(value)
                if what == "begun":
                    begun = time.monotonic()
                elif what == "news":
                    tell(value)
                if reason := limits.breach(time.monotonic() - begun, self.process.pid):
                    self.kill()
                    raise Lost(reason)
                if silent > STALE_AFTER:
                    self.kill()
                    raise _Died(f"its process gave no sign of life for {STALE_AFTER:.0f} s and was killed")
        except (EOFError, OSError) as closed:
            raise _Died(self.end()) from closed

    def kill(self) -> None:
        """End the process and wait for that."""
        self.process.kill()
        self.end()

    def end(self) -> str:
        """Wait for the end of the process, and tell how it ended."""
        code = self.process.wait()
        self._listener.join(1)
        if code == -signal.SIGKILL:
            return "its process was killed, perhaps because memory ran out"
        said = next((f": {line.strip()}" for line in reversed(self._tail) if line.strip()), "")
        return f"its process ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}{said}"


def _path(module: str) -> list[str]:
    """Folders where a child looks for modules: those of this process but for the working folder and the script's.

    There a `types.py` of the user's would be taken for that of Python. Where the module itself is found in one of the
    two, that one comes last.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    strange = {Path.cwd(), *([Path(script).resolve().parent] if script else [])}
    homes = set()
    for name in (__name__.partition(".")[0], module.partition(".")[0]):
        with contextlib.suppress(ImportError, ValueError):
            if (found := importlib.util.find_spec(name)) is not None and found.origin is not None:
                homes.add(Path(found.origin).resolve().parents[found.submodule_search_locations is not None])
    entries = dict.fromkeys(os.path.abspath(entry) for entry in sys.path)
    kept = [entry for entry in entries if Path(entry).resolve() not in strange - homes]
    return sorted(kept, key=lambda entry: Path(entry).resolve() in strange)


def serve(channel: int, master: int, module: str, files: tuple[str, ...]) -> None:
    """What a child does: answer the calls that come through an open file until it closes or the master is gone.

    The science is made ready before the clock of the first call runs; its errors are those of the calls.
    """
    line, turn = Connection(channel), threading.Lock()

    def send(what: str, value: object = None) -> None:
        with turn:
            line.send((what, value))

    threading.Thread(target=_live_with, args=(master, send), daemon=True).start()
    with contextlib.suppress(Exception):
        getattr(Science(module, files).load(), "compute", None)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            function, arguments, with_news = line.recv()
            send("begun")
            try:
                news = (lambda what: send("news", what),) if with_news else ()
                answer = "answer", function(*arguments, *news)
            except (Exception, SystemExit) as error:
                traceback.print_exc()
                answer = "raised", in_a_line(error)
            send(*answer)


def _live_with(master: int, send: Callable[[str], None]) -> None:
    """Give signs of life as long as the master lives, then end this process, even in the middle of a call."""
    with contextlib.suppress(OSError, AttributeError):  # Where the system can do it, also a process that is stopped.
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    with contextlib.suppress(OSError):
        while os.getppid() == master:
            send("alive")
            time.sleep(_SIGN_OF_LIFE)
    os._exit(1)
