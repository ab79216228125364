"""Intents that the bot asks for, and what does not work without the privileged ones."""

import discord

from shared.settings import Settings

PORTAL = "https://discord.com/developers/applications"
CREDENTIAL_FILE = ".env (with Docker Compose or systemd: secrets/discord_token)"
"""The file of the bot's token, for people."""
REMEDY = (
    f"The bot's operator can turn it on ({PORTAL} -> the application -> Bot -> Privileged Gateway Intents), and start "
    "me again."
)
_GRANTED_BY = {"message_content": "gateway_message_content", "members": "gateway_guild_members"}
"""The application's flag, or this one with `_limited`, that is set if a privileged intent is granted; by intent."""
WITHOUT = {
    "message_content": (
        "Discord doesn't let me read messages ('Message Content Intent' is off). Typed commands, words as triggers, "
        "calling personas and learning from channels don't work; slash commands, buttons, context menus, mentions of "
        "me and direct messages do."
    ),
    "members": (
        "Discord doesn't tell me who leaves a server ('Server Members Intent' is off), so I look once a day, and when "
        "I read a channel."
    ),
}


def wanted(settings: Settings, lacks: frozenset[str] = frozenset()) -> discord.Intents:
    """Return the intents to ask for. `lacks`: those that Discord does not grant."""
    learning = settings.channel_training != "off"
    return discord.Intents(
        guilds=True,
        guild_messages=True,
        dm_messages=True,
        message_content="message_content" not in lacks,
        guild_reactions=True,  # for `best`
        emojis_and_stickers=True,  # which custom emoji a text may show
        # Who is banned and (the privileged one) who leaves withdraws at once; see `bot.channels.watch`.
        moderation=learning,
        members=learning and settings.members_intent and "members" not in lacks,
    )


def not_granted(asked: discord.Intents, flags: discord.ApplicationFlags) -> frozenset[str]:
    """Return the privileged intents among those asked for that an application's flags do not grant."""
    return frozenset(
        name
        for name, flag in _GRANTED_BY.items()
        if getattr(asked, name) and not (getattr(flags, flag) or getattr(flags, f"{flag}_limited"))
    )


def missing(client: discord.Client, settings: Settings) -> str | None:
    """Say what does not work for lack of an intent, and who can change that; None: nothing is missing."""
    asked, have = wanted(settings), client.intents
    sentences = [words for name, words in WITHOUT.items() if getattr(asked, name) and not getattr(have, name)]
    return " ".join((*sentences, REMEDY)) if sentences else None
