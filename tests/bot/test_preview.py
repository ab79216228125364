"""Chats that people attach: what is shown before anything is learned, and what is learned then."""

import asyncio
import contextlib
import io
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import redis
from simcord.backend.models import Interaction, Message

from bot.app import Galvanic
from bot.jobs import client as jobs_client
from bot.train import start, uploads
from playground.people import File
from playground.places import GUILD_ID, USER_IDS
from shared import keys
from shared.jobs import TrainJob
from tests.bot.channels import members_of, names
from tests.bot.live import Live, text_of
from tests.bot.previews import (
    ADA,
    BEN,
    LAB,
    PEOPLE,
    entered,
    jobs,
    own_model,
    pressed,
    shown,
    text,
    trained,
    usable,
)
from tests.driver import BOT_TOKEN
from tests.exports import WORDS, channel_export, learned, package, telegram


def menu(preview: Message) -> dict[str, Any]:
    """The menu of people below a preview."""
    items = (item for row in preview.components for item in row["components"])
    return next(item for item in items if item.get("options"))


def choose(live: Live, preview: Message, *values: str, person: str = "ada") -> Interaction:
    return live.acts.select(USER_IDS[person], preview.channel_id, preview.id, menu(preview)["custom_id"], [*values])


@contextlib.asynccontextmanager
async def next_run(live: Live) -> AsyncIterator[Live]:
    """The bot's next run, after this one has ended."""
    await live.bot.close()
    bot = Galvanic(live.bot.settings)
    bot._connection.guild_ready_timeout = 0.05
    running = asyncio.create_task(bot.start(BOT_TOKEN))
    again = Live(bot, live.driver, live.patch)
    await again.until(lambda: running.done() or (bot.is_ready() and bot.has_begun), "the next run")
    yield again
    await bot.close()
    await running


async def test_a_chat_is_shown_before_it_is_learned(live: Live) -> None:
    preview = await shown(live)
    words = text_of(preview)
    assert "A Telegram export: **102 messages** by 3 people, 2024-01-01 to 2024-01-28" in words
    assert "responsible for what others wrote" in words
    assert words.count("> ") == 10
    assert [option["label"] for option in menu(preview)["options"]] == ["Vera", "Paul", "Iris"]
    assert await jobs(live) == []
    assert learned(await trained(live, preview), PEOPLE) == [True] * 3
    await live.until(lambda: "card of its own" in text_of(preview), "the end of the preview")
    assert [name async for name in live.bot.redis.scan_iter(keys.preview("*", "*"))] == []


async def test_only_the_lines_of_those_are_learned_who_were_chosen(live: Live) -> None:
    preview = await shown(live)
    vera = menu(preview)["options"][0]["value"]
    choose(live, preview, vera)
    await live.until(lambda: "**34 messages** by 1 person" in text_of(preview), "only Vera's")
    assert [option.get("default", False) for option in menu(preview)["options"]] == [True, False, False]
    assert learned(text_of(preview), PEOPLE) == [True, False, False]
    choose(live, preview)
    await live.until(lambda: "**102 messages**" in text_of(preview), "everybody's")
    choose(live, preview, vera)
    await live.until(lambda: "**34 messages**" in text_of(preview), "only Vera's")
    job = await entered(live, preview)
    assert learned(await text(live, job.job_id), PEOPLE) == [True, False, False]
    assert job.corpus.is_messages


async def test_options_choose_people_before(live: Live) -> None:
    answer = await live.ask("!train --only Nobody", files={"chat.json": telegram(*PEOPLE)})
    assert "Nobody in that chat is called `Nobody`" in answer
    for typed in ('"vera lind, paul"', '"Vera Lind", Paul', "“Paul, Vera Lind”"):
        preview = await shown(live, "Vera Lind", "Paul", "Iris", typed=f"!train --only {typed} --name us")
        assert "**68 messages** by 2 people" in text_of(preview)
    preview = await shown(live, typed="!train --without vera --speakers")
    words = text_of(preview)
    assert "**68 messages** by 2 people" in words
    assert "(34): messages of people whom you left out" in words
    lines = [line.removeprefix("> ") for line in words.splitlines() if line.startswith("> ")]
    assert [":" in line for line in lines] == [True] * 10
    learned_text = (await trained(live, preview)).splitlines()
    assert set(lines) <= set(learned_text), "with the same invented names"
    assert len({line.split(":")[0] for line in learned_text}) == 2


