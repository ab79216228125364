"""Cards say what a person needs, within Discord's limits, whatever the text."""

import math
from typing import Any, get_args

import discord
import pytest

from bot import words
from bot.jobs.snapshot import QueuedTraining, QueueSnapshot
from bot.train import embeds
from bot.train.cog_jobs import Row, listing
from bot.train.state import TrainingState
from bot.words import AMBER, BLURPLE, GREEN, Estimate
from bot.write import embeds as write_embeds
from galvanic.options import TrainOptions
from galvanic.results import Doing
from galvanic.units import duration
from galvanic.verdict import Verdict
from shared.blocklist import Blocklist
from shared.events import Cancelled, Event, Failed, Interrupted, Queued, Sample, Started
from shared.jobs import MixPart, ModelRef, TrainJob
from tests.factories import (
    CHANNEL,
    GUILD,
    USER,
    corpus,
    finished,
    generate_job,
    generated,
    place as place_of,
    progress,
    record,
    train_job,
)

_DOING = {"learning": "Training", "sampling": "Writing"}


def card(view: TrainingState, job: TrainJob | None = None, **around: object) -> discord.Embed:
    return embeds.training(job or train_job(), view, embeds.CardContext(**around))  # type: ignore[arg-type]


def view_of(*events: object) -> TrainingState:
    return TrainingState.of(events)  # type: ignore[arg-type]


def fields(embed: discord.Embed) -> dict[str | None, str | None]:
    return {field.name: field.value for field in embed.fields}


def test_a_queued_card_tells_the_place_in_the_queue() -> None:
    def said(**around: Any) -> str:
        return card(TrainingState(), **around).description or ""

    assert said() == "🕓 **Queued**…"
    assert said(place=0, waiting=3) == "🕓 **Queued**: next in line."
    assert said(place=0, waiting=1, begins=Estimate(0, True)) == "🕓 **Queued**: next in line, begins in a moment."
    assert said(place=1, waiting=5, begins=Estimate(680, True)) == (
        "🕓 **Queued**: 2nd of 5 waiting, begins in about 11 min."
    )
    assert said(place=10, waiting=11, begins=Estimate(7_200, False)) == (
        "🕓 **Queued**: 11th of 11 waiting, begins in at most 2 h."
    )


STARTED, AGAIN = Started(worker="w"), Started(worker="w", resumed=True)


@pytest.mark.parametrize(
    ("events", "around", "said"),
    [
        *(([progress(doing=doing)], {}, f"**{_DOING.get(doing, doing.capitalize())}**") for doing in get_args(Doing)),
        ([progress(), Interrupted()], {}, "was saved and resumes"),
        ([STARTED, Interrupted()], {}, "it waits for a worker, and begins again"),
        ([progress(), Interrupted(text_changed=True)], {}, "it waits for a worker, and begins again"),
        ([progress(), Interrupted(), AGAIN], {}, "📖 **Reading** the text again, to go on from the last"),
        ([STARTED, progress()], {"control": "finish"}, "🏁 **Finishing**"),
        ([STARTED, progress()], {"control": "cancel"}, "🛑 **Cancelling**"),
        ([Queued()], {}, "🕓 **Queued**…"),
        ([Queued(), STARTED], {}, "📖 **Reading** the text and getting ready…"),
        ([Queued(), Cancelled(), STARTED, finished()], {}, "Nothing was kept."),  # nothing changes after the end
        ([], {"worker_there": False}, "No worker is running"),
        ([], {"worker_there": False}, "make run"),
        ([Failed(problem="Too short.", remedy="Send more.")], {}, "Too short.\nSend more."),
    ],
)
def test_a_card_says_how_its_training_is(events: list[Event], around: dict[str, Any], said: str) -> None:
    assert said in (card(view_of(*events), **around).description or "")


