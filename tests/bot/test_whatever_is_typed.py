"""Whatever is typed, chosen or filled in is answered in words; nobody reads that something went wrong."""

import logging
from typing import Any

import pytest
from discord.ext.commands import UserInputError
from hypothesis import HealthCheck, example, given, settings, strategies as st
from simcord.backend.models import Interaction
from simcord.enums import InteractionType

import bot.app  # noqa: F401  # which makes all options known
from bot.options.options import Options
from galvanic.errors import UserError
from playground.places import BOT_ID, USER_IDS
from shared import keys
from tests.bot.ids import ADA, LAB
from tests.bot.live import Live, text_of
from tests.bot.stand_in import StandIn
from tests.strategies import words

FEWER = settings(
    max_examples=settings().max_examples // 4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(words, st.sampled_from(sorted(Options.__subclasses__(), key=str)), st.data())
def test_options_are_read_or_refused(line: str, kind: type[Options], data: st.DataObject) -> None:
    names = sorted(kind.get_flags())
    given = data.draw(st.lists(st.tuples(st.sampled_from(names), words), max_size=3))
    try:
        parsed = kind.parse_flags(" ".join([line, *(f"--{name} {value}" for name, value in given)]))
    except (UserError, UserInputError):
        return
    assert set(parsed) <= {flag.name for flag in kind.get_flags().values()}


def judge(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    """See that nothing that the bot said or logged tells of a mistake of its own."""
    said = [text_of(one) for channel in live.world.messages.values() for one in channel.values()]
    assert not [words for words in said if "Something went wrong" in words or "quotation mark" in words]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@FEWER
@given(st.integers(0, 10**6) | st.just("frobnicate"), words)
@example("train", "tides --lr 1e309 --minutes nan --epochs 99999999999999999999")
@example("train", "C:\\CON --name nul.txt --from LPT1")
@example("model rename a", "a\x00b")
@example("cancel", "don’t")
@example("model use", '"a')
@example("train", 'it’s a "book')
@example("generate", "the sea’s “edge --length many")
@example("frobnicate", "`x` @everyone")
@example("help", "x" * 1_900)
@example("x" * 1_900, "")
async def test_a_command_is_answered(live: Live, caplog: pytest.LogCaptureFixture, which: int | str, rest: str) -> None:
    names = sorted(command.qualified_name for command in live.bot.walk_commands())
    name = names[which % len(names)] if isinstance(which, int) else which
    live.bot.settings.generate_timeout_s = 0.1  # type: ignore[assignment]
    sent = live.send(f"!{name} {rest}"[:2_000])
    await live.until(lambda: live.answer(sent), "an answer")
    judge(live, caplog)


def press(live: Live, custom_id: str, values: list[str] | None = None, person: str = "ada") -> Interaction:
    """Press a control that only another client, or an older message, could have."""
    control: dict[str, Any] = {"type": 2, "custom_id": custom_id, "label": "x", "style": 1}
    data: dict[str, Any] = {"custom_id": custom_id, "component_type": 2}
    if values is not None:
        control = {"type": 3, "custom_id": custom_id, "options": [{"label": "x", "value": "0"}]}
        data |= {"component_type": 3, "values": values}
    rows = [{"type": 1, "components": [control]}]
    message = live.world.create_message(LAB, BOT_ID, "pressed", components=rows)
    return live.acts._dispatch(InteractionType.MESSAGE_COMPONENT, USER_IDS[person], LAB, data, source=message)


@pytest.mark.parametrize("values", [[], ["the sea"], ["-1"], ["²"], ["0", "1"], ["@everyone `x`"]], ids=ascii)
async def test_a_choice_that_no_menu_offered_is_refused(
    live: Live, worker: StandIn, caplog: pytest.LogCaptureFixture, values: list[str]
) -> None:
    for custom_id in ("galvanic:compared:k-5", "galvanic:help"):
        pressed = press(live, custom_id, values)
        await live.until(lambda pressed=pressed: pressed.responded, "an answer")  # type: ignore[misc]
    judge(live, caplog)


@FEWER
@given(st.data())
async def test_a_control_of_any_id_is_answered_and_takes_nothing_from_others(
    live: Live, worker: StandIn, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    actions = live.core.components.actions
    name = data.draw(st.sampled_from(sorted(actions)))
    live.core.components.find(f"galvanic:{name}:{data.draw(words)}")
    arguments = data.draw(st.from_regex(actions[name].arguments, fullmatch=True))
    custom_id = f"galvanic:{name}:{arguments}".removesuffix(":")[:100]
    pressed = press(live, custom_id, person="ben")
    await live.until(lambda: pressed.responded or pressed.modal, "an answer")
    judge(live, caplog)
    assert worker.redis.exists(keys.model("m1"))


@pytest.mark.parametrize(
    ("opens", "typed"),
    [
        ("galvanic:write:m1", {"words": "the sea", "temperature": "hot"}),
        ("galvanic:settings:prefix", {"prefix": "\x00"}),
        ("galvanic:settings:blocklist", {"blocklist": "\x00\nx"}),
        ("galvanic:settings:quotas", {"disk_mb": "1e309", "jobs_per_user": "1_0", "jobs_per_server": "٣"}),
        ("galvanic:settings:quotas", {"unknown": "x"}),
    ],
)
async def test_a_form_with_anything_in_it_is_answered(
    live: Live, worker: StandIn, caplog: pytest.LogCaptureFixture, opens: str, typed: dict[str, str]
) -> None:
    opened = await live.form(press(live, opens))
    rows = [
        {"type": 1, "components": [{"type": 4, "custom_id": name, "value": value}]} for name, value in typed.items()
    ]
    data = {"custom_id": opened.modal["custom_id"], "components": rows}  # type: ignore[index]
    await live.until(lambda: live.bot._connection._view_store._modals, "the form to be known")
    (message,) = (one for one in live.world.messages[LAB].values() if one.content == "pressed")
    sent = live.acts._dispatch(InteractionType.MODAL_SUBMIT, ADA, LAB, data, source=message)
    await live.until(lambda: sent.responded or worker.waiting(), "an answer")
    judge(live, caplog)
