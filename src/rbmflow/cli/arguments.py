"""Arguments: from what was typed to the command that answers it."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

from rbmflow._checks import InvalidInput, Problem, plain
from rbmflow._registry import forget_files, loaded_files
from rbmflow.cli import standard_streams

_LONGEST_MESSAGE, _MOST_PROBLEMS = 500, 50

type Text = Callable[[argparse.ArgumentParser], str]

_TOP_FIELDS = tuple(
    f"--{name}"
    for name in ("name", "seed", "seeds", "model", "sampling", "machine", "types", "training", "flow", "thermometer")
)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    words
        The command line without the program's name; that of this process when not given.
    """
    before = {file.name for file in loaded_files()}
    try:
        with standard_streams.forgiving():
            return _answer(list(sys.argv[1:] if words is None else words))
    finally:  # A process that calls this again begins without the files of the last call.
        forget_files([file.name for file in loaded_files() if file.name not in before])


def _answer(words: list[str]) -> int:
    """Run one command; what goes wrong is one sentence and an exit code."""
    try:
        overrides = {}
        if words[:1] and words[0] in _COMMANDS and _COMMANDS[words[0]].fields:
            words, overrides = split_overrides(words)
        arguments = _parser().parse_args(words)
        arguments.overrides = overrides
        code = getattr(import_module(f"rbmflow.cli.{_COMMANDS[arguments.verb].module}"), arguments.verb)(arguments)
        sys.stdout.flush()
        return code
    except InvalidInput as error:
        for problem in error.problems[:_MOST_PROBLEMS]:
            print(problem, file=sys.stderr)
        if (more := len(error.problems) - _MOST_PROBLEMS) > 0:
            print(f"and {more} more", file=sys.stderr)
        return 2
    except OSError as error:
        if standard_streams.reader_left():
            return 1
        where = plain(f" at {error.filename}" if error.filename else "")
        told = f"The system refused ({error.strerror}){where}; what is done stays, the same command goes on."
        print(told, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Nothing is lost: the same command goes on from here.", file=sys.stderr)
        return 130


def split_overrides(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Take `--section.field value` and `--section.field=value` out of a command line.

    Examples
    --------
    >>> split_overrides(["run", "quick", "--machine.hidden", "36", "--workers", "2", "--seed=1"])
    (['run', 'quick', '--workers', '2'], {'machine.hidden': '36', 'seed': '1'})
    """
    rest: list[str] = []
    overrides: dict[str, str] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        if not name.startswith("--") or ("." not in name and name not in _TOP_FIELDS):
            rest.append(word)
            continue
        field = name.removeprefix("--")
        if not equals:
            if not queue or queue[0].startswith("--"):
                raise InvalidInput(Problem(field, "", f"a value must follow {name}"))
            value = queue.pop(0)
        overrides[field] = value
    return rest, overrides


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with 2."""
        self.exit(2, f"{plain(message[:_LONGEST_MESSAGE])}; `{self.prog} --help` tells what there is\n")


class _Tell(argparse.Action):
    """An option that prints a text, made only when asked for, and exits."""

    def __init__(self, option_strings: Sequence[str], dest: str, text: Text, **rest):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **rest)
        self.text = text

    def __call__(self, parser, *_: object) -> None:
        """Print and exit."""
        print(self.text(parser))
        parser.exit(0)


def _bytes(text: str) -> float:
    """Read a number of bytes with k, M, G or T behind it for thousands."""
    factor = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1:], 1.0)
    try:
        return float(text if factor == 1.0 else text[:-1]) * factor
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes such as 800M or 4G") from error


def _pause(text: str) -> float:
    """Read a number of seconds that may be waited."""
    try:
        if 0.01 <= (seconds := float(text)) <= 86400:
            return seconds
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0.01 to 86400")


type _Argument = tuple[tuple[str, ...], dict[str, Any]]


def _argument(*names: str, **settings: Any) -> _Argument:
    return names, settings


class _Command(NamedTuple):
    module: str
    """Module of this package whose function of the command's name answers it."""
    meaning: str
    arguments: tuple[_Argument, ...] = ()
    fields: bool = False
    """Whether fields of a spec can be overridden."""


_STORE = _argument("--store", default="rbmflow-store", metavar="DIR", help="folder of results (default: %(default)s)")
_SPEC = _argument(
    "spec", nargs="?", default="quick", metavar="SPEC", help="name of a shipped spec or a TOML file (quick)"
)
_RUN = _argument("run", metavar="RUN", help="id of a run, its beginning, or the name of its spec (the latest)")
_FILE = _argument("file", metavar="FILE", help="the tar file")
_WITH = _argument(
    "--with",
    action="append",
    default=[],
    dest="files",
    metavar="FILE",
    help="run this Python file, which registers what the spec names or the report shows; may be given several times",
)

