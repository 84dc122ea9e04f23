"""The renormalization group (RG) on configurations and on couplings, to hold the RBM flow against."""

from rbmflow.renormalization.block_spins import (
    block_machine as block_machine,
    decimate as decimate,
    decimated_coupling as decimated_coupling,
    majority_rule as majority_rule,
    migdal_kadanoff_coupling as migdal_kadanoff_coupling,
)
from rbmflow.renormalization.hidden_layers import (
    block_share as block_share,
    layer_fields as layer_fields,
    layers_as_rules as layers_as_rules,
)
from rbmflow.renormalization.operators import Operator as Operator, operators as operators
from rbmflow.renormalization.stability_matrix import Rule as Rule, Stability as Stability, stability as stability
