"""What the menu of a message and the button Delete do, for whom, and whose words reach a worker."""

import json
from typing import Any

import pytest
from simcord.backend.models import Interaction, Message
from structlog.testing import capture_logs

from bot.channels.export import export
from bot.components import button, view
from bot.write.cog import GenerateCommands
from playground.places import BOT_ID, GUILD_ID, USER_IDS
from shared import keys
from shared.blocklist import MOST_ENTRIES, default_entries
from shared.events import Failed, Surprised
from shared.jobs import SURPRISE_LIMIT, GenerateJob, SurpriseJob
from tests.bot.ids import ADA, BEN, LAB
from tests.bot.live import Live, cog, custom_id, text_of
from tests.bot.stand_in import TEXT, StandIn, bens_text, lab
from tests.driver.faults import Fault
from tests.factories import comparison, generate_job, generated, train_job

CONTINUE, SURPRISE, DELETE, NEVER = "Continue this", "Surprise map", "Delete this text", "Never say this again"
ME = "<@1297000000000000031>"


def call(live: Live, person: str, message: Message, command: str) -> Interaction:
    return live.acts.on_message(USER_IDS[person], message.channel_id, message.id, command)


async def told(live: Live, person: str, words: str) -> str:
    """What only this person is told, once it has these words."""
    return text_of(await live.until(lambda: live.whispered(person, words), f"{words!r} to {person} alone"))


async def done(live: Live, worker: StandIn, job_id: str, event: Any) -> None:
    worker.tell(job_id, event)
    await live.until(lambda: not worker.waiting(), "the end of the job")


async def bens_chat(live: Live, worker: StandIn) -> Message:
    """What a model answered Ben."""
    await live.core.servers.choose(LAB, "chat", True)
    return await bens_text(live, worker, typed=f"{ME} hello")


async def card(live: Live) -> Message:
    """A message of the bot's that is no text."""
    return await live.answered(live.send("!chat"))


async def gone(live: Live, message: Message) -> None:
    await live.until(lambda: message.id not in live.world.messages[LAB], "the deletion")


async def forgotten(live: Live, job_id: str) -> None:
    while await live.bot.redis.exists(keys.job(job_id), keys.job_events(job_id)):
        await live.handled()


async def fill(live: Live, opened: Interaction, phrase: str) -> None:
    live.acts.submit_modal(opened.user_id, (await live.form(opened)).id, {"phrase": phrase})


# --------------------------------------------------------------------------- continued, drawn


async def test_ones_own_words_go_on_for_all_to_see(live: Live, worker: StandIn) -> None:
    said = live.send("the tide " * 200, person="ben")
    call(live, "ben", said, CONTINUE)
    job = await live.job(job_id := await worker.asked(live), GenerateJob)
    assert job.seed == ("the tide " * 111).strip()  # the whole words of the last 1,000 characters
    assert (job.shown, job.author_id, job.from_line) == (len("the tide " * 13) - 1, BEN, False)
    await done(live, worker, job_id, generated(seed=job.seed, text=TEXT))
    assert "… " in text_of(await live.until(lambda: live.showing(TEXT), "the text"))


async def test_a_surprise_map_is_drawn_of_ones_own_message_and_of_a_text(live: Live, worker: StandIn) -> None:
    said = live.send("the tide watches", person="ben")
    call(live, "ben", said, SURPRISE)
    job = await live.job(job_id := await worker.asked(live), SurpriseJob)
    assert (job.text, job.place.user_id) == ("the tide watches", BEN)
    await done(live, worker, job_id, Failed(problem="enough"))
    call(live, "dora", await bens_chat(live, worker), SURPRISE)
    assert (await live.job(await worker.asked(live), SurpriseJob)).text == TEXT


async def test_a_surprise_map_of_a_long_text_is_of_its_end(live: Live, worker: StandIn) -> None:
    call(live, "dora", await bens_text(live, worker, f"{'gulls ' * 200}went home"), SURPRISE)
    drawn = (await live.job(await worker.asked(live), SurpriseJob)).text
    assert drawn.startswith("gulls gulls ")
    assert drawn.endswith(" gulls went home")
    assert SURPRISE_LIMIT - len("gulls ") <= len(drawn) <= SURPRISE_LIMIT


