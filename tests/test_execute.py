import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import fake_science
from rbmflow import execute, spec, steps as science
from rbmflow._checks import InvalidInput
from rbmflow.execute import Limits, estimate, manifest, performing, scheduling, surroundings, work
from rbmflow.store import Step, Store, ancestry
from rbmflow.store.expected import KINDS

TESTS = Path(__file__).parent


def small(seeds=3, chunks=3):
    return fake_science.graph(spec.parse({"name": "small", "seeds": seeds, "training": {"epochs": chunks}}))


def data(store, steps):
    return {step.name: (store.folder(step) / "data.nc").read_bytes() for step in steps}


def compute(steps, store, workers=1):
    events = []
    execute.run(steps, store, workers, events.append, "fake_science")
    return events


def names(events, what):
    return [event.step.name if event.step else "" for event in events if event.what == what]


@pytest.fixture(autouse=True)
def trace(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_TRACE", str(tmp_path / "trace"))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Bytes of all artifacts of an undisturbed run with many chunks."""
    store = Store(tmp_path_factory.mktemp("whole") / "store")
    steps = small(seeds=2, chunks=40)
    compute(steps, store)
    return data(store, steps)


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def start(store):
    """Function that runs the slow graph in a process of its own, as a script does."""
    steps = "fake_science.graph(spec.parse({'name': 'small', 'seeds': 2, 'training': {'epochs': 40}}))"
    script = store.path.parent / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "import fake_science\nfrom rbmflow import execute, spec\nfrom rbmflow.store import Store\n"
        "if __name__ == '__main__':\n"
        f"    execute.run({steps}, Store({str(store.path)!r}), int(sys.argv[1]), science='fake_science')\n"
    )
    runs = []

    def start(workers, hold="20"):
        command = [sys.executable, str(script), str(workers)]
        variables = {**os.environ, "FAKE_HOLD": hold}
        # A session of its own, so that its children can be counted and its signals hit nobody else.
        run = subprocess.Popen(command, env=variables, start_new_session=True, stderr=subprocess.PIPE)
        runs.append(run)
        return run

    yield start
    for run in runs:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
        run.stderr.close()


