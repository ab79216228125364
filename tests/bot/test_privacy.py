"""Members say yes or no to being learned from, see what is stored of them, and are forgotten."""

import asyncio
import gzip
import json
from datetime import timedelta

import discord
import pytest

from bot.channels.embeds import consent_buttons, forget_buttons
from bot.channels.export import packed
from playground.places import ANNEX_ID, GUILD_ID
from shared import keys
from shared.settings import Settings
from tests.bot.ids import ADA, BEN, CELLAR, CLEO, DORA, LAB, LIBRARY, TAVERN
from tests.bot.live import Live, read_file, text_of
from tests.bot.members import answer_of, asked_for, ben_and_dora, has_withdrawn, model_of, stored
from tests.driver.faults import Fault


@pytest.fixture
def settings(redis_url: str, request: pytest.FixtureRequest) -> Settings:
    mode = getattr(request, "param", "opt-in")
    return Settings(channel_training=mode, channel_training_without_asking=True)


def mode(name: str) -> pytest.MarkDecorator:
    """A test under another of the operator's modes."""
    return pytest.mark.parametrize("settings", [name], indirect=True)


# ---------------------------------------------------------------------------- opting in


async def test_nothing_counts_before_the_button_is_pressed(live: Live) -> None:
    await live.consents.allow(GUILD_ID, TAVERN, ADA)
    await live.consents.allow(GUILD_ID, CELLAR, ADA)
    assert await live.ask("!optin", person="dora") == "📬 I sent you a direct message."
    question = await live.directly("dora", "May models learn")
    said = text_of(question)
    for words in ("What is learned", f"<#{TAVERN}>", "word for word", "!optout", "24 hours", "30 days", "export"):
        assert words in said, words
    assert f"<#{CELLAR}>" not in said, "a channel that she can't read"
    assert (await live.consents.of(GUILD_ID)).agreed == frozenset()
    live.press("dora", question, "I agree")
    await live.directly("dora", "You agreed")
    consents = await live.consents.of(GUILD_ID)
    assert consents.agreed == {DORA}
    assert not (await live.consents.of(ANNEX_ID)).agreed
    assert not [row for row in live.world.messages[question.channel_id][question.id].components if row["components"]]


async def test_a_slash_command_asks_the_person_alone(live: Live) -> None:
    live.slash("ben", "optin")
    question = await live.until(lambda: live.whispered("ben", "May models learn"), "the question")
    assert live.whispered("ada", "May models learn") is None
    await live.answered_privately("ben", question, "No, leave it", "Nothing was changed")
    assert await answer_of(live, BEN) is None


async def test_what_was_withdrawn_stays_out_and_the_question_says_so(live: Live) -> None:
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="test")
    live.slash("ben", "optin")
    question = await live.until(lambda: live.whispered("ben", "You withdrew before"), "the question")
    await live.answered_privately("ben", question, "I agree", "to what you write after")
    live.slash("ben", "privacy")
    await live.until(lambda: live.whispered("ben", "**Yes**, to what you wrote after"), "what he said")
    assert not (await live.consents.of(GUILD_ID)).includes(BEN, LAB)


@pytest.mark.parametrize("label", ["I agree", "Forget me", "No, leave it"])
async def test_nobody_answers_for_somebody_else(live: Live, label: str) -> None:
    # Even if somebody else's question comes to stand where others see it.
    view = forget_buttons(GUILD_ID, BEN) if label == "Forget me" else consent_buttons(GUILD_ID, BEN)
    await live.bot.get_partial_messageable(LAB).send("A question", view=view)
    question = await live.until(lambda: live.showing("A question"), "the question")
    await live.answered_privately("dora", question, label, "for somebody else")
    assert await answer_of(live, BEN) is None
    assert await answer_of(live, DORA) is None


async def test_nobody_agrees_for_a_server_where_they_are_not(live: Live) -> None:
    await live.bot.get_partial_messageable(LAB).send("A question", view=consent_buttons(ANNEX_ID, DORA))
    question = await live.until(lambda: live.showing("A question"), "the question")
    await live.answered_privately("dora", question, "I agree", "aren't a member of that server")
    assert await answer_of(live, DORA, ANNEX_ID) is None


