"""Cluster updates, of 64 replicas in the bits of a word or of labels one by one, compiled for the CPU by numba.

The bonds of all replicas are drawn together, bit by bit. For Wolff the cluster of one site of every replica then
spreads through them, row after row, by bitwise operations; Swendsen-Wang needs all clusters, and labels those of one
replica after another. Spreading is a walk with data-dependent steps: XLA has no form of it that comes within a factor
of five of these loops.

Random words come from xoshiro256++, `LANES` states a word of replicas.

References
----------
D. Blackman, S. Vigna, Scrambled linear pseudorandom number generators, ACM Trans. Math. Softw. 47, 36 (2021),
doi:10.1145/3460772 (xoshiro256++, constants 23, 17, 45).
J. Hoshen, R. Kopelman, Phys. Rev. B 14, 3438 (1976), doi:10.1103/PhysRevB.14.3438 (labels by union of classes).
"""

# numba gives every compiled function its own dynamic type, which no checker follows.
# pyright: basic, reportIndexIssue=false
# Numba compiles the plain functions: `no_type_check` keeps run-time shape checkers from wrapping them.

from typing import no_type_check

import numba  # pyright: ignore[reportMissingImports]
import numpy as np

compiled = numba.njit(cache=True, nogil=True, boundscheck=False)

LANES = 64
NONE = np.uint64(0)
ONE = np.uint64(1)
SETTLED, NEIGHBOUR_GREW, UNFILLED = 0, 1, 2


@compiled
@no_type_check
def advanced(s0, s1, s2, s3):
    """xoshiro256++: 64 random bits, and the next state."""
    total = s0 + s3
    word = ((total << np.uint64(23)) | (total >> np.uint64(41))) + s0
    s2, s3, shifted = s2 ^ s0, s3 ^ s1, s1 << np.uint64(17)
    s1, s0 = s1 ^ s2, s0 ^ s3
    return word, s0, s1, s2 ^ shifted, (s3 << np.uint64(45)) | (s3 >> np.uint64(19))


@compiled
@no_type_check
def word_of(lanes, lane):
    """64 random bits of one lane, whose state advances."""
    word, s0, s1, s2, s3 = advanced(lanes[0, lane], lanes[1, lane], lanes[2, lane], lanes[3, lane])
    lanes[0, lane], lanes[1, lane], lanes[2, lane], lanes[3, lane] = s0, s1, s2, s3
    return word


@compiled
@no_type_check
def thin(words, lanes, digits):
    """Keep every bit that is 1 with the probability of these binary digits, most significant first, in place.

    A random number is compared digit by digit until it differs from the probability, in all bits of a block of words
    together: about 14 digits, however many are given.
    """
    less, undecided = np.empty(LANES, np.uint64), np.empty(LANES, np.uint64)
    for first in range(0, words.size, LANES):
        count = min(LANES, words.size - first)
        for i in range(count):
            less[i] = NONE
            undecided[i] = words[first + i]
        for group in range(0, digits.size, 4):
            left = NONE
            for i in range(count):
                # Four digits at a time: the state of a lane stays in registers meanwhile.
                s0, s1, s2, s3 = lanes[0, i], lanes[1, i], lanes[2, i], lanes[3, i]
                below, equal = less[i], undecided[i]
                for place in range(4):
                    word, s0, s1, s2, s3 = advanced(s0, s1, s2, s3)
                    below |= equal & digits[group + place] & ~word
                    equal &= ~(word ^ digits[group + place])
                lanes[0, i], lanes[1, i], lanes[2, i], lanes[3, i] = s0, s1, s2, s3
                less[i], undecided[i] = below, equal
                left |= equal
            if left == NONE:
                break
        for i in range(count):
            words[first + i] = less[i]


