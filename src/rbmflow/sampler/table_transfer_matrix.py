"""Exact independent configurations of any model whose slices have few states, by its transfer matrix."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int8

from rbmflow.exact.slice_transfer import SliceTransfer, coldest, diagonal, no_slices, slice_states, slice_transfer
from rbmflow.model import Model
from rbmflow.sampler.method import ExactMethod

BLOCK_ENTRIES = 32_000_000
"""Weights that are in memory at a time, in 8 bytes each, beside the matrix."""


@dataclass(frozen=True)
class TableTransferMatrix(ExactMethod):
    r"""Draw whole configurations of a model that is a table from the Boltzmann distribution, without a Markov chain.

    With M the matrix of `exact.slice_transfer` and L slices, the first slice and then every further one are drawn from

    .. math:: p(a_1) \propto (M^L)_{a_1 a_1}, \qquad
        p(a_{k+1} \mid a_k, a_1) \propto M_{a_k a_{k+1}} (M^{L - k})_{a_{k+1} a_1}.

    A slice, across the longest side of the lattice, may have at most 4096 states: 12 Ising spins, 7 three-state Potts
    spins, 6 of four states. No bond may lead beyond the next slice. Arithmetic is float64.
    """

    name = "table-transfer-matrix"

    def refusal(self, model: Model) -> str | None:
        """That a slice has too many states, or bonds lead beyond the next one, or None."""
        return no_slices(model)

    def seconds(self, model: Model, temperature: float, draws: int) -> float:
        """Rough CPU time of draws at one temperature; infinite where weights underflow."""
        if temperature < coldest(model):
            return float("inf")
        slices, states = max(model.lattice.cells), slice_states(model)
        columns = min(draws, states)
        powers = states**2 * (slices.bit_length() * states + slices * columns)
        return 3e-11 * powers + 5e-9 * slices * states * draws

    def draw(
        self, generator: np.random.Generator, model: Model, temperature: float, draws: int
    ) -> Int8[np.ndarray, "draw *lattice"]:
        """Independent configurations at one temperature in J/k_B, neither 0 nor infinity.

        Raises
        ------
        InvalidInput
            If a slice has too many states, bonds lead beyond the next one, or the temperature is so low that weights
            underflow.
        """
        transfer = slice_transfer(model)
        weights = transfer.weights(temperature)
        loops = diagonal(weights, len(transfer.sites))[1]
        first = np.sort(generator.choice(loops.size, draws, p=loops / loops.sum()))
        spins = np.empty((draws, model.lattice.sites), np.int8)
        block = max(1, BLOCK_ENTRIES // (len(transfer.sites) * loops.size))
        for start in range(0, draws, block):
            states = _given_first(generator, transfer, weights, first[start : start + block])
            labels = np.array(model.states, np.int8)[transfer.places[states]]
            spins[start : start + block, transfer.sites] = labels
        return generator.permutation(spins).reshape(draws, *model.lattice.shape)


def _given_first(
    generator: np.random.Generator, transfer: SliceTransfer, weights: np.ndarray, first: Int[np.ndarray, " draw"]
) -> Int[np.ndarray, "draw slice"]:
    """States of all slices of configurations whose first ones are given."""
    columns, which = np.unique(first, return_inverse=True)
    ahead = [weights[:, columns]]
    for _ in range(len(transfer.sites) - 2):
        further = weights @ ahead[-1]
        ahead.append(further / further.max(axis=0))
    states = [first]
    for to_come in reversed(ahead):
        cumulated = np.cumsum(weights[states[-1]] * to_come[:, which].T, axis=1)
        uniform = generator.random(len(first)) * cumulated[:, -1]
        states.append((cumulated <= uniform[:, None]).sum(axis=1))
    return np.stack(states, axis=1)
