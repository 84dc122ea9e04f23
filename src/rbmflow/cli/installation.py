"""Commands about this installation: `rbmflow doctor`, `cite`."""

import argparse
import contextlib
import os
import sys
import time

from rich.table import Table

from rbmflow.cli.telling import cell, console
from rbmflow.execute import available_cores, versions
from rbmflow.execute.children import Children, Lost
from rbmflow.execute.performing import Science
from rbmflow.execute.surroundings import device, revision, threads

_FAULT = """\
There is a fault: numbers of this installation cannot be trusted. What mends it, in this order:
  1. versions that are tested: pip install --upgrade "jax>=0.11.2", with jaxlib and plugins of the same version;
  2. the CPU in place of a GPU: JAX_PLATFORMS=cpu rbmflow doctor;
  3. no flags of your own: unset XLA_FLAGS, and empty the cache of compiled programs (JAX_COMPILATION_CACHE_DIR)."""


_BIBTEX = """\
@software{rbmflow,
  author  = {{The rbmflow developers}},
  title   = {rbmflow: a laboratory for {RBM} flows on lattice spin models},
  version = {VERSION}
}

@article{IsoShibaYokoo2018,
  author        = {Iso, Satoshi and Shiba, Shotaro and Yokoo, Sumito},
  title         = {Scale-invariant feature extraction of neural network and renormalization group flow},
  journal       = {Physical Review E},
  volume        = {97},
  pages         = {053304},
  year          = {2018},
  doi           = {10.1103/PhysRevE.97.053304},
  eprint        = {1801.07172},
  archiveprefix = {arXiv}
}"""


def doctor(arguments: argparse.Namespace) -> int:
    """Check this installation against known numbers, in a worker as `run` starts them, under this user's settings."""
    clock = time.perf_counter()
    with contextlib.closing(Children(1, Science("rbmflow.steps"))) as crew:
        try:
            checks, device, threads = crew.submit(_checkup).result()
        except Lost as lost:
            checks, device, threads = [("a worker process", "it computes", str(lost), False)], "unknown", {}
    table = Table("check", "expected", "measured", "")
    for check, expected, measured, ok in checks:
        table.add_row(cell(check), cell(expected), cell(measured), "ok" if ok else "FAULT")
    sound = all(ok for *_, ok in checks)
    console().print(table)
    print(f"device: {device}; cores: {available_cores()}; python: {sys.version.split()[0]}; revision: {revision()}")
    print("threads: " + ", ".join(f"{name} = {value}" for name, value in threads.items()))
    settings = (f"{name} = {value}" for name, value in sorted(os.environ.items()) if name.startswith(("JAX_", "XLA_")))
    print(f"settings of yours: {', '.join(settings) or 'none'}")
    print(", ".join(f"{package} {version}" for package, version in versions().items()))
    print(f"the checks took {time.perf_counter() - clock:.1f} s")
    print("All is well." if sound else _FAULT)
    return 0 if sound else 1


def _checkup() -> tuple[list[tuple[str, str, str, bool]], str, dict[str, str]]:
    """Every check with its outcome, the device, and the settings of threads of this process."""
    from rbmflow import steps

    return [(*map(str, row[:3]), bool(row[3])) for row in steps.doctor()], device(), threads()  # pyright: ignore


def cite(arguments: argparse.Namespace) -> int:
    """Print BibTeX entries."""
    print(_BIBTEX.replace("VERSION", versions().get("rbmflow", "unknown")))
    return 0
