"""Pages of `help`, and the menu below them."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import discord
from discord import app_commands
from discord.ext import commands

from bot.components import Press, menu, view
from bot.errors import flag_name, nearest_command
from bot.options.options import Options
from bot.servers.access import is_admin
from bot.servers.settings import GuildSettingsStore
from bot.types import Command, Heading, User
from bot.words import BLURPLE, FIELD_LIMIT, MOST, SLASH, as_typed, code, plain, typed_prefix
from galvanic.errors import UserError

ADMINS_ONLY = "For members with Manage Server."

_START = "*"


@dataclass(frozen=True)
class Help:
    """The pages of `help`."""

    bot: commands.Bot
    servers: GuildSettingsStore

    def names(self, user: User) -> list[str]:
        return sorted(command.qualified_name for command in self.bot.walk_commands() if for_person(command, user))

    async def page(self, name: str | None, user: User, guild_id: int | None) -> dict[str, Any]:
        """Return the page of a command, as somebody typed its name, or (None) the first page; for `send` or `edit`.

        Leaves out what is not for this user or, when `guild_id` is None, not for direct messages.
        Raises UserError: there is no such command.
        """
        prefix = await self.servers.prefix(guild_id)
        every = dict.fromkeys(self.bot.all_commands.values())  # an alias is another name of the same command
        listed = [entry for entry in every if guild_id is not None or entry.extras.get("direct")]
        shown = sorted((entry for entry in listed if for_person(entry, user)), key=_place)
        if name is None:
            return {"embed": overview(shown, prefix, direct=guild_id is None), "view": _menu(shown)}
        command = self._find(name, prefix)
        group = command if isinstance(command, commands.Group) else command.parent
        elsewhere = guild_id is None and not (command.root_parent or command).extras.get("direct")
        entries = _parts(group) if isinstance(group, commands.Group) else shown
        typed, names = typed_prefix(prefix, self.bot.user), [entry.name for entry in every]
        embed = page(command, prefix, typed, elsewhere=elsewhere, names=names)
        return {"embed": embed, "view": _menu(entries, start=True)}

    async def turn(self, press: Press) -> None:
        """Show the page chosen: in place of this one if only this person sees it, else beside it."""
        user, guild_id = press.interaction.user, press.interaction.guild_id
        shown = await self.page(None if press.chosen == _START else press.chosen, user, guild_id)
        await (press.update(**shown) if press.is_private else press.send(**shown))

    def _find(self, typed: str, prefix: str) -> Command:
        name = " ".join(typed.lower().removeprefix(prefix.lower()).removeprefix("/").split())
        if (command := self.bot.get_command(name)) is not None:
            return command
        near = nearest_command(name, self.bot.walk_commands())
        remedy = f"Did you mean {near}? " if near else ""
        raise UserError(f"There is no command {code(name)}.", f"{remedy}`{prefix}help` lists them.")


def _place(command: Command) -> int:
    """Return where a command stands on the first page: by its heading."""
    return get_args(Heading).index(command.extras["heading"])


def for_person(command: Command, user: User) -> bool:
    return not command.extras.get("admin") or is_admin(user)


def _menu(entries: Sequence[Command], *, start: bool = False) -> discord.ui.View:
    shown: list[tuple[str, str] | tuple[str, str, str]] = [("All commands", _START)] if start else []
    shown += [(command.qualified_name, command.qualified_name, command.description) for command in entries]
    menus = [menu("help", placeholder="More about a command…", options=shown[:MOST])]
    if rest := shown[MOST:]:
        menus.append(menu("help-more", placeholder="…or about one of these", options=rest))
    return view(*menus)


def overview(listed: Sequence[Command], prefix: str, *, direct: bool) -> discord.Embed:
    """The first page; `direct`: in direct messages."""
    begin = (
        f"1. `{as_typed(prefix, 'train', 'source', 'frankenstein')}` - I learn to write like the book while you "
        f"watch.\n2. `{as_typed(prefix, 'generate', 'seed', 'the monster')}` - I continue your words in its voice.\n"
        "Right-click a text (on a phone: hold it), then **Apps**: continue it, see its surprise, delete it."
    )
    if direct:
        begin = "These commands work in direct messages. Everything else works in a server that I'm in: type it there."
    embed = discord.Embed(title="Galvanic learns to write from any text", description=begin, colour=BLURPLE)
    for heading in get_args(Heading):
        if lines := [_line(command, prefix) for command in listed if command.extras.get("heading") == heading]:
            embed.add_field(name=heading, value="\n".join(lines)[:FIELD_LIMIT], inline=False)
    too = "Each works typed after a mention of me" if prefix == SLASH else "Each works as /command"
    more = as_typed(prefix, "help", "command", "COMMAND")
    return embed.set_footer(text=f"{more} explains one, with examples. {too} too.")


def _line(command: Command, prefix: str) -> str:
    line = f"`{prefix}{command.name}` {_about(command)}"
    if isinstance(command, commands.Group):
        line += ": " + ", ".join(f"`{part.name}`" for part in _parts(command))
    return line


def _about(command: Command) -> str:
    """A description within a line: `Learn a text` -> `learn a text`, but `I` stays."""
    text = (command.description or command.short_doc).rstrip(".")
    return text if re.match(r"I\b", text) else text[:1].lower() + text[1:]


def _parts(group: commands.Group[Any, ..., Any]) -> list[Command]:
    return sorted(group.commands, key=lambda part: part.name)


def page(command: Command, prefix: str, typed: str, *, elsewhere: bool, names: Collection[str]) -> discord.Embed:
    """Explain how a command is used.

    `typed`: what it begins with when it is typed. `elsewhere`: it is read in direct messages, where the command does
    not work. `names`: of commands, which get their prefix in the text.
    """
    usage = command.extras.get("usage", command.qualified_name)
    # Without the docstring's line ends, which Discord would show.
    paragraphs = (command.help or command.description).split("\n\n")
    # A slash command has no alias.
    aliases = ", ".join(f"`{typed}{f'{command.full_parent_name} {alias}'.strip()}`" for alias in command.aliases)
    parts = (
        "\n\n".join(" ".join(part.split()) for part in paragraphs),
        "*This works in servers only.*" if elsewhere else "",
        f"*{ADMINS_ONLY}*" if command.extras.get("admin") else "",
        f"Also typed as {aliases}." if aliases else "",
        f"```\n{typed}{usage}\n```",
    )
    named = rf"`(?=(?:{'|'.join(names)})[` ])"
    text = "\n".join(filter(None, parts))
    shown = re.sub(named, f"`{prefix}", text)
    embed = discord.Embed(title=plain(f"{prefix}{command.qualified_name}"), description=shown, colour=BLURPLE)
    if isinstance(command, commands.Group):
        _add(embed, "Subcommands", [f"`{part.name}` {_about(part)}" for part in _parts(command)])
    examples = [f"{typed}{line}" for line in command.extras.get("examples", ())]
    if examples not in ([], [f"{typed}{usage}"]):
        embed.add_field(name="Examples", value="```\n" + "\n".join(examples)[: FIELD_LIMIT - 8] + "\n```", inline=False)
    _add(embed, "Options", _options(command))
    if _slash(command) is not None:
        embed.set_footer(text=f"As a slash command: /{command.qualified_name}")
    return embed


def _slash(command: Command) -> app_commands.Command[Any, ..., Any] | app_commands.Group | None:
    return command.app_command if isinstance(command, commands.HybridCommand) else None


def _options(command: Command) -> list[str]:
    """Return a line for each field of the slash command, named as it is typed in a message."""
    slash = _slash(command)
    fields = slash.parameters if isinstance(slash, app_commands.Command) else []
    kinds = [parameter.annotation for parameter in command.clean_params.values()]
    flags = [
        flag
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Options)
        for flag in kind.get_flags().values()
    ]
    typed = {str(flag.name): f"--{flag_name(flag)}" for flag in flags if not flag.positional}
    described = [field for field in fields if str(field.description) != "…"]  # discord.py's for none
    return [f"`{typed.get(field.display_name, field.display_name.upper())}` {field.description}" for field in described]


def _add(embed: discord.Embed, heading: str, lines: Sequence[str]) -> None:
    """Add lines under a heading, in as many fields as Discord's limit makes of them."""
    pages = commands.Paginator(prefix=None, suffix=None, max_size=FIELD_LIMIT)
    for line in lines:
        pages.add_line(line)
    for place, text in enumerate(pages.pages):
        embed.add_field(name=f"{heading} (more)" if place else heading, value=text, inline=False)
