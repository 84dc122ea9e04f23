"""Every public name, once: type checkers read it here, and so does the package itself."""

from . import equilibrium as equilibrium, exact as exact
from ._scan import Interrupted as Interrupted
from .claims import Judgement as Judgement, claim as claim, verdicts as verdicts
from .controls import control as control
from .convergence import FlowEnds as FlowEnds, end_of_flows as end_of_flows
from .correlations import TwoPoint as TwoPoint, two_point as two_point
from .critical import critical_exponents as critical_exponents, critical_temperature as critical_temperature
from .data_sources import data_source as data_source
from .dataset import Draws as Draws
from .figures import figure as figure
from .flow import Flow as Flow, MapFailed as MapFailed, iterate as iterate
from .lattice import (
    Lattice as Lattice,
    chain as chain,
    cubic as cubic,
    honeycomb as honeycomb,
    hypercubic as hypercubic,
    kagome as kagome,
    square as square,
    triangular as triangular,
)
from .likelihood import (
    LogPartition as LogPartition,
    excess_nats as excess_nats,
    log_partition as log_partition,
    log_probability as log_probability,
    machine_mean as machine_mean,
    trajectory_log_partition as trajectory_log_partition,
)
from .maps import (
    VAE as VAE,
    Autoencoder as Autoencoder,
    BlockSpins as BlockSpins,
    Denoiser as Denoiser,
    Gibbs as Gibbs,
    Map as Map,
    Stack as Stack,
    host as host,
    machine as machine,
)
from .measurements import Measurements as Measurements, observe as observe
from .model import Model as Model
from .observables import Observable as Observable, observable as observable
from .one_temperature import thermodynamics as thermodynamics
from .rbm import RBM as RBM
from .renormalization import (
    Operator as Operator,
    Stability as Stability,
    operators as operators,
    stability as stability,
)
from .runs import Run as Run, open as open
from .sampler import (
    HeatBath as HeatBath,
    Metropolis as Metropolis,
    SwendsenWang as SwendsenWang,
    TableHeatBath as TableHeatBath,
    TableTransferMatrix as TableTransferMatrix,
    TableWolff as TableWolff,
    TransferMatrix as TransferMatrix,
    Wolff as Wolff,
    cold as cold,
    hot as hot,
    sample as sample,
    thermal as thermal,
)
from .sampler.on_disk import sample_to as sample_to
from .scaling import ScalingDimension as ScalingDimension, scaling_dimension as scaling_dimension
from .settings import OBSERVABLES as OBSERVABLES
from .spectrum import (
    Cascade as Cascade,
    GaussianLaw as GaussianLaw,
    GaussianTraining as GaussianTraining,
    Spectrum as Spectrum,
    decompose as decompose,
    effective_couplings as effective_couplings,
    gaussian_law as gaussian_law,
    gaussian_training as gaussian_training,
    learning_cascade as learning_cascade,
)
from .spin_models import blume_capel as blume_capel, clock as clock, ising as ising, potts as potts
from .thermometer import (
    NeuralThermometer as NeuralThermometer,
    Reading as Reading,
    Thermometer as Thermometer,
    train_thermometer as train_thermometer,
)
from .training import (
    CD as CD,
    PCD as PCD,
    PTT as PTT,
    Estimator as Estimator,
    Exact as Exact,
    History as History,
    Loss as Loss,
    recipe as recipe,
    train as train,
    train_ensemble as train_ensemble,
    train_map as train_map,
    train_stack as train_stack,
)
from .trial import judge as judge
from .units import Units as Units

__version__: str
