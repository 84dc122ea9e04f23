"""The study `fixed-point` in small: a spec that is shipped, with other numbers, run as a sweep and read as a table.

Every case of the study is there, with lattices and machines so small and trainings so short that its numbers mean
nothing; all of it takes a few minutes. Change the numbers for a study of your own.
"""

import csv
import tempfile
import tomllib
from importlib.resources import files
from pathlib import Path

import tomli_w

from rbmflow.cli import main

study = tomllib.loads((files("rbmflow") / "specs" / "fixed-point.toml").read_text("utf-8"))
study |= {"name": "reduced", "seeds": 2, "lattice": {"length": 5}, "sampling": {"draws": 40}, "machine": {"hidden": 9}}
study["training"] |= {"epochs": 2, "batch": 20, "checkpoints": 3}
study["flow"] |= {"iterations": 8, "keep": [], "chains": 50}
study["thermometer"] = {"hidden": 8, "draws": 50, "epochs": 2}
study["renormalization"] = {"length": 0}
for case in study["sweep"]["cases"]:
    if "lattice" in case:
        case["lattice"]["length"] = {4: 3, 6: 3, 8: 4, 12: 6, 16: 7}[case["lattice"]["length"]]
        case["machine"]["hidden"] = 9
    if "also_hidden" in case.get("types", {}).get("V", {}):
        case["types"]["V"]["also_hidden"] = [5]
    if "training" in case:
        case["training"]["epochs"] = 2
        if "steps" in case["training"]:
            case["training"]["steps"] = {10: 2, 100: 3}[case["training"]["steps"]]

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "reduced.toml").write_text(tomli_w.dumps(study), "utf-8")
        store = Path(folder) / "store"
        failed = main(["run", f"{folder}/reduced.toml", "--store", str(store), "--workers", "2"])
        assert not failed
        (table,) = store.glob("runs/*/table.csv")
        with open(table, newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["thermometer"] == "energy"]
        for row in rows:
            print(f"{row['run']}: {row['machine']} from {row['start']}: T(E) = {row['temperature']}")
        assert len({row["run"] for row in rows}) == len(study["sweep"]["cases"])
