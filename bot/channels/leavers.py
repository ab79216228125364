"""Who leaves a server withdraws there; of a server that the bot has left nothing is kept.

With the privileged members intent Discord tells at once who leaves. Without it, and for what happened while the bot was
off, it is asked slowly, once a day, about those who agreed or whose words are kept.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import discord
import structlog
from discord.ext import commands
from redis.exceptions import RedisError

from bot import tasks
from bot.failures import passing
from bot.jobs.queue_view import cancel_trainings
from bot.servers.membership import is_member

if TYPE_CHECKING:
    from bot.client import Galvanic

EVERY_S = 86_400.0
"""Between two looks for those who have left."""
PAUSE_S = 0.3
"""Between two questions to Discord; people's commands need its limits, too."""
_TRY_AGAIN_S = 2.0

log = structlog.get_logger()


class Leavers(commands.Cog):
    """Withdraws on behalf of members who have left."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot
        self._left: defaultdict[int, set[int]] = defaultdict(set)
        """By server: who left, and has not been withdrawn yet."""
        self._removed: set[int] = set()
        """Servers that the bot was removed from, and that are not forgotten yet."""
        self._bell = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def cog_unload(self) -> None:
        """End; the next start finds who left meanwhile."""
        await tasks.end(*self._tasks)

    # ------------------------------------------------------------------ what happens

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Begin, once."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._look_daily())]

    @commands.Cog.listener()
    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        """Somebody left, or was made to."""
        self._leave(payload.guild_id, payload.user.id)

    @commands.Cog.listener()
    async def on_member_ban(self, guild: discord.Guild, user: discord.User | discord.Member) -> None:
        """Somebody was banned, which Discord tells without the privileged intent."""
        self._leave(guild.id, user.id)

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The bot was removed from a server; in an outage discord.py tells something else."""
        self._removed.add(guild.id)
        self._bell.set()

    def _leave(self, guild_id: int, user_id: int) -> None:
        if self.bot.user is None or user_id != self.bot.user.id:
            self._left[guild_id].add(user_id)
            self._bell.set()

    # ------------------------------------------------------------------ what is done

    async def _work(self) -> None:
        """Carry out what was heard, however long Redis is away."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            try:
                await self._carry_out()
            except Exception as error:
                if passing(error) or isinstance(error, RedisError):
                    log.warning("redis_unreachable", error=type(error).__name__)
                else:  # whoever leaves next must be heard
                    log.exception("leavers_failed")
                self._bell.set()
                await asyncio.sleep(_TRY_AGAIN_S)

    async def _carry_out(self) -> None:
        for guild_id in list(self._removed):
            try:
                await self._forget(guild_id)
            except RedisError:
                raise
            except Exception:  # the daily look finds it again; whoever leaves another server must not wait
                log.exception("server_not_forgotten", guild_id=guild_id)
            self._removed.discard(guild_id)
            self._left.pop(guild_id, None)
        for guild_id, left in list(self._left.items()):
            leaving = set(left)
            try:
                if concerned := await self._concerned(guild_id, leaving):
                    await self.bot.withdrawals.withdraw(guild_id, concerned, why="left")
            except RedisError:
                raise
            except Exception:  # the daily look finds them again; those of other servers must not wait
                log.exception("leavers_failed", guild_id=guild_id)
            left -= leaving
            if not left:
                del self._left[guild_id]

    async def _concerned(self, guild_id: int, user_ids: set[int]) -> set[int]:
        """Who of them has anything to withdraw: of the others nothing is known, and nothing is to be."""
        consents = await self.bot.consents.of(guild_id)
        concerned = user_ids & consents.agreed
        for transcript in await self.bot.transcripts.all(guild_id):
            concerned |= user_ids & (await self.bot.transcripts.members(transcript.transcript_id)).keys()
            if transcript.reading is not None and consents.mode == "opt-out":
                concerned |= user_ids - consents.said.keys()  # a page with their words may just be added
        return concerned

    async def _forget(self, guild_id: int) -> None:
        """Drop all of a server: trainings on words, the models that learned from some, the words, and consent.

        In this order: after a crash in between, what is left is what `look_for_lost_servers` finds it by.
        """
        await cancel_trainings(self.bot.outlook, self.bot.queue, lambda ref: ref.guild_id == guild_id)
        for model in await self.bot.registry.all(guild_id):
            if model.transcripts:
                await self.bot.removal.drop(model)
        for transcript in await self.bot.transcripts.all(guild_id):
            await self.bot.transcripts.forget(transcript.transcript_id)
        await self.bot.consents.forget_guild(guild_id)
        log.info("server_forgotten", guild_id=guild_id)

    # ------------------------------------------------------------------ asking

    async def _look_daily(self) -> None:
        while True:
            complete = await self.look()
            await asyncio.sleep(EVERY_S if complete else EVERY_S / 100)

    async def look(self) -> bool:
        """Look for all that nobody told of; False when that has to be done again soon."""
        complete = await self._tried(self.look_for_lost_servers())
        for guild in list(self.bot.guilds):
            complete &= await self._tried(self.look_for_leavers(guild))
        # A training may have ended just after a channel that it learned from was deleted.
        complete &= await self._tried(self.bot.removal.forget_lost_channels())
        return complete

    async def _tried(self, look: Coroutine[Any, Any, object]) -> bool:
        """Look; False when that has to be done again."""
        try:
            await look
        except Exception as error:
            if passing(error) or isinstance(error, (RedisError, discord.HTTPException)):
                log.warning("leavers_not_looked_up", error=type(error).__name__)
            else:  # the next look may do better, and must come
                log.exception("leavers_not_looked_up")
            return False
        return True

    async def look_for_lost_servers(self) -> None:
        """Forget the servers that the bot was removed from while it was off. Discord names all others at the start.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        here = {guild.id for guild in self.bot.guilds}
        known = {info.guild_id for info in await self.bot.transcripts.known()}
        for guild_id in await self.bot.consents.guilds():
            consents = await self.bot.consents.of(guild_id)
            if consents.agreed or await self.bot.consents.allowed(guild_id):
                known.add(guild_id)
        if lost := known - here:
            self._removed |= lost
            self._bell.set()

    async def look_for_leavers(self, guild: discord.Guild) -> set[int]:
        """Ask Discord about everybody who agreed or whose words are kept; whoever has left withdraws.

        Returns:
            Who has left.

        Raises:
            redis.RedisError: Redis cannot be reached.
            discord.HTTPException: Discord is in trouble.
        """
        if guild.unavailable:
            return set()
        people = set((await self.bot.consents.of(guild.id)).agreed)
        for transcript in await self.bot.transcripts.all(guild.id):
            people |= (await self.bot.transcripts.members(transcript.transcript_id)).keys()
        left = set()
        for user_id in sorted(people):
            if not await is_member(guild, user_id):
                left.add(user_id)
                self._leave(guild.id, user_id)
            await asyncio.sleep(PAUSE_S)
        if people:
            log.info("leavers_looked_up", guild_id=guild.id, people=len(people), left=len(left))
        return left
