"""What a model is at every temperature: ln Z, means of observables with their errors, the posterior of temperatures.

One face, three sources: `exact` where formulas are known, `enumerated` for tiny models, `reweighted` from draws.
"""

from rbmflow.equilibrium.closed_forms import exact
from rbmflow.equilibrium.curve import Curve
from rbmflow.equilibrium.enumerated import enumerated
from rbmflow.equilibrium.measured import MeasuredDraws, covering, measured
from rbmflow.equilibrium.reweighted import reweighted
from rbmflow.equilibrium.source import Equilibrium

__all__ = [
    "Curve",
    "Equilibrium",
    "MeasuredDraws",
    "covering",
    "enumerated",
    "exact",
    "measured",
    "reweighted",
]
