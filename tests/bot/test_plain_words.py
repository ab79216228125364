"""Hostile text is shown as it is, fits Discord, cannot format or ping, and costs no time."""

import re
from typing import Any

import discord
import pytest
from hypothesis import given, strategies as st

from bot.jobs.snapshot import QueuedTraining, QueueSnapshot
from bot.models import embeds as model_embeds
from bot.train import embeds as train_embeds
from bot.train.cog_jobs import Row, listing
from bot.train.state import TrainingState
from bot.words import DESCRIPTION_LIMIT, FIELD_LIMIT, TITLE_LIMIT, clipped, plain, shorten, shorten_words, tail
from bot.write import embeds as write_embeds
from bot.write.changes import BUTTONS, hotter, temperatures_around
from playground.markdown import render, render_inline
from shared.events import Compared, ComparedText, Sample, Started, Surprised
from shared.jobs import CompareJob, GenerateJob, ModelRef, SurpriseJob
from tests.factories import (
    comparison,
    corpus,
    examples,
    finished,
    generate_job,
    generated,
    place,
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


FACTS = ("Losses", "Training", "Network", "Vocabulary", "Rights", "Goes back to")


def cards(text: str) -> list[discord.Embed]:
    """All kinds of cards, with this text wherever somebody else chooses or writes one."""
    model = record(corpus_title=text, parent="old", copy_share=0.02, shared_with=tuple(range(50)))
    job = train_job(corpus=corpus(title=text, licence=text), place=place_of())
    samples = [Sample(epoch=epoch, text=text, train_loss=1.0) for epoch in range(1, 40)]
    running = TrainingState.of([Started(worker=text), progress(), *samples])
    done = running.after(finished(model=model, samples=(text,) * 3, notes=(text,)))
    standing = QueuedTraining(job=job, card=(1, 2), place=None, progress=progress())
    written = generated(seed=text, text=text, notes=(text,))
    texts = (ComparedText(model_name="m1", temperature=1, text=text),) * 6
    ends: Any = [
        (CompareJob, Compared(seed=text, texts=texts, random_seed=1, seconds=1, notes=(text,)), write_embeds.compared),
        (SurpriseJob, Surprised(nats_per_char=1, chars=1, notes=(text,), seconds=1), write_embeds.surprised),
    ]
    facts = tuple((name, text) for name in FACTS)
    return [
        *(train_embeds.training(job, at, train_embeds.CardContext()) for at in (running, done)),
        train_embeds.samples(job, running, str),
        model_embeds.model_list([model], None, 0, "!"),
        model_embeds.model_info(model, current=True, prefix="!", facts=facts),
        model_embeds.model_info(model, current=False, prefix="!", no_picture=text),
        model_embeds.delete_question(model, 1, "!"),
        model_embeds.imported(model, (text,), "!"),
        listing([Row(standing, False, True)], QueueSnapshot((standing,)), 1, "!"),
        write_embeds.generated(generate_job(seed=text), written, beginning=True),
        *(show(next(one for one, _ in examples() if isinstance(one, kind)), end) for kind, end, show in ends),
    ]


EVIL = "Alice](https://evil.example/x) [by"


@pytest.mark.parametrize("evil", [EVIL, "||evil||", "```py\nevil", "# evil", "@everyone evil"])
def test_what_others_call_things_or_write_breaks_out_of_no_card(evil: str) -> None:
    """Titles, licences, samples and notes: no link of another name, spoiler, code block, heading or ping."""
    for embed in cards(evil):
        names = [embed.title or "", *(field.name or "" for field in embed.fields)]
        words = [embed.description or "", *(field.value or "" for field in embed.fields)]
        html = "".join((*(render_inline(part, _nobody) for part in names), *(render(part, _nobody) for part in words)))
        assert "evil" in html
        assert not re.search('href="https://evil|spoiler|<pre|<h1|@everyone', html), html


@pytest.mark.parametrize("text", ["*" * 4_000, "<:gone_:123456789012345678>" * 300], ids=["marks", "emoji"])
def test_every_card_fits_discord_however_long_the_text_is(text: str) -> None:
    for embed in cards(text):
        assert len(embed) <= 6_000
        assert len(embed.title or "") <= TITLE_LIMIT
        assert len(embed.description or "") <= DESCRIPTION_LIMIT
        assert all(0 < len(field.value or "") <= FIELD_LIMIT for field in embed.fields)


def _nobody(_sigil: str, _number: int) -> None:
    return None


nasty = st.text(alphabet=st.sampled_from("*_~`|>#-[]()<@&!:. \nab█é漢😀"), max_size=1_200)


@given(st.lists(nasty, min_size=2, max_size=6))
def test_a_comparison_fits_one_embed(texts: list[str]) -> None:
    embed = write_embeds.compared(*comparison(*texts, notes=("n" * 900,)))
    assert len(embed) <= 6_000
    assert [field.name for field in embed.fields][-1] == "Worth knowing"
    assert all(0 < len(field.value or "") <= 1_024 for field in embed.fields)


@given(nasty, st.integers(1, 900))
def test_what_fits_is_a_beginning_of_the_text(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert text.startswith(short)
    assert len(plain(short)) <= limit


def test_what_is_cut_for_its_length_is_cut_at_words() -> None:
    assert shorten_words("the sea was calm", 9) == "the sea"
    assert shorten_words("the sea was calm", 7) == "the sea"
    assert tail("the sea was calm", 10) == "was calm"
    assert shorten_words("\u6f22\u5b57\u6f22\u5b57", 3) == tail("\u6f22\u6f22\u5b57\u6f22", 3) == "\u6f22\u5b57\u6f22"


@given(nasty)
def test_a_chat_answer_fits_a_message(text: str) -> None:
    said = write_embeds.chatted(generated(text=text))
    assert 0 < len(said) <= 2_000
    assert "**" not in said


def test_a_variant_that_failed_says_why() -> None:
    job, answer = comparison("good", "")
    texts = (answer.texts[0], answer.texts[1].model_copy(update={"problem": "Its files are damaged."}))
    embed = write_embeds.compared(job, answer.model_copy(update={"texts": texts}))
    assert embed.fields[1].value == "❌ Its files are damaged."


def test_covered_words_are_explained() -> None:
    embed = write_embeds.generated(generate_job(), generated(masked=True))
    assert embed.fields[0].value == "Words on this server's blocklist are covered."
    job, answer = comparison("good", "better")
    assert "blocklist" not in str(write_embeds.compared(job, answer).to_dict())
    covered = write_embeds.compared(job, answer.model_copy(update={"masked": True}))
    assert (covered.fields[-1].value or "").startswith(embed.fields[0].value)


def test_an_empty_note_makes_no_field() -> None:
    """Discord refuses an empty field, and nobody would get the text."""
    embed = write_embeds.generated(generate_job(), generated(notes=("", " ")))
    assert not embed.fields


def test_only_a_tail_is_shown_of_a_text_that_is_continued() -> None:
    embed = write_embeds.generated(generate_job(shown=3), generated())
    assert embed.description == "**… sea** was calm"


def test_a_surprise_is_told_in_bits_and_in_choices() -> None:
    job = SurpriseJob(job_id="s-1", place=place(), model=ModelRef(model_id="m", name="tides"), text="abc")
    answer = Surprised(nats_per_char=2.0794415, chars=3, most=(("z", 4.0), (" ", 3.0), ("z", 2.0)), seconds=0.1)
    embed = write_embeds.surprised(job, answer)
    assert "**3.00 bits per character** over 3 characters" in (embed.description or "")
    assert "among 8.0 equally likely characters" in (embed.description or "")
    assert embed.fields[0].value == "**z** 5.8 bits · space 4.3 bits"


@given(nasty)
def test_a_continuation_shows_an_end_of_what_it_goes_on_from(text: str) -> None:
    job = BUTTONS["continue"](generate_job(from_line=True, random_seed=3), generated(seed="", text=text))
    assert job.shown is not None
    assert text.replace("█", "").endswith(job.seed)
    assert len(job.seed) <= 1_000
    assert job.shown <= min(120, len(job.seed))
    assert (job.from_line, job.random_seed) == (False, None)


def test_temperatures_stay_in_range() -> None:
    assert hotter(generate_job(), generated(), 2).temperature == 2
    assert hotter(generate_job(), generated(), -2).temperature == 0
    kept: GenerateJob = hotter(generate_job(from_line=True, seed=""), generated(seed="█the sea"), 0.2)
    assert (kept.seed, kept.random_seed, kept.from_line) == ("the sea", 7, False)
    assert temperatures_around(0.8) == (0.4, 0.8, 1.2)
    assert temperatures_around(0) == (0.0, 0.4, 0.8)
    assert temperatures_around(2) == (1.2, 1.6, 2.0)
