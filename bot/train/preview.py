"""Shows what a chat holds before anything of it is learned, and learns what was shown when its person says so."""

import asyncio
import dataclasses
import functools
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import discord
from pydantic import BaseModel

from bot.background import redis_call, reserve
from bot.channels.consent import Consents, Mode
from bot.channels.pages import ReadText, agreed_lines, read_text
from bot.channels.sources import Sources
from bot.components import USER, Components, Press, button, menu, view
from bot.core import Core
from bot.jobs.client import TRAINING, keep_newest
from bot.servers.access import Actor, member_in, require_all, require_joined
from bot.train.start import Trainings, TrainRequest
from bot.train.uploads import ReadChat
from bot.types import Send
from bot.words import BLURPLE, GREY, NOBODY, TITLE_LIMIT, clipped
from galvanic.errors import UserError
from galvanic.options import TrainOptions
from galvanic.read.chat import SHOWN, left_out_lines
from galvanic.read.text import of_memory
from galvanic.units import count
from shared import keys
from shared.corpora.corpus import LICENCES, Corpus, checked
from shared.corpora.lines import pack_page
from shared.corpora.reader import MOST_ASKED, ChatFacts
from shared.jobs import ModelId
from shared.models import ModelRecord

PREVIEW = r"(?P<preview>\d{1,20})"
_LINE_CHARS = 160  # of a line that is shown
_OTHERS_WORDS = "You are responsible for what others wrote elsewhere: ask them."
_OWN_WORDS = "These are your own words. Until you share it, nobody but you can use the model."
_LEFT_OUT: dict[Mode, str] = {
    "off": "messages of members",
    "opt-in": "messages of members who haven't agreed",
    "opt-out": "messages of members who said no",
}
# Change, or drop, a preview that is still this one. KEYS: a person's. ARGV: its id, what was chosen or nothing.
_CHANGE = """
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then return 0 end
return ARGV[2] == '' and redis.call('DEL', KEYS[1]) or redis.call('HSET', KEYS[1], 'about', ARGV[2])
"""


class Preview(BaseModel, frozen=True):
    """A chat that is shown, and what was chosen of it.

    Attributes:
        preview_id: id of the request.
        parent_id: the model to start from; None: as `options` say.
        speakers: begin each line with an invented name for its author.
        seed: of these names, so that those that are shown are learned.
        people: the numbers of those whose lines are learned; none: everybody's.
    """

    preview_id: int
    chat: ChatFacts
    options: TrainOptions
    parent_id: ModelId | None
    speakers: bool
    seed: int
    people: Sequence[int] = ()

    @property
    def is_elsewhere(self) -> bool:
        """Return whether others wrote it in another place."""
        return not (self.chat.channel_id or self.chat.is_own)


