"""Models in the registry that no job has made."""

import redis

from shared import keys
from shared.models import ModelFacts, ModelRecord, Ownership
from worker.events import under_a_free_name


def register(client: redis.Redis, record: ModelRecord, *, current: bool = True) -> ModelRecord:
    """Enter a model as the end of its training does; the record under the name that it got."""
    named = record.model_copy(update={"name": under_a_free_name(client, record, record.guild_id).name})
    put(client, named)
    client.hset(keys.guild_models(named.guild_id), named.entry, named.model_id)
    if current:
        client.hset(keys.channel(named.channel_id), "model", named.model_id)
    return named


def put(client: redis.Redis, record: ModelRecord) -> None:
    """Write what a worker and the bot say of a model, and name it nowhere."""
    client.set(keys.model(record.model_id), record.facts.model_dump_json())
    client.set(keys.ownership(record.model_id), record.ownership.model_dump_json())


def stored(client: redis.Redis, model_id: str) -> ModelRecord | None:
    """Read a model's record; None: it is gone."""
    facts, ownership = client.get(keys.model(model_id)), client.get(keys.ownership(model_id))
    if facts is None or ownership is None:
        return None
    return ModelRecord.of(ModelFacts.model_validate_json(facts), Ownership.model_validate_json(ownership))
