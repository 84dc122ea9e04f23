"""Registries: things that a spec may name, those of this package and those that others add.

A name is looked up and nothing else: no text of a spec is imported or evaluated, nor used as a path of code. Code comes
in through two doors that a person opens: an installed package with an entry point of the group `rbmflow.extensions`,
and a file that is handed over by `--with`. In a notebook the things are passed as Python values.
"""

import hashlib
import linecache
import pkgutil
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from rbmflow._checks import InvalidInput, Problem, Problems, in_a_line, one_of

GROUP = "rbmflow.extensions"
"""Group of the entry points that name modules whose import registers things."""

_OWN, _WRAPPERS = "rbmflow", ("jaxtyping", "beartype")
"""This package, and those whose frames stand between a decorator and its caller where types are checked."""


class Extension(NamedTuple):
    """A file whose decorators have registered things, as it was when it was run."""

    name: str
    """Name of the file without its folder, by which the record of a run knows it."""
    content: bytes

    @property
    def sha256(self) -> str:
        """Hash of its bytes, a part of the hash of what it computes."""
        return hashlib.sha256(self.content).hexdigest()


class _Entry(NamedTuple):
    thing: Any
    place: str
    source: str | None


class Registry[T](Mapping[str, T]):
    """Things by name, each a `noun`; what is not there is refused in a sentence with all names that there are.

    The modules of `home`, and all modules of the packages there, register this package's own things; they are imported
    at the first look-up of a name that is not known yet. The name `default` is known without a look-up.
    """

    def __init__(self, noun: str, home: tuple[str, ...] = (), default: str | None = None):
        self.noun, self.home, self.default = noun, home, default
        self._entries: dict[str, _Entry] = {}
        self._at_home = False
        _registries.append(self)

    def add(self, name: str, thing: T) -> T:
        """Register a thing and return it; only the place that has a name may register it again, as a notebook does."""
        place, source = _caller()
        if source is not None:
            self._go_home()
        known = self._entries.get(name)
        text = isinstance(name, str) and re.fullmatch(r"[^\W\d][\w -]{0,59}", name) is not None
        Problems.only(text, self.noun, name, "its name must be 1 to 60 letters, digits, _, - and spaces")
        told = f"the name is taken: {place} and {known.place if known else ''} register it"
        Problems.only(known is None or known.place == place, self.noun, name, told)
        self._entries[name] = _Entry(thing, place, source)
        return thing

    def remove(self, name: str) -> None:
        """Take a thing out again."""
        self._entries.pop(name, None)

    def __getitem__(self, name: str) -> T:
        return self._entry(name).thing

    def __contains__(self, name: object) -> bool:
        return name == self.default or name in self._entries or name in self._found()

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())

    def source(self, name: str) -> str | None:
        """SHA-256 of the file that registered a name; None for the things of this package."""
        return None if name == self.default else self._entry(name).source

    def _entry(self, name: str) -> _Entry:
        found = self._entries if name in self._entries else self._found()
        if name not in found:
            raise InvalidInput(Problem(self.noun, name, one_of(name, found)))
        return found[name]

    def _found(self) -> dict[str, _Entry]:
        self._go_home()
        _load_installed()
        return self._entries

    def _go_home(self) -> None:
        if not self._at_home:
            self._at_home = True
            for name in self.home:
                module = import_module(name)
                for inner in pkgutil.iter_modules(getattr(module, "__path__", ())):
                    import_module(f"{name}.{inner.name}")


_registries: list[Registry[Any]] = []
_installed = False
_files: dict[str, Extension] = {}
"""Files that were run in this process, by name."""


def load_files(paths: Iterable[str | Path]) -> tuple[Extension, ...]:
    """Run Python files whose decorators register things, each once; a changed file takes the place of the former.

    Of a file that cannot be read or run nothing stays registered.
    """
    places = list(map(Path, paths))
    names = [path.name for path in places]
    for path in places:
        fits = re.fullmatch(r"[A-Za-z0-9_-]{1,60}\.py", path.name) is not None and names.count(path.name) == 1
        told = "its name must be one to 60 letters, digits, _ and - with .py behind, and no other file may have it"
        Problems.only(fits, "with", str(path), told)
    return tuple(map(_load_file, places))


def loaded_files() -> tuple[Extension, ...]:
    """Files that were run in this process."""
    return tuple(_files.values())


def _load_file(path: Path) -> Extension:
    try:
        file = Extension(path.name, path.read_bytes())
    except OSError as error:
        told = f"it must be a file that can be read ({error.strerror})"
        raise InvalidInput(Problem("with", str(path), told)) from error
    if _files.get(file.name) == file:
        return file
    forget_files([file.name])
    name = f"with_{path.stem}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # Dataclasses look for the module of their class there.
    _files[file.name] = file
    try:
        exec(compile(file.content, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        forget_files([file.name])
        told = f"it must be Python that runs: {_told(error, str(path))}"
        raise InvalidInput(Problem("with", str(path), told)) from error
    return file


def forget_files(names: Iterable[str]) -> None:
    """Drop files of these names and what they have registered."""
    for name in names:
        _files.pop(name, None)
        for registry in _registries:
            registry._entries = {key: entry for key, entry in registry._entries.items() if entry.place != name}


def _told(error: BaseException, path: str) -> str:
    """What went wrong in a file, and in which of its lines."""
    lines = [error.lineno] if isinstance(error, SyntaxError) else []
    lines += [row.lineno for row in traceback.extract_tb(error.__traceback__) if row.filename == path]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{in_a_line(error)}{where}"


def _load_installed() -> None:
    """Import what installed packages name, once."""
    global _installed
    if _installed:
        return
    from importlib import metadata  # It takes long to import, and most commands look up no name.

    _installed = True
    for point in metadata.entry_points(group=GROUP):
        try:
            point.load()
        except (Exception, SystemExit) as error:
            _installed = False
            owner = point.dist.name if point.dist else "a package"
            told = f"{owner} names it as an extension, and it cannot be imported: {_told(error, '')}"
            raise InvalidInput(Problem(GROUP, point.value, told)) from error


def _caller() -> tuple[str, str | None]:
    """Where a thing is being registered, and the hash of that file's bytes; no hash within this package."""
    frame = sys._getframe(1)
    while frame is not None:
        name, path = str(frame.f_globals.get("__name__")), frame.f_code.co_filename
        root = name.partition(".")[0]
        if root == "importlib":
            break
        if root != _OWN and root not in _WRAPPERS and not path.startswith("<@beartype"):
            return _source(name, path)
        frame = frame.f_back
    return _OWN, None


def _source(module: str, path: str) -> tuple[str, str]:
    file = _files.get(Path(path).name)
    if file is not None and module == f"with_{Path(path).stem}":
        return file.name, file.sha256
    try:
        content = Path(path).read_bytes()
    except OSError:  # A cell of a notebook.
        content = "".join(linecache.getlines(path)).encode()
    return (module if module == "__main__" else path), hashlib.sha256(content).hexdigest()


FIGURES: Registry[Any] = Registry("figure", ("rbmflow.figures",))
"""Every figure by its name, see `rbmflow.figures`; it is here because records, far below, draw themselves by them."""
