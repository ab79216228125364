"""A hand that does to the bot whatever a case says, and judges all that the bot says, sends and logs."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import discord
import pytest
from hypothesis import given, strategies as st
from simcord.backend.errors import SetupError
from simcord.backend.models import Interaction, Message
from simcord.enums import InteractionType

from bot.words import replace_surrogates
from galvanic.errors import UserError
from playground.people import File
from playground.places import BOT_ID, CHANNEL_IDS, USER_IDS
from tests.bot.live import Live, text_of
from tests.bot.test_mentions import shown
from tests.fuzz.author import Author
from tests.fuzz.budget import Cost, fuzz
from tests.fuzz.reading import require_in_place
from tests.fuzz.saved import because, saved

_TRACE = re.compile(r"Traceback \(most recent|File \".*\", line \d+|[a-z]Error\b|<class '|object at 0x")
_BROKEN = "Something went wrong"
_HANDLING = (
    "discord.py: on_message",
    "discord.py: on_command_error",
    "discord.py: on_addressed",
    "CommandTree-invoker",
    "discord-ui-dynamic-item",
    "discord-ui-modal-dispatch",
)
"""How discord.py calls the tasks that handle what somebody did."""
NOT_UNDERSTOOD = ("job_not_understood", "event_not_understood")
"""What is logged in one line, without words, because the operator must mend it."""
_LEAST_LOGGED = 12
"""Characters from which on a case's words would not be in a log by chance."""


CarryOut = Callable[["Hand", dict[str, Any]], Awaitable[None]]
"""Does what a case says, and judges what came of it."""


class Hand:
    """One bot, its playground, its worker, and what is logged meanwhile."""

    def __init__(
        self, live: Live, author: Author, logged: list[Mapping[str, Any]], caplog: Any, *, channel: str = "lab"
    ) -> None:
        self.live = live
        self.author = author
        self._logged = logged
        self._caplog = caplog
        self._channel = CHANNEL_IDS[channel]

    # ------------------------------------------------------------------ doing

    async def write(self, content: str, *, answered: bool = True, person: str = "ada") -> None:
        """Write a message, and wait for an answer, or where none may be due, until the bot has seen it."""
        sent = self.live.send(content[:2_000], person=person)
        if answered:
            await self.live.until(lambda: self.live.answer(sent), "an answer")
        else:
            await self.live.handled()
        await self.settled()

    async def attach(self, content: str, name: str, data: bytes) -> None:
        """Write a message with a file, of any name and size, and wait for an answer."""
        attachments = self.live.world.store_attachments(self._channel, [(replace_surrogates(name), data)])
        sent = self.live.world.create_message(self._channel, USER_IDS["ada"], content[:2_000], attachments=attachments)
        await self.live.until(lambda: self.live.answer(sent), "an answer")
        await self.settled()

    async def call(self, command: str, options: dict[str, Any], files: Mapping[str, tuple[str, bytes]] = {}) -> None:
        """Call a slash command; what Discord's own client would not send is not sent."""
        given = {name: File(*file) for name, file in files.items()}
        try:
            called = self.live.acts.slash(USER_IDS["ada"], self._channel, command, options, given)
        except (UserError, SetupError):
            return
        await self.done(called)

    async def complete(self, command: str, option: str, typed: str) -> None:
        """Type into an option that offers choices."""
        offered = await self.live.acts.autocomplete(USER_IDS["ada"], self._channel, command, option, typed, {})
        assert len(offered) <= 25
        assert all(0 < len(choice["name"]) <= 100 and 0 < len(choice["value"]) <= 100 for choice in offered)

    async def press(self, message: Message, data: dict[str, Any], *, person: str = "ada") -> Interaction:
        """Press what need not be on the message, as only a forged client can: `data` as the gateway brings it."""
        kind = InteractionType.MODAL_SUBMIT if "components" in data else InteractionType.MESSAGE_COMPONENT
        pressed = self.live.acts._dispatch(kind, USER_IDS[person], message.channel_id, data, source=message)
        await self.done(pressed)
        return pressed

    async def done(self, called: Interaction) -> None:
        """Wait until an interaction has its answer."""

        def answered() -> bool:
            if called.modal is not None or (called.responded and called.message_id is None):
                return True
            if called.message_id is None:
                return False
            message = self.live.world.messages[called.channel_id].get(called.message_id)
            return message is None or not message.flags & discord.MessageFlags(loading=True).value

        await self.live.until(answered, "an answer to an interaction")
        await self.settled()

    async def settled(self) -> None:
        """Wait until the bot has done with all that it was told: what is answered may go on."""

        def under_way() -> bool:
            return any(task.get_name().startswith(_HANDLING) for task in asyncio.all_tasks())

        await self.live.until(lambda: not under_way(), "the bot to be done")

    # ------------------------------------------------------------------ judging

    def said(self) -> list[Message]:
        """All that the bot has said since the last case, wherever and to whom."""
        found = [message for channel in self.live.world.messages.values() for message in channel.values()]
        return [message for message in found if message.author_id == BOT_ID]

    def judge(self, *secret: str) -> None:
        """Hold all that was said, sent and logged to the rules. `secret`: words that no log may have."""
        for message in self.said():
            text = text_of(message)
            assert _BROKEN not in text, text
            assert not _TRACE.search(text), text
            require_all_in_place(message)
            self._judge_refusal(message)
        for request in self.live.requests("POST", "PATCH"):
            for data in shown(request.json):
                require_no_ping(data)
        errors = [record for record in self._caplog.records if record.levelno >= logging.ERROR]
        assert not errors, [record.getMessage() + str(record.exc_info) for record in errors]
        for line in self._logged:
            if line["event"] in NOT_UNDERSTOOD:
                continue
            assert line["log_level"] not in ("error", "critical"), f"{line} {getattr(line.get('exc_info'), 'text', '')}"
            for words in secret:
                assert len(words) < _LEAST_LOGGED or words not in repr(line), line["event"]

    def _judge_refusal(self, message: Message) -> None:
        """An error says what was wrong and, in a line of its own, what to do."""
        for embed in message.embeds:
            description = embed.get("description") or ""
            if description.startswith("❌ **"):
                problem, _, remedy = description.partition("**\n")
                assert len(problem) > len("❌ **") + 5, description
                assert remedy.strip(), description

    def forget(self) -> None:
        """Drop what the last case has left, in the local Discord, in Redis and in the logs."""
        for task in self.live.bot.delivery.tasks:
            if task.get_name().startswith("deliver t-"):  # a card, whose training is lost in a moment
                task.cancel()
        world = self.live.world
        for messages in world.messages.values():
            messages.clear()
        for kept in (world.http_requests, world.transcript, world.interactions, world._embed_files):
            kept.clear()
        world.cdn.files.clear()
        self.author.forget()
        self.author.stock()
        self.live.bot.guild_settings._known.clear()
        self._logged.clear()
        self._caplog.clear()