async def test_the_cooldown_of_a_chat_is_that_of_its_training(live: Live) -> None:
    live.bot.settings.train_cooldown_s = 600
    preview = await shown(live)
    assert "That was a bit fast" in await live.ask("!train", files={"chat.json": telegram(*PEOPLE)})
    assert await trained(live, preview)


async def test_names_are_switched_on_and_off(live: Live) -> None:
    preview = await shown(live)
    live.press("ada", preview, "With invented names")
    await live.until(lambda: "> Vera says" not in text_of(preview), "invented names")
    live.press("ada", preview, "Without speakers' names")
    await live.until(lambda: "> Vera says" in text_of(preview), "no names")


async def test_nobody_else_can_press(live: Live) -> None:
    preview = await shown(live)
    await live.answered_privately("ben", preview, "Train", "is for somebody else")
    choose(live, preview, "0", person="ben")
    await live.handled()
    assert await jobs(live) == []
    assert "**102 messages**" in text_of(preview)


async def test_forget_me_takes_a_preview(live: Live) -> None:
    preview = await shown(live)
    await live.channels.member_data.forget_requests(ADA, [GUILD_ID])
    await live.answered_privately("ada", preview, "Train", "This preview is over")


async def test_pressed_twice_it_is_one_training(live: Live) -> None:
    preview = await shown(live)
    live.press("ada", preview, "Train")
    live.press("ada", preview, "Train")
    await live.until(lambda: live.showing("training t-"), "the card")
    await live.handled()
    assert len(await jobs(live)) == len(live.shown("training t-")) == 1


async def test_what_is_being_begun_is_not_cancelled_in_the_preview(live: Live) -> None:
    preview = await shown(live)
    begun, may_go_on, submit = asyncio.Event(), asyncio.Event(), live.core.jobs.submit_train

    async def slow(*job: Any) -> bool:
        begun.set()
        await may_go_on.wait()
        return await submit(*job)

    live.patch.setattr(live.core.jobs, "submit_train", slow)
    live.press("ada", preview, "Train")
    await begun.wait()
    await live.answered_privately("ada", preview, "Cancel", "Its training is starting")
    may_go_on.set()
    await live.until(lambda: "card of its own" in text_of(preview), "the end of the preview")
    assert len(await jobs(live)) == 1


async def test_pressed_twice_and_refused_nothing_is_lost(live: Live) -> None:
    live.bot.settings.train_cooldown_s = 600
    preview = await live.answered(live.send("!train", person="ben", files={"package.zip": package(BEN)}))
    live.patch.setattr(start, "MOST_OWN", 0)
    live.press("ben", preview, "Train")
    await live.answered_privately("ben", preview, "Train", "of your own words")
    await live.handled()
    live.patch.setattr(start, "MOST_OWN", 1)
    assert "I said" in await text(live, (await entered(live, preview, "ben")).job_id)


async def test_what_redis_did_not_take_can_be_begun_again(live: Live) -> None:
    preview = await shown(live)
    submit = live.core.jobs.submit_train

    async def unsure(job: TrainJob, *others: Any) -> Any:
        """The reply is lost, and what was entered is taken back."""
        live.patch.setattr(live.core.jobs, "submit_train", submit)
        await submit(job, *others)
        await live.core.jobs.roll_back(job.job_id)
        raise redis.ConnectionError

    live.patch.setattr(live.core.jobs, "submit_train", unsure)
    await live.answered_privately("ada", preview, "Train", "can't reach my memory")
    assert await trained(live, preview)


async def test_what_was_cancelled_or_has_expired_is_not_learned(live: Live) -> None:
    preview = await shown(live)
    live.press("ada", preview, "Cancel")
    await live.until(lambda: "Nothing of it was learned" in text_of(preview), "the end of the preview")
    assert not [name async for name in live.bot.redis.scan_iter(keys.preview("*", "*"))]
    preview = await shown(live)
    (key,) = [name async for name in live.bot.redis.scan_iter(keys.preview("*", "*"))]
    assert 0 < await live.bot.redis.ttl(key) <= keys.PREVIEW_TTL_S
    await live.bot.redis.delete(key)
    for press in ("Train", "With invented names"):
        await live.answered_privately("ada", preview, press, "This preview is over")
    choose(live, preview, "0")
    await live.handled()
    assert await jobs(live) == []
    assert not await live.bot.redis.exists(key)


async def test_a_person_s_newest_chat_is_kept(live: Live) -> None:
    first, second = await shown(live, "Vera"), await shown(live, "Paul")
    live.press("ada", first, "Cancel")
    await live.until(lambda: "Nothing of it was learned" in text_of(first), "the end of the first")
    live.press("ada", second, "With invented names")
    await live.until(lambda: "> Paul says" not in text_of(second), "invented names")
    assert learned(await trained(live, second), PEOPLE) == [False, True, False]


