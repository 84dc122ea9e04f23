"""The renormalization group (RG) on configurations and on couplings, to hold the RBM flow against."""

from rbmflow.renormalization.block_spins import (
    block_machine,
    decimate,
    decimated_coupling,
    majority_rule,
    migdal_kadanoff_coupling,
)
from rbmflow.renormalization.hidden_layers import block_share, layer_fields, layers_as_rules
from rbmflow.renormalization.operators import Operator, operators
from rbmflow.renormalization.stability_matrix import Rule, Stability, stability

__all__ = [
    "Operator",
    "Rule",
    "Stability",
    "block_machine",
    "block_share",
    "decimate",
    "decimated_coupling",
    "layer_fields",
    "layers_as_rules",
    "majority_rule",
    "migdal_kadanoff_coupling",
    "operators",
    "stability",
]
