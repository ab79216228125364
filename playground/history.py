"""Pages of a channel's messages, for the REST interface.

simcord sorts the whole channel for each page, and gives the newest messages for `after`; Discord gives the oldest.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

from simcord.backend import errors, serializers
from simcord.backend.access import channel_accessible

from playground.places import BOT_ID
from playground.world import World

# https://discord.com/developers/docs/resources/message#get-channel-messages
_DEFAULT_PAGE, _MAX_PAGE = 50, 100


def page(world: World, channel_id: int, query: dict[str, str]) -> list[Any]:
    """Messages of a channel, newest first; `query`: `limit` and one of `before`, `after` and `around`.

    Raises BackendError: no such channel, the bot may not see it, or an invalid limit.
    """
    world.get_channel(channel_id)
    if not channel_accessible(world, channel_id, BOT_ID):
        raise errors.missing_access()
    limit = int(query.get("limit", _DEFAULT_PAGE))
    if not 1 <= limit <= _MAX_PAGE:
        raise errors.invalid_form_body(f"limit: Must be between 1 and {_MAX_PAGE}")
    if not channel_accessible(world, channel_id, BOT_ID, history=True):
        return []
    messages = world.messages[channel_id]
    ids = list(messages)  # they come in the order of their ids
    start, step = len(ids) - 1, -1
    if "after" in query:
        start, step = bisect_right(ids, int(query["after"])), 1
    elif "before" in query:
        start = bisect_left(ids, int(query["before"])) - 1
    elif "around" in query:
        start = min(len(ids), bisect_right(ids, int(query["around"])) + limit // 2) - 1
    found: list[Any] = []
    while 0 <= start < len(ids) and len(found) < limit:
        message = messages[ids[start]]
        if not message.is_ephemeral:
            found.append(serializers.message_payload(world, message))
        start += step
    return found if step < 0 else found[::-1]
