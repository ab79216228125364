"""A command's context that is not lost when Discord takes no answer to its interaction any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
import structlog
from discord.ext import commands

from bot.escape import plain
from bot.failures import ALREADY_ANSWERED, TOO_LATE, TRANSIENT, too_late
from bot.types import Send

if TYPE_CHECKING:
    from bot.client import Galvanic

    _Context = commands.Context[Galvanic]
else:
    _Context = commands.Context

log = structlog.get_logger()


async def acknowledge(interaction: discord.Interaction[Any], **options: Any) -> None:
    """Tell Discord that an interaction is being seen to. If that fails it is seen to all the same.

    Args:
        interaction: what somebody did.
        options: of `interaction.response.defer`.
    """
    try:
        await interaction.response.defer(**options)
    except (discord.HTTPException, *TRANSIENT) as error:
        # 3 s were over before it came here, or another process of this bot was faster.
        code = getattr(error, "code", None)
        log.info("not_acknowledged", interaction_id=interaction.id, error=type(error).__name__, code=code)


def addressed(send: Send, name: str) -> Send:
    """A `send` whose messages begin with whom they are for, where there is no message to reply to."""

    async def send_to(content: str | None = None, **options: Any) -> Any:
        return await send(f"For {name}:" if content is None else f"For {name}:\n{content}", **options)

    return send_to


class PatientContext(_Context):
    """Answers in the channel where the interaction's own answer is refused: it is unknown, or 15 minutes old."""

    async def defer(self, *, ephemeral: bool = False) -> None:
        """Acknowledge a slash command; see `acknowledge`."""
        if self.interaction is not None:
            await acknowledge(self.interaction, ephemeral=ephemeral)

    async def send(self, content: str | None = None, **options: Any) -> discord.Message:
        """As discord.py's.

        Raises:
            UserError: it was for one person only, and Discord offers no way to that person any more.
            discord.HTTPException: Discord did not take it.
        """
        if self.interaction is None:
            return await super().send(content, **options)
        if not self.interaction.is_expired():
            try:
                return await super().send(content, **options)
            except discord.HTTPException as error:
                if isinstance(error, TRANSIENT) and (posted := await self._posted()) is not None:
                    return posted
                if error.code != ALREADY_ANSWERED and error.code not in TOO_LATE:
                    raise
                log.info("answer_goes_to_the_channel", interaction_id=self.interaction.id, code=error.code)
            except TRANSIENT:
                if (posted := await self._posted()) is not None:
                    return posted
                raise
        if options.pop("ephemeral", False):
            raise too_late()
        for file in (*(options.get("files") or ()), options.get("file")):
            if file is not None:
                file.reset()
        send = addressed(self.channel.send, f"**{plain(self.author.display_name)}**")
        given = {name: value for name, value in options.items() if value is not None}
        message: discord.Message = await send(content, **given)
        return message

    async def _posted(self) -> discord.Message | None:
        """The answer, should Discord have taken it although its word about that was lost: it is not to come twice."""
        assert self.interaction is not None
        if self.interaction.response.type is not discord.InteractionResponseType.deferred_channel_message:
            return None
        try:
            answer = await self.interaction.original_response()
        except (discord.HTTPException, *TRANSIENT) as error:
            log.info("answer_not_looked_up", interaction_id=self.interaction.id, error=type(error).__name__)
            return None
        return None if answer.flags.loading else answer