@compiled
@no_type_check
def draw_bonds(spin, lanes, bond, right, down):
    """Bonds of every site to the right and downwards."""
    ly, lx = spin.shape
    for y in range(ly):
        row, below = spin[y], spin[y + 1 if y + 1 < ly else 0]
        for x in range(lx - 1):
            right[y, x] = ~(row[x] ^ row[x + 1])
        right[y, lx - 1] = ~(row[lx - 1] ^ row[0])
        for x in range(lx):
            down[y, x] = ~(row[x] ^ below[x])
    thin(right.ravel(), lanes, bond)
    thin(down.ravel(), lanes, bond)


@compiled
@no_type_check
def _fill_row(here, above, below, from_above, from_below, right, both_ways):
    """Let clusters spread into a row and along it; says whether they grew, and whether they may still grow."""
    last = here.size - 1
    grown, carry = NONE, here[last] & right[last]
    for x in range(here.size):
        before = here[x]
        after = before | carry | (above[x] & from_above[x]) | (below[x] & from_below[x])
        here[x] = after
        grown |= before ^ after
        carry = after & right[x]
    if grown == NONE and not both_ways:
        return False, False
    carry = here[0]
    for x in range(last, -1, -1):
        carry = here[x] | (carry & right[x])
        here[x] = carry
    return True, ((here[0] ^ here[last]) & right[last]) != NONE


@compiled
@no_type_check
def spread(cluster, right, down, state):
    """Let every cluster spread along its bonds until none grows, in sweeps down and up over rows not yet settled."""
    ly = state.size
    state[:] = UNFILLED
    downwards, unsettled = True, True
    while unsettled:
        unsettled = False
        for step in range(ly):
            y = step if downwards else ly - 1 - step
            if state[y] == SETTLED:
                continue
            unsettled = True
            above, below = y - 1 if y > 0 else ly - 1, y + 1 if y + 1 < ly else 0
            rows = cluster[y], cluster[above], cluster[below], down[above], down[y], right[y]
            grown, unfilled = _fill_row(*rows, state[y] == UNFILLED)
            state[y] = UNFILLED if unfilled else SETTLED
            if grown:
                state[above] = max(state[above], NEIGHBOUR_GREW)
                state[below] = max(state[below], NEIGHBOUR_GREW)
        downwards = not downwards


@compiled
@no_type_check
def draw_ends(site, lanes, bond, alike, lines, words, along, across):
    """Bonds between all pairs of `lines`, in its order; then those along every line, and those of every other end.

    They are bonds between equal spins where `alike` has all bits, between unequal ones where it has none.
    """
    starts, ends, which_along, which_across = lines[:4]
    for kind in range(len(starts)):
        row = words[kind]
        for pair in range(row.size):
            row[pair] = alike ^ site[starts[kind, pair]] ^ site[ends[kind, pair]]
        thin(row, lanes, bond)
    # One more word, which is no bond, for what is not there.
    drawn, from_along, from_across = words.ravel(), which_along.ravel(), which_across.ravel()
    drawn[starts.size] = NONE
    flat_along, flat_across = along.ravel(), across.ravel()
    for end in range(flat_along.size):
        flat_along[end] = drawn[from_along[end]]
    for end in range(flat_across.size):
        flat_across[end] = drawn[from_across[end]]


@compiled
@no_type_check
def _fill_line(members, here, along, neighbours, across, reached, both_ways):
    """Let clusters spread into a line and along it; says whether they grew, and whether they may still grow."""
    last = here.size - 1
    reached[:] = here
    for end in range(len(across)):
        there, bonds = neighbours[end], across[end]
        for x in range(here.size):
            reached[x] |= members[there[x]] & bonds[x]
    grown, carry = NONE, here[last] & along[last]
    for x in range(here.size):
        after = reached[x] | carry
        grown |= here[x] ^ after
        here[x] = after
        carry = after & along[x]
    if grown == NONE and not both_ways:
        return False, False
    carry = here[0]
    for x in range(last, -1, -1):
        before = here[x]
        carry = before | (carry & along[x])
        grown |= before ^ carry
        here[x] = carry
    return grown != NONE, ((here[0] ^ here[last]) & along[last]) != NONE


