"""Requests of many threads, gathered into few passes; memory that a burst leaves behind goes back to the system."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from galvanic.errors import UserError
from shared.settings import Settings
from tests.processes import wait_until
from worker import warm
from worker.warm import LOADING, Batcher, WarmModels


class Counting:
    """Serves numbers: doubles them, and waits in its first pass until told to go on."""

    def __init__(self) -> None:
        self.passes: list[list[int]] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int | BaseException]:
        self.passes.append(list(numbers))
        self.begun.set()
        assert self.go_on.wait(30)
        if 1313 in numbers:
            raise RuntimeError("this number breaks the pass")
        return [ValueError(number) if number < 0 else 2 * number for number in numbers]


def ask(batcher: Batcher[int, int], number: int) -> int:
    return batcher.submit([number])[0].result()


def _submit_while_busy(serve: Counting, numbers: Sequence[int]) -> list[int | BaseException]:
    """The results of `numbers`, all of which were submitted while the pass of another request (0) ran."""
    batcher: Batcher[int, int] = Batcher(serve)

    def ask(number: int) -> int | BaseException:
        try:
            return batcher.submit([number])[0].result()
        except (RuntimeError, ValueError) as error:
            return error

    with ThreadPoolExecutor(len(numbers) + 1) as threads:
        first = threads.submit(ask, 0)
        assert serve.begun.wait(30)
        others = [threads.submit(ask, number) for number in numbers]
        wait_until(lambda: batcher._waiting.qsize() == len(numbers))
        serve.go_on.set()
        assert first.result() == 0
        return [other.result() for other in others]


def test_a_pass_takes_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "MOST_TOGETHER", 4)
    serve = Counting()
    assert _submit_while_busy(serve, range(1, 11)) == [2 * number for number in range(1, 11)]
    assert [len(together) for together in serve.passes] == [1, 4, 4, 2]


def test_errors_reach_only_who_caused_them() -> None:
    serve = Counting()
    results = _submit_while_busy(serve, [1, -1, 1313, 4])
    assert [results[0], results[3]] == [2, 8]
    assert isinstance(results[1], ValueError)
    assert isinstance(results[2], RuntimeError)


def test_a_model_that_cannot_be_had_is_asked_for_once_and_all_are_told() -> None:
    passes = list[int]()

    def serve(requests: Sequence[int]) -> list[int | BaseException]:
        passes.append(len(requests))
        raise UserError("There is no such model.", "Name another one.")

    futures = Batcher[int, int](serve).submit([1, 2, 3])
    assert [str(future.exception(30)) for future in futures] == ["There is no such model. Name another one."] * 3
    assert passes == [3]


def test_a_lone_request_is_served_at_once() -> None:
    serve = Counting()
    serve.go_on.set()
    batcher: Batcher[int, int] = Batcher(serve)
    assert [ask(batcher, number) for number in (1, 2)] == [2, 4]
    assert serve.passes == [[1], [2]]


def test_many_threads_and_passes_lose_nothing() -> None:
    batcher: Batcher[int, int] = Batcher(lambda numbers: [2 * number for number in numbers], at_once=3)
    doubled = [2 * number for number in range(2_000)]
    with ThreadPoolExecutor(40) as threads:
        assert list(threads.map(lambda number: ask(batcher, number), range(2_000))) == doubled


@pytest.mark.slow
@pytest.mark.usefixtures("one_and_two")
def test_models_are_loaded_one_at_a_time_while_those_in_memory_write(settings: Settings) -> None:
    models = WarmModels(settings)
    assert models.use(1, "one", lambda model: model.recipe) == "char"
    with ThreadPoolExecutor(1) as threads:
        with LOADING:
            two = threads.submit(models.use, 1, "two", lambda model: model.recipe)
            wait_until(lambda: "two" in models.ids())
            assert models.use(1, "one", lambda model: model.recipe) == "char"
            with pytest.raises(TimeoutError):
                two.result(0.3)
        assert two.result(30) == "char"
