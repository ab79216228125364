"""The game *real or model?*: one passage of a text among some that its model wrote, guesses, and the answer in time.

A quiz lies in Redis while it runs, so that it goes on after a restart. Nothing that Discord gets before the end depends
on which passage is real.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import discord
import structlog

from bot.background import Chores, is_transient, redis_call
from bot.components import JOB, Components, Press
from bot.core import Core
from bot.errors import error_embed
from bot.jobs.decoding import read
from bot.jobs.delivery import Delivery
from bot.models.registry import Registry
from bot.play import embeds
from bot.servers.access import Actor, Viewer
from bot.types import Send
from bot.words import NOBODY
from galvanic.errors import UserError
from galvanic.options import STARTER
from shared import keys
from shared.events import Quizzed
from shared.jobs import MOST_PASSAGES, QuizJob
from shared.models import ModelRecord

MOST_GUESSES, MOST_SCORES = 2_000, 10_000
"""People who guess in a quiz, and who are in a server's table: whoever comes later is not."""
_WEEK_S, _YEAR_S = 7 * 86_400, 365 * 86_400
_UNUSABLE = UserError("This quiz has no answer.", "Its model was deleted, or may no longer be used in this channel.")

# Claims a channel for a job. KEYS: the quiz, all of them. ARGV: id, channel, when it ends, how long it is kept, and the
# quiz's fields.
_BEGIN = """
if (redis.call('HGET', KEYS[1], 'id') or ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'id', ARGV[1], unpack(ARGV, 5))
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
return redis.call('EXPIRE', KEYS[1], ARGV[4])
"""
# Notes a guess. KEYS: the quiz, all of them. ARGV: id, the member's field, their guess, channel, now, most fields.
_GUESS = """
local ends = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[4]) or 0)
local room = redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[6])
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] or tonumber(ARGV[5]) >= ends or not room then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1
"""
# Ends a quiz that was shown and counts its guesses. KEYS: it, all, the scores. ARGV: channel, most scores (0: none is
# counted), how long they live.
_END = """
local real, fields = redis.call('HGET', KEYS[1], 'real'), redis.call('HGETALL', KEYS[1])
for i = 1, ARGV[2] == '0' and 0 or #fields, 2 do
  local user = string.match(fields[i], '^g:(%d+)$')
  local old = user and redis.call('HGET', KEYS[3], user)
  if old or user and redis.call('HLEN', KEYS[3]) < tonumber(ARGV[2]) then
    local right, all = string.match(old or '0:0', '(%d+):(%d+)')
    redis.call('HSET', KEYS[3], user, right + (fields[i + 1] == real and 1 or 0) .. ':' .. all + 1)
  end
end
redis.call('EXPIRE', KEYS[3], ARGV[3])
return redis.call('DEL', KEYS[1]) + redis.call('ZREM', KEYS[2], ARGV[1])
"""
log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Quiz:
    """Runs quizzes. `ends` shows their answers in time."""

    core: Core
    registry: Registry

    def __post_init__(self) -> None:
        self._begin, self._guess, self._end = map(self.core.redis.register_script, (_BEGIN, _GUESS, _END))
        self.ends = Chores("quizzes")

    def register(self, table: Components, delivery: Delivery) -> None:
        table.add("guess", self._pressed, rf"{JOB}:(?P<letter>[0-{MOST_PASSAGES - 1}])", how="private")
        delivery.present(QuizJob, self._post)

    # ------------------------------------------------------------------ the question

    async def job(self, actor: Actor, name: str | None, passages: int, seconds: int) -> QuizJob:
        """Return the job of a quiz. Raises UserError if there can be none now."""
        if await redis_call(self.core.redis.hexists(keys.quiz(actor.place.channel_id), "id")):
            raise _busy()
        model = await self._model(actor, name)
        return QuizJob(
            **actor.asks(QuizJob),
            model=model.ref,
            passages=passages,
            seconds=seconds,
            blocked=(await self.core.servers.get(actor.guild_id)).blocked,
        )

    async def _model(self, actor: Actor, name: str | None) -> ModelRecord:
        """Return the model to guess about. Raises UserError if its text may not be shown, or can't be told apart."""
        if name is not None and name.strip().lower() == STARTER:
            raise UserError("The starter keeps no text to show passages of.", "Name a model that was trained here.")
        model = await self.registry.choose(actor.viewer, name)
        why = None
        if model.readings or (model.corpus is not None and model.corpus.is_messages):
            why = "learned from people's messages, which are not for guessing"
        elif model.verdict.kind == "recites":
            why = "mostly recites its text, so nobody could tell them apart"
        if why is not None:
            raise UserError(f"`{model.name}` {why}.", "Name another model of a book or a file.")
        return model

    async def _post(self, send: Send, job: QuizJob, event: Quizzed, **options: Any) -> None:
        await self.registry.require_may_use(job.place, [job.model.model_id])
        channel_id, ends = job.place.channel_id, time.time() + job.seconds
        fields = ("job", job.model_dump_json(), "drawn", event.model_dump_json(), "real", event.real)
        begun = await redis_call(
            self._begin(
                keys=[keys.quiz(channel_id), keys.QUIZZES],
                args=[job.job_id, channel_id, ends, _WEEK_S, *fields],
            )
        )
        if not begun:
            raise _busy()
        self.ends.add(self._answer, channel_id, after_s=job.seconds)
        embed = embeds.question(job, await self._passages(job, event), ends)
        message = await send(embed=embed, view=embeds.letters(job), **options)
        async with self.core.redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.quiz(channel_id), "message", message.id)
            pipe.expire(keys.quiz(channel_id), _WEEK_S)  # it may have ended meanwhile
            await redis_call(pipe.execute())

    async def _passages(self, job: QuizJob, event: Quizzed) -> list[str]:
        """Return the passages as they may be shown now."""
        return list(map(await self.core.fit(job.place.guild_id), event.passages))

    async def _pressed(self, press: Press) -> None:
        actor, channel_id, letter = press.actor, press.actor.place.channel_id, int(press["letter"])
        data = await redis_call(self.core.redis.hget(keys.quiz(channel_id), "job"))
        job = read(QuizJob, data, "quiz_not_understood", channel_id=channel_id) if data is not None else None
        if job is None or letter >= job.passages:
            raise _over(await self.core.servers.prefix(actor.guild_id))
        await self.registry.by_id(Viewer(actor.guild_id, actor.here), job.model.model_id)
        guess: list[str | float] = [press["job"], f"g:{actor.user.id}", letter, channel_id, time.time(), MOST_GUESSES]
        if not await redis_call(self._guess(keys=[keys.quiz(channel_id), keys.QUIZZES], args=guess)):
            raise _over(await self.core.servers.prefix(actor.guild_id))
        await press.send(
            f"You guessed **{embeds.LETTERS[letter]}**. Until the answer comes you can still choose another one."
        )

    # ------------------------------------------------------------------ the answer

    async def take_up(self) -> None:
        """Go on with the quizzes that an earlier run of the bot began."""
        for channel_id, ends in await redis_call(self.core.redis.zrange(keys.QUIZZES, 0, -1, withscores=True)):
            self.ends.add(self._answer, int(channel_id), after_s=ends - time.time())

    async def _answer(self, channel_id: int) -> None:
        """Show which was real, then count the guesses, if that could be shown; if this is interrupted, again."""
        ends = await redis_call(self.core.redis.zscore(keys.QUIZZES, str(channel_id))) or 0.0
        if ends > time.time():  # its question was posted at a second try
            self.ends.add(self._answer, channel_id, after_s=ends - time.time())
            return
        fields: dict[bytes, bytes] = await redis_call(self.core.redis.hgetall(keys.quiz(channel_id)))
        job = drawn = None
        if b"job" in fields:
            job = read(QuizJob, fields[b"job"], "quiz_not_understood", channel_id=channel_id)
            drawn = read(Quizzed, fields.get(b"drawn", b""), "quiz_not_understood", channel_id=channel_id)
        scores, shown = keys.quiz_scores(0), False
        if job is not None and drawn is not None:
            if b"message" not in fields and await redis_call(self.core.redis.sismember(keys.OUTBOX, job.job_id)):
                later = {str(channel_id): time.time() + job.seconds}  # the question is still to be posted
                await redis_call(self.core.redis.zadd(keys.QUIZZES, later, xx=True))
                self.ends.add(self._answer, channel_id, after_s=job.seconds)
                return
            scores = keys.quiz_scores(job.place.guild_id)
            shown = await self._show_answer(job, drawn, fields)
        counted = [channel_id, MOST_SCORES if shown else 0, _YEAR_S]
        await redis_call(self._end(keys=[keys.quiz(channel_id), keys.QUIZZES, scores], args=counted))

    async def _show_answer(self, job: QuizJob, drawn: Quizzed, fields: dict[bytes, bytes]) -> bool:
        """Show the answer to a quiz; False: it can't be shown, or its model may no longer be used there."""
        place = job.place
        usable = await self.registry.by_ids(Viewer(place.guild_id, place.channel_ids), [job.model.model_id])
        guesses = {int(name[2:]): int(guess) for name, guess in fields.items() if name.startswith(b"g:")}
        answer = embeds.answer(job, await self._passages(job, drawn), drawn.real, guesses)
        channel = self.core.bot.get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        question = channel.get_partial_message(int(fields.get(b"message", 0)))
        try:
            await question.edit(embed=answer if usable else error_embed(_UNUSABLE), view=None, allowed_mentions=NOBODY)
        except discord.HTTPException as error:  # it was deleted or never posted, or the thread is archived
            if is_transient(error):
                raise
            log.info("quiz_not_answered", channel_id=channel.id, error=type(error).__name__, code=error.code)
            return False
        return bool(usable)

    # ------------------------------------------------------------------ scores

    async def forget_guild(self, guild_id: int) -> None:
        """Forget a server's scores."""
        await redis_call(self.core.redis.delete(keys.quiz_scores(guild_id)))

    async def of_member(self, guild_id: int, user_id: int) -> str | None:
        """Return a member's guesses in a server, as `right:all`."""
        score = await redis_call(self.core.redis.hget(keys.quiz_scores(guild_id), str(user_id)))
        return score.decode() if score is not None else None

    async def forget_member(self, user_id: int, guild_ids: Collection[int]) -> None:
        """Delete a member's guesses, also of quizzes that go on, in any server."""
        for channel_id in await redis_call(self.core.redis.zrange(keys.QUIZZES, 0, -1)):
            await redis_call(self.core.redis.hdel(keys.quiz(channel_id.decode()), f"g:{user_id}"))
        for guild_id in guild_ids:
            await redis_call(self.core.redis.hdel(keys.quiz_scores(guild_id), str(user_id)))

    async def scores(self, guild_id: int) -> discord.Embed:
        stored: dict[bytes, bytes] = await redis_call(self.core.redis.hgetall(keys.quiz_scores(guild_id)))
        counts = ((int(user_id), score.split(b":")) for user_id, score in stored.items())
        table = {user_id: (int(right), int(guesses)) for user_id, (right, guesses) in counts}
        return embeds.scores(table, await self.core.servers.prefix(guild_id))


def _busy() -> UserError:
    return UserError("A quiz is already running in this channel.", "Guess in it, or try again when it is over.")


def _over(prefix: str) -> UserError:
    return UserError("This quiz takes no more guesses.", f"Begin another one with `{prefix}quiz`.")