@dataclass(eq=False, repr=False, kw_only=True)
class Previews:
    """Previews in Redis, where the bot alone can read them: a person's newest one in each server.

    Any method raises `redis.RedisError`.
    """

    core: Core
    trainings: Trainings
    sources: Sources
    _turns: WeakValueDictionary[str, asyncio.Lock] = field(init=False, default_factory=WeakValueDictionary)
    _beginning: set[str] = field(init=False, default_factory=set)
    """Previews whose training is being begun."""
    _refused: set[str] = field(init=False, default_factory=set)
    """Previews whose training could not be begun. If Redis knows it all the same, it is being taken back."""

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

        Raises UserError: it is a channel's that this person can't have learned here, or nobody can tell who agreed.
        """
        if content.facts.channel_id:
            await self.sources.find(actor, f"<#{content.facts.channel_id}>")
            content = await asyncio.to_thread(_agreed, content, await self.sources.consents.of(actor.guild_id))
        await self._refuse_members(actor, content.facts.author_ids)
        chat, pages = content
        if not pages:
            raise UserError("Nothing of this chat would be learned.", " ".join(left_out_lines(chat.left_out)))
        about = Preview(
            preview_id=actor.request_id,
            chat=chat,
            options=options,
            parent_id=parent.model_id if parent is not None else None,
            speakers=speakers and not chat.is_own,
            seed=secrets.randbits(64),
        )
        stored = about.model_dump_json(exclude={"chat": {"author_ids"}})  # who they are is kept nowhere
        key, in_server = keys.preview(actor.guild_id, actor.user.id), keys.previews(actor.guild_id)
        async with self.core.redis.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            pipe.hset(key, mapping={str(number): page for number, page in enumerate(pages)})
            pipe.hset(key, mapping={"id": str(about.preview_id), "about": stored})
            pipe.expire(key, keys.PREVIEW_TTL_S)
            await keep_newest(self.core.redis, pipe, in_server, key, keys.PREVIEW_TTL_S)
        await send(**await self._drawn(actor, about, pages), allowed_mentions=NOBODY)

    async def _refuse_members(self, actor: Actor, author_ids: Sequence[int]) -> None:
        """Refuse words of other members that may be of this server. Raises UserError; DISCORD_ERRORS."""
        guild = self.core.bot.get_guild(actor.guild_id)
        too_many = len(author_ids) > MOST_ASKED
        for author_id in author_ids:
            if guild is None or too_many or await member_in(guild, discord.Object(author_id)) is not None:
                raise UserError(
                    "Members of this server may write there. The file doesn't say where, so I can't tell who agreed.",
                    "Export the channel as JSON, or leave them out with `--without`.",
                )

    # ------------------------------------------------------------------ controls

    async def _train(self, press: Press) -> None:
        """Begin a training on what is shown. Pressed twice, it is the same training."""
        require_all(press.interaction.app_permissions, press.interaction.channel)
        require_joined(press.interaction.app_permissions, press.interaction.channel)
        with reserve(self._beginning, press["preview"]) as is_first:
            if not is_first:
                return
            about, pages = await self._stored(press)
            actor = dataclasses.replace(press.actor, request_id=about.preview_id)
            if await self._was_taken_back(press["preview"], f"{TRAINING}{about.preview_id}"):
                actor = press.actor  # for another training
            try:
                await self._begin(actor, about, pages)
            except Exception:
                self._refused.add(press["preview"])
                raise
            self._refused.discard(press["preview"])
            await self._close(press, "Its training has a card of its own.")

    async def _was_taken_back(self, preview: str, job_id: str) -> bool:
        """Return whether Redis knows a preview's training although it could not be begun, by this run or another."""
        stored = await self.core.jobs.load(job_id)
        if stored is None or preview in self._refused:
            return stored is not None
        return stored.card is None and job_id not in await self.core.jobs.undelivered()

    async def _begin(self, actor: Actor, about: Preview, pages: Sequence[bytes]) -> None:
        prepare = self._of_text if about.is_elsewhere else self._of_messages
        await self.trainings.begin(actor, functools.partial(prepare, actor, about, pages))

    async def _of_text(self, actor: Actor, about: Preview, pages: Sequence[bytes]) -> TrainRequest:
        corpus = await asyncio.to_thread(_corpus, about, pages)
        return TrainRequest(corpus, about.options, await self._parent(actor, about))

    async def _of_messages(self, actor: Actor, about: Preview, pages: Sequence[bytes]) -> TrainRequest:
        channel_id = about.chat.channel_id
        return self.trainings.of_messages(
            await self.sources.find(actor, f"<#{channel_id}>") if channel_id else None,
            about.options,
            await self._parent(actor, about),
            pages=pages,
            # A no takes back a whole package if it comes after the reading, not after its newest message.
            until=about.chat.last_id if channel_id else 0,
            speakers=about.speakers,
            author_id=0 if channel_id else actor.user.id,
        )

    async def _parent(self, actor: Actor, about: Preview) -> ModelRecord | None:
        if about.parent_id is None:
            return None
        return await self.trainings.registry.by_id(actor.viewer, about.parent_id)

    async def _switch_names(self, press: Press) -> None:
        await self._change(press, lambda about: {"speakers": not about.speakers})

    async def _choose_people(self, press: Press) -> None:
        """Learn only some people's lines; with none chosen, everybody's."""

        def chosen(about: Preview) -> dict[str, Any]:
            return {"people": [each.number for each in about.chat.listed if str(each.number) in press.values]}

        await self._change(press, chosen)

    async def _change(self, press: Press, change: Callable[[Preview], dict[str, Any]]) -> None:
        self._require_unbegun(press)
        async with self._turn(press):
            about, pages = await self._stored(press)
            about = about.model_copy(update=change(about))
            await self._set(press, about.model_dump_json())
            await press.update(**await self._drawn(press.actor, about, pages))

    async def _cancel(self, press: Press) -> None:
        self._require_unbegun(press)
        await self._close(press, "Cancelled. Nothing of it was learned or kept.")

    async def _close(self, press: Press, text: str) -> None:
        async with self._turn(press):
            await self._set(press, "")
            await press.update(embed=discord.Embed(description=text, colour=GREY), view=None)

    def _turn(self, press: Press) -> asyncio.Lock:
        """Return the lock of a preview: what is shown last must be what was done last."""
        return self._turns.setdefault(press["preview"], asyncio.Lock())

    def _require_unbegun(self, press: Press) -> None:
        if press["preview"] in self._beginning:
            raise UserError("Its training is starting.", "The training's card has **Cancel**.")

    async def _set(self, press: Press, about: str) -> None:
        key = keys.preview(press.actor.guild_id, press.actor.user.id)
        await redis_call(self.core.redis.eval(_CHANGE, 1, key, press["preview"], about))

    async def _stored(self, press: Press) -> tuple[Preview, list[bytes]]:
        """Return a preview and the pages of its chat. Raises UserError: it has expired, or was pressed before."""
        key = keys.preview(press.actor.guild_id, press.actor.user.id)
        fields = await redis_call(self.core.redis.hgetall(key))
        if fields.pop(b"id", b"").decode() != press["preview"]:
            raise UserError("This preview is over: I keep your newest chat, for an hour.", "Run the command again.")
        about = Preview.model_validate_json(fields.pop(b"about"))
        return about, [fields[name] for name in sorted(fields, key=int)]

    # ------------------------------------------------------------------ stored previews

    async def _drawn(self, actor: Actor, about: Preview, pages: Sequence[bytes]) -> dict[str, Any]:
        """Return a preview's embed and controls."""
        consents = await self.sources.consents.of(actor.guild_id) if about.chat.channel_id else None
        shown = await asyncio.to_thread(_shown, about, pages, consents)
        rule = consents.rule if consents is not None else ""
        return {"embed": _embed(about, *shown, rule), "view": _controls(about, actor.user.id)}


