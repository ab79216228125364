"""The panel of `settings` and its forms. Its controls work after a restart, and check again who presses them."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import discord
import structlog
from discord.ext import commands

from bot.components import Action, AnswerMode, Field, Form, Press, Work, button, custom_id, view
from bot.core import Core
from bot.errors import error_embed
from bot.models.registry import Registry
from bot.options.checks import as_limit
from bot.servers.access import require_admin
from bot.servers.settings import (
    MOST_TYPED,
    GuildSettings,
    UnreadableSettings,
    checked_blocklist,
    checked_prefix,
)
from bot.types import Context, hybrid_command
from bot.words import AMBER, BLURPLE, FIELD_LIMIT, MOST, code, plain, some
from galvanic.errors import UserError
from galvanic.units import MEGABYTE
from shared.blocklist import parse

log = structlog.get_logger()

_PLACES = [discord.ChannelType[kind] for kind in ("text", "news", "forum", "voice", "stage_voice")]
_WHERE = "Where I may be used"
_ROLES = {"train_roles": "Who may train", "generate_roles": "Who may generate texts"}
_QUOTAS = {
    "jobs_per_user": ("Trainings at once per person", "trainings per person"),
    "jobs_per_server": ("Trainings at once in the whole server", "trainings in the server"),
    "disk_mb": ("Disk for models, in MB", "megabytes of disk"),
}
_FORMS = {"quotas": "Limits", "prefix": "Prefix", "blocklist": "Blocked words"}
"""Labels of the buttons that open forms, by name."""
_MOST_SHOWN = 12
_RED = discord.ButtonStyle.danger


@dataclass(frozen=True)
class Section:
    """A part of the panel that another feature adds: a line, and a button that opens a form."""

    name: str
    """Name of the button."""
    heading: str
    describe: Callable[[Any], Awaitable[str]]
    """Returns the line for a channel."""
    form: Work


@dataclass(eq=False, repr=False)
class SettingsPanel(commands.Cog):
    """Shows and changes a server's settings."""

    core: Core
    registry: Registry
    _sections: list[Section] = field(init=False, default_factory=list)
    _resets: dict[str, Callable[[int], Awaitable[None]]] = field(init=False, default_factory=dict)

    def add_reset(self, words: str, reset: Callable[[int], Awaitable[None]]) -> None:
        """Have **Reset** call `reset` with the server's id, too; `words` say what that does."""
        self._resets[words] = reset

    def add_section(self, section: Section) -> None:
        self._sections.append(section)
        self.core.components.add(f"settings:{section.name}", section.form, who="anybody", how="form")

    def register(self) -> None:
        works: tuple[tuple[str, AnswerMode, Work], ...] = (
            ("train_roles", "update", lambda press: self._choose_roles(press, "train_roles")),
            ("generate_roles", "update", lambda press: self._choose_roles(press, "generate_roles")),
            ("channels", "update", lambda press: self._change(press, channels=_ids(press))),
            ("reset", "update", self._ask_reset),
            ("reset-all", "update", self._change),
            ("show", "update", self.show),
            ("prefix", "form", self._prefix_form),
            ("quotas", "form", self._quotas_form),
            ("blocklist", "form", self._blocklist_form),
        )
        for name, how, work in works:
            self.core.components.add(f"settings:{name}", work, who="anybody", how=how)

    @hybrid_command(
        "settings", about="Decide who may use me, where, and how much", heading="This server", anywhere=True, admin=True
    )
    async def settings(self, ctx: Context) -> None:
        """See and change how I work in this server.

        Who may train and who may generate texts, in which channels, how many trainings at once, how much disk
        for models, what commands begin with, and which words are blocked. With `/settings` only you see it.
        """
        await ctx.defer(ephemeral=True)
        require_admin(ctx.author)
        assert ctx.guild is not None
        await ctx.send(**await self.panel(ctx.guild, ctx.channel), ephemeral=True)

    async def panel(self, guild: discord.Guild, channel: Any) -> dict[str, Any]:
        """All settings, and those of a channel, with the controls that change them; for `send` or `edit`.

        Raises redis.RedisError.
        """
        reset = button("settings", "reset", label="Reset", style=_RED)
        try:
            own = await self.core.servers.get(guild.id)
        except UnreadableSettings as error:
            return {"embed": error_embed(error), "view": view(reset)}
        # Discord refuses a default that no longer exists; the next choice drops it from the settings.
        forms = _FORMS | {section.name: section.name.capitalize() for section in self._sections}
        places = _there(guild.get_channel_or_thread, own.channels)
        controls = view(
            *(
                _menu(discord.ui.RoleSelect, field, _there(guild.get_role, getattr(own, field)), title, "everyone")
                for field, title in _ROLES.items()
            ),
            _menu(discord.ui.ChannelSelect, "channels", places, _WHERE, "in every channel", channel_types=_PLACES),
            *(button("settings", name, label=label) for name, label in forms.items()),
            reset,
        )
        return {"embed": await self._embed(guild, own, channel), "view": controls}

    async def _embed(self, guild: discord.Guild, own: GuildSettings, channel: Any) -> discord.Embed:
        limits, most = self.core.servers.quotas(own), self.core.servers.most
        prefix, stored = await self.core.servers.prefix(guild.id), await self.registry.stored_bytes(guild.id)
        description = "Changes apply at once. Members with Manage Server may do everything, everywhere."
        embed = discord.Embed(title=f"Settings of {plain(guild.name)}", description=description, colour=BLURPLE)
        at_most = f"at most {most.jobs_per_user:g} and {most.jobs_per_server:g}"
        jobs = f"{limits.jobs_per_user:g} per person, {limits.jobs_per_server:g} in the whole server"
        disk_limit = "the maximum" if limits.disk_mb == most.disk_mb else f"at most {most.disk_mb:,g} MB"
        entries = f"{len(own.blocked):,} " + ("entry" if len(own.blocked) == 1 else "entries")
        listed = f"The default list of {entries} (slurs)" if own.blocklist is None else entries
        roles = ("Everyone", "Members with {}", "Members with {}")
        channels = ("In every channel", "Only in {} and its threads", "Only in {} and their threads")
        for name, value in (
            (_ROLES["train_roles"], _chosen(guild.get_role, own.train_roles, *roles)),
            (_ROLES["generate_roles"], _chosen(guild.get_role, own.generate_roles, *roles)),
            (_WHERE, _chosen(guild.get_channel_or_thread, own.channels, *channels)),
            (
                "Trainings at once (waiting included)",
                f"{jobs} ({'the maximum' if limits[:2] == most[:2] else at_most})",
            ),
            ("Disk for models", f"{limits.disk_mb:,g} MB ({disk_limit}); {stored / MEGABYTE:,.1f} MB are in use"),
            ("Command prefix", f"`{prefix}`, as in `{prefix}help`"),
            ("Blocked words", f"{listed}; the button **Blocked words** shows them to you" if own.blocked else "None"),
            *[(section.heading, await section.describe(channel)) for section in self._sections],
        ):
            embed.add_field(name=name, value=value[:FIELD_LIMIT], inline=name in _ROLES.values())
        return embed

    # ------------------------------------------------------------------ the panel's controls

    async def _choose_roles(self, press: Press, field: str) -> None:
        """Set the chosen roles; @everyone among them lifts the restriction."""
        ids = _ids(press)
        await self._change(press, **{field: () if press.interaction.guild_id in ids else ids})

    async def _change(self, press: Press, **fields: Any) -> None:
        """Change these settings, or reset all. A new prefix is announced in the channel."""
        guild = administered(press)
        before = await self.core.servers.prefix(guild.id)
        if fields:
            await self.core.servers.change(guild.id, **fields)
        else:
            for reset in (self.core.servers.reset, *self._resets.values()):
                await reset(guild.id)
        log.info("settings_changed", guild_id=guild.id, user_id=press.interaction.user.id, fields=sorted(fields))
        await self.show(press)
        if (prefix := await self.core.servers.prefix(guild.id)) != before:
            await press.send(f"My commands begin with `{prefix}` now: `{prefix}help` shows them.")

    async def show(self, press: Press) -> None:
        await press.update(**await self.panel(administered(press), press.interaction.channel))

    async def _ask_reset(self, press: Press) -> None:
        controls = view(
            button("settings", "reset-all", label="Yes, reset everything", style=_RED),
            button("settings", "show", label="No, keep the settings"),
        )
        effects = ", ".join(["limits, prefix and blocked words are the default ones", *self._resets])
        kept = ["Models", *(f"**{section.name.capitalize()}**" for section in self._sections)]
        question = (
            f"Everybody in {plain(administered(press).name)} may then train and generate texts in every channel; "
            f"{effects}. {' and '.join(kept)} stay."
        )
        await press.update(
            embed=discord.Embed(title="Reset all settings?", description=question, colour=AMBER), view=controls
        )

    # ------------------------------------------------------------------ the panel's forms

    async def _prefix_form(self, press: Press) -> Form:
        usual = self.core.settings.command_prefix
        explained = f"One to five characters, ending in a symbol, like ? or g!. Default: {usual}"
        current = (await self.core.servers.get(administered(press).id)).prefix or usual

        async def keep(press: Press) -> None:
            typed = press.typed["prefix"].strip()
            # The default is stored as None, so that it follows the operator's setting.
            await self._change(press, prefix=None if typed == usual else checked_prefix(typed))

        return settings_form(
            "Command prefix", keep, Field("prefix", "Prefix", explained, default=current, most=20, required=True)
        )

    async def _quotas_form(self, press: Press) -> Form:
        own, most = await self.core.servers.get(administered(press).id), self.core.servers.most._asdict()

        async def keep(press: Press) -> None:
            await self._change(press, **{name: _number(name, press.typed[name], most[name]) for name in _QUOTAS})

        def field(name: str, label: str) -> Field:
            current, upto = getattr(own, name), f"Up to {as_limit(most[name])}; leave empty for the maximum"
            return Field(name, label, upto, default=None if current is None else f"{current:.0f}", most=20)

        return settings_form("Limits", keep, *(field(name, label) for name, (label, _) in _QUOTAS.items()))

    async def _blocklist_form(self, press: Press) -> Form:
        shown = (await self.core.servers.get(administered(press).id)).blocked
        explained = "One per line, or separated by commas. * stands for any letters: *cat* also blocks scatter."

        async def keep(press: Press) -> None:
            # Another admin may have changed the list while the form was open.
            current = (await self.core.servers.get(administered(press).id)).blocked
            typed = [entry for entry in parse(press.typed["blocklist"]) if entry in current or entry not in shown]
            new = [entry for entry in current if entry not in shown]
            await self._change(press, blocklist=checked_blocklist("\n".join((*typed, *new))))

        return settings_form(
            "Blocked words",
            keep,
            Field("blocklist", "Blocked words", explained, default="\n".join(shown), most=MOST_TYPED, long=True),
        )


