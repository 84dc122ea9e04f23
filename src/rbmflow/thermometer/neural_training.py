"""Training and calibration of the neural thermometer, on exact draws of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float32, Int8, UInt32

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Temperatures, temperatures_of
from rbmflow._own_settings import own_settings
from rbmflow._record import Held, Record, arrays_of, dataset_of, in_order
from rbmflow._types import Key
from rbmflow.equilibrium import Curve, covering, exact, measured, reweighted
from rbmflow.model import Model, free_lattice
from rbmflow.random import Streams, key_for
from rbmflow.sampler import sample
from rbmflow.settings import ThermometerSettings
from rbmflow.thermometer.neural import Network, NeuralThermometer, network_class
from rbmflow.training.fit import Epoch, FitState, Objective

if TYPE_CHECKING:
    import xarray as xr

CALIBRATION_TEMPERATURES = (0, 1, 1.5, 1.75, 2, 2.125, 2.25, 2.375, 2.5, 2.75, 3, 3.5, 4, 5, 7, 12, float("inf"))
CALIBRATION_DRAWS = 4000
COVERED_SITES = 1024
"""Sites up to which these temperatures leave no gap between the energies."""

_LAYOUT = {"cross_entropy": Held("epoch", "cross-entropy", "nat"), "accuracy": Held("epoch", "accuracy")}


class ThermometerHistory(Record):
    """What was seen along the training of a neural thermometer: means over the batches of each epoch, in nats."""

    cross_entropy: Float32[Array | np.ndarray, "*epoch"]
    accuracy: Float32[Array | np.ndarray, "*epoch"]

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy with the epoch as coordinate, from 1."""
        epochs = {"epoch": np.arange(1, self.accuracy.size + 1)}
        return dataset_of(_LAYOUT, (self.cross_entropy, self.accuracy)).assign_coords(epochs)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> ThermometerHistory:
        """History from the data written by `to_dataset`; epochs may be in any order."""
        return cls(*arrays_of(in_order(dataset, "epoch"), _LAYOUT))


class _Classification(Objective):
    """The cross-entropy of the true class, every batch taken under a random symmetry of the model."""

    learning_rate: float = eqx.field(static=True)

    @property
    def cost(self) -> int:
        """A network of this size against a small machine."""
        return 4

    def optimiser(self, updates: int) -> optax.GradientTransformation:
        """Adam with a step length that falls to zero as a cosine."""
        return optax.adam(optax.cosine_decay_schedule(self.learning_rate, updates))

    def downhill(self, learner: Network, chains: Streams, batch: tuple[Array, Array], update: Array) -> Any:
        """The gradient of the cross-entropy; this and the accuracy."""
        spins, classes = batch
        _, moves = chains.at(update).words()
        visible = _moved(spins, moves).reshape(len(spins), -1).astype(jnp.float32)

        def loss(network: Network) -> tuple[Array, Array]:
            logits = network(visible)
            nats = optax.softmax_cross_entropy_with_integer_labels(logits, classes)
            return jnp.mean(nats), jnp.mean(jnp.argmax(logits, axis=-1) == classes, dtype=jnp.float32)

        (nats, right), gradient = jax.value_and_grad(loss, has_aux=True)(learner)
        return chains, gradient, ThermometerHistory(nats, right)


def _moved(spins: Int8[Array, "sample y x"], moves: UInt32[Array, "6"]) -> Int8[Array, "sample y x"]:
    """The configurations under one random symmetry of the model: translation, reflections, transposition, spin flip."""
    _, ly, lx = spins.shape
    down, right = moves[0] % jnp.uint32(ly), moves[1] % jnp.uint32(lx)
    # The high bits of a word are the better ones.
    upside, mirrored, transposed, flipped = (moves[2:] >> 31).astype(bool)
    spins = jnp.roll(jnp.roll(spins, down.astype(jnp.int32), axis=1), right.astype(jnp.int32), axis=2)
    spins = jnp.where(upside, spins[:, ::-1], spins)
    spins = jnp.where(mirrored, spins[:, :, ::-1], spins)
    if ly == lx:
        spins = jnp.where(transposed, spins.swapaxes(1, 2), spins)
    return jnp.where(flipped, -spins, spins)


