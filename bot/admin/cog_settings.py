"""`settings`: the panel, whose controls work after a restart and check again who presses them, and its forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot.admin import embeds
from bot.admin.embeds import Limits, Quotas
from bot.components import Components, Field, Form, Press, button, custom_id, view
from bot.errors import error_embed
from bot.escape import MOST, code
from bot.options.checks import as_limit
from bot.servers.access import require_admin
from bot.servers.settings import GuildSettings, GuildSettingsStore, UnreadableSettings, checked_prefix
from bot.types import Context, hybrid_command
from shared import blocklist
from shared.errors import UserError
from shared.settings import Settings

log = structlog.get_logger()

FORMS = ("prefix", "quotas", "blocklist")
_PLACES = [
    discord.ChannelType.text,
    discord.ChannelType.news,
    discord.ChannelType.forum,
    discord.ChannelType.voice,
    discord.ChannelType.stage_voice,
]
_ROLES = {"train_roles": "Who may train", "generate_roles": "Who may generate texts"}
_QUOTAS = {
    "jobs_per_user": ("Trainings at once per person", "trainings per person"),
    "jobs_per_server": ("Trainings at once in the whole server", "trainings in the server"),
    "disk_mb": ("Disk for models, in MB", "megabytes of disk"),
}
_MOST_TYPED = 4_000  # Discord's limit on what one field of a form takes
_RED = discord.ButtonStyle.danger


class ServerSettings(commands.Cog):
    """`stored_bytes`: what a server's models take."""

    def __init__(
        self, settings: Settings, servers: GuildSettingsStore, stored_bytes: Callable[[int], Awaitable[int]]
    ) -> None:
        self._settings = settings
        self._servers = servers
        self._stored_bytes = stored_bytes

    def register(self, components: Components) -> None:
        works: dict[str, Callable[[Press], Awaitable[None]]] = {
            "train_roles": lambda press: self._choose_roles(press, "train_roles"),
            "generate_roles": lambda press: self._choose_roles(press, "generate_roles"),
            "channels": lambda press: self._change(press, channels=_ids(press)),
            "reset": self._ask_reset,
            "reset-all": self._reset,
            "show": self._show,
        }
        for name, work in works.items():
            components.add(f"settings:{name}", work, who="anybody", how="update")
        for name, form in zip(FORMS, (self._prefix_form, self._quotas_form, self._blocklist_form), strict=True):
            components.add(f"settings:{name}", form, who="anybody", how="form")

    @hybrid_command(
        extras={"usage": "settings", "examples": ("settings",), "admin": True},
        description="Decide who may use me, where, and how much",
    )
    @commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def settings(self, ctx: Context) -> None:
        """See and change how I work in this server.

        Who may train and who may generate texts, in which channels, how many trainings at once, how much disk
        for models, what commands begin with, and which words are blocked. With `/settings` only you see it.
        """
        await ctx.defer(ephemeral=True)
        require_admin(ctx.author)
        assert ctx.guild is not None
        await ctx.send(**await self.panel(ctx.guild), ephemeral=True)

    async def panel(self, guild: discord.Guild) -> dict[str, Any]:
        """All settings with the controls that change them; for `send` or `edit`. Raises redis.RedisError."""
        reset = button("settings", "reset", label="Reset", style=_RED)
        try:
            own = await self._servers.get(guild.id)
        except UnreadableSettings as error:
            return {"embed": error_embed(error), "view": view(reset)}
        # Discord refuses a default that no longer exists; the next choice drops it from the settings.
        channels = [place for place in own.channels if guild.get_channel_or_thread(place) is not None]
        controls = view(
            _role_menu(guild, "train_roles", own.train_roles),
            _role_menu(guild, "generate_roles", own.generate_roles),
            discord.ui.ChannelSelect(
                custom_id=custom_id("settings", "channels"),
                channel_types=_PLACES,
                placeholder="Where I may be used" + ("" if channels else ": in every channel"),
                min_values=0,
                max_values=MOST,
                default_values=_defaults(channels, discord.SelectDefaultValueType.channel),
            ),
            *(button("settings", what, label=what.capitalize()) for what in ("quotas", "prefix", "blocklist")),
            reset,
        )
        prefix, stored = await self._servers.prefix(guild.id), await self._stored_bytes(guild.id)
        return {"embed": embeds.settings_panel(guild, own, self._quotas(own), prefix, stored), "view": controls}

    # ------------------------------------------------------------------ what its controls do

    async def _choose_roles(self, press: Press, field: str) -> None:
        """@everyone among the roles is no restriction."""
        ids = _ids(press)
        await self._change(press, **{field: () if press.interaction.guild_id in ids else ids})

    async def _change(self, press: Press, **fields: Any) -> None:
        guild = _administered(press)
        await self._servers.change(guild.id, **fields)
        log.info("settings_changed", guild_id=guild.id, user_id=press.interaction.user.id, fields=sorted(fields))
        await self._show(press)

    async def _show(self, press: Press) -> None:
        await press.update(**await self.panel(_administered(press)))

    async def _ask_reset(self, press: Press) -> None:
        controls = view(
            button("settings", "reset-all", label="Yes, reset everything", style=_RED),
            button("settings", "show", label="No, keep the settings"),
        )
        await press.update(embed=embeds.settings_reset_question(_administered(press)), view=controls)

    async def _reset(self, press: Press) -> None:
        guild = _administered(press)
        before = await self._servers.prefix(guild.id)
        await self._servers.reset(guild.id)
        log.info("settings_reset", guild_id=guild.id, user_id=press.interaction.user.id)
        await self._show(press)
        if before != await self._servers.prefix(guild.id):
            await self._tell_prefix(press, guild.id)

    async def _tell_prefix(self, press: Press, guild_id: int) -> None:
        """Tell the channel its new prefix, or people would keep using the old one."""
        prefix = await self._servers.prefix(guild_id)
        await press.send(f"My commands begin with `{prefix}` now: `{prefix}help` shows them.")

    # ------------------------------------------------------------------ its forms

    async def _prefix_form(self, press: Press) -> Form:
        guild_id, usual = _administered(press).id, self._settings.command_prefix
        explained = f"One to five characters, ending in a symbol, like ? or g!. Default: {usual}"
        now = await self._servers.prefix(guild_id)

        async def keep(press: Press) -> None:
            prefix = checked_prefix(press.typed["prefix"])
            # The default is stored as None, so that it follows the operator's setting.
            await self._change(press, prefix=prefix if prefix != usual else None)
            await self._tell_prefix(press, guild_id)

        field = Field("prefix", "Prefix", explained, default=now, most=20, required=True)
        return _form("Command prefix", [field], keep)

    async def _quotas_form(self, press: Press) -> Form:
        own, most = await self._servers.get(_administered(press).id), self._limits()

        async def keep(press: Press) -> None:
            typed = press.typed
            await self._change(press, **{name: _number(name, typed[name], most[name]) for name in _QUOTAS})

        fields = [
            Field(
                name,
                label,
                f"Up to {as_limit(most[name])}; leave empty for the maximum",
                default=_shown(getattr(own, name)),
                most=20,
            )
            for name, (label, _) in _QUOTAS.items()
        ]
        return _form("Quotas", fields, keep)

    async def _blocklist_form(self, press: Press) -> Form:
        entries = (await self._servers.get(_administered(press).id)).blocklist
        explained = "One per line, or separated by commas. * stands for any letters: *cat* also blocks scatter."

        async def keep(press: Press) -> None:
            entries = blocklist.parse(press.typed["blocklist"])
            if len("\n".join(entries)) > _MOST_TYPED:  # else the next form would show, and keep, a part of them
                raise UserError("That blocklist is too long.", f"Use at most {_MOST_TYPED:,} characters.")
            await self._change(press, blocklist=entries)

        default = "\n".join(entries)
        field = Field("blocklist", "Blocklist", explained, default=default, most=_MOST_TYPED, long=True)
        return _form("Blocked words", [field], keep)

    # ------------------------------------------------------------------ quotas

    def _limits(self) -> dict[str, float]:
        """The most that a server's admins may allow."""
        settings = self._settings
        return {
            "jobs_per_user": settings.train_jobs_per_user,
            "jobs_per_server": settings.train_jobs_per_server,
            "disk_mb": settings.server_disk_mb,
        }

    def _quotas(self, own: GuildSettings) -> Quotas:
        most, servers = self._limits(), self._servers
        return Quotas(
            jobs_per_user=Limits(servers.jobs_per_user(own), most["jobs_per_user"]),
            jobs_per_server=Limits(servers.jobs_per_server(own), most["jobs_per_server"]),
            disk_mb=Limits(servers.disk_mb(own), most["disk_mb"]),
        )


