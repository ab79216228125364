"""Exports with members' words: who is learned, who is not, and how these take their words back."""

from typing import Any

import discord
import pytest

from bot.channels.consent import ConsentAnswer
from playground.places import GUILD_ID
from shared import keys
from shared.corpora.lines import unpack_page
from tests.bot.channels import agreed, look, members_of, names, note_of, worked_off
from tests.bot.live import Live, text_of
from tests.bot.previews import ADA, BEN, CLEO, LAB, entered, jobs, own_model, text
from tests.exports import channel_export, learned, package

pytestmark = pytest.mark.usefixtures("opted_in")

WHY = pytest.mark.parametrize("why", ["withdrew", "left"])
HERE = channel_export(GUILD_ID, LAB, {ADA: "ada", BEN: "ben", CLEO: "cleo"}, messages=135)


async def test_of_this_server_only_members_who_agreed_are_learned(live: Live) -> None:
    assert "haven't allowed me" in await live.ask("!train", files={"lab.json": HERE})
    await agreed(live, "ada", "ben")
    preview = await live.answered(live.send("!train", files={"lab.json": HERE}))
    words = text_of(preview)
    assert "**90 messages** by 2 people" in words
    assert "(45): messages of members who haven't agreed" in words
    assert "Only messages of members who agreed are learned" in words
    assert learned(words, ("ada", "ben", "cleo")) == [True, True, False]
    assert not any(item.get("options") for row in preview.components for item in row["components"])
    (key,) = [name async for name in live.bot.redis.scan_iter(keys.preview("*", "*"))]
    fields: Any = await live.bot.redis.hgetall(key)
    pages = [page for name, page in fields.items() if name.isdigit()]
    assert {line.author_id for page in pages for line in unpack_page(page)} == {ADA, BEN}, "and nothing else is kept"
    assert b"cleo" not in fields[b"about"]

    job = await entered(live, preview)
    note = await note_of(live, job)
    assert (note.channel_id, note.source_id, note.until, job.scope) == (LAB, LAB, 10**17 + 134, "guild")
    assert await members_of(live, job) == {ADA, BEN}
    assert learned(await text(live, job.job_id), ("ada", "ben", "cleo")) == [True, True, False]
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="optout")
    await worked_off(live.core.chores)
    assert learned(await text(live, job.job_id), ("ada", "ben", "cleo")) == [True, False, False]


async def test_where_silence_is_a_yes_the_preview_says_so(live: Live) -> None:
    live.patch.setattr(live.consents, "_mode", "opt-out")
    live.bot.settings.channel_training = "opt-out"
    await agreed(live, "ada")
    await live.consents.refuse(GUILD_ID, CLEO, discord.utils.time_snowflake(discord.utils.utcnow()))
    words = text_of(await live.answered(live.send("!train", files={"lab.json": HERE})))
    assert learned(words, ("ada", "ben", "cleo")) == [True, True, False]
    assert "Messages of members who said no are left out." in words
    assert "(45): messages of members who said no" in words
    assert "agreed" not in words


async def test_where_nobody_agreed_nothing_is_shown(live: Live) -> None:
    await agreed(live, "ada")
    export = channel_export(GUILD_ID, LAB, {BEN: "ben", CLEO: "cleo"})
    answer = await live.ask("!train", files={"lab.json": export})
    assert "Left out (100): messages of members who haven't agreed." in answer
    assert [name async for name in live.bot.redis.scan_iter(keys.preview("*", "*"))] == []


async def test_a_message_of_the_future_does_not_outlast_a_withdrawal(live: Live) -> None:
    await agreed(live, "ada")
    preview = await live.answered(
        live.send("!train", files={"lab.json": channel_export(GUILD_ID, LAB, {ADA: "ada"}, first_id=2**63)})
    )
    job = await entered(live, preview)
    await live.consents.refuse(GUILD_ID, ADA, 1)
    await live.consents.agree(GUILD_ID, ADA)
    answers = await live.consents.of(GUILD_ID)
    assert answers.refused([ADA], (await note_of(live, job)).until) == {ADA}


