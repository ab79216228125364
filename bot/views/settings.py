"""The controls of `settings`. Each has a fixed custom id, works after a restart, and asks again who presses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import discord
import structlog

from bot import cards
from bot.cards.settings import Limits, Quotas
from bot.escape import NOBODY
from bot.options.autocomplete import MOST
from bot.servers import access
from bot.servers.settings import GuildSettings, UnreadableSettings
from bot.views.base import ButtonItem, FromItsId, answering
from bot.views.settings_forms import FORMS, operators_limits, tell_prefix

if TYPE_CHECKING:
    from bot.client import Galvanic

log = structlog.get_logger()

_PLACES = [
    discord.ChannelType.text,
    discord.ChannelType.news,
    discord.ChannelType.forum,
    discord.ChannelType.voice,
    discord.ChannelType.stage_voice,
]
_LABELS = {
    "quotas": "Quotas",
    "prefix": "Prefix",
    "blocklist": "Blocklist",
    "reset": "Reset",
    "reset-all": "Yes, reset everything",
    "show": "No, keep the settings",
}
_ASKED = {"train_roles": "Who may train", "generate_roles": "Who may generate texts"}
_RED = ("reset", "reset-all")


class RoleMenu(
    discord.ui.DynamicItem[discord.ui.RoleSelect[discord.ui.View]],
    template=r"galvanic:settings:(?P<field>train_roles|generate_roles)",
):
    """Who may do something: members with one of these roles, or everyone."""

    def __init__(self, field: str, chosen: tuple[int, ...] = ()) -> None:
        super().__init__(
            discord.ui.RoleSelect(
                custom_id=f"galvanic:settings:{field}",
                placeholder=_ASKED[field] + ("" if chosen else ": everyone"),
                min_values=0,
                max_values=MOST,
                default_values=_defaults(chosen, discord.SelectDefaultValueType.role),
            )
        )
        self.field = field

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str]
    ) -> RoleMenu:
        """Make the menu again from a message that an earlier run of the bot sent."""
        made = cls(match["field"])
        made.item = cast("discord.ui.RoleSelect[discord.ui.View]", item)
        return made

    async def callback(self, interaction: discord.Interaction) -> None:
        """Keep the roles that were chosen; @everyone among them is no restriction."""
        async with answering(interaction, "role menu", update=True) as bot:
            ids = tuple(role.id for role in self.item.values)
            await _change(bot, interaction, **{self.field: () if interaction.guild_id in ids else ids})


class ChannelMenu(
    discord.ui.DynamicItem[discord.ui.ChannelSelect[discord.ui.View]], template="galvanic:settings:channels"
):
    """Where the bot may be used: in these channels and their threads, or everywhere."""

    def __init__(self, chosen: tuple[int, ...] = ()) -> None:
        super().__init__(
            discord.ui.ChannelSelect(
                custom_id="galvanic:settings:channels",
                channel_types=_PLACES,
                placeholder="Where I may be used" + ("" if chosen else ": in every channel"),
                min_values=0,
                max_values=MOST,
                default_values=_defaults(chosen, discord.SelectDefaultValueType.channel),
            )
        )

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, item: discord.ui.Item[Any], _match: re.Match[str]
    ) -> ChannelMenu:
        """Make the menu again from a message that an earlier run of the bot sent."""
        made = cls()
        made.item = cast("discord.ui.ChannelSelect[discord.ui.View]", item)
        return made

    async def callback(self, interaction: discord.Interaction) -> None:
        """Keep the channels that were chosen."""
        async with answering(interaction, "channel menu", update=True) as bot:
            await _change(bot, interaction, channels=tuple(channel.id for channel in self.item.values))


class SettingsButton(
    FromItsId,
    ButtonItem,
    template=r"galvanic:settings:(?P<what>quotas|prefix|blocklist|reset|reset-all|show)",
):
    """Opens a form, or resets everything after a question."""

    def __init__(self, what: str) -> None:
        style = discord.ButtonStyle.danger if what in _RED else discord.ButtonStyle.secondary
        super().__init__(discord.ui.Button(label=_LABELS[what], style=style, custom_id=f"galvanic:settings:{what}"))
        self.what = what

    async def callback(self, interaction: discord.Interaction) -> None:
        """Do what the button says."""
        form = FORMS.get(self.what)
        name = f"settings button {self.what}"
        async with answering(interaction, name, defer=form is None, update=form is None) as bot:
            access.require_admin(interaction.user)
            guild = interaction.guild
            assert guild is not None
            if form is not None:
                await interaction.response.send_modal(await form.opened(bot, guild.id, _change))
            elif self.what == "reset":
                view = _view(SettingsButton("reset-all"), SettingsButton("show"))
                await interaction.edit_original_response(
                    embed=cards.settings_reset_question(guild), view=view, allowed_mentions=NOBODY
                )
            else:
                before = await bot.prefix(guild)
                if self.what == "reset-all":
                    await bot.guild_settings.reset(guild.id)
                    log.info("settings_reset", guild_id=guild.id, user_id=interaction.user.id)
                await _show(bot, interaction)
                if before != await bot.prefix(guild):
                    await tell_prefix(bot, interaction)


SETTINGS_ITEMS = (RoleMenu, ChannelMenu, SettingsButton)


async def settings_panel(bot: Galvanic, guild: discord.Guild) -> tuple[discord.Embed, discord.ui.View]:
    """The panel: all settings in words, and the controls that change them.

    Raises:
        redis.RedisError: they are not known yet and Redis is away.
    """
    try:
        own = await bot.guild_settings.get(guild.id)
    except UnreadableSettings as error:
        return cards.error(error), _view(SettingsButton("reset"))
    prefix = await bot.prefix(guild)
    # Discord refuses a default that no longer exists; the next choice drops it from the settings.
    channels = tuple(place for place in own.channels if guild.get_channel_or_thread(place) is not None)
    view = _view(
        RoleMenu("train_roles", _there(guild, own.train_roles)),
        RoleMenu("generate_roles", _there(guild, own.generate_roles)),
        ChannelMenu(channels),
        *(SettingsButton(what) for what in ("quotas", "prefix", "blocklist", "reset")),
    )
    stored = await bot.registry.stored_bytes(guild.id)
    return cards.settings_panel(guild, own, _quotas(bot, own), prefix, stored), view


async def _change(bot: Galvanic, interaction: discord.Interaction, **fields: Any) -> None:
    """Keep new settings of the server where an admin chose them, and show them in the panel."""
    access.require_admin(interaction.user)
    assert interaction.guild_id is not None
    await bot.guild_settings.change(interaction.guild_id, **fields)
    log.info("settings_changed", guild_id=interaction.guild_id, user_id=interaction.user.id, fields=sorted(fields))
    await _show(bot, interaction)


async def _show(bot: Galvanic, interaction: discord.Interaction) -> None:
    assert interaction.guild is not None
    embed, view = await settings_panel(bot, interaction.guild)
    await interaction.edit_original_response(embed=embed, view=view, allowed_mentions=NOBODY)


def _quotas(bot: Galvanic, own: GuildSettings) -> Quotas:
    most = operators_limits(bot)
    guilds = bot.guild_settings
    return Quotas(
        jobs_per_user=Limits(guilds.jobs_per_user(own), most["jobs_per_user"]),
        jobs_per_server=Limits(guilds.jobs_per_server(own), most["jobs_per_server"]),
        disk_mb=Limits(guilds.disk_mb(own), most["disk_mb"]),
    )


def _there(guild: discord.Guild, ids: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(role_id for role_id in ids if guild.get_role(role_id) is not None)


def _defaults(ids: tuple[int, ...], kind: discord.SelectDefaultValueType) -> list[discord.SelectDefaultValue]:
    return [discord.SelectDefaultValue(id=chosen, type=kind) for chosen in ids[:MOST]]


def _view(*items: RoleMenu | ChannelMenu | SettingsButton) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    return view
