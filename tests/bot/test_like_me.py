"""A model of one member's own words: who can have it made, who can use it, and that it goes with their yes."""

from typing import Any

import pytest

from bot.channels.sources import own_channel
from bot.models.registry import MOST_OWN
from bot.models.transfer import require_export
from bot.servers.access import Viewer
from galvanic.errors import UserError
from galvanic.options import STARTER
from playground.places import BOT_ID, GUILD_ID
from shared import keys
from shared.events import Generated, Sample
from shared.jobs import LOSS_FILE, GenerateJob, ModelRef, ReadingRef
from shared.lifecycle import enter
from shared.models import ModelRecord
from tests import factories
from tests.bot.channels import agreed, lines_of, look, members_of, model_of, names, queued, talk, talked, until
from tests.bot.ids import ADA, BEN, CELLAR, CLEO, LAB
from tests.bot.live import Live, text_of
from tests.bot.rooms import who
from tests.bot.stand_in import StandIn, lab
from tests.readings import channel_reading, noted

pytestmark = pytest.mark.usefixtures("opted_in")

HERE = Viewer(GUILD_ID, [LAB])


async def bens(live: Live, name: str = "bens-own", *, channel_id: int = LAB, **fields: Any) -> ModelRecord:
    """A model of Ben's words of #lab, which he had made there; he is no admin, Ada is."""
    note = await noted(live.models.registry.notes, BEN, author_id=BEN, guild_id=GUILD_ID, channel_id=channel_id)
    await agreed(live, "ada", "ben", "cleo", channel_id=channel_id)
    text = factories.channel_corpus(note.reading_id)
    return model_of(live, name, note, **{"owner_id": BEN, "corpus": text, **fields})


def test_one_names_oneself_and_one_channel() -> None:
    assert {own_channel(typed, BEN) for typed in ("@Me  #lab", f"<@{BEN}> #lab", f"<@!{BEN}> #lab")} == {"#lab"}
    assert {own_channel(typed, BEN) for typed in ("#lab", "frankenstein", "", "<#77>")} == {None}
    for typed in ("@ada #lab", "@everyone #lab", f"<@{ADA}> #lab", f"<@&{BEN}> #lab", "@me", "@me alice", "@me #a #b"):
        with pytest.raises(UserError, match="another member alone" if "#lab" in typed else "Which messages of yours"):
            own_channel(typed, BEN)


async def test_samples_of_a_training_that_forget_me_ends_go_with_it(live: Live) -> None:
    await talked(live, 450, "ada", "ben")
    job = await queued(live, live.send("!train @me #lab", person="ben").id)
    words = Sample(epoch=1, text="ben says so", train_loss=2.0, heldout_loss=None)
    StandIn(live.bot.settings).tell(job.job_id, words)
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="forget-me")
    assert await live.channels.member_data.forget_requests(BEN, [GUILD_ID]) == 1

    async def is_gone() -> bool:
        await live.channels.member_data.resume()
        return not await live.bot.redis.exists(keys.job_events(job.job_id), keys.asked(job.job_id))

    await until(is_gone)


async def test_only_ones_own_lines_are_read(live: Live) -> None:
    await talked(live, 450, "ada", "ben")
    sent = live.send("!train @me #lab", person="ben")
    lines = await lines_of(live, sent)
    job = await queued(live, sent.id)
    assert [line.split()[0] for line in lines] == ["ben"] * 150
    assert (job.corpus.name, job.corpus.title, job.place.user_id) == ("like-me", "one member's messages in #lab", BEN)
    assert (job.author_id, await members_of(live, job)) == (BEN, {BEN})


async def test_it_takes_ones_own_yes_and_the_admins(live: Live) -> None:
    talk(live, 450)
    refused = await live.ask("!train @me #lab", person="ben")
    assert "haven't allowed" in refused
    await agreed(live, "ada")
    assert "You haven't agreed" in await live.ask("!train @me #lab", person="ben")
    assert "another member alone" in await live.ask("!train @ada #lab", person="ben")
    assert await live.models.registry.notes.ids() == {}


def test_it_is_its_authors_until_it_is_shared() -> None:
    ref = ReadingRef(reading_id="r1", channel_id=LAB, author_id=BEN)
    model = factories.record(channel_id=LAB, readings=(ref,))
    assert [model.usable_in([LAB], user_id) for user_id in (BEN, ADA, None)] == [True, False, False]
    shared = model.model_copy(update={"shared_with": (CELLAR,)})
    assert [shared.usable_in([CELLAR], None), shared.usable_in([LAB], ADA)] == [True, False]
    assert model.model_copy(update={"for_server": True}).usable_in([LAB])


TYPED = "generate the sea --model NAME|compare the sea --models NAME,tides|generate the sea --mix tides,NAME|quiz NAME|\
surprise the sea --model NAME|model info NAME|model use NAME|model export NAME|model share NAME server|\
model rename NAME hers|model delete NAME|train more --from NAME|train python-docs --from NAME"


