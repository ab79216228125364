"""What members and admins say about learning from messages, on a local Discord: asked, answered in private, done."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from simcord.backend.models import Message

from bot import cards
from bot.cards.privacy import Taken, Terms
from bot.privacy import consent_actions, held
from bot.privacy.consent import Allowed, Said
from bot.privacy.export_data import packed
from bot.transcripts.store import Line
from bot.views.privacy import consent_buttons, forget_buttons
from playground.faults import Fault
from playground.places import ANNEX_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.jobs import GenerateJob, Place, TranscriptRef
from shared.models import ModelRecord
from shared.settings import Settings
from tests import factories
from tests.bot.live import Live, text_of
from tests.transcripts import expire

LAB, TAVERN, CELLAR = CHANNEL_IDS["lab"], CHANNEL_IDS["tavern"], CHANNEL_IDS["cellar"]
ADA, BEN, CLEO, DORA = (USER_IDS[name] for name in ("ada", "ben", "cleo", "dora"))


@pytest.fixture
def settings(redis_url: str, request: pytest.FixtureRequest) -> Settings:
    mode = getattr(request, "param", "opt-in")
    return Settings(channel_training=mode, channel_training_without_asking=True)


def mode(name: str) -> Any:
    """A test under another of the operator's modes."""
    return pytest.mark.parametrize("settings", [name], indirect=True)


async def stored(live: Live, *people: int, channel_id: int = TAVERN, guild_id: int = GUILD_ID) -> str:
    """A transcript with two lines of each of these, who agreed."""
    info = await live.bot.transcripts.create(
        guild_id=guild_id, channel_id=channel_id, source_id=channel_id, asked_by=ADA, reading="{}", until=10**18
    )
    for who in people:
        await live.bot.consents.agree(guild_id, who)
    lines = [Line(1_000 + 2 * who + part, who, f"secret {who} part {part}") for who in people for part in (0, 1)]
    await live.bot.transcripts.append(info.transcript_id, lines, "{}")
    await expire(live.bot.transcripts, info.transcript_id, 3_600)
    await live.bot.transcripts.complete(info.transcript_id)
    return info.transcript_id


async def gone(live: Live, transcript_id: str, who: int) -> None:
    """Wait until nothing of somebody's is in a transcript."""
    async with asyncio.timeout(30):
        while await live.bot.transcripts.lines_of(transcript_id, who):  # noqa: ASYNC110  # Redis tells nobody
            await asyncio.sleep(0.01)


async def model_of(live: Live, transcript_id: str, name: str = "chatter", channel_id: int = TAVERN) -> ModelRecord:
    """A model that learned a transcript."""
    ref = TranscriptRef(transcript_id=transcript_id, revision=0, guild_id=GUILD_ID, channel_id=channel_id)
    record = factories.record(
        model_id=f"id-{name}", name=name, guild_id=GUILD_ID, channel_id=channel_id, owner_id=ADA, transcripts=(ref,)
    )
    await live.bot.redis.set(keys.model(record.model_id), record.model_dump_json())
    await live.bot.redis.hset(keys.guild_models(GUILD_ID), record.name, record.model_id)  # type: ignore[misc]
    return record


async def asked_for(live: Live, job_id: str, who: int, seed: str) -> None:
    """A request of somebody's that was answered."""
    job = GenerateJob(
        job_id=job_id,
        place=Place(guild_id=GUILD_ID, channel_id=LAB, user_id=who),
        model_id="m",
        model_name="m",
        seed=seed,
        length=10,
        blocked=("blocklisted",),
    )
    await live.bot.redis.hset(keys.job(job_id), "job", job.model_dump_json())  # type: ignore[misc]
    await live.bot.redis.xadd(keys.job_events(job_id), {"event": "{}"})


async def directly(live: Live, person: str, words: str) -> Message:
    """A direct message of the bot's with these words, once it is there."""
    return await live.until(lambda: live.showing(words, channel=live.dm(person)), f"{words!r} as a direct message")


def slash(live: Live, person: str, command: str, channel: int = LAB, **options: Any) -> None:
    live.acts.slash(USER_IDS[person], channel, command, options, {})