@pytest.mark.parametrize(
    ("events", "around", "name", "value"),
    [
        ([progress(eta_s=None)], {}, "Time left", "estimating…"),
        ([progress(eta_s=0.4)], {}, "Time left", "a moment"),
        ([STARTED, progress(step=7), Interrupted(), AGAIN], {}, "Step", "7 of 100"),
        ([progress()], {"control": "finish"}, "Time left", "a moment"),
        ([progress()], {}, "Epoch", "2"),  # where time decides no number of epochs is promised
        ([], {}, "How", "character by character · to be named `kept` · at most 8 minutes"),
        ([progress(), Sample(epoch=1, text="old"), Sample(epoch=2, text="new")], {}, "Sample after epoch 2", "> new"),
        (
            [STARTED, Sample(epoch=0, text="soon", by="both")],
            {},
            "Sample before training, by the starter and letter counts",
            "> soon",
        ),
        ([Sample(epoch=1, text="half", midway=True)], {}, "Sample in epoch 1", "> half"),
        ([Sample(epoch=3, text="mixed", by="both")], {}, "Sample after epoch 3", "> mixed"),
    ],
)
def test_a_card_shows_figures(events: list[Event], around: dict[str, object], name: str, value: str) -> None:
    context = embeds.CardContext(**around)  # type: ignore[arg-type]
    shown = fields(embeds.training(train_job(options=TrainOptions(minutes=8, name="kept")), view_of(*events), context))
    assert shown[name] == value


@pytest.mark.parametrize(
    ("options", "how"),
    [
        (TrainOptions(minutes=180, epochs=1), "1 epoch"),
        (TrainOptions(minutes=1, epochs=9), "9 epochs · at most 1 minute"),
        (TrainOptions(minutes=1), "at most 1 minute"),
    ],
)
def test_before_it_begins_a_card_tells_what_will_be_used(options: TrainOptions, how: str) -> None:
    context = embeds.CardContext(most_minutes=180)
    shown = fields(embeds.training(train_job(options=options), TrainingState(), context))
    assert shown["How"] == f"character by character · {how}"
    assert shown["Text"] == "12,345 characters"


def test_a_card_does_not_tell_the_name_of_a_members_own_model() -> None:
    job = train_job(options=TrainOptions(name="diary"), author_id=USER)
    assert "diary" not in str(card(view_of(progress()), job).to_dict())


def test_a_card_names_the_language_of_its_text() -> None:
    job = train_job(corpus=corpus(language="fi"))
    assert card(TrainingState(), job).footer.text == "char, 12,345 characters, Finnish, training t-1"
    learned = finished(model=record(corpus=corpus(language="fr")))  # a chat's is found out by the worker
    assert card(view_of(learned)).footer.text == "char, 12,345 characters, French, training t-1"


def test_a_training_card_shows_bar_epoch_step_losses_and_time() -> None:
    job = train_job(options=TrainOptions(epochs=4))
    embed = embeds.training(job, view_of(Started(worker="w"), progress()), embeds.CardContext())
    assert "38 %" not in (embed.description or "")
    assert f"{math.floor(100 * (1 + 0.5) / 4)} %" in (embed.description or "")
    shown = fields(embed)
    assert shown["Epoch"] == "2 of 4"
    assert shown["Step"] == "50 of 100"
    assert shown["Time left"] == "1 min 15 s"
    assert shown["Unseen text"] == "2.74 bits per character, lower is better"
    assert "nats" not in str(embed.to_dict())


def test_a_training_card_shows_one_measure_from_its_first_sample_to_its_end() -> None:
    first = Sample(epoch=0, text="the sea", heldout_loss=1.1)
    learning = [progress(train_loss=3.7, heldout_loss=None), progress(train_loss=1.3, heldout_loss=1.0)]
    for events, bits in (([], "…"), ([first, learning[0]], "1.59"), ([first, *learning], "1.44")):
        shown = fields(card(view_of(*(events or [learning[0]]))))
        assert (shown["Unseen text"] or "").split()[0] == bits
        assert not {"Training loss", "Its own text"} & set(shown)
    classic = train_job(options=TrainOptions(recipe="classic"))
    shown = fields(embeds.training(classic, view_of(learning[0]), embeds.CardContext()))
    assert (shown["Its own text"] or "").startswith("5.34 bits")


