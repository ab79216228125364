"""Models in the registry that no job has made."""

from __future__ import annotations

import redis

from shared import keys
from shared.models import ModelRecord
from worker.events import under_a_free_name


def register(client: redis.Redis, record: ModelRecord, *, current: bool = True) -> ModelRecord:
    """Enter a model as the end of its training does; the record under the name that it got."""
    named = under_a_free_name(client, record)
    client.hset(keys.guild_models(named.guild_id), named.entry, named.model_id)
    client.set(keys.model(named.model_id), named.model_dump_json())
    if current:
        client.hset(keys.channel(named.channel_id), "model", named.model_id)
    return named