def session(run):
    """Command lines of the living processes of the session of a run, by process id."""
    command = ["ps", "-ww", "-e", "-o", "pid=,sid=,stat=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    return {int(row[0]): row[3] for row in rows if row[1] == str(run.pid) and not row[2].startswith("Z")}


def test_everything_is_computed_once_and_then_nothing(store):
    steps = small()
    events = compute(steps, store)
    assert sorted(names(events, "done")) == sorted(step.name for step in steps)
    assert names(events, "started") == names(events, "done")
    assert events[0].count == len(steps)
    seen = set()
    for name in names(events, "done"):
        step = next(step for step in steps if step.name == name)
        assert seen.issuperset(step.parents)
        seen.add(step)
    assert {event.fraction for event in events if event.what == "progress" and event.step.name == "draws"} == {1.0}
    assert compute(steps, store) == []
    assert list((store.path / "work").iterdir()) == []


def test_provenance(store):
    steps = small(seeds=1)
    compute(steps, store)
    about = store.provenance(steps[1])
    assert about["versions"]["rbmflow"] == "0.1.0"
    assert set(about["versions"]) >= {"jax", "jaxlib", "numpy", "scipy", "equinox", "optax", "xarray"}
    assert about["python"] == ".".join(map(str, sys.version_info[:3]))
    assert about["seconds"] >= 0
    assert about["peak_memory_bytes"] > 1e7
    assert about["flags"] == [{"what": "test", "message": "made by a test"}]
    assert about["started"].endswith("+00:00")
    assert about["device"]
    assert "revision" in about


def test_processes_compute_the_same_bytes(store, tmp_path):
    steps = small()
    compute(steps, store)
    other = Store(tmp_path / "other")
    events = compute(steps, other, workers=2)
    assert sorted(names(events, "done")) == sorted(step.name for step in steps)
    assert data(other, steps) == data(store, steps)


def test_a_gpu_computes_steps_of_one_group_at_once(store, tmp_path, monkeypatch):
    """The planner picks by the device; bytes, provenance and failures are those of steps computed alone."""
    alone = Store(tmp_path / "alone")
    compute(small(), alone)
    monkeypatch.setattr(scheduling, "has_gpu", lambda: True)
    events = compute(small(), store)
    assert data(store, small()) == data(alone, small())
    assert "together: machine 0, machine 1, machine 2" in fake_science.traced()
    assert sorted(names(events, "done")) == sorted(step.name for step in small())
    machines = [step for step in small() if step.kind == "machine"]
    assert [store.provenance(step)["computed_at_once"] for step in machines] == [3, 3, 3]
    assert "computed_at_once" not in store.provenance(small()[0])


def test_of_steps_computed_at_once_one_may_fail(store, monkeypatch):
    monkeypatch.setattr(scheduling, "has_gpu", lambda: True)
    monkeypatch.setenv("FAKE_FAIL", "machine 1")
    with pytest.raises(execute.ExecutionFailed, match="machine 1: ArithmeticError: made to fail") as caught:
        compute(small(), store)
    assert [step.name for step, _ in caught.value.failures] == ["machine 1"]
    assert [store.state(step) for step in small() if step.kind == "machine"] == ["done", "missing", "done"]


def test_only_what_the_last_results_need_is_computed(store):
    steps = small()
    compute(steps, store)
    by_name = {step.name: step for step in steps}
    store.discard(by_name["machine 1"])
    assert compute(steps, store) == []
    store.discard(by_name["flow 1"])
    store.discard(by_name["results"])
    assert names(compute(steps, store), "done") == ["machine 1", "flow 1", "results"]


def test_missing_asks_about_each_needed_step_once():
    steps = small(seeds=2)
    asked = Counter()

    def usable(step):
        asked[step.name] += 1
        return step.kind == "machine"

    assert [step.name for step in execute.missing(steps, usable)] == ["flow 0", "flow 1", "results"]
    assert asked == {"results": 1, "flow 0": 1, "flow 1": 1, "machine 0": 1, "machine 1": 1}
    with pytest.raises(ValueError, match="'draws' among them"):
        execute.missing(steps[1:], usable)


def test_a_plan_of_ten_thousand_steps_is_fast(store):
    root = Step("draws", "draws", {})
    machines = [Step("machine", str(number), {"number": number}, (root,)) for number in range(5000)]
    flows = [Step("flow", machine.name, {}, (machine,)) for machine in machines]
    graph = (root, *machines, *flows, Step("results", "results", {}, tuple(flows)))
    start = time.process_time()
    assert len(execute.missing(graph, lambda step: store.state(step) == "done")) == 10_002
    assert time.process_time() - start < 5


def test_the_time_of_a_plan_is_that_of_its_longest_way_and_its_workers():
    steps = small(seeds=3)
    seconds = {step: {"draws": 5.0, "machine": 4.0, "flow": 1.0, "results": 2.0}[step.kind] for step in steps}
    assert [estimate.makespan(steps, seconds, workers) for workers in (1, 2, 3, 9)] == [22.0, 16.0, 12.0, 12.0]
    assert estimate.makespan(steps[1:], seconds, 3) == 7.0


SMALL = {"name": "small", "seeds": 1, "types": {"V": {}}, "machine": {"hidden": 64}, "training": {"epochs": 4}}


def modelled_by_kind(workers=1, **sections):
    asked = spec.parse(SMALL | sections)
    graph = science.graph(asked)
    found = dict[str, float]()
    for step, seconds in estimate.modelled([(asked, graph)], workers).items():
        found[step.kind] = found.get(step.kind, 0.0) + seconds
    return found


def test_every_kind_of_step_has_its_seconds():
    """Its start and its work, or a plan would take ten seconds for each that nobody has thought of."""
    assert set(estimate.EFFORTS) == set(KINDS)
    assert set(work.works(spec.parse(SMALL))) == set(KINDS) - {"draws"}


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({}, {"draws": 2.8, "thermometer": 14.7, "calibration": 1.84, "machine": 1.6, "likelihood": 3.0}),
        ({"lattice": {"length": 12}}, {"draws": 21.9, "thermometer": 34.2, "calibration": 13.7}),
        ({"lattice": {"length": 64}}, {"draws": 10.5, "likelihood": 89.2, "machine": 6.1, "flow": 38.3}),
        ({"model": {"field": 0.1}, "machine": {"hidden": 64, "biases": True}}, {"draws": 17.6, "equilibrium": 32.4}),
        ({"lattice": {"length": 32, "kind": "triangular"}}, {"draws": 7.3, "equilibrium": 2.1}),
    ],
    ids=["quick", "wide rows", "large", "field", "triangular"],
)
def test_the_seconds_of_steps_by_their_work(sections, told):
    found = modelled_by_kind(**sections)
    assert {kind: found[kind] for kind in told} == pytest.approx(told, rel=0.02)


