"""PyTorch's side of the comparison, in a process and an environment of its own; imports nothing of Galvanic.

Reads one JSON object for each line of standard input and answers each with one line:
the shape of the network first, then turns: `{"steps": 4, "bfloat16": false}` -> `{"seconds": [...]}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import Any

import torch
from torch import nn


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
        self.optimizer = _adamw(self.network, shape)
        self.states: Any = None

    def step(self, bfloat16: bool) -> float:
        """Seconds that it took."""
        begun = time.perf_counter()
        autocast = torch.autocast("cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext()
        self.optimizer.zero_grad(set_to_none=True)
        with autocast:
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


def _adamw(network: nn.Module, shape: dict[str, Any]) -> torch.optim.Optimizer:
    settings = {"lr": shape["learning_rate"], "weight_decay": shape["weight_decay"]}
    try:
        return torch.optim.AdamW(network.parameters(), fused=True, **settings)
    except (RuntimeError, TypeError):  # fused on the CPU came with PyTorch 2.4
        return torch.optim.AdamW(network.parameters(), **settings)


def main() -> None:
    """Answer until standard input ends."""
    # What a library prints is not to get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    shape = json.loads(sys.stdin.readline())
    torch.set_num_threads(shape["threads"])
    # A state of bfloat16 does not go into a float32 step: each precision has its own.
    trainers = {precision: Trainer(shape) for precision in (False, True)}
    for line in sys.stdin:
        turn = json.loads(line)
        try:
            trainer = trainers[turn["bfloat16"]]
            answer: dict[str, Any] = {"seconds": [trainer.step(turn["bfloat16"]) for _ in range(turn["steps"])]}
        except (RuntimeError, TypeError) as error:
            answer = {"error": str(error).splitlines()[0]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
