"""Hostile text is shown as it is, and costs no time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from bot.jobs.snapshot import QueuedTraining, QueueSnapshot
from bot.models import embeds as model_embeds
from bot.train import embeds as train_embeds
from bot.train.cog_jobs import Row, listing
from bot.train.state import TrainingState
from bot.words import TITLE_LIMIT, clipped, plain, shorten
from bot.write import embeds as write_embeds
from playground.markdown import render, render_inline
from shared.blocklist import Blocklist
from shared.events import Compared, ComparedText, Sample, Started, Surprised
from shared.jobs import CompareJob, SurpriseJob
from tests.factories import (
    corpus,
    examples,
    finished,
    generate_job,
    generated,
    place as place_of,
    progress,
    record,
    train_job,
)

PIECES = [
    *"*_~|`<>#()[]\\-+.:!@&\n ab1",
    *("**", "||", "```", "](https://evil.example/x)", "[click", "https://a_b.example/*c*"),
    *("@everyone", "<@123456789012345678>", "<t:1:R>", ":smile:"),
    *("\n# ", "\n-# ", "\n>>> ", "\n 12. ", "- "),
]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=60)
_ESCAPED = re.compile(r"\\([^0-9A-Za-z\s])")
_UNSEEN = "\u200b"
# What Discord's clients read as marks, as far as a mark can begin.
_LIVE = re.compile(
    r"[*_~|`<\\]|\]\(|://|:[\w+-]{1,64}:|(?m:^[ \t]*(?:#{1,3}[ \t]|>|-#|[-+][ \t]|\d+[.)][ \t]))|@(?:everyone|here)"
)


@given(HOSTILE)
def test_no_mark_is_left_and_no_sign_is_lost(text: str) -> None:
    shown = plain(text)
    assert not _LIVE.search(_ESCAPED.sub("§", shown))
    assert _ESCAPED.sub(r"\1", shown).replace(_UNSEEN, "") == text.replace(_UNSEEN, "")


@given(HOSTILE, st.integers(0, 80))
def test_what_is_clipped_fits_and_ends_within_no_escape(text: str, limit: int) -> None:
    shown = clipped(text, limit)
    assert len(shown) <= limit
    assert _ESCAPED.sub(r"\1", shown).replace(_UNSEEN, "") == shorten(text, limit).replace(_UNSEEN, "")


@pytest.mark.timeout(60)  # what goes wrong here takes minutes to hours
@pytest.mark.parametrize("text", ["[" * 50_000 + "](" * 50_000, ":a" * 99_999, " " * 99_999 + "x", "1" * 99_999])
def test_no_text_holds_up_the_bot(text: str) -> None:
    assert len(plain(text)) >= len(text)
    assert len(shorten(text, 4_096)) <= 4_096


def test_ordinary_prose_stays_as_it_is() -> None:
    prose = (
        "“Well!” thought Alice (to herself) - after such a fall as this. It's 12:30; No. 5 was #1, 3 > 2.\n"
        "[Illustration: the sea]\n--so said the well-read\n1850 was a year."
    )
    assert plain(prose) == prose
    assert plain("1. One\n- two\n# three [a](b)") == "1\\. One\n\\- two\n\\# three [a]\\(b)"


EVIL = "Alice](https://evil.example/x) [by"


@pytest.mark.parametrize("evil", [EVIL, "||evil||", "```py\nevil", "# evil"])
def test_what_others_call_things_or_write_breaks_out_of_no_card(evil: str) -> None:
    """Titles, licences, samples and notes: no link of another name, spoiler, code block or heading."""
    model = record(corpus_title=evil)
    job = train_job(corpus=corpus(title=evil, licence=evil), place=place_of())
    said = [Started(worker=evil), progress(), Sample(epoch=1, text=evil, train_loss=1.0)]
    running = TrainingState.of(said)
    done = TrainingState.of([*said, finished(model=model, samples=(evil,) * 3, notes=(evil,))])
    standing = QueuedTraining(job=job, card=(1, 2), place=None, progress=progress())
    written = generated(text=evil, notes=(evil,))
    texts = (ComparedText(model_name="m1", temperature=1, text=evil),) * 2
    ends = [
        (CompareJob, Compared(seed=evil, texts=texts, random_seed=1, seconds=1, notes=(evil,)), write_embeds.compared),
        (SurpriseJob, Surprised(nats_per_char=1, chars=1, notes=(evil,), seconds=1), write_embeds.surprised),
    ]
    embeds = [
        *(train_embeds.training(job, at, train_embeds.CardContext()) for at in (running, done)),
        train_embeds.samples(job, running, Blocklist(())),
        model_embeds.model_list([model], None, [1], 0, "!"),
        model_embeds.model_info(model, current=False, prefix="!", facts=(("Rights", evil),), no_picture=evil),
        model_embeds.delete_question(model, 1, "!"),
        model_embeds.imported(model, (evil,), "!", current=False),
        listing([Row(standing, False, True)], QueueSnapshot((standing,)), 1, "!"),
        write_embeds.generated_beginning(generate_job(seed=evil), written),
        *(show(next(one for one, _ in examples() if isinstance(one, kind)), end) for kind, end, show in ends),  # type: ignore[arg-type]
    ]
    for embed in embeds:
        names = [embed.title or "", *(field.name or "" for field in embed.fields)]
        words = [embed.description or "", *(field.value or "" for field in embed.fields)]
        html = "".join((*(render_inline(part, _nobody) for part in names), *(render(part, _nobody) for part in words)))
        assert "evil" in html
        assert not re.search('href="https://evil|spoiler|<pre|<h1', html), html
        assert len(embed.title or "") <= TITLE_LIMIT


def _nobody(_sigil: str, _number: int) -> None:
    return None
