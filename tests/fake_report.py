"""A report of one line, for the tests of orchestration."""


def write(path, results, run):
    path.write_text(f"<html>{run['run']} {float(results['value'][0])}</html>")


def summary(results, run):
    return {"run": run["run"], "value": float(results["value"][0]), "references": {"critical_temperature": 2.269}}


def ends_table(results):
    return ["machine", "end"], [["V", f"{float(results['value'][0]):.3f}"]]
