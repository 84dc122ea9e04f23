"""Cluster updates of one replica after another, compiled for the CPU by numba.

Growing or labelling clusters is a walk with data-dependent steps: XLA has no form of it that comes within a factor
of five of this loop. Each replica has its own xoshiro128++ state, four uint32 words.
"""

# numba gives every compiled function its own dynamic type, which no checker follows.
# pyright: basic, reportIndexIssue=false
# Numba compiles the plain functions: `no_type_check` keeps run-time shape checkers from wrapping them.

from __future__ import annotations

from typing import no_type_check

import numba
import numpy as np

compiled = numba.njit(cache=True, nogil=True, boundscheck=False)


@compiled
@no_type_check
def next_word(state):
    """The next word of xoshiro128++ (doi:10.1145/3460772), advancing the state."""
    total = np.uint32(state[0] + state[3])
    word = np.uint32(np.uint32((total << np.uint32(7)) | (total >> np.uint32(25))) + state[0])
    shifted = np.uint32(state[1] << np.uint32(9))
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = np.uint32((state[3] << np.uint32(11)) | (state[3] >> np.uint32(21)))
    return word


@compiled
@no_type_check
def _root(parent, site):
    while parent[site] != site:
        parent[site] = parent[parent[site]]
        site = parent[site]
    return site


@compiled
@no_type_check
def _label(spin, state, neighbours, bond, parent):
    """Clusters of one configuration: afterwards `parent` is the smallest site of each site's cluster."""
    for site in range(spin.size):
        parent[site] = site
    for site in range(spin.size):
        for end in range(2):
            other = neighbours[site, end]
            if spin[site] == spin[other] and next_word(state) < bond:
                one, two = _root(parent, site), _root(parent, other)
                parent[max(one, two)] = min(one, two)
    for site in range(spin.size):
        parent[site] = parent[parent[site]]


@compiled
@no_type_check
def swendsen_wang(spins, states, neighbours, bond, ghost, favoured, steps):
    """Flip every cluster not tied to the ghost spin with probability 1/2, `steps` times, in place."""
    parent = np.empty(spins.shape[1], np.int32)
    flip = np.empty(spins.shape[1], np.bool_)
    for replica in range(spins.shape[0]):
        spin, state = spins[replica], states[replica]
        for _ in range(steps):
            _label(spin, state, neighbours, bond, parent)
            for site in range(spin.size):
                flip[site] = parent[site] == site and next_word(state) >> np.uint32(31)
            if ghost > 0:
                for site in range(spin.size):
                    if spin[site] == favoured and next_word(state) < ghost:
                        flip[parent[site]] = False
            for site in range(spin.size):
                if flip[parent[site]]:
                    spin[site] = -spin[site]


@compiled
@no_type_check
def _turn_cluster(spin, state, neighbours, bond, cluster):
    """Flip the cluster of one random site; its sites go into `cluster`, their number comes back."""
    cluster[0] = np.int64((np.uint64(next_word(state)) * np.uint64(spin.size)) >> np.uint64(32))
    sign = spin[cluster[0]]
    spin[cluster[0]] = -sign
    size, at = 1, 0
    while at < size:
        for end in range(4):
            other = neighbours[cluster[at], end]
            if spin[other] == sign and next_word(state) < bond:
                spin[other] = -sign
                cluster[size] = other
                size += 1
        at += 1
    return size


@compiled
@no_type_check
def wolff(spins, states, neighbours, bond, ghost, favoured, steps):
    """Flip the cluster of one random site unless it is tied to the ghost spin, `steps` times, in place."""
    cluster = np.empty(spins.shape[1], np.int32)
    for replica in range(spins.shape[0]):
        spin, state = spins[replica], states[replica]
        for _ in range(steps):
            size = _turn_cluster(spin, state, neighbours, bond, cluster)
            if ghost > 0 and spin[cluster[0]] != favoured:
                tied = False
                for _member in range(size):
                    tied |= next_word(state) < ghost
                if tied:
                    for member in range(size):
                        spin[cluster[member]] = favoured
