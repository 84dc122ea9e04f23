"""The folder of a store: the marker that makes it one, and what its file system must be able to do."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._files import make_folder, read_bytes, sync, to_json, unused, write_text

MARKER = "rbmflow-store.json"
LAYOUT = 1
"""Number of the layout; another one is for another version of this package."""

CHECKSUMS = "SHA256SUMS"

_TOP = {"artifacts", "damaged", "runs", "slurm", "work", "lost+found", MARKER}


def marked(path: Path) -> bool:
    """Tell whether a folder is marked as a store; a marker of another layout is refused."""
    known = f"its {MARKER} must be one that this version has written, of layout {LAYOUT}"
    try:
        layout = json.loads(read_bytes(path / MARKER))["layout"]
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InvalidInput(Problem("store", str(path), f"{known} ({error.strerror})")) from error
    except (ValueError, LookupError, TypeError, RecursionError):
        layout = None
    Problems.only(layout == LAYOUT, "store", str(path), known)
    return True


def claim(path: Path) -> None:
    """Make a folder a store if it is none yet and holds nothing else, and try there what publishing needs."""
    folder = path
    try:
        make_folder(path)
        known = marked(path)
        foreign = () if known else sorted(name for name in os.listdir(path) if name not in _TOP and name[0] != ".")
        allowed = f"it must be a store, or a new or an empty folder, and {', '.join(foreign[:1])!r} is in it"
        Problems.only(not foreign, "store", str(path), allowed)
        tried: set[int] = set()
        kinds = [*path.glob("artifacts/*")]
        for folder in (path, *(path / name for name in ("artifacts", "runs", "work", "damaged")), *kinds):
            if os.path.lexists(folder) and (folder == path or not folder.name.startswith(".")):
                _try(folder, tried)
        if not known:
            write_text(path / MARKER, to_json({"layout": LAYOUT}))
    except OSError as error:
        allowed = f"it must be a folder that can be written ({error.strerror})"
        raise InvalidInput(Problem("store", str(folder), allowed)) from error


def _try(folder: Path, tried: set[int]) -> None:
    """Write, sync and rename in a folder; on one file system once, and elsewhere on it see to permissions."""
    device = folder.stat().st_dev
    if device in tried:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return
    # Permission bits say nothing to root, or of a read-only mount, or of renaming and syncing: only doing it tells.
    probe, renamed = unused(folder / ".probe"), unused(folder / ".probe")
    try:
        probe.mkdir()
        write_text(probe / "probe", "x")
        probe.rename(renamed)
        sync(folder)
    finally:
        for path in (probe, renamed):
            shutil.rmtree(path, ignore_errors=True)
    tried.add(device)


def now(path: Path) -> float:
    """Time by the clock of a folder's file system, which the times of its files are of; else by this machine's."""
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=path) as file:
        return os.fstat(file.fileno()).st_mtime
    return time.time()


def relocate(source: Path, target: Path) -> None:
    """Move a file or folder to a place where nothing is; if that cannot be, an `OSError`, and it is where it was.

    Where renaming cannot be (another disk, a folder from the image of a container), it is copied beside its place,
    synced and renamed there.
    """
    make_folder(target.parent)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        draft = unused(target.with_name(f".{target.name}"))
        try:
            if source.is_dir():
                shutil.copytree(source, draft, symlinks=True)
            else:
                shutil.copy2(source, draft, follow_symlinks=False)
            sync_all(draft)
            draft.rename(target)
        except BaseException:
            remove(draft)
            raise
        sync(target.parent)
        remove(source)
    sync(target.parent)
    sync(source.parent)


def size(path: Path) -> int:
    """Bytes that a file, or the files in a folder, hold; what cannot be seen holds none."""
    found = 0
    for each in (path, *path.rglob("*")):
        with contextlib.suppress(OSError):
            found += each.lstat().st_size if each.is_file() else 0
    return found


def sync_all(path: Path) -> None:
    """Have a file, or a folder with everything in it, reach the disk."""
    for each in (*path.rglob("*"), path):
        if not each.is_symlink():
            sync(each)


def remove(path: Path) -> None:
    """Delete a file or folder, if it is there; the checksums of an artifact go first, so that no part looks whole."""
    with contextlib.suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            (path / CHECKSUMS).unlink(missing_ok=True)
            shutil.rmtree(path)
        else:
            path.unlink()