def test_the_work_counts_what_steps_do():
    """Numbers that stand with the steps, whose modules take too long to import for a plan."""
    from rbmflow.equilibrium.closed_forms import SERIES
    from rbmflow.equilibrium.measured import PILOT
    from rbmflow.likelihood import importance
    from rbmflow.sampler import chains, choice
    from rbmflow.steps import off_manifold
    from rbmflow.steps.kinds import draws_step, likelihood_step, reading_step
    from rbmflow.thermometer import neural
    from rbmflow.training import history

    along, last = (one["chains"] * one["steps"] for one in (likelihood_step.ALONG, likelihood_step.LAST))
    assert (along, last) == work.ANNEALED
    assert (draws_step.UNSEEN, likelihood_step.FEW, history.MOST_TURNED) == (work.UNSEEN, work.FEW, work.MOST_TURNED)
    assert (reading_step.COMPARED_ITERATIONS, off_manifold.MOST_CHAINS) == (work.COMPARED_AT, work.MOST_COMPARED)
    curve = len(neural.CALIBRATION_TEMPERATURES), len(neural.CALIBRATION_TEMPERATURES) * neural.CALIBRATION_DRAWS
    assert (*curve, neural.COVERED_SITES) == (work.CURVE_TEMPERATURES, work.CURVE_DRAWS, work.COVERED_SITES)
    assert f"magnetization {work.SHORTEST_KEPT}" == min(
        json.loads(SERIES.read_text("utf-8")), key=lambda name: name[-2:]
    )
    assert importance.MOST_SUMMED == 2**work.ALL_STATES
    assert (chains.replicas_for(work.SHARED_BY, 32), PILOT) == (32, work.PILOT)
    assert (choice.SHORT * 1e9, choice.WORTH) == (work.LONGEST_EXACT, work.EXACT_WORTH)


def test_what_the_natural_gradient_and_patience_take():
    """Products of 200 by 100 x 100 and 64 x 64 units in every update, and what is held out is looked at, not learnt."""
    natural = modelled_by_kind(training={"epochs": 4, "optimiser": "natural"})["machine"]
    watched = modelled_by_kind(training={"epochs": 4, "held_out": 0.5, "patience": 5})["machine"]
    assert (natural, watched) == pytest.approx((1.92, 1.56), rel=0.02)


@pytest.mark.parametrize(
    ("sections", "kind", "told"),
    [
        ({}, "machine", 4.0),
        ({"lattice": {"kind": "cubic", "length": 4}, "model": {}}, "machine", 3.84),
        ({"machine": {"kind": "autoencoder"}}, "learner", 4.0),
    ],
    ids=["square", "cubic", "no RBM"],
)
def test_what_symmetries_of_training_take(sections, kind, told):
    """Every site of 10^7 configurations, by each axis."""
    plain, moved = (
        modelled_by_kind(**sections, training={"epochs": 400, "symmetries": asked})[kind] for asked in (False, True)
    )
    assert moved - plain == pytest.approx(told, rel=0.02)


def test_equilibrium_draws_of_larger_lattices_are_counted_by_their_own():
    told, alone = (
        modelled_by_kind(
            lattice={"kind": "triangular", "length": 8}, renormalization={"length": side, "temperatures": [3.6, 4.0]}
        )
        for side in (32, 0)
    )
    assert (alone["equilibrium"], told["equilibrium"]) == pytest.approx((0.78, 3.04), rel=0.02)