async def test_a_server_s_newest_chats_are_kept(live: Live) -> None:
    live.patch.setattr(jobs_client, "_MOST_KEPT", 1)
    theirs = await live.answered(live.send("!train", person="ben", files={"chat.json": telegram(*PEOPLE)}))
    newest = await shown(live)
    await live.answered_privately("ben", theirs, "Train", "This preview is over")
    assert await trained(live, newest)


async def test_a_refused_training_can_be_begun_later(live: Live) -> None:
    preview = await shown(live)
    live.bot.settings.train_jobs_per_user = 0
    await live.answered_privately("ada", preview, "Train", "the most one person may have")
    live.bot.settings.train_jobs_per_user = 2
    assert await trained(live, preview)


async def test_the_next_run_of_the_bot_knows_what_an_earlier_one_has_shown(live: Live) -> None:
    preview = await shown(live)
    choose(live, preview, "0")
    await live.until(lambda: "**34 messages**" in text_of(preview), "only Vera's")
    async with next_run(live) as again:
        assert learned(await trained(again, preview), PEOPLE) == [True, False, False]


async def test_after_a_slash_command_only_its_person_sees_the_preview(live: Live) -> None:
    file = File("chat.json", telegram(*PEOPLE))
    live.acts.slash(USER_IDS["ada"], LAB, "train", {}, {"file": file})
    preview = await live.until(lambda: live.whispered("ada", "Lines as they are learned"), "the preview")
    assert learned(await trained(live, preview), PEOPLE) == [True] * 3
    await live.until(lambda: live.showing("training t-"), "the card for all")
    text_file = File("dull.txt", b"Dull words of a dull book. " * 200)
    live.acts.slash(USER_IDS["ada"], LAB, "train", {}, {"file": text_file})
    await live.until(lambda: live.whispered("ada", "Your training has a card"), "the answer")
    await live.until(lambda: len(live.shown("training t-")) == 2, "both")


async def test_nothing_of_a_chat_is_a_mention_or_a_mark(live: Live) -> None:
    preview = await shown(live, "@everyone **Bold** `code` <@1297000000000000000>", messages=60)
    words = text_of(preview)
    assert "**Bold**" not in words
    assert "`code`" not in words
    assert "> @everyone" not in words
    (sent,) = [entry for entry in live.requests("POST") if entry.json and "preview-train" in str(entry.json)]
    assert sent.json["allowed_mentions"]["parse"] == []


async def test_a_chat_of_the_operator_s_folder_is_shown_first(live: Live, tmp_path: Path) -> None:
    live.bot.settings.corpora_dir = tmp_path
    (tmp_path / "flat.json").write_bytes(telegram(*PEOPLE))
    (tmp_path / "dull.txt").write_text("Dull words of a dull book. " * 200)
    assert "Learning dull" in await live.ask("!train dull")
    preview = await live.answered(live.send("!train flat --only vera"))
    assert "**34 messages** by 1 person" in text_of(preview)
    job_id = await pressed(live, preview)
    assert learned(await text(live, job_id), PEOPLE) == [True, False, False]
    assert (await live.job(job_id, TrainJob)).scope == "channel"


async def test_several_files_are_one_text(live: Live) -> None:
    files = {"one.txt": b"The first text is dull. " * 40, "two.txt": b"The second text is duller. " * 40}
    card = await live.ask("!train", files=files)
    assert "one and 1 more" in card
    (job_id,) = await jobs(live)
    words = await text(live, job_id)
    assert "first text" in words
    assert "second text" in words


async def test_what_is_for_chats_is_refused_for_other_texts(live: Live) -> None:
    for option in ("--only Ada", "--without Ada", "--speakers"):
        refusal = await live.ask(f"!train {option}", files={"dull.txt": b"Dull words of a dull book. " * 200})
        assert f"`{option.split()[0]}` is for chats" in refusal
    assert "`--only` is for chats" in await live.ask("!train python-docs --only Ada")
    for typed in ("#lab --only Ada", "@me #lab --without Ada", "more --only Ada"):
        assert "is for chats" in await live.ask(f"!train {typed}")
    assert await jobs(live) == []


