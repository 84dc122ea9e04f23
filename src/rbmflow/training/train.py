"""Training of one machine, and of many of one shape at once, by stochastic gradient ascent of the log-likelihood."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int8

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import AnyKey, Configurations, keys_of, rows_of, shape_in, states_in
from rbmflow._own_settings import own_settings
from rbmflow.model import Model
from rbmflow.random import key_for, split
from rbmflow.rbm import RBM, on_lattice
from rbmflow.settings import (
    CodeName,
    EstimatorName,
    MachineSettings,
    OptimiserName,
    ScheduleName,
    TrainingSettings,
    UnitsName,
)
from rbmflow.symmetry import Symmetries
from rbmflow.training.estimator import Estimator, centred, estimator_of
from rbmflow.training.fit import Fit, FitState
from rbmflow.training.history import (
    MOST_TURNED,
    Epochs,
    History,
    held_out,
    pseudo_likelihood,
    read_checkpoints,
    some_of,
)
from rbmflow.training.natural import natural
from rbmflow.training.optimiser import optimiser_of
from rbmflow.training.ptt import TemperedChains


def step_divergence(before: RBM, after: RBM, visible: Float[Array, "sample visible"]) -> Float[Array, ""]:
    r"""Divergence of one machine from another in nats, over configurations that the first one draws.

    .. math:: D(p \| p') = \ln \langle e^{F - F'} \rangle - \langle F - F' \rangle

    A. Muntoni, A. Pagnani, M. Weigt, F. Zamponi, BMC Bioinformatics 22, 528 (2021), arXiv:2109.04105 (adabmDCA, which
    takes steps by it).
    """
    gain = before.free_energy(visible) - after.free_energy(visible)
    return jax.nn.logsumexp(gain) - jnp.log(len(gain)) - jnp.mean(gain)


def within[C](limit: float, nats: Float[Array, ""], change: C) -> C:
    """A change that moves a distribution by these nats, made so short that it moves it by about the limit at most."""
    # The divergence of a short step goes with its square.
    share = jnp.sqrt(limit / jnp.maximum(nats, limit))
    return jax.tree.map(lambda leaf: share * leaf, change)


def step_acceptance(before: RBM, after: RBM, visible: Float[Array, "sample visible"]) -> Float[Array, ""]:
    r"""Mean acceptance of swaps between chains of two machines, over configurations that the first one draws.

    .. math:: \langle \min(1, e^{g(v) - g(v')}) \rangle_{v \sim p,\, v' \sim p'}
        = \frac{\langle \min(e^{g(v)}, e^{g(v')}) \rangle_{v, v' \sim p}}{\langle e^g \rangle_p}, \qquad g = F - F',

    the mean of `tempering.swap_probability`: 1 where the machines are one, and 0 where none of the configurations is
    as probable in both. The mean goes over all pairs of different configurations.
    """
    weight = jnp.sort(jax.nn.softmax(before.free_energy(visible) - after.free_energy(visible)))
    # Each is the smaller one of as many pairs as there are larger ones.
    pairs = jnp.arange(len(weight) - 1, -1, -1)
    return 2 * jnp.sum(pairs * weight) / (len(weight) - 1)


class Training(Fit[TrainingSettings]):
    """The ascent of the log-likelihood by an estimator of its gradient, and what its machines are looked at with."""

    estimator: Estimator
    machine: MachineSettings = eqx.field(static=True)
    unseen: Int8[Array, "other visible"]
    shape: tuple[int, ...] | None = eqx.field(static=True)
    states: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        data: Configurations,
        machine: MachineSettings,
        settings: TrainingSettings,
        estimator: Estimator | None = None,
        model: Model | None = None,
    ) -> Training:
        """Training on configurations in any form, by the estimator that the settings name if none is given."""
        if settings.centred and not machine.biases:
            allowed = "a centred gradient changes the biases, so machine.biases must be true"
            raise InvalidInput(Problem("centred", settings.centred, allowed))
        parts = held_out(np.asarray(rows_of(data)), settings.held_out, settings.patience)
        samples, unseen = map(jax.device_put, parts)
        own = estimator or estimator_of(settings)
        moved = Symmetries.asked(settings.symmetries, model, data, parts[0])
        return cls(samples, settings, own, machine, unseen, shape_in(data), states_in(data), symmetries=moved)

    @property
    def optimiser(self) -> optax.GradientTransformation:
        """That of the settings."""
        return optimiser_of(self.settings, self.updates)

    @property
    def kept_at(self) -> tuple[int, ...]:
        """Update 0, then at most so many as the settings say less one, spaced evenly in the logarithm."""
        spaced = np.rint(np.geomspace(self.updates, 1, self.settings.checkpoints - 1)).astype(int)
        return (0, *sorted(set(spaced.tolist())))

    def start(self, key: AnyKey) -> FitState:
        """State before the first update: random weights and freshly seeded generators."""
        for_weights, for_chains, for_order = split(key_for(key, "train"), 3)
        untrained = RBM.random(for_weights, self.samples.shape[1], self.machine, self.states)
        return self.begin(for_order, untrained, self.estimator.start(for_chains, untrained, self.settings.batch))

    def downhill(self, learner: RBM, chains: Any, batch: Int8[Array, "sample visible"], update: Array) -> Any:
        """The gradient of minus the log-likelihood, and the fraction of changed units."""
        del update
        visible = learner.units.from_spins(batch)
        chains, gradient, changed = self.estimator.gradient(learner, chains, visible)
        if self.settings.centred:
            gradient = centred(learner, gradient, visible)
        if self.settings.optimiser == "natural":
            drawn = jnp.concatenate([visible, self.estimator.drawn(chains, visible)])
            gradient = natural(learner, gradient, drawn, self.machine.biases)
        if not self.machine.biases:
            still = (jnp.zeros_like(gradient.visible_bias), jnp.zeros_like(gradient.hidden_bias))
            gradient = eqx.tree_at(lambda g: (g.visible_bias, g.hidden_bias), gradient, still)
        return chains, jax.tree.map(jnp.negative, gradient), changed

    def shortened(self, learner: RBM, chains: Any, batch: Int8[Array, "sample visible"], change: RBM) -> RBM:
        """The change, so much shorter that it moves the machine by no more than `kl_limit`."""
        limit = self.settings.kl_limit
        if not limit:
            return change
        drawn = self.estimator.drawn(chains, learner.units.from_spins(batch))
        return within(limit, step_divergence(learner, eqx.apply_updates(learner, change), drawn), change)

    @property
    def rejects(self) -> bool:
        """Whether the settings have a least acceptance."""
        return self.settings.swap_limit > 0

    def accepts(self, learner: RBM, chains: Any, batch: Int8[Array, "sample visible"], change: RBM) -> Array:
        """Whether swaps between the machines before and after are accepted as often as `swap_limit`; NaN is not."""
        drawn = self.estimator.drawn(chains, learner.units.from_spins(batch))
        return step_acceptance(learner, eqx.apply_updates(learner, change), drawn) >= self.settings.swap_limit

    @property
    def patience(self) -> int:
        """That of the settings."""
        return self.settings.patience

    def score(self, learner: RBM) -> Array:
        """Pseudo-likelihood of some of the held-out configurations."""
        return pseudo_likelihood(learner, learner.units.from_spins(some_of(self.unseen, MOST_TURNED)))

    def seen(self, learner: RBM, means: Array) -> Epochs:
        """See `History`."""
        return Epochs(means, jnp.sqrt(jnp.mean(learner.weights**2)), jnp.max(jnp.abs(learner.weights)))

    def finished(self, state: FitState, seen: list[Epochs]) -> tuple[RBM, History]:
        """Trained machine and history of a training that has gone through these epochs."""
        last = int(state.updates)
        # Epochs of the last chunk after a plateau did nothing.
        joined = jax.tree.map(lambda *parts: np.concatenate(parts)[: last // self.batches], *seen)
        updates = (*(update for update in self.kept_at if update < last), last)
        machines = jax.tree.map(lambda rows: jax.device_put(np.asarray(rows)[: len(updates)]), state.kept)
        read = read_checkpoints(updates, machines, self.samples, self.unseen)
        tempered = state.chains.trajectory(state.learner) if isinstance(state.chains, TemperedChains) else None
        curves = joined.reconstruction, joined.weight_norm, joined.largest_weight
        halvings = 0 if state.halvings is None else int(state.halvings)
        history = History(*curves, read, tempered, self.settings.epochs, bool(self.stopped(state)), halvings)
        return on_lattice((jax.device_put(state.learner), history), self.shape)


@own_settings
def train(
    key: AnyKey,
    data: Configurations,
    *,
    hidden: int = 64,
    epochs: int = 100,
    batch: int = 100,
    learning_rate: float = 0.01,
    steps: int = 1,
    estimator: EstimatorName | Estimator = "CD",
    rungs: int = 24,
    swap_acceptance: float = 0.25,
    centred: bool = False,
    optimiser: OptimiserName = "sgd",
    schedule: ScheduleName = "constant",
    weight_decay: float = 0.0,
    l1_penalty: float = 0.0,
    held_out: float = 0.0,
    checkpoints: int = 16,
    kl_limit: float = 0.0,
    swap_limit: float = 0.0,
    patience: int = 0,
    symmetries: Model | None = None,
    units: UnitsName = "-1/+1",
    code: CodeName = "one-hot",
    biases: bool = False,
    initial_scale: float = 0.1,
    progress: Callable[[float], None] | None = None,
) -> tuple[RBM, History]:
    """Train a machine by stochastic gradient ascent of its log-likelihood, by default CD-1.

    Parameters
    ----------
    key
        The same key gives the same machine, bit for bit, on the same device. Machines of other data or settings that
        are trained with one key share their first weights and random numbers; take a key for each.
    data : [..., lattice ...] or [sample, site]
        Configurations: `Draws` of any model, whose lattice and states the machine has then, or arrays and rows of
        -1/+1; draws of all temperatures are taken together.
    hidden, units, biases, initial_scale, code
        The machine, see `MachineSettings`.
    epochs, batch, learning_rate, steps, estimator, rungs, swap_acceptance, centred, optimiser, schedule, \
    weight_decay, l1_penalty, held_out, checkpoints, kl_limit, swap_limit, patience
        The training, see `TrainingSettings`. The estimator is a name, or a value such as `CD(10)` with `steps`,
        `rungs` and `swap_acceptance` of its own.
    symmetries
        A model of which every configuration of a batch is moved by a symmetry drawn at random: a translation, rotation
        or reflection of its lattice, and a permutation of its states. The data then count many times over.
    progress
        Called between chunks with the fraction done.

    Returns
    -------
    machine, history
        `history.flags` says whether the weights diverged or saturated, updates were rejected, or the training ended
        before all epochs.

    Raises
    ------
    InvalidInput
        If a setting or the data cannot be used.
    Interrupted
        On Ctrl-C, with the machine and the history of the epochs that were done.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> for_draws, for_training = jax.random.split(jax.random.key(0))
    >>> draws = rf.sample(for_draws, rf.ising(rf.square(4)), temperatures=[2.0], draws=200)
    >>> machine, history = rf.train(for_training, draws, hidden=8, epochs=2)
    >>> machine.weights.shape
    (16, 8)
    """
    problems = Problems()
    problems.function("progress", progress, "the fraction done")
    problems.done()
    own = estimator if isinstance(estimator, Estimator) else None
    named: dict[str, Any] = {"estimator": estimator, "steps": steps, "rungs": rungs, "swap_acceptance": swap_acceptance}
    if own is not None:
        named |= {"estimator": "CD", **own.settings}
    of_training = TrainingSettings(
        **named,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        centred=centred,
        optimiser=optimiser,
        schedule=schedule,
        weight_decay=weight_decay,
        l1_penalty=l1_penalty,
        held_out=held_out,
        checkpoints=checkpoints,
        kl_limit=kl_limit,
        swap_limit=swap_limit,
        patience=patience,
        symmetries=symmetries is not None,
    )
    of_machine = MachineSettings(hidden, units, biases, initial_scale, code)
    training = Training.of(data, of_machine, of_training, own, symmetries)
    return training.whole(training.start(key), training.finished, progress)


class Ensemble(eqx.Module):
    """One pass of every machine through the training set, a step of the chunked driver."""

    training: Training

    def __call__(self, states: FitState) -> tuple[FitState, Any]:
        """States after the epoch, and what was seen of each."""
        # The number of updates is the same for all and stays a scalar, so that loops keep their plain bounds.
        axes = eqx.tree_at(lambda at: at.updates, jax.tree.map(lambda _: 0, states), None)
        return eqx.filter_vmap(self.training, in_axes=(axes,), out_axes=(axes, eqx.if_array(0)))(states)


def together(states: Sequence[FitState]) -> FitState:
    """States of one shape in one, with a leading axis on every array but the number of updates."""
    whole = jax.tree.map(lambda *leaves: jax.device_put(np.stack(leaves)), *states)
    return eqx.tree_at(lambda at: at.updates, whole, states[0].updates)


@own_settings
def train_ensemble(
    keys: Iterable[AnyKey],
    data: Configurations,
    machine: MachineSettings | None = None,
    training: TrainingSettings | None = None,
    model: Model | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> list[tuple[RBM, History]]:
    """Train one machine for every key, all at once, as `train` does one by one.

    The machines differ from those of `train` by rounding alone, which training amplifies: they are the same for some
    tens of updates, and draws from the same distribution of machines after that. On a CPU nothing is gained over one
    process a core. Data, machine and training are the same for all; what is returned is in the order of the keys.
    The model is needed where the training goes by its symmetries.

    Raises
    ------
    InvalidInput
        As `train`, or if there are no keys.
    Interrupted
        As `train`.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from rbmflow.settings import MachineSettings, TrainingSettings
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> settings = MachineSettings(hidden=2), TrainingSettings(epochs=1, batch=5)
    >>> len(train_ensemble(list(keys), np.ones((10, 4), np.int8), *settings))
    3
    """
    of_machine, of_training = machine or MachineSettings(), training or TrainingSettings()
    problems = Problems()
    problems.kind("machine", of_machine, MachineSettings, "MachineSettings(...)")
    problems.kind("training", of_training, TrainingSettings, "TrainingSettings(...)")
    problems.function("progress", progress, "the fraction done")
    problems.done()
    told = "machines that are trained at once all go on to the end, so it must be 0"
    Problems.only(of_training.patience == 0, "patience", of_training.patience, told)
    trained = Training.of(data, of_machine, of_training, model=model)
    states = together([trained.start(key) for key in keys_of(keys)])

    def finish(states: FitState, seen: list[Epochs]) -> list[tuple[RBM, History]]:
        # On the host a row of an array costs nothing; chains are large and left where nothing is read from them.
        chains = states.chains if isinstance(states.chains, TemperedChains) else ()
        states = FitState(states.learner, (), chains, states.order, states.updates, states.kept, None, states.halvings)
        states, seen = jax.device_get((states, seen))

        def alone(number: int) -> tuple[RBM, History]:
            state = jax.tree.map(lambda leaf: leaf[number] if leaf.ndim else leaf, states)
            return trained.finished(state, jax.tree.map(lambda leaf: leaf[:, number], seen))

        return [alone(number) for number in range(len(states.order.keys))]

    return trained.whole(states, finish, progress, Ensemble(trained))
