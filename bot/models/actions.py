"""What people do with models, for commands and buttons; rights are checked each time."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot import failures
from bot.answers.models import post_info, refusal
from bot.jobs.queue_view import cancel_trainings
from bot.models import embeds
from bot.models.views import question_buttons
from bot.options import attached
from bot.servers import access
from bot.servers.actor import Actor
from bot.servers.membership import was_deleted
from bot.types import Send
from shared.errors import UserError
from shared.events import Failed
from shared.jobs import GENERATE_QUEUE, MODEL_FILE, DeleteJob, ExportJob, ImportJob, PictureJob, Place
from shared.models import ModelRecord
from shared.units import MEGABYTE

if TYPE_CHECKING:
    from bot.client import Galvanic

_TRY_AGAIN_S = 5.0
_LISTED = 10
_UNSENT = "d-0"
"""Placeholder for the id of a job that gets its own when it is sent."""

log = structlog.get_logger()


def require_owner(model: ModelRecord, user: discord.User | discord.Member, action: str) -> None:
    """Refuse everybody but the model's owner and members with Manage Server.

    Args:
        model: the model.
        user: who asks.
        action: what for: `delete it`.

    Raises:
        UserError: says who may.
    """
    if model.owner_id != user.id and not access.is_admin(user):
        raise UserError(
            f"`{model.name}` isn't your model.",
            f"<@{model.owner_id}> can {action}, and so can members with Manage Server.",
        )


class ModelActions:
    """Uses, shows, exports, imports, renames, shares and deletes models."""

    def __init__(self, bot: Galvanic) -> None:
        self._bot = bot
        self._sending = asyncio.Lock()

    async def use(self, who: Actor, model: ModelRecord) -> None:
        """Make a model the current one of a channel; for those who may generate texts there.

        Raises:
            UserError: this person may not.
        """
        await self._bot.access.require("generate", who.user, who.channel)
        await self._bot.registry.use(who.place.channel_id, model)

    async def show_info(self, who: Actor, model: ModelRecord, send: Send, **options: Any) -> None:
        """Post a model's card: with its picture if a worker is there to draw it, else with what the registry knows.

        Raises:
            UserError: this person asked for one a moment ago.
        """
        job = PictureJob(job_id=f"p-{who.request_id}", place=who.place, model=model.ref)
        async with self._cooldown(who):
            try:
                await self._bot.delivery.ask(job, send, **options)
            except failures.Told:  # the card is there, and says why it has no picture
                return
            except UserError as error:
                without = Failed(problem=error.problem, remedy=error.remedy)
                await post_info(self._bot, send, job, without, **options)

    async def export(self, who: Actor, model: ModelRecord, send: Send, **options: Any) -> None:
        """Post a model as a file. Everyone who reads the channel can take it: one of a channel leaves only there.

        What learned from members' messages is not its owner's alone: only admins let it out of the bot's reach.

        Raises:
            UserError: this person may not, or not here; or no worker is there.
        """
        _require_export(who, model)
        most = guild_of(self._bot, who).filesize_limit
        job = ExportJob(job_id=f"x-{who.request_id}", place=who.place, model=model.ref, most_bytes=most)
        async with self._cooldown(who):
            await self._bot.delivery.ask(job, send, **options)

    async def exportable(self, who: Actor) -> ModelRecord:
        """The only model that somebody may export here.

        Raises:
            UserError: there is none, or there are several, which it lists.
        """

        def allowed(model: ModelRecord) -> bool:
            with contextlib.suppress(UserError):
                _require_export(who, model)
                return True
            return False

        models = list(filter(allowed, await self._bot.registry.usable(who.guild_id, who.here)))
        if len(models) == 1:
            return models[0]
        prefix = await self._bot.guild_settings.prefix(who.guild_id)
        if not models:
            raise UserError(
                "There is no model here that you may export.",
                f"A model's owner and members with Manage Server can; `{prefix}model info NAME` names the owner.",
            )
        lines = [f"`{prefix}model export {model.name}`" for model in models[:_LISTED]]
        more = [f"`{prefix}models` lists all."] if len(models) > _LISTED else []
        raise UserError(
            f"You may export {len(models)} models here.", "\n".join(["Type which one you mean:", *lines, *more])
        )

    async def import_file(
        self, who: Actor, file: discord.Attachment, name: str | None, send: Send, **options: Any
    ) -> None:
        """Have an exported model checked and entered, for those who may train here.

        Raises:
            UserError: this person may not, the file is too large, or the server has no room for it.
        """
        settings = self._bot.settings
        await self._bot.access.require("train", who.user, who.channel)
        most = settings.import_max_mb
        if file.size > most * MEGABYTE:
            raise UserError(
                f"That file is {file.size / MEGABYTE:,.1f} MB; I take model files up to {most:g} MB.",
                "The bot's operator can raise `IMPORT_MAX_MB`.",
            )
        await self._bot.delivery.require_writer()
        disk_bytes = await self.require_room(who.guild_id, file.size)
        wait = settings.train_cooldown_s
        async with self._bot.cooldowns.spend("train", who.guild_id, who.user.id, wait, request=who.request_id):
            data = await attached.read(file)
            job = ImportJob(
                job_id=f"i-{who.request_id}",
                place=who.place,
                file_name=file.filename,
                name=name,
                disk_bytes=disk_bytes,
            )
            try:
                await self._bot.delivery.ask(job, send, files={MODEL_FILE: data}, **options)
            except failures.Told:
                raise
            except UserError as error:
                raise refusal(job, error) from error

    async def require_room(self, guild_id: int, more_bytes: int) -> int:
        """Refuse what would take more than the server's models may.

        Returns:
            Bytes that all of them together may take.

        Raises:
            UserError: says how much there is, and how to make room.
        """
        guilds = self._bot.guild_settings
        most = guilds.disk_mb(await guilds.get(guild_id))
        taken, more = await self._bot.registry.stored_bytes(guild_id) / MEGABYTE, more_bytes / MEGABYTE
        if taken + more > most:
            raise UserError(
                f"This server's models take {taken:,.1f} of {most:,.0f} MB, and this one would add {more:,.1f} MB.",
                f"Make room with `{await guilds.prefix(guild_id)}model delete NAME`, or ask a server admin.",
            )
        return int(most * MEGABYTE)

    async def rename(self, who: Actor, model: ModelRecord, name: str) -> None:
        """Give a model another name; channels, buttons and trainings that use it know it by its id.

        Raises:
            UserError: this person may not, or the name is taken.
        """
        require_owner(model, who.user, "rename it")
        if name == model.name:
            raise UserError(f"`{model.name}` already has this name.", "Choose another one.")
        await self._bot.registry.amend(model.model_id, lambda record: record.model_copy(update={"name": name}))

    async def question(self, who: Actor, model: ModelRecord) -> dict[str, Any]:
        """Whether a model is really to be deleted, as a message to send.

        Raises:
            UserError: this person may not.
        """
        require_owner(model, who.user, "delete it")
        prefix = await self._bot.guild_settings.prefix(who.guild_id)
        return {
            "embed": embeds.delete_question(model, who.user.id, prefix),
            "view": question_buttons(model, who.user.id),
        }

    async def delete(self, who: Actor, model: ModelRecord) -> None:
        """Take a model out of the registry for good; its files follow as soon as a worker is there.

        Raises:
            UserError: this person may not, or the model is gone already.
        """
        require_owner(model, who.user, "delete it")
        job = DeleteJob(job_id=_UNSENT, place=who.place, model_id=model.model_id)
        channels = {*channels_of(guild_of(self._bot, who)), model.channel_id, *model.shared_with, *who.here}
        if not await self._bot.registry.remove(model, channels, job):
            raise UserError(f"`{model.name}` was deleted a moment ago.", "There is nothing left to do.")
        log.info("model_removed", model_id=model.model_id, guild_id=who.guild_id, user_id=who.user.id)
        self._bot.dispatch("model_removed")

    async def forget_channel(self, guild: discord.Guild, channel_id: int) -> None:
        """Delete the models that nobody can use any more because their channel, or their thread, was deleted.

        Those that learned from its messages go, too, and trainings on them are cancelled: nobody can read it, so
        there is no place where everybody can. What the channel has chosen goes as well. Discord tells of it only once,
        so this tries until Redis is there.
        """
        while True:
            try:
                await self._forget_channel(guild, channel_id)
            except failures.AWAY as error:
                log.warning("redis_unreachable", error=type(error).__name__)
                await asyncio.sleep(_TRY_AGAIN_S)
            else:
                return

    async def _forget_channel(self, guild: discord.Guild, channel_id: int) -> None:
        await self._bot.registry.forget_channel(channel_id)
        await cancel_trainings(self._bot.outlook, self._bot.queue, lambda ref: ref.channel_id == channel_id)
        left = [known for known in channels_of(guild) if known != channel_id]
        for model in await self._bot.registry.all(guild.id):
            lost = model.channel_id == channel_id and not model.usable_in(left)
            if lost or channel_id in model.heard or await self._source_is_gone(model, left):
                await self.drop(model)
        self._bot.dispatch("model_removed")

    async def forget_lost_channels(self) -> None:
        """As `forget_channel`, for what was deleted while the bot was away. In an outage of Redis the next start does.

        Only what Discord says is gone counts as gone: a thread that is archived is unknown as well.
        """
        try:
            for guild in self._bot.guilds:
                known = [] if guild.unavailable else channels_of(guild)
                for model in await self._bot.registry.all(guild.id) if known else ():
                    if not model.usable_in(known) and await was_deleted(self._bot, model.channel_id):
                        await self.drop(model)
                        await self._bot.registry.forget_channel(model.channel_id)
                    elif await self._source_is_gone(model, known):
                        await self.drop(model)
        except failures.AWAY as error:
            log.warning("redis_unreachable", error=type(error).__name__)

    async def _source_is_gone(self, model: ModelRecord, known: list[int]) -> bool:
        """Whether a channel, or private thread, whose messages it learned from was deleted."""
        unknown = [channel_id for channel_id in model.heard if channel_id not in known]
        return any([await was_deleted(self._bot, channel_id) for channel_id in unknown])

    async def drop(self, model: ModelRecord, channel_ids: Iterable[int] = ()) -> None:
        """Delete a model without anybody's asking; `model_removed` is to be dispatched after it.

        Args:
            model: which.
            channel_ids: channels that may have chosen it, beside its own.
        """
        place = Place(guild_id=model.guild_id, channel_id=model.channel_id, user_id=model.owner_id)
        job = DeleteJob(job_id=_UNSENT, place=place, model_id=model.model_id)
        await self._bot.registry.remove(model, {model.channel_id, *channel_ids}, job)
        log.info("model_dropped", model_id=model.model_id, guild_id=model.guild_id)

    async def send_deletions(self) -> None:
        """Send the jobs that remove the files of deleted models; try until Redis is there.

        After a crash between two steps a job is sent twice: deleting what is gone does nothing. While no worker is
        there each is sent only once: nobody would take what is sent again.
        """
        while True:
            try:
                async with self._sending:  # several call this at the same moment
                    await self._send_deletions()
            except failures.AWAY as error:
                log.warning("redis_unreachable", error=type(error).__name__)
                await asyncio.sleep(_TRY_AGAIN_S)
            else:
                return

    async def _send_deletions(self) -> None:
        lost = await self._bot.queue.has_worker(GENERATE_QUEUE)
        for job in await self._bot.registry.deletions(lost=lost):
            await self._bot.queue.submit(job.model_copy(update={"job_id": f"d-{secrets.token_hex(8)}"}))
            await self._bot.registry.deletion_sent(job.model_id)

    def _cooldown(self, who: Actor) -> Any:
        """A cooldown of its own for pictures and files, as long as that for texts."""
        wait = self._bot.settings.generate_cooldown_s
        return self._bot.cooldowns.spend("model", who.guild_id, who.user.id, wait, request=who.request_id)


def _require_export(who: Actor, model: ModelRecord) -> None:
    """Refuse who may not export a model, or not here.

    Raises:
        UserError: says who may, or where.
    """
    if model.transcripts and not access.is_admin(who.user):
        raise UserError(
            f"`{model.name}` learned from members' messages, and a file of it is beyond my reach.",
            "Only members with Manage Server can export it.",
        )
    require_owner(model, who.user, "export it")
    _require_origin(who, model)


def _require_origin(who: Actor, model: ModelRecord) -> None:
    """Refuse to hand out here what was learned from a text that was shown elsewhere.

    Raises:
        UserError: says where it may be had.
    """
    if set(model.origins) <= set(who.here):
        return
    if len(model.origins) > 1:
        raise UserError(
            f"`{model.name}` learned from texts of several channels, so its file can't be posted in any of them.",
            "A model of one of these texts can be exported in that text's channel.",
        )
    (origin,) = model.origins
    where = f"Export it in <#{origin}>."
    if origin != model.channel_id:
        where = f"The model it was trained from can be exported in <#{origin}>."
    raise UserError(f"`{model.name}` learned from a text of another channel, so it can be exported only there.", where)


def guild_of(bot: Galvanic, who: Actor) -> discord.Guild:
    """The server where somebody asks.

    Raises:
        UserError: the bot does not know it: it was added with its commands alone, or is only just connecting.
    """
    guild = bot.get_guild(who.guild_id)
    if guild is None:
        raise UserError("I don't see this server yet.", "Try again in a moment; I must be a member of it.")
    return guild


def channels_of(guild: discord.Guild) -> list[int]:
    """All channels and threads of a server that the bot knows of."""
    return [channel.id for channel in guild.channels] + [thread.id for thread in guild.threads]
