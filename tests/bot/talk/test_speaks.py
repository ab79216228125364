"""The bot speaks by itself where an admin wants it, seldom, to people alone, and never where a moderator does not."""

import time
from typing import Any

import discord
import pytest
from simcord.backend.models import User
from simcord.enums import MessageType

from bot.talk.cog import SpeakCommands
from playground.places import BOT_ID, GUILD_ID
from shared import keys
from shared.blocklist import default_entries
from tests.bot.ids import ADA, BEN, LAB, LIBRARY
from tests.bot.live import Live, cog, text_of
from tests.bot.stand_in import TEXT, StandIn, lab
from tests.factories import generate_job

OTHER_BOT = 1_297_000_000_000_000_099


async def settled(live: Live) -> None:
    """Wait until the bot has done with all that was written before, spoken or not."""
    await live.handled()
    await live.until(
        lambda: not cog(live.bot, SpeakCommands).speaker.tasks and not cog(live.bot, SpeakCommands).speaker._writing,
        "the bot to be done",
    )


async def said(live: Live, worker: StandIn, text: str = TEXT, **event: Any) -> dict[str, Any]:
    """Write the text that the bot waits for, and wait until it is done with it; the job."""
    job = await worker.answer(live, text, **{"seed": "", **event})
    await settled(live)
    return job


def restarted(live: Live) -> None:
    """What is in memory is gone."""
    cog(live.bot, SpeakCommands).speaker.rooms._known.clear()


async def hello(live: Live, worker: StandIn, **options: Any) -> bool:
    """Whether a message is followed by a text, which is written then."""
    live.send("hello there", person="ben", **options)
    await settled_or_asked(live, worker)
    if not worker.waiting():
        return False
    before = len(live.shown(TEXT, **options))
    await said(live, worker)
    return len(live.shown(TEXT, **options)) > before


async def settled_or_asked(live: Live, worker: StandIn) -> None:
    await live.handled()
    await live.events_handled("on_message")
    await live.until(
        lambda: worker.waiting() or not cog(live.bot, SpeakCommands).speaker.tasks, "a job, or nothing to do"
    )


# ---------------------------------------------------------------------------- who may, and what it says


@pytest.mark.usefixtures("worker")
async def test_admins_decide_and_all_can_see_it(live: Live) -> None:
    assert "only when I'm asked to.\n`!speak 2%` has me speak." in await live.ask("!speak")
    for person in ("ben", "dora"):  # dora moderates
        assert (await live.ask("!speak", person=person)).rstrip().endswith("only when I'm asked to.")
    for typed in ("!speak 2%", "!speak off"):
        refused = await live.ask(typed, person="ben")
        assert "You can't decide when I speak here" in refused
        assert "Manage Channels" in refused
    assert "after 2 of 100 messages, by chance: at most 6 times an hour" in await live.ask("!speak 2%")
    assert "2 of 100" in await live.ask("!speak", person="ben")
    assert "after every 40 messages" in await live.ask("!speak every 40")
    assert "I can't tell from `often`" in await live.ask("!speak often")
    restarted(live)
    assert "after every 40 messages" in await live.ask("!speak")
    live.slash("ada", "speak", when="on words pizza")
    await live.until(lambda: live.showing("and when somebody writes *pizza*"), "the answer")
    assert "only when I'm asked to" in await live.ask("!speak off")


async def test_the_panel_says_it_in_a_sentence_and_has_a_form(live: Live) -> None:
    live.send("!settings")
    shown = await live.until(lambda: live.showing("Settings of"), "the panel")
    assert "I speak here only when I'm asked to." in text_of(shown)
    for lines, words in (
        ("2%\nmost 3\nquiet 23-7", "after 2 of 100 messages, by chance: at most 3 times an hour, not from 23:00"),
        ("", "only when I'm asked to"),
    ):
        opened = await live.form(live.acts.click(ADA, LAB, shown.id, "galvanic:settings:speaking"))
        live.acts.submit_modal(ADA, opened.id, {"lines": lines})
        await live.until(lambda words=words: words in text_of(shown), words)  # type: ignore[misc]
        assert words in await live.ask("!speak")


# ---------------------------------------------------------------------------- a text


