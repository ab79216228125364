"""Models kept in memory between requests."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.settings import Settings
from worker.store import ModelStore

if TYPE_CHECKING:
    from worker.model.generate import TextModel


@dataclass
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    model: TextModel | None = None


class WarmModels:
    """The most recently used models, at most `Settings.warm_models` of them. Safe between threads."""

    def __init__(self, settings: Settings) -> None:
        self._store = ModelStore(settings)
        self._limit = settings.warm_models
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, model_id: str) -> Iterator[TextModel]:
        """Lend a model to one caller at a time, loading it first if need be.

        Raises:
            UserError: the store has no such model, or its files are damaged.
        """
        from worker.model.generate import load_model

        with self._lock:
            slot = self._slots.setdefault(model_id, _Slot())
            self._slots.move_to_end(model_id)
            while len(self._slots) > self._limit:
                self._slots.popitem(last=False)
        with slot.lock:
            if slot.model is None:
                slot.model = load_model(self._store.fetch(model_id))
            yield slot.model
