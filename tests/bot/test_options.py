"""Options as people type them."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from discord.ext import commands

from bot.options.options import Options, number
from bot.train.cog import Training
from bot.train.options import TrainFlags
from bot.write.cog import CompareFlags, GenerateFlags, Writing
from shared.errors import UserError
from tests.bot.typed import typed


class Strict(Options):
    source: str | None = commands.flag(positional=True, default=None)
    epochs: int | None = commands.flag(default=None)
    random_seed: int | None = commands.flag(default=None)
    keep_licence: bool = commands.flag(default=False)


class Prose(Strict):
    free_text = True
    source: str | None = commands.flag(positional=True, default=None)


def test_words_before_the_first_option_are_the_positional_part() -> None:
    assert Strict.parse_flags("the monster --epochs 3") == {"source": ["the monster"], "epochs": ["3"]}


@pytest.mark.parametrize("typed", ["--random-seed 7", "--random_seed 7", "--Random-Seed 7"])
def test_names_may_be_typed_with_dashes(typed: str) -> None:
    assert Strict.parse_flags(f"x {typed}") == {"source": ["x"], "random_seed": ["7"]}


@pytest.mark.parametrize(
    ("typed", "value"),
    [("--keep-licence", "yes"), ("--keep-licence no", "no"), ("--keep-licence --epochs 3", "yes")],
)
def test_a_switch_needs_no_value(typed: str, value: str) -> None:
    assert Strict.parse_flags(f"x {typed}")["keep_licence"] == [value]


def test_a_switch_may_come_first() -> None:
    assert Strict.parse_flags("--keep-licence the monster --epochs 2") == {
        "source": ["the monster"],
        "keep_licence": ["yes"],
        "epochs": ["2"],
    }


def test_a_mistyped_option_is_refused_with_the_near_one() -> None:
    with pytest.raises(UserError, match="Did you mean `--epochs`"):
        Strict.parse_flags("frankenstein --epohcs 3")


def test_a_mistyped_option_after_another_is_refused_too() -> None:
    with pytest.raises(UserError, match="Did you mean `--random-seed`"):
        Strict.parse_flags("frankenstein --epochs 3 --randomseed 4")


def test_an_option_that_nothing_resembles_is_refused_with_the_list() -> None:
    with pytest.raises(UserError, match="`--epochs`, `--random-seed`, `--keep-licence`"):
        Strict.parse_flags("frankenstein --zzz")


PROSE = ["he said--and left", "a -- b", "-- and left", "a --- b", "the sea \u2014temp 5", "--5 degrees", "plain"]


@pytest.mark.parametrize("text", PROSE)
def test_dashes_in_prose_are_prose(text: str) -> None:
    assert Prose.parse_flags(text) == {"source": [text]}


@pytest.mark.parametrize("line", ["the monster --randomseed 3", "--whatever he said", "the sea --temp 0.5"])
def test_an_unknown_option_is_refused_in_prose_too(line: str) -> None:
    with pytest.raises(UserError) as caught:
        Prose.parse_flags(line)
    name = re.findall("--[a-z]+", line)[0]
    assert f"no option `{name}`" in caught.value.problem
    assert f"write `\\{name}`" in caught.value.remedy


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("the sea \\--temp 0.5", "the sea --temp 0.5"),
        ("\\--epochs 3", "--epochs 3"),
        ("a \\-- b \\o/", "a \\-- b \\o/"),
    ],
)
def test_a_backslash_makes_an_option_words(line: str, words: str) -> None:
    assert Prose.parse_flags(f"{line} --random-seed 7") == {"source": [words], "random_seed": ["7"]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x --ep 3", {"epochs": ["3"]}),
        ("x --random 3", {"random_seed": ["3"]}),
        ("x --keep", {"keep_licence": ["yes"]}),
        ("x --no-keep", {"keep_licence": ["no"]}),
    ],
)
def test_the_beginning_of_a_name_is_enough(line: str, expected: dict[str, list[str]]) -> None:
    assert Prose.parse_flags(line) == {"source": ["x"], **expected}


def test_a_beginning_that_several_share_is_refused_with_them() -> None:
    with pytest.raises(UserError, match="`--top` is not clear: `--top-k` or `--top-p`"):
        GenerateFlags.parse_flags("the sea --top 3")


def test_a_whole_name_is_meant_although_another_begins_with_it() -> None:
    assert CompareFlags.parse_flags("the sea --model alice")["model"] == ["alice"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--length 500 the sea", {"length": ["500"]}),
        ("--length 500 the sea --stop line", {"length": ["500"], "stop": ["line"]}),
        ("--stop line --length 500 the sea", {"length": ["500"], "stop": ["line"]}),
        ("--model alice the sea", {"model": ["alice"]}),
        ("--mix alice:1, dracula:2 the sea", {"mix": ["alice:1, dracula:2"]}),
        ("--no-guard --top-k 5 the sea", {"guard": ["no"], "top_k": ["5"]}),
    ],
)
def test_options_may_come_first(line: str, expected: dict[str, list[str]]) -> None:
    assert GenerateFlags.parse_flags(line) == {"seed": ["the sea"], **expected}


def test_words_in_two_places_are_not_put_together() -> None:
    for line in ("the sea --length 500 and the sky", "--length 500 the sea --top-k 5 and the sky"):
        with pytest.raises(commands.BadFlagArgument):
            GenerateFlags.parse_flags(line)


def test_an_option_without_a_value_is_an_error() -> None:
    with pytest.raises(commands.MissingFlagArgument):
        Strict.parse_flags("x --epochs")


@pytest.mark.parametrize("typed", ["--epochs many", "--epochs 1.5", "--random-seed x"])
def test_a_number_that_is_none_is_named(typed: str) -> None:
    with pytest.raises(commands.BadFlagArgument) as caught:
        Strict.parse_flags(f"x {typed}")
    assert caught.value.flag.name.replace("_", "-") in typed


class Choosy(Prose):
    guard: bool | None = commands.flag(default=None)
    stop: Literal["sentence", "line"] | None = commands.flag(default=None)
    top_k: int | None = number("So many", 1, 10)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("the sea --guard", "yes"),
        ("the sea --guard no", "no"),
        ("--no-guard the sea", "no"),
        ("--guard no the sea", "no"),
        ("--guard the sea", "yes"),
    ],
)
def test_a_switch_can_be_turned_off(line: str, expected: str) -> None:
    assert Choosy.parse_flags(line) == {"source": ["the sea"], "guard": [expected]}


def test_only_a_switch_has_a_no() -> None:
    with pytest.raises(UserError, match="no option `--no-stop`"):
        Strict.parse_flags("x --no-stop")


def test_choices_may_be_typed_in_capitals() -> None:
    assert Choosy.parse_flags("x --stop Line")["stop"] == ["line"]


def test_a_value_that_is_no_choice_is_refused_with_the_choices() -> None:
    with pytest.raises(UserError, match=r"`--stop` can't be `word`\. Choose `sentence` or `line`"):
        Choosy.parse_flags("x --stop word")


async def test_limits_are_told_with_what_was_typed() -> None:
    flags = await typed(Choosy, "x --top-k 11")
    with pytest.raises(UserError, match=r"`--top-k` is 11, which is out of range\. Choose a value from 1 to 10"):
        flags.check_limits()


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