def test_a_card_tells_how_in_plain_words() -> None:
    parent = ModelRef(model_id="m1", name="frankenstein")
    options = TrainOptions(recipe="word", epochs=1, layers=2, units=512, dropout=0.4, learning_rate=0.002, batch=64)
    job = train_job(parent=parent, options=options)
    for view in (TrainingState(), view_of(progress())):
        said = fields(embeds.training(job, view, embeds.CardContext()))["How"]
        assert said == (
            "word by word · continues `frankenstein` · 1 epoch · 2 layers · 512 units in each layer · "
            "dropout 0.4 · batch 64 · learning rate 0.002"
        )
    starts = [embeds.how(train_job(options=TrainOptions(start=start)), math.inf) for start in ("starter", "none")]
    assert starts == [
        "character by character · starts from the starter",
        "character by character · starts from scratch",
    ]


@pytest.mark.parametrize(
    ("end", "name", "value"),
    [
        ({}, "Sample 1", "> one"),
        ({}, "Sample 2", "> two"),
        ({"notes": ("It recites.",)}, "Worth knowing", "It recites."),
        ({"model": record(parent="frankenstein")}, "Started from", "`frankenstein`"),
        ({"model": record(parent="starter")}, "Started from", "the starter"),
        ({}, "Started from", "scratch"),
        ({"model": record(parent="frankenstein")}, "Training", "3 epochs with the models before it, 1 min 05 s"),
        ({"stopped": "done"}, "Training", "3 epochs, 1 min 05 s"),
        ({"stopped": "early"}, "Training", "3 epochs, 1 min 05 s, stopped when unseen text got no better"),
        ({"stopped": "time"}, "Training", "3 epochs, 1 min 05 s, stopped by the time limit"),
        ({"stopped": "finish"}, "Training", "3 epochs, 1 min 05 s, finished on request"),
    ],
)
def test_the_finished_card_tells_how_it_went_below_a_curve(end: dict[str, Any], name: str, value: str) -> None:
    embed = card(view_of(finished(**end)))
    assert fields(embed)[name] == value
    assert embed.image.url == "attachment://loss.png"


@pytest.mark.parametrize(
    ("kind", "colour"), [("begun", AMBER), ("words", BLURPLE), ("reads", GREEN), ("recites", AMBER), (None, BLURPLE)]
)
def test_the_finished_card_begins_with_its_verdict_and_is_green_only_when_earned(
    kind: Any, colour: discord.Colour
) -> None:
    told = Verdict(train_loss=1.0, heldout_loss=1.19, copy_share=0.123, kind=kind, step="longer")
    embed = card(view_of(finished(model=record(verdict=told))))
    assert embed.colour == colour
    lines = (embed.description or "").splitlines()
    if kind:
        assert lines.pop(0) == f"**{told.headline}**"
    assert lines == [
        "`tides` is now this channel's model. Try `!generate`, with words to begin with or without. "
        "`!train more` trains it further.",
        "It can be used in this channel alone; `!model share tides server` lets the whole server use it.",
    ]
    assert told.figures.items() <= fields(embed).items()


@pytest.mark.parametrize("other", [{"replaces": "m0"}, {"owner_id": 5}, {"parent_origins": (99,)}])
def test_the_finished_card_offers_to_share_only_what_its_reader_can_share(other: dict[str, Any]) -> None:
    embed = card(view_of(finished()), train_job(**other))
    assert "lets the whole server use it" not in (embed.description or "")


def test_samples_on_cards_show_nothing_of_the_blocklist() -> None:
    fit = Blocklist(("whale",)).mask
    live = card(view_of(progress(), Sample(epoch=1, text="a whale")), fit=fit)
    end = card(view_of(finished(samples=("the whale", "x", "y"), notes=("A whale again.",))), fit=fit)
    all_of_it = embeds.samples(train_job(), view_of(Sample(epoch=1, text="whale!")), fit)
    for embed in (live, end, all_of_it):
        assert "whale" not in str(embed.to_dict())
        assert "█████" in str(embed.to_dict())


def test_samples_are_first_newest_and_some_between() -> None:
    view = view_of(*(Sample(epoch=n, text=f"text {n}.", heldout_loss=2.0) for n in range(1, 40)))
    said = embeds.samples(train_job(), view, str).description or ""
    assert said.startswith("**After epoch 1** · 2.89 bits per character\n> text 1")
    assert said.count("**After epoch") == 7
    assert said.endswith("> text 39.")


