"""Custom emoji in models' texts: the server's own where it has them, and nothing else that Discord would draw."""

import re

import discord
import pytest
from hypothesis import given, strategies as st

from bot.train import embeds
from bot.train.state import TrainingState
from bot.words import plain, quote, shorten
from bot.write import embeds as write_embeds
from galvanic.emoji import EMOJI
from playground.places import BOT_ID, GUILD_ID
from shared.events import Sample
from tests.bot import previews
from tests.bot.live import Live, text_of
from tests.bot.stand_in import StandIn, answers_that_say, bens_text
from tests.factories import comparison, finished, generated, train_job

GONE, GONE_SEEN = "<:gone_:123456789012345678>", r"\:gone\_:"
HOSTILE = st.lists(
    st.sampled_from([GONE, "<a:x:12345678901234567>", "<@1>", "@everyone", *"<:>*_`# \n\\1.a", "](", "<:a:1>", ":a:"]),
    max_size=40,
).map("".join)


@pytest.fixture
async def pog(live: Live) -> discord.Emoji:
    """A custom emoji of the server, which the bot knows."""
    number = live.world.create_emoji(GUILD_ID, "pog", BOT_ID).id
    return await live.until(lambda: live.guild.get_emoji(number), "the bot to know the emoji")


async def test_a_text_shows_the_servers_emoji(live: Live, worker: StandIn, pog: discord.Emoji) -> None:
    moved = "<a:pog:999999999999999999>"
    message = await bens_text(live, worker, f" {pog} {moved} {GONE} <@1> {GONE[:-1]}")
    assert f"{pog} {pog} {GONE_SEEN} " in text_of(message)
    assert "covered" not in text_of(message)
    assert EMOJI.findall(text_of(message)) == [str(pog), str(pog)]
    assert not re.search(r"(?<!\\)<(?!:pog:)", text_of(message))


async def test_an_emoji_that_cannot_be_used_is_its_name(live: Live, worker: StandIn, pog: discord.Emoji) -> None:
    live.world.edit_emoji(GUILD_ID, pog.id, {"available": False})
    await live.until(lambda: not (found := live.guild.get_emoji(pog.id)) or not found.available, "the bot to know")
    assert r"\:pog:" in text_of(await bens_text(live, worker, f" {pog}"))
    live.world.delete_emoji(GUILD_ID, pog.id)
    await live.until(lambda: live.guild.get_emoji(pog.id) is None, "the bot to know")
    assert r"\:pog:" in text_of(await bens_text(live, worker, f" {pog} again"))


async def test_a_seed_may_have_emoji(live: Live, worker: StandIn, pog: discord.Emoji) -> None:
    sent = live.send(f"!generate {pog} hello")
    job = await worker.answer(live, " there")
    assert job["seed"] == f"{pog} hello"
    assert f"**{pog} hello** there" in text_of(await live.answered(sent))


async def test_the_blocklist_covers_emoji_by_name(live: Live, worker: StandIn, pog: discord.Emoji) -> None:
    await live.core.servers.change(GUILD_ID, blocklist=("pog",))
    said = text_of(await bens_text(live, worker, f" one {pog} two"))
    assert "pog" not in said.replace("blocklist", "")
    assert "are covered" in said


async def test_all_answers_show_them(live: Live, pog: discord.Emoji) -> None:
    for message in await answers_that_say(live, f"words {pog} {GONE} end"):
        assert set(EMOJI.findall(text_of(message))) == {str(pog)}, text_of(message)
        assert GONE_SEEN in text_of(message)


async def test_samples_of_a_training_show_them(live: Live, pog: discord.Emoji) -> None:
    fit = await live.core.fit(GUILD_ID)
    text = f"words {pog} {GONE}"
    running = TrainingState.of([Sample(epoch=1, text=text, train_loss=1.0)])
    done = TrainingState.of([finished(samples=(text,) * 3)])
    context = embeds.CardContext(fit=fit)
    for embed in (
        *(embeds.training(train_job(), state, context) for state in (running, done)),
        embeds.samples(train_job(), running, fit),
    ):
        shown = str(embed.to_dict())
        assert str(pog) in shown
        assert GONE not in shown


async def test_a_preview_shows_them_and_they_are_learned(live: Live, pog: discord.Emoji) -> None:
    preview = await previews.shown(live, f"So {pog} {GONE}")
    assert f"> So {pog} {GONE} says" in text_of(preview)
    assert f"So {pog} {GONE} says" in await previews.trained(live, preview)


@given(HOSTILE, st.integers(0, 300))
def test_no_emoji_is_cut_and_no_other_mark_is_left(text: str, limit: int) -> None:
    short = shorten(text, limit)
    for shown in (short, quote(text).removesuffix("…")):
        assert EMOJI.sub("", shown).count("12345678901234567") == 0
    shown = plain(short)
    assert len(shown) <= limit
    assert EMOJI.findall(shown) == EMOJI.findall(short)
    assert "<" not in re.sub(r"\\.", "", EMOJI.sub("", shown), flags=re.DOTALL)
    assert "@everyone" not in shown


def test_a_long_answer_cuts_no_emoji() -> None:
    assert EMOJI.sub("", write_embeds.chatted(generated(text=GONE * 500))) == ""
    embed = write_embeds.compared(*comparison(*[GONE * 200] * 4))
    assert all(EMOJI.sub("", field.value or "").strip(" …") == "" for field in embed.fields)
