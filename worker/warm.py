"""Models kept in memory between requests; each serves all who wait for it in one pass."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

import redis
import structlog

from galvanic.errors import UserError
from galvanic.host import cores
from galvanic.model_file import damaged, memory
from galvanic.options import STARTER
from galvanic.units import MEGABYTE
from shared import keys
from shared.jobs import MixPart
from shared.settings import Settings, get_settings
from worker.passes import Passes
from worker.store import ModelStore, StoreAway

if TYPE_CHECKING:
    from galvanic.generate import TextModel
    from galvanic.request import WriteRequest
    from galvanic.results import Generation


log = structlog.get_logger()
T = TypeVar("T")
PASSES = 4  # or models being loaded, at once; each keeps a core busy
LOADING = threading.Lock()  # one model at a time: it takes several times the model's memory
MOST_MIXED_MB = 1_000  # megabytes of the models in all mixtures that are being written, which take as much again
MOST_TOGETHER = 16
"""Requests in a pass: as many as are written side by side (`galvanic.streams.Streams.together`). Others wait for the
next pass, while those of this one are answered."""


class _Slot:
    """A model, loaded when it is first needed."""

    def __init__(self, store: ModelStore, model_id: str, passes: Passes) -> None:
        self._store = store
        self._model_id = model_id
        self._passes = passes
        self._lock = threading.Lock()
        self._model: TextModel | None = None
        self.users = 0  # requests that wait for it, or work with it
        self._batchers: dict[int, Batcher[WriteRequest, Generation]] = {}
        self._at_once = min(PASSES, cores())

    def model(self) -> TextModel:
        """Load the model once. Raises UserError: no such model, or a damaged file; StoreAway."""
        from galvanic.generate import load_model

        with self._lock:
            if self._model is None:
                with self._store.reading(self._model_id) as path, LOADING:
                    try:
                        self._model = load_model(path)
                    except UserError as error:
                        if error.__cause__ is None:  # of another version: its words fit here, too
                            raise
                        log.error("model_not_loaded", model_id=self._model_id, cause=repr(error.__cause__))
                        raise damaged() from error
            return self._model

    def batcher(self, guild_id: int) -> Batcher[WriteRequest, Generation]:
        """Return the batcher of a server's requests. Only the starter is asked by several servers."""
        new = Batcher(functools.partial(self._serve, guild_id), self._at_once)
        return self._batchers.setdefault(guild_id, new)

    def rest(self) -> None:
        """Let the threads of all servers go; to be called while nobody uses it."""
        self._batchers.clear()

    def _serve(self, guild_id: int, requests: Sequence[WriteRequest]) -> list[Generation | UserError]:
        with self._passes.turn(guild_id):
            return self.model().generate_batch(requests)


