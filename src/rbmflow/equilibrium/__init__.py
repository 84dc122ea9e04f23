"""What a model is at every temperature: ln Z, means of observables with their errors, the posterior of temperatures.

One face, four sources: `exact` where formulas are known, `enumerated` for tiny models, `transferred` where slices have
few states, `reweighted` from draws. `known` chooses among the first three.
"""

from rbmflow.equilibrium.closed_forms import exact as exact
from rbmflow.equilibrium.curve import Curve as Curve
from rbmflow.equilibrium.enumerated import enumerated as enumerated
from rbmflow.equilibrium.measured import (
    MeasuredDraws as MeasuredDraws,
    covering as covering,
    measured as measured,
)
from rbmflow.equilibrium.peak import quick_peak as quick_peak, specific_heat_peak as specific_heat_peak
from rbmflow.equilibrium.reweighted import reweighted as reweighted
from rbmflow.equilibrium.source import Equilibrium as Equilibrium
from rbmflow.equilibrium.transferred import Transferred as Transferred, known as known, transferred as transferred