def custom_id(message: Message, label: str) -> str:
    return next(item["custom_id"] for row in message.components for item in row["components"] if item["label"] == label)


def press(live: Live, person: str, message: Message, label: str) -> None:
    live.acts.click(USER_IDS[person], message.channel_id, message.id, custom_id(message, label))


def close_dms(live: Live, person: str) -> None:
    live.world.closed_dms.add(USER_IDS[person])


# ---------------------------------------------------------------------------- opting in


async def test_nothing_counts_before_the_button_is_pressed(live: Live) -> None:
    await live.bot.consents.allow(GUILD_ID, TAVERN, ADA)
    await live.bot.consents.allow(GUILD_ID, CELLAR, ADA)
    assert await live.ask("!optin", person="dora") == "📬 I sent you a direct message."
    question = await directly(live, "dora", "May models learn")
    said = text_of(question)
    for words in ("What is learned", f"<#{TAVERN}>", "word for word", "!optout", "72 hours", "7 days", "export"):
        assert words in said, words
    assert f"<#{CELLAR}>" not in said, "a channel that she can't read"
    assert (await live.bot.consents.of(GUILD_ID)).agreed == frozenset()
    press(live, "dora", question, "I agree")
    await directly(live, "dora", "You agreed")
    consents = await live.bot.consents.of(GUILD_ID)
    assert consents.agreed == {DORA}
    assert not (await live.bot.consents.of(ANNEX_ID)).agreed
    assert not [row for row in live.world.messages[question.channel_id][question.id].components if row["components"]]


async def test_a_slash_command_asks_the_person_alone(live: Live) -> None:
    slash(live, "ben", "optin")
    question = await live.until(lambda: live.whispered("ben", "May models learn"), "the question")
    assert live.whispered("ada", "May models learn") is None
    press(live, "ben", question, "No, leave it")
    await live.until(lambda: live.whispered("ben", "Nothing was changed"), "the answer")
    assert await live.bot.consents.said(GUILD_ID, BEN) is None


async def test_whoever_agreed_is_not_asked_again(live: Live) -> None:
    await live.bot.consents.agree(GUILD_ID, BEN)
    slash(live, "ben", "optin")
    answer = await live.until(lambda: live.whispered("ben", "You agreed"), "the answer")
    assert answer.components == []


async def test_what_was_withdrawn_stays_out_and_the_question_says_so(live: Live) -> None:
    await live.bot.withdrawals.withdraw(GUILD_ID, [BEN], why="test")
    slash(live, "ben", "optin")
    question = await live.until(lambda: live.whispered("ben", "You withdrew before"), "the question")
    press(live, "ben", question, "I agree")
    await live.until(lambda: live.whispered("ben", "to what you write after"), "the answer")
    assert not (await live.bot.consents.of(GUILD_ID)).includes(BEN, LAB)


async def test_an_old_question_does_not_outlive_a_no(live: Live) -> None:
    slash(live, "ben", "optin")
    question = await live.until(lambda: live.whispered("ben", "May models learn"), "the question")
    await asyncio.sleep(0.01)
    await live.ask("!optout", person="ben")
    press(live, "ben", question, "I agree")
    await live.until(lambda: live.whispered("ben", "said no after this question"), "a refusal")
    assert (await live.bot.consents.of(GUILD_ID)).agreed == frozenset()


@pytest.mark.parametrize("label", ["I agree", "Forget me", "No, leave it"])
async def test_nobody_answers_for_somebody_else(live: Live, label: str) -> None:
    # Even if somebody else's question comes to stand where others see it.
    view = forget_buttons(GUILD_ID, BEN) if label == "Forget me" else consent_buttons(GUILD_ID, BEN)
    await live.bot.get_partial_messageable(LAB).send("A question", view=view)
    press(live, "dora", await live.until(lambda: live.showing("A question"), "the question"), label)
    await live.until(lambda: live.whispered("dora", "for somebody else"), "a refusal")
    assert await live.bot.consents.said(GUILD_ID, BEN) is None
    assert await live.bot.consents.said(GUILD_ID, DORA) is None


