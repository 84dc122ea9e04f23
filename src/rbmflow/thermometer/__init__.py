"""Thermometers: the temperature of an ensemble of configurations, read in several ways.

A thermometer is an observable read against an equilibrium: the mean over an ensemble is taken back through the curve
of its equilibrium mean against the temperature. The neural network of the paper is the other kind: a classifier whose
mean class has a curve that was measured on draws.

All of them have `temperature(spins [..., chain, y, x]) -> Reading`.
"""

from rbmflow.thermometer.ensemble import Reading as Reading, Thermometer as Thermometer
from rbmflow.thermometer.neural import (
    NeuralThermometer as NeuralThermometer,
    ThermometerHistory as ThermometerHistory,
    accuracy as accuracy,
    cross_entropy as cross_entropy,
    train_thermometer as train_thermometer,
)
