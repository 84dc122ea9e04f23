"""Draw the figures of README and docs from a real run: python docs/figures/make.py STORE [RUN]."""

import sys
from pathlib import Path

from rbmflow import figures
from rbmflow.store import Address, Store

store = Store(sys.argv[1])
run = store.find_run(sys.argv[2] if len(sys.argv) > 2 else "quick")
last = run["steps"][-1]
results = store.read(Address(last["kind"], last["hash"]))
for name in ("energy_temperature", "temperature_flow"):
    path = Path(__file__).parent / f"{name}.svg"
    drawn = figures.FIGURES[name](results)
    drawn.set_facecolor("white")  # Where they are shown may be dark.
    path.write_text(figures.to_svg(drawn, name), encoding="utf-8")
    print(f"{path} {path.stat().st_size / 1000:.0f} kB")
