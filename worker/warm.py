"""Models kept in memory between requests; each serves all who wait for it in one pass."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from shared.errors import UserError
from shared.jobs import MixPart
from shared.settings import Settings, get_settings
from worker.hardware import cores
from worker.remote import StoreAway
from worker.store import ModelStore

if TYPE_CHECKING:
    from galvanic.generate import TextModel
    from galvanic.request import WriteRequest
    from galvanic.results import Generation


log = structlog.get_logger()
T = TypeVar("T")
PASSES = 4  # or models being loaded, at once; each keeps a core busy


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
        """Raises UserError: no such model, or a damaged file; StoreAway: a remote store cannot be used now."""
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

    Methods that need a model raise UserError when the store has no such model, or its file is damaged.
    """

    def __init__(self, settings: Settings) -> None:
        self.store = ModelStore(settings)
        self._limit = settings.warm_models
        self._passes = threading.Semaphore(PASSES)
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def write(self, model_id: str, request: WriteRequest) -> Generation:
        """Together with what others ask of the model. Raises UserError if the request cannot be fulfilled."""
        with self._slot(model_id) as slot:
            return slot.batcher.submit(request)

    def write_all(self, model_id: str, requests: Sequence[WriteRequest]) -> list[Generation | UserError]:
        """Several texts in one pass: each, or why there is none."""
        with self._slot(model_id) as slot:
            outcomes = slot.batcher.submit_all(requests)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, UserError):
                raise outcome
        return outcomes  # type: ignore[return-value]  # nothing else is left

    def use(self, model_id: str, work: Callable[[TextModel], T]) -> T:
        """Do something else with a model."""
        with self._passes, self._slot(model_id) as slot:
            return work(slot.model())

    def drop(self, model_id: str) -> None:
        """Forget a model whose files are to be removed; who is being served with it still is."""
        with self._lock:
            self._slots.pop(model_id, None)

    def ids(self) -> set[str]:
        """The models that are in memory, or being loaded."""
        with self._lock:
            return set(self._slots)

    def drop_replaced(self) -> None:
        """Forget those of which the store has another version: the next request loads that. Raises StoreAway."""
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
        """Raises UserError as `write`, or if one of the models cannot be mixed."""
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


Request = TypeVar("Request")
Result = TypeVar("Result")
MOST_TOGETHER = 16
"""As many as one batch of the writing loop has (`galvanic.streams.BUCKETS`): what is more waits for the next pass, and
those of this one are answered meanwhile."""


@dataclass
class _Waiting(Generic[Request, Result]):
    request: Request
    result: Result | None = None
    error: BaseException | None = None
    over: bool = False


class Batcher(Generic[Request, Result]):
    """Gathers the requests of many threads into few passes.

    A thread that finds a place free serves all who wait. A lone request is served at once. `serve` does one pass: for
    each request a result, or an error to raise where that came from. `most`: requests in a pass; `at_once`: passes side
    by side.
    """

    def __init__(
        self,
        serve: Callable[[Sequence[Request]], Sequence[Result | BaseException]],
        most: int = MOST_TOGETHER,
        at_once: int = 1,
    ) -> None:
        self._serve = serve
        self._most = most
        self._free = at_once
        self._waiting: list[_Waiting[Request, Result]] = []
        self._changed = threading.Condition()

    def submit(self, request: Request) -> Result:
        """Raises what `serve` raised for this request, or gave in place of its result."""
        (outcome,) = self.submit_all([request])
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def submit_all(self, requests: Sequence[Request]) -> list[Result | BaseException]:
        """Several requests, served in the same pass if it has room.

        For each its result, or what `serve` raised for it or gave in place of its result.
        """
        mine: list[_Waiting[Request, Result]] = [_Waiting(request) for request in requests]
        with self._changed:
            self._waiting.extend(mine)
        while together := self._next(mine):
            try:
                self._pass(together)
            finally:
                with self._changed:
                    self._free += 1
                    self._changed.notify_all()
        # A result is None only where `serve` gave that.
        return [one.result if one.error is None else one.error for one in mine]  # type: ignore[misc]

    def _next(self, mine: list[_Waiting[Request, Result]]) -> list[_Waiting[Request, Result]]:
        """The requests of a pass that is this thread's to do; none once its own are over."""
        with self._changed:
            self._changed.wait_for(lambda: all(one.over for one in mine) or (self._free and self._waiting))
            if all(one.over for one in mine):
                return []
            together, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._free -= 1
            return together

    def _pass(self, together: list[_Waiting[Request, Result]]) -> None:
        try:
            results = self._serve([one.request for one in together])
        except BaseException as error:
            if len(together) > 1:  # one of them may have broken it: each gets its own chance
                for one in together:
                    self._pass([one])
                return
            results = [error]
        for one, result in zip(together, results, strict=True):
            if isinstance(result, BaseException):
                one.error = result
            else:
                one.result = result
            one.over = True