async def test_no_command_knows_it_for_anybody_else_admins_included(live: Live) -> None:
    for name, channel_id in (("bens-own", LAB), ("whispers", CELLAR)):
        await bens(live, name, channel_id=channel_id)
    await bens(live, "lent", shared_with=(CELLAR,))
    model_of(live, "tides")
    there = [typed for typed in TYPED.split("|") if live.bot.get_command(typed.split()[0])]
    said = {typed: await live.ask(f"!{typed.replace('NAME', 'bens-own')}") for typed in there}
    assert {typed for typed, answer in said.items() if "No model called `bens-own`" not in answer} == set()
    assert "bens-own" not in await live.ask("!models")
    assert "Did you mean" not in await live.ask("!generate the sea --model bens-o", person="ben"), "others read along"
    public = await live.ask("!models", person="ben")
    assert [name in public for name in ("bens-own", "lent", "tides")] == [False, False, True], "others read along"
    listed = text_of(await live.directly("ben", "Models of your own words"))
    assert [name in listed for name in ("bens-own", "lent")] == [True, True], "also what is shared elsewhere"
    assert [name in listed for name in ("whispers", "tides")] == [False, False], "where all could read it"
    assert "2 models · !model info NAME shows one" in listed
    assert "model use" not in listed, "it can't be a channel's model"


async def test_an_answer_is_posted_for_its_owner_alone(live: Live) -> None:
    said = Generated(seed="", text="as Ben writes", temperature=1, random_seed=1, seconds=1)
    send = live.bot.get_partial_messageable(LAB).send
    for number, person in enumerate(("ada", "ben")):
        place = lab(person=person)
        model = await bens(live)
        job = factories.generate_job(job_id=f"g-{number}", place=place, model_id=model.model_id)
        await live.core.delivery.post(job, said, send)
        assert len(live.shown("as Ben writes")) == number


async def test_nothing_that_nobody_asked_for_is_written_with_it(live: Live) -> None:
    """Even if a channel had chosen it."""
    await live.models.registry.use(LAB, await bens(live))
    model_of(live, "tides")
    assert await live.models.registry.current(HERE) is None
    worker = StandIn(live.bot.settings)
    await live.core.servers.choose(LAB, "chat", True)
    live.send(f"<@{BOT_ID}> how is the sea", person="ben")
    assert (await live.job(await worker.asked(live), GenerateJob)).model_id == STARTER


async def test_shared_it_can_be_used_and_is_still_its_owners(live: Live) -> None:
    model = await bens(live, parent="bens-first")
    assert "for you alone" in await live.ask("!model use bens-own", person="ben")
    assert "🔓" in await live.ask("!model share bens-own #lab", person="ben")
    assert "now this channel's model" in await live.ask("!model use bens-own")
    assert "bens-first" not in await live.ask("!model info bens-own")
    assert "Only its owner can export it" in await live.ask("!model export bens-own")
    assert "nobody can share it" in await live.ask("!model share bens-own server")
    for typed in ("!train @me #lab --from bens-own", "!train #lab --from bens-own", "!train more --from bens-own"):
        assert "for that member alone" in await live.ask(typed)
    assert "can't keep learning" in await live.ask("!learn nightly")
    require_export(model, await who(live, "ben", "lab"))
    assert "models that were trained from it, stay" in await live.ask("!model unshare bens-own")
    for user_id in (ADA, BEN):  # he need not tell of it by writing without a name
        viewer = HERE._replace(user_id=user_id)
        assert await live.models.registry.current(viewer) is None
        assert (await live.models.registry.choose_to_write(viewer, None)).model_id == STARTER


@pytest.mark.parametrize("why", ["optout", "forget-me", "left"])
async def test_it_goes_at_once_with_its_author(live: Live, why: str) -> None:
    await bens(live)
    await bens(live, "shared", for_server=True)
    model_of(live, "tides")
    for other in (ADA, CLEO):
        await live.channels.withdrawals.withdraw(GUILD_ID, other, why=why)
    await look(live)
    assert len(await names(live)) == 3
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why=why)
    await look(live)
    assert await names(live) == ["tides"]
    assert not live.shown("deleted"), "the channel needn't know"


async def test_made_again_it_is_of_its_author_alone(live: Live) -> None:
    talk(live, 300)
    model = await bens(live, shared_with=(CELLAR,))
    ben = (await who(live, "ben", "lab")).user
    stored = (await live.channels.member_data.in_server(GUILD_ID, ben)).learned
    assert [learned.name for learned in stored] == ["bens-own"]
    request = await live.remaking.request(live.guild, model)
    assert request.reading is not None
    assert (request.reading.author_id, request.replaces) == (BEN, model.model_id)
    new = await bens(live, "bens-own-2", replaces=model.model_id)
    await look(live)
    (record,) = await live.models.registry.all(GUILD_ID)
    assert (record.model_id, record.shared_with) == (new.model_id, (CELLAR,))


