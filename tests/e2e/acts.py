"""What several files' tests do with a system: press, fill in, change settings, and look at what comes of it."""

import time
from collections.abc import Mapping
from typing import Any

from bot.write.changes import BUTTONS
from bot.write.generate import DOUBLE_CLICK_S
from shared import keys, presence
from shared.events import Failed
from tests import lives
from tests.driver.client import Message, components, text_of
from tests.e2e.system import ANSWER_S, System

EPHEMERAL = 64
TINY = "--epochs 1 --layers 1 --units 32 --batch 8"
"""Options of the shortest training there is."""


def lasting(minutes: float) -> str:
    """Options of a small training that takes so long on any machine.

    It learns so slowly that each epoch is a little better, so it does not stop early, however many epochs there are.
    """
    return f"--layers 1 --units 64 --epochs 99999 --lr 0.00001 --minutes {minutes}"


# ---------------------------------------------------------------------- looking


def user(system: System, name: str) -> int:
    """Id of a person."""
    return int(system.client.world().users[name])


def ask(system: System, typed: str, **options: Any) -> str:
    """Write a message; the words of the bot's answer."""
    return text_of(system.ask(typed, **options))


def labels(message: Message) -> list[str]:
    """What the buttons say."""
    return list(buttons(message))


def buttons(message: Message) -> dict[str, bool]:
    """The buttons, each with whether it can be pressed."""
    return {item["label"]: not item.get("disabled") for item in components(message) if item.get("label")}


def written(message: Message) -> str:
    """The text that a model wrote, with its seed."""
    return str(message["embeds"][0]["description"])


def training_of(card: Message) -> str:
    """Id of the training that a card shows."""
    return str(card["embeds"][0]["footer"]["text"]).rpartition("training ")[2]


def filled(message: Message | None) -> Message | None:
    """A message that is more than "is thinking"."""
    return message if message is not None and (text_of(message) or message["attachments"]) else None


def newest(system: System, **where: str) -> str:
    """Id of the last message that somebody sees."""
    seen = system.client.messages(**where)
    return str(seen[-1]["id"]) if seen else "0"


def assert_refused(message: Message, *words: str) -> None:
    """A refusal that only the person sees, with these words."""
    assert message["flags"] & EPHEMERAL, "a refusal is only for the person"
    assert "❌" in text_of(message)
    for word in words:
        assert word in text_of(message)


# ---------------------------------------------------------------------- what a person does


def press(system: System, message: Message, label: str, *words: str, **where: str) -> Message:
    """Press a button and wait for an answer that has all the words, ephemeral or not.

    Args:
        system: that runs.
        message: with the button.
        label: of the button.
        words: in the answer.
        where: `person`, and `channel` if the message is in another than #lab.
    """
    if label.lower() in BUTTONS:  # of which two presses in a row are a double click
        time.sleep(DOUBLE_CLICK_S)
    before = newest(system, **where)
    system.client.click_label(message, label, **where)
    return answered(system, before, f"an answer to {label!r}", *words, **where)


def pressed(system: System, message: Message, label: str, **options: Any) -> str:
    """As `press`, but what the answer says."""
    return text_of(press(system, message, label, **options))


def slash(system: System, command: str, options: Mapping[str, object] | None = None, **where: Any) -> Message:
    """The answer to a slash command, whoever sees it."""
    before = newest(system, **where)
    system.client.slash(command, options, **where)
    return answered(system, before, f"an answer to /{command}", **where)


def answered(system: System, after: str, what: str, *words: str, **where: str) -> Message:
    """Wait for what the bot says, to a press, a form or a slash command, after a message; it has all the words."""
    return system.client.wait_for(lambda: _said(system, after, *words, **where), ANSWER_S, f"{what} {words or ''}")


def _said(system: System, after: str, *words: str, **where: str) -> Any:
    bot = system.client.world().bot_user_id
    later = [message for message in system.client.messages(after=after, **where) if message["author"]["id"] == bot]
    # A refusal takes the place of a public "is thinking" by a mark that it deletes at once (bot/responder.py).
    said = [message for message in later if filled(message) and message["content"] != "❌"]
    return next((one for one in said if all(word in text_of(one) for word in words)), None)


# ---------------------------------------------------------------------- what an operator does


def restart_bot(system: System) -> None:
    """The bot ends, Discord notices, and it comes back."""
    system.stop_part("bot")
    system.client.wait_for(lambda: not system.client.world().bot_online, 60, "the bot to go")
    system.start_part("bot")
    system.client.wait_for_bot(ANSWER_S)


def start_worker(system: System, queue: str) -> None:
    """A worker that was stopped comes back and takes jobs."""
    system.start_part(queue)
    with system.redis as client:
        system.client.wait_for(lambda: presence.alive(client, queue), ANSWER_S, f"a worker for {queue}")


def end_trainings(system: System) -> None:
    """End what is not over, whoever's it is."""
    with system.redis as client:
        for job_id in client.hkeys(keys.ACTIVE):
            lives.end(client, job_id.decode(), Failed(problem="The test is over."))
        system.client.wait_for(lambda: not client.exists(keys.OUTBOX), ANSWER_S, "every card to tell the end")


def forget_models(system: System) -> None:
    """Leave no server a model and no channel a choice."""
    world = system.client.world()
    with system.redis as client:
        for guild_id in world.guilds.values():
            for model_id in client.hvals(keys.guild_models(int(guild_id))):
                client.delete(keys.model(model_id.decode()))
            client.delete(keys.guild_models(int(guild_id)))
        client.delete(*(keys.channel(int(channel)) for channel in world.channels.values()))


def exported(system: System, name: str, **where: Any) -> bytes:
    """The file of a model, which somebody asks for."""
    (file,) = system.ask(f"!model export {name}", **where)["attachments"]
    assert file["filename"] == f"{name}.safetensors"
    return system.client.fetch(file["url"])