async def test_a_surprise_map_of_a_continuation_shows_no_more_than_its_message(live: Live, worker: StandIn) -> None:
    call(live, "ben", live.send(f"a secret, then {'gulls ' * 60}", person="ben"), CONTINUE)
    job_id = await worker.asked(live)
    await done(live, worker, job_id, generated(seed="", text=" went home"))
    call(live, "dora", live.shown("went home")[0], SURPRISE)
    drawn = (await live.job(await worker.asked(live), SurpriseJob)).text
    assert drawn.endswith("gulls went home")
    assert "secret" not in drawn


@pytest.mark.parametrize("command", [CONTINUE, SURPRISE])
@pytest.mark.parametrize("card", ["!compare the sea", "!surprise the sea"])
async def test_the_bots_own_sentences_are_no_text(live: Live, worker: StandIn, command: str, card: str) -> None:
    _, compared = comparison("gulls", "tides", "waves")
    answer = compared if "compare" in card else Surprised(nats_per_char=1, chars=7, seconds=1)
    sent = live.send(card)
    await done(live, worker, await worker.asked(live), answer)
    call(live, "ada", await live.answered(sent), command)
    assert "Take a single text" in await told(live, "ada", "more than one text, or none")
    assert not worker.waiting()


async def test_a_mention_is_read_as_a_name(live: Live, worker: StandIn) -> None:
    live.send(f"!generate <@{BEN}> and <@1> in <#{LAB}>")
    job = await live.job(job_id := await worker.asked(live), GenerateJob)
    assert job.seed == "Ben and someone in the channel"
    await done(live, worker, job_id, Failed(problem="enough"))
    live.slash("ada", "surprise", text=f"<@{BEN}> waits")  # whose message names nobody
    surprise = await live.job(job_id := await worker.asked(live), SurpriseJob)
    assert surprise.text == "someone waits"
    await done(live, worker, job_id, Failed(problem="enough"))
    call(live, "ben", live.send(f"the tide, <@{ADA}>", person="ben"), CONTINUE)
    assert (await live.job(await worker.asked(live), GenerateJob)).seed == "the tide, Ada"


@pytest.mark.parametrize("command", [CONTINUE, SURPRISE])
async def test_nobody_elses_words_are_used(live: Live, worker: StandIn, command: str) -> None:
    call(live, "ada", live.send("the tide watches", person="ben"), command)
    assert "type the words after `!generate` or `!surprise`" in await told(live, "ada", "somebody else's")
    assert not worker.waiting()


# --------------------------------------------------------------------------- deleted


@pytest.mark.parametrize(("kind", "person"), [("text", "ben"), ("text", "dora"), ("chat", "ben"), ("chat", "dora")])
async def test_who_asked_and_moderators_delete_a_text(live: Live, worker: StandIn, kind: str, person: str) -> None:
    text = await (bens_chat if kind == "chat" else bens_text)(live, worker)
    job_id = await live.core.jobs.shown_in(text.id) or custom_id(text, "Delete").rpartition(":")[2]
    assert job_id.startswith("c-" if kind == "chat" else "g-")
    with capture_logs() as logs:
        call(live, person, text, DELETE)
        await told(live, person, "I deleted this text.")
    await gone(live, text)
    await forgotten(live, job_id)
    (line,) = [line for line in logs if line["event"] == "text_deleted"]
    ids = {"message_id": text.id, "channel_id": LAB, "guild_id": GUILD_ID, "user_id": USER_IDS[person]}
    assert line == {"event": "text_deleted", "log_level": "info", **ids, "job_id": job_id}


async def test_a_private_thread_that_the_bot_is_not_in_lets_it_answer_slash_commands_alone(
    live: Live, worker: StandIn
) -> None:
    thread = live.world.create_thread(LAB, "aside", BEN, type=12)
    await live.until(lambda: live.guild.get_thread(thread.id), "the thread")
    live.guild._threads.clear()
    live.slash("ben", "generate", thread.id)
    await worker.answer(live)
    text = await live.until(lambda: live.showing(TEXT, channel=thread.id), "the text")
    for label in ("Continue", "Delete"):
        live.press("ben", text, label)
        assert "Mention me here once" in text_of(
            await live.until(lambda: live.whispered("ben", "not in this private thread", channel=thread.id), label)
        )
        live.world.messages[thread.id] = {text.id: text}
    assert not worker.waiting()


