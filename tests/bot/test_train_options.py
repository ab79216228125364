"""What `train` makes of its options."""

from __future__ import annotations

from typing import Any

import pytest
from discord.ext import commands
from pydantic import ValidationError

from bot.errors import shown
from bot.train import options as train_options
from bot.train.options import TrainFlags
from galvanic.errors import UserError
from galvanic.options import TrainOptions
from shared import corpora
from shared.settings import Settings
from tests.bot.typed import typed
from tests.factories import record


async def options(line: str, parent: Any = None) -> TrainOptions:
    flags = await typed(TrainFlags, line)
    train_options.check(flags, Settings())
    return train_options.chosen(flags, Settings(), parent)


async def test_every_option_reaches_the_job() -> None:
    made = await options(
        "harbour --recipe word --epochs 3 --minutes 2.5 --layers 2 --units 64 --embedding 16 --encoding embedding "
        "--dropout 0.25 --batch 8 --length 32 --lr 0.004 --random-seed 7 --name Mine"
    )
    network: Any = {"recipe": "word", "layers": 2, "units": 64, "embedding": 16, "encoding": "embedding"}
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


NUMBERS = [flag for flag in TrainFlags.get_flags().values() if getattr(flag.annotation, "max", None) is not None]


@pytest.mark.parametrize("flag", NUMBERS)
@pytest.mark.parametrize("side", ["min", "max"])
async def test_the_limits_are_those_of_the_job(flag: commands.Flag, side: str) -> None:
    whole = isinstance(flag.annotation.min, int)
    limit = getattr(flag.annotation, side)
    await options(f"harbour --{shown(flag)} {limit}")  # the limits themselves are fine
    beyond = limit + {"min": -1, "max": 1}[side] * (1 if whole else 0.001)
    with pytest.raises(UserError, match=f"`--{shown(flag)}` is .*out of range"):
        await options(f"harbour --{shown(flag)} {beyond}")
    with pytest.raises(ValidationError):
        TrainOptions(**{flag.attribute: beyond})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("x --recipe soup", "`--recipe` can't be `soup`"),
        ("x --encoding hot", "`--encoding` can't be `hot`"),
        ("x --encoding one-hot --embedding 8", "`--encoding one-hot` has no embedding"),
        ("x --recipe classic --embedding 8", "`--embedding` doesn't go with the recipe `classic`"),
        ("x --recipe classic --encoding embedding", "`--encoding` doesn't go with the recipe `classic`"),
        ("x --from tides --layers 2", "`--layers` can't be set"),
        ("x --from tides --units 64", "`--units` can't be set"),
        ("more --embedding 8", "`--embedding` can't be set"),
        ("more --encoding one-hot", "`--encoding` can't be set"),
        ("x --name ../x", "isn't a valid model name"),
    ],
)
async def test_contradictions_are_refused(line: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        await options(line)
    assert caught.value.remedy


async def test_one_hot_needs_no_embedding() -> None:
    assert (await options("x --encoding One-Hot")).encoding == "one-hot"


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
    assert train_options.MORE not in {entry.name for entry in corpora.catalogue()}
