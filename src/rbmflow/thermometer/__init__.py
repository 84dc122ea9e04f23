"""Thermometers: the temperature of an ensemble of configurations, read in several ways.

Every thermometer is a number read off each configuration and the exact curve of its mean against the temperature;
the mean over an ensemble is taken back through that curve. The numbers are the energy, the absolute magnetization,
and the mean temperature class of two classifiers: the exact Bayes posterior and the neural network of the paper. The
correlation length over L does the same with a ratio of two means.

All of them have `temperature(spins [..., chain, y, x]) -> Reading`; the classifiers also have
`read(spins [..., y, x]) -> probabilities [..., bin]`.
"""

from rbmflow.thermometer.classes import BayesThermometer, accuracy, cross_entropy
from rbmflow.thermometer.neural import NeuralThermometer
from rbmflow.thermometer.neural_training import ThermometerHistory, train_thermometer
from rbmflow.thermometer.observables import CorrelationThermometer, EnergyThermometer, MagnetizationThermometer
from rbmflow.thermometer.reading import Reading

__all__ = [
    "BayesThermometer",
    "CorrelationThermometer",
    "EnergyThermometer",
    "MagnetizationThermometer",
    "NeuralThermometer",
    "Reading",
    "ThermometerHistory",
    "accuracy",
    "cross_entropy",
    "train_thermometer",
]
