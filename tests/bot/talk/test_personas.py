"""Personas speak as what they are, where an admin wants it, to people alone, and never in a member's name."""

import asyncio
import logging
import time
from typing import Any

import discord
import pytest
from simcord.backend.models import Message, User
from structlog.testing import capture_logs

from bot.talk.cog import SpeakCommands
from bot.talk.personas import checked_name
from bot.talk.store import MOST_PERSONAS, Persona, PersonaStore
from galvanic.errors import UserError
from playground.people import File
from playground.places import BOT_ID, GUILD_ID, USER_IDS
from playground.present import Presenter
from shared import keys
from shared.events import Failed
from shared.jobs import GENERATE_QUEUE
from tests.bot.ids import ADA, BEN, DORA, LAB, LIBRARY
from tests.bot.live import Live, cog, text_of
from tests.bot.stand_in import TEXT, StandIn
from tests.driver.faults import OK, Fault

SAID = "Mary Shelley · model"
POST = r"/webhooks/\d+/[^/]+"
ADD = "!persona add mary tides Mary Shelley"


def spoken(live: Live, title: str = SAID, channel: int = LAB) -> list[Message]:
    return [one for one in live.world.messages[channel].values() if one.author_name == title]


async def call(
    live: Live, worker: StandIn, words: str = "@mary hello", text: str = TEXT, **where: Any
) -> dict[str, Any]:
    """Say something to a persona, and wait until it has answered; the job."""
    live.send(words, person="ben", **where)
    job = await worker.answer(live, text)
    await live.until(lambda: "discord.py: on_message" not in {task.get_name() for task in asyncio.all_tasks()}, "it")
    return job


# ---------------------------------------------------------------------------- what they may be called


@pytest.mark.parametrize(
    "title",
    [
        *("Discord", "ＤＩＳＣＯＲＤ", "Clyde the second", "Every one", "he\u200bre", "System Message"),
        *("", "😀", "x" * 33, "M\u0430ry", "Mary · model", "@mary", "a:b", "\u3164", "A\u16a0", "M" + "\u0301" * 9),
    ],
)
def test_names_that_discord_refuses_or_that_deceive_are_refused(title: str) -> None:
    with pytest.raises(UserError):
        checked_name("mary", title)


def test_a_name_is_shown_as_it_is_read() -> None:
    assert checked_name("mary", ' "Ｍary\u200b  Shelley" ') == "Mary Shelley"
    assert checked_name("mary", f"Mary{60 * chr(0x3164)}Shelley{60 * chr(0x1160)}") == "Mary Shelley"
    assert checked_name("mary", "x" * 32) == "x" * 32
    assert checked_name("rin", "リン 林") == "リン 林"
    assert checked_name("maria", "Мария") == "Мария"
    assert checked_name("mary", "メアリー・シェリー") == "メアリー・シェリー"
    for call in ("everyone", "here", "stop", "mary ann", "", "x" * 21, "märy"):
        with pytest.raises(UserError):
            checked_name(call, "Mary")


REFUSED = "A member of this server has the name"


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("call", "title"),
    [
        *(("mary", "Ben"), ("mary", "b.e.n"), ("mary", "Bénjy B"), ("mary", "cleo"), ("ben", "Mary"), ("ada", "")),
        ("mary", "\u0410\u0441\u0435"),  # Ace in Cyrillic letters
        ("mary", "Twin"),  # a bot
    ],
)
async def test_no_persona_has_a_members_name(live: Live, call: str, title: str) -> None:
    for name, nick in (("ben", "Bénjy B"), ("dora", "Ace")):
        live.world.get_guild(GUILD_ID).members[USER_IDS[name]].nick = nick
    live.world.users[99] = User(id=99, name="Twin", bot=True)
    live.world.add_member(GUILD_ID, 99)
    refused = title if call == "mary" else call
    assert f"{REFUSED} `{refused}`, or one like it" in await live.ask(f"!persona add {call} tides {title}")
    assert "No persona speaks here" in await live.ask("!persona")


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    "title",
    [
        "Will\u3164Ada",
        "W\u1160ill Ada",
        "WiIl Ada",
        "Wi1l Ada",
        "Vvill Ada",
        "W\u0131ll \u1d00da",
        "ꓪꓲꓡꓡ ꓮꓓꓮ",
        "ᎳᎥᏞᏞ ᎪᎠᎪ",
        "wlll-ada",
    ],
)
async def test_no_persona_looks_like_a_member(live: Live, title: str) -> None:
    live.world.get_guild(GUILD_ID).members[BEN].nick = "Will Ada"
    assert REFUSED in await live.ask(f"!persona add other tides {title}")


