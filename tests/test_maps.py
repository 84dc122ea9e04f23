"""Maps: what a flow iterates, whatever it is."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput

MODEL = rf.ising(rf.square(4))
START = rf.hot(jax.random.key(1), MODEL, 6)
POTTS = rf.potts(rf.triangular(4), 3)


class Identity(eqx.Module):
    def start(self, spins):
        return spins

    def step(self, key, state):
        return state, state


class Clock(eqx.Module):
    """A map that is wrong from one iteration on: what it returns then is `wrong`."""

    from_iteration: int
    wrong: float

    def start(self, spins):
        return jnp.asarray(spins, jnp.float32), 0

    def step(self, key, state):
        spins, done = state
        after = jnp.where(done + 1 >= self.from_iteration, self.wrong, spins)
        return (spins, done + 1), after


def test_the_identity_never_moves():
    for still in (Identity(), rf.host(lambda generator, spins: spins)):
        flow = rf.iterate(0, still, START, 45, keep=(0, 3, 45))
        assert (flow.configurations == np.asarray(START)).all()


def test_any_lattice_and_any_labels(tmp_path):
    start = rf.hot(jax.random.key(2), POTTS, 5)
    flow = rf.iterate(0, rf.host(lambda generator, spins: (spins + 1) % 3), start, 3, model=POTTS)
    np.testing.assert_array_equal(flow.at(2), (np.asarray(start) + 2) % 3)
    assert (flow.states, flow.lattice_axes) == (POTTS.states, POTTS.lattice.axes)
    flow.save(tmp_path / "flow.nc")
    assert rf.Flow.load(tmp_path / "flow.nc") == flow
    cubes = np.ones((2, 2, 3, 4), np.int8)
    assert rf.iterate(0, Identity(), cubes, 1).to_dataset()["spins"].dims[2:] == ("z", "y", "x")


def test_random_numbers_are_those_of_the_key_and_the_iteration():
    drawn = rf.host(lambda generator, spins: generator.choice([-1, 1], spins.shape))
    one, again = (rf.iterate(5, drawn, START, 3).configurations for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert (one[1] != one[2]).any()


def third_call(wrong):
    """A map that returns what it is given, but at its third call."""
    calls = []

    def function(generator, spins):
        calls.append(0)
        return wrong(spins) if len(calls) == 3 else spins

    return rf.host(function)


def raising(spins):
    raise ValueError("no more")


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (Clock(3, float("nan")), "it returned nan"),
        (Clock(3, 2.0), "it returned 2.0"),
        (third_call(raising), "ValueError: no more"),
        (third_call(lambda spins: spins[:, 1:]), "(6, 3, 4)"),
    ],
)
def test_what_a_bad_map_did_before_is_kept(bad, told):
    seen = []
    with pytest.raises(rf.MapFailed, match="at iteration 3") as caught:
        rf.iterate(0, bad, START, 30, keep=(0, 2, 30), watch=lambda stretch: seen.append(len(stretch)))
    assert told in str(caught.value)
    assert caught.value.result is not None
    assert caught.value.result.iterations == (0, 2)
    assert sum(seen) == 3


@pytest.mark.usefixtures("as_people_call")
def test_what_is_no_map_is_refused():
    for given in (3, Identity, object()):
        with pytest.raises(InvalidInput, match="start"):
            rf.iterate(0, given, START, 1)  # pyright: ignore[reportArgumentType]


@pytest.mark.usefixtures("as_people_call")
def test_the_halves_of_a_machine_are_those_of_its_map():
    machine = rf.RBM.from_weights(0.1 * np.ones((16, 3)), np.zeros(16), np.zeros(3), units="-1/+1")
    flow = rf.iterate(0, machine, START, 2)
    assert flow == rf.iterate(0, rf.Gibbs(machine), START, 2)
    state, spins = rf.Gibbs(machine).step(jax.random.key(0), rf.Gibbs(machine).start(np.asarray(START)))
    assert spins.shape == START.shape
    assert state.noise is None
    with pytest.raises(InvalidInput, match="halves"):
        rf.Gibbs(machine, "thirds")  # pyright: ignore[reportArgumentType]
