"""How readings ended, kept in Redis from the moment at which their words are dropped until their cards show it."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, cast

import discord
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from redis.exceptions import RedisError

from bot.channels.reading_card import card_nonce
from bot.failures import TRANSIENT, passing
from bot.jobs.card_message import CardMessage
from bot.redis_reply import reply
from shared import keys
from shared.jobs import Place
from shared.logging import job_context

if TYPE_CHECKING:
    from bot.client import Galvanic

_RETRY_S = (2.0, 5.0, 15.0, 60.0)
"""Between tries to show one; the last one from then on."""
_PUT_WITHIN_S = 30.0
"""A Discord that takes a card and says nothing is asked again after this; aiohttp would wait for five minutes."""

log = structlog.get_logger()


class Ending(BaseModel):
    """How a reading ended. No member's words are in it.

    Attributes:
        job_id: of the training that was to follow.
        place: where its card belongs.
        card: channel id and message id; None: there is none yet.
        embed: what the card is to show, as `discord.Embed.to_dict` gives it.
    """

    model_config = ConfigDict(frozen=True)

    job_id: str
    place: Place
    card: tuple[int, int] | None
    embed: dict[str, Any]


async def untold(bot: Galvanic) -> list[str]:
    """Ids of the transcripts whose reading ended, and whose card does not say so yet.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    found = cast(list[bytes], await reply(bot.redis.hkeys(keys.READINGS_ENDED)))
    return sorted(transcript_id.decode() for transcript_id in found)


async def tell(bot: Galvanic, transcript_id: str) -> None:
    """Show how a reading ended, however long Discord or Redis are away; nothing if that is done, or it did not end.

    It is dropped only then, so that the next run of the bot goes on with it. An edit that is made twice shows the same.
    """
    ending = await _load(bot, transcript_id)
    if ending is None:
        return
    place, nonce = ending.place, functools.partial(card_nonce, ending.job_id)
    with job_context(ending.job_id, guild_id=place.guild_id, channel_id=place.channel_id):
        await _show(CardMessage(bot, bot.settings, place, ending.card, nonce), discord.Embed.from_dict(ending.embed))
    while True:
        try:
            await reply(bot.redis.hdel(keys.READINGS_ENDED, transcript_id))
        except RedisError as error:
            log.warning("redis_unreachable", transcript_id=transcript_id, error=type(error).__name__)
            await asyncio.sleep(_RETRY_S[1])
        else:
            return


async def _load(bot: Galvanic, transcript_id: str) -> Ending | None:
    while True:
        try:
            data = cast(bytes | None, await reply(bot.redis.hget(keys.READINGS_ENDED, transcript_id)))
            return Ending.model_validate_json(data) if data is not None else None
        except ValidationError as error:  # of another version, which may come back
            log.error("ending_not_understood", transcript_id=transcript_id, fields=error.error_count())
            return None
        except RedisError as error:
            log.warning("redis_unreachable", transcript_id=transcript_id, error=type(error).__name__)
            await asyncio.sleep(_RETRY_S[1])


async def _show(message: CardMessage, embed: discord.Embed) -> None:
    """Until Discord takes it, or refuses it for good."""
    tries = 0
    while True:
        try:
            async with asyncio.timeout(_PUT_WITHIN_S):
                await message.put(embed, [], None)
        except (discord.HTTPException, *TRANSIENT) as error:
            log.warning("reading_not_shown", error=type(error).__name__)
            if not passing(error):
                return
        else:
            return
        await asyncio.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
        tries += 1