async def test_a_question_of_another_day_changes_nothing(live: Live) -> None:
    tomorrow = discord.utils.utcnow() + timedelta(days=1, minutes=1)
    for command, label, again in (("optin", "I agree", "`/optin`"), ("forget-me", "Forget me", "`!forget-me`")):
        live.slash("ben", command)
        question = await live.until(lambda: live.whispered("ben", "?"), "the question")
        with live.patch.context() as later:
            later.setattr(discord.utils, "utcnow", lambda: tomorrow)
            await live.answered_privately("ben", question, label, again)
    assert await answer_of(live, BEN) is None


async def test_closed_direct_messages_are_told_of_the_slash_command(live: Live) -> None:
    live.close_dms("dora")
    for command in ("optin", "privacy", "export-data"):
        said = await live.ask(f"!{command}", person="dora")
        assert f"Use `/{command}`" in said
    assert "Use `/export-data`" in await live.ask("!export-data", person="dora"), "what wasn't sent costs nothing"


@mode("off")
async def test_while_it_is_off_nobody_is_asked_and_everybody_can_leave(live: Live) -> None:
    assert "CHANNEL_TRAINING=opt-in" in await live.ask("!optin", person="ben")
    assert "turned off" in await live.ask(f"!allow-training <#{TAVERN}>")
    assert await live.consents.allowed(GUILD_ID) == {}
    assert "Done." in await live.ask("!optout", person="ben")
    assert await answer_of(live, BEN) == "out"
    assert "turned it off" in await live.ask("!allow-training")


# ---------------------------------------------------------------------------- leaving


async def test_optout_works_without_direct_messages_and_where_the_bot_is_not_wanted(live: Live) -> None:
    live.close_dms("ben")
    note = await stored(live, BEN)
    await live.core.servers.change(GUILD_ID, channels=(LIBRARY,))
    assert "not allowed in this channel" in await live.ask("!models", person="ben")
    said = await live.ask("!optout", person="ben")
    assert "Done." in said
    assert "learned" not in said, "no details for the channel"
    assert await has_withdrawn(live, note)


@pytest.mark.parametrize("settings", ["off", "opt-in", "opt-out"], indirect=True)
async def test_a_direct_message_says_no_in_all_servers(live: Live) -> None:
    await live.ask("!optout", person="ben", channel=live.dm("ben"))
    for guild_id in (GUILD_ID, ANNEX_ID):
        assert await answer_of(live, BEN, guild_id) == "out", "also should the operator once take silence for a yes"
    await live.ask("!optout", person="dora", channel=live.dm("dora"))
    assert await answer_of(live, DORA, ANNEX_ID) is None, "she is not there"


async def test_forget_me_asks_and_then_forgets_and_confirms(live: Live) -> None:
    await live.consents.allow(GUILD_ID, TAVERN, ADA)
    note = await ben_and_dora(live)
    live.slash("ben", "forget-me")
    question = await live.until(lambda: live.whispered("ben", "Shall I forget you?"), "the question")
    assert not await has_withdrawn(live, note), "not before the button"
    confirmed = text_of(await live.answered_privately("ben", question, "Forget me", "I forgot you"))
    for words in ("`chatter` learned from you", "1 request of yours"):
        assert words in confirmed
    assert await has_withdrawn(live, note)
    assert not await live.bot.redis.exists(keys.job("g-1"), keys.job_events("g-1"))
    assert await live.bot.redis.exists(keys.job("g-2"))
    assert await answer_of(live, BEN) == "out"


async def test_a_request_that_is_being_answered_goes_once_it_is(live: Live) -> None:
    await asked_for(live, "g-1", BEN, "a seed")
    await live.bot.redis.sadd(keys.OUTBOX, "g-1")
    await live.channels.member_data.forget_requests(BEN, [GUILD_ID])
    assert await live.bot.redis.exists(keys.job("g-1"))
    await live.channels.member_data.resume()
    assert await live.bot.redis.exists(keys.job("g-1"))
    await live.core.jobs.delivered("g-1")
    await live.channels.member_data.resume()
    assert not await live.bot.redis.exists(keys.job("g-1"), keys.job_events("g-1"))


