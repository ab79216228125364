"""`surprise`: how much each character of a text surprises a model, as a picture."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import discord

from bot import components
from bot.jobs.client import JobClient
from bot.jobs.delivery import Delivery
from bot.models.registry import Registry
from bot.options.decoding import of_message
from bot.servers.actor import Actor
from bot.servers.settings import GuildSettingsStore
from bot.types import Send
from bot.write import embeds
from bot.write.generate import Generating
from shared.errors import UserError
from shared.events import Surprised
from shared.jobs import SURPRISE_FILE, SurpriseJob, author_of


@dataclass(frozen=True)
class Surprising:
    client: discord.Client
    servers: GuildSettingsStore
    queue: JobClient
    delivery: Delivery
    registry: Registry
    generating: Generating

    async def surprise(
        self, who: Actor, text: str, model: str | None, send: Send, *, author_id: int | None = None, **options: Any
    ) -> None:
        """`author_id`: see `SurpriseJob`. Raises `UserError`, also where the server's blocklist hits the text."""
        await self.generating.require(who)
        if (await self.servers.blocklist(who.guild_id)).hits(text):  # a picture can't be covered
            raise UserError("This text contains something on this server's blocklist.", "Try it without those words.")
        record = await self.registry.choose(who.guild_id, who.here, model)
        job = SurpriseJob(
            job_id=f"s-{who.request_id}", place=who.place, model=record.ref, text=text, author_id=author_id
        )
        await self.generating.ask(who, job, send, **options)

    async def words_of(self, who: Actor, message: discord.Message) -> tuple[str, int]:
        """The words of a message replied to, and whose they are: only the person's own, or a text of the bot's.

        Raises `UserError`: it is somebody else's message, or nobody knows any more whose words they are.
        """
        author_id = who.user.id
        if message.author.id != who.user.id:
            if self.client.user is None or message.author.id != self.client.user.id:
                raise UserError(
                    "That message is somebody else's, so I don't use its words.",
                    "Reply to a message of your own or of mine, or write the text after the command.",
                )
            if (job_id := _job_of(message)) is not None:
                author_id = author_of((await self.generating.answered(who, job_id))[0])
        return of_message(message).strip(), author_id

    async def post(self, send: Send, job: SurpriseJob, event: Surprised, **options: Any) -> None:
        blocked = await self.generating.require_shown(job, [job.model.model_id])
        event = event.model_copy(update={"notes": tuple(map(blocked.mask, event.notes))})
        picture = await self.queue.artifact(job.job_id, SURPRISE_FILE)
        embed = embeds.surprised(job, event)
        if picture is None:
            embed.set_image(url=None).set_footer(text="The picture has expired: run the command again for a new one.")
        else:
            options["file"] = discord.File(io.BytesIO(picture), SURPRISE_FILE)
        await send(embed=embed, **options)

    def register(self, _table: components.Components) -> None:
        self.delivery.present(SurpriseJob, Surprised, self.post)


def _job_of(message: discord.Message) -> str | None:
    """The id of the job whose answer a message of the bot's shows, by its controls; None: it has none of these."""
    rows = [row for row in message.components if isinstance(row, discord.ActionRow)]
    ids = [item.custom_id or "" for row in rows for item in row.children]
    found = (re.fullmatch(r"galvanic:(?:continue|compared):(?P<job>[a-z0-9-]+)", one) for one in ids)
    return next((match["job"] for match in found if match is not None), None)