async def test_a_text_is_plain_and_nobodys_answer(live: Live, worker: StandIn) -> None:
    await live.ask("!speak 100%")
    live.send("hello @everyone", person="ben")
    job = await said(live, worker, "and <@1297000000000000022> @everyone *went* home")
    (posted,) = live.shown("home")
    assert posted.embeds == []
    assert posted.reference is None
    assert posted.flags & discord.MessageFlags(suppress_embeds=True).value
    (sent,) = [one.json for one in live.requests("POST") if one.json and "home" in str(one.json.get("content"))]
    assert sent["allowed_mentions"]["parse"] == []
    assert (job["place"]["user_id"], job["author_id"], job["seed"]) == (BOT_ID, None, "")
    assert (job["from_line"], job["stop"], job["shown"]) == (True, "sentence", 0)
    assert await live.core.jobs.shown_in(posted.id) == job["job_id"], "its menu knows what it is"


async def test_nothing_but_peoples_words_calls_for_one(live: Live, worker: StandIn) -> None:
    """So two bots of this kind never talk each other into a loop."""
    await live.ask("!speak 100%")
    live.world.users[OTHER_BOT] = User(id=OTHER_BOT, name="Twin", bot=True)
    live.world.add_member(GUILD_ID, OTHER_BOT)
    hook = live.world.create_webhook(LAB, "Mary Shelley", ADA)
    for content in ("hello", "how are you?", f"<@{BOT_ID}> hello"):
        live.world.create_message(LAB, OTHER_BOT, content)
        live.world.create_message(LAB, hook.id, content, webhook_id=hook.id, author_name="Mary Shelley")
    live.world.create_message(LAB, BEN, "a pin", message_type=MessageType.PINS_ADD)
    for content in ("!help", "?ban ben", f"<@{BOT_ID}> hello"):
        live.send(content, person="ben")
    live.send("hello", person="ben", channel=live.dm("ben"))
    await settled(live)
    assert not worker.waiting()
    assert await hello(live, worker)
    for _ in range(3):  # its own text calls neither itself nor, by the same rule, the other one
        live.world.create_message(LAB, OTHER_BOT, TEXT)
    await settled(live)
    assert not worker.waiting()


# ---------------------------------------------------------------------------- caps


async def test_so_many_an_hour_and_no_more_after_a_restart(live: Live, worker: StandIn) -> None:
    await live.ask("!speak 100%\nmost 2")
    assert [await hello(live, worker) for _ in range(3)] == [True, True, False]
    restarted(live)
    assert not await hello(live, worker)
    key = keys.spoken("channel", LAB)
    assert 0 < worker.redis.ttl(key) <= 3_600
    first: Any = worker.redis.zrange(key, 0, 0)[0]
    worker.redis.zadd(key, {first: time.time() - 3_601})
    restarted(live)
    assert await hello(live, worker), "an hour later"


# ---------------------------------------------------------------------------- quiet


async def test_a_moderator_silences_it_at_once_and_for_a_while(live: Live, worker: StandIn) -> None:
    await live.ask("!speak 100%")
    assert "You can't have me be quiet" in await live.ask("!quiet 8h", person="ben")
    assert "I can't be quiet for `ever`" in await live.ask("!quiet ever", person="dora")
    live.send("hello", person="ben")
    await worker.asked(live)
    told = await live.ask("!quiet 8h", person="dora")
    until = int(told.split("<t:")[1].split(":")[0])
    assert 7.9 * 3_600 < until - time.time() <= 8 * 3_600
    await said(live, worker)
    assert not live.shown(TEXT), "not even what was being written"
    restarted(live)
    assert not await hello(live, worker)
    assert f"<t:{until}:t>" in await live.ask("!quiet", person="ben")
    assert "`!quiet off` ends that." in await live.ask("!quiet", person="dora")
    told = await live.ask("!quiet off", person="dora")
    assert "A moderator" not in told
    assert "`!quiet 8h` stops it for a while." in told
    assert await hello(live, worker)


# ---------------------------------------------------------------------------- the model, the words, and trouble


