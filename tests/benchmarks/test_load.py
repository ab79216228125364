"""What a load is made of: who asks when, what they see of it, and whose training was begun."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import redis

from benchmarks.load import memory
from benchmarks.load.ledger import Request, Seen, asked_at, ledger, refusals, unbalanced
from benchmarks.load.plan import PEOPLE, draw
from benchmarks.load.turns import Step, Turns, largest_lead
from shared import keys, lifecycle
from shared.events import Cancelled
from shared.settings import Settings
from tests import lives
from tests.factories import place, train_job

pytestmark = pytest.mark.slow

REQUEST = "1297000000000000099"


def test_the_same_seed_draws_the_same_load() -> None:
    asks = draw(7, 300, 10, 50, 2_000)
    assert asks == draw(7, 300, 10, 50, 2_000)
    assert asks != draw(8, 300, 10, 50, 2_000)
    assert [ask.at for ask in asks] == sorted(ask.at for ask in asks)
    assert asks[0].at >= 0
    assert asks[-1].at <= 301
    trained = Counter(ask.server for ask in asks if ask.how == "train")
    assert trained == dict.fromkeys(range(10), 5)
    texts = [ask for ask in asks if ask.how != "train"]
    assert len(texts) == 2_000
    assert {ask.person for ask in texts} == set(PEOPLE)
    assert {ask.how for ask in texts} == {"message", "slash", "button"}


def frame(words: str = "", title: str = "", **fields: Any) -> dict[str, Any]:
    embeds = [{"title_html": title, "html": words, "footer": fields.pop("footer", None)}]
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
    "answer",
    [
        frame("a text", components=buttons("g"), reply={"id": "5"}),
        frame("a text", components=buttons("p"), reply={"id": "5"}),
        frame("5 characters", title="Learned harbour", footer=f"recipe char · job t-{REQUEST}"),
        frame("❌ No.", interaction=REQUEST),
        frame("❌ No.", reply={"id": REQUEST}),
    ],
)
def test_an_answer_tells_whose_it_is(answer: dict[str, Any]) -> None:
    assert seen(answer).request_id == REQUEST


def test_only_buttons_that_can_be_pressed_are_pressed() -> None:
    assert seen(frame("a text", components=buttons("g"))).presses == (f"galvanic:again:g-{REQUEST}",)


def test_what_is_thought_about_is_no_answer() -> None:
    thinking = frame(loading=True, interaction=REQUEST)
    assert not seen(thinking).stood
    answered = seen(
        thinking, frame("a text", edited="2026-01-01T00:00:07+00:00"), frame("it", edited="2026-01-01T00:01:00+00:00")
    )
    assert answered.stood
    assert answered.at == 1767225607


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([], "pending"),
        ([frame("a text", components=buttons("g"))], "finished"),
        ([frame("a text", components=buttons("g"))] * 2, "doubled"),
        ([frame("<b>❌ That was a bit fast.</b> Try again in 2 s.")], "refused"),
        ([frame("❌ This server is asking for more texts than I can serve")], "refused"),
        ([frame("❌ You already have 3 trainings waiting or running here")], "refused"),
        ([frame("❌ The worker took too long to answer. Try again.")], "failed"),
        ([frame("❌ That was a bit fast.", html="For <b>Ada</b>:")], "refused"),
        ([frame("it waits", title="Learning harbour")], "pending"),
        ([frame("it is there", title="Learned harbour")], "finished"),
        ([frame("no", title="Could not learn harbour")], "failed"),
        ([frame("no", title="Cancelled: harbour")], "cancelled"),
    ],
)
def test_what_a_person_sees_is_what_became_of_it(answers: list[dict[str, Any]], state: str) -> None:
    assert Request(REQUEST, 0, "ada", [seen(answer) for answer in answers]).state == state


def test_what_was_gone_before_it_could_be_read_is_no_answer() -> None:
    told = seen(frame("❌ That was a bit fast.", html="For Ada:"))
    assert told.person == "ada"
    assert told.at is not None
    told.gone = told.at + 60
    assert Request(REQUEST, 0, "ada", [told]).state == "refused"
    told.gone = told.at + 1
    assert Request(REQUEST, 0, "ada", [told]).state == "pending"


def test_a_ledger_counts_each_request_once() -> None:
    answers = [frame("a text", components=buttons("g"))], [frame("❌ That was a bit fast. Try again in 2 s.")], []
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


def steps(words: str) -> list[Step]:
    """`+a`: a training of server a enters; `a`: one begins; `-a`: one is cancelled."""
    what = {"+": "enters", "-": "leaves"}
    return [Step(0.0, word, word[-1], what.get(word[0], "begins")) for word in words.split()]


@pytest.mark.parametrize(
    ("words", "lead"),
    [
        ("+a a +a +b a b", 1),
        ("+a +a +a a a a +b b", 0),
        ("+a +a +a +b a a b a", 2),
        ("+a +b +a a +c b a c", 1),
        ("+a +a +b a -b a +b +a +a a a b", 2),
    ],
)
def test_a_lead_counts_while_both_wait(words: str, lead: int) -> None:
    assert largest_lead(steps(words)) == lead


def test_turns_are_seen_in_redis(redis_url: str, settings: Settings) -> None:
    client = redis.Redis.from_url(redis_url)
    watched = Turns()
    for number, guild in enumerate((1, 2, 2)):
        job = train_job(job_id=f"t-{number}", place=place(guild_id=guild))
        lives.enter(client, job)
    watched.look(client, 1.0)
    assert memory.left(client)["active"] == 3
    logs = []
    for at, job_id in ((2.0, "t-0"), (3.0, "t-1")):
        logs.append(lives.take(client, job_id))
        watched.look(client, at)
    lives.run(client, lifecycle.cancel("t-2"))
    for log in logs:
        log.publish(Cancelled())
    watched.look(client, 4.0)
    assert watched.begun() == {"1": [2.0], "2": [3.0]}
    assert [(step.what, step.job_id) for step in watched.steps if step.at == 4.0] == [("leaves", "t-2")]
    left = memory.left(client)
    assert left.pop("undelivered") == 3
    assert not any(left.values())
    assert client.hlen(keys.SERVED)
