"""Every test runs on one thread a process, with shapes checked and rank promotion an error."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
# These limit the threads of NumPy and of newer versions of XLA, the flags those of older ones.
os.environ.update(dict.fromkeys(("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["JAX_PLATFORMS"] = "cpu"
# Compiled programs are shared between the processes of a test run and with the next run.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / "rbmflow-test-compilations")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
# So is bytecode where none may be kept beside the libraries: without it jax takes three times as long to import.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "rbmflow-test-bytecode")

import pytest
from jaxtyping import config, install_import_hook

install_import_hook("rbmflow", "shape_checks.checked")

CHROMIUM = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else shutil.which("chromium")


@pytest.fixture
def as_people_call():
    """Without the checks of types that tests have: wrong input must be refused by the functions themselves."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def browser_page(page, tmp_path):
    """Open the page of a test module from disk; afterwards nothing may have been complained about or fetched."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        assert "RBMFLOW_REQUIRE_BROWSER" not in os.environ, "there is no chromium on this machine"
        pytest.skip("there is no chromium on this machine")
    path = tmp_path / "report.html"
    path.write_text(page, "utf-8")
    complaints, requests = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(path.as_uri())
        yield tab
        browser.close()
    assert complaints == []
    assert [url[:80] for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
