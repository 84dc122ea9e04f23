"""The whole path from the shell with the real science: a run killed in its training, and the same run undisturbed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rbmflow.cli import main

SPEC = """
name = "killed"
seeds = 1
lattice.length = 4
sampling = {temperatures = [0.0, 2.25, 6.0], draws = 10000}
types.V.also_hidden = []
machine.hidden = 8
training = {epochs = 80, batch = 100}
flow = {starts = ["cold", "hot"], chains = 100, iterations = 8}
thermometer = {hidden = 8, draws = 100, epochs = 2, batch = 50}
"""


def rbmflow(*words: object) -> list[str]:
    return [sys.executable, "-m", "rbmflow", *map(str, words)]


def data_of(store: Path) -> dict[str, bytes]:
    return {
        path.parent.relative_to(store).as_posix(): path.read_bytes() for path in store.glob("artifacts/*/*/data.nc")
    }


def killed_in_training(command: list[str], store: Path) -> int:
    """Start a run, kill it and all its workers at the second checkpoint of the training, and return how far it was."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    first = None
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        found = list(store.glob("work/*/training.npz"))
        if found:
            first = first or found[0].stat().st_mtime_ns
            if found[0].stat().st_mtime_ns != first:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return len(list(store.glob("work/*/training.npz")))
        time.sleep(0.005)
    process.kill()
    pytest.fail("the training was over before it could be killed")


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> tuple[Path, Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("runs")
    spec = folder / "killed.toml"
    spec.write_text(SPEC)
    disturbed, undisturbed = folder / "disturbed", folder / "undisturbed"
    command = rbmflow("run", spec, "--workers", 1, "--store", disturbed)
    assert killed_in_training(command, disturbed) == 1
    assert not list(disturbed.glob("artifacts/machine/*"))
    subprocess.run(command, check=True, capture_output=True)
    again = rbmflow("run", spec, "--workers", 2, "--store", undisturbed)
    done = subprocess.run(again, check=True, capture_output=True, text=True)
    return disturbed, undisturbed, done


def test_a_killed_training_ends_with_the_bits_of_an_undisturbed_one(stores):
    disturbed, undisturbed, _ = stores
    assert data_of(disturbed) == data_of(undisturbed)
    assert len(data_of(disturbed)) == 15
    assert not list(disturbed.glob("work/*/training.npz"))


def test_a_run_ends_with_its_table_and_report(stores):
    _, undisturbed, done = stores
    report = Path(done.stdout.strip().splitlines()[-1])
    assert report.is_relative_to(undisturbed)
    assert "V-8" in done.stdout
    assert "<svg" in report.read_text(encoding="utf-8")


def test_show_prints_the_numbers_for_programs(stores, capsys):
    _, undisturbed, _ = stores
    assert main(["show", "killed", "--json", "--store", str(undisturbed)]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["machines"][0]["machine"] == "V-8"
    assert numbers["references"]["critical_temperature"] == pytest.approx(2.269185314213022)


def test_a_second_run_computes_nothing(stores, capsys):
    _, undisturbed, _ = stores
    spec = undisturbed.parent / "killed.toml"
    before = {path: path.stat().st_mtime_ns for path in undisturbed.glob("artifacts/*/*/*")}
    assert main(["run", str(spec), "--store", str(undisturbed)]) == 0
    assert "nothing to compute" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.glob("artifacts/*/*/*")}


def test_a_change_of_the_flow_keeps_the_machine(stores, capsys):
    _, undisturbed, _ = stores
    spec = undisturbed.parent / "killed.toml"
    assert main(["plan", str(spec), "--store", str(undisturbed), "--flow.iterations", "9"]) == 0
    told = capsys.readouterr().out
    wanted = [
        line.removeprefix("to compute: ").split()[0] for line in told.splitlines() if line.startswith("to compute")
    ]
    assert wanted == ["flow", "reading", "flow", "reading", "results"]
