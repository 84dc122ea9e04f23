"""Arguments: from what was typed to the command that answers it."""

import argparse
import dataclasses
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from math import inf
from operator import methodcaller
from typing import NoReturn

from rbmflow import __version__
from rbmflow._checks import InvalidInput, Problem, meant, plain
from rbmflow._registry import forget_files, loaded_files
from rbmflow.cli import standard_streams

_LONGEST_MESSAGE, _MOST_PROBLEMS = 500, 50


def main(words: Sequence[str] | None = None) -> int:
    """Run one command, that of this process when no words are given, and return its exit code."""
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
        if words and words[0] in _WITH_FIELDS:
            words, overrides = split_overrides(words)
        arguments = command_parser().parse_args(words or ["--help"], argparse.Namespace(overrides=overrides))
        module, _, function = arguments.answer.partition(".")
        code = getattr(import_module(f"rbmflow.cli.{module}"), function)(arguments)
        sys.stdout.flush()
        return code
    except InvalidInput as error:
        for problem in error.problems[:_MOST_PROBLEMS]:
            print(problem, file=sys.stderr)
        if (more := len(error.problems) - _MOST_PROBLEMS) > 0:
            print(f"and {more} more", file=sys.stderr)
        return 2
    except OSError as error:
        if not standard_streams.reader_left():
            told = plain(f"({error.strerror or error}){f' at {error.filename}' if error.filename else ''}")
            told = f"The system refused {told}; what is done stays, the same command goes on."
            print(told, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Nothing is lost: the same command goes on from here.", file=sys.stderr)
        return 130


def split_overrides(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Take `--section.field value` and `--section.field=value` out of a command line."""
    from rbmflow.spec import Spec  # It takes a moment, and `--help` is to answer at once.

    without_dot = {field.name for field in dataclasses.fields(Spec)}
    rest: list[str] = []
    overrides: dict[str, str] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        field = name.removeprefix("--")
        if field == name or not ("." in field or field in without_dot):
            rest.append(word)
            continue
        if not equals:
            if not queue or queue[0].startswith("--"):
                raise InvalidInput(Problem(field, "", f"a value must follow {name}"))
            value = queue.pop(0)
        overrides[field] = value
    return rest, overrides


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, and whose help lists the fields of a spec where they can be given."""

    with_fields = False

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with 2."""
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        near = meant(wrong[1], re.findall(r"[\w-]+", wrong[2])) if wrong else ""
        self.exit(2, f"{plain(message[:_LONGEST_MESSAGE])}{near}; `{self.prog} --help` tells what there is\n")

    def format_help(self) -> str:
        """Help on the options, then on the fields."""
        return super().format_help() + (_help_on_fields() if self.with_fields else "")


def _help_on_fields() -> str:
    import textwrap

    from rbmflow.spec import fields, shipped

    lines = [
        f"\nshipped specs: {', '.join(shipped())}",
        "\nfields of a spec, each overridden by --FIELD VALUE (a TOML value, or text):",
    ]
    for field in fields():
        default = f"(default: {field.default})" if field.default else "(must be given)"
        lines.append(f"  --{field.name}")
        lines += textwrap.wrap(f"{field.meaning} {default}", 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join([*lines, ""])


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


type _Argument = Callable[[argparse.ArgumentParser], object]

_argument: Callable[..., _Argument] = partial(methodcaller, "add_argument")
"""Arguments of `add_argument`, kept until there is a parser to call it on."""

_STORE = _argument("--store", default="rbmflow-store", metavar="DIR", help="folder of results (default: %(default)s)")
_SPEC = _argument(
    "spec",
    nargs="?",
    default="quick",
    metavar="SPEC",
    help="a shipped spec, a TOML file, or answer: all studies of the answer (quick)",
)
_RUN = _argument("run", metavar="RUN", help="id of a run, its beginning, or the name of its spec (the latest)")
_FILE = _argument("file", metavar="FILE", help="the zip file")
_FLOWS = _argument("--flows", action="store_true", help="put in everything that is there, flows too")
_OUTPUT = _argument("-o", "--output", metavar="FILE", help="the new file (default: RUN.zip)")
_AUTHOR = _argument("--author", action="append", dest="authors", metavar="NAME", help="may be given several times")
_LICENCE = _argument("--licence", metavar="FILE", help="text of the licence (default: that of rbmflow, MIT)")
_WITH = _argument(
    "--with",
    action="append",
    default=[],
    dest="files",
    metavar="FILE",
    help="run this Python file, which registers what the spec names or the report shows; may be given several times",
)
_HASH = _argument("hash", metavar="HASH", help="hash of the step in steps.jsonl of its run, or its beginning")
_WORKERS = _argument("--workers", type=int, metavar="N", help="processes at a time (default: one a core)")
_SLURM = _argument("--slurm", metavar="FILE", help="by jobs of the Slurm cluster described in FILE")
_DASK = _argument("--dask", metavar="ADDRESS", help="by the workers of the dask scheduler there")
_SECONDS = _argument("--step-seconds", type=float, default=inf, metavar="S", help="kill a step that takes longer")
_MEMORY = _argument("--step-memory", type=_bytes, default=inf, metavar="BYTES", help="kill one that takes more: 800M")
_RECORD = _argument("--record", action="store_true", help="write the run down, so that `rbmflow step` finds it")
_WATCH = _argument("--watch", action="store_true", help="tell it again and again until everything is done")
_EVERY = _argument("--every", type=_pause, default=2.0, metavar="S", help="seconds between (default: %(default)g)")
_JSON = _argument("--json", action="store_true", help="print them as JSON, for programs")
_KIND = _argument("kind", nargs="?", metavar="KIND", help="kind of step, such as machine")
_FIGURES = _argument("--figures", metavar="DIR", help="write every figure into this folder in place of the report")
_FORMAT = _argument("--format", choices=("pdf", "svg", "png"), default="pdf", help="of the figures (%(default)s)")
_LATEX = _argument("--latex", metavar="DIR", help="write its tables for LaTeX, and a macro for each number")
_WIDTH = _argument("--width", choices=("page", "column"), default="page", help="a column of a journal is 8.6 cm")
_NAMED = _argument("spec", metavar="NAME", help="name of a shipped spec")
_PAPER = _argument("paper", nargs="?", metavar="ARXIV", help="arXiv number of the paper, such as 2006.10176")
_CLAIM = _argument("claim", nargs="?", metavar="ID", help="id of one, told in full")
_LIST = _argument("--list", action="store_true", help="list the papers that there are studies of")
_SHELL = _argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell")
_DELETE = _argument("--delete", action="store_true", help="take it away")
_OLDER = _argument("--older-than", type=float, default=1.0, metavar="DAYS", help="leave younger (default: %(default)g)")

_COMPUTING = (_WITH, _WORKERS, _SLURM, _DASK, _SECONDS, _MEMORY)
"""Arguments of commands that compute runs."""

_COMMANDS: dict[str, tuple[str, str, tuple[_Argument, ...]]] = {
    "run": (
        "running.run",
        "compute what a spec asks for, as far as it is not there yet, and write its report",
        (_SPEC, *_COMPUTING),
    ),
    "plan": ("planning.plan", "tell what `run` would compute, and write nothing", (_SPEC, _WITH, _SLURM, _RECORD)),
    "step": ("running.step", "compute one step of a recorded run here; its parents must be there", (_HASH, _WITH)),
    "status": ("standing.status", "tell how runs stand, what is being computed and what failed", (_WATCH, _EVERY)),
    "show": ("showing.show", "print the numbers of a run", (_RUN, _WITH, _JSON)),
    "report": (
        "pages.report",
        "write the HTML report of a run anew, or its figures or tables as files, and print where",
        (_RUN, _WITH, _FIGURES, _FORMAT, _WIDTH, _LATEX),
    ),
    "publish": (
        "publishing.publish",
        "make one zip of a run: README, citation, licence, report, results, machines, all checksums",
        (_RUN, _WITH, _FLOWS, _OUTPUT, _AUTHOR, _LICENCE),
    ),
    "open": ("publishing.take_in", "verify such a zip, take it into the store, and show it", (_FILE,)),
    "specs": ("specimens.names", "list the specs that come with the package", ()),
    "spec": ("specimens.text", "print one of them, to be changed and run", (_NAMED,)),
    "studies": ("studying.studies", "list the shipped studies: paper, claims, cost here, and what was found", ()),
    "replicate": (
        "studying.replicate",
        "run the shipped study of a paper, and hold its numbers and claims against what comes out",
        (_PAPER, _LIST, *_COMPUTING),
    ),
    "claims": ("statements.claims", "print the rules behind the verdicts", (_CLAIM, _WITH, _JSON)),
    "store": ("", "list, verify and clean artifacts", ()),
    "store ls": ("storing.ls", "list how much there is of each kind, or every artifact of one", (_KIND,)),
    "store verify": ("storing.verify", "check the checksums of everything and name what is damaged", ()),
    "store gc": ("storing.gc", "name what no run needs", (_DELETE, _OLDER)),
    "completion": ("completing.completion", "print what makes a shell complete commands and names", (_SHELL,)),
    "doctor": ("installation.doctor", "check this installation against known numbers", ()),
    "cite": ("installation.cite", "print BibTeX entries of this package and of the work it starts from", ()),
}
"""Commands with the function of this package that answers, their meaning, and their arguments besides the store."""

_WITH_FIELDS = [name for name, (_, _, arguments) in _COMMANDS.items() if _SPEC in arguments]
"""Commands on whose line fields of a spec can be given."""


def command_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    top = _Parser("rbmflow", description="A laboratory for RBM flows on lattice spin models.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"rbmflow {__version__}", help="print it and exit")
    groups = {"": top.add_subparsers(required=True, metavar="COMMAND")}
    for name, (answer, meaning, arguments) in _COMMANDS.items():
        group, _, verb = name.rpartition(" ")
        told = meaning[0].upper() + meaning[1:] + "."
        parser = groups[group].add_parser(verb, help=meaning, description=told, allow_abbrev=False)
        parser.set_defaults(answer=answer)
        parser.with_fields = name in _WITH_FIELDS
        if not answer:
            groups[name] = parser.add_subparsers(required=True, metavar="TASK")
            continue
        for add_to in (_STORE, *arguments):
            add_to(parser)
    return top
