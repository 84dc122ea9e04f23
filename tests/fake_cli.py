"""The command line with the fake science and the fake report in the place of the real ones, here and in children."""

import os
import sys
from pathlib import Path

import fake_report
import fake_science
import rbmflow

for name, module in {"steps": fake_science, "report": fake_report}.items():
    sys.modules[f"rbmflow.{name}"] = module
    setattr(rbmflow, name, module)

HERE = Path(__file__).resolve().parent
os.environ["PYTHONPATH"] = f"{HERE / 'faked'}{os.pathsep}{HERE}"

if __name__ == "__main__":
    from rbmflow.cli import main

    sys.exit(main())
