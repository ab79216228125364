"""Whatever a model writes, and whatever a text or a file calls itself, stays where it stands: it is read as it is.

No mention, no formatting, no link of another name, no code block, no spoiler; in every card and answer that shows it.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from simcord.backend.models import Message

from bot.models import embeds as model_embeds
from bot.train import embeds
from bot.train.state import TrainingState
from bot.words import clipped, fit, plain, replace_surrogates
from playground.places import BOT_ID
from shared.events import Failed, Sample, Started
from tests.bot.live import text_of
from tests.factories import corpus, finished, progress, record, train_job
from tests.fuzz import words
from tests.fuzz.author import JOBS
from tests.fuzz.hand import Hand, both_tests
from tests.fuzz.reading import require_in_place, require_plain

NOT_BLOCKED = embeds.CardContext().blocked
PRESSES = ("again", "continue", "hotter", "samples")

cases = st.one_of(
    st.builds(lambda says: {"says": replace_surrogates(says)}, words.text(20)),
    st.builds(
        lambda says: {"says": replace_surrogates(says)},
        st.lists(st.sampled_from(words.MARKS), max_size=30).map("".join),
    ),
    st.builds(lambda unit, times: {"says": replace_surrogates(unit) * times}, words.bits, st.integers(1, 900)),
)


async def carry_out(hand: Hand, case: dict[str, Any]) -> None:
    """Have the bot show it everywhere."""
    hand.forget()
    says = case["says"][:10_000]  # no event has room for more in one place
    require_plain(plain(says), says)
    for limit in (10, 280, 1_900):
        short = clipped(says, limit)
        assert len(short) <= limit
        require_plain(short, fit(says, limit))
    hand.author.says = says
    _training_cards(says)
    for typed in ("!generate the sea", "!compare the sea", "!surprise the sea", "!model info a", "!chat on"):
        await hand.write(typed)
    await hand.write(f"<@{BOT_ID}> hello")
    written = hand.live.showing("random seed 1")
    assert written is not None, [text_of(message) for message in hand.said()]
    for kind in PRESSES:
        custom_id = f"galvanic:{kind}:{JOBS[0] if kind == 'samples' else JOBS[1]}"
        rows = [{"type": 1, "components": [{"type": 2, "custom_id": custom_id, "label": "x", "style": 1}]}]
        message: Message = hand.live.world.create_message(written.channel_id, BOT_ID, "pressed", components=rows)
        await hand.press(message, {"custom_id": custom_id, "component_type": 2})
    hand.judge(says)


def _training_cards(says: str) -> None:
    """The cards of a training, from its beginning to each of its ends, with such a title, samples, notes and names."""
    job = train_job(corpus=corpus(title=says or "x", licence=says))
    sample = Sample(epoch=1, text=says, train_loss=1.0)
    end = finished(model=record(corpus_title=says), samples=(says,) * 3, notes=(says,) * 3)
    for last in (sample, end, Failed(problem="It failed.", remedy="Try again.")):
        view = TrainingState.of([Started(worker=says), progress(), sample, last])
        for embed in (
            embeds.training(job, view, embeds.CardContext(machines=(says,))),
            embeds.plain_end(job, view),
            embeds.outage(job),
            embeds.channel_gone(job, kept=True),
            embeds.end_without_channel(embeds.training(job, view, embeds.CardContext()), job, view),
            embeds.samples(job, view, NOT_BLOCKED),
            model_embeds.model_info(end.model, current=True, prefix="!", facts=(("Rights", says),), no_picture=says),
        ):
            assert len(embed) <= 6_000
            for text in (embed.description, *(field.value for field in embed.fields)):
                require_in_place(text or "")
            for text in (embed.title, *(field.name for field in embed.fields)):
                require_in_place(text or "", inline=True)
                assert len(text or "") <= 256


test_saved_texts, test_any_text = both_tests("texts", cases, carry_out)
