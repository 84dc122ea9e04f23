"""The neural thermometer of the paper, and its training: spins, one tanh layer, softmax over temperature classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, Float64, Int, Int8, UInt32

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations, Numbers, Temperatures, numbers_of, temperatures_of
from rbmflow._own_settings import own_settings
from rbmflow._record import Held, Record, arrays_of, attribute, dataset_of, in_order
from rbmflow._shown import Shown
from rbmflow._types import Key
from rbmflow.equilibrium import Curve, covering, known, measured, reweighted
from rbmflow.equilibrium.closed_forms import ClosedForms
from rbmflow.equilibrium.source import mean_class
from rbmflow.model import Model, model_of
from rbmflow.observables import Observable, average
from rbmflow.random import Streams, key_for, split
from rbmflow.sampler import sample
from rbmflow.settings import ThermometerSettings
from rbmflow.spin_models import model_in
from rbmflow.thermometer.ensemble import Reading, ensembles_of, through_curve
from rbmflow.training.fit import Fit, FitState

if TYPE_CHECKING:
    import xarray as xr

CONFIGURATIONS_AT_ONCE = 4096
CALIBRATION_TEMPERATURES = (0, 1, 1.5, 1.75, 2, 2.125, 2.25, 2.375, 2.5, 2.75, 3, 3.5, 4, 5, 7, 12, float("inf"))
CALIBRATION_DRAWS = 4000
COVERED_SITES = 1024
"""Sites up to which these temperatures leave no gap between the energies."""


class Network(eqx.Module):
    r"""Logits of the classes, :math:`z = A^T \tanh(W^T s + b) + a`, with the fields W, b, A and a."""

    hidden_weights: Float32[Array, "visible hidden"]
    hidden_bias: Float32[Array, " hidden"]
    class_weights: Float32[Array, "hidden bin"]
    class_bias: Float32[Array, " bin"]

    @classmethod
    def untrained(cls, key: Key, visible: int, hidden: int, bins: int) -> Network:
        """Hidden units that see fields of order one, from either side; all classes equally probable."""
        for_weights, for_bias = split(key)
        # The energy is even under s -> -s, tanh is odd: without biases no sum of the units could show it.
        return cls(
            jax.random.normal(for_weights, (visible, hidden), jnp.float32) / jnp.sqrt(jnp.float32(visible)),
            jax.random.uniform(for_bias, (hidden,), jnp.float32, -1, 1),
            jnp.zeros((hidden, bins), jnp.float32),
            jnp.zeros(bins, jnp.float32),
        )

    def __call__(self, visible: Float32[Array, "sample visible"]) -> Float32[Array, "sample bin"]:
        """Logits of each configuration."""
        hidden = jnp.tanh(visible @ self.hidden_weights + self.hidden_bias[None])
        return hidden @ self.class_weights + self.class_bias[None]


_LAYOUT = {
    "hidden_weights": Held("visible hidden", "weights of the tanh layer"),
    "hidden_bias": Held("hidden", "biases of the tanh layer"),
    "class_weights": Held("hidden bin", "weights of the softmax layer"),
    "class_bias": Held("bin", "biases of the softmax layer"),
    "mean_class": Held("temperature", "equilibrium mean of the mean class, classes counted from 0", dtype="float64"),
    "mean_class_error": Held("temperature", "standard error of the mean_class", dtype="float64"),
    "temperature": Held("temperature", "temperature", "J/k_B", "float64"),
    "bin": Held("bin", "temperature class", "J/k_B", "float64"),
}


class NeuralThermometer(Record, Shown):
    r"""A network trained to name the temperature of single configurations, as in the paper.

    .. math:: p_k(s) = \mathrm{softmax}_k\left(A^T \tanh(W^T s + b) + a\right).

    It cannot do better than `Equilibrium.posterior`, and it knows nothing of the energy but what it learnt; away from
    equilibrium the two may disagree. The `curve` of its mean class was measured on draws that it was not trained on;
    the `temperatures` are its classes, increasing, 0 and inf allowed.

    References
    ----------
    S. Iso, S. Shiba, S. Yokoo, Phys. Rev. E 97, 053304 (2018), arXiv:1801.07172.
    """

    network: Network
    curve: Curve
    model: Model = eqx.field(static=True)
    temperatures: tuple[float, ...] = eqx.field(static=True, converter=temperatures_of)

    def _pictured(self) -> tuple[str, xr.Dataset]:
        return self.curve.pictured("the class")

    def read(self, spins: Configurations) -> Float32[Array, "*batch bin"]:
        """Probabilities of the classes for each configuration."""
        return class_probabilities(self.network, self.model, jnp.asarray(self.model.own(spins)))

    def temperature(self, spins: Configurations) -> Reading:
        """Temperature and its error for each ensemble of chains, from its mean class.

        The error joins that of the chains and that of the measured curve. It refuses what `read` does.
        """
        return self.of_classes(mean_class(np.asarray(self.read(ensembles_of(self.model, spins)))))

    def of_classes(self, classes: Float64[np.ndarray, "*batch chain"]) -> Reading:
        """The same from the mean class of every configuration."""
        chains, equilibrium = classes.shape[-1], known(self.model)
        lowest = equilibrium.resolved(chains) if equilibrium else 0.0
        return through_curve(average(classes[None]), 1.0, self.curve, lowest, chains)

    def of_mixture(self, temperatures: Temperatures) -> float:
        """What it reads on the equal mixture of equilibrium ensembles at these temperatures."""
        classes = self.curve.mean_at(np.array(temperatures_of(temperatures)))
        return float(self.curve.temperature_of(np.asarray(classes.mean())))

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        curve, network = self.curve, jax.tree.leaves(self.network)
        arrays = (*network, curve.mean, curve.error, curve.temperature, np.array(self.temperatures))
        sizes = {"hidden": network[1].size, "bins": len(self.temperatures), "temperatures": curve.temperature.size}
        return dataset_of(_LAYOUT, arrays, **self.model.told(), **sizes)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> NeuralThermometer:
        """Thermometer from the data written by `to_dataset`, which must be there as a whole."""
        dataset = in_order(in_order(dataset, "temperature"), "bin")
        *network, mean_class, error, temperature, bins = arrays_of(dataset, _LAYOUT)
        model = model_in(dataset.attrs)
        found = {"hidden": len(network[1]), "bins": len(bins), "temperatures": len(temperature)}
        wanted = {name: int(attribute(dataset, name)) for name in found} | {"visible": inputs(model)}
        for name, count in (found | {"visible": len(network[0])}).items():
            allowed = f"the thermometer was made with {wanted[name]}, none may be left out"
            Problems.only(count == wanted[name], name, count, allowed)
        curve = Curve(temperature, mean_class, error)
        return cls(Network(*map(jnp.asarray, network)), curve, model, tuple(bins.tolist()))


def network_class(network: Network) -> Observable:
    """The mean class that a network gives a configuration, an observable."""

    def of(model: Model, spins: np.ndarray) -> Float64[np.ndarray, " n"]:
        return mean_class(np.asarray(class_probabilities(network, model, jnp.asarray(spins, jnp.int8))))

    return Observable("neural", "neural", of)


def inputs(model: Model) -> int:
    """Numbers that the network sees of a configuration: the components of the vectors of all sites."""
    return model.lattice.sites * len(model.vectors[0])


def _seen(model: Model, spins: Int8[Array, "sample *lattice"]) -> Float32[Array, "sample visible"]:
    return jnp.concatenate([one.reshape(len(spins), -1) for one in model.components(spins)], axis=1)


@eqx.filter_jit
def class_probabilities(network: Network, model: Model, spins: Int8[Array, "..."]) -> Float[Array, "*batch bin"]:
    """Softmax of the network's logits, a few thousand configurations at a time."""
    shape = model.lattice.shape
    stack = jnp.asarray(spins).reshape(-1, *shape)

    def one(sample: Int8[Array, "*lattice"]) -> Float32[Array, " bin"]:
        return jax.nn.softmax(network(_seen(model, sample[None]))[0])

    probabilities = jax.lax.map(one, stack, batch_size=CONFIGURATIONS_AT_ONCE)
    return probabilities.reshape(*spins.shape[: spins.ndim - len(shape)], -1)


