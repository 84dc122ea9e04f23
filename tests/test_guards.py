"""Guards that a session may switch on: public calls give the same numbers under them."""

import jax
import numpy as np

import rbmflow as rf

TEMPERATURES = np.array([0.0, 1e-3, 0.1, 0.5, 1.0, 2.269, 4.0, 1e300, np.inf])


def test_numpy_may_raise_at_everything():
    """Probabilities too small for float64 vanish."""
    model, some = rf.ising(rf.square(5)), [0.1, 1.0, 4.0]
    spins = np.ones((1, 20, 5, 5), np.int8)
    spins[:, ::2, 0, 0] = -1

    def numbers():
        names = ("energy", "specific_heat", "log_partition", "abs_magnetization", "binder", "two_point")
        found = [getattr(rf.exact, name)(model, TEMPERATURES) for name in (*names, "energy_distribution")]
        known = rf.equilibrium.exact(model)
        found += [known.posterior(spins, some), known.best_cross_entropy(some)]
        found += [known.curve(rf.OBSERVABLES["correlation"]).temperature_of(np.array([0.0, 1.0, 1e300, np.inf]))]
        for observable in ("energy", "magnetization", "correlation", known.mean_class(some)):
            found += rf.Thermometer(observable, known).temperature(spins)
        return found

    # The guarded ones first: what is kept from one call to the next must not hide anything.
    with np.errstate(all="raise"):
        guarded = numbers()
    jax.tree.map(np.testing.assert_array_equal, guarded, numbers())


def test_no_key_is_used_twice():
    with jax.debug_key_reuse(True):
        draws = rf.sample(jax.random.key(1), rf.ising(rf.square(4)), [1.0, 2.25], 32, "metropolis")
    assert draws.spins.shape == (2, 32, 4, 4)
