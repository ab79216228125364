"""How a server meets the bot."""

import discord

from tests.bot.ids import ADA
from tests.bot.live import Live, text_of


async def test_a_server_is_greeted_once_when_it_invites_the_bot_and_an_old_one_never(live: Live) -> None:
    room = await new_server(live)
    greeting = await live.until(lambda: live.showing("Hello! I learn to write", channel=room), "a greeting")
    assert "about 3 minutes in all" in text_of(greeting)
    guild = available(live, room)  # as after each reconnection
    await live.handled()
    assert live.shown("Hello!", channel=room) == [greeting]
    assert live.showing("Hello!", channel="lab") is None
    guild.me.joined_at = discord.utils.utcnow()
    available(live, room)
    await live.until(lambda: len(live.shown("Hello!", channel=room)) == 2, "a second greeting, as it is invited again")


async def test_it_greets_where_it_may_write(live: Live) -> None:
    room = await new_server(live)
    await live.until(lambda: live.showing("Hello!", channel=room), "a greeting")
    second = int((await live.driver.admin.create_channel({"guild": "The Mill", "name": "tailrace"}))["id"])
    await live.deny("send_messages", channel_id=room)
    await live.bot.redis.flushall()
    available(live, room)
    await live.until(lambda: live.showing("Hello!", channel=second), "a greeting in the other channel")


async def test_the_first_demo_needs_no_internet(live: Live) -> None:
    live.bot.settings.gutenberg_mirrors = ()
    room = await new_server(live)
    greeting = await live.until(lambda: live.showing("Hello!", channel=room), "a greeting")
    live.acts.click(ADA, room, greeting.id, "galvanic:demo")
    card = await live.until(lambda: live.showing("The Python language reference", channel=room), "a card")
    assert "2 min" in text_of(card)


def available(live: Live, room: int) -> discord.Guild:
    """Have the bot hear of a channel's server, and return that."""
    guild = live.bot.get_guild(live.world.channels[room].guild_id or 0)
    assert guild is not None
    live.bot.dispatch("guild_available", guild)
    return guild


async def new_server(live: Live) -> int:
    """A server that has just invited the bot; the id of its channel."""
    made = await live.driver.admin.create_server({"name": "The Mill", "owner": "ada", "channel": "millrace"})
    return live.world.guilds[int(made["id"])].channel_ids[0]
