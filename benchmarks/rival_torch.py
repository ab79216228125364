"""PyTorch's side of the comparison, in a process and an environment of its own; imports nothing of Galvanic.

Reads one JSON object for each line of standard input and answers each with one line:
the shape of the network first, then turns: `{"steps": 4, "bfloat16": false}` -> `{"seconds": [...]}`, or, where the
shape says what it `learns`, `{"rates": [...], "offset": 0, "bfloat16": false}` -> `{"seconds": 9.5, "heldout": 1.7}`.
"""

import contextlib
import json
import os
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import nn

LEAD_IN = 128
HELDOUT_STREAMS = 32


class Network(nn.Module):  # type: ignore[misc]  # PyTorch is not installed beside mypy
    """Embedding, LSTM layers of one width, output layer. Time comes first, PyTorch's own order."""

    def __init__(self, shape: dict[str, Any]) -> None:
        super().__init__()
        units = shape["units"]
        if len(set(units)) != 1:
            raise ValueError("layers of different widths are not one nn.LSTM")
        self.embedding = nn.Embedding(shape["vocabulary"], shape["embedding"])
        self.lstm = nn.LSTM(shape["embedding"], units[0], num_layers=len(units))
        self.output = nn.Linear(units[0], shape["vocabulary"])

    def forward(self, ids: torch.Tensor, states: Any) -> Any:
        """[time, batch] -> logits [time, batch, vocabulary], states."""
        outputs, states = self.lstm(self.embedding(ids), states)
        return self.output(outputs), states


class Trainer:
    """One training step after the other: state carried along, AdamW, gradients clipped."""

    def __init__(self, shape: dict[str, Any]) -> None:
        torch.manual_seed(0)
        self.shape = shape
        self.network = Network(shape)
        self.ids = torch.randint(0, shape["vocabulary"], (shape["length"] + 1, shape["batch"]))
        self.optimizer = _adamw(self.network.parameters(), shape)
        self.states: Any = None

    def step(self, bfloat16: bool) -> float:
        """Make a step; return its seconds."""
        begun = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        with _precision(bfloat16):
            logits, states = self.network(self.ids[:-1], self.states)
            flat = logits.reshape(-1, self.shape["vocabulary"]).float()
            loss = nn.functional.cross_entropy(flat, self.ids[1:].reshape(-1))
        loss.backward()
        if self.shape["clip"]:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.shape["clip"])
        self.optimizer.step()
        self.states = tuple(state.detach() for state in states)
        loss.item()
        return time.perf_counter() - begun


