"""Shows what a chat holds before anything of it is learned, and learns what was shown when its person says so."""

import asyncio
import dataclasses
import functools
import json
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import discord
import structlog
from pydantic import BaseModel

from bot.background import redis_call
from bot.channels.consent import Consents, ConsentStore
from bot.channels.pages import agreed_lines
from bot.channels.reading import Export, ReadingPlan
from bot.channels.sources import Sources
from bot.components import USER, Components, Press, button, custom_id, view
from bot.core import Core
from bot.responder import channel_of
from bot.servers.access import Actor, member_in, require_all
from bot.train.start import Trainings, TrainRequest
from bot.train.uploads import ReadChat
from bot.types import Send
from bot.words import BLURPLE, DESCRIPTION_LIMIT, GREY, NOBODY, TITLE_LIMIT, as_typed, clipped, label, listed
from galvanic.errors import UserError
from galvanic.options import TrainOptions
from galvanic.read.chat import SHOWN, line_by
from galvanic.read.pseudonyms import pseudonyms
from galvanic.read.text import of_memory
from galvanic.units import count
from shared import keys
from shared.corpora.corpus import Corpus, checked
from shared.corpora.lines import Line, pack_page, unpack_page
from shared.corpora.reader import ChatFacts
from shared.jobs import ModelId, Snowflake
from shared.models import ModelRecord

PREVIEW = r"(?P<preview>\d{1,20})"
_LINE_CHARS = 160  # of a line that is shown
_OTHERS_WORDS = "You are responsible for what others wrote elsewhere: ask them."
_OWN_WORDS = "These are your own words. Until you share it, nobody but you can use the model."
_AGREED_WORDS = "Of this server only the messages of members who agreed are learned."
_NOT_AGREED = "messages of members who haven't agreed"
_MAYBE_HERE = "messages of members of this server (export the channel as JSON, which says where they wrote them)"
# Change, or drop, a preview that is still this one. KEYS: a person's. ARGV: its id, what was chosen or nothing.
_CHANGE = """
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then return 0 end
return ARGV[2] == '' and redis.call('DEL', KEYS[1]) or redis.call('HSET', KEYS[1], 'about', ARGV[2])
"""

log = structlog.get_logger()