def cross_entropy(probabilities: Numbers, true_class: Numbers) -> float:
    r"""Mean of :math:`-\ln p_k` at the true class k, in nats; infinite if it was ever held impossible.

    It takes probabilities [..., bin] as given by `read` and the numbers [...] of the true classes; what is neither is
    refused (`InvalidInput`).
    """
    given = np.take_along_axis(*_classified(probabilities, true_class), axis=-1)
    with np.errstate(divide="ignore"):
        return float(-np.mean(np.log(given)))


def accuracy(probabilities: Numbers, true_class: Numbers) -> float:
    """Fraction of configurations whose most probable class is the true one; it takes what `cross_entropy` takes."""
    given, classes = _classified(probabilities, true_class)
    return float(np.mean(np.argmax(given, axis=-1) == classes[..., 0]))


def _classified(
    probabilities: Numbers, true_class: Numbers
) -> tuple[Float64[np.ndarray, "*batch bin"], Int[np.ndarray, "*batch 1"]]:
    given = numbers_of(probabilities, "probabilities", ("...", "bin"), lowest=0.0, highest=1 + 1e-5)
    Problems.only(given.size > 0, "shape of probabilities", given.shape, "no axis may be empty")
    sums = given.sum(axis=-1)
    odd = sums[np.abs(sums - 1) > 1e-4]
    allowed = "those of one configuration must add up to 1"
    Problems.only(odd.size == 0, "sum of probabilities", odd.flat[0].item() if odd.size else None, allowed)
    classes = numbers_of(true_class, "true_class", given.shape[:-1], lowest=0, highest=given.shape[-1] - 1)
    odd = classes[classes % 1 != 0]
    Problems.only(odd.size == 0, "true_class", odd.flat[0].item() if odd.size else None, "it must be a whole number")
    return given, classes.astype(np.int64)[..., None]


