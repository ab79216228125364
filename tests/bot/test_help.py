"""Help tells of every command, and what it says can be typed."""

import ast
import re
from pathlib import Path
from typing import Any

import discord
import pytest
from discord.ext import commands

from bot import help as pages
from bot.app import Galvanic
from bot.help import for_person
from playground.places import GUILD_ID, USER_IDS
from tests.bot.ids import ADA, CLEO, LAB
from tests.bot.live import Live
from tests.bot.offline import context

Command = commands.Command[Any, ..., Any]
ROOT = Path(__file__).parents[2]
USAGE = ROOT / "docs/usage"


def leaves(bot: commands.Bot) -> list[Command]:
    return sorted(set(bot.walk_commands()), key=lambda command: command.qualified_name)


async def test_every_command_says_what_it_does_and_how(live: Live) -> None:
    for command in leaves(live.bot):
        name = command.qualified_name
        assert 5 < len(command.description) <= 100, f"{name}: a description"
        assert command.help, f"{name}: a docstring"
        assert command.extras.get("usage", name).startswith(name), f"{name}: its usage"
        if command.clean_params:  # else the usage is the example
            assert command.extras.get("examples"), f"{name}: examples"


async def test_every_option_is_described_within_discords_limit(live: Live) -> None:
    options = [
        option
        for command in live.bot.tree.get_commands()
        for part in [command.to_dict(live.bot.tree)]
        for option in [*part.get("options", ()), *(o for p in part.get("options", ()) for o in p.get("options", ()))]
    ]
    assert options
    assert [option["name"] for option in options if not 1 <= len(option["description"]) <= 100] == []
    assert [option["name"] for option in options if not re.fullmatch(r"[a-z_0-9-]{1,32}", option["name"])] == []
    assert max(len(command.to_dict(live.bot.tree).get("options", ())) for command in live.bot.tree.get_commands()) <= 25


def named_bare(live: Live) -> re.Pattern[str]:
    """Commands in backticks without a prefix."""
    names = "|".join(command.name for command in live.bot.commands)
    return re.compile(rf"`({names})(?=[` ]|$)")


async def check_example(bot: Galvanic, command: Command, example: str) -> None:
    """Parse `example` as the words of a message that gives `command`, without its prefix."""
    names = [command.qualified_name, *command.aliases]
    name = next((name for name in names if re.match(rf"{re.escape(name)}(\s|$)", example)), None)
    assert name is not None, f"{example!r} is no example of {command.qualified_name!r}"
    ctx = await context(bot, f"!{example}")
    ctx.command = command
    ctx.view.index = len(f"!{name}")
    await command._parse_arguments(ctx)
    assert ctx.view.eof, f"{example!r}: more than the command reads"


async def test_every_example_can_be_typed(live: Live) -> None:
    for command in leaves(live.bot):
        for example in command.extras.get("examples", ()):
            await check_example(live.bot, command, re.sub(r"\s{2,}\(.*\)$", "", example))  # "(with a file attached)"


async def test_every_command_is_in_a_usage_table_with_an_example(live: Live) -> None:
    pages_text = "\n".join(path.read_text("utf-8") for path in sorted(USAGE.glob("*.md")))
    examples = re.findall(r"^\| `!([^`]+)`", pages_text, re.MULTILINE)
    documented = set[str]()
    for example in examples:
        command = max(
            (command for command in leaves(live.bot) if f"{example} ".startswith(f"{command.qualified_name} ")),
            key=lambda command: len(command.qualified_name),
        )
        await check_example(live.bot, command, example)
        documented.add(command.qualified_name)
    assert documented == {c.qualified_name for c in leaves(live.bot) if not isinstance(c, commands.Group)}


async def page_of(live: Live, name: str | None, user: Any, guild_id: int | None = GUILD_ID) -> dict[str, Any]:
    return await pages.Help(live.bot, live.core.servers).page(name, user, guild_id)


async def test_pages_fit_into_discords_limits(live: Live) -> None:
    ada = await live.guild.fetch_member(ADA)
    for name in (None, *(command.qualified_name for command in leaves(live.bot))):
        shown = await page_of(live, name, ada)
        embed = shown["embed"]
        assert len(embed) <= 6_000, name
        assert len(embed.fields) <= 25, name
        assert all(0 < len(field.value or "") <= 1_024 for field in embed.fields), name
        menus = [menu.options for menu in shown["view"].children]
        assert all(1 <= len(options) <= 25 for options in menus)
        offered = {option.value for options in menus for option in options}
        assert all(value == "*" or live.bot.get_command(value) for value in offered)
        if name is None:
            assert offered == {one.name for one in live.bot.commands if for_person(one, ada)}


async def test_commands_are_named_with_their_prefix(live: Live) -> None:
    ada = await live.guild.fetch_member(ADA)
    for command in leaves(live.bot):
        assert not named_bare(live).search((await page_of(live, command.qualified_name, ada))["embed"].description)
    assert "`!optout` takes it back" in (await page_of(live, "optin", ada))["embed"].description


async def test_messages_name_commands_with_their_prefix_or_as_slash_commands(live: Live) -> None:
    bare, names = [], named_bare(live)
    for path in (path for part in ("bot", "galvanic", "shared", "worker") for path in (ROOT / part).rglob("*.py")):
        tree = ast.walk(ast.parse(path.read_text("utf-8")))
        nodes = [child for node in tree if not isinstance(node, ast.Expr) for child in ast.iter_child_nodes(node)]
        texts = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
        bare += [f"{path}: {text}" for text in texts if names.search(text)]
    assert bare == []


async def test_members_are_not_offered_what_is_for_admins(live: Live) -> None:
    ada, ben = [await live.guild.fetch_member(USER_IDS[name]) for name in ("ada", "ben")]
    settings = live.bot.get_command("settings")
    assert settings is not None
    assert for_person(settings, ada)
    assert not for_person(settings, ben)
    assert "settings" not in str((await page_of(live, None, ben))["embed"].to_dict())
    page = await page_of(live, "settings", ben)
    assert pages.ADMINS_ONLY in str(page["embed"].description)


@pytest.mark.parametrize("guild_id", [GUILD_ID, None])
async def test_a_server_is_told_of_the_menu_of_a_message(live: Live, guild_id: int | None) -> None:
    first = (await page_of(live, None, await live.guild.fetch_member(ADA), guild_id))["embed"]
    assert ("**Apps**" in first.description) is (guild_id is not None)


async def test_the_menu_opens_a_page_for_the_person_alone(live: Live) -> None:
    live.send("!help")
    shown = await live.until(lambda: live.showing("learns to write"), "help")
    # Cleo may not write there.
    live.acts.select(CLEO, LAB, shown.id, "galvanic:help", ["train"])
    page = await live.until(lambda: live.whispered("cleo", "--epochs"), "the page")
    assert live.whispered("ada", "--epochs") is None
    live.acts.select(CLEO, LAB, page.id, "galvanic:help", ["*"])
    await live.until(lambda: "learns to write" in str(page.embeds), "the first page in its place")


@pytest.mark.parametrize("typed", ["train", "!train", "/train", "  TRAIN "])
async def test_a_command_is_found_however_it_is_written(live: Live, typed: str) -> None:
    page = await page_of(live, typed, discord.Object(1), None)
    assert page["embed"].title == "!train"