# ---------------------------------------------------------------------------- whose and where


@pytest.mark.usefixtures("worker")
async def test_admins_add_list_and_remove_them_through_a_restart(live: Live) -> None:
    for typed in (ADD, "!persona remove mary"):
        assert "Only members with Manage Server" in await live.ask(typed, person="ben")
    assert "No model called `nobody`" in await live.ask("!persona add mary nobody")
    assert "**maxim** · model speaks here with `tides`" in await live.ask("!persona add maxim"), "the channel's model"
    assert "no longer speaks" in await live.ask("!persona remove maxim")
    for what in ("add", "remove"):
        assert f"Which persona?**\nSay what people call it, as in `!persona {what} mary`" in await live.ask(
            f"!persona {what}"
        )
    assert f"**{SAID.partition(' ·')[0]}** · model speaks here with `tides`: write `@mary hello`." in await live.ask(
        ADD
    )
    for typed in ("!persona", "!personas", "!persona list"):
        assert "`@mary` **Mary Shelley** · model, which writes with `tides`" in await live.ask(typed, person="ben")
    assert "No persona" in await live.ask("!persona", person="ben", channel="library")
    live.slash("ada", "persona", what="add", call="victor", model="tides")
    await live.until(lambda: live.showing("**victor** · model speaks here"), "the answer")
    assert f"`tides` in <#{LAB}>" in await live.ask("!persona")
    assert "No persona speaks here" in await live.ask("!persona list", channel="library")
    assert f"`tides` in <#{LAB}>" in text_of(await live.directly("ada", "other channels")), "an admin alone sees all"
    assert "<#" not in await live.ask("!persona", person="ben")
    assert "No persona is called `marry`" in await live.ask("!persona remove marry")
    assert "speaks here with `tides`" in await live.ask("!persona add mary"), "with her old model"
    for command, option, typed, found in (
        ("persona", "model", "ti", ["tides"]),
        ("persona", "call", "@m", ["mary"]),
        ("talk", "first", "", ["mary", "victor"]),
        ("talk", "second", "vic", ["victor"]),
    ):
        offered = await live.acts.autocomplete(ADA, LAB, command, option, typed, {})
        assert [one["value"] for one in offered] == found
    assert await live.acts.autocomplete(BEN, LIBRARY, "persona", "call", "", {}) == []
    assert "`@mary` no longer speaks in this server" in await live.ask("!persona remove mary")
    assert "@mary" not in await live.ask("!persona")
    for number in range(MOST_PERSONAS - 1):
        one = Persona(title="x", model_id="m", channels=(LAB,))
        await store(live).put(GUILD_ID, f"p{number}", one)
    assert "Remove one" in await live.ask(ADD)