@compiled
@no_type_check
def spread_along(members, lines, along, across, reached, state):
    """As `spread`, along lines; one whose other bonds join sites of its own is filled until it grows no more."""
    neighbours, beside, folded = lines[4:]
    rows = members.reshape(along.shape)
    state[:] = UNFILLED
    downwards, unsettled = True, True
    while unsettled:
        unsettled = False
        for step in range(state.size):
            y = step if downwards else state.size - 1 - step
            if state[y] == SETTLED:
                continue
            unsettled = True
            tables = along[y], neighbours[y], across[y], reached
            grown, unfilled = _fill_line(members, rows[y], *tables, state[y] == UNFILLED)
            state[y] = UNFILLED if unfilled or (grown and folded) else SETTLED
            if grown:
                for other in beside[y]:
                    state[other] = max(state[other], NEIGHBOUR_GREW)
        downwards = not downwards


@compiled
@no_type_check
def seed_clusters(members, lanes):
    """A random site of every replica, alone in its cluster."""
    members[:] = NONE
    for replica in range(64):
        site = ((word_of(lanes, replica) >> np.uint64(32)) * np.uint64(members.size)) >> np.uint64(32)
        members[site] |= ONE << np.uint64(replica)


@compiled
@no_type_check
def turn_clusters(sites, members, ties, lanes, ghost, favoured):
    """Flip the clusters that are not tied to the ghost spin."""
    tied = NONE
    if ghost.size > 0:
        for site in range(members.size):
            ties[site] = members[site] & ~(sites[site] ^ favoured)
        thin(ties, lanes, ghost)
        for site in range(members.size):
            tied |= ties[site]
    for site in range(members.size):
        sites[site] ^= members[site] & ~tied


@compiled
@no_type_check
def wolff(spins, lanes, bond, ghost, favoured, steps):
    """Flip the cluster of one random site of every replica unless it is tied to the ghost spin, in place.

    `spins` is uint64 [word, y, x], `lanes` uint64 [word, 4, lane]; `favoured` has all bits of the spin along the field.
    """
    _, ly, lx = spins.shape
    right, down = np.empty((ly, lx), np.uint64), np.empty((ly, lx), np.uint64)
    cluster, ties = np.empty((ly, lx), np.uint64), np.empty(ly * lx, np.uint64)
    state, members = np.empty(ly, np.int64), cluster.ravel()
    for word in range(len(spins)):
        for _ in range(steps):
            draw_bonds(spins[word], lanes[word], bond, right, down)
            seed_clusters(members, lanes[word])
            spread(cluster, right, down, state)
            turn_clusters(spins[word].ravel(), members, ties, lanes[word], ghost, favoured)


@compiled
@no_type_check
def wolff_along(spins, lanes, bond, ghost, favoured, steps, alike, lines):
    """The same on any lattice, of spins uint64 [word, site]."""
    along, across = np.empty(lines[2].shape, np.uint64), np.empty(lines[3].shape, np.uint64)
    words = np.empty((len(lines[0]) + 1, lines[0].shape[1]), np.uint64)
    members, ties = np.empty(spins.shape[1], np.uint64), np.empty(spins.shape[1], np.uint64)
    state, reached = np.empty(len(along), np.int64), np.empty(along.shape[1], np.uint64)
    for word in range(len(spins)):
        for _ in range(steps):
            draw_ends(spins[word], lanes[word], bond, alike, lines, words, along, across)
            seed_clusters(members, lanes[word])
            spread_along(members, lines, along, across, reached, state)
            turn_clusters(spins[word], members, ties, lanes[word], ghost, favoured)


@compiled
@no_type_check
def _root(parent, site):
    while parent[site] != site:
        parent[site] = parent[parent[site]]
        site = parent[site]
    return site


