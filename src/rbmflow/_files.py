"""Files that other processes, and the next start after a power cut, see whole or not at all.

Everything that the project writes goes this one way: beside its place, synced, renamed, the folder synced.
"""

import contextlib
import errno
import json
import math
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_PAUSES = (0.05, 0.5)
"""Seconds after which a read that failed is tried again."""


@contextlib.contextmanager
def replacing(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """Yield a draft beside `path`, to be written inside the context; it takes the place of `path` at its end.

    Where anything fails, the old stays and the draft goes. Notes that are worth nothing after a power cut need no sync.
    """
    draft = unused(path.with_name(f".{path.name[:40]}"))  # A name has 255 bytes at most.
    try:
        yield draft
        if synced:
            sync(draft)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    if synced:
        sync(path.parent)


def write_bytes(path: Path, content: bytes, *, synced: bool = True) -> None:
    """Write a file as `replacing` does."""
    with replacing(path, synced=synced) as draft:
        write_new(draft, content)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that was not there yet, in one go; its reader must be kept off until it is synced."""
    with open(path, "xb") as file:
        file.write(content)


def write_text(path: Path, text: str, *, synced: bool = True) -> None:
    """Write a file as `replacing` does."""
    write_bytes(path, text.encode(), synced=synced)


def read_bytes(path: Path) -> bytes:
    """Read a whole file; an error that may pass, of a disk or a network, is tried again."""
    if path.exists() and not path.is_file():  # Opening a pipe would wait for ever.
        raise IsADirectoryError(errno.EISDIR, "it is no file", str(path))
    for pause in _PAUSES:
        try:
            with open(path, "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
            raise
        except OSError:
            time.sleep(pause)
    with open(path, "rb") as file:
        return file.read()


def filled(path: Path) -> bool:
    """Tell whether there is a file that is not empty; a power cut may have left empty ones."""
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False


def unused(path: Path) -> Path:
    """A path beside `path` that nothing else uses; permissions are left to the umask, as a shared store needs."""
    return path.with_name(f"{path.name}-{uuid.uuid4().hex}")


def sync(path: Path) -> None:
    """Have the file or folder reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, so that they outlive a power cut."""
    if not path.is_dir():
        if path.parent != path:
            make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def to_json(value: Any) -> str:
    """Write JSON that every program reads: numbers that are not finite become text."""
    return json.dumps(mapped(value, finite), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def finite(value: Any) -> Any:
    """Text in place of a number that JSON lacks."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def mapped(value: Any, change: Callable[[Any], Any], sequence: type = list) -> Any:
    """Tables and lists, however deep, with every other value in them changed."""
    if isinstance(value, Mapping):
        return {key: mapped(entry, change, sequence) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return sequence(mapped(entry, change, sequence) for entry in value)
    return change(value)