async def test_it_speaks_by_a_webhook_with_its_picture_and_pings_nobody(live: Live, worker: StandIn) -> None:
    refused = {"call": "mary", "what": "add", "model": "tides", "name": "Mary Shelley"}
    live.acts.slash(ADA, LAB, "persona", refused, {"picture": File("a.txt", b"no")})
    await live.until(lambda: live.whispered("ada", "isn't a picture") or live.showing("isn't a picture"), "a refusal")
    live.acts.slash(ADA, LAB, "persona", refused, {"picture": File("mary.png", b"png")})
    await live.until(lambda: live.showing("speaks here"), "the answer")
    job = await call(live, worker, "hello @Mary @everyone", "<@1297000000000000022> *went* home")
    (posted,) = spoken(live)
    assert posted.reference is None
    assert posted.ping_user_ids == []
    assert str(posted.author_avatar).partition("?")[0].endswith("mary.png")
    shown = Presenter(live.world).message(posted)["author"]
    assert (shown["name"], shown["bot"]) == (SAID, True)
    assert shown["picture"].startswith("/cdn/")
    (sent,) = [one.json for one in live.requests("POST") if one.json and one.json.get("username")]
    assert sent["allowed_mentions"]["parse"] == []
    assert "nonce" not in sent
    assert job["seed"] == "hello @everyone\n"
    assert (job["place"]["user_id"], job["candidates"]) == (BEN, 8)
    for words in ("mary@mary.com", "https://a/@mary", "@maryann hello", "mary hello"):
        live.send(words, person="ben")
    live.send("@mary hello", person="ben", channel="library")
    await live.handled()
    assert not worker.waiting()


async def test_a_reply_calls_it_and_goes_on(live: Live, worker: StandIn) -> None:
    await live.ask(ADD)
    await live.ask("!persona add victor tides")
    await live.ask(ADD)
    assert (await store(live).of(GUILD_ID))["mary"].channels == (LAB,)
    await call(live, worker)
    job = await call(live, worker, "and then?", reply_to=spoken(live)[0])
    assert job["seed"] == f"{TEXT}\nand then?\n"
    await call(live, worker, "@victor you?")
    assert (len(spoken(live)), len(spoken(live, "victor · model"))) == (2, 1)
    assert len(live.world.webhooks) == 1, "one for all"
    assert 0 < worker.redis.ttl(keys.shown(spoken(live)[0].id)) <= keys.JOB_TTL_S


async def test_threads_follow_their_channel(live: Live, worker: StandIn) -> None:
    await live.ask(ADD)
    thread = live.world.create_thread(LAB, "a talk", BEN)
    await live.until(lambda: live.bot.get_channel(thread.id), "the thread")
    await call(live, worker, channel=thread.id)
    assert (len(spoken(live)), len(spoken(live, channel=thread.id))) == (0, 1)


async def test_nothing_but_people_calls_one(live: Live, worker: StandIn) -> None:
    """So two bots with personas never talk each other into a loop."""
    await live.ask(ADD)
    await call(live, worker, text="@mary and @victor, come")
    twin = live.world.users[99] = User(id=99, name="Twin", bot=True)
    live.world.add_member(GUILD_ID, twin.id)
    hook = live.world.create_webhook(LAB, "Victor", ADA)
    reference = {"channel_id": str(LAB), "message_id": str(spoken(live)[0].id)}
    for _ in range(3):
        live.world.create_message(LAB, twin.id, "@mary hello", reference=reference)
        live.world.create_message(LAB, hook.id, "@mary hello", webhook_id=hook.id, author_name="Victor · model")
    await live.handled()
    assert not worker.waiting()
    assert len(spoken(live)) == 1


# ---------------------------------------------------------------------------- what goes wrong


@pytest.mark.usefixtures("worker")
async def test_without_the_right_it_speaks_under_the_bots_name(live: Live, worker: StandIn) -> None:
    await live.deny("manage_webhooks")
    assert "It speaks under my own name: Discord gives me no webhook here" in await live.ask(ADD)
    await call(live, worker)
    (posted,) = live.shown(TEXT)
    assert posted.content.startswith("-# **Mary Shelley** · model\n")
    job = await call(live, worker, f"<@{BOT_ID}> and?", reply_to=posted)
    assert job["job_id"].startswith("u-p-"), "a reply to it is a call, too"
    assert TEXT in job["seed"]
    assert "Mary" not in job["seed"]


