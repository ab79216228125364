"""The server's blocklist, where the bot itself shows words."""

import threading

from bot.write.changes import masked
from playground.places import GUILD_ID, ROLE_IDS
from shared.blocklist import default_entries
from tests.bot.ids import LAB
from tests.bot.live import Live, text_of
from tests.bot.stand_in import StandIn, answers_that_say
from tests.factories import generated

NOTE = 'The model reads your words as "damn it".'


async def test_the_worker_is_told_what_applies(live: Live, worker: StandIn) -> None:
    """The default list in a new server, then what its admins keep, though it be nothing."""
    for number, (kept, applies) in enumerate(((None, default_entries()), (("damn",), ("damn",)), ((), ()))):
        if kept is not None:
            await live.core.servers.change(GUILD_ID, blocklist=kept)
        live.send(f"!generate the sea {number}", person=("ada", "ben", "cleo")[number])
        assert tuple((await worker.answer(live))["blocked"]) == applies


async def test_words_are_covered_beside_the_event_loop() -> None:
    threads = list[threading.Thread]()

    def fit(text: str) -> str:
        threads.append(threading.current_thread())
        return text.replace("calm", "████")

    assert (await masked(generated(), fit)).text == " was ████"
    assert threading.current_thread() not in threads


async def test_notes_are_covered_too(live: Live) -> None:
    await live.core.servers.change(GUILD_ID, blocklist=("damn",))
    for message in await answers_that_say(live, NOTE):
        assert "damn" not in text_of(message)
        assert "your words as" in text_of(message)


async def test_no_picture_is_drawn_of_blocked_words(live: Live) -> None:
    await live.core.servers.change(GUILD_ID, blocklist=("damn",))
    assert "on this server's blocklist" in await live.ask("!surprise well _damn_ it")
    assert "blocklist" not in await live.ask("!surprise well", person="ben")


async def test_who_may_not_write_cannot_silence_a_channel(live: Live) -> None:
    writers = ROLE_IDS["Writers"]
    await live.core.servers.change(GUILD_ID, generate_roles=(writers,))
    await live.core.servers.choose(LAB, "chat", True)
    me = f"<@{live.bot.user.id if live.bot.user else 0}>"
    assert "You can't generate texts" in await live.ask(f"{me} hello", person="cleo")
    assert "I learn to write" not in await live.ask(f"{me} hello", person="ben")  # who is heard all the same
    again = live.send(f"{me} hello?", person="cleo")
    await live.until(lambda: again.reactions, "a reaction")
    assert live.answer(again) is None