class WarmModels:
    """The most recently used models, at most `Settings.warm_models` of them. Safe between threads.

    One that somebody waits for stays beyond that: without it the next request would load it a second time.

    Methods that need a model raise UserError when the store has no such model, or its file is damaged. They work in a
    turn of the server that asks (`worker.passes`).
    """

    def __init__(self, settings: Settings) -> None:
        self.store = ModelStore(settings)
        self._limit = settings.warm_models
        self._passes = Passes(PASSES)
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._mixed_bytes = 0  # of the models in mixtures that are being written
        self._lock = threading.Lock()

    def write_all(self, guild_id: int, model_id: str, requests: Sequence[WriteRequest]) -> list[Generation | UserError]:
        """Write several texts in one pass, with what others of the server ask of the model: each, or why there is
        none."""
        with self._slot(model_id) as slot:
            return [_outcome(written) for written in slot.batcher(guild_id).submit(requests)]

    def use(self, guild_id: int, model_id: str, work: Callable[[TextModel], T]) -> T:
        with self._passes.turn(guild_id), self._slot(model_id) as slot:
            return work(slot.model())

    def ids(self) -> set[str]:
        """Return the models that are in memory, or being loaded."""
        with self._lock:
            return set(self._slots)

    def forget_deleted(self, client: redis.Redis) -> None:
        """Drop models that were deleted; requests that use one are still served. Raises redis.RedisError."""
        for model_id in self.ids() - {STARTER}:
            if not client.exists(keys.model(model_id)):
                with self._lock:
                    self._slots.pop(model_id, None)
                log.info("model_forgotten", model_id=model_id)

    def write_mixed(self, guild_id: int, parts: Sequence[MixPart], request: WriteRequest) -> Generation:
        """Write with several models. Raises UserError: why there is no text."""
        from galvanic.generate import Mixture

        models: list[tuple[TextModel, float]] = []
        own = 0.0
        with self._passes.turn(guild_id), contextlib.ExitStack() as used:
            for part in parts:
                model = used.enter_context(self._slot(part.model_id)).model()
                models.append((model, part.weight))
                size = memory(model.description.network)
                if (own := own + size) > MOST_MIXED_MB * MEGABYTE:
                    raise UserError("These models are too large to write together.", "Mix fewer, or smaller ones.")
                used.enter_context(self._room_to_mix(size))
            (written,) = Mixture(models).generate_batch([request])
        if isinstance(written, UserError):
            raise written
        return written

    @contextlib.contextmanager
    def _room_to_mix(self, size: int) -> Iterator[None]:
        """Reserve memory for a model in a mixture. Raises UserError: with it, all mixtures would take too much."""
        with self._lock:
            if self._mixed_bytes + size > MOST_MIXED_MB * MEGABYTE:
                raise UserError("Other mixtures take the memory now.", "Try again in a minute.")
            self._mixed_bytes += size
        try:
            yield
        finally:
            with self._lock:
                self._mixed_bytes -= size

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
                if not slot.users:
                    slot.rest()
                idle = [idle_id for idle_id, idle_slot in self._slots.items() if not idle_slot.users]
                for idle_id in idle[: max(0, len(self._slots) - self._limit)]:
                    del self._slots[idle_id]


def _outcome(written: Future[Generation]) -> Generation | UserError:
    try:
        return written.result()
    except UserError as error:
        return error


@functools.cache
def warm_models() -> WarmModels:
    """Return the models of this process; the first call is made while there is one thread."""
    return WarmModels(get_settings())


TRIM_EVERY_S = 20.0


def trim() -> None:
    """Return freed memory to the system, where the C library has a call for that: glibc has.

    Each thread has pools of its own, and a piece in use at a pool's end keeps all free memory before it: after a
    thousand texts with ten models 390 to 790 MB were held, and after this call 390 to 410.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


Request = TypeVar("Request")
Result = TypeVar("Result")


class Batcher(Generic[Request, Result]):
    """Gathers the requests of many threads into few passes; a lone request is served at once.

    `serve` does one pass: for each request a result, or an error to raise where that came from. `at_once`: passes side
    by side.
    """

    def __init__(
        self, serve: Callable[[Sequence[Request]], Sequence[Result | BaseException]], at_once: int = 1
    ) -> None:
        self._serve = serve
        self._waiting: SimpleQueue[tuple[Request, Future[Result]]] = SimpleQueue()
        self._passes = ThreadPoolExecutor(at_once, "pass")

    def submit(self, requests: Sequence[Request]) -> list[Future[Result]]:
        """Queue requests; they share a pass if it has room. Each call adds a pass, so no request is left over."""
        waiting: list[tuple[Request, Future[Result]]] = [(asked, Future()) for asked in requests]
        for request in waiting:
            self._waiting.put(request)
        self._passes.submit(self._pass)
        return [future for _, future in waiting]

    def _pass(self) -> None:
        together: list[tuple[Request, Future[Result]]] = []
        with contextlib.suppress(Empty):
            while len(together) < MOST_TOGETHER:
                together.append(self._waiting.get_nowait())
        if together:
            self._answer(together)

    def _answer(self, together: Sequence[tuple[Request, Future[Result]]]) -> None:
        try:
            results = self._serve([request for request, _ in together])
        except (UserError, StoreAway) as error:  # the model can't be had: the same holds for all
            results = [error] * len(together)
        except BaseException as error:
            if len(together) > 1:  # one of them may have broken it: each gets its own chance
                for request in together:
                    self._answer([request])
                return
            results = [error]
        for (_, future), result in zip(together, results, strict=True):
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
