"""Removes the files of models that people have deleted."""

from __future__ import annotations

from typing import cast

import redis
import structlog

from shared import keys
from shared.jobs import is_id
from worker.store import ModelStore, StoreAway

DELETE_EVERY_S = 2.0

log = structlog.get_logger()


def delete_files(client: redis.Redis, store: ModelStore) -> None:
    """Remove the files of deleted models, and note which are gone. Files that are gone already are no error.

    Several workers may do this at once. A file that can't be removed keeps no other from it, and is tried again at the
    next call.

    Raises redis.RedisError, or an OSError that removing a file raised.
    """
    failed: OSError | None = None
    for member in cast(set[bytes], client.smembers(keys.DELETING)):
        model_id = member.decode(errors="replace")
        if not is_id(model_id) or client.exists(keys.model(model_id)):  # nobody deleted that
            continue
        try:
            store.delete(model_id)
        except StoreAway:
            raise
        except OSError as error:
            failed = error
            continue
        client.srem(keys.DELETING, member)
        log.info("model_deleted", model_id=model_id)
    if failed is not None:
        raise failed
