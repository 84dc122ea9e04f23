"""Children: processes of this machine that call what they are sent, are replaced when they die, and end with this one.

A child begins as a new Python. It has nothing of the memory, the locks and the threads of its master, since a fork of a
process that computes with JAX hangs; nor does it run the master's script again, so that a script needs no guard.
"""

import collections
import contextlib
import ctypes
import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from rbmflow.execute.performing import SIGN_OF_LIFE, Science, in_a_line
from rbmflow.execute.surroundings import one_thread
from rbmflow.store import STALE_AFTER

DEATHS = 3
"""Processes that a task may be lost with before it has failed."""

_PARENT_DEATH_SIGNAL = 1
"""What Linux calls PR_SET_PDEATHSIG."""


class Answer(NamedTuple):
    """News that a call has returned."""

    value: Any


class Lost(NamedTuple):
    """News that the process of a task has died, or that its call has raised."""

    reason: str
    again: bool
    """Whether the task was given to another process."""


@dataclass(eq=False)
class _Child[Task]:
    process: subprocess.Popen[str]
    channel: Connection
    tail: collections.deque[str]
    """The last lines that it wrote to its standard error."""
    listener: threading.Thread
    task: Task | None = None
    call: tuple[Callable[..., object], tuple[object, ...]] | None = None
    since: float | None = None
    """When its call began; a process that is still starting has not begun."""
    silent: float = 0.0
    """Seconds that this process has waited for a sign of life."""


class Children[Task]:
    """Up to `count` processes of one thread, started as they are needed; each makes the science ready first."""

    def __init__(self, count: int, science: Science):
        self._count, self._science = count, science
        self._children: list[_Child[Task]] = []
        self._deaths: collections.Counter[Task] = collections.Counter()
        self._news: list[tuple[Task, Any]] = []
        self._looked = time.monotonic()

    @property
    def free(self) -> bool:
        """Whether one more task can be started."""
        return sum(child.task is not None for child in self._children) < self._count

    @property
    def busy(self) -> bool:
        """Whether there is something to wait for."""
        return bool(self._news) or any(child.task is not None for child in self._children)

    def start(self, task: Task, function: Callable[..., object], *arguments: object) -> None:
        """Have an idle process, or a new one, call `function(*arguments, tell)`; `tell` sends news from there."""
        for dead in [child for child in self._children if child.task is None and child.process.poll() is not None]:
            self._bury(dead)
        child = next((child for child in self._children if child.task is None), None) or self._hire()
        child.task, child.call, child.since, child.silent = task, (function, arguments), None, 0.0
        try:
            child.channel.send(child.call)
        except OSError:  # It died at this very moment.
            self._lose(child)

    def _hire(self) -> _Child[Task]:
        here, there = multiprocessing.Pipe()
        call = f"serve({there.fileno()}, {os.getpid()}, {self._science.module!r}, {self._science.files!r})"
        path = f"import sys; sys.path[:] = {_path(self._science.module)!r}"
        command = [sys.executable, "-P", "-c", f"{path}; from rbmflow.execute.children import serve; {call}"]
        # The terminal sends Ctrl-C to every process: a child blocks it from its birth on, and the master decides.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, **one_thread()},
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(there.fileno(),),
                text=True,
                errors="replace",
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        there.close()
        tail: collections.deque[str] = collections.deque(maxlen=20)
        listener = threading.Thread(target=_listen, args=(process, tail), daemon=True)
        listener.start()
        self._children.append(child := _Child[Task](process, here, tail, listener))
        return child

    def wait(self, seconds: float) -> list[tuple[Task, Any]]:
        """Gather news, waiting so long at most: what `tell` was given, the answer as `Answer`, or `Lost`."""
        at_work = {child.channel: child for child in self._children if child.task is not None}
        ready = connection.wait(list(at_work), 0 if self._news else seconds)
        # Time in which this process did not run either (it was stopped, the machine slept) is nobody's silence.
        elapsed, self._looked = min(time.monotonic() - self._looked, 1.0 + seconds), time.monotonic()
        for child in at_work.values():
            child.silent += elapsed
        for channel in ready:
            self._hear(at_work[channel])  # pyright: ignore[reportArgumentType]
        for child in at_work.values():
            if child.task is not None and child.silent > STALE_AFTER:
                child.process.kill()
                self._lose(child, f"its process gave no sign of life for {STALE_AFTER:.0f} s and was killed")
        news, self._news = self._news, []
        return news

    def _hear(self, child: _Child[Task]) -> None:
        """Take one message of a child, or its death."""
        assert child.task is not None
        try:
            what, value = child.channel.recv()
        except (EOFError, OSError):
            self._lose(child)
            return
        child.silent = 0.0
        if what == "begun":
            child.since = time.monotonic()
        elif what == "news":
            self._news.append((child.task, value))
        elif what in ("answer", "raised"):
            self._news.append((child.task, Answer(value) if what == "answer" else Lost(value, False)))
            child.task = None

    def _lose(self, child: _Child[Task], reason: str = "") -> None:
        """Remove a child that has died, and give its task to another unless that was done often enough."""
        (task, call), child.task = (child.task, child.call), None
        died = self._bury(child)
        assert task is not None
        assert call is not None
        self._deaths[task] += 1
        again = self._deaths[task] < DEATHS
        self._news.append((task, Lost(f"{reason or died}{'' if again else f', as {DEATHS} processes were'}", again)))
        if again:
            self.start(task, call[0], *call[1])

    def _bury(self, child: _Child[Task]) -> str:
        """Remove a child that has died, and tell how it died."""
        self._children.remove(child)
        child.channel.close()
        code = child.process.wait()
        child.listener.join(1)
        if code == -signal.SIGKILL:
            return "its process was killed, perhaps because memory ran out"
        said = next((f": {line.strip()}" for line in reversed(child.tail) if line.strip()), "")
        return f"its process ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}{said}"

    def working(self) -> Iterator[tuple[Task, float, int]]:
        """Every task under way, with the seconds since it began and the number of its process."""
        for child in self._children:
            if child.task is not None:
                yield child.task, 0.0 if child.since is None else time.monotonic() - child.since, child.process.pid

    def kill(self, task: Task) -> None:
        """End a task with its process; there is no news of it."""
        child = next(child for child in self._children if child.task == task)
        child.process.kill()
        self._bury(child)

    def close(self) -> None:
        """End every process and wait for that."""
        for child in self._children:
            child.process.kill()
        for child in list(self._children):
            self._bury(child)


def _listen(process: subprocess.Popen[str], tail: collections.deque[str]) -> None:
    """Pass on what a child writes to its standard error, and remember the end of it."""
    assert process.stderr is not None
    with process.stderr as stream:
        for line in stream:
            tail.append(line)
            with contextlib.suppress(OSError, ValueError, AttributeError):  # What cannot be told is dropped.
                sys.stderr.write(line)


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
                answer = "raised", in_a_line(error)
            send(*answer)


def _end_with(master: int) -> None:
    """End this process once its master is gone, even in the middle of a call."""
    with contextlib.suppress(OSError, AttributeError):  # Where the system can do it, also a process that is stopped.
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    while os.getppid() == master:
        time.sleep(0.5)
    os._exit(1)