@pytest.mark.usefixtures("worker")
async def test_an_answer_to_an_interaction_is_deleted_by_no_webhook(live: Live) -> None:
    answer = live.world.create_message(LAB, BOT_ID, "the gulls", webhook_id=BOT_ID)
    await live.core.jobs.note_shown(answer.id, "g-7")
    live.faults.add(Fault("DELETE", rf"/channels/{LAB}/messages/\d+", 403, code=50_001))
    call(live, "dora", answer, DELETE)
    await told(live, "dora", "A server admin can check my permissions")


async def test_an_answer_of_a_chat_is_known_for_a_month(live: Live, worker: StandIn) -> None:
    chat = await bens_chat(live, worker)
    assert keys.JOB_TTL_S - 600 < await live.bot.redis.ttl(keys.shown(chat.id)) <= keys.JOB_TTL_S


async def test_the_button_deletes_for_the_same_people_only(live: Live, worker: StandIn) -> None:
    text = await bens_text(live, worker)
    live.press("cleo", text, "Delete")
    assert "members with Manage Messages" in await told(live, "cleo", "didn't ask")
    live.press("ben", text, "Delete")
    await gone(live, text)


async def test_a_control_of_ones_own_text_deletes_no_other_message(live: Live, worker: StandIn) -> None:
    text = await bens_text(live, worker)
    other = await card(live)
    live.acts.use(BEN, other, {"type": 2, "custom_id": custom_id(text, "Delete")})
    await told(live, "ben", "no longer works")
    assert other.id in live.world.messages[LAB]


async def test_a_text_that_nobody_asked_for_is_the_moderators(live: Live, worker: StandIn) -> None:
    (model,) = await live.models.registry.all(GUILD_ID)
    place = lab().model_copy(update={"user_id": BOT_ID})
    job = generate_job(job_id="u-1", place=place, model_id=model.model_id, shown=0)
    answer = generated(seed="", text=TEXT)
    await live.bot.redis.set(keys.asked("u-1"), job.model_dump_json())
    await cog(live.bot, GenerateCommands).generating.post(live.bot.get_partial_messageable(LAB).send, job, answer)
    text = await live.until(lambda: live.showing(TEXT), "the text")
    call(live, "ben", text, DELETE)
    assert "members with Manage Messages" in await told(live, "ben", "didn't ask")
    call(live, "dora", text, DELETE)
    await gone(live, text)


async def test_what_is_no_text_of_the_bots_is_left_alone(live: Live, worker: StandIn) -> None:
    call(live, "dora", said := live.send("the tide watches", person="ben"), DELETE)
    assert "members with Manage Messages" in await told(live, "dora", "isn't mine")
    chat = await bens_chat(live, worker)
    await live.bot.redis.delete(keys.shown(chat.id))
    call(live, "dora", chat, DELETE)
    await told(live, "dora", "chat answer older than a month")
    assert {said.id, chat.id} <= set(live.world.messages[LAB])


# --------------------------------------------------------------------------- never said again


async def test_a_phrase_goes_onto_the_blocklist_and_its_text_goes(live: Live, worker: StandIn) -> None:
    text = await bens_text(live, worker)
    opened = call(live, "ada", text, NEVER)
    assert (await live.form(opened)).modal["components"][0]["component"]["value"] == f"the sea{TEXT}"  # type: ignore[index]
    with capture_logs() as logs:
        await fill(live, opened, "  Gulls went ")
        said = await told(live, "ada", "`gulls went` is on this server's blocklist")
    assert "is deleted" in said
    await gone(live, text)
    own = await live.core.servers.get(GUILD_ID)
    assert own.blocked == (*default_entries(), "gulls went")
    assert {line["event"] for line in logs} >= {"phrase_blocked", "text_deleted"}
    assert "gulls" not in str(logs).lower()


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("the sea, and the gulls", "That is 2 phrases"),
        ("x" * 65, "too long"),
        ("?!", "no letter"),
        ("sea", f"{MOST_ENTRIES + 1} entries"),
    ],
)
async def test_what_cannot_be_blocked_is_refused_and_nothing_is_deleted(
    live: Live, worker: StandIn, typed: str, problem: str
) -> None:
    full = tuple(f"word{number}" for number in range(MOST_ENTRIES))
    await live.core.servers.change(GUILD_ID, blocklist=full)
    text = await bens_text(live, worker)
    await fill(live, call(live, "ada", text, NEVER), typed)
    await told(live, "ada", problem)
    assert (await live.core.servers.get(GUILD_ID)).blocked == full
    assert text.id in live.world.messages[LAB]


