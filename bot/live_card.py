"""The message of one training: what it shows, where it stands, and how it is kept current until the end."""

from __future__ import annotations

import asyncio
import io
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import structlog
from redis.exceptions import RedisError

from bot import cards
from bot.escape import NOBODY
from bot.estimates import estimate
from bot.jobview import JobView
from bot.views.finished import finished_buttons
from bot.views.training import job_buttons
from shared.jobs import LOSS_FILE, TRAIN_QUEUE, TrainJob

if TYPE_CHECKING:
    from bot.client import Galvanic

LOOK_AGAIN_S = 2.0
"""How often a card without news is looked at: whether its worker is still there."""
RETRY_S = 5.0
KEEP_TEXT_EVERY_S = 600
NUDGE_EVERY_S = 30.0
TRANSIENT = (aiohttp.ClientError, OSError, discord.DiscordServerError, discord.RateLimited)

log = structlog.get_logger()


async def around_of(bot: Galvanic, job: TrainJob, view: JobView) -> cards.Around:
    """What the card of a training shows besides its own events.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    guild_id = job.place.guild_id
    prefix, blocked = await bot.guild_settings.prefix(guild_id), await bot.guild_settings.blocklist(guild_id)
    if view.over:
        return cards.Around(prefix=prefix, blocked=blocked)
    outlook = await bot.outlook.look()
    standing = outlook.of(job.job_id)
    if standing is None and view.state == "queued":  # it was entered a moment ago
        outlook = await bot.outlook.look(now=True)
        standing = outlook.of(job.job_id)
    waits = standing is not None and view.state == "queued"
    return cards.Around(
        prefix=prefix,
        worker_there=await bot.queue.has_worker(TRAIN_QUEUE),
        place=standing.place if standing is not None and waits else None,
        waiting=outlook.waiting,
        begins=standing.begins if standing is not None and waits else None,
        takes=estimate(job.options, job.corpus.chars, outlook.past),
        machines=outlook.machines,
        wish=None if view.state == "queued" else await bot.queue.wish(job.job_id),
        blocked=blocked,
    )


def buttons_of(job: TrainJob, view: JobView) -> discord.ui.View | None:
    """The buttons that go with a card."""
    if view.finished is not None:
        return finished_buttons(view.finished.model.model_id, job.job_id)
    return None if view.over else job_buttons(job.job_id)


class LiveCard:
    """The message of one training.

    Args:
        bot: the bot.
        job: the training.
        where: channel id and message id of its card; None: there is none yet.
        bell: rings when there is news of it.
    """

    def __init__(self, bot: Galvanic, job: TrainJob, where: tuple[int, int] | None, bell: asyncio.Event) -> None:
        self._bot = bot
        self._queue = bot.queue
        self._job = job
        self._where = where
        self._bell = bell
        self._interval = bot.settings.card_interval_s
        self._fresh_after = bot.settings.card_fresh_after_s
        self._view = JobView()
        self._cursor = "0"
        self._shown: Any = None
        # A card that was just posted counts as an edit.
        self._edited = time.monotonic() if where else float("-inf")
        self._text_kept = float("-inf")
        self._nudged = time.monotonic()
        self._told = False

    async def keep(self) -> None:
        """Show every change until the end has been shown; no trouble on the way ends it."""
        while not self._told:
            self._bell.clear()
            try:
                wait = await self._update()
            except RedisError as error:
                log.warning("redis_unreachable", error=type(error).__name__)
                await self._say_outage()
                wait = RETRY_S
            except TRANSIENT as error:
                log.warning("discord_unreachable", error=type(error).__name__)
                wait = RETRY_S
            except Exception:  # a card that stands still for good would be worse than one that is late
                log.exception("card_not_updated")
                wait = 6 * RETRY_S
            await self._sleep(wait)

    async def _update(self) -> float:
        """Show what is new, if it is time to; the seconds until the next look."""
        embed = await self._render()
        if embed.to_dict() != self._shown:
            wait = self._edited + self._interval - time.monotonic()
            if wait > 0:
                return wait
            try:
                await self._put(embed)
            except discord.NotFound:
                log.warning("card_has_no_channel")
                self._told = True
            except discord.Forbidden:
                log.warning("card_forbidden")
                if not self._view.over:
                    return 12 * RETRY_S
                await self._tell_owner(embed)
            self._shown, self._edited = embed.to_dict(), time.monotonic()
        if self._view.over:
            await self._queue.close(self._job.job_id)
        if self._view.over or self._told:
            await self._queue.delivered(self._job.job_id)
            self._told = True
        return LOOK_AGAIN_S

    async def _sleep(self, seconds: float) -> None:
        """Until something rings, or when an edit has to wait, until then."""
        if self._told:
            return
        if seconds != LOOK_AGAIN_S:
            await asyncio.sleep(max(seconds, 0.05))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return

    async def _render(self) -> discord.Embed:
        for entry, event in await self._queue.events(self._job.job_id, self._cursor):
            self._view.apply(event)
            self._cursor = entry
        if not self._view.over and time.monotonic() - self._text_kept > KEEP_TEXT_EVERY_S:
            await self._queue.keep_text(self._job)
            self._text_kept = time.monotonic()
        around = await around_of(self._bot, self._job, self._view)
        if around.place == 0 and (await self._bot.outlook.look()).idle:
            await self._nudge()
        return cards.training(self._job, self._view, around)

    async def _nudge(self) -> None:
        """It is next, a worker is idle, and yet it does not begin: see `JobQueue.nudge`."""
        if time.monotonic() - self._nudged > NUDGE_EVERY_S:
            self._nudged = time.monotonic()
            log.warning("training_nudged")
            await self._queue.nudge(self._job)

    async def _put(self, embed: discord.Embed) -> None:
        """Edit the card, or post a fresh one where there is none to edit, or it is too old for that."""
        files = await self._files()
        buttons = buttons_of(self._job, self._view)
        place = self._job.place
        channel = self._bot.get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        old = channel.get_partial_message(self._where[1]) if self._where is not None else None
        if old is not None and time.time() - old.created_at.timestamp() < self._fresh_after:
            try:
                await old.edit(embed=embed, view=buttons, attachments=files, allowed_mentions=NOBODY)
                return
            except discord.NotFound:
                log.info("card_was_deleted")
                old = None
            for file in files:
                file.reset(seek=True)
        # The nonce keeps a message from being posted twice, but a card that was deleted must be posted again.
        nonce = f"{self._job.job_id}-{self._where[1] % 1_000 if self._where else 0}"[-25:]
        if buttons is None:
            message = await channel.send(embed=embed, files=files, nonce=nonce)
        else:
            message = await channel.send(embed=embed, files=files, view=buttons, nonce=nonce)
        self._where = (place.channel_id, message.id)
        await self._queue.set_card(self._job.job_id, self._where)
        if old is not None:
            try:
                await old.delete()
            except discord.HTTPException as error:
                log.warning("old_card_not_removed", status=error.status, code=error.code)

    async def _files(self) -> list[discord.File]:
        if self._view.state != "finished":
            return []
        chart = await self._queue.artifact(self._job.job_id, LOSS_FILE)
        return [discord.File(io.BytesIO(chart), LOSS_FILE)] if chart is not None else []

    async def _say_outage(self) -> None:
        """Tell on the card that the queue is away, if the card is there to edit."""
        embed = cards.outage(self._job)
        if self._where is None or embed.to_dict() == self._shown:
            return
        if time.monotonic() - self._edited < self._interval:
            return
        channel = self._bot.get_partial_messageable(self._where[0], guild_id=self._job.place.guild_id)
        try:
            await channel.get_partial_message(self._where[1]).edit(embed=embed, allowed_mentions=NOBODY)
            self._shown, self._edited = embed.to_dict(), time.monotonic()
        except (discord.HTTPException, *TRANSIENT) as error:
            log.warning("card_not_edited", error=type(error).__name__)

    async def _tell_owner(self, embed: discord.Embed) -> None:
        """The channel is closed to the bot: the person who asked gets the end as a direct message."""
        try:
            owner = await self._bot.fetch_user(self._job.place.user_id)
            await owner.send(embed=embed, files=await self._files())
        except discord.HTTPException as error:
            log.warning("end_not_told", status=error.status, code=error.code)
        self._told = True
