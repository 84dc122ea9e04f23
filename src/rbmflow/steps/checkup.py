"""The checkup of a device: sampler, training step and flow step against exact answers, in seconds."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rbmflow import enumeration, exact, sampler
from rbmflow._checks import in_a_line
from rbmflow._doors import Numbers
from rbmflow._format import with_error
from rbmflow.diagnostics import mean_and_error
from rbmflow.flow import iterate
from rbmflow.gibbs import GibbsNoise
from rbmflow.lattice import square
from rbmflow.random import Generator
from rbmflow.rbm import RBM
from rbmflow.settings import MachineSettings
from rbmflow.spectrum import decompose
from rbmflow.spin_models import ising
from rbmflow.steps.thermometers import energy_thermometer
from rbmflow.training import contrastive_divergence, train

KNOWN_BAD_JAX = {"0.10.2": "it miscompiles on CPU; install jax >= 0.11.2"}
SIGMAS = 5.0

type Found = tuple[str, str, bool]
"""What was expected, what was found, and whether they agree."""


class Check(NamedTuple):
    """One line of the checkup."""

    check: str
    expected: str
    measured: str
    ok: bool


def doctor() -> list[Check]:
    """Compare this device with exact answers, with fixed keys; what is raised is told as what was measured."""
    return [Check(name, *_tried(check)) for name, check in CHECKS.items()]


def _tried(check: Callable[[], Found]) -> Found:
    """Do one check; what is raised, as by a guard that the settings of this session have switched on, is a fault."""
    try:
        return check()
    except Exception as error:
        return "no error", in_a_line(error), False


def _statistical(expected: float, values: Numbers) -> Found:
    mean, error = mean_and_error(np.asarray(values, np.float64))
    return f"{expected:.5f}", with_error(float(mean), float(error)), bool(abs(mean - expected) <= SIGMAS * error)


def _jax_version() -> Found:
    trouble = KNOWN_BAD_JAX.get(jax.__version__)
    return "not known to be bad", f"{jax.__version__}: {trouble}" if trouble else jax.__version__, trouble is None


def _bits() -> Found:
    """The first words of the published generator from the state 1, 2, 3, 4."""
    generator, words = Generator(*(jnp.uint32(word) for word in (1, 2, 3, 4))), []
    for _ in range(3):
        generator, word = jax.jit(lambda at: at.words())(generator)
        words.append(int(word))
    expected = [641, 1573767, 3222811527]
    return str(expected), str(words), words == expected


def _energy() -> Found:
    model = ising(square(6))
    draws = sampler.sample(jax.random.key(1), model, [2.25], 4000)
    return _statistical(float(exact.energy(model, 2.25)), model.energy(draws.spins[0]))


def _tiny() -> RBM:
    return RBM.random(jax.random.key(2), 6, MachineSettings(hidden=4, initial_scale=0.5))


def _gradient() -> Found:
    """One component of the CD-1 gradient, averaged over many batches, against enumeration."""
    machine, chains, batches = _tiny(), 1000, 50
    data = np.where(np.arange(chains)[:, None] % 2 == 0, 1.0, [1.0, -1.0, 1.0, 1.0, -1.0, -1.0])
    exact_gradient = enumeration.expected_contrastive_divergence(machine, data, 1)

    def batch(noise, _):
        noise, gradient, _ = contrastive_divergence(machine, noise, jnp.asarray(data, jnp.float32), 1)
        return noise, gradient.weights[0, 0]

    noise = GibbsNoise.seeded(jax.random.key(3), machine, chains)
    _, values = jax.jit(lambda noise: jax.lax.scan(batch, noise, None, length=batches))(noise)
    return _statistical(exact_gradient[0, 0], values)


def _flow() -> Found:
    """Probability of the aligned state after three flow steps, against the cubed kernel."""
    machine, chains = _tiny(), 50_000
    start = jnp.ones((chains, 2, 3), jnp.int8)
    spins = np.asarray(iterate(jax.random.key(4), machine, start, 3, keep=(3,)).spins)
    aligned = (spins == 1).all(axis=(1, 2))
    expected = np.linalg.matrix_power(enumeration.gibbs_kernel(machine), 3)[-1, -1]
    return _statistical(float(expected), aligned)


def _path() -> Found:
    """The calls of the whole path once, chains and all: guards of NumPy and JAX speak up here."""
    key, model = jax.random.key(5), ising(square(4))
    for_draws, for_training, for_flow = jax.random.split(key, 3)
    draws = sampler.sample(for_draws, model, [1.0, 2.25, 4.0], 32, "metropolis")
    machine, _ = train(for_training, draws, hidden=2, epochs=1, batch=32)
    flow = iterate(for_flow, machine, draws.spins[0], 2)
    temperature = energy_thermometer(model).temperature(flow.configurations).temperature
    weights = decompose(machine).singular_values
    finite = bool(np.isfinite(weights).all() and not np.isnan(temperature).any())
    return "numbers", "numbers" if finite else "NaN", finite


CHECKS: dict[str, Callable[[], Found]] = {
    "JAX version": _jax_version,
    "random bits (xoshiro128++)": _bits,
    "energy per site, L = 6, T = 2.25": _energy,
    "CD-1 gradient of a 6 x 4 machine": _gradient,
    "flow of a 6 x 4 machine, 3 steps": _flow,
    "draws, training, flow, thermometer, weights": _path,
}
"""What is done, by what it looks at."""
