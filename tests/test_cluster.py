"""Groups of steps on a cluster whose Slurm is played by this process; tests/test_slurm.py has the real one."""

import contextlib
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import fake_science
import rbmflow as rf
from rbmflow import execute, spec
from rbmflow._checks import InvalidInput
from rbmflow.cli import main
from rbmflow.execute import Slurm, load_slurm, slurm
from rbmflow.execute.performing import Outcome, Perform, Science
from rbmflow.execute.slurm import cut
from rbmflow.store import Step, Store


class Cluster:
    """Slurm and submitit: jobs are computed when they are submitted, unless `fate` says what becomes of them."""

    def __init__(self):
        self.jobs = []
        self.arrays = []
        self.fate = lambda job: "answers"
        self.refusals = 0
        self.cancelled = []

    def executor(self, folder, max_num_timeout):
        self.folder = Path(folder)
        return self

    def update_parameters(self, **parameters):
        self.parameters = parameters

    @contextlib.contextmanager
    def batch(self):
        self.arrays.append(0)
        yield
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("sbatch: error: no\ninvalid account")

    def submit(self, work, steps):
        self.arrays[-1] += 1
        answer = self.folder / f"{len(self.jobs)}.pkl"
        job = SimpleNamespace(job_id=f"7_{len(self.jobs)}", steps=list(steps), living=False)
        job.paths = SimpleNamespace(result_pickle=answer, folder=self.folder, stderr="log.err")
        self.jobs.append(job)
        if self.refusals:
            return job
        fate = self.fate(job)
        job.living = fate == "hangs"
        if fate == "answers":
            outcomes = work(steps)
            job.result = lambda: outcomes
        elif fate == "breaks":
            job.result = lambda: 1 / 0
        elif fate == "dies after one":
            work(steps[:1])
        if fate in ("answers", "breaks"):
            answer.touch()
        return job

    def queue(self):
        return frozenset(job.job_id for job in self.jobs if job.living)


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    cluster = Cluster()
    submitit = ModuleType("submitit")
    submitit.SlurmExecutor = cluster.executor
    monkeypatch.setitem(sys.modules, "submitit", submitit)
    monkeypatch.setattr(slurm, "require_slurm", lambda: None)
    monkeypatch.setattr(slurm, "_queue", cluster.queue)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("_LOOK", "_GRACE", "_PAUSE"):
        monkeypatch.setattr(slurm, name, 0.0)
    return cluster


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def steps(seeds=6):
    return fake_science.graph(spec.parse({"name": "small", "seeds": seeds, "training": {"epochs": 2}}))


def compute(graph, store, settings):
    execute.run(graph, store, settings, science="fake_science")


def data(store, graph):
    return {step.name: (store.folder(step) / "data.nc").read_bytes() for step in graph}


@pytest.fixture
def whole(tmp_path):
    other = Store(tmp_path / "whole")
    execute.run(steps(), other, science="fake_science")
    return data(other, steps())


def test_groups_are_filled_up_to_their_time():
    graph = [Step("machine", str(number), {"number": number}) for number in range(7)]
    seconds = {"machine": 25.0}
    groups = cut(graph, seconds, Slurm(group_minutes=1))
    assert [len(group) for group in groups] == [2, 2, 2, 1]
    # A step that is longer than a group is one of its own, and so is one that a job may have died of.
    assert cut(graph, {"machine": 1000.0}, Slurm(group_minutes=1)) == [[step] for step in graph]
    groups = cut(graph, seconds, Slurm(group_minutes=1), alone=graph[2:4])
    assert [len(group) for group in groups] == [2, 1, 1, 2, 1]
    assert cut([], seconds, Slurm()) == []


def test_steps_come_in_groups_and_their_data_are_those_of_a_local_run(cluster, store, whole):
    # 10 s are taken for a step of an unknown kind: three machines a group. Flows are quick: their kind is known by
    # then from nothing, so three again.
    compute(steps(), store, Slurm(group_minutes=0.5, partition="cpu", setup=("module load x",)))
    assert data(store, steps()) == whole
    assert [step.name for step in cluster.jobs[0].steps] == ["draws"]
    assert sorted(len(job.steps) for job in cluster.jobs) == [1, 1, 3, 3, 3, 3]
    assert cluster.arrays == [1, 2, 2, 1]
    assert cluster.parameters["partition"] == "cpu"
    assert cluster.parameters["setup"][-2:] == ["export OPENBLAS_NUM_THREADS=1", "module load x"]
    assert cluster.parameters["additional_parameters"] == {"requeue": True}
    assert "account" not in cluster.parameters
    assert not (store.path / "slurm").exists()


