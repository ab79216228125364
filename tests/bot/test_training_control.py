"""Who may know of a training, and who may end it."""

from __future__ import annotations

import discord
import pytest

from bot.servers import access
from bot.train.cog_jobs import Jobs
from galvanic.errors import UserError
from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from tests.bot.live import Live, cog
from tests.bot.offline import context
from tests.bot.stand_in import lab
from tests.factories import place, train_job

GONE = 1_297_999_999_999_999_999


async def _person(live: Live, name: str) -> discord.Member:
    author = (await context(live.bot, "!jobs", person=name)).author
    assert isinstance(author, discord.Member)
    return author


async def test_a_training_in_a_thread_that_nobody_can_see_is_its_starters(live: Live) -> None:
    """An archived thread isn't known to the bot: it may have been a private one."""
    where = {"guild_id": GUILD_ID, "user_id": USER_IDS["cleo"]}
    lab = place(**where, channel_id=CHANNEL_IDS["lab"])
    thread = place(**where, channel_id=GONE, parent_channel_id=CHANNEL_IDS["lab"])
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
    assert await live.core.jobs.submit_train(job, "text", (3, 3)) == "entered"
    for said in (r"no samples yet\.", r"no samples\."):
        with pytest.raises(UserError, match=said):
            await cog(live.bot, Jobs).samples(job.job_id, GUILD_ID, ada, [CHANNEL_IDS["lab"]])
        await live.core.jobs.cancel(job.job_id)
