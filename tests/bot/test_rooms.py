"""A model of channels' messages: in lists, on cards, when the bot answers late, when it is given away."""

from typing import Any

import discord
import pytest

from bot.components import JOB, MODEL, USER
from bot.models import embeds as model_embeds
from bot.servers import access
from bot.train.cog_jobs import Jobs
from galvanic.errors import UserError
from playground.places import CHANNEL_IDS, GUILD_ID, ROLE_IDS, private_to
from shared import keys
from shared.connect import connect
from shared.events import Event, Failed, Interrupted, Sample
from shared.jobs import MODEL_FILE, SURPRISE_FILE, Asked, ExportJob, ImportJob, MixPart
from tests.bot.channels import model_of
from tests.bot.declared import custom_ids, options_with_choices, slash_commands
from tests.bot.ids import ADA, BEN, CELLAR, CLEO, DORA, LAB, TAVERN
from tests.bot.live import Live, cog, text_of
from tests.bot.offline import context
from tests.bot.rooms import SECRET, begun, den, heard, opened, ref, standing, who
from tests.bot.stand_in import StandIn, lab
from tests.factories import corpus, examples, finished, generate_job, generated, place, progress, record, train_job
from tests.readings import channel_reading

EMPTY_PNG = b"\x89PNG"


pytestmark = pytest.mark.usefixtures("channels_on")


async def test_a_refusal_does_not_tell_others_a_hidden_channels_name(live: Live) -> None:
    said = await live.ask(f"!train <#{CELLAR}>", person="ben", channel="lab")
    assert f"haven't allowed me to learn from <#{CELLAR}>" in said
    assert "cellar" not in said


def answers(live: Live, where: int) -> list[tuple[Asked, Event]]:
    """One of each kind of answer that a model has a part in."""
    presenters = live.core.delivery._presenters
    here, said = lab(where, "ben"), generated(seed="", text=SECRET)
    mix = tuple(MixPart(model_id=model_id, name=model_id, weight=1) for model_id in ("public", "m1"))
    kinds = examples(here, ("m1", "public"), SECRET)
    each = [(job, end) for job, end in kinds if isinstance(job, Asked) and (type(job), type(end)) in presenters]
    return [
        *((job, end) for job, end in each if not isinstance(job, ImportJob)),  # which makes a model
        (generate_job(place=here, model_id="public", mix=mix), said),
        (generate_job(place=here, shown=0), said),
    ]


async def test_an_answer_is_not_posted_where_others_can_read_it_by_then(live: Live) -> None:
    where = await den(live)
    heard(live, corpus_title=SECRET)
    await standing(live)
    model_of(live, "public")
    await live.bot.redis.set(keys.artifact("x-1", MODEL_FILE), SECRET.encode())
    await live.bot.redis.set(keys.artifact("s-1", SURPRISE_FILE), EMPTY_PNG)
    send = live.bot.get_partial_messageable(where).send

    def posted() -> list[tuple[str, int]]:
        messages = live.world.messages[where].values()
        return [(text_of(message), len(message.attachments) + len(message.embeds)) for message in messages]

    for job, event in answers(live, where):
        await live.core.delivery.post(job, event, send)
    before = posted()
    assert sum(SECRET in words for words, _ in before) == len(before) - 1  # the export has it in its file
    assert any("beyond my reach" in words for words, _ in before)
    await opened(live, where)
    for job, event in answers(live, where):
        await live.core.delivery.post(job, event, send)
    late = posted()[len(before) :]
    assert len(late) == len(before)
    assert all(SECRET not in words and "in the meantime" in words and count == 1 for words, count in late)


async def test_a_file_is_not_handed_out_late_when_words_were_withdrawn_meanwhile(live: Live) -> None:
    heard(live)
    await standing(live)
    await live.bot.redis.set(keys.artifact("x-1", MODEL_FILE), SECRET.encode())
    await live.models.registry.notes.mark(ref().reading_id, "withdrawn")
    ((job, event),) = [found for found in answers(live, CELLAR) if isinstance(found[0], ExportJob)]
    await live.core.delivery.post(job, event, live.bot.get_partial_messageable(CELLAR).send)
    (message,) = live.shown("were withdrawn in the meantime", channel="cellar")
    assert not message.attachments


