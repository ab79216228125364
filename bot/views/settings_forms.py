"""The forms of `settings`. One that is sent after a restart, or too late, is refused (`cogs/errors` says so)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Self

import discord

from bot.escape import code
from bot.options.checks import as_limit
from bot.options.decoding import replace_surrogates
from bot.servers.settings import GuildSettings, checked_prefix
from bot.views.base import KeepsTyped, answering
from shared import blocklist
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic

Change = Callable[..., Awaitable[None]]
"""Keeps new settings and shows them: bot, interaction, fields."""
MOST_TYPED = 4_000  # Discord's limit on what one field of a form takes


class Form(KeepsTyped, ABC):
    """A form that changes some settings.

    Args:
        change: keeps what was typed.
    """

    def __init__(self, title: str, change: Change) -> None:
        super().__init__(title=title)
        self._change = change

    @classmethod
    @abstractmethod
    async def opened(cls, bot: Galvanic, guild_id: int, change: Change) -> Self:
        """The form, filled in with the settings of now."""

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """What was typed, as fields of `GuildSettings`.

        Raises:
            UserError: it cannot be used.
        """

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        """Keep what was typed."""
        async with answering(interaction, type(self).__name__, update=True, form=self) as bot:
            await self._change(bot, interaction, **self.fields())
            await self.kept(bot, interaction)

    async def kept(self, bot: Galvanic, interaction: discord.Interaction) -> None:
        """Called after the settings were kept."""

    def _ask(self, label: str, explained: str, custom_id: str, **options: Any) -> discord.ui.TextInput[Self]:
        typed: discord.ui.TextInput[Self] = discord.ui.TextInput(custom_id=custom_id, **options)
        self.add_item(discord.ui.Label(text=label, description=explained, component=typed))
        return typed


class PrefixForm(Form):
    """What commands begin with."""

    def __init__(self, change: Change, now: str, usual: str) -> None:
        super().__init__("Command prefix", change)
        self._usual = usual
        explained = f"One to five characters, ending in a symbol, like ? or g!. Default: {usual}"
        self._typed = self._ask("Prefix", explained, "prefix", default=now, max_length=20)

    @classmethod
    async def opened(cls, bot: Galvanic, guild_id: int, change: Change) -> Self:
        """The form, with the prefix of now."""
        return cls(change, await bot.guild_settings.prefix(guild_id), bot.settings.command_prefix)

    def fields(self) -> dict[str, Any]:
        """The prefix; the default is stored as None, so that it follows the operator's setting."""
        prefix = checked_prefix(replace_surrogates(self._typed.value))
        return {"prefix": prefix if prefix != self._usual else None}

    async def kept(self, bot: Galvanic, interaction: discord.Interaction) -> None:
        """Tell the channel."""
        await tell_prefix(bot, interaction)


class QuotasForm(Form):
    """How many trainings and how much disk the server may use."""

    def __init__(self, change: Change, own: GuildSettings, most: dict[str, float]) -> None:
        super().__init__("Quotas", change)
        self._most = most
        labels = {
            "jobs_per_user": "Trainings at once per person",
            "jobs_per_server": "Trainings at once in the whole server",
            "disk_mb": "Disk for models, in MB",
        }
        self._typed = {
            name: self._ask(
                label,
                f"Up to {as_limit(most[name])}; leave empty for the maximum",
                name,
                default=_shown(getattr(own, name)),
                required=False,
                max_length=20,
            )
            for name, label in labels.items()
        }

    @classmethod
    async def opened(cls, bot: Galvanic, guild_id: int, change: Change) -> Self:
        """The form, with the numbers of now."""
        return cls(change, await bot.guild_settings.get(guild_id), operators_limits(bot))

    def fields(self) -> dict[str, Any]:
        """The three numbers, each within the operator's limit."""
        return {
            "jobs_per_user": self._number("jobs_per_user", "trainings per person", 1),
            "jobs_per_server": self._number("jobs_per_server", "trainings in the server", 1),
            "disk_mb": self._number("disk_mb", "megabytes of disk", 1),
        }

    def _number(self, name: str, what: str, least: int) -> float | None:
        typed = replace_surrogates(self._typed[name].value).strip()
        if not typed:
            return None
        most = self._most[name]
        wrong = UserError(
            f"The number of {what} can't be {code(typed)}.",
            f"Choose a value from {least} to {as_limit(most)}: the bot's operator allows no more.",
        )
        try:
            number = float(typed.replace(",", "")) if name == "disk_mb" else int(typed)
        except ValueError:
            raise wrong from None
        if not least <= number <= most:  # also false for NaN
            raise wrong
        return number


class BlocklistForm(Form):
    """Words that generated text must not show."""

    def __init__(self, change: Change, entries: tuple[str, ...]) -> None:
        super().__init__("Blocked words", change)
        explained = "One per line, or separated by commas. * stands for any letters: *cat* also blocks scatter."
        self._typed = self._ask(
            "Blocklist",
            explained,
            "blocklist",
            style=discord.TextStyle.paragraph,
            default="\n".join(entries),
            required=False,
            max_length=MOST_TYPED,
        )

    @classmethod
    async def opened(cls, bot: Galvanic, guild_id: int, change: Change) -> Self:
        """The form, with the entries of now."""
        return cls(change, (await bot.guild_settings.get(guild_id)).blocklist)

    def fields(self) -> dict[str, Any]:
        """The entries, checked."""
        entries = blocklist.parse(replace_surrogates(self._typed.value))
        if len("\n".join(entries)) > MOST_TYPED:  # else the next form would show, and keep, a part of them
            raise UserError("That blocklist is too long.", f"Use at most {MOST_TYPED:,} characters.")
        return {"blocklist": entries}


async def tell_prefix(bot: Galvanic, interaction: discord.Interaction) -> None:
    """Tell the channel its new prefix, or people would keep using the old one."""
    prefix = await bot.guild_settings.prefix(interaction.guild_id)
    await interaction.followup.send(f"My commands begin with `{prefix}` now: `{prefix}help` shows them.")


def operators_limits(bot: Galvanic) -> dict[str, float]:
    """The most that a server's admins may allow."""
    settings = bot.settings
    return {
        "jobs_per_user": settings.train_jobs_per_user,
        "jobs_per_server": settings.train_jobs_per_server,
        "disk_mb": settings.server_disk_mb,
    }


def _shown(number: float | None) -> str | None:
    return None if number is None else f"{number:.12g}"


FORMS: dict[str, type[Form]] = {"prefix": PrefixForm, "quotas": QuotasForm, "blocklist": BlocklistForm}
"""By the button that opens them."""
