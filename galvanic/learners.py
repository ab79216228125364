"""One step of learning, for each kind of network, and the held-out loss. With TensorFlow.

`StreamsLearner` trains an LSTM that reads the text with carried state: AdamW, truncated back-propagation through time.
`WindowsLearner` trains the tutorial's network on windows of 100 characters: Adam. `interpolate` improves finished
weights by the held-out loss. Losses are means in nats per symbol.
"""

import functools
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from galvanic.checkpoint import Arrays, grouped, within
from galvanic.network import build, get_weights, set_weights
from galvanic.plan import Plan, Weights, join_members, split_members
from galvanic.text import Prepared
from galvanic.text.classic import windows
from galvanic.text.vocabulary import symbol_counts

Tensor = Any
HELDOUT_STREAMS, JUDGED_LENGTH = 32, 64  # streams that the held-out part is read in, and symbols read at a time
_JUDGED_AT_ONCE = 16_000_000  # probabilities computed at a time, at most: with many symbols, fewer places
LEAD_IN = 128  # symbols read, unscored, before each held-out stream, so that it does not begin from a zero state


class Learner(ABC):
    """A network, its data and its optimiser. An ensemble's members learn from the same batches, each with its own."""

    steps: int  # in an epoch

    def __init__(self, plan: Plan, prepared: Prepared, random_seed: int, make_optimizer: Callable[[], Any]) -> None:
        self.plan = plan
        self.prepared = prepared
        self.random_seed = random_seed
        seeds = [(random_seed + 7919 * index) % 2**31 for index in range(plan.network.members)]
        self.models = [build(plan.network, seed, plan.precision) for seed in seeds]
        self.optimizers = [make_optimizer() for _ in seeds]
        for model, optimizer in zip(self.models, self.optimizers, strict=True):
            optimizer.build(model.trainable_variables)
        # Compiled by XLA: one pass over each weight and its moments.
        self._update = [
            tf.function(functools.partial(self._clip_and_apply, index), jit_compile=True, autograph=False)
            for index in range(len(seeds))
        ]

    @abstractmethod
    def begin_epoch(self, epoch: int) -> None:
        """Order the data for an epoch (from 1). The order depends on the epoch and the random seed alone."""

    @abstractmethod
    def step(self, index: int, rate: float) -> tuple[float, int]:
        """Learn from batch `index` at this learning rate; return its mean loss and its number of predictions."""

    def heldout(self, poll: Callable[[], object]) -> float | None:
        """Return the mean loss on the held-out part; None if nothing is held out. It calls `poll` now and then."""
        total, number = 0.0, 0
        for log_probs, places in self.heldout_predictions(poll):
            targets = self.prepared.ids[places]
            total -= float(log_probs[np.arange(len(places)), targets].sum(dtype=np.float64))
            number += len(places)
        return total / number if number else None

    def heldout_predictions(self, poll: Callable[[], object]) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:  # noqa: ARG002
        """Predict the held-out part, in several parts; nothing if nothing is held out.

        Yields log probabilities [places, symbols] and the places in the text [places].
        """
        yield from ()

    def weights(self) -> Weights:
        """Return copies of all weights, by name."""
        return join_members(self.plan.network, [get_weights(model) for model in self.models])

    def set_weights(self, weights: Weights) -> None:
        """Go on from these weights."""
        for model, own in zip(self.models, split_members(self.plan.network, weights), strict=True):
            set_weights(model, own)

    def state(self) -> Arrays:
        """Return all that a resumed training needs: weights, optimiser, random and carried states."""
        variables = {group: _numbered(variables) for group, variables in self._variables().items()}
        return grouped(weights=self.weights(), **variables)

    def restore(self, state: Arrays) -> None:
        """Go back to a `state`. Call `begin_epoch` first."""
        self.set_weights(within(state, "weights"))
        for group, variables in self._variables().items():
            arrays = within(state, group)
            for index, variable in enumerate(variables):
                variable.assign(arrays[str(index)])

    def _variables(self) -> dict[str, list[Any]]:
        return {
            "optimizer": [variable for optimizer in self.optimizers for variable in optimizer.variables],
            "random": [variable for model in self.models for variable in model.non_trainable_variables],
        }

    def _set_rate(self, rate: float) -> None:
        for optimizer in self.optimizers:
            optimizer.learning_rate.assign(rate)

    def _apply(self, index: int, tape: Any, loss: Tensor) -> None:
        gradients = tape.gradient(loss, [variable.value for variable in self.models[index].trainable_variables])
        self._update[index]([tf.convert_to_tensor(gradient) for gradient in gradients])

    def _clip_and_apply(self, index: int, gradients: list[Tensor]) -> None:
        if self.plan.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.plan.clip_norm)
        self.optimizers[index].apply(gradients, self.models[index].trainable_variables)