def _form(title: str, fields: list[Field], keep: Callable[[Press], Awaitable[None]]) -> Form:
    return Form(f"{title} form", title, fields, keep, who="anybody", how="update")


def _administered(press: Press) -> discord.Guild:
    """The server. Raises UserError: whoever pressed is not an admin of it."""
    require_admin(press.interaction.user)
    assert press.interaction.guild is not None
    return press.interaction.guild


def _ids(press: Press) -> tuple[int, ...]:
    return tuple(chosen.id for chosen in press.values)


def _role_menu(guild: discord.Guild, field: str, chosen: tuple[int, ...]) -> discord.ui.RoleSelect[Any]:
    there = [role_id for role_id in chosen if guild.get_role(role_id) is not None]
    return discord.ui.RoleSelect(
        custom_id=custom_id("settings", field),
        placeholder=_ROLES[field] + ("" if there else ": everyone"),
        min_values=0,
        max_values=MOST,
        default_values=_defaults(there, discord.SelectDefaultValueType.role),
    )


def _defaults(ids: list[int], kind: discord.SelectDefaultValueType) -> list[discord.SelectDefaultValue]:
    return [discord.SelectDefaultValue(id=chosen, type=kind) for chosen in ids[:MOST]]


def _number(name: str, typed: str, most: float) -> float | None:
    """A quota as typed; None: the operator's limit. Raises UserError: no number from 1 to `most`."""
    if not (typed := typed.strip()):
        return None
    wrong = UserError(
        f"The number of {_QUOTAS[name][1]} can't be {code(typed)}.",
        f"Choose a value from 1 to {as_limit(most)}: the bot's operator allows no more.",
    )
    try:
        number = float(typed.replace(",", "")) if name == "disk_mb" else int(typed)
    except ValueError:
        raise wrong from None
    if not 1 <= number <= most:  # also false for NaN
        raise wrong
    return number


def _shown(number: float | None) -> str | None:
    return None if number is None else f"{number:.12g}"
