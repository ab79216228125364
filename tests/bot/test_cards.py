"""Cards say what a person needs, within Discord's limits, whatever the text."""

from __future__ import annotations

import math

import discord
from hypothesis import given
from hypothesis import strategies as st

from bot import cards
from bot.jobview import JobView
from shared.errors import UserError
from shared.events import Failed, Generated, Interrupted, Sample, Started
from shared.jobs import MixPart, ModelRef, TrainOptions
from tests.factories import corpus, finished, generate_job, progress, record, train_job


def card(view: JobView, *, worker_there: bool = True, position: int | None = None) -> discord.Embed:
    return cards.training(train_job(), view, worker_there=worker_there, position=position, prefix="!")


def view_of(*events: object) -> JobView:
    view = JobView()
    for event in events:
        view.apply(event)  # type: ignore[arg-type]
    return view


def fields(embed: discord.Embed) -> dict[str | None, str | None]:
    return {field.name: field.value for field in embed.fields}


def test_a_queued_card_tells_the_place_in_the_queue() -> None:
    assert "next in line" in (card(JobView(), position=0).description or "")
    assert "3 before it" in (card(JobView(), position=3).description or "")


def test_a_card_without_a_worker_says_so_and_what_to_do() -> None:
    description = card(JobView(), worker_there=False).description or ""
    assert "No worker is running" in description
    assert "make run" in description


def test_a_training_card_shows_bar_epoch_step_losses_and_time() -> None:
    embed = card(view_of(Started(worker="w"), progress()))
    assert "38 %" not in (embed.description or "")
    assert f"{math.floor(100 * (1 + 0.5) / 4)} %" in (embed.description or "")
    shown = fields(embed)
    assert shown["Epoch"] == "2 of 4"
    assert shown["Step"] == "50 of 100"
    assert shown["Time left"] == "1 min 15 s"
    assert shown["Training loss"] == "1.800 nats (2.60 bits)"
    assert shown["Held-out loss"] == "1.900 nats (2.74 bits)"


def test_the_newest_sample_is_shown() -> None:
    embed = card(view_of(progress(), Sample(epoch=1, text="old"), Sample(epoch=2, text="new")))
    assert fields(embed)["It writes, after epoch 2"] == "> new"


def test_an_interrupted_card_says_that_nothing_is_lost() -> None:
    assert "saved its place" in (card(view_of(progress(), Interrupted())).description or "")


def test_the_finished_card_has_curve_and_three_samples() -> None:
    embed = card(view_of(finished(notes=("It recites.",))))
    assert embed.image.url == "attachment://loss.png"
    shown = fields(embed)
    assert [shown[f"Sample {n}"] for n in (1, 2, 3)] == ["> one", "> two", "> three"]
    assert shown["Worth knowing"] == "It recites."


def test_a_card_tells_how_in_plain_words() -> None:
    parent = ModelRef(model_id="m1", name="frankenstein")
    options = TrainOptions(
        recipe="word", epochs=1, layers=2, units=512, encoding="one-hot", dropout=0.4, learning_rate=0.002, batch=64
    )
    job = train_job(parent=parent, options=options)
    for view in (JobView(), view_of(progress())):
        said = fields(cards.training(job, view, worker_there=True, position=None, prefix="!"))["How"]
        assert said == (
            "word by word · goes on from `frankenstein` · 1 epoch · 2 layers · 512 units in each layer · "
            "one-hot encoding · dropout 0.4 · batch 64 · learning rate 0.002"
        )


def test_a_card_without_options_tells_recipe_and_time() -> None:
    job = train_job(options=TrainOptions(minutes=8))
    shown = fields(cards.training(job, JobView(), worker_there=True, position=None, prefix="!"))
    assert shown["How"] == "character by character · at most 8 minutes"


def test_the_finished_card_tells_where_it_came_from_and_what_it_copied() -> None:
    shown = fields(card(view_of(finished(model=record(parent="frankenstein", copy_share=0.123)))))
    assert shown["Went on from"] == "`frankenstein`"
    assert shown["Epochs"] == "3 in all"
    assert shown["Copied"] == "12 % of its samples stand word for word in the text"
    assert "Copied" not in fields(card(view_of(finished())))


def test_small_and_no_copies_are_told_truly() -> None:
    assert cards.copied(0.0).startswith("nothing of its samples")
    assert cards.copied(0.001).startswith("less than 1 %")
    assert cards.copied(1.0).startswith("100 %")


def test_a_failed_card_shows_problem_and_remedy() -> None:
    description = card(view_of(Failed(problem="Too short.", remedy="Send more."))).description
    assert description == "Too short.\nSend more."


def test_every_card_names_its_job() -> None:
    for view in (JobView(), view_of(progress()), view_of(finished()), view_of(Failed(problem="p"))):
        assert "job t-1" in (card(view).footer.text or "")


def generated(**changes: object) -> Generated:
    return Generated.model_validate(
        {"seed": "the sea", "text": " was calm", "temperature": 0.8, "random_seed": 7, "seconds": 0.2, **changes}
    )


def test_generated_text_stands_after_its_seed_and_can_be_had_again() -> None:
    embed = cards.generated(generate_job(), generated())
    assert embed is not None
    assert embed.description == "**the sea** was calm"
    assert "random seed 7" in (embed.footer.text or "")


def test_a_text_of_several_voices_names_them_with_their_shares() -> None:
    mix = (MixPart(model_id="m1", name="tides", weight=2.1), MixPart(model_id="m2", name="alice", weight=0.9))
    job = generate_job(mix=mix, top_k=40, min_p=0.05, guard=False)
    embed = cards.generated(job, generated())
    assert embed is not None
    assert embed.footer.text == (
        "tides 70 % + alice 30 % · temperature 0.8 · top-k 40 · min-p 0.05 · loop guard off · random seed 7 · 0.20 s"
    )


def test_generated_text_cannot_mention_or_format() -> None:
    embed = cards.generated(generate_job(), generated(text="@everyone <@123> **bold** ||spoiler||"))
    assert embed is not None
    description = (embed.description or "").removeprefix("**the sea**")
    assert "@everyone" not in description
    assert "\\<@123>" in description
    assert "**bold**" not in description


def test_text_too_long_for_an_embed_is_left_to_a_file() -> None:
    assert cards.generated(generate_job(), generated(text="*" * 4_000)) is None


@given(title=st.text(min_size=1, max_size=60), samples=st.lists(st.text(max_size=3_000), min_size=3, max_size=3))
def test_cards_fit_discord_whatever_the_text(title: str, samples: list[str]) -> None:
    view = view_of(finished(samples=tuple(samples), model=record(corpus_title=title), notes=("x" * 2_000,)))
    job = train_job(corpus=corpus(title=title))
    embed = cards.training(job, view, worker_there=True, position=None, prefix="!")
    assert len(embed) <= 6_000
    assert len(embed.description or "") <= 4_096
    assert all(len(field.value or "") <= 1_024 for field in embed.fields)
    assert len(embed.title or "") <= 256


def test_durations_read_like_speech() -> None:
    assert [cards.duration(s) for s in (0, 48, 65, 4_800)] == ["0 s", "48 s", "1 min 05 s", "1 h 20 min"]


def test_the_bar_never_overflows() -> None:
    assert cards.bar(-1) == "░" * 20
    assert cards.bar(0.5) == "█" * 10 + "░" * 10
    assert cards.bar(7) == "█" * 20


def test_errors_show_both_sentences() -> None:
    assert cards.error(UserError("Bad.", "Mend it.")).description == "❌ **Bad.**\nMend it."