async def test_a_message_that_is_no_text_is_not_blocked_but_its_words_can_be(live: Live) -> None:
    call(live, "ada", live.send("the tide watches", person="ben"), NEVER)
    assert "button **Blocked words** of `!settings`" in await told(live, "ada", "isn't mine")


async def test_only_admins_add_to_the_blocklist(live: Live, worker: StandIn) -> None:
    """Though a server's admins may have Discord offer it to others."""
    offered = live.acts.message_commands(ADA, LAB)
    live.patch.setattr(live.acts, "message_commands", lambda *_: offered)
    call(live, "dora", await bens_text(live, worker), NEVER)
    assert "Manage Server" in await told(live, "dora", "can do this")


async def test_a_training_is_no_text(live: Live, worker: StandIn) -> None:
    """Whatever a control says."""
    job = train_job(job_id="t-1", place=lab())
    await live.bot.redis.set(keys.asked("t-1"), job.model_dump_json())
    made = button("delete-text", "t-1", label="Delete")
    sent = await live.bot.get_partial_messageable(LAB).send("a card", view=view(made))
    live.press("ada", live.world.messages[LAB][sent.id], "Delete")
    await told(live, "ada", "isn't a text of mine")
    assert await live.bot.redis.exists(keys.asked("t-1"))


async def test_a_text_whose_job_is_gone_is_the_moderators(live: Live, worker: StandIn) -> None:
    text = await bens_text(live, worker)
    await live.channels.member_data.forget_requests(BEN, [GUILD_ID])
    call(live, "ben", text, DELETE)
    assert "members with Manage Messages" in await told(live, "ben", "no longer know")
    call(live, "dora", text, DELETE)
    await gone(live, text)


async def requests(live: Live, who: int) -> list[dict[str, Any]]:
    """As they are handed out to somebody."""
    user = live.bot.get_user(who) or await live.bot.fetch_user(who)
    (file, *_), _ = await export(live.channels.member_data, user)
    found = json.loads(file.fp.read())["requests"]
    return [one for one in found if one["kind"] != "train"]


async def test_a_surprise_takes_nobody_elses_message(live: Live, worker: StandIn) -> None:
    assert "somebody else" in await live.ask("!surprise", reply_to=live.send("the tide watches", person="ben"))
    listing = live.world.create_message(LAB, BOT_ID, "1. the tide watches")
    hook = live.world.create_message(LAB, BOT_ID, "the gulls", webhook_id=5)
    for quotes_others in (listing, hook):
        assert "can't tell whose words" in await live.ask("!surprise", reply_to=quotes_others)
    written = await bens_text(live, worker)
    await live.channels.member_data.forget_requests(BEN, [GUILD_ID])
    assert "I no longer have this text" in await live.ask("!surprise", reply_to=written)
    assert not worker.waiting()
    assert not await requests(live, ADA)
    live.send("!surprise", reply_to=live.send("the tide watches"))
    await worker.asked(live)
    (kept,) = await requests(live, ADA)
    assert kept["text"] == "the tide watches", "one's own is taken"


@pytest.mark.parametrize("how", ["Continue", "Hotter", "!surprise"])
async def test_words_under_a_text_stay_those_of_whoever_typed_them(live: Live, worker: StandIn, how: str) -> None:
    written = await bens_text(live, worker)
    if how.startswith("!"):
        live.send(how, reply_to=written)
    else:
        live.press("ada", written, how)
    job_id = await worker.asked(live)
    await live.core.jobs.delivered(job_id)
    (adas,) = await requests(live, ADA)
    assert not {"seed", "text"} & set(adas)
    mine = await requests(live, BEN)
    assert len(mine) == 2
    assert all("the sea" in (one.get("seed") or one["text"]) for one in mine)
    assert str(ADA) not in json.dumps(mine)
    assert await live.channels.member_data.forget_requests(BEN, [GUILD_ID]) == 2
    assert not await live.bot.redis.exists(keys.job(job_id))