@pytest.mark.parametrize(("method", "code"), [("GET", 60_003), ("POST", 60_003), ("POST", 30_058)])
async def test_without_a_webhook_it_speaks_under_the_bots_name(
    live: Live, worker: StandIn, method: str, code: int
) -> None:
    live.faults.add(Fault(method, rf"/channels/{LAB}/webhooks", 403, code=code, times=9))
    assert "two-factor" in await live.ask(ADD)
    await call(live, worker)
    assert live.showing("-# **Mary Shelley** · model")


async def test_fifteen_webhooks_are_told_and_one_deleted_by_hand_is_made_again(live: Live, worker: StandIn) -> None:
    live.faults.add(Fault("POST", rf"/channels/{LAB}/webhooks", 400, code=30_007))
    assert "15 webhooks" in await live.ask(ADD)
    await call(live, worker)
    live.world.delete_webhook(next(iter(live.world.webhooks)))
    await call(live, worker)
    assert len(spoken(live)) == 2


async def test_after_a_lost_connection_nothing_is_posted_again(live: Live, worker: StandIn) -> None:
    await live.ask(ADD)
    live.faults.add(Fault("POST", POST, 0, late=True))
    with capture_logs() as logs:
        await call(live, worker)
        await live.until(lambda: [one for one in logs if one["event"] == "persona_not_heard"], "the log")
    assert len(spoken(live)) == 1
    assert live.showing("❌") is None
    await live.start_again()
    await live.handled()
    assert len(spoken(live)) == 1


async def test_what_discord_did_not_take_is_posted_again(live: Live, worker: StandIn) -> None:
    await live.ask(ADD)
    live.faults.add(Fault("POST", POST, 500))
    await call(live, worker)
    assert len(spoken(live)) == 1


async def test_a_model_that_is_gone_is_told_until_there_is_another(live: Live, worker: StandIn) -> None:
    await live.ask(ADD)
    await live.ask("!persona add victor tides")
    (model,) = await live.models.registry.all(GUILD_ID)
    await live.models.registry.remove(model)
    live.send("@mary hello", person="ben")
    await live.until(lambda: live.showing("Mary Shelley can't speak"), "the reason")
    refused = await live.ask("!talk mary victor")
    assert "Mary Shelley can't speak" in refused
    assert "A member with Manage Server can give it another one" in refused
    worker.add_model()
    await live.ask(ADD)
    await call(live, worker)
    assert len(spoken(live)) == 1


async def test_a_persona_that_is_removed_while_it_writes_stays_removed(live: Live, worker: StandIn) -> None:
    await with_expiring_picture(live)
    live.send("@mary hello", person="ben")
    await worker.asked(live)
    await live.ask("!persona remove mary")
    await worker.answer(live)
    await live.handled()
    assert not spoken(live), "no last text"
    assert not (await store(live).of(GUILD_ID))


async def test_a_webhook_that_somebody_moves_says_nothing_elsewhere(live: Live, worker: StandIn) -> None:
    await live.ask(ADD)
    await call(live, worker)
    (hook,) = live.world.webhooks
    live.world.edit_webhook(hook, {"channel_id": LIBRARY})
    await call(live, worker)
    assert (len(spoken(live)), len(spoken(live, channel=LIBRARY))) == (2, 0)


async def test_a_list_names_no_model_that_is_hidden_there(live: Live, worker: StandIn) -> None:
    worker.add_model(name="secret", model_id="m-2", scope="channel")
    await live.ask("!persona add mary secret Mary Shelley")
    assert "which writes with `secret`" in await live.ask("!persona")
    await live.ask("!persona", channel="library")
    await live.directly("ada", f"which writes with a model that was deleted or can't be used here in <#{LAB}>")


