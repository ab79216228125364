"""Models that speak under a name and a picture that an admin chose, through a webhook of the channel."""

import asyncio
import random
import re
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import disarm
import discord
import structlog
from redis.exceptions import RedisError

from bot.background import DISCORD_ERRORS, BackgroundService, is_transient
from bot.core import Core
from bot.errors import CLOSED, code_of, post_error
from bot.jobs.delivery import UNASKED
from bot.models.registry import Registry
from bot.servers.access import Actor, Viewer, channel_ids
from bot.talk.rooms import MOST_IN_A_SERVER, Rooms
from bot.talk.store import Persona, PersonaStore
from bot.words import NOBODY, as_typed, code, plain
from bot.write.changes import masked
from bot.write.conversation import Conversation, Turn
from bot.write.embeds import chatted
from galvanic.errors import UserError
from shared.events import Failed, Generated
from shared.jobs import GenerateJob
from shared.models import ModelRecord

MARK = " · model"
PAUSE_S = (3.0, 8.0)  # between two texts of a talk
LETTER = f"{UNASKED}-p"
"""Beginning of their jobs' ids: `u-p-REQUEST-TURN-CALL`. As `UNASKED` ones, none is posted late or again."""
_CALL = r"[a-z0-9][a-z0-9_-]{0,19}"
_CALLED = re.compile(rf"(?<![\w@<./])@({_CALL})(?![\w-])", re.IGNORECASE)
_RESERVED = ("everyone", "here", "systemmessage", "stop")
_MOST_CHARS = 32  # of a name, as on Discord: behind a longer one `MARK` could be out of sight
_MOST_MEMBERS = 1_000  # in an answer of Discord's
_ALIKE = ("li1", "o0")
log = structlog.get_logger()


@dataclass(frozen=True)
class PersonaLine:
    """A line that a persona is to write. `turn`: its number in a talk, from 0; None: it is none of a talk."""

    call: str
    persona: Persona
    job: GenerateJob
    turn: int | None


