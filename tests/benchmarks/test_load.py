"""What a load is made of: who asks when, what they see of it, and whose training was begun."""

from collections import Counter
from typing import Any

import pytest
import redis

from benchmarks.load import memory
from benchmarks.load.ledger import Request, Seen, asked_at, ledger, refusals, unbalanced
from benchmarks.load.plan import PEOPLE, plan_requests
from shared.jobs import TRAIN_QUEUE
from shared.queues import lists_of

pytestmark = pytest.mark.slow

REQUEST = "1297000000000000099"


def test_the_same_seed_draws_the_same_load() -> None:
    asks = plan_requests(7, 300, 10, 50, 2_000)
    assert asks == plan_requests(7, 300, 10, 50, 2_000)
    assert asks != plan_requests(8, 300, 10, 50, 2_000)
    assert [ask.at for ask in asks] == sorted(ask.at for ask in asks)
    assert asks[0].at >= 0
    assert asks[-1].at <= 301
    trained = Counter(ask.server for ask in asks if ask.how == "train")
    assert trained == dict.fromkeys(range(10), 5)
    texts = [ask for ask in asks if ask.how != "train"]
    assert len(texts) == 2_000
    assert {ask.person for ask in texts} == set(PEOPLE)
    assert {ask.how for ask in texts} == {"message", "slash", "button"}


def test_trainings_that_wait_are_counted_whatever_their_priority(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    for name in lists_of(TRAIN_QUEUE):
        client.lpush(name, "a message")
    left = memory.left(client)
    assert {name: number for name, number in left.items() if number} == dict.fromkeys(lists_of(TRAIN_QUEUE), 1)


def frame(words: str = "", title: str = "", **fields: Any) -> dict[str, Any]:
    embeds = [{"title_html": title, "html": words}]
    return {
        "channel_id": "1",
        "timestamp": "2026-01-01T00:00:00+00:00",
        "edited": None,
        "html": "",
        "embeds": embeds,
        "components": [],
        "reply": None,
        "interaction": None,
        "loading": False,
        **fields,
    }


def seen(*frames: dict[str, Any]) -> Seen:
    one = Seen()
    for shown in frames:
        one.show(shown)
    return one


def buttons(letter: str) -> list[dict[str, Any]]:
    row = [
        {"custom_id": f"galvanic:{name}:{letter}-{REQUEST}", "disabled": name == "hotter"}
        for name in ("again", "hotter")
    ]
    return [{"components": row}]


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([], "pending"),
        ([frame("a text", components=buttons("g"))], "finished"),
        ([frame("a text", components=buttons("g"))] * 2, "doubled"),
        ([frame("<b>❌ That was a bit fast.</b> Try again in 2 s.")], "refused"),
        ([frame("❌ This server is asking for more texts than I can serve")], "refused"),
        ([frame("❌ You already have 3 trainings waiting or running here")], "refused"),
        ([frame("❌ This was not done in time. Try again.")], "failed"),
        ([frame("❌ That was a bit fast.", html="For <b>Ada</b>:")], "refused"),
        ([frame("it waits", title="Learning harbour")], "pending"),
        ([frame("it is there", title="Learned harbour")], "finished"),
        ([frame("no", title="Could not learn harbour")], "failed"),
        ([frame("no", title="Cancelled: harbour")], "cancelled"),
    ],
)
def test_what_a_person_sees_is_what_became_of_it(answers: list[dict[str, Any]], state: str) -> None:
    assert Request(REQUEST, 0, "ada", [seen(answer) for answer in answers]).state == state


def test_a_ledger_counts_each_request_once() -> None:
    answers: list[list[dict[str, Any]]] = [
        [frame("a text", components=buttons("g"))],
        [frame("❌ That was a bit fast. Try again in 2 s.")],
        [],
    ]
    requests = [Request(REQUEST, 0, "ada", [seen(one) for one in each]) for each in answers]
    counts = ledger(requests)
    assert counts == {
        "asked": 3,
        "refused": 1,
        "submitted": 2,
        "finished": 1,
        "failed": 0,
        "cancelled": 0,
        "lost": 1,
        "doubled": 0,
    }
    assert unbalanced(counts) == ["1 lost"]
    assert refusals(requests) == {"❌ That was a bit fast. Try again in … s.": 1}
    assert requests[0].waited_s == pytest.approx(1767225600 - asked_at(REQUEST))
