"""Training: one loop of epochs, the ascent of the likelihood in it, one file for each estimator of its gradient."""

from rbmflow.training.ascent import Training
from rbmflow.training.cd import CD, contrastive_divergence
from rbmflow.training.checkpoints import Checkpoints, held_out, pseudo_likelihood
from rbmflow.training.estimator import Estimator, centred, estimator_of, recipe
from rbmflow.training.fit import Epoch, FitState, Objective, checkpoint_updates
from rbmflow.training.history import Epochs, History
from rbmflow.training.optimisers import optimiser_of
from rbmflow.training.pcd import PCD
from rbmflow.training.ptt import PTT, Trajectory
from rbmflow.training.summed import Exact
from rbmflow.training.train import train, train_ensemble

__all__ = [
    "CD",
    "PCD",
    "PTT",
    "Checkpoints",
    "Epoch",
    "Epochs",
    "Estimator",
    "Exact",
    "FitState",
    "History",
    "Objective",
    "Training",
    "Trajectory",
    "centred",
    "checkpoint_updates",
    "contrastive_divergence",
    "estimator_of",
    "held_out",
    "optimiser_of",
    "pseudo_likelihood",
    "recipe",
    "train",
    "train_ensemble",
]
