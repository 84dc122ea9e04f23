"""Steps on a real dask cluster of this machine: a scheduler, and workers that are processes of one thread."""

import os
import shutil
import signal
import threading

import pytest
from distributed import Client, Future, LocalCluster

import fake_science
from rbmflow import execute, spec, steps
from rbmflow._checks import InvalidInput
from rbmflow.cli import main
from rbmflow.execute import Limits
from rbmflow.store import Store, ancestry
from test_execute import assert_no_chunk_twice, data, small, wait_until

SPEC = """
name = "small"
seeds = 1
[lattice]
length = 4
[sampling]
temperatures = [1.0, 2.25, 4.0]
draws = 250
[machine]
hidden = 16
[types.V]
[training]
epochs = 20
"""


def tell(client, **variables):
    """Set variables of the environment in the workers."""
    client.run(lambda: os.environ.update(variables))


def start(workers=2):
    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50)


@pytest.fixture(scope="module")
def cluster():
    with start() as cluster:
        yield cluster


@pytest.fixture
def client(cluster, tmp_path, monkeypatch):
    """A client whose workers have the variables of the fake science, and none of those that a test has set."""
    monkeypatch.setenv("FAKE_TRACE", str(tmp_path / "trace"))
    with Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)  # The last test may have killed one.
        tell(client, FAKE_TRACE=str(tmp_path / "trace"))
        yield client
        client.run(lambda: [os.environ.pop(name) for name in list(os.environ) if name.startswith("FAKE_")])


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def hold(client, monkeypatch):
    """Have machines wait at chunk 20 until they are released."""
    monkeypatch.setenv("FAKE_HOLD", "20")
    tell(client, FAKE_HOLD="20")