class Preview(BaseModel, frozen=True):
    """A chat that is shown, and what was chosen of it.

    Attributes:
        user_id: who attached it, and alone can have it learned.
        parent_id: the model to start from; None: as `options` say.
        speakers: begin each line with an invented name for its author.
        people: the numbers of those whose lines are learned; None: everybody's.
    """

    user_id: Snowflake
    chat: ChatFacts
    options: TrainOptions
    parent_id: ModelId | None
    speakers: bool
    people: tuple[int, ...] | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Return whether others wrote it in another place."""
        return not (self.chat.channel_id or self.chat.is_own)


@dataclass(frozen=True, repr=False)
class StoredPreview:
    """A preview with the words that it shows."""

    preview_id: int
    about: Preview
    pages: Sequence[bytes]
    names: bytes


@dataclass(eq=False, repr=False, kw_only=True)
class Previews:
    """Previews in Redis, where the bot alone can read them: a person's newest one in each server.

    Any method raises `redis.RedisError`.
    """

    core: Core
    trainings: Trainings
    sources: Sources
    consents: ConsentStore

    def register(self, components: Components) -> None:
        add = functools.partial(components.add, arguments=f"{PREVIEW}:{USER}", how="update", owner=True)
        add("preview-train", self._train)
        add("preview-cancel", self._cancel)
        add("preview-names", self._switch_names)
        add("preview-people", self._choose_people)

    async def show(
        self,
        actor: Actor,
        content: ReadChat,
        options: TrainOptions,
        send: Send,
        *,
        parent: ModelRecord | None,
        speakers: bool,
    ) -> None:
        """Keep a chat for an hour, and show it. `parent`, `speakers`: as in `Preview`.

        Raises UserError: it is a channel's that this person can't have learned here.
        """
        chat, pages = content.facts, content.pages
        if chat.channel_id:
            await self.sources.find(actor, f"<#{chat.channel_id}>")
            includes = (await self.consents.of(actor.guild_id)).includes
            chat, pages = await asyncio.to_thread(
                _without, chat, pages, lambda line: not includes(line.author_id, line.message_id), _NOT_AGREED
            )
        elif members := await self._members(actor.guild_id, chat.author_ids):
            chat, pages = await asyncio.to_thread(
                _without, chat, pages, lambda line: line.author_id in members, _MAYBE_HERE
            )
        about = Preview(
            user_id=actor.user.id,
            chat=chat,
            options=options,
            parent_id=parent.model_id if parent is not None else None,
            speakers=speakers and not chat.is_own,
        )
        stored = StoredPreview(actor.request_id, about, pages, content.names)
        key = keys.preview(actor.guild_id, actor.user.id)
        async with self.core.redis.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            pipe.hset(key, mapping={str(number): page for number, page in enumerate(pages)})
            pipe.hset(key, "names", stored.names)
            pipe.hset(key, mapping={"id": str(stored.preview_id), "about": about.model_dump_json()})
            pipe.expire(key, keys.PREVIEW_TTL_S)
            await redis_call(pipe.execute())
        log.info("preview_shown", messages=chat.messages, people=chat.people)
        await send(**await self._drawn(actor.guild_id, stored), allowed_mentions=NOBODY)

    async def _members(self, guild_id: int, author_ids: dict[int, int]) -> set[int]:
        """Return the numbers of those of a chat's people who are members of a server. Raises DISCORD_ERRORS."""
        guild = self.core.bot.get_guild(guild_id)
        if not author_ids or guild is None:
            return set()
        members = {number: await member_in(guild, discord.Object(user)) for number, user in author_ids.items()}
        return {number for number, member in members.items() if member is not None}

    # ------------------------------------------------------------------ what is pressed

    async def _train(self, press: Press) -> None:
        """Begin a training on what is shown. Pressed twice, it is the same training."""
        require_all(press.interaction.app_permissions, press.interaction.channel)
        stored = await self._stored(press)
        actor = dataclasses.replace(press.actor, request_id=stored.preview_id)
        send = channel_of(press.interaction).send
        if stored.about.is_elsewhere:
            await self.trainings.begin(actor, functools.partial(self._request, actor, stored), send)
        else:
            await self.trainings.begin_channel(actor, functools.partial(self._plan, actor, stored), send)
        await self._close(press, "Its training has a card of its own.")

    async def _request(self, actor: Actor, stored: StoredPreview) -> TrainRequest:
        corpus = await asyncio.to_thread(_corpus, stored)
        return TrainRequest(corpus, stored.about.options, await self._parent(actor, stored.about))

    async def _plan(self, actor: Actor, stored: StoredPreview) -> ReadingPlan:
        about = stored.about
        source, author_id, until = None, actor.user.id, discord.utils.time_snowflake(discord.utils.utcnow(), high=True)
        if about.chat.channel_id:
            source = await self.sources.find(actor, f"<#{about.chat.channel_id}>")
            author_id, until = 0, about.chat.last_id
        return ReadingPlan(
            source,
            about.options,
            Export(actor.guild_id, stored.pages, about.chat.messages, until),
            speakers=about.speakers,
            parent=await self._parent(actor, about),
            author_id=author_id,
        )

    async def _parent(self, actor: Actor, about: Preview) -> ModelRecord | None:
        if about.parent_id is None:
            return None
        return await self.trainings.registry.by_id(actor.viewer, about.parent_id)

    async def _cancel(self, press: Press) -> None:
        await self._close(press, "Cancelled. Nothing of it was learned or kept.")

    async def _switch_names(self, press: Press) -> None:
        await self._change(press, lambda about: {"speakers": not about.speakers})

    async def _choose_people(self, press: Press) -> None:
        """Learn only some people's lines; with none chosen, everybody's."""
        numbers = {int(value) for value in map(str, press.values) if value.isdecimal()}

        def choose(about: Preview) -> dict[str, Any]:
            people = tuple(person.number for person in about.chat.listed if person.number in numbers)
            return {"people": people if 0 < len(people) < about.chat.people else None}

        await self._change(press, choose)

    async def _change(self, press: Press, change: Callable[[Preview], dict[str, Any]]) -> None:
        stored = await self._stored(press)
        about = stored.about.model_copy(update=change(stored.about))
        await self._set(press, about.model_dump_json())
        await press.update(**await self._drawn(press.actor.guild_id, dataclasses.replace(stored, about=about)))

    async def _close(self, press: Press, text: str) -> None:
        await self._set(press, "")
        await press.update(embed=discord.Embed(description=text, colour=GREY), view=None)

    async def _set(self, press: Press, about: str) -> None:
        key = keys.preview(press.actor.guild_id, press.actor.user.id)
        await redis_call(self.core.redis.eval(_CHANGE, 1, key, press["preview"], about))

    async def _stored(self, press: Press) -> StoredPreview:
        """Return a preview. Raises UserError: it has expired, or was pressed before."""
        key = keys.preview(press.actor.guild_id, press.actor.user.id)
        fields = await redis_call(self.core.redis.hgetall(key))
        if fields.pop(b"id", b"").decode() != press["preview"]:
            raise UserError("This preview is over: I keep your newest chat, for an hour.", "Run the command again.")
        about, names = Preview.model_validate_json(fields.pop(b"about")), fields.pop(b"names")
        return StoredPreview(int(press["preview"]), about, [fields[name] for name in sorted(fields, key=int)], names)

    # ------------------------------------------------------------------ what is shown

    async def _drawn(self, guild_id: int, stored: StoredPreview) -> dict[str, Any]:
        """Return a preview's embed and controls."""
        about, chat = stored.about, stored.about.chat
        consents = await self.consents.of(guild_id) if chat.channel_id else None
        shown = await asyncio.to_thread(_shown, stored, consents)
        prefix = await self.core.servers.prefix(guild_id)
        return {"embed": _embed(about, *shown, prefix), "view": _controls(stored.preview_id, about)}