def settings_form(title: str, keep: Callable[[Press], Awaitable[None]], *fields: Field) -> Form:
    return Form(title, fields, Action(keep, who="anybody", how="update"))


def administered(press: Press) -> discord.Guild:
    """Return the server. Raises UserError if whoever pressed is not an admin of it."""
    require_admin(press.interaction.user)
    assert press.interaction.guild is not None
    return press.interaction.guild


def _ids(press: Press) -> tuple[int, ...]:
    return tuple(chosen.id for chosen in press.values)


def _menu(kind: Callable[..., Any], field: str, chosen: Sequence[Any], title: str, none: str, **options: Any) -> Any:
    """Make a menu. `none` says what it means that nothing is chosen."""
    return kind(
        custom_id=custom_id("settings", field),
        placeholder=title if chosen else f"{title}: {none}",
        min_values=0,
        max_values=MOST,
        default_values=chosen[:MOST],
        **options,
    )


def _number(name: str, typed: str, most: float) -> int | None:
    """A quota as typed; None: the operator's limit. Raises UserError: no whole number from 1 to `most`."""
    if not (typed := typed.strip()):
        return None
    wrong = UserError(
        f"The number of {_QUOTAS[name][1]} can't be {code(typed)}.",
        f"Choose a whole number from 1 to {as_limit(most)}: the bot's operator allows no more.",
    )
    try:
        number = int(re.sub(r"[.,](?=\d{3}\b)", "", typed))  # without separators of thousands
    except ValueError:
        raise wrong from None
    if not 1 <= number <= most:
        raise wrong
    return number


def _there(find: Callable[[int], Any], ids: Iterable[int]) -> list[Any]:
    """Return the targets of these ids that still exist."""
    return [target for target_id in ids if (target := find(target_id)) is not None]


def _chosen(find: Callable[[int], Any], ids: Sequence[int], none: str, singular: str, plural: str) -> str:
    """Say what is chosen. `none`, `one`, `several`: the words for so many."""
    mentions = [target.mention for target in _there(find, ids)]
    if not mentions:
        return "Admins only: what was chosen no longer exists" if ids else none
    return (singular if len(mentions) == 1 else plural).format(some(mentions, _MOST_SHOWN))[:FIELD_LIMIT]
