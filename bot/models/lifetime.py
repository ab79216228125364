"""How long models of channels' messages live: until words in them are withdrawn, or their time is over. Read only."""

from __future__ import annotations

import time
from collections.abc import Collection

import redis.asyncio
import structlog

from bot.background import reply
from shared import keys
from shared.models import ModelRecord
from shared.settings import Settings
from shared.transcripts import Revision, read_revision

_HOUR_S, _DAY_S = 3_600.0, 86_400.0

log = structlog.get_logger()


class Lifetimes:
    """Whether models are stale, and when they are gone. Any method that waits raises `redis.RedisError`."""

    def __init__(self, client: redis.asyncio.Redis, settings: Settings) -> None:
        self._redis = client
        self._settings = settings

    async def revisions(self, transcript_ids: Collection[str]) -> dict[str, Revision]:
        """Where these transcripts stand; those that are forgotten are not in it. One round trip."""
        wanted = sorted(set(transcript_ids))
        if not wanted:
            return {}
        async with self._redis.pipeline(transaction=False) as pipe:
            for transcript_id in wanted:
                pipe.hmget(keys.transcript(transcript_id), "revision", "withdrawn")
            found = await reply(pipe.execute())
        pairs = zip(wanted, map(read_revision, found), strict=True)
        return {transcript_id: revision for transcript_id, revision in pairs if revision is not None}

    async def is_stale(self, model: ModelRecord) -> bool:
        """Whether a model learned words that were withdrawn since."""
        return model.is_stale(await self.revisions([ref.transcript_id for ref in model.transcripts]))

    async def stale_since(self, model: ModelRecord) -> float:
        """When it was first seen that a model is stale, now if this is it; seconds since the epoch."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hsetnx(keys.STALE, model.model_id, str(time.time()))
            pipe.hget(keys.STALE, model.model_id)
            new, since = await reply(pipe.execute())
        if new:
            log.info("model_is_stale", model_id=model.model_id, guild_id=model.guild_id)
        return float(since)

    async def gone_by(self, model: ModelRecord) -> float | None:
        """When a stale model is gone at the latest, seconds since the epoch; None: it is not stale."""
        if not await self.is_stale(model):
            return None
        return await self.stale_since(model) + _HOUR_S * self._settings.forget_within_hours

    def expires(self, model: ModelRecord) -> float | None:
        """When the lifetime of a channel's model ends, seconds since the epoch; None: never."""
        days = self._settings.channel_model_days
        return model.created_at + _DAY_S * days if days is not None and model.transcripts else None
