"""Messages as the gateway would bring them, without anybody seeing them."""

import itertools
from typing import Any

import discord
from simcord.backend import serializers
from simcord.backend.models import Message

from bot.app import Galvanic
from bot.types import Context
from playground.places import CHANNEL_IDS, USER_IDS
from playground.world import World

_WORLD = World("http://127.0.0.1:1")
_IDS = itertools.count(1_400_000_000_000_000_000)


async def context(bot: Galvanic, content: str, *, person: str = "ada", channel: str = "lab") -> Context:
    """What discord.py makes of a message that a person writes.

    Args:
        bot: connected.
        content: of the message.
        person: who writes it.
        channel: where.
    """
    channel_id = CHANNEL_IDS[channel]
    made = Message(
        id=next(_IDS), channel_id=channel_id, author_id=USER_IDS[person], content=content, timestamp=_WORLD.now_iso()
    )
    payload: Any = {
        **serializers.message_payload(_WORLD, made),
        "guild_id": str(_WORLD.channels[channel_id].guild_id),
        "member": serializers.member_payload(
            _WORLD, next(iter(_WORLD.guilds.values())), next(iter(_WORLD.guilds.values())).members[USER_IDS[person]]
        ),
    }
    where = bot.get_channel(channel_id)
    assert isinstance(where, discord.TextChannel)
    found: Context = await bot.get_context(discord.Message(state=bot._connection, channel=where, data=payload))
    return found
