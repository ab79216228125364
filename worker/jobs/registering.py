"""Enters a model into its server's registry, in the same step in which its job ends."""

from __future__ import annotations

from typing import cast

import redis

from shared import keys, turns
from shared.events import Finished, Imported
from shared.models import ModelRecord

# Nothing is written unless the event is: XADD comes first, and ends the script when another attempt has spoken since.
# A job without a message was taken back, because the bot did not learn in time that it had been sent.
# KEYS: those of `turns.tell`, the server's models, the model, the channel. ARGV: those of `turns.tell`, model id, name,
# record (JSON), 1 for the current one.
_ENTER = (
    turns.TELL
    + """
local known = redis.call('HMGET', KEYS[4], 'job', 'over')
if not known[1] or known[2] then return 'refused' end
local owner = redis.call('HGET', KEYS[7], ARGV[9])
if owner and owner ~= ARGV[8] then return 'taken' end
tell()
redis.call('HSET', KEYS[7], ARGV[9], ARGV[8])
redis.call('SET', KEYS[8], ARGV[10])
if ARGV[11] == '1' then redis.call('HSET', KEYS[9], 'model', ARGV[8]) end
return 'entered'
"""
)


def enter(job_id: str, entry: str, event: Finished | Imported, *, current: bool) -> turns.Script:
    """Tell a job's end and enter its model, under the name in its record.

    Args:
        job_id: the job.
        entry: the event's id in the job's stream.
        event: the job's end.
        current: make it the channel's current model.

    Returns:
        A script that answers `entered`, `taken` (the name is another model's) or `refused` (the job is over, or was
        taken back), and fails as `turns.tell` does.
    """
    record = event.model
    told = turns.tell(job_id, entry, event.model_dump_json(), last=True, progress=False)
    more = (keys.guild_models(record.guild_id), keys.model(record.model_id), keys.channel(record.channel_id))
    arguments = (record.model_id, record.name, record.model_dump_json(), str(int(current)))
    return turns.Script(_ENTER, (*told.keys, *more), (*told.arguments, *arguments))


def under_a_free_name(client: redis.Redis, record: ModelRecord) -> ModelRecord:
    """The record under the name that it wishes for, or that with a number when another model has it."""
    names = keys.guild_models(record.guild_id)
    name, number = record.name, 1
    while cast(bytes | None, client.hget(names, name)) not in (None, record.model_id.encode()):
        number += 1
        name = f"{record.name}-{number}"
    return record.model_copy(update={"name": name})
