"""Cards of trainings on channels' messages show samples only to those who could have read the messages."""

from __future__ import annotations

import pytest

from bot.train.cog_jobs import Jobs
from galvanic.errors import UserError
from shared.events import Interrupted, Sample
from tests.bot.live import Live, cog, text_of
from tests.bot.rooms import CELLAR, GUILD, LAB, SECRET, begun, den, heard, opened, ref, standing, who
from tests.bot.stand_in import StandIn
from tests.factories import corpus, finished, progress, record

pytestmark = pytest.mark.usefixtures("channels_on")


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
    model = record(guild_id=GUILD, name="whispers", readings=(ref(),))
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
    model = record(guild_id=GUILD, name="whispers", readings=(ref(),))
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
        embed = await cog(live.bot, Jobs).samples("t-77", GUILD, ben, here)
        assert SECRET in str(embed.description)
    for here in ([LAB], [], [1]):
        with pytest.raises(UserError, match="can't show these samples here"):
            await cog(live.bot, Jobs).samples("t-77", GUILD, ben, here)
    dora = (await who(live, "dora", "lab")).user
    with pytest.raises(UserError, match="There is no training"):
        await cog(live.bot, Jobs).samples("t-77", GUILD, dora, [LAB])


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
    await live.models.registry.notes.note_withdrawn(ref().reading_id)
    await live.until(lambda: not live.showing(SECRET, channel=where), "the sample to go")
    with pytest.raises(UserError, match="has since withdrawn"):
        await cog(live.bot, Jobs).samples("t-77", GUILD, ben, [where])


async def test_a_typed_list_of_trainings_tells_a_wider_channel_nothing_of_them(live: Live) -> None:
    job = await begun(live, CELLAR)
    said = await live.ask("!jobs", person="ben", channel="lab")
    assert "A training in another channel" in said
    assert "cellar" not in said
    assert job.job_id not in said
    assert "cellar" in await live.ask("!jobs", person="ben", channel="cellar")


async def test_a_list_without_trainings_says_how_to_start_one(live: Live) -> None:
    assert "No training is waiting or running here. `!train frankenstein` starts one." in await live.ask("!jobs")


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