async def test_nobody_agrees_for_a_server_where_they_are_not(live: Live) -> None:
    await live.bot.get_partial_messageable(LAB).send("A question", view=consent_buttons(ANNEX_ID, DORA))
    press(live, "dora", await live.until(lambda: live.showing("A question"), "the question"), "I agree")
    await live.until(lambda: live.whispered("dora", "no member of that server"), "a refusal")
    assert await live.bot.consents.said(ANNEX_ID, DORA) is None


async def test_a_question_of_another_day_changes_nothing(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.views.privacy.ANSWER_WITHIN", timedelta(0))
    for command, label in (("optin", "I agree"), ("forget-me", "Forget me")):
        slash(live, "ben", command)
        question = await live.until(lambda: live.whispered("ben", "?"), "the question")
        press(live, "ben", question, label)
        await live.until(lambda command=command: live.whispered("ben", f"`!{command}`"), "a refusal")  # type: ignore[misc]
    assert await live.bot.consents.said(GUILD_ID, BEN) is None


async def test_closed_direct_messages_are_told_of_the_slash_command(live: Live) -> None:
    close_dms(live, "dora")
    for command in ("optin", "privacy", "export-data"):
        said = await live.ask(f"!{command}", person="dora")
        assert f"Use `/{command}`" in said
    assert not await live.bot.redis.exists(keys.cooldown("data", 0, DORA)), "what wasn't sent costs nothing"


@mode("off")
async def test_while_it_is_off_nobody_is_asked_and_everybody_can_leave(live: Live) -> None:
    assert "CHANNEL_TRAINING=opt-in" in await live.ask("!optin", person="ben")
    assert "turned off" in await live.ask(f"!allow-training <#{TAVERN}>")
    assert await live.bot.consents.allowed(GUILD_ID) == frozenset()
    assert "Done." in await live.ask("!optout", person="ben")
    said = await live.bot.consents.said(GUILD_ID, BEN)
    assert said is not None
    assert said.state == "out"
    assert "turned it off" in await live.ask("!allow-training")


# ---------------------------------------------------------------------------- leaving


async def test_optout_takes_the_words_out_at_once(live: Live) -> None:
    transcript_id = await stored(live, BEN, DORA)
    await model_of(live, transcript_id)
    assert "Done." in await live.ask("!optout", person="ben")
    told = text_of(await directly(live, "ben", "You opted out"))
    assert "2 lines of yours taken out of 1 stored text" in told
    assert "`chatter` learned from you" in told
    await gone(live, transcript_id, BEN)
    assert len(await live.bot.transcripts.lines_of(transcript_id, DORA)) == 2
    consents = await live.bot.consents.of(GUILD_ID)
    assert not consents.includes(BEN, 10**19)
    assert consents.includes(DORA, 1)


async def test_optout_works_without_direct_messages_and_where_the_bot_is_not_wanted(live: Live) -> None:
    close_dms(live, "ben")
    transcript_id = await stored(live, BEN)
    await live.bot.guild_settings.change(GUILD_ID, channels=(CHANNEL_IDS["library"],))
    assert "not allowed in this channel" in await live.ask("!models", person="ben")
    said = await live.ask("!optout", person="ben")
    assert "Done." in said
    assert "lines" not in said, "no details for the channel"
    await gone(live, transcript_id, BEN)


@pytest.mark.parametrize("settings", ["off", "opt-in", "opt-out"], indirect=True)
async def test_a_direct_message_says_no_in_all_servers(live: Live) -> None:
    await live.ask("!optout", person="ben", channel=live.dm("ben"))
    for guild_id in (GUILD_ID, ANNEX_ID):
        said = await live.bot.consents.said(guild_id, BEN)
        assert said is not None, "also should the operator once take silence for a yes"
        assert said.state == "out"
    await live.ask("!optout", person="dora", channel=live.dm("dora"))
    assert await live.bot.consents.said(ANNEX_ID, DORA) is None, "she is not there"


@mode("opt-out")
async def test_a_server_that_cannot_be_asked_counts(live: Live) -> None:
    live.faults.add(Fault("GET", rf".*/guilds/{ANNEX_ID}/members/{DORA}", 403, 50_001))
    await live.ask("!optout", person="dora", channel=live.dm("dora"))
    said = await live.bot.consents.said(ANNEX_ID, DORA)
    assert said is not None
    assert said.state == "out"


async def test_forget_me_asks_and_then_forgets_and_confirms(live: Live) -> None:
    transcript_id = await stored(live, BEN, DORA)
    await model_of(live, transcript_id)
    await asked_for(live, "g-1", BEN, "a seed of ben")
    await asked_for(live, "g-2", DORA, "a seed of dora")
    slash(live, "ben", "forget-me")
    question = await live.until(lambda: live.whispered("ben", "Shall I forget you?"), "the question")
    assert len(await live.bot.transcripts.lines_of(transcript_id, BEN)) == 2, "not before the button"
    press(live, "ben", question, "Forget me")
    confirmed = text_of(await directly(live, "ben", "I forgot you"))
    for words in ("2 lines of yours taken out of 1 stored text", "`chatter`", "1 request of yours"):
        assert words in confirmed
    await gone(live, transcript_id, BEN)
    assert not await live.bot.redis.exists(keys.job("g-1"), keys.job_events("g-1"))
    assert await live.bot.redis.exists(keys.job("g-2"))
    said = await live.bot.consents.said(GUILD_ID, BEN)
    assert said is not None
    assert said.state == "out"
    await live.until(lambda: live.whispered("ben", "I forgot you"), "the answer in the question's place")


async def test_forget_me_without_direct_messages_says_nothing_to_the_channel(live: Live) -> None:
    close_dms(live, "ben")
    transcript_id = await stored(live, BEN)
    await model_of(live, transcript_id)
    await live.ask("!forget-me", person="ben")
    question = await live.until(lambda: live.showing("Shall I forget you?"), "the question")
    press(live, "dora", question, "Forget me")
    await live.until(lambda: live.whispered("dora", "for somebody else"), "a refusal")
    press(live, "ben", question, "Forget me")
    await live.until(lambda: live.whispered("ben", "I forgot you"), "the answer for him alone")
    after = await live.until(lambda: live.showing("Done."), "the question's end")
    assert after.id == question.id
    assert "chatter" not in text_of(after)
    assert live.showing("chatter") is None


async def test_a_request_that_is_being_answered_is_not_pulled_away(live: Live) -> None:
    await asked_for(live, "g-1", BEN, "a seed")
    await live.bot.redis.sadd(keys.UNDELIVERED, "g-1")  # type: ignore[misc]
    await consent_actions.forget(live.bot, [GUILD_ID], live.bot.get_user(BEN) or await live.bot.fetch_user(BEN), "!")
    assert await live.bot.redis.exists(keys.job("g-1"))


# ---------------------------------------------------------------------------- seeing


async def test_privacy_tells_what_is_stored_and_where_it_is_used(live: Live) -> None:
    await live.bot.consents.allow(GUILD_ID, TAVERN, ADA)
    await live.bot.consents.allow(GUILD_ID, CELLAR, ADA)
    transcript_id = await stored(live, BEN, DORA)
    await model_of(live, transcript_id)
    slash(live, "dora", "privacy")
    shown = text_of(await live.until(lambda: live.whispered("dora", "What I hold of you"), "the answer"))
    for words in ("**Yes**", f"<#{TAVERN}>: 2 lines, until", "`chatter`, from", "members who said yes", "7 days"):
        assert words in shown, words
    assert f"<#{CELLAR}>" not in shown
    assert "made again" not in shown
    await live.bot.withdrawals.withdraw(GUILD_ID, [BEN], why="test")
    await live.ask("!privacy", person="dora", channel=live.dm("dora"))
    again = text_of(await directly(live, "dora", "made again, or deleted, by"))
    assert "`chatter`" in again


async def test_a_channels_models_are_not_told_to_who_cannot_read_it(live: Live) -> None:
    transcript_id = await stored(live, BEN, channel_id=CELLAR)
    await model_of(live, transcript_id, "hidden", CELLAR)
    await live.bot.withdrawals.withdraw(GUILD_ID, [BEN], why="test")
    dora, ben = [await live.bot.fetch_user(who) for who in (DORA, BEN)]
    assert (await held.in_server(live.bot, GUILD_ID, dora)).stale == ()
    assert [one.model.name for one in (await held.in_server(live.bot, GUILD_ID, ben)).stale] == ["hidden"]


async def test_somebody_unknown_is_told_that_nothing_is_held(live: Live) -> None:
    assert "I hold nothing of you" in await live.ask("!privacy", person="cleo", channel=live.dm("cleo"))


async def test_a_direct_message_tells_of_every_server(live: Live) -> None:
    await live.bot.consents.agree(GUILD_ID, BEN)
    await live.bot.consents.agree(ANNEX_ID, BEN)
    await live.ask("!privacy", person="ben", channel=live.dm("ben"))
    await directly(live, "ben", "hold of you in Galvanic playground")
    await directly(live, "ben", "hold of you in The Annex")


async def test_the_file_has_all_of_one_person_and_nothing_of_others(live: Live) -> None:
    transcript_id = await stored(live, BEN, DORA)
    await model_of(live, transcript_id)
    await asked_for(live, "g-1", BEN, "a seed of ben")
    await asked_for(live, "g-2", DORA, "a seed of dora")
    slash(live, "ben", "export-data")
    sent = await live.until(lambda: live.whispered("ben", "all that I hold"), "the file")
    (attached,) = sent.attachments
    data = await read(attached)
    found = json.loads(data)
    (server,) = [one for one in found["servers"] if one["guild_id"] == str(GUILD_ID)]
    assert server["consent"]["state"] == "in"
    assert [line["text"] for line in server["your_words"][0]["messages"]] == [f"secret {BEN} part {n}" for n in (0, 1)]
    assert server["models_that_learned_from_you"][0]["name"] == "chatter"
    assert [job["seed"] for job in found["requests"]] == ["a seed of ben"]
    for other in (str(DORA), "dora", "blocklisted"):
        assert other not in data.decode()
    slash(live, "ben", "export-data")
    await live.until(lambda: live.whispered("ben", "a bit fast"), "the cooldown")


async def read(attached: Any) -> bytes:
    """The bytes of a file that was posted."""
    url = attached["url"] if isinstance(attached, dict) else attached.url
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.read()


def test_a_large_file_is_compressed_and_one_that_still_is_comes_in_pieces() -> None:
    data = {"words": [str(number) for number in range(2_000)]}
    ((name, plain),) = packed(data, 10**6)
    assert name.endswith(".json")
    ((name, small),) = packed(data, len(plain) - 1)
    assert name.endswith(".json.gz")
    assert gzip.decompress(small) == plain
    pieces = packed(data, 1_000)
    assert len(pieces) > 1
    assert all(len(piece) <= 1_000 for _, piece in pieces)
    assert gzip.decompress(b"".join(piece for _, piece in sorted(pieces))) == plain


# ---------------------------------------------------------------------------- admins


async def test_an_admin_allows_a_channel_and_its_members_are_told_there(live: Live) -> None:
    assert "I told its members there" in await live.ask("!allow-training #tavern")
    assert await live.bot.consents.allowed(GUILD_ID) == {TAVERN}
    notice = text_of(await live.until(lambda: live.showing("may learn from this channel", channel="tavern"), "it"))
    for words in ("!optin", "!optout", "!privacy", "only from members who say yes"):
        assert words in notice
    assert "already allowed" in await live.ask(f"!allow-training <#{TAVERN}>")
    assert len(live.shown("may learn from this channel", channel="tavern")) == 1
    assert f"<#{TAVERN}>" in await live.ask("!allow-training")


async def test_off_deletes_what_is_stored_of_the_channel(live: Live) -> None:
    await live.bot.consents.allow(GUILD_ID, TAVERN, ADA)
    tavern, lab = await stored(live, BEN), await stored(live, BEN, channel_id=LAB)
    await model_of(live, tavern)
    heard: list[tuple[int, int]] = []

    async def on_training_disallowed(guild_id: int, channel_id: int) -> None:
        heard.append((guild_id, channel_id))

    live.bot.add_listener(on_training_disallowed)
    said = await live.ask("!allow-training #tavern off")
    assert heard == [(GUILD_ID, TAVERN)], "who reads it can stop at once"
    assert "is gone" in said
    assert "`chatter`" in said
    assert await live.bot.consents.allowed(GUILD_ID) == frozenset()
    assert not await live.bot.transcripts.has_text(tavern)
    assert await live.bot.transcripts.has_text(lab)
    assert "wasn't allowed" in await live.ask("!allow-training #tavern off")


async def test_a_channel_that_is_gone_can_be_taken_back(live: Live) -> None:
    await live.bot.consents.allow(GUILD_ID, 4_711, ADA)
    assert "no longer learn" in await live.ask("!allow-training 4711 off")
    assert await live.bot.consents.allowed(GUILD_ID) == frozenset()


@pytest.mark.parametrize("typed", ["!allow-training", "!allow-training #tavern", "!allow-training #tavern off"])
async def test_members_allow_nothing(live: Live, typed: str) -> None:
    await live.bot.consents.allow(GUILD_ID, LAB, ADA)
    for person in ("ben", "dora"):
        assert "Only members with Manage Server" in await live.ask(typed, person=person)
    assert await live.bot.consents.allowed(GUILD_ID) == {LAB}


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("!allow-training #nowhere", "can't find a channel"),
        ("!allow-training #tavern maybe", "can't be `maybe`"),
        (f"!allow-training <#{CHANNEL_IDS['atrium']}>", "can't find a channel"),
    ],
)
async def test_what_cannot_be_allowed_is_explained(live: Live, typed: str, problem: str) -> None:
    assert problem in await live.ask(typed)
    assert await live.bot.consents.allowed(GUILD_ID) == frozenset()


