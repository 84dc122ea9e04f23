"""Processes that people start themselves: a fork of one that computes is refused in a sentence, all others work."""

import subprocess
import sys

SCRIPT = """
import multiprocessing, warnings
import rbmflow as rf

def energy(start):
    model = rf.ising(rf.square(4))
    return float(model.energy(start * rf.cold(rf_key(), model, 1))[0])

def rf_key():
    import jax
    return jax.random.key(0)

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for context in ("fork", "spawn"):
        with multiprocessing.get_context(context).Pool(1) as pool:
            print(context, pool.apply_async(energy, (1,)).get(60))
    print("here", energy(1))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        try:
            pool.apply_async(energy, (1,)).get(60)
        except RuntimeError as error:
            print(error)
"""


def test_a_fork_of_a_process_that_computes_is_refused(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    ended = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    fork, spawn, here, refused = ended.stdout.splitlines()
    assert (fork, spawn, here) == ("fork -2.0", "spawn -2.0", "here -2.0")
    assert refused.startswith("this process was forked from one that computes with JAX")
    assert "get_context('spawn')" in refused