@pytest.mark.usefixtures("worker")
async def test_a_channel_that_is_deleted_is_left_out(live: Live) -> None:
    await live.ask(ADD)
    live.remove_channel(LAB)
    await live.until(lambda: live.bot.get_channel(LAB) is None, "the channel to go")
    await live.ask("!persona", channel="library")
    await live.directly("ada", "in no channel")
    await live.ask("!persona add mary", channel="library")
    assert (await store(live).of(GUILD_ID))["mary"].channels == (LIBRARY,)


async def test_its_texts_are_covered_and_deleted_like_others(live: Live, worker: StandIn) -> None:
    await live.ask(ADD)
    await live.core.servers.block(GUILD_ID, "gulls")
    await call(live, worker)
    (posted,) = spoken(live)
    assert posted.content == "and the █████ went home"
    hook = live.world.create_webhook(LAB, "Victor", ADA)
    other = live.world.create_message(LAB, hook.id, TEXT, webhook_id=hook.id, author_name=SAID)
    live.acts.on_message(BEN, LAB, other.id, "Delete this text")
    await live.until(lambda: live.whispered("ben", "isn't mine"), "a refusal")
    live.acts.on_message(BEN, LAB, posted.id, "Delete this text")
    await live.until(lambda: spoken(live) == [other], "the deletion")
    await call(live, worker)
    live.world.delete_webhook(next(hook.id for hook in live.world.webhooks.values() if hook.creator_id == BOT_ID))
    last = spoken(live)[-1]
    live.acts.on_message(BEN, LAB, last.id, "Delete this text")
    await live.until(lambda: live.whispered("ben", "Give me Manage Messages"), "what is missing")
    await live.allow("manage_messages")
    live.acts.on_message(BEN, LAB, last.id, "Delete this text")
    await live.until(lambda: spoken(live) == [other], "the deletion without a webhook")


async def test_its_texts_are_continued_drawn_and_liked_like_others(live: Live, worker: StandIn) -> None:
    await live.ask(ADD)
    await call(live, worker)
    (posted,) = spoken(live)
    hook = live.world.create_webhook(LAB, "Victor", ADA)
    other = live.world.create_message(LAB, hook.id, TEXT, webhook_id=hook.id, author_name=SAID)
    for command, field in (("Continue this", "seed"), ("Surprise map", "text")):
        live.acts.on_message(DORA, LAB, other.id, command)
        await live.until(lambda: live.whispered("dora", "can't tell whose words"), "a refusal")
        live.acts.on_message(DORA, LAB, posted.id, command)
        job_id = await worker.asked(live)
        job = worker.job(job_id)
        assert TEXT in job[field]
        assert job["author_id"] == BEN, "whose words it answered"
        worker.tell(job_id, Failed(problem="enough"))
        await live.until(lambda: not worker.waiting(), "the end of the job")
    for one in (other, posted):
        live.world.set_reaction(LAB, one.id, "🔥", BEN, True)
    await live.handled()
    liked = await live.ask("!best")
    assert f"/{posted.id})" in liked
    assert f"/{other.id})" not in liked
    assert worker.redis.zcard(keys.best(GUILD_ID)) == 1


async def test_the_webhooks_token_is_nowhere_else(
    live: Live, worker: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), capture_logs() as logs:
        await live.ask(ADD)
        await call(live, worker)
    (hook,) = live.world.webhooks.values()
    assert hook.token not in caplog.text
    assert hook.token not in str(logs)
    for key in worker.redis.keys("*"):
        if worker.redis.type(key) == b"string":
            assert hook.token.encode() not in worker.redis.get(key)  # type: ignore[operator]
    assert hook.token not in str(worker.redis.hgetall(keys.personas(GUILD_ID)))