def _numbered(variables: Any) -> Arrays:
    return {str(index): np.array(variable.numpy()) for index, variable in enumerate(variables)}


class WindowsLearner(Learner):
    """Trains the tutorial's network: shuffled windows, one prediction each, Adam (Kingma & Ba 2015)."""

    def __init__(self, plan: Plan, prepared: Prepared, random_seed: int) -> None:
        super().__init__(plan, prepared, random_seed, lambda: keras.optimizers.Adam(plan.learning_rate))
        self._windows = windows(prepared.training)
        self.steps = math.ceil(len(self._windows) / plan.batch)
        signature = (tf.TensorSpec((None, plan.network.window, 1), tf.float32), tf.TensorSpec((None,), tf.int32))
        self._step = tf.function(self._learn, input_signature=signature)

    def begin_epoch(self, epoch: int) -> None:
        self._order = np.random.default_rng((self.random_seed, epoch)).permutation(len(self._windows))

    def step(self, index: int, rate: float) -> tuple[float, int]:
        self._set_rate(rate)
        chosen = self._windows[self._order[index * self.plan.batch : (index + 1) * self.plan.batch]]
        scaled = chosen[:, :-1, None].astype(np.float32) / self.plan.network.vocabulary
        loss = self._step(tf.constant(scaled), tf.constant(chosen[:, -1].astype(np.int32)))
        return float(loss), len(chosen)

    def _learn(self, x: Tensor, y: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            loss = _loss(y, self.models[0](x, training=True))
        self._apply(0, tape, loss)
        return loss


class StreamsLearner(Learner):
    """Trains an LSTM on the text cut into `plan.batch` parallel streams, each of which is read in order.

    A step reads `plan.length` symbols of each stream and carries the LSTM's states into the next step (truncated
    back-propagation through time). The optimiser is AdamW (Loshchilov & Hutter 2019), without decay of biases and
    embeddings.
    """

    def __init__(self, plan: Plan, prepared: Prepared, random_seed: int) -> None:
        def make_optimizer() -> Any:
            optimizer = keras.optimizers.AdamW(plan.learning_rate, weight_decay=plan.weight_decay)
            optimizer.exclude_from_weight_decay(var_names=["bias", "embeddings"])
            return optimizer

        super().__init__(plan, prepared, random_seed, make_optimizer)
        self._predict_frequencies()
        self._ids = prepared.training
        self._stream = len(self._ids) // plan.batch
        self.steps = max(1, (self._stream - 1) // plan.length)
        self.offset = 0  # place in the text where the first stream begins
        self._states: list[list[Tensor]] = []  # for each member: hidden and cell state of each layer
        most = _JUDGED_AT_ONCE // (HELDOUT_STREAMS * plan.network.vocabulary)
        self._length = max(1, min(JUDGED_LENGTH, most))
        self._judged = _heldout_streams(prepared, self._length)
        # The members learn one after the other: together they would push each other's weights out of the cache.
        self._steps = [tf.function(functools.partial(self._learn, index)) for index in range(len(self.models))]
        self._predictions = tf.function(self._predict, reduce_retracing=True)

    def begin_epoch(self, epoch: int) -> None:
        # A random offset, so that steps do not cut the text at the same places in each epoch.
        self.offset = int(np.random.default_rng((self.random_seed, epoch)).integers(0, self._stream))
        self._starts = np.arange(self.plan.batch) * self._stream + self.offset
        self._states = self._zero_states(self.plan.batch)

    def step(self, index: int, rate: float) -> tuple[float, int]:
        self._set_rate(rate)
        places = self._starts[:, None] + index * self.plan.length + np.arange(self.plan.length + 1)
        chosen = self._ids[places % len(self._ids)].astype(np.int32)
        losses: list[float] = []
        for member, learn in enumerate(self._steps):
            loss, self._states[member] = learn(tf.constant(chosen), self._states[member])
            losses.append(float(loss))
        return sum(losses) / len(losses), self.plan.batch * self.plan.length

    def heldout_predictions(self, poll: Callable[[], object]) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        if self._judged is None:
            return
        inputs, counted, places = self._judged
        states = self._zero_states(len(inputs))
        for start in range(0, inputs.shape[1], self._length):
            poll()
            part = slice(start, start + self._length)
            log_probs, states = self._predictions(tf.constant(inputs[:, part]), states)
            chosen = counted[:, part]
            yield log_probs.numpy()[chosen], places[:, part][chosen]

    def state(self) -> Arrays:
        return {**super().state(), **grouped(carried=_numbered(itertools.chain(*self._states)))}

    def restore(self, state: Arrays) -> None:
        super().restore(state)
        carried = within(state, "carried")
        states = [tf.constant(carried[str(index)]) for index in range(len(carried))]
        each = 2 * len(self.plan.network.units)
        self._states = [states[start : start + each] for start in range(0, len(states), each)]

    def _predict_frequencies(self) -> None:
        """Set output biases that predict each symbol's frequency, which a network would learn first."""
        counts = symbol_counts(self.prepared.training, self.plan.network.vocabulary)
        biases = np.log((counts + 0.5) / (counts.sum() + 0.5 * len(counts))).astype(np.float32)
        for model in self.models:
            model.get_layer("output").bias.assign(biases)

    def _zero_states(self, batch: int) -> list[list[Tensor]]:
        return [[tf.zeros((batch, units)) for units in self.plan.network.units for _ in range(2)] for _ in self.models]

    def _learn(self, index: int, chosen: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        with tf.GradientTape() as tape:
            logits, *after = self.models[index]([chosen[:, :-1], *states], training=True)
            loss = _loss(chosen[:, 1:], logits)
        self._apply(index, tape, loss)
        return loss, after

    def _predict(self, inputs: Tensor, states: list[list[Tensor]]) -> tuple[Tensor, list[list[Tensor]]]:
        """Return the members' mean prediction, log probabilities [streams, time, symbols], and their new states."""
        log_probs: list[Tensor] = []
        after: list[list[Tensor]] = []
        for model, own_states in zip(self.models, states, strict=True):
            logits, *new_states = model([inputs, *own_states], training=False)
            log_probs.append(tf.nn.log_softmax(tf.cast(logits, tf.float32)))
            after.append(new_states)
        return tf.reduce_logsumexp(tf.stack(log_probs), 0) - math.log(len(log_probs)), after


def _heldout_streams(prepared: Prepared, length: int) -> tuple[Any, Any, Any] | None:
    """Return inputs, which of the symbols after them are scored, and their places in the text, all [streams, time].

    The streams begin with a lead-in that is not scored. Returns None if nothing is held out.
    """
    amount = len(prepared.heldout)
    if not amount:
        return None
    streams = max(1, min(HELDOUT_STREAMS, amount // (2 * LEAD_IN)))
    each = math.ceil(amount / streams)
    lead = min(LEAD_IN, prepared.learned - 1)
    steps = math.ceil((lead + each) / length) * length
    first = prepared.learned + np.arange(streams)[:, None] * each - lead
    places = first + np.arange(steps)
    offset = np.arange(steps)
    counted = (offset >= lead) & (offset < lead + each) & (places < prepared.learned + amount)
    inputs = prepared.ids[np.minimum(places, len(prepared.ids)) - 1].astype(np.int32)
    return inputs, counted, places


def _loss(targets: Tensor, logits: Tensor) -> Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))


def make_learner(plan: Plan, prepared: Prepared, random_seed: int) -> Learner:
    """Return the learner for the plan's kind of network, with fresh weights."""
    kind = WindowsLearner if plan.network.kind == "windows" else StreamsLearner
    return kind(plan, prepared, random_seed)


def interpolate(
    learner: Learner, weights: Weights, loss: float, start: Weights, judge: Callable[[], float | None]
) -> Weights:
    """Return the best weights on the line from `start`, where the training began, to the learned `weights`.

    It goes back from `weights` in steps of a tenth for as long as the held-out loss falls (Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models"). `loss`: the held-out loss of `weights`, in nats a symbol. `judge`
    returns that of the learner's weights, which are changed.
    """
    best = weights
    for share in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3):
        between = {name: start[name] + np.float32(share) * (weight - start[name]) for name, weight in weights.items()}
        learner.set_weights(between)
        new_loss = judge()
        if new_loss is None or new_loss >= loss:
            break
        best, loss = between, new_loss
    return best