@own_settings
def train_thermometer(
    key: AnyKey,
    model: Model,
    temperatures: Temperatures,
    settings: ThermometerSettings | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> tuple[NeuralThermometer, ThermometerHistory]:
    r"""Train a neural thermometer to name the temperature of configurations, and calibrate it.

    It minimises the cross-entropy :math:`-\langle \ln p_k(s) \rangle` of the true class k with Adam. Its draws are its
    own; every batch is taken under a random symmetry of the model. The calibration takes further draws. The same key
    gives the same thermometer, bit for bit, on the same device. The `temperatures` are its classes, increasing, 0 and
    inf allowed; `progress` is told the fraction of the epochs done. On Ctrl-C it raises `Interrupted` with the
    thermometer of the epochs that were done, calibrated. A model in a field, and fewer draws than in one batch, are
    refused (`InvalidInput`).

    References
    ----------
    S. Iso, S. Shiba, S. Yokoo, Phys. Rev. E 97, 053304 (2018), arXiv:1801.07172.
    D. P. Kingma, J. Ba, arXiv:1412.6980 (Adam).

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import ThermometerSettings
    >>> model = rf.ising(rf.square(4))
    >>> small = ThermometerSettings(hidden=16, draws=200, epochs=3, batch=50)
    >>> thermometer, history = rf.train_thermometer(jax.random.key(0), model, [1.0, 2.0, 4.0], small)
    >>> thermometer.read(rf.hot(jax.random.key(1), model, 5)).shape
    (5, 3)
    """
    settings = settings or ThermometerSettings()
    problems = Problems()
    problems.kind("settings", settings, ThermometerSettings, "ThermometerSettings(...)")
    problems.function("progress", progress, "the fraction done")
    problems.done()
    free_lattice(model)
    temperatures = temperatures_of(temperatures)
    bins = len(temperatures)
    for_draws, for_training, for_calibration = jax.random.split(key_for(key, "train_thermometer"), 3)
    spins = jnp.asarray(sample(for_draws, model, temperatures, settings.draws).spins)
    classes = jnp.repeat(jnp.arange(bins), settings.draws)
    samples = spins.reshape(-1, *spins.shape[2:]), classes
    epoch = Epoch(samples, _Classification(settings.learning_rate), settings.batch, settings.epochs)
    for_network, for_order, for_symmetry = jax.random.split(for_training, 3)
    untrained = Network.untrained(for_network, model.lattice.sites, settings.hidden, bins)

    def finish(state: FitState, infos: list[ThermometerHistory]) -> tuple[NeuralThermometer, ThermometerHistory]:
        history = jax.tree.map(lambda *parts: np.concatenate(parts), *infos)
        curve = calibrated(for_calibration, model, state.learner)
        return NeuralThermometer(state.learner, curve, model, temperatures), history

    return epoch.fit(epoch.start(for_order, untrained, Streams.seeded(for_symmetry, (6,))), finish, progress)


def calibrated(key: Key, model: Model, network: Network, draws: int = CALIBRATION_DRAWS) -> Curve:
    """Measure the curve of a network's mean class, with its error, on draws that cover all energies.

    There are so many draws at each of `CALIBRATION_TEMPERATURES`, or as many in all where a larger lattice has more.

    At equilibrium all configurations of one energy are equally probable whatever the temperature, so the draws of all
    temperatures are taken together; as of the ideal classifier, the class rises with the energy.
    """
    seen = network_class(network)
    temperatures = CALIBRATION_TEMPERATURES
    if model.lattice.sites > COVERED_SITES:
        temperatures = covering(model)
        draws = draws * len(CALIBRATION_TEMPERATURES) // len(temperatures)
    found = measured(key, model, [seen], temperatures, draws)
    return reweighted(found, exact(model), rising=True).curve(seen)