@dataclass(eq=False, repr=False)
class Personas(BackgroundService):
    """Has personas speak and talk. `talks`: those who wanted one, by channel or thread; one taken out ends."""

    core: Core
    registry: Registry
    conversation: Conversation
    rooms: Rooms
    store: PersonaStore
    talks: dict[int, Actor] = field(init=False, default_factory=dict)

    async def speaking_in(self, guild_id: int, places: list[int]) -> dict[str, Persona]:
        """Return those that speak in a channel, by what they are called; `places`: as of `channel_ids`."""
        personas = await self.store.of(guild_id)
        return {call: persona for call, persona in personas.items() if set(places) & set(persona.channels)}

    async def called(self, message: discord.Message) -> tuple[str, str] | None:
        """Return whom a person's message calls, by `@mary` or as a reply, and its words to them."""
        above = message.reference.resolved if message.reference is not None else None
        mentions = [*_CALLED.finditer(message.content)]
        if message.guild is None or not (mentions or isinstance(above, discord.Message)):
            return None
        try:
            personas = await self.speaking_in(message.guild.id, channel_ids(message.channel))
            shown = None
            if personas and isinstance(above, discord.Message):
                shown = await self.conversation.generating.job_of(above)
        except RedisError:  # whatever else the message asks for says so
            return None
        for mention in mentions:
            if (call := mention[1].lower()) in personas:
                words = f"{message.content[: mention.start()]} {message.content[mention.end() :]}"
                return call, " ".join(words.split())
        spoke = re.fullmatch(rf"{LETTER}-\d+-\d+-({_CALL})", shown or "")
        return (spoke[1], message.content.strip()) if spoke is not None and spoke[1] in personas else None

    async def hook(self, channel: Any) -> discord.Webhook | None:
        """Return the bot's webhook in a channel, made if need be; None: personas use the bot's name there.

        Discord may refuse one although the bot has the permission: there are too many, or the server requires
        two-factor authentication, which the bot's owner doesn't use. Raises its errors that pass.
        """
        room = channel.parent if isinstance(channel, discord.Thread) else channel
        if room is None or not room.permissions_for(room.guild.me).manage_webhooks:
            return None
        try:
            for webhook in await room.webhooks():
                if webhook.user == self.core.bot.user and webhook.token:
                    return webhook
            return await room.create_webhook(name="Galvanic personas")
        except discord.HTTPException as error:
            if is_transient(error):
                raise
            log.info("no_webhook", channel_id=room.id, code=error.code)
            return None

    async def _post(self, channel: Any, hook: discord.Webhook | None, persona: Persona, text: str, nonce: str) -> Any:
        options: dict[str, Any] = {"username": f"{persona.title}{MARK}", "suppress_embeds": True, "wait": True}
        # Without what makes the address expire: Discord renews it.
        options |= {"avatar_url": persona.picture.partition("?")[0]} if persona.picture else {}
        options |= {"thread": channel} if isinstance(channel, discord.Thread) else {}
        if hook is not None:
            return await hook.send(text, allowed_mentions=NOBODY, **options)
        return await channel.send(f"-# **{plain(persona.title)}**{MARK}\n{text}", suppress_embeds=True, nonce=nonce)

    async def _speaking(self, actor: Actor, call: str) -> tuple[Persona, ModelRecord]:
        """Return a persona and its model. Raises UserError: there is none, or its model is gone."""
        prefix = await self.core.servers.prefix(actor.guild_id)
        if (persona := (await self.speaking_in(actor.guild_id, actor.here)).get(call)) is None:
            raise UserError(f"No `@{call}` speaks here any more.", f"`{prefix}persona` lists who does.")
        try:
            return persona, await self.registry.by_id(Viewer(actor.guild_id, actor.here), persona.model_id)
        except UserError as problem:
            add = as_typed(prefix, "persona", "what", "add", "call", call, "model", "MODEL")
            raise UserError(
                f"{plain(persona.title)} can't speak: its model was deleted, or may not be used in this channel.",
                f"A member with Manage Server can give it another one: `{add}`.",
            ) from problem

    async def line(self, actor: Actor, call: str, turns: Sequence[Turn], turn: int | None = None) -> PersonaLine:
        """Return the line that a persona is to write after `turns`. `turn`: its number in a talk.

        Raises UserError: it can't, or this person may not have it do so.
        """
        await self.core.access.require("generate", actor)
        persona, model = await self._speaking(actor, call)
        job = await self.conversation.job(actor, model, turns, LETTER)
        return PersonaLine(call, persona, job.model_copy(update={"job_id": f"{job.job_id}-{turn or 0}-{call}"}), turn)

    async def say(self, actor: Actor, line: PersonaLine) -> str | None:
        """Have a persona write and say a line; return its text.

        Empty: nothing was posted; None: nobody knows. Raises UserError, with nothing posted: it can't.
        """
        guild_id, persona, job = actor.guild_id, line.persona, line.job
        event = await self.core.requests.unasked(guild_id, job, self.core.settings.generate_timeout_s)
        if isinstance(event, Failed):
            raise UserError(event.problem, event.remedy)
        if not isinstance(event, Generated):
            return ""
        try:
            hook = await self.hook(actor.channel)
            text = chatted(await masked(event, await self.core.fit(guild_id)))
            # Asked last: while Discord named its webhooks, an admin may have changed or deleted something.
            await self.registry.require_may_use(job.place, [job.model_id])
            current = (await self.speaking_in(guild_id, actor.here)).get(line.call)
            other = current is None or (current.title, current.model_id) != (persona.title, persona.model_id)
            if other or (line.turn is not None and not await self._goes_on(actor)):
                return ""
            posted = await self._post(actor.channel, hook, persona, text, f"{actor.request_id}-{line.turn or 0}")
        except DISCORD_ERRORS as error:
            if not is_transient(error) and code_of(error) not in CLOSED:
                raise
            log.warning("persona_not_heard", job_id=job.job_id, error=type(error).__name__)
            return None if is_transient(error) else ""
        await self.core.jobs.note_shown(posted.id, job.job_id)
        if posted.webhook_id and posted.author.avatar is not None and "attachments/" in (persona.picture or ""):
            lasting = posted.author.avatar.url.partition("?")[0]  # an attachment's address expires

            def keep_picture(current: Persona) -> dict[str, Any]:
                return {"picture": lasting} if current.picture == persona.picture else {}

            await self.store.change(guild_id, keep_picture)
        return event.text.strip()

    async def _goes_on(self, actor: Actor) -> bool:
        """Return whether a person's talk was neither stopped nor told to be quiet."""
        return self.talks.get(actor.here[0]) is actor and not await self._is_quiet(actor)

    async def _is_quiet(self, actor: Actor) -> bool:
        return (await self.rooms.room(actor.here[-1])).quiet > time.time()

    async def begin(self, actor: Actor, pair: tuple[str, str], turns: int, announced: asyncio.Event) -> None:
        """Have two personas talk, once that was `announced`. Raises UserError: they can't, or not here and now."""
        prefix = await self.core.servers.prefix(actor.guild_id)
        if len(set(pair) & (await self.speaking_in(actor.guild_id, actor.here)).keys()) < 2:
            raise UserError("I need two different personas of this channel.", f"`{prefix}persona` lists them.")
        for call in pair:
            await self._speaking(actor, call)
        if await self._is_quiet(actor):
            off = as_typed(prefix, "quiet", "time", "off")
            raise UserError("A moderator wants quiet here.", f"A member with Manage Messages can end it: `{off}`.")
        if actor.here[0] in self.talks:
            stop = as_typed(prefix, "talk", "first", "stop")
            raise UserError("Two personas are already talking here.", f"`{stop}` ends that.")
        self.talks[actor.here[0]] = actor
        self.spawn(self._talk(actor, pair, turns, announced)).add_done_callback(lambda _: self.stop_talk(actor))

    def stop_talk(self, actor: Actor) -> None:
        """End the talk that a person wanted before its next text.

        Its task is not cancelled: after a request that was cancelled while Discord limits the whole bot, discord.py
        would send nothing any more.
        """
        if self.talks.get(actor.here[0]) is actor:
            del self.talks[actor.here[0]]

    async def _talk(self, actor: Actor, pair: tuple[str, str], turns: int, announced: asyncio.Event) -> None:
        texts, send = list[str](), self.core.bot.get_partial_messageable(actor.here[0], guild_id=actor.guild_id).send
        await announced.wait()
        try:
            try:
                while len(texts) < turns:
                    await asyncio.sleep(random.uniform(*PAUSE_S) if texts else 0)
                    if not await self._goes_on(actor):
                        break
                    place = (actor.here[-1], actor.guild_id, f"{LETTER}-{actor.request_id}-{len(texts)}")
                    if not await self.rooms.take(*place):
                        prefix = await self.core.servers.prefix(actor.guild_id)
                        raise UserError(
                            "This hour's texts are used up.",
                            f"Try again later. `{prefix}speak` shows this channel's limit; a server has "
                            f"{MOST_IN_A_SERVER} an hour.",
                        )
                    # The other one's texts are of nobody's id.
                    before = [Turn(0 if (len(texts) - at) % 2 else None, words, None) for at, words in enumerate(texts)]
                    text = await self.say(actor, await self.line(actor, pair[len(texts) % 2], before, len(texts)))
                    if text == "":
                        await self.rooms.give_back(*place)
                    if not text:
                        break
                    texts.append(text)
            except (UserError, discord.HTTPException) as problem:
                if not is_transient(problem):
                    await self.rooms.give_back(*place)  # nothing was posted
                if not isinstance(problem, UserError):
                    raise
                if await self._goes_on(actor):
                    await post_error(send, problem, nonce=f"t-{actor.request_id}")
        except (*DISCORD_ERRORS, RedisError) as error:
            log.warning("talk_ended", channel_id=actor.here[0], error=type(error).__name__)

    async def refuse_members_names(self, guild: discord.Guild, *names: str) -> None:
        """Raise UserError if a name looks like a member's.

        Discord searches members by the beginning of their names; no intent is needed.
        """
        route = discord.http.Route("GET", "/guilds/{guild_id}/members/search", guild_id=guild.id)
        look_alikes = set[str]().union(*map(_look_alikes, names))
        first = {key[0] for key in look_alikes} | {name[0].lower() for name in names}
        first |= {other for letters in _ALIKE for other in letters if first & set(letters)}
        for query in {*first, *names}:  # a whole name, too: more members may begin with a letter than are found
            for member in await self.core.bot.http.request(route, params={"query": query, "limit": _MOST_MEMBERS}):
                theirs = (member.get("nick"), member["user"]["username"], member["user"].get("global_name"))
                taken = set[str]().union(*(_look_alikes(name) for name in theirs if name))
                if (refused := next((name for name in names if taken & _look_alikes(name)), None)) is not None:
                    raise UserError(
                        f"A member of this server has the name {code(refused)}, or one like it.", "Choose another name."
                    )


