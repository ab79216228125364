"""A training's progress bar, in a terminal or a notebook, and an interrupt that keeps what was learned."""

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from tqdm.auto import tqdm

from galvanic.results import Control, Difficulty, Hooks, Progress, Sample
from galvanic.units import bits, duration, written


class Bar(Hooks):
    """A progress bar with samples above it. Within its context, the first interrupt asks for `at_interrupt`; the second
    raises KeyboardInterrupt."""

    def __init__(self, at_interrupt: Control) -> None:
        self._at_interrupt = at_interrupt
        self._requested: Control | None = None
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # The words come after the bar, since their length changes.
        self._bar: Any = tqdm(total=1.0, bar_format="{percentage:3.0f}% |{bar:24}| {desc}", file=sys.stderr)
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.close()
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def progress(self, event: Progress) -> None:
        self._bar.n = event.done
        parts: list[str] = [event.doing] if event.doing != "learning" else []
        parts += [f"epoch {event.epoch} step {event.step}/{event.steps}"]
        if event.heldout_loss is not None:
            parts += [f"unseen text {bits(event.heldout_loss)}"]
        elif event.train_loss is not None:
            parts += [f"its own text {bits(event.train_loss)}"]
        parts += [f"{event.chars_per_s:,.0f} chars/s"] if event.chars_per_s is not None else []
        parts += [f"{duration(event.eta_s)} left"] if event.eta_s is not None else []
        self._bar.set_description_str(", ".join(parts), refresh=False)
        self._bar.refresh()

    def sample(self, event: Sample) -> None:
        when = written(event, "the model it starts from")
        self._bar.write(f"\n--- {when} ---\n{event.text}\n", file=sys.stderr)

    def trouble(self, what: Difficulty | None) -> None:
        message = "Saved: there is room again." if what is None else "The disk is full. Make room; I go on meanwhile."
        self._bar.write(message, file=sys.stderr)

    def control(self) -> Control | None:
        return self._requested

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        if self._requested:
            raise KeyboardInterrupt
        self._requested = self._at_interrupt