async def test_an_admin_who_cannot_post_there_for_the_bot_is_told(live: Live) -> None:
    live.faults.add(Fault("POST", rf".*/channels/{TAVERN}/messages", 403, 50_013))
    assert "couldn't post a notice" in await live.ask("!allow-training #tavern")
    assert await live.bot.consents.allowed(GUILD_ID) == {TAVERN}


# ---------------------------------------------------------------------------- limits


async def test_the_fullest_page_fits_into_discords_limits(live: Live) -> None:
    transcript_id = await stored(live, BEN)
    transcript = await live.bot.transcripts.load(transcript_id)
    assert transcript is not None
    words = held.Words(transcript, 10**9, kept=True, until=time.time(), name="Somebody 2")
    models = tuple(
        factories.record(
            name="n" * 32, transcripts=[TranscriptRef(transcript_id="a", revision=0, guild_id=1, channel_id=10**18 + n)]
        )
        for n in range(40)
    )
    full = held.Held(
        guild_id=GUILD_ID,
        name="*" * 100,
        mode="opt-out",
        said=Said(state="in", at=time.time(), since=10**18),
        channels=tuple(range(10**18, 10**18 + 500)),
        allowances={1: Allowed(by=1, at=1)},
        words=(words,) * 40,
        learned=models,
        stale=tuple(held.StaleModel(model, time.time()) for model in models),
        owned=models,
        trainings=(factories.train_job(),) * 40,
    )
    terms = Terms("opt-out", 365.0, 3_650.0, 720.0, "!!!!!")
    taken = [Taken("*" * 100, 10, 10**9, ("n" * 32,) * 40)] * 40
    for embed in (
        cards.privacy_page(full, terms),
        cards.opted_out(taken, time.time(), terms),
        cards.forgotten(taken, 10**6, time.time(), terms),
        cards.forget_question(["*" * 100] * 40, terms),
        cards.consent_question("*" * 100, full.channels, Said(state="out", at=1, since=10**18), terms),
        cards.allowed_channels(dict.fromkeys(full.channels, Allowed(by=10**18, at=1)), 10**6, terms),
        cards.training_notice("*" * 100, terms),
    ):
        assert len(embed) <= 6_000
        assert len(embed.title or "") <= 256
        assert len(embed.description or "") <= 4_096
        assert all(0 < len(field.value or "") <= 1_024 for field in embed.fields)