_OF_EPOCHS = {"cross_entropy": Held("epoch", "cross-entropy", "nat"), "accuracy": Held("epoch", "accuracy")}


class ThermometerHistory(Record):
    """What was seen along the training of a neural thermometer: means over the batches of each epoch, in nats."""

    cross_entropy: Float32[Array | np.ndarray, "*epoch"]
    accuracy: Float32[Array | np.ndarray, "*epoch"]

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy with the epoch as coordinate, from 1."""
        epochs = {"epoch": np.arange(1, self.accuracy.size + 1)}
        return dataset_of(_OF_EPOCHS, (self.cross_entropy, self.accuracy)).assign_coords(epochs)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> ThermometerHistory:
        """History from the data written by `to_dataset`; epochs may be in any order."""
        return cls(*arrays_of(in_order(dataset, "epoch"), _OF_EPOCHS))


class _Classification(Fit[ThermometerSettings]):
    """The cross-entropy of the true class, every batch taken under a random symmetry of the model."""

    model: Model = eqx.field(static=True)

    @property
    def cost(self) -> int:
        """A network of this size against a small machine."""
        return 4

    @property
    def optimiser(self) -> optax.GradientTransformation:
        """Adam with a step length that falls to zero as a cosine."""
        return optax.adam(optax.cosine_decay_schedule(self.settings.learning_rate, self.updates))

    def downhill(self, learner: Network, chains: Streams, batch: tuple[Array, Array], update: Array) -> Any:
        """The gradient of the cross-entropy; this and the accuracy."""
        spins, classes = batch
        _, moves = chains.at(update).words()
        visible = _seen(self.model, moved_at_random(self.model, spins, moves))

        def loss(network: Network) -> tuple[Array, Array]:
            logits = network(visible)
            nats = optax.softmax_cross_entropy_with_integer_labels(logits, classes)
            return jnp.mean(nats), jnp.mean(jnp.argmax(logits, axis=-1) == classes, dtype=jnp.float32)

        (nats, right), gradient = jax.value_and_grad(loss, has_aux=True)(learner)
        return chains, gradient, ThermometerHistory(nats, right)


def moved_at_random(
    model: Model, spins: Int8[Array, "sample *lattice"], moves: UInt32[Array, " move"]
) -> Int8[Array, "sample *lattice"]:
    """The configurations under one random symmetry of the model.

    It is a translation, then, where that keeps the bonds, reflections and the exchange of the first two axes, and a
    permutation of the states.
    """
    lattice = model.lattice
    dimensions = len(lattice.cells)
    # The high bits of a word are the better ones.
    *bits, exchanged = (moves[dimensions : 2 * dimensions + 1] >> 31).astype(bool)
    for axis, (side, move) in enumerate(zip(lattice.cells, moves, strict=False), 1):
        spins = jnp.roll(spins, (move % jnp.uint32(side)).astype(jnp.int32), axis=axis)
    if lattice.mirrored:
        for axis, bit in enumerate(bits, 1):
            spins = jnp.where(bit, jnp.flip(spins, axis), spins)
        alike = len({model.pair[bond.kind] for bond in lattice.bonds}) == len(set(lattice.cells[:2])) == 1
        nearest = all(np.abs(bond.displacement).sum() == 1 for bond in lattice.bonds)
        if dimensions > 1 and alike and nearest:
            spins = jnp.where(exchanged, spins.swapaxes(1, 2), spins)
    # The identity comes first.
    orders = np.array(model.states, np.int8)[model.symmetries[::-1]]
    chosen = (moves[-1] >> 8).astype(jnp.float32) * (len(orders) / 2**24)
    order = jnp.asarray(orders)[jnp.minimum(chosen.astype(jnp.int32), len(orders) - 1)]
    return order[model.places(spins)]


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
    thermometer of the epochs that were done, calibrated. Fewer draws than in one batch are refused
    (`InvalidInput`).

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
    model_of(model)
    temperatures = temperatures_of(temperatures)
    bins = len(temperatures)
    for_draws, for_training, for_calibration = split(key_for(key, "train_thermometer"), 3)
    spins = jnp.asarray(sample(for_draws, model, temperatures, settings.draws).spins)
    classes = jnp.repeat(jnp.arange(bins), settings.draws)
    fit = _Classification((spins.reshape(-1, *spins.shape[2:]), classes), settings, model)
    for_network, for_order, for_symmetry = split(for_training, 3)
    untrained = Network.untrained(for_network, inputs(model), settings.hidden, bins)

    def finish(state: FitState, infos: list[ThermometerHistory]) -> tuple[NeuralThermometer, ThermometerHistory]:
        history = jax.tree.map(lambda *parts: np.concatenate(parts), *infos)
        curve = calibrated(for_calibration, model, state.learner)
        return NeuralThermometer(state.learner, curve, model, temperatures), history

    moves = Streams.seeded(for_symmetry, (2 * len(model.lattice.cells) + 2,))
    return fit.whole(fit.begin(for_order, untrained, moves), finish, progress)


def calibrated(key: Key, model: Model, network: Network, draws: int = CALIBRATION_DRAWS) -> Curve:
    """Measure the curve of a network's mean class, with its error, on draws that cover all energies.

    There are so many draws at each of `CALIBRATION_TEMPERATURES`, or as many in all where a larger lattice has more.

    At equilibrium all configurations of one energy are equally probable whatever the temperature, so the draws of all
    temperatures are taken together; as of the ideal classifier, the class rises with the energy.
    """
    seen = network_class(network)
    # Levels by a transfer matrix may take longer than the draws.
    source, temperatures = known(model, within=0.0), CALIBRATION_TEMPERATURES
    if not isinstance(source, ClosedForms) or model.lattice.sites > COVERED_SITES:
        temperatures = covering(model)
        draws = draws * len(CALIBRATION_TEMPERATURES) // len(temperatures)
    found = measured(key, model, [seen], temperatures, draws)
    return reweighted(found, source, rising=True).curve(seen)