async def refusals(live: Live, channel: str, custom_ids: list[str]) -> list[str]:
    """What Ben hears when he presses buttons with these ids on a message of the bot's, none of which was ever shown."""
    view = discord.ui.View(timeout=None)
    for number, custom_id in enumerate(custom_ids):
        view.add_item(discord.ui.Button(custom_id=custom_id, label=str(number)))
    where = CHANNEL_IDS[channel]
    message = await live.bot.get_partial_messageable(where).send("Press.", view=view)

    def heard_by_ben() -> list[str]:
        seen = [one for one in live.people.visible_messages(BEN, where) if one.id > message.id and one.is_ephemeral]
        return [text for text in map(text_of, seen) if "❌" in text]

    for number, custom_id in enumerate(custom_ids, start=1):
        live.acts.click(BEN, where, message.id, custom_id)
        await live.until(lambda n=number: len(heard_by_ben()) >= n, custom_id)  # type: ignore[misc]
    return heard_by_ben()


async def test_elsewhere_no_option_of_any_command_knows_it(live: Live) -> None:
    model = heard(live, corpus_title=SECRET)
    offered = {CELLAR: 0, LAB: 0}
    for command, option in options_with_choices(live.bot):
        for where in offered:
            offered[where] += len(await live.acts.autocomplete(ADA, where, command, option, "whispers", {}))
        given = {**slash_commands(live.bot)[command], option: "whispers"}
        called = live.slash("ada", command, "lab", **given)
        await live.until(lambda called=called: called.responded, command)  # type: ignore[misc]
    await live.handled()
    assert offered[CELLAR] > 5
    assert offered[LAB] == 0
    assert not [one for one in live.world.messages[LAB].values() if SECRET in text_of(one)]
    assert await live.models.registry.record("m1") == model


async def test_guessed_ids_open_nothing(live: Live) -> None:
    heard(live, corpus_title=SECRET)
    worker = StandIn(live.bot.settings)
    text = generate_job(place=lab(CELLAR, "ben"))
    await live.core.jobs.submit(text)
    worker.write(text.job_id, SECRET)
    await begun(live, CELLAR)
    worker.begin().publish(Sample(epoch=1, text=SECRET))
    known = {MODEL: "m1", JOB: text.job_id, USER: str(BEN)}
    actions, ids = live.core.components.actions, custom_ids(live.bot, known)
    about = [name for name, one in actions.items() if (MODEL in one.arguments or JOB in one.arguments)]
    pressed = [ids[name] for name in about if actions[name].who != "anybody" and actions[name].how != "form"]
    for channel in ("tavern", "atrium"):
        said = await refusals(live, channel, [*pressed, "galvanic:samples:t-77"])
        of_models = [answer for custom_id, answer in zip(pressed, said, strict=False) if ":m1" in custom_id]
        assert all("can no longer be used" in answer for answer in of_models)
        assert not any(SECRET in answer or "whispers" in answer for answer in said)
    (refusal,) = await refusals(live, "atrium", ["galvanic:cancel:t-77"])
    assert "There is no training" in refusal
    assert await live.models.registry.record("m1") is not None


async def test_it_is_known_only_where_all_could_have_read_its_channel(live: Live) -> None:
    heard(live)
    inside = live.world.create_thread(CELLAR, "racks", ADA).id
    aside = live.world.create_thread(CELLAR, "aside", ADA, type=12).id
    corner = live.world.create_thread(LAB, "corner", ADA, type=12).id
    made = live.world.create_channel(GUILD_ID, "hall", overwrites=private_to(GUILD_ID, [ADA, BEN, DORA])).id
    room = await den(live)
    for channel in (CELLAR, LAB):  # the bot reads private threads that nobody called it into
        await live.allow("manage_threads", channel_id=channel)
    await live.until(lambda: all(live.guild.get_channel_or_thread(one) for one in (inside, aside, corner, made)), "all")

    async def is_known(channel: int, name: str = "whispers") -> bool:
        return "No model called" not in await live.ask(f"!model info {name}", channel=channel)

    where = (CELLAR, inside, room, aside, LAB, TAVERN, corner, made)
    assert [await is_known(channel) for channel in where] == [True] * 4 + [False] * 4
    heard(live, aside, model_id="m2", name="asides")  # a private thread is heard only in itself
    assert [await is_known(channel, "asides") for channel in where] == [False] * 3 + [True] + [False] * 4
    heard(live, model_id="m3", name="both", readings=(ref(), ref(TAVERN)))
    assert await is_known(CELLAR, "both"), "what all can read takes nothing away"


async def test_a_demoted_admin_exports_nothing_more(live: Live) -> None:
    heard(live)
    await standing(live)
    worker, refused = StandIn(live.bot.settings), "Only members with Manage Server"
    asked: Any = {"person": "ben", "channel": "cellar"}
    assert refused in await live.ask("!model export whispers", **asked), "though he is its owner"
    live.world.add_member_role(GUILD_ID, BEN, ROLE_IDS["Stewards"])
    live.send("!model export whispers", **asked)
    worker.tell(await worker.asked(live), Failed(problem="enough"))
    await live.until(lambda: not worker.waiting(), "the end of the job")
    live.world.remove_member_role(GUILD_ID, BEN, ROLE_IDS["Stewards"])
    assert refused in await live.ask("!model export whispers", **asked)
    assert refused in str(await refusals(live, "cellar", ["galvanic:export:m1"]))
    assert not worker.waiting()