def _agreed(content: ReadChat, consents: Consents) -> ReadChat:
    """Return a chat without the names, and without the messages that may not be learned, counted as left out."""
    chat, pages = content
    agreed = [agreed_lines([page], consents) for page in pages]
    messages = sum(map(len, agreed))
    left_out = ((_LEFT_OUT[consents.mode], chat.messages - messages),) if messages < chat.messages else ()
    update = {"messages": messages, "left_out": (*left_out, *chat.left_out), "listed": ()}
    return ReadChat(chat.model_copy(update=update), [pack_page(lines) for lines in agreed if lines])


def _text(about: Preview, pages: Sequence[bytes], consents: Consents | None) -> ReadText:
    """Return the text that was chosen; a channel's members get other invented names once it is learned."""
    return read_text(pages, consents, speakers=about.speakers, seed=about.seed, people=about.people)


def _shown(about: Preview, pages: Sequence[bytes], consents: Consents | None) -> tuple[int, int, list[str]]:
    """Return the numbers of messages and people to learn from, and some lines, evenly from all."""
    text = _text(about, pages, consents)
    lines = text.text.split("\n")[:-1]
    step = max(1, len(lines) // SHOWN)
    return len(lines), len(text.members), lines[step // 2 :: step][:SHOWN]


def _corpus(about: Preview, pages: Sequence[bytes]) -> Corpus:
    """Return the text that was chosen. Raises UserError: it is too short."""
    text, title = of_memory(_text(about, pages, None).text), about.chat.title
    return checked(text, text.info(title, title, "upload", LICENCES["upload"], language="", chat=True))


def _embed(about: Preview, messages: int, people: int, lines: Collection[str], rule: str) -> discord.Embed:
    """Draw a chat: what it is, what is left out, and some lines. Nothing in it is a mention, a link or a mark.

    `rule`: whose messages of a channel are learned.
    """
    chat = about.chat
    when = f", {chat.first} to {chat.last}" if chat.first is not None else ""
    words = _OTHERS_WORDS if about.is_elsewhere else _OWN_WORDS if chat.is_own else rule
    extent = f"**{count(messages, 'message')}** by {count(people, 'person', 'people')}{when}"
    parts = [
        f"{chat.format[:1].upper()}{chat.format[1:]}: {extent}. {words}",
        *left_out_lines(chat.left_out),
    ]
    parts += ["\n**Lines as they are learned:**", *(f"> {clipped(line, _LINE_CHARS)}" for line in lines or ["…"])]
    embed = discord.Embed(title=clipped(chat.title, TITLE_LIMIT), description="\n".join(parts), colour=BLURPLE)
    return embed.set_footer(text="Nothing is learned before you press Train. I keep this for an hour.")


def _controls(about: Preview, user_id: int) -> discord.ui.View:
    own = (about.preview_id, user_id)
    items: list[discord.ui.Item[Any]] = [
        button("preview-train", *own, label="Train", style=discord.ButtonStyle.primary),
        button("preview-cancel", *own, label="Cancel"),
    ]
    if not about.chat.is_own:
        words = "Without speakers' names" if about.speakers else "With invented names"
        items.append(button("preview-names", *own, label=words))
    if about.is_elsewhere and len(about.chat.listed) > 1:
        listed_people = [
            (person.name, str(person.number), count(person.messages, "message")) for person in about.chat.listed
        ]
        people = menu("preview-people", *own, placeholder="Everybody's messages", options=listed_people)
        people.min_values, people.max_values = 0, len(people.options)
        for option in people.options:
            option.default = int(option.value) in about.people
        items.append(people)
    return view(*items)