def _without(
    chat: ChatFacts, pages: Sequence[bytes], goes: Callable[[Line], bool], why: str
) -> tuple[ChatFacts, list[bytes]]:
    """Return a chat without some lines, which are counted as left out."""
    remaining = [[line for line in unpack_page(page) if not goes(line)] for page in pages]
    authors = {line.author_id for lines in remaining for line in lines}
    messages = sum(map(len, remaining))
    left_out = ((why, chat.messages - messages),) if messages < chat.messages else ()
    changed = {
        "messages": messages,
        "people": len(authors),
        "listed": tuple(person for person in chat.listed if person.number in authors),
        "left_out": (*left_out, *chat.left_out),
        "author_ids": {},
    }
    return chat.model_copy(update=changed), [pack_page(lines) for lines in remaining if lines]


def _lines(stored: StoredPreview, consents: Consents | None) -> list[Line]:
    """Return the lines that would be learned now."""
    people = stored.about.people
    return [line for line in agreed_lines(stored.pages, consents) if people is None or line.author_id in people]


def _texts(stored: StoredPreview, lines: Sequence[Line]) -> list[str]:
    """Return lines as they are learned; a channel's members get other invented names then."""
    if not stored.about.speakers:
        return [line.text for line in lines]
    names: dict[int, str] = dict(enumerate(json.loads(zlib.decompress(stored.names))))
    if stored.about.chat.channel_id:
        authors = list(dict.fromkeys(line.author_id for line in lines))
        names = dict(zip(authors, pseudonyms(len(authors)), strict=False))
    return [line_by(names[line.author_id], line.text) for line in lines]


def _shown(stored: StoredPreview, consents: Consents | None) -> tuple[int, int, list[str]]:
    """Return how many messages, of how many people, would be learned; and some lines, evenly from all."""
    lines = _lines(stored, consents)
    step = max(1, len(lines) // SHOWN)
    return len(lines), len({line.author_id for line in lines}), _texts(stored, lines)[step // 2 :: step][:SHOWN]


def _corpus(stored: StoredPreview) -> Corpus:
    """Return the text that was chosen. Raises UserError: it is too short."""
    chat = stored.about.chat
    text = of_memory("".join(f"{line}\n" for line in _texts(stored, _lines(stored, None))))
    return checked(text, text.info(chat.title, chat.title, "upload", chat.licence, hard_wrapped=False))


def _embed(about: Preview, messages: int, people: int, lines: Collection[str], prefix: str) -> discord.Embed:
    """Draw a chat: what it is, what is left out, and some lines. Nothing in it is a mention, a link or a mark."""
    chat = about.chat
    when = f", {chat.first} to {chat.last}" if chat.first is not None else ""
    persons = "1 person" if people == 1 else f"{people:,} people"
    words = _OTHERS_WORDS if about.is_elsewhere else _OWN_WORDS if chat.is_own else _AGREED_WORDS
    parts = [
        f"{chat.format[:1].upper()}{chat.format[1:]}: **{count(messages, 'message')}** by {persons}{when}. {words}",
        *(f"Left out: {number:,} {what}." for what, number in chat.left_out),
    ]
    if chat.people > len(chat.listed) and about.is_elsewhere:
        only = as_typed(prefix, "train", "--only", "NAME,NAME")
        parts.append(f"The menu has the {len(chat.listed)} who wrote most; `{only}` takes others.")
    shown = listed([f"> {clipped(line, _LINE_CHARS)}" for line in lines], "and {} more", 2_400)
    parts.append(f"\n**Lines as they are learned:**\n{shown or '> …'}")
    description = "\n".join(parts)[:DESCRIPTION_LIMIT]
    embed = discord.Embed(title=clipped(chat.title, TITLE_LIMIT), description=description, colour=BLURPLE)
    return embed.set_footer(text="Nothing is learned before you press Train. I keep this for an hour.")


def _controls(preview_id: int, about: Preview) -> discord.ui.View:
    own = (preview_id, about.user_id)
    items: list[discord.ui.Item[Any]] = [
        button("preview-train", *own, label="Train", style=discord.ButtonStyle.primary),
        button("preview-cancel", *own, label="Cancel"),
    ]
    if not about.chat.is_own:
        words = "Without speakers' names" if about.speakers else "With invented names"
        items.append(button("preview-names", *own, label=words))
    if about.is_elsewhere and about.chat.people > 1:
        options = [
            discord.SelectOption(
                label=label(person.name),
                value=str(person.number),
                description=count(person.messages, "message"),
                default=about.people is not None and person.number in about.people,
            )
            for person in about.chat.listed
        ]
        items.append(
            discord.ui.Select(
                custom_id=custom_id("preview-people", *own),
                placeholder="Everybody's messages",
                min_values=0,
                max_values=len(options),
                options=options,
            )
        )
    return view(*items)