async def test_with_its_authors_yes_its_samples_go(live: Live) -> None:
    model = await bens(live)
    reading = channel_reading(**dict(model.readings[0]))
    job = factories.train_job(place=lab(person="ben"), corpus=model.corpus, reading=reading, author_id=BEN)
    assert await live.cards.samples_stand(job)
    await live.core.jobs.run(enter(job, "n"))
    await live.core.jobs.cancel("t-1")
    await live.bot.redis.srem(keys.OUTBOX, "t-1")
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="optout")
    assert not await live.cards.samples_stand(job)
    assert await live.channels.member_data.forget_requests(ADA, [GUILD_ID]) == 0
    assert await live.channels.member_data.forget_requests(BEN, [GUILD_ID]) == 1


@pytest.mark.parametrize(("channel_id", "where"), [(LAB, "everybody could have read"), (0, "the whole server")])
async def test_its_end_is_told_to_its_author_alone(live: Live, channel_id: int, where: str) -> None:
    """Of a channel, or of a data package. It says who could use it if it were shared."""
    model, worker = await bens(live, parent="bens-first", channel_id=channel_id), StandIn(live.bot.settings)
    parent = {"parent": ModelRef(model_id="m-0", name="bens-first"), "parent_readings": model.readings}
    own = {"corpus": model.corpus, "reading": channel_reading(**dict(model.readings[0])), "author_id": BEN}
    await live.follow(factories.train_job(place=lab(person="ben"), **own, **parent))
    await live.until(lambda: live.showing("training t-1"), "the card")
    await live.bot.redis.set(keys.artifact("t-1", LOSS_FILE), b"a chart with its name")
    sample = Sample(epoch=1, text="as Ben writes")
    worker.tell("t-1", sample, factories.progress(), factories.finished(model=model, samples=("as Ben writes",)))
    card = await live.until(lambda: live.showing("The model is ready"), "the end in the channel")
    message = text_of(await live.directly("ben", "ready, and only you"))
    assert "bens-own" in message
    assert where in message
    assert not [word for word in ("bens-own", "bens-first", "as Ben writes") if live.shown(word)]
    assert not card.attachments
    await live.answered_privately("ada", card, "Samples", "not for you")
    assert not await live.bot.redis.hget(keys.channel(LAB), "model"), "it is not for all there"


async def test_no_file_of_it_is_posted_unless_it_is_named(live: Live) -> None:
    await bens(live)
    assert "There is no model here yet" in await live.ask("!model export", person="ben")


async def test_a_channel_does_not_keep_it_once_it_is_private_again(live: Live) -> None:
    await bens(live)
    await live.ask("!model share bens-own #lab", person="ben")
    assert "don't replace it" in await live.ask("!model use bens-own --keep")
    await live.ask("!model unshare bens-own", person="ben")
    await live.follow(factories.train_job(place=lab()))
    await live.until(lambda: live.showing("training t-1"), "the card")
    StandIn(live.bot.settings).tell("t-1", factories.finished(model=model_of(live, "tides", model_id="m-new")))
    card = await live.until(lambda: live.showing("Learned"), "the end")
    assert "`tides` is now this channel's model" in text_of(card)
    assert "bens-own" not in text_of(card)
    assert await live.bot.redis.hmget(keys.channel(LAB), "model", "keep") == [b"m-new", None]


async def test_an_admin_who_forbids_its_channel_does_not_hear_its_name(live: Live) -> None:
    await bens(live)
    assert "bens-own" not in await live.ask("!allow-training #lab off")
    assert await names(live) == []


async def test_its_name_is_free_to_others(live: Live) -> None:
    """Nobody is told of it by its name; its author finds it first, and shares it under a name that is free."""
    own = await bens(live, "tides", model_id="m-bens", corpus_title="Ben's")
    assert model_of(live, "tides", corpus_title="All's").name == "tides"
    assert "All's" in await live.ask("!model info tides")
    assert "Ben's" in await live.ask("!model info tides", person="ben")
    refused = await live.ask("!model share tides server", person="ben")
    assert "Rename this model first: `!model rename tides NEW`" in refused
    assert "now called `waves`" in await live.ask("!model rename tides waves", person="ben")
    assert "now called `waves`" in await live.ask("!model rename tides waves"), "nobody is in its way"
    assert (await bens(live, "waves", model_id="m-other")).name == "waves-2", "he would not know which is meant"
    await live.ask("!model rename waves foam", person="ben")
    await live.ask("!model share foam server", person="ben")
    await live.ask("!model rename waves-2 spray", person="ben")
    await live.ask("!model rename foam spray")
    assert "`spray-2` is no longer shared" in await live.ask("!model unshare spray")
    renamed = await live.models.registry.record(own.model_id)
    assert renamed is not None
    assert renamed.name == "spray-2"
    assert await live.models.registry.remove(own)
    assert await names(live) == ["spray", "waves"]


async def test_nobody_has_more_of_them_than_one_may_have(live: Live) -> None:
    for number in range(MOST_OWN):
        await bens(live, f"own-{number}")
    await talked(live, 3, "ada", "ben")
    assert "which is the maximum" in await live.ask("!train @me #lab", person="ben")