_COMMANDS = {
    "run": _Command(
        "running",
        "compute what a spec asks for, as far as it is not there yet, and write its report",
        (
            _SPEC,
            _WITH,
            _argument("--workers", type=int, metavar="N", help="processes at a time (default: one a core)"),
            _argument("--slurm", metavar="FILE", help="have jobs of the cluster described in FILE do it"),
            _argument("--step-seconds", type=float, metavar="S", help="kill a step that takes longer"),
            _argument("--step-memory", type=_bytes, metavar="BYTES", help="kill a step that takes more: 800M"),
        ),
        fields=True,
    ),
    "plan": _Command(
        "running",
        "tell what `run` would compute, and write nothing",
        (
            _SPEC,
            _WITH,
            _argument("--record", action="store_true", help="write the run down, so that `rbmflow step` finds it"),
        ),
        fields=True,
    ),
    "step": _Command(
        "running",
        "compute one step of a recorded run in this process; its parents must be there",
        (_argument("hash", metavar="HASH", help="hash of the step in steps.jsonl of its run, or its beginning"), _WITH),
    ),
    "status": _Command(
        "standing",
        "tell how runs stand, what is being computed and what failed, from the store alone",
        (
            _argument("--watch", action="store_true", help="tell it again and again until everything is done"),
            _argument("--every", type=_pause, default=2.0, metavar="S", help="seconds between (default: %(default)g)"),
        ),
    ),
    "show": _Command(
        "showing",
        "print the numbers of a run",
        (_RUN, _WITH, _argument("--json", action="store_true", help="print them as JSON, for programs")),
    ),
    "report": _Command("pages", "write the HTML report of a run anew and print its path", (_RUN, _WITH)),
    "store": _Command("storing", "list, verify, clean, export and import artifacts"),
    "doctor": _Command("installation", "check this installation against known numbers"),
    "cite": _Command("installation", "print BibTeX entries of this package and of the work it starts from"),
}

_TASKS = {
    "ls": (
        "list how much there is of each kind, or every artifact of one",
        _argument("kind", nargs="?", metavar="KIND", help="kind of step, such as machine"),
    ),
    "verify": ("check the checksums of everything and name what is damaged",),
    "gc": (
        "name what no run needs",
        _argument("--delete", action="store_true", help="take it away"),
        _argument(
            "--older-than", type=float, default=1.0, metavar="DAYS", help="leave what is younger (default: %(default)g)"
        ),
    ),
    "export": ("write a run with its artifacts to one tar file", _RUN, _FILE),
    "import": ("take in the runs and artifacts of such a file, after verifying them", _FILE),
}
"""What `rbmflow store` does, with the arguments of each."""


def _parser() -> argparse.ArgumentParser:
    top = _Parser("rbmflow", description="A laboratory for RBM flows on lattice spin models.", allow_abbrev=False)
    top.add_argument("--version", action=_Tell, text=_version, help="print the version and exit")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    def add(to: Any, name: str, meaning: str, arguments: Sequence[_Argument], fields: bool = False) -> _Parser:
        told = meaning[0].upper() + meaning[1:] + "."
        parser = to.add_parser(name, help=meaning, description=told, allow_abbrev=False, add_help=not fields)
        if fields:
            parser.add_argument("-h", "--help", action=_Tell, text=_help_with_fields, help="show this help and exit")
        for names, settings in arguments:
            parser.add_argument(*names, **settings)
        return parser

    for verb, command in _COMMANDS.items():
        if verb != "store":
            add(verbs, verb, command.meaning, (_STORE, *command.arguments), command.fields)
            continue
        tasks = add(verbs, verb, command.meaning, ()).add_subparsers(dest="task", required=True, metavar="TASK")
        for task, (meaning, *arguments) in _TASKS.items():
            add(tasks, task, meaning, (_STORE, *arguments))
    return top


def _version(_: argparse.ArgumentParser) -> str:
    from importlib.metadata import version

    return f"rbmflow {version('rbmflow')}"


def _help_with_fields(parser: argparse.ArgumentParser) -> str:
    """Help of a command that takes a spec: the options, then every field that can be overridden."""
    import textwrap

    from rbmflow.spec import fields, shipped

    lines = [
        parser.format_help(),
        f"shipped specs: {', '.join(shipped())}",
        "",
        "fields of a spec, each overridden by --FIELD VALUE (a TOML value, or text):",
    ]
    for field in fields():
        default = f"(default: {field.default})" if field.default else "(must be given)"
        lines.append(f"  --{field.name}")
        lines += textwrap.wrap(f"{field.meaning} {default}", 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)
