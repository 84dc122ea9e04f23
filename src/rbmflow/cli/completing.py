"""`rbmflow completion`: what a shell needs to complete commands, options, fields, specs and runs, by shtab."""

import argparse
from collections.abc import Iterator

import shtab

from rbmflow.cli.arguments import command_parser
from rbmflow.spec import fields, shipped, toml_files

_PREAMBLES = {
    "bash": """\
_rbmflow_specs() { compgen -W "SPECS" -- "$1"; compgen -f -X '!*.toml' -- "$1"; }
_rbmflow_shipped() { compgen -W "SPECS" -- "$1"; }
_rbmflow_papers() { compgen -W "PAPERS" -- "$1"; }
_rbmflow_runs() { compgen -W "$(command ls rbmflow-store/runs 2>/dev/null)" -- "$1"; }
""",
    "zsh": """\
_rbmflow_specs() { compadd -- SPECS; _files -g '*.toml'; }
_rbmflow_shipped() { compadd -- SPECS; }
_rbmflow_papers() { compadd -- PAPERS; }
_rbmflow_runs() { compadd -- ${(f)"$(command ls rbmflow-store/runs 2>/dev/null)"}; }
""",
}
"""What completes names: those of the package as they are now, those of runs in the default store as they are then."""

_COMPLETED = {
    "SPEC": "_rbmflow_specs",
    "NAME": "_rbmflow_shipped",
    "ARXIV": "_rbmflow_papers",
    "RUN": "_rbmflow_runs",
    "FILE": shtab.FILE,
    "DIR": shtab.DIRECTORY,
}
"""What completes an argument, by its name in the help."""


def completion(arguments: argparse.Namespace) -> int:
    """Print the script of completion of a shell."""
    top = command_parser()
    for action in _actions(top):
        by = _COMPLETED.get(str(action.metavar))
        if by is not None and action.dest != "authors":
            known = by if isinstance(by, dict) else {"bash": by, "zsh": by, "tcsh": "f"}
            action.complete = known  # pyright: ignore[reportAttributeAccessIssue]
    specs, papers = " ".join(shipped()), " ".join(filter(None, (one.paper for one in toml_files.studies().values())))
    preamble = {shell: text.replace("SPECS", specs).replace("PAPERS", papers) for shell, text in _PREAMBLES.items()}
    print(shtab.complete(top, arguments.shell, preamble=preamble))  # pyright: ignore[reportArgumentType]
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Arguments of a parser and of its commands, where fields of a spec can be given with an option for each."""
    if getattr(parser, "with_fields", False):
        for field in fields():
            if "<" not in field.name:
                parser.add_argument(f"--{field.name}", help=field.meaning)
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)
