"""Registries: names that a spec may use, and the doors through which things come in."""

import subprocess
import sys

import pytest

from rbmflow._checks import InvalidInput
from rbmflow._registry import Registry, forget_files, load_files, loaded_files

ADDS = "from test_registry import SHELF\nSHELF.add({name!r}, {thing})\n"
SHELF: Registry = Registry("book")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setitem(sys.modules, "test_registry", sys.modules[__name__])
    yield
    forget_files([file.name for file in loaded_files()])


def written(path, text):
    path.write_text(text)
    return path


def test_an_unknown_name_gets_one_sentence_with_the_names_there_are():
    shelf = Registry("book")
    assert shelf.add("one", 1) == 1
    shelf.add("two", 2)
    assert dict(shelf) == {"one": 1, "two": 2}
    assert "three" not in shelf
    with pytest.raises(InvalidInput, match="book = 'three' is not allowed: it must be one of one, two"):
        shelf["three"]
    assert len(str(shelf.source("one"))) == 64


def test_the_default_of_a_registry_is_known_without_looking():
    shelf = Registry("book", ("no.such.module",), default="one")
    assert "one" in shelf
    assert shelf.source("one") is None
    with pytest.raises(ModuleNotFoundError):
        shelf["two"]


def test_things_of_a_file_carry_its_hash_and_an_edited_file_takes_the_place_of_the_former(tmp_path):
    path = written(tmp_path / "mine.py", ADDS.format(name="mine", thing=1))
    [file] = load_files([path])
    assert SHELF["mine"] == 1
    assert SHELF.source("mine") == file.sha256
    copy = tmp_path / "runs"
    copy.mkdir()
    assert load_files([written(copy / "mine.py", path.read_text())]) == (file,)
    load_files([written(path, ADDS.format(name="mine", thing=2))])
    assert SHELF["mine"] == 2
    assert SHELF.source("mine") != file.sha256


def test_two_files_that_register_one_name_are_refused_and_leave_nothing(tmp_path):
    load_files([written(tmp_path / "first.py", ADDS.format(name="shared", thing=1))])
    second = ADDS.format(name="alone", thing=2) + ADDS.format(name="shared", thing=2)
    with pytest.raises(InvalidInput, match=r"the name is taken: second\.py and first\.py register it"):
        load_files([written(tmp_path / "second.py", second)])
    assert "alone" not in SHELF
    assert SHELF["shared"] == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x =", r"SyntaxError: .* \(line 1\)"),
        ("x = 1\ny = z", r"NameError: name 'z' is not defined \(line 2\)"),
        ("raise SystemExit('off')", "SystemExit: off"),
        (None, "it must be a file that can be read"),
    ],
)
def test_a_faulty_file_is_one_sentence(tmp_path, text, told):
    path = tmp_path / "faulty.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidInput, match=told) as raised:
        load_files([path])
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0].field == "with"


@pytest.mark.parametrize("name", ["a b.py", "mine.txt", ".py"])
def test_a_file_has_a_name_that_a_record_can_have(tmp_path, name):
    with pytest.raises(InvalidInput, match="letters"):
        load_files([written(tmp_path / name, "")])


def test_an_installed_package_registers_through_its_entry_point(tmp_path):
    info = tmp_path / "flowers-1.dist-info"
    info.mkdir()
    written(info / "METADATA", "Metadata-Version: 2.1\nName: flowers\nVersion: 1\n")
    written(info / "entry_points.txt", "[rbmflow.extensions]\nflowers = flowers\n")
    written(tmp_path / "flowers.py", "import shelf\nshelf.SHELF.add('rose', 1)\n")
    written(tmp_path / "shelf.py", "from rbmflow._registry import Registry\nSHELF = Registry('flower')\n")
    script = "from shelf import SHELF; print(list(SHELF), len(SHELF.source('rose')))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "['rose'] 64\n", done.stderr
    written(tmp_path / "flowers.py", "import nothing_of_that_name\n")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "flowers names it as an extension, and it cannot be imported: ModuleNotFoundError" in done.stderr
