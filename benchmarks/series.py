"""The curves of closed forms that take long, as series: `rbmflow/equilibrium/series.json`.

python benchmarks/series.py    minutes on one core, most of them for L = 12; a test compares small ones
"""

import json
import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import rbmflow as rf
from rbmflow.equilibrium.closed_forms import SERIES, depth_series
from rbmflow.observables import CORRELATION, MAGNETIZATION

if __name__ == "__main__":
    found = {}
    for observable in (MAGNETIZATION, CORRELATION):
        for side in range(8, 13):
            series = depth_series(rf.equilibrium.exact(rf.ising(rf.square(side))), observable)
            found[f"{observable.name} {side}"] = series.coef.tolist()
    lines = (f"  {json.dumps(key)}: {json.dumps(values)}" for key, values in found.items())
    SERIES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