async def test_an_old_question_does_not_outlive_a_no(live: Live) -> None:
    live.slash("ben", "optin")
    question = await live.until(lambda: live.whispered("ben", "May models learn"), "the question")
    await asyncio.sleep(0.01)
    await live.ask("!optout", person="ben")
    await live.answered_privately("ben", question, "I agree", "said no after this question")
    assert (await live.consents.of(GUILD_ID)).agreed == frozenset()


@mode("opt-out")
async def test_a_server_that_cannot_be_asked_counts(live: Live) -> None:
    live.faults.add(Fault("GET", rf".*/guilds/{ANNEX_ID}/members/{DORA}", 403, 50_001))
    await live.ask("!optout", person="dora", channel=live.dm("dora"))
    assert await answer_of(live, DORA, ANNEX_ID) == "out"


async def test_privacy_tells_what_is_stored_and_where_it_is_used(live: Live) -> None:
    await live.consents.allow(GUILD_ID, TAVERN, ADA)
    await live.consents.allow(GUILD_ID, CELLAR, ADA)
    model_of(live, await stored(live, BEN, DORA))
    live.slash("dora", "privacy")
    shown = text_of(await live.until(lambda: live.whispered("dora", "What I store about you"), "the answer"))
    for words in ("**Yes**", f"`chatter`, from <#{TAVERN}>", "members who said yes", "30 days"):
        assert words in shown, words
    assert f"<#{CELLAR}>" not in shown
    assert "made again, or deleted, by" not in shown
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="test")
    await live.ask("!privacy", person="dora", channel=live.dm("dora"))
    again = text_of(await live.directly("dora", "made again, or deleted, by"))
    assert "`chatter`" in again


async def test_models_are_told_only_to_those_whose_words_they_learned(live: Live) -> None:
    note = await stored(live, BEN, channel_id=CELLAR)
    model_of(live, note, "hidden", CELLAR)
    dora, ben = [await live.bot.fetch_user(who) for who in (DORA, BEN)]
    assert not (await live.channels.member_data.in_server(GUILD_ID, dora)).learned
    (learned,) = (await live.channels.member_data.in_server(GUILD_ID, ben)).learned
    assert (learned.name, learned.called, learned.made_again_or_deleted_by) == ("hidden", None, None)


async def test_somebody_unknown_is_told_that_nothing_is_held(live: Live) -> None:
    assert "I store nothing about you" in await live.ask("!privacy", person="cleo", channel=live.dm("cleo"))
    await asked_for(live, "g-1", CLEO, "a seed of cleo")
    assert "about you in Galvanic playground" in await live.ask("!privacy", person="cleo", channel=live.dm("cleo"))


async def test_requests_are_found_without_those_of_others(live: Live) -> None:
    await ben_and_dora(live)
    found = {who: [job.job_id async for job in live.channels.member_data.requests_of(who)] for who in (BEN, DORA)}
    assert found == {BEN: ["g-1"], DORA: ["g-2"]}
    await live.bot.redis.delete(keys.job("g-1"), keys.asked("g-1"))
    assert [job async for job in live.channels.member_data.requests_of(BEN)] == []
    assert not await live.bot.redis.exists(keys.requests(BEN)), "what expired is no longer listed"
    await live.channels.member_data.forget_requests(DORA, [GUILD_ID])
    assert not await live.bot.redis.exists(keys.requests(DORA))


async def test_the_file_has_all_of_one_person_and_nothing_of_others(live: Live) -> None:
    await ben_and_dora(live)
    live.slash("ben", "export-data")
    sent = await live.until(lambda: live.whispered("ben", "all that I store"), "the file")
    assert "wait for **Train**" in text_of(sent), "what is not in it"
    (attached,) = sent.attachments
    data = await read_file(attached)
    found = json.loads(data)
    (server,) = [one for one in found["servers"] if one["guild_id"] == str(GUILD_ID)]
    assert server["consent"]["state"] == "in"
    assert server["models_that_learned_from_you"][0]["name"] == "chatter"
    assert [job["seed"] for job in found["requests"]] == ["a seed of ben"]
    for other in (str(DORA), "dora", "blocklisted"):
        assert other not in data.decode()
    live.slash("ben", "export-data")
    await live.until(lambda: live.whispered("ben", "a bit fast"), "the cooldown")


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