def test_its_cards_say_where_it_can_be_used_and_offer_no_copy() -> None:
    fields = {"name": "whispers", "readings": (ref(), ref(LAB))}
    said = model_embeds.model_info(record(**fields), current=False, prefix="!").to_dict()["fields"]
    where = next(field["value"] for field in said if field["name"] == "Can be used")
    assert where.endswith(f"wherever everybody can also read <#{CELLAR}>, <#{LAB}>")
    stays = "from it stay. `!model export tides` keeps a copy"
    assert stays in str(model_embeds.delete_question(record(), ADA, "!").description)
    assert "keeps a copy" not in str(model_embeds.delete_question(record(**fields), ADA, "!").description)


async def test_it_goes_with_the_channel_that_it_learned_from(live: Live) -> None:
    where = await den(live)
    heard(live, where, model_id="m1", channel_id=LAB)
    heard(live, model_id="m2", name="others", channel_id=LAB)
    heard(live, model_id="m3", name="both", readings=(ref(), ref(where)))
    await begun(live, CELLAR, reading=channel_reading(where))
    StandIn(live.bot.settings).begin()
    live.remove_channel(where)
    await live.until(lambda: live.bot.get_channel(where) is None, "the bot to hear of it")
    worker = connect(live.bot.settings)
    await live.until(lambda: worker.hkeys(keys.guild_models(GUILD_ID)) == [b"others"], "the models to go")
    assert worker.get(keys.job_control("t-77")) == b"cancel"


async def test_an_admin_who_takes_a_channel_back_elsewhere_names_no_models_of_it(live: Live) -> None:
    heard(live)
    await live.consents.allow(GUILD_ID, CELLAR, ADA)
    said = await live.ask(f"!allow-training {CELLAR} off", channel="lab")
    assert "whispers" not in said
    assert "I deleted 1 model" in said


async def test_a_model_that_is_deleted_is_not_named_where_it_did_not_exist(live: Live) -> None:
    for channel_id, words in ((LAB, "deleted a model of mine"), (CELLAR, "deleted my model `whispers`")):
        model = heard(live, model_id=f"m{channel_id}", channel_id=channel_id)
        await live.remaking.delete(live.guild, model, "models of channels are kept only for a limited time")
        channel = "lab" if channel_id == LAB else "cellar"
        assert await live.until(lambda said=words, at=channel: live.showing(said, channel=at), words)  # type: ignore[misc]


async def test_a_card_shows_samples_only_while_all_its_readers_could_have_read_the_text(live: Live) -> None:
    where, worker = await den(live), StandIn(live.bot.settings)
    await standing(live)
    job = await begun(live, where)
    log = worker.begin()
    log.publish(progress(train_loss=1.5))
    log.publish(Sample(epoch=1, text=SECRET))
    await live.until(lambda: live.showing(SECRET, channel=where), "the sample")
    await opened(live, where)
    await live.until(lambda: not live.showing(SECRET, channel=where), "the sample to go")
    model = record(guild_id=GUILD_ID, name="whispers", readings=(ref(),))
    log.publish(finished(model=model, samples=(SECRET,) * 3))
    card = await live.until(lambda: live.showing("`whispers` is trained", channel=where), "the end")
    assert SECRET not in text_of(card)
    assert "can't be used in this channel" in text_of(card)
    assert job.job_id in text_of(card)


async def test_what_is_told_in_private_has_no_samples(live: Live) -> None:
    """They may have lost their way into the channel that was learned from."""
    where, worker = await den(live), StandIn(live.bot.settings)
    await begun(live, where)
    log = worker.begin()
    await live.deny("send_messages", "view_channel", channel_id=where)
    model = record(guild_id=GUILD_ID, name="whispers", readings=(ref(),))
    log.publish(finished(model=model, samples=(SECRET,) * 3))
    await live.until(lambda: not worker.waiting(), "the end of the job")
    (message,) = live.shown("whispers", channel=live.dm("ben"))
    assert SECRET not in text_of(message)


async def test_samples_are_shown_where_all_could_have_read_the_text(live: Live) -> None:
    where = await den(live)
    await standing(live)
    await begun(live, where)
    StandIn(live.bot.settings).begin().publish(Sample(epoch=1, text=SECRET))
    ben = (await who(live, "ben")).user
    for here in ([where], [CELLAR]):
        embed = await cog(live.bot, Jobs).samples("t-77", GUILD_ID, ben, here)
        assert SECRET in str(embed.description)
    for here in ([LAB], [], [1]):
        with pytest.raises(UserError, match="can't show these samples here"):
            await cog(live.bot, Jobs).samples("t-77", GUILD_ID, ben, here)
    dora = (await who(live, "dora", "lab")).user
    with pytest.raises(UserError, match="There is no training"):
        await cog(live.bot, Jobs).samples("t-77", GUILD_ID, dora, [LAB])


