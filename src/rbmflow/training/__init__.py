"""Training: one loop of epochs, the ascent of the likelihood in it, one file for each estimator of its gradient."""

from rbmflow.training.cd import CD as CD, contrastive_divergence as contrastive_divergence
from rbmflow.training.estimator import (
    Estimator as Estimator,
    centred as centred,
    estimator_of as estimator_of,
    recipe as recipe,
)
from rbmflow.training.fit import Fit as Fit, FitState as FitState
from rbmflow.training.history import (
    Checkpoints as Checkpoints,
    Epochs as Epochs,
    History as History,
    held_out as held_out,
    pseudo_likelihood as pseudo_likelihood,
    read_checkpoints as read_checkpoints,
)
from rbmflow.training.loss import (
    ELBO as ELBO,
    Denoising as Denoising,
    Loss as Loss,
    Reconstruction as Reconstruction,
)
from rbmflow.training.map_training import MapTraining as MapTraining, train_map as train_map
from rbmflow.training.natural import natural as natural
from rbmflow.training.optimiser import optimiser_of as optimiser_of
from rbmflow.training.pcd import PCD as PCD
from rbmflow.training.ptt import PTT as PTT, Trajectory as Trajectory
from rbmflow.training.stacking import greedily as greedily, train_stack as train_stack
from rbmflow.training.summed import Exact as Exact
from rbmflow.training.train import (
    Training as Training,
    step_acceptance as step_acceptance,
    step_divergence as step_divergence,
    train as train,
    train_ensemble as train_ensemble,
)
