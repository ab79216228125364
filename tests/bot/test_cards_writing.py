"""What was written fits Discord, shows what it should, and cannot format or ping, whatever the text."""

from __future__ import annotations

from hypothesis import given, strategies as st

from bot.words import plain, shorten, shorten_words, tail
from bot.write import embeds as write_embeds
from bot.write.changes import continued, hotter, temperatures_around
from shared.events import Surprised
from shared.jobs import GenerateJob, ModelRef, SurpriseJob
from tests.factories import comparison, generate_job, generated, place

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
    assert embed is not None
    assert embed.fields[0].value == "Words on this server's blocklist are covered."
    job, answer = comparison("good", "better")
    assert "blocklist" not in str(write_embeds.compared(job, answer).to_dict())
    covered = write_embeds.compared(job, answer.model_copy(update={"masked": True}))
    assert (covered.fields[-1].value or "").startswith(embed.fields[0].value)


def test_an_empty_note_makes_no_field() -> None:
    """Discord refuses an empty field, and nobody would get the text."""
    embed = write_embeds.generated(generate_job(), generated(notes=("", " ")))
    assert embed is not None
    assert not embed.fields


def test_only_a_tail_is_shown_of_a_text_that_is_continued() -> None:
    embed = write_embeds.generated(generate_job(shown=3), generated())
    assert embed is not None
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
    job = continued(generate_job(from_line=True, random_seed=3), text)
    assert job.shown is not None
    assert text.replace("█", "").endswith(job.seed)
    assert len(job.seed) <= 1_000
    assert job.shown <= min(120, len(job.seed))
    assert (job.from_line, job.random_seed) == (False, None)


def test_temperatures_stay_in_range() -> None:
    assert hotter(generate_job(), generated(), 2).temperature == 2
    assert hotter(generate_job(), generated(), -2).temperature == 0
    kept: GenerateJob = hotter(generate_job(from_line=True, seed=""), generated(), 0.2)
    assert (kept.seed, kept.random_seed, kept.from_line) == ("the sea", 7, False)
    assert temperatures_around(0.8) == (0.4, 0.8, 1.2)
    assert temperatures_around(0) == (0.0, 0.4, 0.8)
    assert temperatures_around(2) == (1.2, 1.6, 2.0)
