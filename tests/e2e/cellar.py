"""A model that learned from #cellar, which Ada, who runs the server, and Ben see; and what others try with it."""

from typing import Any

from bot.channels.consent import AllowedChannel, ConsentAnswer
from shared import keys
from shared.jobs import ReadingRef
from shared.models import ModelRecord
from tests import factories
from tests.driver.client import Message, text_of
from tests.e2e.acts import user, written
from tests.e2e.system import System
from tests.readings import put_note
from tests.worker.hostile import changed

TITLE = "Barrels of the third row"
"""Of the text: it must not be seen outside."""
NOT_THERE = "No model called"


def heard(system: System, *sources: str, name: str = "whispers", **changes: Any) -> ModelRecord:
    """A model of channels' messages whose readings are as it learned them; Ben's, of #cellar, unless told."""
    world = system.client.world()
    channels = {**world.channels, **world.guilds["playground"].threads}
    ada, guild_id = user(system, "ada"), int(world.guild_id)
    allowed = AllowedChannel(by=ada, at=0.0).model_dump_json()
    agreed = ConsentAnswer(state="in", at=0.0, since=0).model_dump_json()
    ids = [int(channels.get(source, source)) for source in sources or ("cellar",)]
    refs = [ReadingRef(reading_id=f"r{channel_id}", channel_id=channel_id) for channel_id in ids]

    def note() -> None:
        with system.redis as client:
            for ref in refs:
                put_note(client, ref, guild_id, ada)
                client.hset(keys.allowed_channels(guild_id), str(ref.channel_id), allowed)
            client.hset(keys.consent(guild_id), str(ada), agreed)

    own = {"source": "channel", "sha256": "", "reading": refs[0].reading_id}
    fields = {
        "channel_id": int(world.channels["cellar"]),
        "owner_id": user(system, "ben"),
        "corpus": factories.corpus(name="cellar", title=TITLE, **own),
        "corpus_title": TITLE,
        "readings": tuple(refs),
    }
    note()
    model = system.add_model(name, **{**fields, **changes})
    note()  # the bot, which forgets what no model needs, may have looked in between

    def mark(description: dict[str, Any]) -> None:
        description["corpus"] |= own

    path = system.view / "models" / f"{model.model_id}.safetensors"
    path.write_bytes(changed(path.read_bytes(), mark))
    return model


def in_cellar(system: System, typed: str, person: str = "ben") -> Message:
    return system.ask(typed, person=person, channel="cellar")


def writes(system: System, channel: str, person: str = "ben") -> bool:
    """Whether the model writes there; else it is as if there was none."""
    answer = system.ask("!generate the sea --model whispers", person=person, channel=channel)
    if NOT_THERE in text_of(answer):
        return False
    assert written(answer)
    return True


def exported(system: System, person: str = "ada") -> bytes:
    answer = in_cellar(system, "!model export whispers", person)
    assert "beyond my reach" in text_of(answer)
    return system.client.fetch(answer["attachments"][0]["url"])