def test_programs_are_compiled_once_and_curves_made_by_every_worker():
    one, two = (modelled_by_kind(workers, types={"V": {}, "H": {"minimum": 4.0}}) for workers in (1, 2))
    more = {kind: two[kind] - one[kind] for kind in one if two[kind] != pytest.approx(one[kind])}
    assert more == pytest.approx({"null": 0.096, "likelihood": 1.2}, rel=0.02)


def test_the_cpu_time_of_children_that_have_ended_is_that_of_a_step():
    before = performing.cpu_seconds()
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert performing.cpu_seconds() - before > 0.01


def test_a_failure_does_not_stop_the_others(store, monkeypatch):
    steps = small()
    monkeypatch.setenv("FAKE_FAIL", "machine 1")
    with pytest.raises(execute.ExecutionFailed) as caught:
        compute(steps, store)
    assert [step.name for step, _ in caught.value.failures] == ["machine 1"]
    reason = caught.value.failures[0][1]
    assert reason.startswith("ArithmeticError: made to fail (traceback in ")
    assert "\n" not in str(caught.value)
    assert "second line" in Path(reason.partition("traceback in ")[2].removesuffix(")")).read_text()
    assert caught.value.left == 2
    done = {step.name for step in steps if store.state(step) == "done"}
    assert done == {"draws", "machine 0", "machine 2", "flow 0", "flow 2"}
    assert store.running() == []
    monkeypatch.delenv("FAKE_FAIL")
    assert names(compute(steps, store), "done") == ["machine 1", "flow 1", "results"]


def test_a_science_that_is_not_there_is_a_failure(store):
    with pytest.raises(execute.ExecutionFailed, match="ModuleNotFoundError"):
        execute.run(small(), store, science="no_such_science")


@pytest.mark.parametrize("name", ["data.nc", "provenance.json", "SHA256SUMS"])
@pytest.mark.parametrize("harm", ["cut", "flip", "foreign"])
def test_a_damaged_artifact_is_computed_anew(store, name, harm):
    steps = small()
    compute(steps, store)
    before = data(store, steps)
    hurt, other, last = steps[1], steps[2], steps[-1]
    store.discard(last)
    path = store.folder(hurt) / name
    content = bytearray(path.read_bytes())
    if harm == "foreign":
        shutil.rmtree(store.folder(hurt))
        shutil.copytree(store.folder(other), store.folder(hurt))
    elif harm == "cut":
        path.write_bytes(content[:-10])
    else:
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    store.discard(steps[4])  # The flow that takes it: so it must be read.
    events = compute(steps, store)
    (warning,) = [event for event in events if event.what == "warning"]
    assert warning.step == hurt
    assert "moved aside and computed anew" in warning.message
    assert names(events, "done") == ["machine 0", "flow 0", "results"]
    assert data(store, steps) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_damage_that_comes_in_the_middle_of_a_run(store, workers):
    steps = small(seeds=2)
    compute(steps[:3], store)
    events = []
    path = store.folder(steps[1]) / "data.nc"

    def harm(event):
        events.append(event)
        if event.what == "planned" and len(events) == 1:
            path.write_bytes(path.read_bytes()[:-1])

    execute.run(steps, store, workers, harm, "fake_science")
    assert len(names(events, "warning")) == 1
    assert Counter(names(events, "done")) == {"machine 0": 1, "flow 0": 1, "flow 1": 1, "results": 1}


def test_damage_without_end_is_a_failure(store):
    steps = small(seeds=1)

    def harm(event):
        if event.what == "done" and event.step == steps[1]:
            path = store.folder(steps[1]) / "data.nc"
            path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(execute.ExecutionFailed, match="damaged again and again"):
        execute.run(steps, store, 1, harm, "fake_science")