async def test_samples_of_words_that_were_withdrawn_are_shown_no_more(live: Live) -> None:
    """Of a training without a worker as well, which cannot begin anew yet."""
    where, ben = CELLAR, (await who(live, "ben")).user
    await standing(live)
    await begun(live, where)
    log = StandIn(live.bot.settings).begin()
    log.publish(progress(step=40))
    log.publish(Sample(epoch=1, text=SECRET))
    log.publish(Interrupted())
    await live.until(lambda: live.showing(SECRET, channel=where), "the sample")
    await live.models.registry.notes.mark(ref().reading_id, "withdrawn")
    await live.until(lambda: not live.showing(SECRET, channel=where), "the sample to go")
    with pytest.raises(UserError, match="has since withdrawn"):
        await cog(live.bot, Jobs).samples("t-77", GUILD_ID, ben, [where])


async def test_a_typed_list_of_trainings_tells_a_wider_channel_nothing_of_them(live: Live) -> None:
    job = await begun(live, CELLAR)
    said = await live.ask("!jobs", person="ben", channel="lab")
    assert "A training in another channel" in said
    assert "cellar" not in said
    assert job.job_id not in said
    assert "cellar" in await live.ask("!jobs", person="ben", channel="cellar")


async def test_nor_of_a_file_that_was_uploaded_elsewhere(live: Live) -> None:
    await begun(live, CELLAR, corpus=corpus(title="my diary"), reading=None)
    assert "diary" not in await live.ask("!jobs", person="ben", channel="lab")
    assert "diary" in await live.ask("!jobs", person="ben", channel="cellar")


async def test_a_card_of_a_training_that_goes_on_from_such_a_model_is_as_discreet(live: Live) -> None:
    worker = StandIn(live.bot.settings)
    model = heard(live)
    for number, (learned, shown) in enumerate([(model.readings, False), ((), True)]):
        await begun(
            live, LAB, job_id=f"t-{number}", corpus=corpus(), reading=None, parent=model.ref, parent_readings=learned
        )
        log = worker.begin()
        log.publish(progress(step=40 + number))
        log.publish(Sample(epoch=1, text=SECRET))
        log.publish(progress(step=60 + number))
        await live.until(lambda number=number: live.showing(f"{60 + number} of 100"), "the progress")  # type: ignore[misc]
        assert bool(live.showing(SECRET)) == shown
        log.publish(finished())
        await live.until(lambda: not worker.waiting(), "the end")


GONE = 1_297_999_999_999_999_999


async def _person(live: Live, name: str) -> discord.Member:
    author = (await context(live.bot, "!jobs", person=name)).author
    assert isinstance(author, discord.Member)
    return author


async def test_a_training_in_a_thread_that_nobody_can_see_is_its_starters(live: Live) -> None:
    """An archived thread isn't known to the bot: it may have been a private one."""
    where = {"guild_id": GUILD_ID, "user_id": CLEO}
    lab = place(**where, channel_id=LAB)
    thread = place(**where, channel_id=GONE, parent_channel_id=LAB)
    nowhere = place(**where, channel_id=GONE)
    ada, ben, cleo, dora = [await _person(live, name) for name in ("ada", "ben", "cleo", "dora")]
    assert all(access.can_view(person, lab) for person in (ada, ben, cleo, dora))
    for hidden in (thread, nowhere):
        assert access.can_view(cleo, hidden)
        assert not access.can_view(ben, hidden)
        assert access.can_view(ada, hidden)  # she runs the server
        assert access.moderates(ada, hidden)
    # Manage Messages alone opens no private thread.
    assert access.moderates(dora, lab)
    assert access.moderates(dora, thread)
    await live.deny("manage_threads", who=dora.id)
    assert access.moderates(dora, lab)
    assert not access.can_view(dora, thread)
    assert not access.moderates(dora, thread)
    assert not access.can_view(dora, nowhere)


async def test_samples_are_promised_only_while_it_is_not_over(live: Live) -> None:
    job, ada = train_job(job_id="t-5", place=lab()), await _person(live, "ada")
    assert await live.core.jobs.submit_train(job, "text")
    for said in (r"no samples yet\.", r"no samples\."):
        with pytest.raises(UserError, match=said):
            await cog(live.bot, Jobs).samples(job.job_id, GUILD_ID, ada, [LAB])
        await live.core.jobs.cancel(job.job_id)
