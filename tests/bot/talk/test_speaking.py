"""What an admin may type of when the bot speaks unasked, what it is told, and which message calls for a text."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from discord.utils import time_snowflake

from bot.talk.speaking import EXAMPLES, Speaking, describe, parse, span
from galvanic.errors import UserError

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("2%", "after 2 of 100 messages, by chance: at most 6 times an hour, never twice in a row"),
        ("2,25%", "after 2.25 of 100 messages"),
        ("every 40", "after every 40 messages"),
        ("every 2h", "about every 2 h while people write"),
        ("every 40m", "about every 40 min while people write"),
        ("every 90m", "about every 1 h 30 min while people write"),
        ("on words pizza, monster", "when somebody writes *pizza* or *monster*"),
        ("2%\nmost 3\nquiet 23-7 europe/berlin", "3 times an hour, not from 23:00 to 07:00 (Europe/Berlin)"),
        ("2%\nquiet 23-7\nquiet off", "at most 6 times an hour, never"),
        ("2%\non pizza", "by chance, and when somebody writes *pizza*"),
        ("most 3", "only when I'm asked to"),
        ("", "only when I'm asked to"),
        ("0%", None),
        ("0.001%", None),
        ("every 0", None),
        ("every 0m", None),
        ("on words !!!", None),
        ("2%\nevery 40", None),
        ("on " + ", ".join(f"w{number}" for number in range(21)), None),
        ("most 0", None),
        ("quiet 25-7", None),
        ("quiet 23-7 Mars/Olympus", None),
        ("quiet 23-7 ../../etc/passwd", None),
        ("`@everyone`", None),
    ],
)
def test_what_can_be_typed_and_how_it_is_told(typed: str, said: str | None) -> None:
    if said is None:
        with pytest.raises(UserError) as refused:
            parse(typed)
        assert refused.value.remedy
    else:
        assert said in describe(parse(typed))


@pytest.mark.parametrize("typed", ["0%", "101%", "200 %"])
def test_a_chance_is_a_share(typed: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(typed)
    assert str(refused.value) == f"The chance can't be {typed.replace(' ', '')}. Choose from 0.01% to 100%, or `off`."


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("on", "When should I speak?"),
        ("on words", "When should I speak?"),
        ("2%\nmost 3\nevery 2h", "I can't speak `2%` and `every 2h` at once."),
    ],
)
def test_what_is_missing_or_too_much_is_told(typed: str, problem: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(typed)
    assert refused.value.problem == problem


def test_what_was_typed_makes_the_same_again() -> None:
    chosen = parse("\n".join(EXAMPLES[2:-1]))
    assert parse(chosen.lines) == chosen
    assert parse(chosen.lines + "\noff").lines == "most 6\nquiet 23:00-07:00 Europe/Berlin"
    assert parse("2.25%", parse("every 30d")).lines == "2.25%\nmost 6"
    assert parse(parse("every 30d").lines).minutes == 43_200
    changed = parse("every 30", parse("most 3", chosen))
    assert (changed.messages, changed.minutes, changed.most) == (30, 0, 3)
    assert changed.words == ("pizza", "monster")
    assert parse(changed.lines) == changed


def test_whatever_was_chosen_is_the_same_after_a_restart() -> None:
    draw = random.Random(1818)
    words = ("pizza", "word", "words", "off", "words off", "on", "word-play", "*cat*", "2%", "every 40", "ὀδός", "i̇")
    for _ in range(2_000):
        pace = draw.choice([{}, {"chance": draw.randint(1, 10_000) / 10_000}])
        pace |= {"messages": draw.randint(1, 10_000)} if not pace and draw.random() < 0.5 else {}
        pace |= {"minutes": draw.randint(1, 43_200)} if not pace and draw.random() < 0.5 else {}
        begin, length = draw.randrange(1_440), draw.randrange(1, 1_440)
        hours = {"hours": (begin, (begin + length) % 1_440), "zone": draw.choice([UTC, ZoneInfo("America/New_York")])}
        chosen = tuple(draw.sample(words, draw.randint(0, 3)))
        own = Speaking(
            **pace,  # type: ignore[arg-type]
            words=chosen if chosen != ("off",) else (),  # `on words off` takes words back
            most=draw.randint(1, 60),
            **draw.choice([{}, hours]),  # type: ignore[arg-type]
        )
        assert parse(own.lines) == own
        assert parse("quiet off", own) == parse(parse("quiet off", own).lines)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("on word, pizza", ("word", "pizza")),
        ("on words words", ("words",)),
        ("on words word-play", ("word-play",)),
        ("words off", ()),
        ("on off", ()),
        ("on words off", ()),
    ],
)
def test_what_is_typed_as_words_is_taken_as_words(typed: str, words: tuple[str, ...]) -> None:
    assert parse(typed, parse("on tea")).words == words
    assert parse(parse(typed).lines).words == words


@pytest.mark.parametrize(
    ("typed", "minutes"),
    [("8h", 480), ("90m", 90), ("1d 12h", 2_160), ("2 days", 2_880), ("1h30m", 90), ("soon", None), ("", None)],
)
def test_spans(typed: str, minutes: int | None) -> None:
    assert span(typed) == minutes


@pytest.mark.parametrize("typed", ["99d", "0m"])
def test_a_span_that_is_refused_is_named_as_it_was_typed(typed: str) -> None:
    with pytest.raises(UserError, match=f"The time can't be `{typed}`"):
        span(typed)


def test_quiet_hours_are_those_of_the_place() -> None:
    night = parse("quiet 23-7 Europe/Berlin")
    at = datetime(2026, 7, 1, tzinfo=UTC)  # Berlin is two hours ahead
    quiet = [hour for hour in range(24) if night.is_quiet(at.replace(hour=hour))]
    assert quiet == [0, 1, 2, 3, 4, 21, 22, 23]
    winter = datetime(2026, 1, 1, tzinfo=UTC)
    assert [hour for hour in range(24) if night.is_quiet(winter.replace(hour=hour))] == [0, 1, 2, 3, 4, 5, 22, 23]
    assert [hour for hour in range(24) if parse("quiet 9-17").is_quiet(at.replace(hour=hour))] == [*range(9, 17)]
    assert not any(Speaking().is_quiet(at.replace(hour=hour)) for hour in range(24))


def called(chosen: Speaking, content: str = "hello", heard: int = 1, after: timedelta = timedelta(0)) -> bool:
    return chosen.is_called_by(content, NOON, heard, time_snowflake(NOON - after))


def test_by_chance() -> None:
    random.seed(1818)
    texts = sum(called(parse("10%")) for _ in range(2_000))
    assert 150 < texts < 250
    assert all(called(parse("100%")) for _ in range(100))


def test_after_so_many_messages() -> None:
    assert [heard for heard in range(1, 8) if called(parse("every 5"), heard=heard)] == [5, 6, 7]


def test_every_so_often_and_a_little_later() -> None:
    hourly = parse("every 1h")
    assert not called(hourly, after=timedelta(minutes=59))
    assert called(hourly, after=timedelta(minutes=75, seconds=1))
    first = [next(m for m in range(60, 77) if called(hourly, after=timedelta(minutes=m, seconds=s))) for s in range(40)]
    assert len(set(first)) > 3, "not always after the same time"


def test_on_whole_words_whatever_their_case() -> None:
    pizza = parse("on words pizza, the monster")
    assert called(pizza, "PIZZA!")
    assert called(pizza, "see the  Monster there")
    assert not called(pizza, "pizzas for monsters")
    assert not called(Speaking(), "pizza")