def checked_name(call: str, title: str) -> str:
    """Return a persona's shown name, without invisible characters. Raises UserError if it or the call isn't allowed."""
    name = disarm.strip_format(unicodedata.normalize("NFKC", title.strip(" \"'“”")))
    plain = re.sub(r"(?<=\w)[・·](?=\w)", "", name)  # between the parts of a name in Japanese and Chinese
    signs = {unicodedata.category(symbol)[0] for symbol in plain if symbol not in " .,'’&!?()-"} - set("LMN")
    deceives = disarm.is_mixed_script(name) or disarm.is_zalgo(name)
    if re.fullmatch(_CALL, call) is None or call in _RESERVED:
        raise UserError(
            f"A persona can't be called with {code(f'@{call}')}.",
            "Use up to 20 letters a to z, digits, `-` or `_`; not `everyone`, `here` or `stop`.",
        )
    keys = _look_alikes(name)
    if not keys or signs or deceives or len(name) > _MOST_CHARS or keys & set(_RESERVED):
        raise UserError(
            f"A persona can't have the name {code(title)}.",
            f"Take up to {_MOST_CHARS} letters of one script, digits and spaces, as in `Mary Shelley`.",
        )
    if any(banned in key for key in keys for banned in _look_alikes("discord") | _look_alikes("clyde")):
        raise UserError(f"Discord lets nobody speak as {code(name)}.", "Choose another name.")
    return name


def _look_alikes(name: str) -> set[str]:
    """Return keys of a name as written, in small letters and in capitals. Names that look alike share a key."""
    cases = (name, name.casefold(), name.upper())
    keys = (unicodedata.normalize("NFKD", disarm.skeleton_key(cased, digit_policy="tr39")) for cased in cases)
    plain = ("".join(symbol for symbol in key if symbol.isalnum()) for key in keys)
    return {key.replace("rn", "m").replace("vv", "w") for key in plain} - {""}