def standing(job_id: str, place: int | None = None, guild_id: int = GUILD, **fields: object) -> QueuedTraining:
    job = train_job(job_id=job_id, place=place_of(guild_id=guild_id))
    return QueuedTraining(**{"job": job, "card": (CHANNEL, 5), "place": place, **fields})  # type: ignore[arg-type]


def test_the_list_of_jobs() -> None:
    running = standing("t-1", None, progress=progress(), ends=Estimate(130, True))
    theirs = standing("t-2", 0, GUILD + 1)
    mine = standing("t-3", 1, begins=Estimate(200, True))
    hidden = standing("t-4", 2, begins=Estimate(300, True))
    snapshot = QueueSnapshot((running, theirs, mine, hidden))
    rows = [Row(running, False, True), Row(mine, True, True), Row(hidden, False, False)]
    embed = listing(rows, snapshot, GUILD, "?")
    card_link = f"https://discord.com/channels/{GUILD}/{CHANNEL}/5"
    assert (embed.description or "").split("\n") == [
        f"🧠 **The Book of Tides** · <@{USER}>",
        f"37 %, about 2 min left · `t-1` · [card]({card_link})",
        f"🕓 ⭐ **The Book of Tides** · <@{USER}>",
        f"2nd of 3 waiting, begins in about 3 min · `t-3` · [card]({card_link})",
        "🕓 A training in another channel",
        "3rd of 3 waiting, begins in about 5 min",
    ]
    assert embed.footer.text == "1 training in other servers · ⭐ yours: ?cancel TRAINING, ?finish TRAINING"
    assert "?train" in (listing([], QueueSnapshot(()), GUILD, "?").description or "")


def test_a_long_list_of_jobs_fits_discord() -> None:
    many = [standing(f"t-{n}", n, begins=Estimate(60, True)) for n in range(200)]
    embed = listing([Row(one, True, True) for one in many], QueueSnapshot(tuple(many)), GUILD, "!")
    assert len(embed.description or "") <= 4_096
    assert " more." in (embed.description or "")


def test_spans_read_like_speech() -> None:
    spans = [words.about(seconds) for seconds in (0, 59, 61, 5_900, 6_100, 10_800)]
    assert spans == ["under a minute", "under a minute", "about 1 min", "about 98 min", "about 1.7 h", "about 3 h"]


def test_generated_text_stands_after_its_seed_and_can_be_had_again() -> None:
    embed = write_embeds.generated(generate_job(), generated())
    assert embed.description == "**the sea** was calm"
    assert "random seed 7" in (embed.footer.text or "")


@pytest.mark.parametrize(
    ("chosen", "shown"), [({}, ""), ({"top_k": 40}, "top-k 40 · min-p 0.05 · "), ({"min_p": 0.1}, "min-p 0.1 · ")]
)
def test_a_models_own_min_p_is_named_only_beside_a_limit_that_was_chosen(chosen: dict[str, Any], shown: str) -> None:
    footer = write_embeds.generated_footer(generate_job(**chosen), generated(min_p=0.05))
    assert footer == f"tides · temperature 0.8 · {shown}random seed 7 · 0.20 s"


def test_a_text_of_several_voices_names_them_with_their_shares() -> None:
    mix = (MixPart(model_id="m1", name="tides", weight=2.1), MixPart(model_id="m2", name="alice", weight=0.9))
    job = generate_job(mix=mix, top_k=40, min_p=0.05, guard=False)
    embed = write_embeds.generated(job, generated())
    assert embed.footer.text == (
        "tides 70 % + alice 30 % · temperature 0.8 · top-k 40 · min-p 0.05 · loop guard off · random seed 7 · 0.20 s"
    )


def test_durations_read_like_speech() -> None:
    assert [duration(s) for s in (0, 48, 65, 4_800)] == ["0 s", "48 s", "1 min 05 s", "1 h 20 min"]


def test_the_bar_never_overflows() -> None:
    assert words.bar(-1) == "░" * 20
    assert words.bar(0.5) == "█" * 10 + "░" * 10
    assert words.bar(7) == "█" * 20