def both_tests(kind: str, cases: st.SearchStrategy[dict[str, Any]], carry_out: CarryOut) -> tuple[Any, Any]:
    """The two tests of a kind: of the cases that are saved, and of any."""

    @pytest.mark.fuzz(kind)
    async def of_saved(hand: Hand) -> None:
        for why, case in saved(kind):
            with because(why):
                await carry_out(hand, case)

    @pytest.mark.fuzz(kind)
    @fuzz(kind)
    @given(case=cases)
    async def of_any(hand: Hand, cost: Cost, case: dict[str, Any]) -> None:
        async with cost.awaited(case):
            await carry_out(hand, case)

    return of_saved, of_any


def require_all_in_place(message: Message) -> None:
    """Nothing in a message breaks out of its place, wherever it stands."""
    require_in_place(message.content)
    for embed in message.embeds:
        require_in_place(embed.get("title") or "", inline=True)
        require_in_place(embed.get("description") or "")
        for field in embed.get("fields", ()):
            require_in_place(field["name"], inline=True)
            require_in_place(field["value"])


def require_no_ping(data: dict[str, Any]) -> None:
    """A message that Discord would ping nobody for."""
    mentions = data.get("allowed_mentions") or {}
    assert mentions.get("parse") == [], data
    assert not any(mentions.get(name) for name in ("users", "roles", "replied_user")), data


def modal(custom_id: str, values: dict[str, str]) -> dict[str, Any]:
    """A form as it is sent in: each field in a row of its own."""
    rows = [
        {"type": 1, "components": [{"type": 4, "custom_id": name, "value": value}]} for name, value in values.items()
    ]
    return {"custom_id": custom_id, "components": rows}
