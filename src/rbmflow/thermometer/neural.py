"""The neural thermometer of the paper: spins, one tanh layer, softmax over the temperature classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Float64, Int8

from rbmflow._doors import Configurations, spins_of
from rbmflow._record import Record
from rbmflow._types import Key, Spins
from rbmflow.diagnostics import mean_and_error
from rbmflow.lattice import Square
from rbmflow.model import Ising
from rbmflow.thermometer.classes import ClassCurve, mean_class
from rbmflow.thermometer.reading import Ensembles, Reading, ensembles_of, with_sides

if TYPE_CHECKING:
    import xarray as xr

CONFIGURATIONS_AT_ONCE = 4096


class Network(eqx.Module):
    r"""Logits of the classes, :math:`z = A^T \tanh(W^T s + b) + a`.

    Parameters
    ----------
    hidden_weights : float32 [visible, hidden]
        W.
    hidden_bias : float32 [hidden]
        b.
    class_weights : float32 [hidden, bin]
        A.
    class_bias : float32 [bin]
        a.
    """

    hidden_weights: Float32[Array, "visible hidden"]
    hidden_bias: Float32[Array, " hidden"]
    class_weights: Float32[Array, "hidden bin"]
    class_bias: Float32[Array, " bin"]

    @classmethod
    def untrained(cls, key: Key, visible: int, hidden: int, bins: int) -> Network:
        """Hidden units that see fields of order one, from either side; all classes equally probable."""
        for_weights, for_bias = jax.random.split(key)
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


class NeuralThermometer(Record):
    r"""A network trained to name the temperature of single configurations, as in the paper.

    .. math:: p_k(s) = \mathrm{softmax}_k\left(A^T \tanh(W^T s + b) + a\right).

    It cannot do better than `BayesThermometer`, and it knows nothing of the energy but what it learnt; away from
    equilibrium the two may disagree.

    Parameters
    ----------
    network
        The trained network.
    curve
        Equilibrium mean of its mean class against temperature, measured on draws it was not trained on.
    model
        The model.
    temperatures
        The classes, increasing; 0 and inf allowed.

    References
    ----------
    S. Iso, S. Shiba, S. Yokoo, Phys. Rev. E 97, 053304 (2018), arXiv:1801.07172.
    """

    network: Network
    curve: ClassCurve
    model: Ising = eqx.field(static=True)
    temperatures: tuple[float, ...] = eqx.field(static=True)

    def read(self, spins: Configurations) -> Float32[Array, "*batch bin"]:
        """Probabilities of the classes for each configuration.

        Raises
        ------
        InvalidInput
            If a value is neither -1 nor +1, or the shape is not that of the lattice.
        """
        return class_probabilities(self.network, spins_of(spins, self.model.lattice.shape))

    def temperature(self, spins: Ensembles) -> Reading:
        """Temperature and its error for each ensemble of chains, from its mean class.

        The error joins that of the chains and that of the measured curve. It refuses what `read` does.
        """
        return self.of_classes(mean_class(np.asarray(self.read(ensembles_of(self.model, spins)))))[0]

    def of_classes(self, classes: Float64[np.ndarray, "*batch chain"]) -> tuple[Reading, Float64[np.ndarray, "*batch"]]:
        """The same from the mean class of every configuration, and the curve's part of the error, in J/k_B.

        All readings of one thermometer share that part.
        """
        mean, deviation = mean_and_error(classes, axis=-1)
        of_curve = self.curve.error_at(mean)
        joined = np.asarray(np.hypot(deviation, of_curve))
        reading = with_sides(mean, joined, self.curve.invert, self.model, classes.shape[-1])
        # So many chains that nothing but the curve is uncertain.
        return reading, with_sides(mean, of_curve, self.curve.invert, self.model, math.inf).error

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        import xarray as xr

        units = {"units": "J/k_B"}
        weights = {
            "hidden_weights": (("visible", "hidden"), {"long_name": "weights of the tanh layer"}),
            "hidden_bias": (("hidden",), {"long_name": "biases of the tanh layer"}),
            "class_weights": (("hidden", "bin"), {"long_name": "weights of the softmax layer"}),
            "class_bias": (("bin",), {"long_name": "biases of the softmax layer"}),
        }
        arrays = {name: (dims, np.asarray(getattr(self.network, name)), at) for name, (dims, at) in weights.items()}
        long_name = "equilibrium mean of the mean class, classes counted from 0"
        arrays["mean_class"] = (("temperature",), self.curve.mean_class, {"long_name": long_name})
        arrays["mean_class_error"] = (
            ("temperature",),
            self.curve.error,
            {"long_name": f"standard error of the {long_name}"},
        )
        coordinates = {
            "bin": ("bin", np.array(self.temperatures), {"long_name": "temperature class"} | units),
            "temperature": ("temperature", self.curve.temperature, {"long_name": "temperature"} | units),
        }
        return xr.Dataset(arrays, coordinates, {"lattice": list(self.model.lattice.shape)})

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> NeuralThermometer:
        """Thermometer from the data written by `to_dataset`."""
        names = ("hidden_weights", "hidden_bias", "class_weights", "class_bias")
        return cls(
            Network(*(jnp.asarray(dataset[name].values) for name in names)),
            ClassCurve(*(dataset[name].values for name in ("temperature", "mean_class", "mean_class_error"))),
            Ising(Square(*(int(side) for side in dataset.attrs["lattice"]))),
            tuple(float(t) for t in dataset["bin"].values),
        )


@eqx.filter_jit
def class_probabilities(network: Network, spins: Spins) -> Float[Array, "*batch bin"]:
    """Softmax of the network's logits, a few thousand configurations at a time."""
    batch = spins.shape[:-2]
    visible = jnp.asarray(spins).reshape(-1, network.hidden_weights.shape[0])

    def one(sample: Int8[Array, " visible"]) -> Float32[Array, " bin"]:
        return jax.nn.softmax(network(sample.astype(jnp.float32)[None])[0])

    return jax.lax.map(one, visible, batch_size=CONFIGURATIONS_AT_ONCE).reshape(*batch, -1)
