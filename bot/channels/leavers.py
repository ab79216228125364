"""Who leaves a server withdraws there; of a server that the bot has left nothing is kept.

With the privileged members intent Discord tells at once who leaves. Without it, and for what happened while the bot was
off, it is asked slowly, once a day, about those who agreed or whose words are kept.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass, field

import discord
import structlog
from discord.ext import commands
from redis.exceptions import RedisError

from bot.background import Tasks, is_transient, run_forever
from bot.channels.consent import ConsentStore
from bot.channels.store import TranscriptStore
from bot.channels.withdrawals import Withdrawals
from bot.jobs.client import JobClient
from bot.jobs.snapshot import Snapshots, cancel_trainings
from bot.models.registry import Registry
from bot.models.removal import Removal
from bot.servers.access import is_member

EVERY_S = 86_400.0
"""Between two looks for those who have left."""
PAUSE_S = 0.3
"""Between two questions to Discord; people's commands need its limits, too."""
_TRY_AGAIN_S = 2.0

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Leavers(commands.Cog):
    client: discord.Client
    consents: ConsentStore
    store: TranscriptStore
    withdrawals: Withdrawals
    registry: Registry
    removal: Removal
    outlook: Snapshots
    queue: JobClient
    _left: defaultdict[int, set[int]] = field(init=False, default_factory=lambda: defaultdict(set))
    """By server: who left, and has not been withdrawn yet."""
    _removed: set[int] = field(init=False, default_factory=set)
    """Servers that the bot was removed from, and that are not forgotten yet."""
    _wakeup: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _tasks: Tasks = field(init=False, default_factory=Tasks)
    _began: bool = field(init=False, default=False)

    async def cog_unload(self) -> None:
        """The next start finds who left meanwhile."""
        await self._tasks.end()

    # ------------------------------------------------------------------ what happens

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        if not self._began:
            self._began = True
            work = run_forever("leavers", self._carry_out, every_s=None, wakeup=self._wakeup, retry_s=_TRY_AGAIN_S)
            self._tasks.spawn(work)
            self._tasks.spawn(run_forever("looking for leavers", self.look))

    @commands.Cog.listener()
    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        self._leave(payload.guild_id, payload.user.id)

    @commands.Cog.listener()
    async def on_member_ban(self, guild: discord.Guild, user: discord.User | discord.Member) -> None:
        """Discord tells of bans without the privileged intent, too."""
        self._leave(guild.id, user.id)

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Not of an outage: discord.py tells of that by another event."""
        self._removed.add(guild.id)
        self._wakeup.set()

    def _leave(self, guild_id: int, user_id: int) -> None:
        if self.client.user is None or user_id != self.client.user.id:
            self._left[guild_id].add(user_id)
            self._wakeup.set()

    # ------------------------------------------------------------------ what is done

    async def _carry_out(self) -> None:
        """Do what was heard of, however long Redis is away. What fails otherwise, the daily look finds again."""
        for guild_id in list(self._removed):
            await _attempt(self._forget(guild_id), "server_not_forgotten", guild_id)
            self._removed.discard(guild_id)
            self._left.pop(guild_id, None)
        for guild_id, left in list(self._left.items()):
            leaving = set(left)
            await _attempt(self._withdraw(guild_id, leaving), "leavers_failed", guild_id)
            left -= leaving
            if not left:
                del self._left[guild_id]

    async def _withdraw(self, guild_id: int, user_ids: set[int]) -> None:
        """Withdraw those of whom anything is known: of the others nothing is to be noted."""
        consents = await self.consents.of(guild_id)
        concerned = user_ids & consents.agreed
        for transcript in await self.store.all(guild_id):
            concerned |= user_ids & (await self.store.members(transcript.transcript_id)).keys()
            if transcript.reading is not None and consents.mode == "opt-out":
                concerned |= user_ids - consents.said.keys()  # a page with their words may just be added
        if concerned:
            await self.withdrawals.withdraw(guild_id, concerned, why="left")

    async def _forget(self, guild_id: int) -> None:
        """Drop all of a server: trainings on words, models that learned from any, the words, and consent.

        In this order: after a crash in between, `look_for_lost_servers` finds the server by what is left.
        """
        await cancel_trainings(self.outlook, self.queue, lambda ref: ref.guild_id == guild_id)
        for model in await self.registry.all(guild_id):
            if model.transcripts:
                await self.removal.drop(model)
        for transcript in await self.store.all(guild_id):
            await self.store.forget(transcript.transcript_id)
        await self.consents.forget_guild(guild_id)
        log.info("server_forgotten", guild_id=guild_id)

    # ------------------------------------------------------------------ asking

    async def look(self) -> float:
        """Look for all that no event told of; the seconds until the next look."""
        complete = await _looked(self.look_for_lost_servers())
        for guild in list(self.client.guilds):
            complete &= await _looked(self.look_for_leavers(guild))
        # A training may have ended just after a channel that it learned from was deleted.
        complete &= await _looked(self.removal.forget_lost_channels())
        return EVERY_S if complete else EVERY_S / 100

    async def look_for_lost_servers(self) -> None:
        """Forget servers that the bot was removed from while it was off: at the start Discord names all others.

        Raises redis.RedisError: Redis cannot be reached.
        """
        known = {info.guild_id for info in await self.store.known()}
        for guild_id in await self.consents.guilds():
            if (await self.consents.of(guild_id)).agreed or await self.consents.allowed(guild_id):
                known.add(guild_id)
        if lost := known - {guild.id for guild in self.client.guilds}:
            self._removed |= lost
            self._wakeup.set()

    async def look_for_leavers(self, guild: discord.Guild) -> set[int]:
        """Ask Discord about everybody who agreed or whose words are kept; who has left, and so withdraws.

        Raises redis.RedisError: Redis cannot be reached; discord.HTTPException: Discord is in trouble.
        """
        if guild.unavailable:
            return set()
        people = set((await self.consents.of(guild.id)).agreed)
        for transcript in await self.store.all(guild.id):
            people |= (await self.store.members(transcript.transcript_id)).keys()
        left = set()
        for user_id in sorted(people):
            if not await is_member(guild, user_id):
                left.add(user_id)
                self._leave(guild.id, user_id)
            await asyncio.sleep(PAUSE_S)
        if people:
            log.info("leavers_looked_up", guild_id=guild.id, people=len(people), left=len(left))
        return left


async def _attempt(work: Awaitable[None], event: str, guild_id: int) -> None:
    """Log what fails for one server, so that it keeps no others waiting. Raises redis.RedisError."""
    try:
        await work
    except RedisError:
        raise
    except Exception:
        log.exception(event, guild_id=guild_id)


async def _looked(look: Awaitable[object]) -> bool:
    """False: it has to be done again."""
    try:
        await look
    except Exception as error:
        if is_transient(error) or isinstance(error, (RedisError, discord.HTTPException)):
            log.warning("leavers_not_looked_up", error=type(error).__name__)
        else:  # the next look may do better, and must come
            log.exception("leavers_not_looked_up")
        return False
    return True
