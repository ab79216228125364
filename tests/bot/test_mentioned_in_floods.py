"""Who mentions the bot again and again is told what is wrong once for each cooldown, whatever is wrong."""

from __future__ import annotations

from playground.places import BOT_ID, CHANNEL_IDS, GUILD_ID
from tests.bot.live import Live

MENTION = f"<@{BOT_ID}>"
LAB = CHANNEL_IDS["lab"]


async def told(live: Live, channel: int, words: str) -> int:
    """How often the bot says something after five mentions by Ben, once it has heard them all."""
    before = set(live.world.messages[channel])
    for number in range(5):
        live.send(f"{MENTION} hello {number}", person="ben", channel=channel)
    await live.handled()
    await live.until(lambda: not live.core.responder._turns, "the refusals, which go to a channel one at a time")
    new = [message for number, message in live.world.messages[channel].items() if number not in before]
    answers = [message for message in new if message.author_id == BOT_ID]
    assert all(words in str(answer.embeds) + answer.content for answer in answers)
    return len(answers)


async def test_where_the_bot_lacks_permissions(live: Live) -> None:
    await live.deny("attach_files")
    assert await told(live, LAB, "Attach Files") == 1


async def test_in_direct_messages(live: Live) -> None:
    assert await told(live, live.dm(), "in servers, not in direct messages") == 1


async def test_another_person_is_told_as_well(live: Live) -> None:
    await live.core.servers.change(GUILD_ID, channels=(CHANNEL_IDS["library"],))
    assert await told(live, LAB, "not allowed") == 1
    assert "not allowed" in await live.ask(f"{MENTION} hello", person="cleo")
