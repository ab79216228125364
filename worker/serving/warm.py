"""Models kept in memory between requests, each of which serves all who wait for it in one pass."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import structlog

from shared.errors import UserError
from shared.jobs import MixPart
from shared.settings import Settings, get_settings
from worker.hardware import cores
from worker.remote import StoreAway
from worker.serving.batcher import Batcher
from worker.store import ModelStore

if TYPE_CHECKING:
    from galvanic.generate import TextModel
    from galvanic.request import WriteRequest
    from galvanic.results import Generation


log = structlog.get_logger()
T = TypeVar("T")
PASSES = 4
"""Passes, or models being loaded, at once; each keeps a core busy."""


class _Slot:
    """A model, loaded when it is first needed."""

    def __init__(self, store: ModelStore, model_id: str, passes: threading.Semaphore) -> None:
        self._store = store
        self._model_id = model_id
        self._passes = passes
        self._lock = threading.Lock()
        self._model: TextModel | None = None
        self.version: str | None = None
        """Of the model in memory, as the store calls it; None: it is not loaded."""
        self.users = 0
        """Requests that wait for it, or work with it."""
        self.batcher: Batcher[WriteRequest, Generation] = Batcher(self._serve, at_once=min(PASSES, cores()))

    def model(self) -> TextModel:
        """The model.

        Raises:
            UserError: the store has no such model, or its file is damaged.
            StoreAway: a remote store cannot be used now.
        """
        from galvanic.generate import load_model

        with self._lock:
            if self._model is None:
                version = self._version()
                with self._store.reading(self._model_id) as path:
                    model = load_model(path)
                model.description.network.check_pace()  # it may have been let in by an older version
                self._model = model
                self.version = version
            return self._model

    def _version(self) -> str:
        try:
            return self._store.version(self._model_id) or ""
        except StoreAway:
            return ""  # should a copy serve meanwhile, it is looked at again when the store is back

    def _serve(self, requests: Sequence[WriteRequest]) -> list[Generation | UserError]:
        with self._passes:
            return self.model().generate_batch(requests)


class WarmModels:
    """The most recently used models, at most `Settings.warm_models` of them. Safe between threads.

    One that somebody waits for stays beyond that: without it the next request would load it a second time.
    """

    def __init__(self, settings: Settings) -> None:
        self.store = ModelStore(settings)
        self._limit = settings.warm_models
        self._passes = threading.Semaphore(PASSES)
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def write(self, model_id: str, request: WriteRequest) -> Generation:
        """Write a text with a model, together with what others ask of it.

        Raises:
            UserError: the request cannot be fulfilled, the store has no such model, or its file is damaged.
        """
        with self._slot(model_id) as slot:
            return slot.batcher.submit(request)

    def write_all(self, model_id: str, requests: Sequence[WriteRequest]) -> list[Generation | UserError]:
        """Write several texts with a model, in one pass: each, or why there is none."""
        with self._slot(model_id) as slot:
            outcomes = slot.batcher.submit_all(requests)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, UserError):
                raise outcome
        return outcomes  # type: ignore[return-value]  # nothing else is left

    def use(self, model_id: str, work: Callable[[TextModel], T]) -> T:
        """Do something else with a model.

        Raises:
            UserError: `work` raised it, the store has no such model, or its file is damaged.
        """
        with self._passes, self._slot(model_id) as slot:
            return work(slot.model())

    def drop(self, model_id: str) -> None:
        """Forget a model whose files are to be removed; who is being served with it still is."""
        with self._lock:
            self._slots.pop(model_id, None)

    def ids(self) -> set[str]:
        """The models that are in memory, or on their way."""
        with self._lock:
            return set(self._slots)

    def drop_replaced(self) -> None:
        """Forget those of which the store has another version by now: the next request loads that.

        Raises:
            StoreAway: a remote store cannot be used now.
        """
        with self._lock:
            loaded = [(model_id, slot) for model_id, slot in self._slots.items() if slot.version is not None]
        for model_id, slot in loaded:
            if self.store.version(model_id) == slot.version:
                continue
            with self._lock:
                if self._slots.get(model_id) is slot:
                    del self._slots[model_id]
            log.info("model_replaced", model_id=model_id)

    def write_mixed(self, parts: Sequence[MixPart], request: WriteRequest) -> Generation:
        """Write a text with several models at once.

        Raises:
            UserError: as `write`, or one of the models cannot be mixed.
        """
        from galvanic.generate import Mixture

        with self._passes, contextlib.ExitStack() as used:
            slots = [(used.enter_context(self._slot(part.model_id)), part.weight) for part in parts]
            mixture = Mixture([(slot.model(), weight) for slot, weight in slots])
            (written,) = mixture.generate_batch([request])
        if isinstance(written, UserError):
            raise written
        return written

    @contextlib.contextmanager
    def _slot(self, model_id: str) -> Iterator[_Slot]:
        with self._lock:
            slot = self._slots.get(model_id) or _Slot(self.store, model_id, self._passes)
            self._slots[model_id] = slot
            self._slots.move_to_end(model_id)
            slot.users += 1
        try:
            yield slot
        finally:
            with self._lock:
                slot.users -= 1
                idle = [known for known, one in self._slots.items() if not one.users]
                for known in idle[: max(0, len(self._slots) - self._limit)]:
                    del self._slots[known]


_warm: WarmModels | None = None
_warm_lock = threading.Lock()


def warm_models() -> WarmModels:
    """Those of this process."""
    global _warm
    with _warm_lock:
        _warm = _warm or WarmModels(get_settings())
        return _warm
