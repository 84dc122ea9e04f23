"""Draw the figures of README and docs from a real run: python docs/figures/make.py STORE [RUN]."""

import sys
from pathlib import Path

import matplotlib

from rbmflow import figures
from rbmflow.figures.style import STYLE_FILE
from rbmflow.store import Address, Store

store = Store(sys.argv[1])
run = store.find_run(sys.argv[2] if len(sys.argv) > 2 else "quick")
last = run["steps"][-1]
results = store.read(Address(last["kind"], last["hash"]))
for name in ("temperature_flow", "flow_ends", "spectra", "weight_products", "leading_vectors"):
    path = Path(__file__).parent / f"{name}.svg"
    with matplotlib.rc_context(fname=STYLE_FILE):
        getattr(figures, name)(results).savefig(path, facecolor="white", metadata={"Date": None})
    print(f"{path} {path.stat().st_size / 1000:.0f} kB")
