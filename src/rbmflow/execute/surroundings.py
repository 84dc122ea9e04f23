"""Surroundings of a computation: how many threads it may use, and what is written down of the machine."""

import contextlib
import functools
import hashlib
import os
import platform
import re
import resource
import stat
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from rbmflow._checks import Problems

_PACKAGES = ("rbmflow", "jax", "jaxlib", "numpy", "scipy", "equinox", "optax", "xarray")

THREADS = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables that bound the threads of XLA and, but for the first, of NumPy."""

_PINNED = {
    "JAX_DEFAULT_PRNG_IMPL": "threefry2x32",
    "JAX_THREEFRY_PARTITIONABLE": "true",
    "JAX_RANDOM_SEED_OFFSET": "0",
    "JAX_ENABLE_X64": "false",
    "JAX_NUMPY_DTYPE_PROMOTION": "standard",
    "JAX_DISABLE_JIT": "false",
}
"""Settings of JAX that move numbers and are the same in every process that computes."""

_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"

_MOVING = ("JAX_", "XLA_", "TF_XLA_", "TF_CUDNN_", "TF_DETERMINISTIC_", "TF_ENABLE_ONEDNN_")
"""How variables begin that JAX and XLA read; others with TF_ are Terraform's, whose values may be secrets."""

_HARMLESS = re.compile(
    r"JAX_(PLATFORMS|COMPILATION_CACHE_.*|PERSISTENT_CACHE_.*|ENABLE_COMPILATION_CACHE|LOG_.*|TRACEBACK_.*)"
    r"|XLA_PYTHON_CLIENT_.*"
)
"""Variables of JAX and XLA that decide where programs and memory are, and no number; the device is told anyhow."""


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int:
    """Bytes that new processes may take: what the machine has free, and at most what is left to the control group."""
    free = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    with contextlib.suppress(OSError, ValueError):  # In a container, or under a limit of the system's.
        group = Path("/sys/fs/cgroup")
        free.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return max(0, min(free))


def has_gpu() -> bool:
    """Whether steps of this machine are computed on an NVIDIA GPU, told without importing JAX."""
    return Path("/proc/driver/nvidia/gpus").exists() and os.environ.get("JAX_PLATFORMS", "cuda") != "cpu"


def one_thread() -> dict[str, str]:
    """Environment in which one process computes in one thread and compiled programs are kept for all.

    It must be set before JAX or NumPy is imported. `NPROC` is the size of XLA's thread pools on the CPU: its flags
    alone leave them as large as the machine.
    """
    return dict.fromkeys(THREADS, "1") | {
        **_PINNED,
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {_ONE_THREAD}".strip(),
        # Several processes share a GPU only if none takes all of its memory at the start.
        "XLA_PYTHON_CLIENT_PREALLOCATE": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "false"),
        "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(_compiled())),
        # Hundreds of small programs take longer together than the few large ones.
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


@functools.cache
def compute_in_one_thread() -> bool:
    """Have this process compute in one thread, as the processes that `run` starts do; tell whether it does.

    JAX and NumPy read their number of threads when they are imported, and the sums of products depend on it. So the
    first call decides: where either is in use, the process computes in one thread only if its variables said so.
    """
    read = THREADS if "jax" in sys.modules else THREADS[1:] if "numpy" in sys.modules else ()
    alone = all(os.environ.get(name) == "1" for name in read)
    if "jax" not in sys.modules:
        os.environ.update(one_thread())
    return alone


def threads() -> dict[str, str]:
    """Settings of this process that decide how many threads compute; "unset" where the library chooses."""
    return {name: os.environ.get(name, "unset") for name in (*THREADS, "XLA_FLAGS")}


def home() -> Path:
    """Home of this user; a temporary folder of this user alone where there is none that can be written."""
    with contextlib.suppress(RuntimeError, OSError):  # A number without an entry among the users has no home.
        if os.access(there := Path.home(), os.W_OK | os.X_OK):
            return there
    folder = Path(tempfile.gettempdir()) / f"rbmflow-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    # Compiled programs are run: a folder of that name which somebody else has made is not taken.
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return folder if private else Path(tempfile.mkdtemp(prefix="rbmflow-"))


def _compiled() -> Path:
    """Folder of compiled programs; one for each sort of processor, since a home may be shared by several."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache")
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    except OSError:
        processor = platform.processor()
    return caches / "rbmflow" / f"jax-{hashlib.sha256(processor.encode()).hexdigest()[:12]}"


@functools.cache
def versions() -> dict[str, str]:
    """Versions of the packages that decide numbers."""
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


@functools.cache
def revision() -> str | None:
    """Git revision of the package's source, "+changes" behind it where files differ; None without a repository."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        # The package may be installed inside somebody else's repository.
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def own_flags() -> dict[str, str]:
    """Variables of JAX and XLA that this process did not set itself and that may move the last bits."""
    found = {}
    for name, value in sorted(os.environ.items()):
        if name == "XLA_FLAGS":
            flags = [flag for flag in value.split() if flag != _ONE_THREAD]
            fast = any("fast_math" in flag and not flag.endswith("=false") for flag in flags)
            told = "it must not ask for fast mathematics, which gives other numbers under the same hashes"
            Problems.only(not fast, name, value, told)
            value = " ".join(dict.fromkeys(flags))
        elif not name.startswith(_MOVING) or name in _PINNED or _HARMLESS.fullmatch(name):
            continue
        if value:
            found[name] = value
    return found


def about_here() -> dict[str, object]:
    """What the provenance of every step tells of this machine and this installation."""
    return {
        "own_flags": own_flags(),
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "revision": revision(),
    }


def device() -> str:
    """Kind of device that JAX computes on in this process; the processor where JAX is not in use."""
    if "jax" not in sys.modules:
        return f"{platform.machine()} processor"
    import jax

    first = jax.devices()[0]
    return f"{platform.machine()} processor" if first.platform == "cpu" else first.device_kind


def forget_peak_memory() -> None:
    """Have the kernel measure the peak memory of this process anew, where it can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Largest resident memory of this process in bytes, since `forget_peak_memory` where that works."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resident_memory(os.getpid(), "VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def resident_memory(process: int, which: str = "VmRSS") -> int:
    """Bytes of memory that a process has in use now, or Linux's number `which`; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(f"{which}:"):
                return int(line.split()[1]) * 1024
    return 0
