"""A real Slurm of one node: it needs root and Debian's slurm-wlm and munge; `pytest -n 0 -m slurm` runs it."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rbmflow import execute, spec, steps
from rbmflow._registry import forget_files, load_files
from rbmflow.execute import Slurm
from rbmflow.store import Store

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        "RBMFLOW_REQUIRE_SLURM" not in os.environ
        and (os.geteuid() != 0 or any(shutil.which(name) is None for name in ("slurmctld", "slurmd", "munged"))),
        reason="it needs root, slurm-wlm and munge",
    ),
]

SCRIPT = Path(__file__).parent / "slurm" / "one_node.sh"

SPEC = """
name = "slurm"
seeds = 1
[lattice]
length = 4
[sampling]
temperatures = [1.0, 2.25, 4.0, inf]
draws = 250
[types.V]
[training]
epochs = 2000
[flow]
starts = ["cold"]
chains = 100
iterations = 8
[thermometer]
hidden = 16
draws = 200
epochs = 5
[sweep.product]
machine.hidden = [4, 6, 8, 10, 12, 14, 16, 18]
training.learning_rate = [0.005, 0.01, 0.02]
"""

CLUSTER = """
partition = "main"
minutes = 15
memory_gb = 1.5
group_minutes = 1.5
folder = "FOLDER"
setup = ["export RBMFLOW_SETUP=done", "echo setup $RBMFLOW_SETUP"]
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The cluster is up; its commands find it."""
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([SCRIPT, "start", folder], check=True, timeout=60)
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    try:
        yield
    finally:
        subprocess.run(["scancel", "--user=root"], check=False)
        time.sleep(3)
        subprocess.run([SCRIPT, "stop", folder], check=True)
        os.environ.pop("SLURM_CONF") if before is None else os.environ.update(SLURM_CONF=before)


def rbmflow(*words, **more):
    return subprocess.Popen([sys.executable, "-P", "-m", "rbmflow", *map(str, words)], **more)


def at_work(store):
    """Machines in training that have a checkpoint, by hash."""
    kinds = {progress.hash: progress for progress in store.running() if progress.kind == "machine"}
    return [hash_ for hash_ in kinds if (store.path / "work" / hash_ / "training.npz").exists()]


def running():
    """Ids of the jobs that run."""
    command = ["squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def disturb(run, store):
    """Cancel a job, have Slurm put one back, and have one told that its machine is taken away."""
    done = {}
    commands = {"cancelled": ["scancel"], "requeued": ["scontrol", "requeue"], "preempted": ["scancel", "-s", "USR2"]}
    end = time.monotonic() + 300
    while len(done) < 3 and run.poll() is None:
        assert time.monotonic() < end, "the jobs never came to their trainings"
        time.sleep(0.2)
        fresh = [job for job in running() if job not in done.values()]
        if at_work(store) and fresh:
            what = list(commands)[len(done)]
            subprocess.run([*commands[what], fresh[0]], check=True)
            done[what] = fresh[0]
    return done


def test_a_sweep_survives_what_slurm_does_to_its_jobs(slurm, tmp_path):
    (tmp_path / "spec.toml").write_text(SPEC)
    jobs = tmp_path / "jobs"
    (tmp_path / "cluster.toml").write_text(CLUSTER.replace("FOLDER", str(jobs)))
    # A file of such a name in the working folder is not Python's.
    (tmp_path / "types.py").write_text("raise RuntimeError('this is another')\n")
    store, local = Store(tmp_path / "store"), Store(tmp_path / "local")
    run = rbmflow(
        "run",
        tmp_path / "spec.toml",
        "--slurm",
        tmp_path / "cluster.toml",
        "--store",
        store.path,
        stderr=-1,
        text=True,
        cwd=tmp_path,
    )
    done = disturb(run, store)
    _, told = run.communicate(timeout=900)
    assert run.returncode == 0, told
    assert set(done) == {"cancelled", "requeued", "preempted"}
    study = spec.load_sweep(tmp_path / "spec.toml")
    execute.run([step for point in study.points for step in steps.graph(point.spec)], local, 2)

    def data(store):
        return {one: (store.folder(one) / "data.nc").read_bytes() for one in store.artifacts()}

    there = data(store)
    assert sum(one.kind == "machine" for one in there) == 24
    assert there == data(local)
    log = {what: (jobs / f"{job}_0_log.err").read_text() for what, job in done.items()}
    out = {what: (jobs / f"{job}_0_log.out").read_text() for what, job in done.items()}
    assert "Requeued job" in log["preempted"] + out["preempted"]
    assert out["requeued"].count("Starting with") == 2
    assert out["cancelled"].count("Starting with") == 1
    assert "setup done" in out["cancelled"]
    # A sweep of 24 machines is far fewer jobs than steps: they came in groups.
    submitted = list(jobs.glob("*_submission.sh"))
    assert 5 < len(submitted) < len(there) / 2
    assert list((store.path / "work").iterdir()) == []


def test_jobs_run_the_files_that_were_handed_over(slurm, tmp_path, request):
    file = Path(__file__).parents[1] / "docs" / "extending" / "shuffled.py"
    request.addfinalizer(lambda: forget_files([file.name]))
    load_files([file])
    types = {"S": {"data": "shuffled"}}
    study = spec.parse({"name": "shuffled", "lattice": {"length": 4}, "sampling": {"draws": 20}, "types": types})
    [draws] = [step for step in steps.graph(study) if step.kind == "draws" and "source" in step.settings]
    store, cluster = Store(tmp_path / "store"), Slurm("main", memory_gb=1.5, folder=str(tmp_path / "jobs"))
    execute.run([draws], store, cluster, files=[file])
    assert store.state(draws) == "done"


def test_a_job_that_slurm_refuses_is_a_failure(slurm, tmp_path):
    (tmp_path / "spec.toml").write_text(SPEC)
    (tmp_path / "cluster.toml").write_text(CLUSTER.replace("main", "nowhere").replace("FOLDER", str(tmp_path / "jobs")))
    words = ("run", tmp_path / "spec.toml", "--slurm", tmp_path / "cluster.toml", "--store", tmp_path / "store")
    run = rbmflow(*words, stderr=-1, text=True)
    _, told = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "invalid partition specified: nowhere" in told
    assert "Traceback" not in told
