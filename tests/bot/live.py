"""A hand to drive a bot that is connected to a playground of the same process."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import aiohttp
import discord
import pytest
from discord.ext import commands
from simcord.backend.models import Interaction, Message, Overwrite
from simcord.enums import OverwriteType

from bot.app import Galvanic
from bot.channels.cog import Privacy
from bot.channels.consent import ConsentStore
from bot.channels.reading import ChannelReadings
from bot.core import Core
from bot.models.cog import ModelCommands
from bot.train.card import TrainingCards
from bot.train.cog import TrainCommands
from bot.train.cog_jobs import Jobs
from bot.train.cog_learn import Learning
from bot.train.remake import Remaking
from bot.train.start import Trainings
from playground.places import BOT_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from shared.jobs import TrainJob
from tests.bot.ids import LAB
from tests.driver.control import Driver
from tests.driver.faults import Fault

T = TypeVar("T")
J = TypeVar("J")
C = TypeVar("C", bound=commands.Cog)
PATIENCE_S = 60.0


class Live:
    """The bot, and the people around it."""

    def __init__(self, bot: Galvanic, driver: Driver, patch: pytest.MonkeyPatch | None = None) -> None:
        self.bot = bot
        self.driver = driver
        self.patch = patch or pytest.MonkeyPatch()
        """For what a test has otherwise in the bot or around it, until its end."""
        playground = driver.playground
        self.world = playground.world
        self.faults = driver.faults
        self.gateway = playground.gateway
        self.people = playground.people
        self.acts = playground.interactions

    @property
    def core(self) -> Core:
        return self.bot.core

    @property
    def models(self) -> ModelCommands:
        return cog(self.bot, ModelCommands)

    @property
    def channels(self) -> Privacy:
        return cog(self.bot, Privacy)

    @property
    def readings(self) -> ChannelReadings:
        return self.trainings.readings

    @property
    def consents(self) -> ConsentStore:
        return self.channels.sources.consents

    @property
    def trainings(self) -> Trainings:
        return cog(self.bot, TrainCommands).trainings

    @property
    def cards(self) -> TrainingCards:
        return cog(self.bot, Jobs).cards

    @property
    def remaking(self) -> Remaking:
        return cog(self.bot, Remaking)

    @property
    def learning(self) -> Learning:
        return cog(self.bot, Learning)

    def send(
        self,
        content: str,
        *,
        person: str = "ada",
        channel: str | int = "lab",
        reply_to: Message | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Message:
        """Write a message, with files by name."""
        channel_id = _id_of(channel)
        to = None if reply_to is None else {"channel_id": str(channel_id), "message_id": str(reply_to.id)}
        attached = self.world.store_attachments(channel_id, [*(files or {}).items()])
        return self.world.create_message(channel_id, USER_IDS[person], content, attachments=attached, reference=to)

    async def ask(self, content: str, **options: Any) -> str:
        """Write a message as `send` does, and wait for the bot's first answer to it; its words."""
        return text_of(await self.answered(self.send(content, **options)))

    async def answered(self, sent: Message) -> Message:
        """The bot's first message after another, once it is there."""
        return await self.until(lambda: self.answer(sent), f"an answer to {sent.content!r}")

    def slash(self, person: str, command: str, channel: str | int = "lab", /, **options: Any) -> Interaction:
        return self.acts.slash(USER_IDS[person], _id_of(channel), command, options, {})

    def press(self, person: str, message: Message, label: str) -> Interaction:
        return self.acts.click(USER_IDS[person], message.channel_id, message.id, custom_id(message, label))

    async def form(self, opened: Interaction) -> Interaction:
        """A form, once it is open."""
        await self.until(lambda: opened.modal, "the form")
        return opened

    def answer(self, sent: Message) -> Message | None:
        """The bot's first message after another."""
        later = self.world.messages[sent.channel_id].values()
        return next((message for message in later if message.id > sent.id and message.author_id == BOT_ID), None)

    def showing(self, words: str, *, channel: str | int = "lab") -> Message | None:
        """The bot's first message for everybody that shows these words."""
        return next(iter(self.shown(words, channel=channel)), None)

    def shown(self, words: str, *, channel: str | int = "lab") -> list[Message]:
        """All messages of the bot's for everybody that show these words."""
        found = [message for message in self.world.messages[_id_of(channel)].values() if not message.is_ephemeral]
        return [message for message in found if message.author_id == BOT_ID and words in text_of(message)]

    def whispered(self, person: str, words: str, *, channel: str | int = "lab") -> Message | None:
        """The bot's last message that only this person sees, if it shows these words."""
        found = self.people.visible_messages(USER_IDS[person], _id_of(channel))
        last = next((message for message in reversed(found) if message.is_ephemeral), None)
        return last if last is not None and words in text_of(last) else None

    async def answered_privately(self, person: str, message: Message, label: str, words: str) -> Message:
        """Press a button, and wait for an answer with these words that only this person sees."""
        self.press(person, message, label)
        return await self.until(lambda: self.whispered(person, words), words)

    async def directly(self, person: str, words: str) -> Message:
        """A direct message of the bot's with these words, once it is there."""
        return await self.until(lambda: self.showing(words, channel=self.dm(person)), f"{words!r} as a direct message")

    async def handled(self) -> None:
        """Wait until the bot has done with everything that was written before, and with each reaction.

        It answers in turn; what Discord tells it otherwise is handled in tasks of discord.py's.
        """
        await self.ask("!help handled", channel="library")
        await self.events_handled("on_raw_")

    async def events_handled(self, name: str) -> None:
        """Wait for the handlers of Discord's events that began, by the beginning of their names."""
        tasks = asyncio.all_tasks()
        await asyncio.gather(*(task for task in tasks if task.get_name().startswith(f"discord.py: {name}")))

    @property
    def guild(self) -> discord.Guild:
        """The first server, as the bot knows it."""
        guild = self.bot.get_guild(GUILD_ID)
        assert guild is not None
        return guild

    async def job(self, job_id: str, kind: type[J]) -> J:
        """A job of a kind, as it was entered."""
        stored = await self.core.jobs.load(job_id)
        assert stored is not None
        assert isinstance(stored.job, kind)
        return stored.job

    async def follow(self, job: TrainJob) -> TrainJob:
        """Enter a training, and have its card posted."""
        text = None if job.is_unread else "text"
        assert await self.core.jobs.submit_train(job, text)
        self.core.delivery.follow(job, None)
        return job

    async def start_again(self) -> None:
        """Have the bot take up what an earlier run left, as at its start."""
        self.core.delivery._seen = None
        await self.core.delivery.look()

    async def until(self, predicate: Callable[[], T | None], what: str) -> T:
        """Wait until `predicate` returns something true."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while not (value := predicate()):
            assert asyncio.get_running_loop().time() < deadline, what
            await asyncio.sleep(0.01)
        return value

    def dm(self, person: str = "ben") -> int:
        """Id of the channel for direct messages between the bot and a person."""
        return int(self.world.get_dm_channel(USER_IDS[person]).id)

    def close_dms(self, person: str) -> None:
        """Let a person take no direct messages."""
        self.faults.add(Fault("POST", f"/channels/{self.dm(person)}/messages", 403, 50_007, times=1_000))

    def remove_channel(self, channel_id: int) -> None:
        """Delete a channel, and tell the bot."""
        self.driver.admin.remove(channel_id)

    async def deny(self, *permissions: str, channel_id: int = LAB, who: int = BOT_ID) -> None:
        """Take permissions in a channel from the bot, or from a person, and wait until the bot knows of it."""
        await self._overwrite(channel_id, who, deny=_bits(permissions))

    async def allow(self, *permissions: str, channel_id: int = LAB) -> None:
        """Give the bot permissions in a channel besides those that it has, and wait until it knows of it."""
        overwrites = self.world.get_channel(channel_id).overwrites
        own = next((entry.allow for entry in overwrites if entry.target_id == BOT_ID), 0)
        await self._overwrite(channel_id, BOT_ID, allow=own | _bits(permissions))

    async def _overwrite(self, channel_id: int, who: int, allow: int = 0, deny: int = 0) -> None:
        channel = self.world.get_channel(channel_id)
        others = [entry for entry in channel.overwrites if entry.target_id != who]
        channel.overwrites = [*others, Overwrite(who, OverwriteType.MEMBER, allow=allow, deny=deny)]
        self.world.announce_channel_update(channel_id)
        seen: Any = self.bot.get_channel(channel_id)
        known = (who, allow, deny)
        await self.until(
            lambda: known in [(one.id, one.allow, one.deny) for one in seen._overwrites], "the bot to know"
        )

    def requests(self, *methods: str) -> list[Any]:
        """What the bot sent Discord, newest last."""
        return [entry for entry in self.world.http_requests if entry.method in methods]


def cog(bot: Galvanic, kind: type[C]) -> C:
    """The bot's cog of this class."""
    added = bot.get_cog(kind.__cog_name__)
    assert isinstance(added, kind)
    return added


def _bits(permissions: Iterable[str]) -> int:
    return discord.Permissions(**dict.fromkeys(permissions, True)).value


def _id_of(channel: str | int) -> int:
    return CHANNEL_IDS[channel] if isinstance(channel, str) else channel


def custom_id(message: Message, label: str) -> str:
    """Of the button with this label."""
    items = (item for row in message.components for item in row["components"])
    return str(next(item["custom_id"] for item in items if item.get("label") == label))


def text_of(message: Message) -> str:
    """All words of a message."""
    parts: list[str | None] = [message.content]
    for embed in message.embeds:
        parts += [embed.get("title"), embed.get("description")]
        parts += [word for field in embed.get("fields", []) for word in (field["name"], field["value"])]
        parts.append((embed.get("footer") or {}).get("text"))
    return "\n".join(part for part in parts if part)


async def read_file(attached: Any) -> bytes:
    """The bytes of a file that was posted."""
    url = attached["url"] if isinstance(attached, dict) else attached.url
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.read()