class Background(threading.Thread):
    """A run in a thread, and what it raised."""

    def __init__(self, graph, store, client):
        super().__init__()
        self.told, self.error = (graph, store, client), None
        self.start()

    def run(self):
        try:
            execute.run(*self.told, science="fake_science")
        except Exception as error:
            self.error = error


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Bytes of all artifacts of an undisturbed run with many chunks."""
    store, graph = Store(tmp_path_factory.mktemp("whole") / "store"), small(seeds=2, chunks=40)
    execute.run(graph, store, science="fake_science")
    return data(store, graph)


def test_every_executor_computes_the_same_bits(client, store, tmp_path):
    every = steps.graph(spec.parse(spec.parse_toml(SPEC)))
    spectra = [step for step in every if step.kind == "spectrum"]
    graph = list(dict.fromkeys(step for spectrum in spectra for step in ancestry(spectrum)))
    execute.run([step for step in graph if step.kind not in ("machine", "spectrum")], store)
    computed = []
    for workers, limits in ((client, Limits()), (1, Limits(seconds=600)), (1, Limits())):
        other = Store(shutil.copytree(store.path, tmp_path / str(len(computed))))
        execute.run(graph, other, workers, limits=limits)
        computed.append(data(other, graph))
        assert all("threads" not in other.provenance(step)["own_flags"] for step in graph)
    assert computed[0] == computed[1] == computed[2]


def test_a_worker_that_dies_is_replaced_and_its_step_goes_on(client, store, whole, hold):
    graph = small(seeds=2, chunks=40)
    run = Background(graph, store, client)
    wait_until(lambda: fake_science.held(2))
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    fake_science.release()
    run.join(60)
    assert run.error is None
    assert data(store, graph) == whole
    assert_no_chunk_twice()


def test_a_step_that_its_workers_die_of_fails(client, store):
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    tell(client, FAKE_KILL="machine 0")
    with pytest.raises(execute.ExecutionFailed, match="machine 0: its worker died, and so did 0 more that") as caught:
        execute.run(small(seeds=1), store, client, science="fake_science")
    assert caught.value.left == 2
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 3))


def test_a_task_that_somebody_cancels_fails_alone_with_that_reason(client, store, hold):
    graph = small(chunks=40)  # Of three machines one waits.
    run = Background(graph, store, client)
    wait_until(lambda: fake_science.held(2))
    at_work = {step.hash[:10] for step in graph if f"{step.name} chunk 19" in fake_science.traced()}
    keys = [key for key in client.futures if key.startswith("machine") and key.split("-")[1] not in at_work]
    client.cancel([Future(key, client) for key in keys])
    fake_science.release()
    run.join(60)
    assert isinstance(run.error, execute.ExecutionFailed)
    assert len(run.error.failures) == len(keys) == 1
    assert "the executor lost it (FutureCancelledError: machine-" in str(run.error)
    execute.run(graph, store, client, science="fake_science")
    assert_no_chunk_twice()


def test_ctrl_c_cancels_what_waits_and_the_next_run_goes_on(client, store, whole):
    graph = small(seeds=2, chunks=40)

    def stop(event):
        if event.what == "done" and event.step.kind == "machine":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute.run(graph, store, client, stop, "fake_science")
    wait_until(lambda: not client.futures)
    execute.run(graph, store, client, science="fake_science")
    assert data(store, graph) == whole
    assert_no_chunk_twice()


def test_a_scheduler_that_goes_away_ends_the_run_in_a_sentence(store, tmp_path, whole, monkeypatch):
    monkeypatch.setenv("FAKE_TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("FAKE_HOLD", "20")
    monkeypatch.setattr(execute.dask, "_PATIENCE", 2)
    graph = small(seeds=2, chunks=40)
    with start(1) as cluster:
        address = cluster.scheduler_address
        with execute.connect_dask(address) as client:
            run = Background(graph, store, client)
            wait_until(lambda: fake_science.held(1))
            cluster.close()
            run.join(60)
    assert isinstance(run.error, ConnectionResetError)
    assert str(run.error).endswith(f"the dask scheduler {address} is gone")
    monkeypatch.delenv("FAKE_HOLD")
    execute.run(graph, store, science="fake_science")
    assert data(store, graph) == whole
    assert_no_chunk_twice()


def test_workers_of_more_threads_are_refused(store):
    refused = pytest.raises(InvalidInput, match="started with --nthreads 1, and 1 of them have more threads")
    wide = LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0")
    with wide as cluster, Client(cluster, set_as_default=False) as client, refused:
        execute.run(small(), store, client, science="fake_science")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--dask", "tcp://127.0.0.1:9"], "dask = 'tcp://127.0.0.1:9' is not allowed: it must be the address"),
        (["--dask", "nonsense://x"], "dask = 'nonsense://x' is not allowed: it must be the address"),
        (["--dask", ""], "dask = '' is not allowed: it must be the address"),
        (["--dask", "x", "--workers", "2"], "with --dask others compute, and --workers has no meaning"),
        (["--dask", "x", "--slurm", "y"], "with --slurm others compute, and --dask has no meaning"),
    ],
)
def test_a_scheduler_that_cannot_be_had_is_one_sentence(tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(execute.dask, "_PATIENCE", 0.5)
    assert main(["run", *words]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["junk", "", "{}", "[1]", '{"address": 3}', '{"address": "nowhere"}', None])
def test_what_is_no_address_and_no_scheduler_file_is_refused_at_once(tmp_path, monkeypatch, capfd, content):
    """A client of it could be neither connected nor closed: it said so after 20 seconds, in a traceback."""
    monkeypatch.chdir(tmp_path)
    for given in ("nohost", "http://host:1", "foo://host:1", "tcp://", "tcp://host:99999", ""):
        if content is not None:
            (tmp_path / (given := "scheduler")).write_text(content)
        with pytest.raises(InvalidInput, match="it must be the address"):
            execute.connect_dask(given)
    assert main(["run", "quick", "--store", "store", "--dask", given]) == 2
    assert capfd.readouterr().err.startswith(f"dask = '{given}' is not allowed")
    assert not (tmp_path / "store").exists()