class Learner:
    """Learns a text as Galvanic's trainer does: from the same weights, with the same dropout and the same updates.

    The arithmetic of the LSTM is that of `nn.LSTM` (`torch.lstm`, which it calls), so that its recurrent weights can
    be dropped. `learns` has the files `ids` and `heldout` (.npy), `weights` (.npz, by Keras' names), and the shares
    `input_dropout`, `dropout` and `recurrent_weight_dropout`.
    """

    def __init__(self, shape: dict[str, Any]) -> None:
        torch.manual_seed(0)
        self.shape, self.learns = shape, shape["learns"]
        self.ids, self.heldout = (
            torch.from_numpy(np.load(self.learns[name]).astype(np.int64)) for name in ("ids", "heldout")
        )
        arrays = np.load(self.learns["weights"])

        def weight(name: str, turned: bool = False) -> torch.Tensor:
            array = torch.from_numpy(arrays[name])
            return (array.T.contiguous() if turned else array).requires_grad_()

        # Gates stand in the same order in both libraries; the second bias of PyTorch's adds nothing.
        self.embedding = weight("embedding/embeddings")
        self.kernel = weight("lstm_0/lstm_cell/kernel", turned=True)
        self.recurrent = weight("lstm_0/lstm_cell/recurrent_kernel", turned=True)
        self.bias = weight("lstm_0/lstm_cell/bias")
        self.no_bias = torch.zeros_like(self.bias)
        self.output, self.output_bias = weight("output/kernel", turned=True), weight("output/bias")
        decayed = [self.kernel, self.recurrent, self.output]
        others = [self.embedding, self.bias, self.output_bias]
        self.weights = [*decayed, *others]
        groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = _adamw(groups, shape, eps=1e-7)  # Keras' epsilon

    def epoch(self, rates: list[float], offset: int, bfloat16: bool) -> tuple[float, float]:
        """Learn an epoch, with a learning rate for each step; return its seconds and the held-out loss after it.

        `offset`: place in the text where the first of the streams begins.
        """
        begun = time.perf_counter()
        batch, length = self.shape["batch"], self.shape["length"]
        starts = offset + torch.arange(batch) * (len(self.ids) // batch)
        states = self._zeros(batch)
        for index, rate in enumerate(rates):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            places = starts + index * length + torch.arange(length + 1)[:, None]
            shown = self.ids[places % len(self.ids)]
            self.optimizer.zero_grad(set_to_none=True)
            with _precision(bfloat16):
                logits, states = self._read(shown[:-1], states, training=True)
                flat = logits.reshape(-1, self.shape["vocabulary"]).float()
                loss = nn.functional.cross_entropy(flat, shown[1:].reshape(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(self.weights, self.shape["clip"])
            self.optimizer.step()
            states = tuple(state.detach() for state in states)
            loss.item()
        return time.perf_counter() - begun, self._judge()

    def _read(self, ids: torch.Tensor, states: Any, training: bool) -> Any:
        """[time, batch] -> logits [time, batch, vocabulary], states. One mask a stream and call, as Galvanic's."""

        def masked(values: torch.Tensor, share: float) -> torch.Tensor:
            mask = torch.ones_like(values[:1]) if values.dim() > 2 else torch.ones_like(values)
            return values * nn.functional.dropout(mask, share) if training and share else values

        inputs = masked(nn.functional.embedding(ids, self.embedding), self.learns["input_dropout"])
        recurrent = masked(self.recurrent, self.learns["recurrent_weight_dropout"])
        weights = [self.kernel, recurrent, self.bias, self.no_bias]
        outputs, *states = torch.lstm(inputs, states, weights, True, 1, 0.0, training, False, False)
        outputs = masked(outputs, self.learns["dropout"])
        return nn.functional.linear(outputs, self.output, self.output_bias), states

    def _judge(self) -> float:
        """Return the held-out loss, in parallel streams with a lead-in that is not scored."""
        each = (len(self.heldout) - LEAD_IN - 1) // HELDOUT_STREAMS
        places = torch.arange(HELDOUT_STREAMS) * each + torch.arange(LEAD_IN + each + 1)[:, None]
        shown = self.heldout[places]
        with torch.no_grad():
            logits, _ = self._read(shown[:-1], self._zeros(HELDOUT_STREAMS), training=False)
        scored = logits[LEAD_IN:].reshape(-1, self.shape["vocabulary"])
        return float(nn.functional.cross_entropy(scored, shown[LEAD_IN + 1 :].reshape(-1)))

    def _zeros(self, streams: int) -> Any:
        return tuple(torch.zeros(1, streams, self.shape["units"][0]) for _ in range(2))


def _precision(bfloat16: bool) -> Any:
    return torch.autocast("cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext()


def _adamw(parameters: Any, shape: dict[str, Any], **settings: float) -> torch.optim.Optimizer:
    settings |= {"lr": shape["learning_rate"], "weight_decay": shape["weight_decay"]}
    return torch.optim.AdamW(parameters, fused=True, **settings)


def main() -> None:
    """Answer until standard input ends."""
    # Answers get a descriptor of their own, so that a library's output can't come between them.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    shape = json.loads(sys.stdin.readline())
    torch.set_num_threads(shape["threads"])
    # A state of bfloat16 does not go into a float32 step: each precision has its own.
    trainers = {precision: Trainer(shape) for precision in (False, True)}
    learner = Learner(shape) if shape.get("learns") else None
    for line in sys.stdin:
        turn = json.loads(line)
        try:
            answer: dict[str, Any]
            if "rates" in turn:
                assert learner is not None
                seconds, heldout = learner.epoch(**turn)
                answer = {"seconds": seconds, "heldout": heldout}
            else:
                trainer = trainers[turn["bfloat16"]]
                answer = {"seconds": [trainer.step(turn["bfloat16"]) for _ in range(turn["steps"])]}
        except (RuntimeError, TypeError) as error:
            answer = {"error": str(error).splitlines()[0]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