@pytest.mark.usefixtures("worker")
async def test_reset_in_the_settings_deletes_personas_and_leaves_speaking(live: Live) -> None:
    await live.ask(ADD)
    await live.ask("!speak 2%")
    live.send("!settings")
    panel = await live.until(lambda: live.showing("Settings of"), "the panel")
    live.acts.click(ADA, LAB, panel.id, "galvanic:settings:reset")
    await live.until(lambda: "all personas are deleted" in text_of(panel), "the question")
    assert "Models and **Speaking** stay" in text_of(panel)
    live.acts.click(ADA, LAB, panel.id, "galvanic:settings:reset-all")
    await live.until(lambda: "Settings of" in text_of(panel), "the panel")
    assert not await store(live).of(GUILD_ID)
    assert (await cog(live.bot, SpeakCommands).speaker.rooms.room(LAB)).speak.on


@pytest.mark.usefixtures("worker")
async def test_a_persona_goes_on_with_the_model_that_took_its_models_place(live: Live) -> None:
    await live.ask(ADD)
    mary = (await store(live).of(GUILD_ID))["mary"]
    await store(live).put(GUILD_ID, "victor", mary.model_copy(update={"model_id": "other"}))
    for follow in live.models.registry.replaced:
        await follow(GUILD_ID, mary.model_id, "newer")
    personas = await store(live).of(GUILD_ID)
    assert [personas[call].model_id for call in ("mary", "victor")] == ["newer", "other"]


def store(live: Live) -> PersonaStore:
    return cog(live.bot, SpeakCommands).personas.store


async def with_expiring_picture(live: Live) -> None:
    await live.ask(ADD)
    own = (await store(live).of(GUILD_ID))["mary"]
    expiring = own.model_copy(update={"picture": "https://cdn.discordapp.com/attachments/1/2/a.png?ex=1"})
    await store(live).put(GUILD_ID, "mary", expiring)
    lasting = discord.Asset._from_avatar(live.bot._connection, 1, "a")
    assert lasting.url == "https://cdn.discordapp.com/avatars/1/a.png?size=1024"
    live.patch.setattr(discord.user.BaseUser, "avatar", lasting)


async def test_an_attachments_address_is_replaced_once_by_one_that_lasts(live: Live, worker: StandIn) -> None:
    await with_expiring_picture(live)
    await call(live, worker)
    lasting = "https://cdn.discordapp.com/avatars/1/a.png"
    assert (await store(live).of(GUILD_ID))["mary"].picture == lasting


# ---------------------------------------------------------------------------- a talk


@pytest.fixture
async def pair(live: Live, worker: StandIn) -> StandIn:
    await live.ask(ADD)
    await live.ask("!persona add victor tides")
    return worker


async def test_two_talk_as_many_turns_as_asked_each_after_the_other(live: Live, pair: StandIn) -> None:
    for typed in ("!talk mary", "!talk mary mary", "!talk mary ada"):
        assert "two different personas of this channel" in await live.ask(typed)
    assert "A talk has 2 to 12 texts" in await live.ask("!talk mary victor 13")
    slow = live.faults.add(Fault("POST", f"/channels/{LAB}/messages", 200, wait_s=0.5))
    sent = live.send("!talk @Mary victor 3", person="ben")
    await live.until(lambda: not slow.times, "the announcement on its way")
    assert not pair.waiting(), "nothing is written before it is there"
    assert "talk: 3 texts" in text_of(await live.answered(sent))
    assert "Two personas are already talking here" in await live.ask("!talk mary victor")
    seeds = [(await pair.answer(live, text))["seed"] for text in ("one", "two", "three")]
    await live.until(lambda: not cog(live.bot, SpeakCommands).personas.talks, "the end")
    assert seeds == ["", "one\n", "one\ntwo\n"]
    assert [one.content for one in spoken(live)] == ["one", "three"]
    assert [one.content for one in spoken(live, "victor · model")] == ["two"]
    assert int(pair.redis.zcard(keys.spoken("guild", GUILD_ID))) == 3


