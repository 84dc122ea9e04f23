"""Training: estimators of the gradient, the epochs that use them, the ladder of checkpoints."""

from rbmflow.training.ensemble import train_ensemble
from rbmflow.training.epochs import Epochs, History, TrainingState, finished, start_training, train, training_chunks
from rbmflow.training.estimators import CD, PCD, PTT, Estimator, Exact, contrastive_divergence, estimator_of, recipe
from rbmflow.training.ladder import Ladder, held_out, pseudo_likelihood, rungs
from rbmflow.training.optimisers import optimiser_of
from rbmflow.training.trajectory import Trajectory

__all__ = [
    "CD",
    "PCD",
    "PTT",
    "Epochs",
    "Estimator",
    "Exact",
    "History",
    "Ladder",
    "TrainingState",
    "Trajectory",
    "contrastive_divergence",
    "estimator_of",
    "finished",
    "held_out",
    "optimiser_of",
    "pseudo_likelihood",
    "recipe",
    "rungs",
    "start_training",
    "train",
    "train_ensemble",
    "training_chunks",
]
