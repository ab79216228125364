"""A model of #cellar's messages, which Ada and Ben alone see, and who is where."""

from typing import Any

from bot.servers.access import Actor
from playground.places import GUILD_ID, private_to
from shared.connect import connect
from shared.jobs import ReadingRef, TrainJob
from shared.models import ModelRecord
from tests.bot.ids import ADA, BEN, CELLAR
from tests.bot.live import Live
from tests.bot.offline import context
from tests.bot.stand_in import lab
from tests.factories import channel_corpus, record, train_job
from tests.readings import channel_reading, put_note
from tests.registered import register

SECRET = "the key is under the third barrel"


def ref(source: int = CELLAR, **changes: Any) -> ReadingRef:
    return ReadingRef(**{"reading_id": f"r{source}", "channel_id": source, **changes})


def heard(live: Live, source: int = CELLAR, **fields: Any) -> ModelRecord:
    """A model of a channel's messages, as the worker enters it, whose readings are known."""
    defaults = {"guild_id": GUILD_ID, "channel_id": CELLAR, "owner_id": BEN, "readings": (ref(source),)}
    model = record(**{"model_id": "m1", "name": "whispers", "corpus_title": "#cellar", **defaults, **fields})
    client = connect(live.bot.settings)
    for reading in model.readings:
        put_note(client, reading, GUILD_ID, ADA)
    return register(client, model, current=False)


async def standing(live: Live) -> None:
    """The reading of #cellar is known, and nobody has withdrawn anything."""
    await live.consents.agree(GUILD_ID, ADA)
    put_note(connect(live.bot.settings), ref(), GUILD_ID, ADA)


async def den(live: Live) -> int:
    """A second channel that Ada and Ben alone see, which the bot knows."""
    made = live.world.create_channel(GUILD_ID, "den", overwrites=private_to(GUILD_ID, [ADA, BEN]))
    await live.until(lambda: live.bot.get_channel(made.id), "the bot to hear of the channel")
    return int(made.id)


async def opened(live: Live, channel_id: int) -> None:
    """Let everybody see a channel."""
    live.world.get_channel(channel_id).overwrites.clear()
    live.world.announce_channel_update(channel_id)
    await live.until(lambda: not live.guild.get_channel(channel_id).overwrites, "the bot to hear of it")  # type: ignore[union-attr]


async def who(live: Live, name: str, channel: str = "cellar") -> Actor:
    return Actor.of(await context(live.bot, "!models", person=name, channel=channel))


async def begun(live: Live, where: int, **fields: Any) -> TrainJob:
    """A training on the messages of #cellar whose card is there."""
    text = channel_corpus(ref().reading_id, name="cellar", title="#cellar")
    reading = channel_reading(CELLAR, reading_id=ref().reading_id)
    own = {"job_id": "t-77", "place": lab(where, "ben"), "corpus": text, "reading": reading}
    job = train_job(**{**own, **fields})
    await live.follow(job)
    await live.until(lambda: live.shown("", channel=where), "the card")
    return job