def test_a_step_that_kills_its_processes_fails_alone(store, monkeypatch):
    steps, events = small(), []
    monkeypatch.setenv("FAKE_KILL", "machine 1")
    with pytest.raises(execute.ExecutionFailed, match="machine 1: its process was killed, perhaps") as caught:
        execute.run(steps, store, 2, events.append, "fake_science")
    assert [reason.partition("out, ")[2] for _, reason in caught.value.failures] == ["as 3 processes were"]
    assert names(events, "warning") == ["machine 1"] * 2
    assert sum(store.state(step) == "done" for step in steps) == 5


def children(run=None):
    """Numbers of the living processes that this one, or a run, has started for steps."""
    if run is not None:
        return [pid for pid, words in session(run).items() if "execute.children" in words]
    command = ["ps", "-ww", "-o", "pid=,stat=,args=", "--ppid", str(os.getpid())]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return [int(row.split()[0]) for row in listed if "execute.children" in row and not row.split()[1].startswith("Z")]


def test_workers_killed_in_the_middle_are_replaced_and_go_on_from_their_checkpoints(store, start, whole):
    run = start(2)
    wait_until(lambda: fake_science.held(2))
    for pid in children(run):
        os.kill(pid, signal.SIGKILL)
    fake_science.release()
    _, error = run.communicate(timeout=60)
    assert (run.returncode, error) == (0, b"")
    assert data(store, small(seeds=2, chunks=40)) == whole
    assert_no_chunk_twice()


def test_an_idle_worker_that_was_killed_is_replaced(store):
    steps, done = small(seeds=2), []

    def kill(event):
        # All are idle between the last flow and the results.
        if event.what == "done":
            done.append(event.step.kind)
            if done.count("flow") == 2 and "results" not in done:
                for pid in children():
                    os.kill(pid, signal.SIGKILL)

    execute.run(steps, store, 2, kill, "fake_science")
    assert [store.state(step) for step in steps] == ["done"] * len(steps)


def test_a_worker_that_was_stopped_is_replaced(store, monkeypatch):
    steps, events = small(seeds=2), []
    monkeypatch.setattr("rbmflow.execute.children.STALE_AFTER", 7.0)
    monkeypatch.setenv("FAKE_HOLD", "1")

    def stop(event):
        events.append(event)
        if event.what == "progress" and not fake_science.released() and len(children()) == 2:
            fake_science.release()
            os.kill(children()[0], signal.SIGSTOP)

    execute.run(steps, store, 2, stop, "fake_science")
    (warning,) = [event.message for event in events if event.what == "warning"]
    assert warning == "its process gave no sign of life for 7 s and was killed; another goes on"
    assert [store.state(step) for step in steps] == ["done"] * len(steps)
    assert children() == []


