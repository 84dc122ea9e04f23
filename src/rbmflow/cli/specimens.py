"""The specs that come with the package: `rbmflow specs`, `rbmflow spec`."""

import argparse

from rbmflow.spec import shipped, shipped_text


def names(arguments: argparse.Namespace) -> int:
    """List them, each with the first line of what stands above it."""
    width = max(map(len, shipped()))
    for name in shipped():
        print(f"{name:{width}}  {shipped_text(name).splitlines()[0].removeprefix('# ')}")
    return 0


def text(arguments: argparse.Namespace) -> int:
    """Print one of them."""
    print(shipped_text(arguments.spec), end="")
    return 0
