"""Maps of configurations to configurations: what a flow iterates, one file each."""

from rbmflow.maps.gibbs_map import Gibbs as Gibbs
from rbmflow.maps.host_map import host as host
from rbmflow.maps.mapping import Map as Map, map_of as map_of
