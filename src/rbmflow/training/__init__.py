"""Training: estimators of the gradient, and the epochs that use them."""

from rbmflow.training.epochs import History, TrainingState, start_training, train, training_chunks
from rbmflow.training.estimators import CD, PCD, Estimator, Exact, contrastive_divergence, estimator_of

__all__ = [
    "CD",
    "PCD",
    "Estimator",
    "Exact",
    "History",
    "TrainingState",
    "contrastive_divergence",
    "estimator_of",
    "start_training",
    "train",
    "training_chunks",
]
