"""A model of #cellar's messages, which Ada and Ben alone see, and who is where."""

from __future__ import annotations

from typing import Any

from bot.channels.store import Line
from bot.servers.access import Actor
from galvanic.options import TranscriptRef
from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS, private_to
from shared.connect import connect
from shared.jobs import TrainJob
from shared.models import ModelRecord
from tests.bot.live import Live
from tests.bot.offline import context
from tests.bot.stand_in import lab
from tests.factories import channel_corpus, record, train_job
from tests.registered import register
from tests.transcripts import written

GUILD, ADA, BEN = GUILD_ID, USER_IDS["ada"], USER_IDS["ben"]
LAB, CELLAR = CHANNEL_IDS["lab"], CHANNEL_IDS["cellar"]
SECRET = "the key is under the third barrel"


def ref(source: int = CELLAR, **changes: Any) -> TranscriptRef:
    return TranscriptRef(
        **{"transcript_id": f"t{source}", "revision": 0, "guild_id": GUILD, "channel_id": source, **changes}
    )


def heard(live: Live, source: int = CELLAR, **fields: Any) -> ModelRecord:
    """A model of a channel's messages, as the worker enters it."""
    defaults = {"guild_id": GUILD, "channel_id": CELLAR, "owner_id": BEN, "transcripts": (ref(source),)}
    model = record(**{"model_id": "m1", "name": "whispers", "corpus_title": "#cellar", **defaults, **fields})
    return register(connect(live.bot.settings), model, current=False)


async def standing(live: Live) -> None:
    """The transcript of #cellar is known, and nobody has withdrawn anything."""
    await live.channels.consents.agree(GUILD, ADA)
    where = {"guild_id": GUILD, "channel_id": CELLAR, "transcript_id": ref().transcript_id}
    await written(live.channels.transcripts, [Line(1_000, ADA, SECRET)], **where)


async def den(live: Live) -> int:
    """A second channel that Ada and Ben alone see, which the bot knows."""
    made = live.world.create_channel(GUILD, "den", overwrites=private_to(GUILD, [ADA, BEN]))
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
    text = channel_corpus(ref(), name="cellar", title="#cellar")
    job = train_job(**{"job_id": "t-77", "place": lab(where, "ben"), "corpus": text, **fields})
    return await live.follow(job, card=True)
