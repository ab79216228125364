"""What members and admins said, in a real Redis: the operator's modes, since when, and what survives."""

import discord
import pytest
import redis.asyncio

from bot.channels.consent import ConsentStore
from shared import keys
from shared.settings import Settings

GUILD, OTHER = 1, 2
ADA, BEN = 11, 22


@pytest.fixture
def settings(redis_url: str) -> Settings:
    return _settings("opt-in")


def _settings(mode: str) -> Settings:
    return Settings(channel_training=mode, channel_training_without_asking=True)


@pytest.fixture
def store(settings: Settings, client: redis.asyncio.Redis) -> ConsentStore:
    return ConsentStore(settings=settings, client=client)


@pytest.mark.parametrize(
    ("mode", "silent", "agreed", "refused"),
    [("off", False, False, False), ("opt-in", False, True, False), ("opt-out", True, True, False)],
)
async def test_whose_words_count_is_the_operators_choice(
    client: redis.asyncio.Redis, redis_url: str, mode: str, silent: bool, agreed: bool, refused: bool
) -> None:
    store = ConsentStore(settings=_settings(mode), client=client)
    assert (await store.of(GUILD)).includes(ADA, 100) is silent
    await store.agree(GUILD, ADA)
    await store.refuse(GUILD, BEN, 50)
    consents = await store.of(GUILD)
    assert consents.includes(ADA, 100) is agreed
    assert consents.includes(BEN, 100) is refused
    assert consents.agreed == {ADA}


@pytest.mark.parametrize("mode", ["opt-in", "opt-out"])
async def test_whoever_said_no_and_agrees_again_begins_with_that_yes(
    client: redis.asyncio.Redis, redis_url: str, mode: str
) -> None:
    store = ConsentStore(settings=_settings(mode), client=client)
    await store.agree(GUILD, ADA)
    assert (await store.of(GUILD)).includes(ADA, 1), "the first yes is also for what was written before"
    await store.refuse(GUILD, ADA, 1_000)
    assert not (await store.of(GUILD)).includes(ADA, 2_000)
    now = discord.utils.time_snowflake(discord.utils.utcnow())
    await store.agree(GUILD, ADA)
    for consents in (await store.of(GUILD), await ConsentStore(settings=_settings(mode), client=client).of(GUILD)):
        assert not consents.includes(ADA, 1_001), "written between the no and the yes"
        assert not consents.includes(ADA, now)
        assert consents.includes(ADA, now + (60_000 << 22))
    await store.agree(GUILD, BEN)
    await store.forget_guild(GUILD)  # the bot was removed, and may return
    consents = await store.of(GUILD)
    assert {member: answer.state for member, answer in consents.answers.items()} == {ADA: "out"}
    assert not consents.includes(ADA, 1)


async def test_discords_clock_says_when_they_agreed_again(store: ConsentStore) -> None:
    await store.refuse(GUILD, ADA, 1_000)
    pressed = discord.utils.time_snowflake(discord.utils.utcnow()) + (5_000 << 22)  # this machine's clock is behind
    await store.agree(GUILD, ADA, pressed)
    assert not (await store.of(GUILD)).includes(ADA, pressed - 1)
    assert (await store.of(GUILD)).includes(ADA, pressed + 1)


async def test_it_survives_a_restart_and_stays_in_its_server(
    settings: Settings, store: ConsentStore, client: redis.asyncio.Redis
) -> None:
    await store.agree(GUILD, ADA)
    await store.refuse(GUILD, BEN, 1_000)
    await store.allow(GUILD, 5, ADA)
    again = ConsentStore(settings=settings, client=client)
    assert (await again.of(GUILD)).agreed == {ADA}
    assert (await again.allowed(GUILD)).keys() == {5}
    answer = await again.answer(GUILD, BEN)
    assert answer is not None
    assert (answer.state, answer.since) == ("out", 1_000)
    assert not (await again.of(OTHER)).includes(ADA, 1)
    assert await again.allowed(OTHER) == {}
    assert await again.guilds_of(ADA) == [GUILD]


async def test_what_cannot_be_read_is_a_no(store: ConsentStore, client: redis.asyncio.Redis) -> None:
    await client.hset(keys.consent(GUILD), str(ADA), '{"state": "in", "at": "then"}')
    await client.hset(keys.allowed_channels(GUILD), "5", '{"by": 1}')
    assert not (await store.of(GUILD)).includes(ADA, 100)
    assert await store.allowed(GUILD) == {}
    # Since when was in it, too: it may have been a withdrawal.
    now = discord.utils.time_snowflake(discord.utils.utcnow())
    await store.agree(GUILD, ADA)
    consents = await store.of(GUILD)
    assert not consents.includes(ADA, now - 1)
    assert consents.includes(ADA, now + (60_000 << 22))
