"""Cluster updates of one replica after another, compiled for the CPU by numba.

Growing or labelling clusters is a walk with data-dependent steps: XLA has no form of it that comes within a factor
of five of this loop. Each replica has its own SplitMix64
generator: a 64-bit counter, started at random, and a hash; it stays in a register where four words would not.

References
----------
G. L. Steele, D. Lea, C. H. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014,
doi:10.1145/2660193.2660195, figure 17 (with the 64-bit mixer of its reference code).
"""

# numba gives every compiled function its own dynamic type, which no checker follows.
# pyright: basic, reportIndexIssue=false
# Numba compiles the plain functions: `no_type_check` keeps run-time shape checkers from wrapping them.

from __future__ import annotations

from typing import no_type_check

import numba  # pyright: ignore[reportMissingImports]
import numpy as np

compiled = numba.njit(cache=True, nogil=True, boundscheck=False)


STRIDE = np.uint64(0x9E3779B97F4A7C15)


@compiled
@no_type_check
def word_at(counter):
    """SplitMix64: 32 random bits of a counter that advances by `STRIDE`."""
    word = (counter ^ (counter >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (word ^ (word >> np.uint64(31))) >> np.uint64(32)


@compiled
@no_type_check
def _root(parent, site):
    while parent[site] != site:
        parent[site] = parent[parent[site]]
        site = parent[site]
    return site


@compiled
@no_type_check
def _label(spin, counter, neighbours, bond, parent):
    """Clusters of one configuration: afterwards `parent` is the smallest site of each site's cluster."""
    for site in range(spin.size):
        parent[site] = site
    for site in range(spin.size):
        for end in range(2):
            other = neighbours[site, end]
            if spin[site] == spin[other]:
                counter += STRIDE
                if word_at(counter) < bond:
                    one, two = _root(parent, np.uint32(site)), _root(parent, other)
                    parent[max(one, two)] = min(one, two)
    for site in range(spin.size):
        parent[site] = parent[parent[site]]
    return counter


@compiled
@no_type_check
def swendsen_wang(spins, counters, neighbours, bond, ghost, favoured, steps):
    """Flip every cluster not tied to the ghost spin with probability 1/2, `steps` times, in place."""
    parent = np.empty(spins.shape[1], np.uint32)
    flip = np.empty(spins.shape[1], np.bool_)
    for replica in range(spins.shape[0]):
        spin, counter = spins[replica], counters[replica]
        for _ in range(steps):
            counter = _label(spin, counter, neighbours, bond, parent)
            for site in range(spin.size):
                counter += STRIDE
                flip[site] = word_at(counter) >> np.uint64(31)
            if ghost > 0:
                for site in range(spin.size):
                    counter += STRIDE
                    if spin[site] == favoured and word_at(counter) < ghost:
                        flip[parent[site]] = False
            for site in range(spin.size):
                if flip[parent[site]]:
                    spin[site] = -spin[site]
        counters[replica] = counter


@compiled
@no_type_check
def _turn_cluster(spin, counter, neighbours, bond, cluster):
    """Flip the cluster of one random site; its sites go into `cluster`, their number comes back."""
    counter += STRIDE
    first = (word_at(counter) * np.uint64(spin.size)) >> np.uint64(32)
    cluster[0] = first
    sign = spin[first]
    spin[first] = -sign
    size, at = 1, 0
    while at < size:
        site = cluster[at]
        for end in range(4):
            other = neighbours[site, end]
            if spin[other] == sign:
                counter += STRIDE
                if word_at(counter) < bond:
                    spin[other] = -sign
                    cluster[size] = other
                    size += 1
        at += 1
    return counter, size


@compiled
@no_type_check
def wolff(spins, counters, neighbours, bond, ghost, favoured, steps):
    """Flip the cluster of one random site unless it is tied to the ghost spin, `steps` times, in place."""
    cluster = np.empty(spins.shape[1], np.uint32)
    for replica in range(spins.shape[0]):
        spin, counter = spins[replica], counters[replica]
        for _ in range(steps):
            counter, size = _turn_cluster(spin, counter, neighbours, bond, cluster)
            if ghost > 0 and spin[cluster[0]] != favoured:
                tied = False
                for _member in range(size):
                    counter += STRIDE
                    tied |= word_at(counter) < ghost
                if tied:
                    for member in range(size):
                        spin[cluster[member]] = favoured
        counters[replica] = counter
