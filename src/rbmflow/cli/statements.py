"""The rules behind the verdicts: `rbmflow claims`."""

import argparse
import json
from importlib import resources

from rich.table import Table

from rbmflow import steps
from rbmflow._checks import plain
from rbmflow._registry import load_files
from rbmflow.cli.telling import cell, console

_PARTS = ("id", "claim", "source", "measured", "supports", "contradicts")


def claims(arguments: argparse.Namespace) -> int:
    """Print what decides every claim, or one of them in full with the terms of the rules."""
    load_files(arguments.files)
    known = steps.claims()
    asked = [known[arguments.claim]] if arguments.claim else known.values()
    rows = [dict(zip(_PARTS, (one.id, one.words, one.source, *one.in_full), strict=True)) for one in asked]
    if arguments.json:
        print(json.dumps(rows, indent=1))
    elif arguments.claim:
        for part, text in rows[0].items():
            print(plain(f"{part + ':':12} {text}"))
        terms = resources.files("rbmflow.claims").joinpath("terms.md").read_text("utf-8")
        print("\n" + terms.replace("\\", ""), end="")
    else:
        listed = ("id", "claim", "source", "supports")
        table = Table(*listed, show_lines=True)
        for row in rows:
            table.add_row(*(cell(row[part]) for part in listed))
        console().print(table)
    return 0
