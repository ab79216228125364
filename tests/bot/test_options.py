"""Options as people type them or fill them in, and what `train` makes of its own."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest
from discord import app_commands
from discord.ext import commands
from hypothesis import given, strategies as st
from pydantic import ValidationError
from redis.exceptions import ConnectionError as AwayError
from structlog.testing import capture_logs

from bot.errors import flag_name
from bot.options import autocomplete as module
from bot.options.autocomplete import choices, in_time
from bot.options.checks import shares
from bot.options.options import Options
from bot.train import options as train_options
from bot.train.options import TrainFlags
from bot.words import MOST
from bot.write.cog import GenerateFlags
from galvanic.errors import UserError
from galvanic.options import TrainOptions
from shared.corpora.catalogue import catalogue
from shared.jobs import GenerateJob
from shared.settings import Settings
from tests.bot.channels import Away
from tests.bot.ids import ADA, LAB
from tests.bot.live import Live
from tests.bot.stand_in import StandIn
from tests.bot.typed import typed
from tests.factories import record


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("the monster --epochs 3", {"source": ["the monster"], "epochs": ["3"]}),
        ("x --random-seed 7", {"source": ["x"], "random_seed": ["7"]}),
        ("x --random_seed 7", {"source": ["x"], "random_seed": ["7"]}),
        ("x --Random-Seed 7", {"source": ["x"], "random_seed": ["7"]}),
        ("x --recipe Word", {"source": ["x"], "recipe": ["word"]}),
        ("x --speakers", {"source": ["x"], "speakers": ["yes"]}),
        ("x --speakers no", {"source": ["x"], "speakers": ["no"]}),
        ("x --speakers --epochs 3", {"source": ["x"], "speakers": ["yes"], "epochs": ["3"]}),
        ("x --no-speakers", {"source": ["x"], "speakers": ["no"]}),
        ("the monster --epochs=3 --speakers=no", {"source": ["the monster"], "epochs": ["3"], "speakers": ["no"]}),
        (
            "x \u2014epochs 3 \u2014Speakers",
            {"source": ["x"], "epochs": ["3"], "speakers": ["yes"]},
        ),  # typed on a phone
        ("--speakers the monster --epochs 2", {"source": ["the monster"], "speakers": ["yes"], "epochs": ["2"]}),
    ],
)
def test_what_is_typed_becomes_options(line: str, expected: dict[str, list[str]]) -> None:
    assert TrainFlags.parse_flags(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--length 500 the sea", {"length": ["500"]}),
        ("--length 500 the sea --stop line", {"length": ["500"], "stop": ["line"]}),
        ("--stop line --length 500 the sea", {"length": ["500"], "stop": ["line"]}),
        ("--model alice the sea", {"model": ["alice"]}),
        ("--mix alice:1, dracula:2 the sea", {"mix": ["alice:1, dracula:2"]}),
        ("--no-guard --top-k 5 the sea", {"guard": ["no"], "top_k": ["5"]}),
        ("the sea --guard", {"guard": ["yes"]}),
        ("--guard no the sea", {"guard": ["no"]}),
        ("--guard the sea", {"guard": ["yes"]}),
    ],
)
def test_options_may_come_first(line: str, expected: dict[str, list[str]]) -> None:
    assert GenerateFlags.parse_flags(line) == {"seed": ["the sea"], **expected}


@pytest.mark.parametrize(
    "text",
    [
        "he said--and left",
        "a -- b",
        "-- and left",
        "a --- b",
        "the sea \u2014temp 5",
        "he\u2014length unknown",
        "--5 degrees",
        "plain",
    ],
)
def test_dashes_in_prose_are_prose(text: str) -> None:
    assert GenerateFlags.parse_flags(text) == {"seed": [text]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("the sea \u2014length 600 \u2014stop line", {"seed": ["the sea"], "length": ["600"], "stop": ["line"]}),
        ("the sea \u2014model alice", {"seed": ["the sea"], "model": ["alice"]}),
        ("a man \u2014guard dog", {"seed": ["a man \u2014guard dog"]}),
        ("he cried \u2014stop that", {"seed": ["he cried \u2014stop that"]}),
        ("the calm \u2014length of days", {"seed": ["the calm \u2014length of days"]}),
    ],
)
def test_a_phones_dash_is_an_option_where_its_value_follows(line: str, expected: dict[str, list[str]]) -> None:
    assert GenerateFlags.parse_flags(line) == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a \\\u2014model year", "a \u2014model year"),
        ("the sea \\--temp 0.5", "the sea --temp 0.5"),
        ("\\--epochs 3", "--epochs 3"),
        ("a \\-- b \\o/", "a \\-- b \\o/"),
    ],
)
def test_a_backslash_makes_an_option_words(line: str, words: str) -> None:
    assert GenerateFlags.parse_flags(f"{line} --random-seed 7") == {"seed": [words], "random_seed": ["7"]}


class WordsOnly(Options):
    words: str = commands.flag(positional=True)


@pytest.mark.parametrize(
    ("kind", "line", "said"),
    [
        (TrainFlags, "frankenstein --epochs 3 --randomseed 4", "Did you mean `--random-seed`"),
        (TrainFlags, "frankenstein --ep 3", "Did you mean `--epochs`?"),
        (TrainFlags, "frankenstein \u2014epoch 3", "Did you mean `--epochs`?"),
        (GenerateFlags, "the sea --guard=maybe", "I can't read `--guard=maybe`. Write `--guard=yes` or `=no`."),
        (GenerateFlags, "the sea --no-guard=yes", "I can't read `--no-guard=yes`"),
        (TrainFlags, "frankenstein --zzz", "`--recipe`, `--minutes`, `--epochs`"),
        (TrainFlags, "frankenstein --no-recipe", "no option `--no-recipe`"),
        (GenerateFlags, "the monster --randomseed 3", "write `\\--randomseed`"),
        (GenerateFlags, "--whatever he said", "no option `--whatever`"),
        (GenerateFlags, "x --top-k 0", "`--top-k` is 0, which is out of range. Choose a value from 1 to 1,000,000"),
        (GenerateFlags, "x --top-p nan", "`--top-p` is nan, which is out of range"),
        (WordsOnly, "x --lr 2", "It has none."),
        (TrainFlags, "x --lr 2", "`--lr` is 2, which is out of range. Choose a value from 0.00001 to 1."),
    ],
)
def test_what_cannot_be_meant_is_refused(kind: type[Options], line: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        kind.parse_flags(line)
    assert said in str(caught.value)


def test_a_comma_is_a_decimal_point() -> None:
    assert GenerateFlags.parse_flags("the sea --temperature 0,7")["temperature"] == ["0.7"]


@pytest.mark.parametrize(
    "line", ["x --epochs many", "x --minutes 1,000", "x --epochs 1.5", "x --random-seed x", "x --epochs 5 and"]
)
def test_a_number_that_is_none_is_named(line: str) -> None:
    with pytest.raises(commands.BadFlagArgument) as caught:
        TrainFlags.parse_flags(line)
    assert caught.value.flag.name.replace("_", "-") in line


def test_an_option_without_a_value_is_an_error() -> None:
    with pytest.raises(commands.MissingFlagArgument):
        TrainFlags.parse_flags("x --epochs")


async def options(line: str, parent: Any = None) -> TrainOptions:
    flags = await typed(TrainFlags, line)
    train_options.check(flags, Settings())
    return train_options.chosen(flags, Settings(), parent)


async def test_every_option_reaches_the_job() -> None:
    made = await options(
        "harbour --recipe word --epochs 3 --minutes 2.5 --layers 2 --units 64 --embedding 16 "
        "--dropout 0.25 --batch 8 --length 32 --lr 0.004 --random-seed 7 --name Mine"
    )
    network: Any = {"recipe": "word", "layers": 2, "units": 64, "embedding": 16}
    lessons: Any = {"epochs": 3, "minutes": 2.5, "dropout": 0.25, "batch": 8, "length": 32, "learning_rate": 0.004}
    assert made == TrainOptions(**network, **lessons, random_seed=7, name="mine")


async def test_from_takes_the_starter_or_nothing() -> None:
    assert (await options("harbour --from Starter")).start == "starter"
    assert (await options("harbour --from none")).start == "none"
    assert (await options("harbour --from none --recipe word --units 64")).start == "none"
    for line, said in (
        ("harbour --from starter --recipe word", "The starter is a `char` model"),
        ("harbour --from starter --units 64", "keeps its network"),
        ("more --from none", "`more` trains a model further"),
        ("harbour --name starter", "No model can be called `starter`"),
    ):
        with pytest.raises(UserError, match=said):
            await options(line)


async def test_without_options_a_char_model_learns_for_the_usual_time() -> None:
    assert await options("harbour") == TrainOptions(recipe="char", minutes=Settings().train_minutes)


@pytest.mark.parametrize("line", ["harbour --epochs 2", "harbour --recipe classic"])
async def test_a_training_that_is_not_timed_has_the_longest_time(line: str) -> None:
    assert (await options(line)).minutes == Settings().train_max_minutes


NUMBERS = [
    flag
    for flag in TrainFlags.get_flags().values()
    # The operator sets the most epochs (`TRAIN_MAX_EPOCHS`).
    if getattr(flag.annotation, "max", None) is not None and flag.attribute != "epochs"
]


@pytest.mark.parametrize("flag", NUMBERS)
@pytest.mark.parametrize("side", ["min", "max"])
async def test_the_limits_are_those_of_the_job(flag: commands.Flag, side: str) -> None:
    whole = isinstance(flag.annotation.min, int)
    limit = getattr(flag.annotation, side)
    await options(f"harbour --{flag_name(flag)} {limit}")  # the limits themselves are fine
    beyond = limit + {"min": -1, "max": 1}[side] * (1 if whole else 0.001)
    with pytest.raises(UserError, match=f"`--{flag_name(flag)}` is .*out of range"):
        await options(f"harbour --{flag_name(flag)} {beyond}")
    with pytest.raises(ValidationError):
        TrainOptions(**{flag.attribute: beyond})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("x --recipe soup", "`--recipe` can't be `soup`"),
        ("x --recipe classic --embedding 8", "`--embedding` doesn't go with the recipe `classic`"),
        ("x --from tides --layers 2", "`--layers` can't be set"),
        ("x --from tides --units 64", "`--units` can't be set"),
        ("more --embedding 8", "`--embedding` can't be set"),
        ("x --name ../x", "isn't a valid model name"),
    ],
)
async def test_contradictions_are_refused(line: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        await options(line)
    assert caught.value.remedy


async def test_a_model_goes_on_in_its_own_recipe() -> None:
    assert (await options("x --from tides", record(recipe="word"))).recipe == "word"
    assert (await options("x --from tides --recipe word", record(recipe="word"))).recipe == "word"
    with pytest.raises(UserError, match="`tides` is a `word` model and can't be trained further as `char`"):
        await options("x --from tides --recipe char", record(recipe="word"))


async def test_more_learns_as_before_but_for_what_is_chosen_anew() -> None:
    before = TrainOptions(epochs=9, layers=2, units=64, dropout=0.25, batch=8, learning_rate=0.004, random_seed=7)
    made = await options("more --batch 16 --epochs 2", record(options=before))
    assert made == TrainOptions(
        epochs=2, minutes=Settings().train_max_minutes, dropout=0.25, batch=16, learning_rate=0.004
    )


async def test_another_text_is_learned_in_the_usual_way() -> None:
    made = await options("x --from tides", record(options=TrainOptions(dropout=0.25)))
    assert made.dropout is None


def test_no_text_of_the_catalogue_is_called_more() -> None:
    assert train_options.MORE not in {entry.name for entry in catalogue()}


# ---------------------------------------------------------------------- shares, and fields of slash commands


@pytest.mark.parametrize("typed", ["a:0.7,b:0.3", "a:0.7, b:0.3", " A : 0.7 ,B:0.3 "])
def test_names_and_shares(typed: str) -> None:
    assert shares(typed) == {"a": 0.7, "b": 0.3}


def test_without_shares_the_shares_are_equal() -> None:
    assert shares("a, b,c") == {"a": 1.0, "b": 1.0, "c": 1.0}


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("a", "names only one"),
        (",".join("abcdefghi"), "names 9; it takes 2 to 8"),
        ("a,", "names only one"),
        (":1,b", "`:1` in `--mix` isn't a model with a usable share"),
        ("a:1,b", "`b` has no share"),
        ("a:0,b:1", "`a:0` in `--mix` isn't a model with a usable share"),
        ("a:1,b:-1", "`b:-1` in `--mix`"),
        ("a:1,b:nan", "usable share"),
        ("a:1,b:1e9", "usable share"),
        ("a:1,b:1001", "usable share"),
        ("a:1,b:", "usable share"),
        ("a:1,b:1 the monster", "`b:1 the monster` in `--mix`"),
        ("a,A", "names `a` twice"),
    ],
)
def test_the_part_that_is_wrong_is_named(typed: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        shares(typed)
    assert caught.value.remedy


@given(st.text(max_size=60))
def test_nothing_that_can_be_typed_breaks_it(typed: str) -> None:
    try:
        weights = shares(typed)
    except UserError:
        return
    assert len(weights) >= 2
    assert all(name and 0 < weight <= 1_000 for name, weight in weights.items())


def offered(live: Live, command: str) -> dict[str, dict[str, Any]]:
    entry = next(one for one in live.acts.commands(ADA, LAB) if one["name"] == command)
    return {option["name"]: option for option in entry["options"]}


async def test_every_option_is_a_field_with_its_limits(live: Live) -> None:
    train, generate = offered(live, "train"), offered(live, "generate")
    assert set(train) == {"file", *TrainFlags.get_flags()}
    assert set(generate) == set(GenerateFlags.get_flags())
    assert [choice["value"] for choice in train["recipe"]["choices"]] == ["char", "word", "classic"]
    assert train["minutes"]["min_value"] == 0.1
    assert train["epochs"]["min_value"] == 1
    assert (generate["temperature"]["min_value"], generate["temperature"]["max_value"]) == (0.0, 2.0)
    length = offered(live, "compare")["length"]
    assert (length["min_value"], length["max_value"]) == (1, 800)


@pytest.mark.parametrize(("option", "value"), [("epochs", "many"), ("minutes", "x"), ("recipe", "soup")])
async def test_what_a_field_does_not_take_is_said_plainly(live: Live, option: str, value: str) -> None:
    with pytest.raises(UserError, match=f"{option} can't be that") as caught:
        live.slash("ada", "train", **{option: value})
    assert caught.value.remedy
    assert "canonical" not in str(caught.value)


async def test_what_fields_have_is_what_is_asked_for(live: Live, worker: StandIn) -> None:
    live.slash("ada", "generate", seed="the sea", length="40", top_k="5", guard=False)
    job = await live.job(await worker.asked(live), GenerateJob)
    assert (job.seed, job.length, job.top_k, job.guard) == ("the sea", 40, 5, False)


# ---------------------------------------------------------------------- choices

LONG = "x" * 100


def test_choices_are_those_that_discord_takes() -> None:
    numbered = (f"x{number}" for number in range(40))
    known: list[str | tuple[str, str]] = ["", LONG, f"{LONG}x", (f"#{LONG}", "7"), ("no value", ""), *numbered]
    offered = choices(known, " X ")
    assert len(offered) == MOST
    assert [(len(choice.name), choice.value) for choice in offered[:2]] == [(100, LONG), (100, "7")]
    assert all(1 <= len(choice.name) <= 100 and 1 <= len(choice.value) <= 100 for choice in offered)


async def offer(*names: str) -> list[app_commands.Choice[str]]:
    return choices(names, "")


async def silent() -> list[app_commands.Choice[str]]:
    await asyncio.sleep(3_600)
    return []


async def test_an_outage_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OFFERED_S", 0.05)
    for found in (AsyncMock(side_effect=AwayError), silent):
        with capture_logs() as logs:
            assert await in_time(found)() == []
        assert [entry["event"] for entry in logs] == ["no_choices_offered"]
    assert [choice.value for choice in await in_time(offer)("a")] == ["a"]


async def choices_of(live: Live, command: str, option: str, typed: str = "") -> list[str]:
    found = await live.acts.autocomplete(ADA, LAB, command, option, typed, {})
    return [choice["value"] for choice in found]


@pytest.mark.parametrize(
    ("command", "option"), [("generate", "model"), ("train", "from"), ("model share", "name"), ("cancel", "training")]
)
async def test_every_offer_that_asks_redis_survives_its_outage(
    live: Live, command: str, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    Away(live).gone = True
    assert set(await choices_of(live, command, option)) <= {"starter", "none"}  # which are no models of Redis'
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_the_sources_of_train_are_offered(live: Live) -> None:
    assert "frankenstein" in await choices_of(live, "train", "source", "frank")
