"""Options as people type them."""

from __future__ import annotations

import re

import pytest
from discord.ext import commands

from bot.options.options import Options
from bot.train.cog import Training
from bot.train.options import TrainFlags
from bot.write.cog import GenerateFlags, Writing
from galvanic.errors import UserError


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
    "text", ["he said--and left", "a -- b", "-- and left", "a --- b", "the sea \u2014temp 5", "--5 degrees", "plain"]
)
def test_dashes_in_prose_are_prose(text: str) -> None:
    assert GenerateFlags.parse_flags(text) == {"seed": [text]}


@pytest.mark.parametrize(
    ("line", "words"),
    [
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


@pytest.mark.parametrize("line", ["x --epochs many", "x --epochs 1.5", "x --random-seed x", "x --epochs 5 and more"])
def test_a_number_that_is_none_is_named(line: str) -> None:
    with pytest.raises(commands.BadFlagArgument) as caught:
        TrainFlags.parse_flags(line)
    assert caught.value.flag.name.replace("_", "-") in line


def test_an_option_without_a_value_is_an_error() -> None:
    with pytest.raises(commands.MissingFlagArgument):
        TrainFlags.parse_flags("x --epochs")


@pytest.mark.parametrize("kind", [TrainFlags, GenerateFlags])
def test_the_help_page_shows_every_option_within_discords_limits(kind: type[Options]) -> None:
    described = kind.described()
    assert sum(len(options) for _, options in described) == len(kind.get_flags())
    for heading, options in described:
        assert options, heading
        assert sum(len(name) + len(text) + 4 for name, text in options) <= 1_024


@pytest.mark.parametrize("command", [Training.train, Writing.generate])
def test_slash_commands_stay_within_discords_limits(command: commands.HybridCommand) -> None:
    assert command.app_command is not None
    parameters = command.app_command.parameters
    assert len(parameters) <= 25
    for parameter in parameters:
        assert 1 <= len(str(parameter.description)) <= 100
        assert re.fullmatch(r"[a-z_]{1,32}", parameter.display_name)


def test_what_is_chosen_among_few_is_offered_by_discord() -> None:
    assert Training.train.app_command is not None
    offered = {parameter.display_name: parameter.choices for parameter in Training.train.app_command.parameters}
    assert [choice.value for choice in offered["recipe"]] == ["char", "word", "classic"]
    assert "from" in offered