async def test_a_reading_that_takes_too_long_or_dies_is_refused(live: Live) -> None:
    files = {"chat.json": telegram(*PEOPLE)}
    live.patch.setattr(uploads, "TIME_S", 0.01)
    assert "took longer" in await live.ask("!train", files=files)
    live.patch.setattr(uploads, "TIME_S", 60)
    begin = asyncio.create_subprocess_exec

    async def killed(*_: Any, **options: Any) -> asyncio.subprocess.Process:
        return await begin(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)", **options)

    live.patch.setattr(asyncio, "create_subprocess_exec", killed)
    assert "couldn't read the files" in await live.ask("!train", files=files)
    assert list((live.bot.settings.data_dir / "uploads").iterdir()) == []


async def test_what_a_killed_bot_left_goes_once_the_next_one_serves(live: Live) -> None:
    """Until then another bot, which has the lock, may be reading there."""
    left = live.bot.settings.data_dir / "uploads" / "tmp1"
    left.mkdir()
    async with Galvanic(live.bot.settings) as bot:
        await uploads.Uploads(bot.core).clear()
        assert left.exists()
        bot.core.chores.start()
        await live.until(lambda: not left.exists(), "a tidy folder")


async def test_a_bomb_is_refused(live: Live) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", bytes(220_000_000))
    assert "would come out of that archive" in await live.ask("!train", files={"bomb.zip": bomb.getvalue()})


async def test_an_export_without_a_server_may_have_no_other_member_s_words(live: Live) -> None:
    rows = [f"{(ADA, 10**17)[n % 2]},{('ada', 'Vera')[n % 2]},2024-01-01,{n} {WORDS.format(n)},," for n in range(80)]
    table = "\r\n".join(("AuthorID,Author,Date,Content,Attachments,Reactions", *rows)).encode()
    refusal = await live.ask("!train", person="ben", files={"lab.csv": table})
    assert "I can't tell who agreed.**\nExport the channel as JSON" in refusal
    assert not [name async for name in live.bot.redis.scan_iter(keys.preview("*", "*"))]
    assert "**40 messages** by 1 person" in await live.ask(
        "!train --without ada", person="ben", files={"lab.csv": table}
    )
    preview = await live.answered(live.send("!train", files={"lab.csv": table}))
    assert "**80 messages** by 2 people" in text_of(preview)
    key = keys.preview(GUILD_ID, ADA)
    about: Any = await live.bot.redis.hget(key, "about")
    assert str(10**17).encode() not in about, "nobody's id is kept"
    assert "\n3 says" in await trained(live, preview)


async def test_other_servers_messages_are_their_uploader_s_responsibility(live: Live) -> None:
    elsewhere = channel_export(5, 6, {ADA: "ada", 12: "Vera"})
    preview = await live.answered(live.send("!train", files={"theirs.json": elsewhere}))
    assert "You are responsible for what others wrote elsewhere" in text_of(preview)
    await trained(live, preview)
    (job_id,) = await jobs(live)
    job = await live.job(job_id, TrainJob)
    assert (job.scope, job.sources, job.author_id) == ("channel", (LAB,), 0)


# ---------------------------------------------------------------------- one's own data package


async def test_a_data_package_is_one_s_own_words(live: Live) -> None:
    """Learning from channels is off, and nobody was asked."""
    job, model = await own_model(live)
    assert (job.author_id, job.is_private, model.authors) == (BEN, True, frozenset({BEN}))
    assert await members_of(live, job) == {BEN}
    names_for = {person: [one.name for one in await usable(live, USER_IDS[person])] for person in ("ada", "ben")}
    assert names_for == {"ada": [], "ben": ["bens"]}
    await live.channels.withdrawals.resume()
    await live.channels.withdrawals.forget_disallowed(GUILD_ID)
    await live.remaking._look_at_all()
    assert await names(live) == ["bens"]
    assert "a file of yours that I don't keep" in await live.ask("!train more --from bens", person="ben")


async def test_a_package_that_is_refused_leaves_nothing(live: Live) -> None:
    preview = await live.answered(live.send("!train", person="ben", files={"package.zip": package(BEN)}))
    live.patch.setattr(start, "MOST_OWN", 0)
    await live.answered_privately("ben", preview, "Train", "of your own words")
    assert await live.bot.redis.hlen(keys.READINGS) == 0
    assert not [key async for key in live.bot.redis.scan_iter(keys.reading_pages("*"))]


async def test_a_package_that_is_somebody_else_s_is_a_chat_like_others(live: Live) -> None:
    data = package(99, guild_id=5)
    preview = await live.answered(live.send("!train", person="ben", files={"package.zip": data}))
    assert "You are responsible" in text_of(preview)
