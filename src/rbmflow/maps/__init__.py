"""Maps of configurations to configurations: what a flow iterates, one file each."""

from rbmflow.maps.autoencoder_map import Autoencoder as Autoencoder
from rbmflow.maps.block_map import BlockSpins as BlockSpins
from rbmflow.maps.denoiser_map import Denoiser as Denoiser
from rbmflow.maps.gibbs_map import Gibbs as Gibbs
from rbmflow.maps.host_map import host as host
from rbmflow.maps.machine_kind import MachineKind as MachineKind, machine as machine
from rbmflow.maps.mapping import Map as Map, map_of as map_of
from rbmflow.maps.stack_map import Stack as Stack
from rbmflow.maps.vae_map import VAE as VAE