def test_nobody_else_can_put_an_answer_into_the_folder_of_jobs(cluster, tmp_path):
    """Answers are pickles: whoever can write or swap their folder runs code as its reader."""
    folder = slurm.private_folder(Slurm())
    assert folder == tmp_path / "state" / "rbmflow" / "slurm"
    assert folder.stat().st_mode & 0o777 == 0o700
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    for chosen in (shared, shared / "mine"):
        with pytest.raises(InvalidInput, match="shared is open to others"):
            slurm.private_folder(Slurm(folder=str(chosen)))
    shared.chmod(0o1777)
    with pytest.raises(InvalidInput, match="nobody else may own or write it, and "):
        slurm.private_folder(Slurm(folder=str(shared)))
    assert slurm.private_folder(Slurm(folder=str(shared / "mine"))) == shared / "mine"
    if os.getuid() == 0:
        os.chown(shared / "mine", 54321, -1)
        with pytest.raises(InvalidInput, match="mine is open to others"):
            slurm.private_folder(Slurm(folder=str(shared / "mine")))
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="it must be a path where a folder can be made"):
        slurm.private_folder(Slurm(folder=str(tmp_path / "file" / "jobs")))


def test_no_more_jobs_at_a_time_than_allowed(cluster, store, whole):
    compute(steps(), store, Slurm(group_minutes=0.1, jobs=2))
    assert data(store, steps()) == whole
    assert max(cluster.arrays) == 2


@pytest.mark.parametrize("fate", ["vanishes", "breaks", "dies after one"])
def test_a_lost_job_is_replaced(cluster, store, whole, fate):
    lost = []

    def once(job):
        if job.steps[0].kind == "machine" and not lost:
            lost.append(job)
            return fate
        return "answers"

    cluster.fate = once
    compute(steps(), store, Slurm(group_minutes=1))
    assert data(store, steps()) == whole
    left = lost[0].steps[fate == "dies after one" :]
    later = cluster.jobs[cluster.jobs.index(lost[0]) + 1 :]
    assert [job.steps for job in later if job.steps[0].kind == "machine"] == [left[:1], left[1:]]


def test_a_step_that_takes_its_jobs_down_fails_alone(cluster, store, whole):
    cluster.fate = lambda job: "vanishes" if any(step.name == "machine 2" for step in job.steps) else "answers"
    with pytest.raises(execute.ExecutionFailed, match="the last of 3; its log is in") as caught:
        compute(steps(), store, Slurm(group_minutes=0.5))
    assert [step.name for step, _ in caught.value.failures] == ["machine 2"]
    assert caught.value.left == 2
    cluster.fate = lambda job: "answers"
    compute(steps(), store, Slurm())
    assert data(store, steps()) == whole


def test_a_submission_is_tried_again_and_then_fails(cluster, store, whole):
    cluster.refusals = 2
    compute(steps(), store, Slurm())
    assert data(store, steps()) == whole
    store = Store(store.path.parent / "refused")
    cluster.refusals = 99
    with pytest.raises(execute.ExecutionFailed, match=r"draws: Slurm refused its job \(invalid account\)"):
        compute(steps(), store, Slurm())


def test_a_step_of_a_group_that_fails_leaves_the_others(cluster, store, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "machine 1")
    with pytest.raises(execute.ExecutionFailed, match="machine 1: ArithmeticError: made to fail"):
        compute(steps(), store, Slurm())
    assert sum(step.kind == "machine" and store.state(step) == "done" for step in steps()) == 5