@compiled
@no_type_check
def label(right, down, replica, parent):
    """Clusters of one replica: afterwards `parent` is the smallest site of each site's cluster."""
    ly, lx = right.shape
    for site in range(parent.size):
        parent[site] = site
    for y in range(ly):
        below = (y + 1 if y + 1 < ly else 0) * lx
        for x in range(lx):
            site = y * lx + x
            if (right[y, x] >> replica) & ONE:
                one, two = _root(parent, site), _root(parent, site + 1 if x + 1 < lx else y * lx)
                parent[max(one, two)] = min(one, two)
            if (down[y, x] >> replica) & ONE:
                one, two = _root(parent, site), _root(parent, below + x)
                parent[max(one, two)] = min(one, two)
    for site in range(parent.size):
        parent[site] = parent[parent[site]]


@compiled
@no_type_check
def swendsen_wang(spins, lanes, bond, ghost, favoured, steps):
    """Flip every cluster not tied to the ghost spin with probability 1/2, in place; arguments as of `wolff`."""
    _, ly, lx = spins.shape
    right, down = np.empty((ly, lx), np.uint64), np.empty((ly, lx), np.uint64)
    coins, ties = np.empty(ly * lx, np.uint64), np.zeros(ly * lx, np.uint64)
    parent = np.empty(ly * lx, np.int64)
    for word in range(len(spins)):
        spin, sites = spins[word], spins[word].ravel()
        for _ in range(steps):
            draw_bonds(spin, lanes[word], bond, right, down)
            for site in range(coins.size):
                coins[site] = word_of(lanes[word], site % LANES)
            if ghost.size > 0:
                for site in range(coins.size):
                    ties[site] = ~(sites[site] ^ favoured)
                thin(ties, lanes[word], ghost)
            for replica in range(64):
                bit = ONE << np.uint64(replica)
                label(right, down, np.uint64(replica), parent)
                if ghost.size > 0:
                    for site in range(coins.size):
                        coins[parent[site]] &= ~(ties[site] & bit)
                for site in range(coins.size):
                    sites[site] ^= coins[parent[site]] & bit


@compiled
@no_type_check
def table_wolff(places, lanes, neighbours, kinds, images, bonds, clusters):
    """Turn the cluster of a random site of every replica by a random reflection, so many times, in place.

    `places` is int8 [replica, site], `images` [reflection, state], `bonds` [reflection, kind, state, state].
    """
    replicas, sites = places.shape
    stack, mark = np.empty(sites, np.int32), np.zeros(sites, np.int64)
    number = 0
    for replica in range(replicas):
        place, lane = places[replica], lanes[replica]
        # In registers, not in memory.
        s0, s1, s2, s3 = lane[0, 0], lane[1, 0], lane[2, 0], lane[3, 0]
        for _ in range(clusters):
            number += 1
            word, s0, s1, s2, s3 = advanced(s0, s1, s2, s3)
            chosen = ((word >> np.uint64(32)) * np.uint64(len(images))) >> np.uint64(32)
            seed = ((word & np.uint64(0xFFFF_FFFF)) * np.uint64(sites)) >> np.uint64(32)
            image, bond = images[chosen], bonds[chosen]
            if image[place[seed]] == place[seed]:
                continue
            stack[0], mark[seed], depth = seed, number, 1
            while depth:
                depth -= 1
                site = np.uint64(stack[depth])
                before = np.uint64(place[site])
                place[site] = image[before]
                for end in range(neighbours.shape[1]):
                    kind, other = kinds[site, end], np.uint64(neighbours[site, end])
                    if kind < 0 or mark[other] == number:
                        continue
                    chance = bond[np.uint64(kind), before, np.uint64(place[other])]
                    if chance > 0:
                        word, s0, s1, s2, s3 = advanced(s0, s1, s2, s3)
                        if (word >> np.uint64(11)) * 2.0**-53 < chance:
                            mark[other] = number
                            stack[depth] = other
                            depth += 1
        lane[0, 0], lane[1, 0], lane[2, 0], lane[3, 0] = s0, s1, s2, s3
