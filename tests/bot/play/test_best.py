"""Reactions on the bot's texts count, and what people liked best is shown to those who could read it there."""

from typing import Any

import discord
from simcord.backend.models import Message

from bot.play.best import AGE, MOST, TRIMMED_TO
from playground.places import BOT_ID, GUILD_ID
from shared import keys
from shared.lifecycle import enter
from tests.bot.channels import model_of
from tests.bot.ids import BEN, CELLAR, CLEO, DORA, LAB
from tests.bot.live import Live
from tests.bot.stand_in import StandIn, lab
from tests.factories import comparison, generate_job, generated

NOTHING = "Nothing to show here yet"


async def written(live: Live, text: str, where: int = LAB, **fields: Any) -> Message:
    """A text that stands in a channel, whose job is known."""
    job = generate_job(**{"job_id": f"g-{text[:8].replace(' ', '')}", "place": lab(where), **fields})
    await live.core.jobs.run(enter(job, "n"))
    await live.bot.redis.srem(keys.OUTBOX, job.job_id)
    event = generated(seed="", text=text)
    before = set(live.world.messages[where])
    await live.core.delivery.post(job, event, live.bot.get_partial_messageable(where).send)
    return next(one for number, one in live.world.messages[where].items() if number not in before)


async def react(live: Live, message: Message, *people: int, emoji: str = "🔥", reacted: bool = True) -> None:
    """React as these people; the bot has heard of it."""
    for who in people:
        live.world.set_reaction(message.channel_id, message.id, emoji, who, reacted)
    await live.handled()


async def numbers(live: Live) -> dict[int, int]:
    found: Any = await live.bot.redis.zrange(keys.best(GUILD_ID), 0, -1, withscores=True)
    return {int(member.split(b":")[0]): int(number) for member, number in found}


async def test_what_most_reacted_to_comes_first_with_its_link(live: Live, worker: StandIn) -> None:
    assert NOTHING in await live.ask("!best")
    first, second = [await written(live, text) for text in ("tide and *time*", "gulls came home")]
    await react(live, first, BEN)
    await react(live, second, BEN, DORA)
    await react(live, second, BEN, emoji="❤️")
    said = await live.ask("!best")
    assert said.index("**3** · [tides](") < said.index("**1** · [tides](")
    assert f"/{GUILD_ID}/{LAB}/{second.id})" in said
    assert "gulls came home" in said
    assert "tide and \\*time\\*" in said
    kept = str(await live.bot.redis.zrange(keys.best(GUILD_ID), 0, -1))
    assert not any(str(who) in kept for who in (BEN, DORA))
    await react(live, second, BEN, DORA, reacted=False)
    assert await numbers(live) == {first.id: 1, second.id: 1}
    await react(live, first, BEN, reacted=False)
    assert await numbers(live) == {second.id: 1}


async def test_reactions_of_bots_and_on_what_others_say_do_not_count(live: Live, worker: StandIn) -> None:
    text, card = await written(live, "tide and time"), live.send("well said")
    await react(live, card, BEN)
    await react(live, text, BOT_ID)
    live.world.users[CLEO].bot = True
    await react(live, text, CLEO)
    assert await numbers(live) == {}
    await react(live, text, CLEO, BOT_ID, reacted=False)
    assert await numbers(live) == {}


async def test_what_is_no_text_or_is_gone_drops_out(live: Live, worker: StandIn) -> None:
    deleted = await written(live, "tide and time")
    card = await live.answered(live.send("!chat"))
    await react(live, deleted, BEN)
    await react(live, card, BEN)
    live.world.delete_message(LAB, deleted.id)
    assert NOTHING in await live.ask("!best")
    assert await numbers(live) == {}


async def test_a_comparison_is_no_text_that_could_be_quoted(live: Live, worker: StandIn) -> None:
    sent = live.send("!compare the sea")
    worker.tell(await worker.asked(live), comparison("gulls", "tides", "waves")[1])
    await live.until(lambda: not worker.waiting(), "the end of the job")
    await react(live, await live.answered(sent), BEN)
    assert NOTHING in await live.ask("!best")
    assert await numbers(live) == {}, "it takes no place among those that are looked at"


async def test_a_text_shows_where_its_readers_could_read_it_and_its_model_may_be_used(
    live: Live, worker: StandIn
) -> None:
    up = model_of(live, "up", scope="channel")
    for where, text, model in ((CELLAR, "a secret barrel", "m1"), (LAB, "an uploaded line", "up")):
        await react(live, await written(live, text, where, model_id=model, model_name=model), BEN)
    here, cellar, library = [await live.ask("!best", person="ben", channel=one) for one in ("lab", "cellar", "library")]
    assert "an uploaded line" in here
    assert "barrel" not in here
    assert "a secret barrel" in cellar, "and in the place itself"
    assert NOTHING in library
    await live.models.registry.remove(up)
    assert NOTHING in await live.ask("!best")


async def test_the_blocklist_of_now_covers_it(live: Live, worker: StandIn) -> None:
    await react(live, await written(live, "tide and turnip"), BEN)
    await live.core.servers.change(GUILD_ID, blocklist=("turnip",))
    said = await live.ask("!best")
    assert "tide and ██████" in said


async def test_what_was_forgotten_or_is_too_old_to_be_known_is_not_quoted_again(live: Live, worker: StandIn) -> None:
    text = await written(live, "tide and time")
    await react(live, text, BEN)
    assert "tide and time" in await live.ask("!best")
    await live.channels.member_data.forget_requests(generate_job(place=lab()).place.user_id, [GUILD_ID])
    assert NOTHING in await live.ask("!best")


async def test_it_is_bounded_and_what_is_old_goes(live: Live, worker: StandIn) -> None:
    now = discord.utils.time_snowflake(discord.utils.utcnow())
    old = discord.utils.time_snowflake(discord.utils.utcnow() - AGE) - 1
    key = keys.best(GUILD_ID)
    worker.redis.zadd(key, {f"{now + number}:{LAB}": number + 2 for number in range(MOST)} | {f"{old}:{LAB}": 9_000})
    text = await written(live, "tide and time")
    await react(live, text, BEN)
    await live.until(lambda: worker.redis.zcard(key) == TRIMMED_TO, "the least of them to go")
    assert worker.redis.zscore(key, f"{old}:{LAB}") is None
    assert 0 < worker.redis.ttl(key) <= AGE.total_seconds()
