"""What a command hands over to those who compute: files of the user's, and the number of processes."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rbmflow._checks import plain
from rbmflow._registry import load_files
from rbmflow.execute import available_cores, available_memory, has_gpu, recording
from rbmflow.store import Store

_WORKER_BYTES = 1_000_000_000
"""Memory that is counted for a process when nobody says how many to start."""


def default_workers() -> int:
    """One process on a machine with an NVIDIA GPU, which they would share; else one a core, as far as memory goes."""
    if has_gpu():
        return 1
    return max(1, min(available_cores(), available_memory() // _WORKER_BYTES))


def bring(arguments: argparse.Namespace, store: Store, record: dict[str, Any]) -> tuple[str, ...]:
    """Run the files that were handed over to a run, from its folder, and those that are handed over now.

    One of the same name that is handed over now takes the place of the recorded one.
    """
    given = {Path(file).name: file for file in arguments.files}
    files = {Path(file).name: file for file in recording.files_of(record, store)} | given
    for row in record.get("extensions", ()):
        if row["name"] not in files:
            told = f"{row['name']} was handed over to this run and is not in its folder: --with FILE does so again"
            print(plain(told), file=sys.stderr)
    load_files(files.values())
    return tuple(files.values())