def test_a_group_that_starts_anew_does_not_repeat_itself(store, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_TRACE", str(tmp_path / "trace"))
    graph = steps(2)
    work = Perform(str(store.path), Science("fake_science"))
    store.prepare()
    assert work(graph[:2]) == [Outcome("done")] * 2
    assert work(graph[:3]) == [Outcome("done")] * 3
    assert [line for line in fake_science.traced() if "chunk" not in line] == [step.name for step in graph[:3]]


def test_a_function_of_others_that_asks_python_to_end_fails_alone(store, monkeypatch):
    monkeypatch.setattr(fake_science, "compute", lambda *given: sys.exit(3))
    store.prepare()
    [outcome] = Perform(str(store.path), Science("fake_science"))(steps(2)[:1])
    assert outcome.what == "failed"
    assert outcome.reason.startswith("SystemExit: 3 (traceback in ")


def test_a_job_whose_machine_is_taken_away_ends_whatever_it_is_at(store, monkeypatch):
    """The exit is that of a handler of submitit, which runs wherever the signal comes."""
    handler = {"__name__": "submitit.core.job_environment", "sys": sys}
    exec("def taken(*given):\n    sys.exit(-1)", handler)
    monkeypatch.setattr(fake_science, "compute", handler["taken"])
    store.prepare()
    with pytest.raises(SystemExit):
        Perform(str(store.path), Science("fake_science"))(steps(2)[:1])
    model = rf.ising(rf.square(4))
    spins = rf.hot(0, model, 3)
    observed = rf.Observable("ends", "e", handler["taken"])
    for call in (lambda: observed.values(model, spins), lambda: rf.iterate(0, rf.host(handler["taken"]), spins, 2)):
        with pytest.raises(SystemExit):
            call()


def test_jobs_are_cancelled_when_the_master_ends(cluster, store, monkeypatch):
    cluster.fate = lambda job: "hangs"
    commands = []
    monkeypatch.setattr(slurm.subprocess, "run", lambda words, **more: commands.append(words))

    def stop(event):
        if event.what == "started":
            jobs = slurm.SlurmJobs.wait
            monkeypatch.setattr(slurm.SlurmJobs, "wait", lambda self, seconds: (jobs(self, 0) and None) or interrupt())

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute.run(steps(), store, Slurm(), stop, "fake_science")
    assert commands == [["scancel", "7_0"]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("partition = 3", "partition = 3 is not allowed: it must be text"),
        ('account = "a\\n#SBATCH --x"', "it must be a name of Slurm's, without spaces"),
        ('folder = "jobs"', "folder = 'jobs' is not allowed: it must be an absolute path"),
        ("minutes = 0", "minutes = 0 is not allowed: it must be a whole number of at least 1"),
        ("minutes = 5", "group_minutes = 10.0 is not allowed: it must be at most the time limit of a job, minutes = 5"),
        ('memory_gb = "2G"', "memory_gb = '2G' is not allowed: it must be a number"),
        ("jobs = 1001", "jobs = 1001 is not allowed: it must be a whole number from 1 to 1000"),
        ('setup = "module load x"', "setup = 'module load x' is not allowed: it must be a list"),
        ("partitions = 1", "there is no such field; a cluster has partition, account, qos"),
        ("minutes", "slurm = 'cluster.toml' is not allowed: it must be TOML: "),
    ],
)
def test_a_bad_file_of_a_cluster_is_one_sentence(tmp_path, monkeypatch, capsys, text, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.toml").write_text(text)
    assert main(["run", "--slurm", "cluster.toml"]) == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["cluster.toml"]


def test_a_plan_tells_jobs_and_core_hours_without_slurm(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.toml").write_text("group_minutes = 0.5\njobs = 4")
    seconds = {"machine": 10.0, "flow": 60.0}
    monkeypatch.setattr(
        "rbmflow.execute.estimate.modelled",
        lambda points, workers: {step: seconds.get(step.kind, 1.0) for _, steps in points for step in steps},
    )
    monkeypatch.setattr("rbmflow.steps.graph", fake_science.graph)
    assert main(["plan", "quick", "--seeds", "6", "--slurm", "cluster.toml"]) == 0
    told = capsys.readouterr().out
    rows = {row[0]: row[1:] for row in (line.replace("│", "").split() for line in told.splitlines()) if len(row) == 6}
    # Three machines are one group of half a minute; a flow is one of its own.
    assert rows["machine"] == ["6", "0", "6", "2", "0.02"]
    assert rows["flow"] == ["6", "0", "6", "6", "0.10"]
    assert rows["all"] == ["14", "0", "14", "10", "0.12"]
    # The draws, the longest of the groups of machines, six flows by four jobs at a time, the results.
    assert "estimate: 2 min where no job waits in the queue" in told
    assert [path.name for path in tmp_path.iterdir()] == ["cluster.toml"]


def test_a_machine_without_slurm_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "cluster.toml").write_text("")
    assert main(["run", "--slurm", "cluster.toml"]) == 2
    assert "Slurm's commands must be here, and sbatch and srun and squeue cannot be found" in capsys.readouterr().err
    assert main(["run", "--slurm", "cluster.toml", "--workers", "2"]) == 2
    assert "workers = 2 is not allowed: with --slurm others compute" in capsys.readouterr().err
    assert not (tmp_path / "rbmflow-store").exists()


def test_a_file_of_a_cluster_is_read(tmp_path):
    (tmp_path / "cluster.toml").write_text('partition = "a,b"\nsetup = ["one", "two"]\nmemory_gb = 1.5\n')
    assert load_slurm(tmp_path / "cluster.toml") == Slurm(partition="a,b", setup=("one", "two"), memory_gb=1.5)
    with pytest.raises(InvalidInput, match=r"the settings of a cluster, and this cannot be read \(No such file"):
        load_slurm(tmp_path / "none.toml")
