"""Replicas shared out among the cores: none knows of another, so the bits do not depend on how many cores there are."""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def _cores() -> int:
    """Threads to use: `NPROC`, which bounds those of XLA too, or all cores that this process may run on."""
    if told := os.environ.get("NPROC", ""):
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_out[Part](work: Callable[[slice], Part], bundles: int) -> list[Part]:
    """What `work` makes of consecutive blocks of bundles, one block and thread a core."""
    edges = np.linspace(0, bundles, min(_cores(), bundles) + 1).astype(int).tolist()
    blocks = [slice(first, last) for first, last in itertools.pairwise(edges)]
    if len(blocks) == 1:
        return [work(blocks[0])]
    with ThreadPoolExecutor(len(blocks)) as threads:
        return list(threads.map(work, blocks))
