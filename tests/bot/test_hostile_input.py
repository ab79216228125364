"""Whatever is typed into whatever command gets an answer, with nothing in it of a traceback and nobody pinged.

No worker is there: what is well is told so, all else is refused before.
"""

from __future__ import annotations

import logging

import discord
import pytest
from simcord.backend.models import Interaction, Message

from bot import responder
from bot.background import reply
from playground.places import BOT_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from tests.bot.live import Live, text_of
from tests.bot.test_mentions import shown
from tests.factories import record

COMMANDS = (
    "train", "generate", "compare", "mix", "surprise", "chat", "models", "model", "model info", "model use",
    "model temperature", "model rename", "model delete", "model share", "model unshare", "model export", "model import",
    "jobs", "cancel", "finish", "help", "settings", "status", "catalogue",
)  # fmt: skip
OPTIONS = (
    ("generate", "seed"),
    ("generate", "mix"),
    ("compare", "temperatures"),
    ("surprise", "text"),
    ("train", "source"),
    ("model use", "name"),
    ("model temperature", "value"),
    ("model share", "where"),
    ("cancel", "job"),
    ("help", "command"),
)
TYPED = (
    "",
    "x" * 1_900,
    "word " * 380,
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd",
    "\u200b\u200d\ufeff\u2060",
    "zero\u200bwidth",
    "@everyone @here <@1297000000000000022> <@&1297000000000000001>",
    "``` `code` ```` ||spoiler|| [a](https://example.org)",
    "\"unclosed 'quotes “of ‘all «kinds",
    "--unknown 1",
    "the sea --length 5 --length 6",
    "the sea --model a --model b",
    "a --units 99999999999999999999999",
    "the sea --temperature 99999999999999999999999e99",
    "the sea --temperature nan --top-p inf --min-p -inf",
    "the sea --length -5 --random-seed -1",
    "the sea --temperature 1_0 --length ٣",
    "the sea --mix a:nan,b:1e999",
    "a nan b inf",
    "nan",
    "-1",
    "1e309",
    "😀",
    "😀 😀 --name 😀 --from 🦄",
    "../../etc/passwd",
    "a/b\\c --name a/b --model a/b",
    "\x00\x01\x1b[31m",
    "--",
    "-- --- ----",
    "%s {0} ${x} {{}}",
    "frankenstein' OR 1=1 --",
)


@pytest.fixture
async def busy(live: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A bot that nobody has to wait for, in a server that has a model called `a`."""
    monkeypatch.setattr(responder, "_STEP_BACK_S", 0)  # nobody else is to be answered meanwhile
    for what in ("train", "generate", "chat"):
        setattr(live.bot.settings, f"{what}_cooldown_s", 0.0)
    model = record(name="a", guild_id=GUILD_ID, channel_id=CHANNEL_IDS["lab"], owner_id=USER_IDS["ada"])
    await live.bot.redis.set(keys.model(model.model_id), model.model_dump_json())
    await reply(live.bot.redis.hset(keys.guild_models(GUILD_ID), model.name, model.model_id))
    return live


@pytest.mark.parametrize("name", COMMANDS)
async def test_each_command_answers_whatever_is_typed(busy: Live, name: str, caplog: pytest.LogCaptureFixture) -> None:
    lab = busy.world.messages[CHANNEL_IDS["lab"]]
    for words in TYPED:
        busy.send(f"!{name} {words}"[:2_000])

    def answers() -> list[Message]:
        return [message for message in lab.values() if message.author_id == BOT_ID]

    await busy.until(lambda: len(answers()) >= len(TYPED), f"an answer to each of !{name}")
    assert not [text_of(message) for message in answers() if "Something went wrong" in text_of(message)]
    assert not [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    require_nobody_pinged(busy)


@pytest.mark.parametrize(("command", "option"), OPTIONS)
async def test_slash_commands_do_too(busy: Live, command: str, option: str, caplog: pytest.LogCaptureFixture) -> None:
    ada, lab = USER_IDS["ada"], CHANNEL_IDS["lab"]
    for words in filter(None, TYPED):
        filled = {option: words} | ({"name": "a"} if command == "model share" else {})
        called = busy.acts.slash(ada, lab, command, filled, {})
        await busy.until(lambda called=called: answered(busy, called), f"an answer to /{command}")  # type: ignore[misc]
    seen = busy.people.visible_messages(ada, lab)
    assert not [text_of(message) for message in seen if "Something went wrong" in text_of(message)]
    assert not [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    require_nobody_pinged(busy)


def answered(live: Live, called: Interaction) -> bool:
    """Whether something else than "is thinking" was posted, be it in the place of that."""
    if called.message_id is None:
        return False
    message = live.world.messages[called.channel_id].get(called.message_id)
    return message is None or not message.flags & discord.MessageFlags(loading=True).value


def require_nobody_pinged(live: Live) -> None:
    for request in live.requests("POST", "PATCH"):
        for data in shown(request.json):
            assert data["allowed_mentions"]["parse"] == []
            assert not data["allowed_mentions"].get("users")
            assert not data["allowed_mentions"].get("roles")