async def test_who_agreed_again_is_learned_from_then_on(live: Live) -> None:
    await agreed(live, "ada")
    yes = ConsentAnswer(state="in", at=1.0, since=10**17 + 59)
    await live.bot.redis.hset(keys.consent(GUILD_ID), str(BEN), yes.model_dump_json())
    preview = await live.answered(live.send("!train", files={"lab.json": HERE}))
    assert "**70 messages** by 2 people" in text_of(preview)


async def test_a_look_for_unused_readings_before_the_training_is_entered_takes_no_pages(live: Live) -> None:
    await agreed(live, "ada")
    preview = await live.answered(live.send("!train", files={"lab.json": HERE}))
    submit = live.core.jobs.submit_train

    async def later(*words: Any) -> Any:
        await live.remaking.forget_unused()
        return await submit(*words)

    live.patch.setattr(live.core.jobs, "submit_train", later)
    job = await entered(live, preview)
    assert learned(await text(live, job.job_id), ("ada", "ben", "cleo")) == [True, False, False]


@WHY
async def test_who_is_gone_before_train_is_pressed_is_not_learned(live: Live, why: str) -> None:
    await agreed(live, "ada", "ben")
    preview = await live.answered(live.send("!train", files={"lab.json": HERE}))
    if why == "left":
        live.world.remove_member(GUILD_ID, BEN)
    else:
        await live.consents.refuse(GUILD_ID, BEN, 10**18)
    job = await entered(live, preview)
    assert learned(await text(live, job.job_id), ("ada", "ben", "cleo")) == [True, False, False]


@pytest.mark.parametrize("agrees", [False, True])
async def test_a_withdrawal_takes_a_model_of_one_s_package(live: Live, agrees: bool) -> None:
    await own_model(live)
    if agrees:
        await live.consents.agree(GUILD_ID, BEN)
        await live.channels.withdrawals.resume()
        await look(live)
        assert await names(live) == ["bens"]
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="forget-me")
    await worked_off(live.core.chores)
    await look(live)
    assert await names(live) == []


@pytest.mark.parametrize("agrees", [False, True])
async def test_who_said_no_before_can_still_have_their_package_learned(live: Live, agrees: bool) -> None:
    await live.consents.refuse(GUILD_ID, BEN, 10**17)
    await own_model(live)
    if agrees:
        await live.consents.agree(GUILD_ID, BEN)
    await live.channels.withdrawals.resume()
    await look(live)
    assert await names(live) == ["bens"]


async def test_a_withdrawal_ends_a_training_on_one_s_package(live: Live) -> None:
    preview = await live.answered(live.send("!train", person="ben", files={"package.zip": package(BEN)}))
    job = await entered(live, preview, "ben")
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="optout")
    await worked_off(live.core.chores)
    assert await jobs(live) == []
    assert await live.core.jobs.channel_text(job.job_id) is None


@WHY
async def test_who_is_gone_before_their_package_has_its_text_has_withdrawn(live: Live, why: str) -> None:
    preview = await live.answered(live.send("!train", person="ben", files={"package.zip": package(BEN)}))
    withdraw_leavers = live.readings._withdraw_leavers

    async def gone(*training: Any) -> None:
        if why == "left":
            del live.world.guilds[GUILD_ID].members[BEN]  # without an event, as while the bot is off
        else:
            await live.consents.refuse(GUILD_ID, BEN, 2**63)
        await withdraw_leavers(*training)

    live.patch.setattr(live.readings, "_withdraw_leavers", gone)
    live.press("ben", preview, "Train")
    await live.until(lambda: live.showing("I found 0 characters"), "the end of the training")
    answer = await live.consents.answer(GUILD_ID, BEN)
    assert answer is not None
    assert answer.state == "out"
    assert not [name async for name in live.bot.redis.scan_iter(keys.reading_pages("*"))]