@pytest.mark.parametrize("typed", ["!quiet 8h", "!talk stop"])
async def test_moderators_end_it_at_once(live: Live, pair: StandIn, typed: str) -> None:
    await live.ask("!speak most 12")
    await live.ask("!talk mary victor 12")
    await pair.answer(live)
    await pair.asked(live)
    assert "❌" in await live.ask(typed, person="ben")
    await live.ask(typed, person="dora")
    await pair.answer(live)
    await live.until(lambda: not cog(live.bot, SpeakCommands).personas.tasks, "the end")
    if typed == "!quiet 8h":
        assert "wants quiet" in await live.ask("!talk mary victor")
    assert len(spoken(live)) + len(spoken(live, "victor · model")) == 1


@pytest.mark.parametrize("typed", ["!quiet 8h", "!persona remove mary"])
async def test_what_is_asked_while_discord_names_its_webhooks_counts(live: Live, pair: StandIn, typed: str) -> None:
    await live.ask("!talk mary victor")
    slow = live.faults.add(Fault("GET", f"/channels/{LAB}/webhooks", OK, wait_s=1.0))
    await pair.answer(live)
    await live.until(lambda: not slow.times, "the question")
    await live.ask(typed)
    await live.until(lambda: not cog(live.bot, SpeakCommands).personas.tasks, "the end")
    assert not spoken(live)


async def test_a_talk_that_ends_while_discord_limits_the_bot_does_not_silence_it(live: Live, pair: StandIn) -> None:
    await live.deny("manage_webhooks")
    await live.ask("!talk mary victor 12")
    limit = live.faults.add(Fault("POST", f"/channels/{LAB}/messages", 429, retry_after=1, everywhere=True))
    await pair.answer(live)
    await live.until(lambda: not limit.times, "the limit")
    live.send("!talk stop")
    assert "frankenstein" in await live.ask("!help", channel="library")


async def test_a_talk_ends_with_trouble_and_with_the_hours_texts(live: Live, pair: StandIn) -> None:
    await live.ask("!talk mary victor")
    live.faults.add(Fault("POST", POST, 0))
    await pair.answer(live)
    await live.until(lambda: not cog(live.bot, SpeakCommands).personas.talks, "the end")
    assert not spoken(live)
    assert int(pair.redis.zcard(keys.spoken("guild", GUILD_ID))) == 1, "what is unclear may be posted"
    await live.ask("!talk mary victor 5")
    await pair.asked(live)
    for number in range(5):
        pair.redis.zadd(keys.spoken("channel", LAB), {f"other-{number}": time.time()})
    await pair.answer(live, "one")
    await live.until(lambda: live.showing("This hour's texts are used up"), "the cap")
    await live.until(lambda: not cog(live.bot, SpeakCommands).personas.talks, "the end")


async def test_what_was_not_posted_takes_nothing_from_the_hour(live: Live, pair: StandIn) -> None:
    pair.redis.delete(keys.workers(GENERATE_QUEUE))
    await live.ask("!talk mary victor 2")
    await live.until(lambda: live.showing("a part of me (the generate worker) is not running"), "the reason")
    await live.until(lambda: not cog(live.bot, SpeakCommands).personas.talks, "the end")
    for key in (keys.spoken("channel", LAB), keys.spoken("guild", GUILD_ID)):
        assert pair.redis.zcard(key) == 0


async def test_a_talk_ends_without_a_traceback_where_its_channel_is_deleted(live: Live, pair: StandIn) -> None:
    with capture_logs() as logs:
        await live.ask("!talk mary victor 4")
        job_id = await pair.asked(live)
        live.remove_channel(LAB)
        pair.tell(job_id, Failed(problem="enough"))
        await live.until(lambda: not cog(live.bot, SpeakCommands).personas.talks, "the end")
        await live.handled()
    assert [one["log_level"] for one in logs if "exc_info" in one or one["log_level"] == "error"] == []