async def test_without_a_model_it_is_silent_and_says_why_when_asked(live: Live, worker: StandIn) -> None:
    await live.ask("!speak 100%")
    worker.redis.hdel(keys.channel(LAB), "model")
    assert not await hello(live, worker)
    assert not live.shown("This channel has no model yet")
    assert "twice in a row. I can't yet: This channel has no model yet" in await live.ask("!speak")
    worker.add_model()
    assert await hello(live, worker)


@pytest.mark.parametrize("masked", [True, False])
async def test_what_is_on_a_blocklist_is_not_posted(live: Live, worker: StandIn, masked: bool) -> None:
    await live.core.servers.change(GUILD_ID, blocklist=() if masked else ("gulls",))
    await live.ask("!speak 100%")
    live.send("hello", person="ben")
    job = await said(live, worker, "the gulls went home", masked=masked)
    assert tuple(job["blocked"]) == (default_entries() if masked else ("gulls",)), "an empty list is the default one"
    assert not live.shown("went home")


async def test_after_a_restart_nothing_unasked_is_delivered(live: Live, worker: StandIn) -> None:
    job = generate_job(job_id="u-1", place=lab().model_copy(update={"user_id": BOT_ID}))
    await live.core.jobs.submit(job)
    worker.write("u-1")
    await live.start_again()
    await live.until(lambda: not worker.waiting(), "it to be dropped")
    await live.handled()
    assert not live.shown("")


async def test_without_permission_it_does_not_try_and_says_so_when_asked(live: Live, worker: StandIn) -> None:
    await live.ask("!speak 100%")
    await live.deny("send_messages")
    assert not await hello(live, worker)
    assert not [entry for entry in live.requests("POST") if entry.path.endswith(f"{LAB}/messages")][1:]
    live.slash("ada", "speak")
    await live.until(lambda: live.showing("I'm missing permissions in this channel"), "the answer")


async def test_where_admins_do_not_want_the_bot_it_says_nothing(live: Live, worker: StandIn) -> None:
    await live.ask("!speak 100%")
    await live.core.servers.change(GUILD_ID, channels=(LIBRARY,))
    assert not await hello(live, worker)
    assert "don't allow me in this channel" in await live.ask("!speak")


# ---------------------------------------------------------------------------- what it costs


async def test_with_its_channel_all_is_forgotten(live: Live, worker: StandIn) -> None:
    await live.ask("!speak every 3")
    await live.ask("!quiet 8h")
    live.remove_channel(LAB)
    await live.until(lambda: not worker.redis.exists(keys.channel(LAB)), "the channel's choices to go")
    assert LAB not in cog(live.bot, SpeakCommands).speaker.rooms._known


async def test_what_is_turned_off_meanwhile_or_within_quiet_hours_is_not_posted(live: Live, worker: StandIn) -> None:
    for typed in ("!speak off", "!speak quiet 0:01-0:00"):
        await live.ask("!speak 100%")
        live.send("hello", person="ben")
        await worker.asked(live)
        await live.ask(typed)
        await said(live, worker)
        assert not live.shown(TEXT), typed


async def test_slurs_are_not_posted_where_an_admin_emptied_the_list(live: Live, worker: StandIn) -> None:
    await live.core.servers.change(GUILD_ID, blocklist=())
    await live.ask("!speak 100%")
    live.send("hello", person="ben")
    await said(live, worker, f"they said {default_entries()[0].replace('*', '')} went home")
    assert not live.shown("went home")


async def test_while_one_is_written_no_other_begins_and_never_two_in_a_row(live: Live, worker: StandIn) -> None:
    await live.ask("!speak 100%")
    for _ in range(3):
        live.send("hello", person="ben")
    await said(live, worker)
    assert len(live.shown(TEXT)) == 1
    assert await hello(live, worker)


@pytest.mark.parametrize(("key", "most"), [(keys.spoken("channel", LAB), 60), (keys.spoken("guild", GUILD_ID), 200)])
async def test_no_more_an_hour_than_anybody_may_choose(live: Live, worker: StandIn, key: str, most: int) -> None:
    await live.ask("!speak 100%\nmost 60")
    worker.redis.zadd(key, {f"u-{number}": time.time() for number in range(most - 1)})
    assert [await hello(live, worker) for _ in range(2)] == [True, False]
