"""What an answer in a chat goes on from, and whose words it uses."""

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import discord
import pytest
from simcord.backend import serializers
from simcord.backend.models import Message

from bot.channels.export import export
from bot.options import decoding
from bot.write.conversation import ME, MOST_CHARS, MOST_TURNS, STRANGER
from bot.write.embeds import generated
from galvanic.read.pseudonyms import NAMES
from playground.places import BOT_ID, GUILD_ID
from shared import keys
from shared.connect import connect
from shared.jobs import GenerateJob
from shared.settings import Settings
from tests import factories
from tests.bot.ids import ADA, BEN, CLEO, LAB
from tests.bot.live import Live, text_of
from tests.bot.stand_in import StandIn, bens_text
from tests.readings import noted
from tests.registered import register

MENTION = f"<@{BOT_ID}>"
FETCHED = re.compile(r"/channels/\d+/messages/\d+")


@pytest.fixture(autouse=True)
def as_discord_sends(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A message that comes with a reply to it comes without the one that it replies to itself."""
    whole = serializers.message_payload

    def one_level(*args: Any, **options: Any) -> Any:
        payload: Any = whole(*args, **options)
        payload.get("referenced_message", {}).pop("referenced_message", None)
        return payload

    with monkeypatch.context() as patch:
        patch.setattr(serializers, "message_payload", one_level)
        yield


@pytest.fixture
async def worker(live: Live, worker: StandIn) -> StandIn:
    """A worker, and a chat in #lab."""
    await live.core.servers.choose(LAB, "chat", True)
    return worker


async def asked(live: Live, worker: StandIn, sent: Message) -> GenerateJob:
    """The job that answers a message."""
    job_id = f"c-{sent.id}"
    await live.until(lambda: job_id in worker.waiting(), "the job")
    data = worker.redis.get(keys.asked(job_id))
    return GenerateJob.model_validate_json(data)  # type: ignore[arg-type]


async def say(
    live: Live, worker: StandIn, words: str, answer: str = "so it is", *, person: str = "ada", **where: Any
) -> tuple[GenerateJob, Message]:
    """Say something to the bot; the job, and the answer."""
    sent = live.send(words, person=person, **where)
    job = await asked(live, worker, sent)
    worker.write(job.job_id, answer, seed=job.seed)
    answered = await live.answered(sent)
    await live.until(lambda: job.job_id not in worker.waiting(), "the end of the job")
    return job, answered


async def test_an_answer_is_no_longer_than_a_text_may_be(live: Live, worker: StandIn) -> None:
    live.bot.settings.generate_max_length = 150
    job, _ = await say(live, worker, f"{MENTION} hello there")
    assert job.length == 150


async def test_a_reply_goes_on_from_what_both_said(live: Live, worker: StandIn) -> None:
    first, answer = await say(live, worker, f"{MENTION} hello there", "I *am* here.\nAre you?")
    assert (first.seed, first.pieces, first.candidates, first.one_line) == ("hello there\n", (), 8, False)
    second, again = await say(live, worker, "yes, I am", "good", person="ben", reply_to=answer)
    assert second.seed == "hello there\nI *am* here.\nAre you?\nyes, I am\n"
    assert [piece.author_id for piece in second.pieces] == [ADA, None, BEN]
    third, _ = await say(live, worker, "why?", reply_to=again)
    assert third.seed == f"{second.seed}good\nwhy?\n"
    assert sum(piece.chars for piece in third.pieces) == len(third.seed)


async def test_the_state_is_told_and_switched_by_those_who_may(live: Live) -> None:
    assert "Chat is **off** here" in await live.ask("!chat", person="ben")
    refused = await live.ask("!chat on", person="ben")
    assert "You can't turn chat on or off here" in refused
    assert "Manage Channels" in refused
    live.slash("ada", "chat", state="on")
    await live.until(lambda: live.showing("Chat is **on**") or live.whispered("ada", "Chat is **on**"), "the answer")
    assert "Chat is **off**" in await live.ask("!chat off")


@pytest.mark.parametrize("has_model", [True, False])
async def test_the_state_names_what_answers(live: Live, settings: Settings, has_model: bool) -> None:
    if has_model:
        StandIn(settings).add_model()
    assert live.bot.user is not None
    live.patch.setattr(live.bot.user, "global_name", "my_bot")
    told = await live.ask("!chat on")
    assert "`@my_bot hello`" in told
    assert ("with this channel's model" in told) is has_model
    assert ("so I write in the English that I come with" in told) is not has_model


async def test_a_mention_with_a_command_is_the_command(live: Live, worker: StandIn) -> None:
    assert "There is no text called `nosuch`" in await live.ask(f"{MENTION} train nosuch")
    assert "I learn to write from any text" in await live.ask(MENTION)
    job, _ = await say(live, worker, f"{MENTION} trian nosuch")
    assert job.seed == "trian nosuch\n", "words that are no command are chat"


async def test_without_chat_a_mention_is_told_how_to_switch_it_on(live: Live) -> None:
    told = await live.ask(f"{MENTION} hello", person="ben")
    assert all(words in told for words in ("Chat is off in this channel", "`!chat on`", "`!help`"))
    assert "I learn to write from any text" in await live.ask(MENTION)
    of_another = live.send(f"a word about {MENTION[:-1]}0>")
    await live.handled()
    assert live.answer(of_another) is None


async def test_nobody_elses_talk_is_used(live: Live, worker: StandIn) -> None:
    secret = live.send("a secret of mine", person="cleo")
    job, _ = await say(live, worker, f"{MENTION} what do you say?", reply_to=secret, person="ben")
    assert job.seed == "what do you say?\n"
    to_the_bot = live.send(f"{MENTION}", person="cleo", reply_to=secret)
    await live.answered(to_the_bot)
    job, _ = await say(live, worker, f"{MENTION} and now?", reply_to=to_the_bot, person="ben")
    assert job.seed == "and now?\n"


async def test_the_bots_sentences_are_no_words_in_a_chat(live: Live, worker: StandIn) -> None:
    sentence = await live.answered(live.send(MENTION))
    sentence.content, sentence.embeds = "`sea` is now this channel's model.", []
    card = await live.answered(live.send(MENTION))
    card.embeds, card.flags = [], discord.MessageFlags(suppress_embeds=True).value  # as a moderator removes them
    for number, above in enumerate((sentence, card)):
        job, _ = await say(live, worker, f"{MENTION} and now {number}?", reply_to=above)
        assert job.seed == f"and now {number}?\n"


async def test_what_was_deleted_ends_it(live: Live, worker: StandIn) -> None:
    _, first = await say(live, worker, f"{MENTION} one", "two")
    _, second = await say(live, worker, "three", "four", reply_to=first)
    live.world.delete_message(LAB, first.id)
    job, third = await say(live, worker, "five", "six", reply_to=second)
    assert job.seed == "three\nfour\nfive\n"
    live.world.delete_message(LAB, third.id)
    job, _ = await say(live, worker, f"{MENTION} seven", reply_to=third)
    assert job.seed == "seven\n"


async def test_it_is_bounded(live: Live, worker: StandIn) -> None:
    _, above = await say(live, worker, f"{MENTION} word 0", "answer 0")
    for number in range(1, 6):
        before = len(live.requests("GET"))
        job, above = await say(live, worker, f"word {number}", f"answer {number}", reply_to=above)
        fetched = [entry for entry in live.requests("GET")[before:] if FETCHED.fullmatch(entry.path)]
        assert 1 <= len(fetched) <= 3
        assert len(job.seed.splitlines()) == min(2 * number, MOST_TURNS) + 1
    assert job.seed.startswith("word 2\nanswer 2\n")
    job, _ = await say(live, worker, "x" * 2_000, reply_to=above)
    assert job.seed == "x" * MOST_CHARS + "\n"
    _, above = await say(live, worker, f"{MENTION} long", "y" * 390)
    job, _ = await say(live, worker, "z" * 30, reply_to=above)
    assert job.seed == "z" * 30 + "\n"


async def test_in_a_thread_it_is_the_threads_last_words_to_the_bot(live: Live, worker: StandIn) -> None:
    thread = live.people.create_thread(ADA, LAB, "a thread").id
    first, _ = await say(live, worker, f"{MENTION} one", "two", channel=thread)
    assert first.seed == "one\n"
    live.send("a secret of mine", person="cleo", channel=thread)
    job, answer = await say(live, worker, f"{MENTION} three", "four", person="ben", channel=thread)
    assert job.seed == "one\ntwo\nthree\n"
    assert [piece.author_id for piece in job.pieces] == [ADA, None, BEN]
    job, _ = await say(live, worker, "five", channel=thread, reply_to=answer)
    assert job.seed == "one\ntwo\nthree\nfour\nfive\n"
    elsewhere, _ = await say(live, worker, f"{MENTION} here?")
    assert elsewhere.seed == "here?\n"


async def test_a_reply_to_a_text_goes_on_from_it(live: Live, worker: StandIn) -> None:
    text = await bens_text(live, worker, " was calm")
    job, _ = await say(live, worker, "and then?", reply_to=text)
    assert job.seed == "the sea was calm\nand then?\n"
    assert [piece.author_id for piece in job.pieces] == [BEN, ADA], "a text counts as of whoever gave its seed"
    await live.channels.member_data.forget_requests(BEN, [GUILD_ID])
    job, _ = await say(live, worker, "and then?", reply_to=text)
    assert job.seed == "and then?\n"


async def test_a_reply_to_another_card_is_not_to_the_bot(live: Live, worker: StandIn) -> None:
    card = await live.answered(live.send("!help"))
    unanswered = live.send("thanks", reply_to=card)
    await live.handled()
    assert live.answer(unanswered) is None
    job, _ = await say(live, worker, f"{MENTION} thanks", reply_to=card)
    assert job.seed == "thanks\n"


async def test_bots_and_webhooks_get_no_answer_to_a_reply(live: Live, worker: StandIn) -> None:
    _, answer = await say(live, worker, f"{MENTION} hello")
    reference = {"channel_id": str(LAB), "message_id": str(answer.id)}
    live.world.users[CLEO].bot = True
    sent = [
        live.world.create_message(LAB, CLEO, f"{MENTION} hello", reference=reference),
        live.world.create_message(LAB, BEN, f"{MENTION} hello", reference=reference, webhook_id=77),
        live.world.create_message(LAB, BOT_ID, f"{MENTION} hello", reference=reference),
    ]
    await live.handled()
    assert not worker.waiting()
    assert live.answer(sent[-1]) is None
    job, _ = await say(live, worker, f"{MENTION} who was that?", reply_to=sent[0], person="ben")
    assert job.seed == "who was that?\n"


async def of_speakers(live: Live, names: dict[int, str]) -> None:
    """#lab's model learned with `--speakers`, of members by these names, who agreed."""
    for who in names:
        await live.consents.agree(GUILD_ID, who)
    where = {"guild_id": GUILD_ID, "channel_id": LAB}
    note = await noted(live.models.registry.notes, *names, names=names, speakers=True, **where)
    text = factories.channel_corpus(note.reading_id)
    model = factories.record(guild_id=GUILD_ID, channel_id=LAB, owner_id=ADA, corpus=text, readings=(note.ref,))
    register(connect(live.bot.settings), model, current=False)


@pytest.mark.usefixtures("channels_on")
async def test_in_a_model_of_speakers_everybody_has_a_line(live: Live, worker: StandIn) -> None:
    await of_speakers(live, {ADA: "Robin", BEN: "Kai"})
    _, answer = await say(live, worker, f"{MENTION} hello **there**\nall", "yes")
    job, answer = await say(live, worker, "who?", "me", person="ben", reply_to=answer)
    assert job.seed == f"{STRANGER}: hello there all\n{ME}: yes\n{STRANGER} 2: who?\n{ME}: "
    assert job.one_line
    assert [piece.author_id for piece in job.pieces] == [ADA, None, BEN, None]
    assert job.words_of(ADA) == f"{STRANGER}: hello there all\n"
    assert not {ME, STRANGER} & set(NAMES)


async def test_the_starter_answers_where_there_is_no_model(live: Live, settings: Settings) -> None:
    worker = StandIn(settings)
    live.bot.settings.chat_cooldown_s = 0
    await live.core.servers.choose(LAB, "chat", True)
    job, answer = await say(live, worker, f"{MENTION} hello", "good day")
    assert (job.model_id, answer.content) == ("starter", "good day")


@pytest.mark.parametrize("mixed", [False, True])
async def test_a_text_says_that_the_starter_wrote_it_unless_it_was_mixed(
    live: Live, settings: Settings, mixed: bool
) -> None:
    worker = StandIn(settings)
    worker.add_model()
    worker.redis.hdel(keys.channel(LAB), "model")
    sent = live.send("!generate the sea --mix starter,tides" if mixed else "!generate the sea")
    await worker.answer(live, seed="the sea")
    told = "This channel has no model, so I write in the English that I come with. `!model use tides`"
    assert (told in text_of(await live.answered(sent))) is not mixed


async def test_each_persons_words_are_held_as_theirs(live: Live, worker: StandIn) -> None:
    _, answer = await say(live, worker, f"{MENTION} adas words", "so it is")
    job, _ = await say(live, worker, "bens words", person="ben", reply_to=answer)
    for who, own, others in ((ADA, "adas words", "bens words"), (BEN, "bens words", "adas words")):
        user = await live.bot.fetch_user(who)
        (file, *_), _ = await export(live.channels.member_data, user)
        told = json.loads(file.fp.read())["requests"]
        (kept,) = [one for one in told if one["job_id"] == job.job_id]
        assert kept["seed"] == f"{own}\n"
        assert others not in json.dumps(told)
        assert (str(BEN) in json.dumps(told)) is (who == BEN)
    assert await live.channels.member_data.forget_requests(ADA, [GUILD_ID]) == 2
    assert not await live.bot.redis.exists(keys.job(job.job_id), keys.job_events(job.job_id))


def message_of(content: str, mentions: tuple[int, ...] = ()) -> Any:
    mentioned = [SimpleNamespace(id=one) for one in mentions]
    return SimpleNamespace(content=content, mentions=mentioned, reference=None, guild=None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<@77> hello  there", "hello there"),
        ("<@!77>", ""),
        ("what now, <@77>?", "what now, ?"),
        ("<@78> hello", None),
        ("hello", None),
    ],
)
def test_words_to_the_bot(content: str, words: str | None) -> None:
    assert decoding.to_bot(message_of(content), 77) == words


async def test_the_bots_role_is_a_mention_of_it(live: Live, worker: StandIn) -> None:
    """Discord offers it beside the bot as people type."""
    role = next(role for role in live.guild.roles if role.name == "Galvanic")
    role.tags = discord.RoleTags({"bot_id": str(BOT_ID)})
    job, _ = await say(live, worker, f"{role.mention} do you like tea?")
    assert "do you like tea?" in job.seed
    assert "!help COMMAND" in await live.ask(f"{role.mention} help")


def test_a_mention_without_its_words_is_to_the_bot_only_in_a_chat() -> None:
    assert decoding.to_bot(message_of("hello", (77,)), 77) is None


def test_the_words_of_a_card_are_those_that_were_written() -> None:
    seed, text = "the *sea* [x] <@1>", " was_calm_ ~~and~~ `deep` # 1\n> so\n- far\n1. [a](b)\n+ c"
    embed = generated(factories.generate_job(job_id="b-1"), factories.generated(seed=seed, text=text))
    card: Any = SimpleNamespace(content="", embeds=[embed], author=SimpleNamespace(bot=True))
    assert decoding.message_text(card) == seed + text