def test_a_worker_that_cannot_begin_says_why(store, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setattr("rbmflow.execute.children._path", lambda module: [str(store.path)])
    with pytest.raises(execute.ExecutionFailed, match="exit code 1: ModuleNotFoundError: No module named 'rbmflow'"):
        execute.run(small(seeds=1), store, 2, science="fake_science", limits=Limits(seconds=60))


def test_a_script_needs_no_guard_and_its_folder_shadows_nothing(store, tmp_path):
    """Workers look for modules where the master does, but in no working folder and in none of a script."""
    for name in ("types", "random", "socket", "json"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('this is another')\n")
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.pop(0)\nimport json, random, socket\n"
        f"sys.path[:0] = [{str(tmp_path)!r}, {str(TESTS)!r}]\n"
        "import fake_science\nfrom rbmflow import execute, spec\nfrom rbmflow.store import Store\n"
        "steps = fake_science.graph(spec.parse({'name': 'small', 'seeds': 2, 'training': {'epochs': 2}}))\n"
        f"execute.run(steps, Store({str(store.path)!r}), 2, science='fake_science')\n"
    )
    ended = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {store.state(step) for step in small(seeds=2, chunks=2)} == {"done"}


def test_a_killed_master_takes_its_workers_along_and_goes_on_later(store, start, whole):
    run = start(2)
    wait_until(lambda: fake_science.held(2))
    run.kill()
    run.wait()
    wait_until(lambda: not session(run), 5)
    assert store.running() == []
    steps = small(seeds=2, chunks=40)
    compute(steps, store)
    assert data(store, steps) == whole
    assert_no_chunk_twice()


def assert_no_chunk_twice():
    """Nothing was computed again."""
    chunks = Counter(line for line in fake_science.traced() if "chunk" in line)
    assert set(chunks.values()) == {1}


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_everything_and_publishes_nothing_half(store, start, whole, workers):
    run = start(workers)
    wait_until(lambda: fake_science.held(workers))
    os.killpg(run.pid, signal.SIGINT)
    _, error = run.communicate(timeout=20)
    assert run.returncode == -signal.SIGINT
    assert error.count(b"Traceback") == 1
    wait_until(lambda: not session(run), 5)
    assert store.running() == []
    steps = small(seeds=2, chunks=40)
    for step in steps:
        if store.state(step) != "missing":
            store.read(step)
    compute(steps, store)
    assert data(store, steps) == whole
    assert_no_chunk_twice()


def test_a_ctrl_c_that_a_library_swallows_is_heard_all_the_same(store, tmp_path, monkeypatch):
    (tmp_path / "deaf_science.py").write_text(
        "import os, signal, time\n"
        "def compute(step, parents, work, progress):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(5)\n"
        "    except KeyboardInterrupt as error:\n"
        "        raise OSError('a read was interrupted') from error\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        execute.run(small(), store, science="deaf_science")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert store.failures() == []


def test_ages_are_told_by_the_clock_of_the_file_system(store, monkeypatch):
    """A machine whose clock is wrong takes no living step for an abandoned one, nor the other way round."""
    step = small()[0]
    store.report_progress(step, 0.5)
    path = store.work(step) / "progress.json"
    path.write_text(path.read_text().replace(socket.gethostname(), "elsewhere"))
    for wrong in (-7200, 7200):
        monkeypatch.setattr("time.time", lambda wrong=wrong: path.stat().st_mtime + wrong)
        assert store.state(step) == "running"
    os.utime(path, (0, path.stat().st_mtime - 61))
    assert store.state(step) == "missing"
    os.utime(path, (0, path.stat().st_mtime + 7200))
    assert store.state(step) == "missing"
    assert names(compute(small(), store), "done")[0] == "draws"


def test_a_user_without_a_home_has_a_temporary_folder(tmp_path, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = surroundings.home()
    assert folder == tmp_path / f"rbmflow-{os.getuid()}" == surroundings.home()
    assert folder.stat().st_mode & 0o777 == 0o700
    # What somebody else may write to is not taken: compiled programs are run.
    folder.chmod(0o777)
    assert surroundings.home() != folder


def test_two_masters_share_the_work(store, start, whole):
    runs = [start(1, hold=""), start(2, hold="")]
    for run in runs:
        _, error = run.communicate(timeout=60)
        assert run.returncode == 0, error
    steps = small(seeds=2, chunks=40)
    assert data(store, steps) == whole
    # Two may start a step at the same moment; what one is seen to do, the other waits for.
    lines = Counter(line for line in fake_science.traced() if line.startswith("machine") and "chunk" not in line)
    assert set(lines) == {"machine 0", "machine 1"}


def test_a_run_waits_for_what_another_does(store):
    steps = small(seeds=1)
    compute(steps[:1], store)
    store.report_progress(steps[1], 0.5)
    threading.Timer(1.0, store.end_progress, [steps[1]]).start()
    start = time.monotonic()
    assert names(compute(steps, store), "done") == ["machine 0", "flow 0", "results"]
    assert time.monotonic() - start > 0.9


def test_workers_compute_in_one_thread(store, tmp_path, monkeypatch):
    (tmp_path / "probe_science.py").write_text(
        "import os, xarray as xr\n"
        "def compute(step, parents, work, progress):\n"
        "    import jax, jax.numpy as jnp\n"
        "    jnp.ones((300, 300)) @ jnp.ones((300, 300))\n"
        "    names = ['NPROC', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'JAX_COMPILATION_CACHE_DIR']\n"
        "    return xr.Dataset(attrs={name: os.environ[name] for name in names})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    step, before = Step("probe", "probe", {}), dict(os.environ)
    execute.run([step], store, science="probe_science", limits=Limits(seconds=600))
    assert dict(os.environ) == before
    attrs = store.read(step).attrs
    assert [attrs[name] for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")] == ["1", "1", "1"]
    assert attrs["JAX_COMPILATION_CACHE_DIR"].startswith(str(tmp_path / "cache" / "rbmflow" / "jax-"))


def test_threads_of_the_process_that_asks_move_no_bits(tmp_path):
    (tmp_path / "dot_science.py").write_text(
        "import numpy as np, os, xarray as xr\n"
        "def compute(step, parents, work, progress):\n"
        "    x = np.random.default_rng(1).normal(size=(2, 400001))\n"
        "    return xr.Dataset({'sum': np.dot(*x)}, attrs={'threads': os.environ['OPENBLAS_NUM_THREADS']})\n"
    )
    script = (
        "import numpy, sys\nfrom pathlib import Path\nfrom rbmflow import execute\n"
        "from rbmflow.store import Step, Store\nstep, store = Step('dot', 'dot', {}), Store(Path(sys.argv[1]))\n"
        "execute.run([step], store, science='dot_science')\n"
        "assert 'dot_science' not in sys.modules or sys.argv[1] == '1'\n"
        "assert 'threads' not in store.provenance(step)['own_flags']\n"
    )
    computed = []
    for number in "12":
        variables = {**os.environ, **dict.fromkeys(surroundings.THREADS, number), "PYTHONPATH": str(tmp_path)}
        subprocess.run([sys.executable, "-c", script, number], check=True, env=variables, cwd=tmp_path)
        store = Store(tmp_path / number)
        assert store.read(Step("dot", "dot", {})).attrs["threads"] == "1"
        computed.append(store.folder(Step("dot", "dot", {})).joinpath("data.nc").read_bytes())
    assert computed[0] == computed[1]


def test_revision_is_that_of_the_package_alone(tmp_path, monkeypatch):
    package = tmp_path / "src" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(surroundings, "__file__", str(package / "execute" / "surroundings.py"))

    def git(*words):
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    revision = surroundings.revision.__wrapped__
    assert revision() is None
    git("init")
    assert revision() is None
    git("add", ".")
    git("commit", "-m", "first")
    assert revision() == git("rev-parse", "HEAD")
    (tmp_path / "elsewhere").write_text("")
    assert revision() == git("rev-parse", "HEAD")
    (package / "__init__.py").write_text("1")
    assert revision() == git("rev-parse", "HEAD") + "+changes"


def test_of_a_step_that_comes_twice_the_first_place_counts():
    one, other = small(seeds=1, chunks=2), small(seeds=1, chunks=3)
    there = set(other[:-1]) - {one[0]}
    wanted = execute.missing([*one, *other], lambda step: step in there)
    assert wanted == [*one, other[-1]]


def test_the_manifest_gives_the_steps_back(store, tmp_path):
    steps = small(seeds=2)
    folder = store.run_folder("some")
    folder.mkdir(parents=True)
    manifest.write([*steps, *steps], folder)
    assert list(manifest.read(folder)) == [step.hash for step in steps]
    found, _ = manifest.find(store, steps[-1].hash[:8])
    assert found == steps[-1]
    order = ancestry(found)
    assert set(order) == set(steps)
    assert all(order.index(parent) < order.index(step) for step in order for parent in step.parents)
    for wanted, sentence in {
        "abc": "6 or more characters of its beginning; no run of this store",
        "x" * 64: "no run of this store has such a step",
    }.items():
        with pytest.raises(InvalidInput, match=sentence):
            manifest.find(store, wanted)
    path = folder / manifest.FILE
    path.write_text(path.read_text().replace('"chunks": 3', '"chunks": 4'))
    with pytest.raises(InvalidInput, match="was changed"):
        manifest.read(folder)


class Plain:
    """An executor whose futures have the least that is needed: no callbacks."""

    class Future:
        def __init__(self, work, *words):
            self.answer = work(*words)

        def done(self):
            return True

        def result(self):
            return self.answer

        def cancel(self):
            return False

    def submit(self, work, *words):
        return self.Future(work, *words)


@pytest.mark.parametrize("kind", ["processes", "threads", "plain"])
def test_any_executor_computes_the_same_bytes(store, tmp_path, kind):
    steps = small(seeds=2)
    compute(steps, store)
    other = Store(tmp_path / "other")
    if kind == "plain":
        events = compute(steps, other, Plain())
    else:
        spawn = get_context("spawn")
        with ProcessPoolExecutor(2, spawn) if kind == "processes" else ThreadPoolExecutor(2) as executor:
            events = compute(steps, other, executor)
    assert sorted(names(events, "done")) == sorted(step.name for step in steps)
    assert data(other, steps) == data(store, steps)


@pytest.mark.slow
def test_submitit_computes_the_same_bytes(store, tmp_path, monkeypatch):
    submitit = pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    steps = small(seeds=1)
    compute(steps, store)
    other = Store(tmp_path / "other")
    executor = submitit.AutoExecutor(tmp_path / "submitit", cluster="local")
    executor.update_parameters(timeout_min=2)
    compute(steps, other, executor)
    assert data(other, steps) == data(store, steps)


def test_an_executor_that_breaks_fails_its_steps(store, monkeypatch):
    monkeypatch.setenv("FAKE_KILL", "machine 1")
    lost = pytest.raises(execute.ExecutionFailed, match="machine 1: the executor lost it")
    with ProcessPoolExecutor(1, get_context("spawn")) as executor, lost:
        compute(small(seeds=2), store, executor)
    monkeypatch.delenv("FAKE_KILL")
    compute(small(seeds=2), store)
    assert store.failures() == []


def test_failures_are_in_the_store_until_the_step_is_done(store, monkeypatch):
    steps = small()
    monkeypatch.setenv("FAKE_FAIL", "machine 1")
    for tries in (1, 2):
        with pytest.raises(execute.ExecutionFailed):
            compute(steps, store)
        (note,) = store.failures()
        failed = next(step for step in steps if step.name == "machine 1")
        assert (note.kind, note.name, note.hash, note.tries) == ("machine", "machine 1", failed.hash, tries)
        assert note.reason.startswith("ArithmeticError: made to fail")
    monkeypatch.delenv("FAKE_FAIL")
    compute(steps, store)
    assert store.failures() == []


def test_a_step_that_hangs_is_killed_at_its_limit(store, monkeypatch):
    steps = small(seeds=1)
    monkeypatch.setenv("FAKE_HOLD", "2")
    with pytest.raises(execute.ExecutionFailed, match="machine 0: it ran past its limit of 3 s and was killed"):
        execute.run(steps, store, science="fake_science", limits=Limits(seconds=3))
    assert [note.name for note in store.failures()] == ["machine 0"]
    assert store.running() == []
    monkeypatch.delenv("FAKE_HOLD")
    compute(steps, store)
    assert_no_chunk_twice()


def test_a_step_that_takes_too_much_memory_fails_alone(store, tmp_path, monkeypatch):
    (tmp_path / "greedy_science.py").write_text(
        "import time, numpy as np, xarray as xr\n"
        "def compute(step, parents, work, progress):\n"
        "    kept = np.ones(step.settings['bytes'] // 8)\n"
        "    time.sleep(60 if step.settings['bytes'] > 1e6 else 0)\n"
        "    return xr.Dataset({'sum': kept.sum()})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    steps = [Step("probe", str(size), {"bytes": size}) for size in (80, 600_000_000, 800)]
    with pytest.raises(execute.ExecutionFailed, match="past its limit of 500 MB, and was killed") as caught:
        execute.run(steps, store, 1, science="greedy_science", limits=Limits(memory=5e8))
    assert [step.name for step, _ in caught.value.failures] == ["600000000"]
    assert [store.state(step) for step in steps] == ["done", "missing", "done"]


def test_limits_are_above_zero():
    with pytest.raises(InvalidInput, match="seconds = 0 is not allowed: it must be a number above 0"):
        Limits(seconds=0)
