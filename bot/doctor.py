"""The questions of `galvanic doctor` to Discord: token, intents, servers, permissions and slash commands.

It changes nothing there.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import discord
from discord import app_commands

from bot import features, intents
from bot.app import Galvanic
from bot.background import DISCORD_ERRORS
from bot.gateway import proxy
from bot.servers.access import FEATURES, as_shown
from galvanic.cli.findings import Finding, Level
from shared.settings import Settings

_SERVERS = 10
"""Servers that are looked at; each takes two requests."""
_WITHIN_S = 30.0


async def check_discord(settings: Settings) -> list[Finding]:
    """Return what Discord says of the bot. A finding quotes neither the token nor an error, which may hold it."""
    if settings.discord_token is None:
        return [Finding(Level.OK, "There is no DISCORD_TOKEN here; the bot alone needs one.")]
    if settings.discord_api_url:
        discord.http.Route.BASE = settings.discord_api_url
    findings = []
    try:
        async with (
            asyncio.timeout(_WITHIN_S),
            discord.Client(intents=discord.Intents(guilds=True), proxy=proxy(settings)) as client,
        ):
            await client.login(settings.discord_token.get_secret_value())
            findings += [Finding(Level.OK, "Discord takes the DISCORD_TOKEN."), *_intents(client, settings)]
            findings += [finding async for finding in _servers(client)]
            findings.append(await _commands(client, settings))
    except discord.LoginFailure:
        remedy = (
            f"Reset Token at {intents.PORTAL} -> the application -> Bot, and put the new one into "
            f"{intents.CREDENTIAL_FILE}."
        )
        findings.append(Finding(Level.BROKEN, "Discord refuses the DISCORD_TOKEN.", remedy))
    except (*DISCORD_ERRORS, ValueError, TypeError, KeyError) as error:  # the last three: something else answered
        problem = f"Discord cannot be asked {'everything' if findings else 'anything'} ({type(error).__name__})."
        remedy = "Is this machine online? https://discordstatus.com says how Discord is."
        findings.append(Finding(Level.MEND, problem, remedy))
    return findings


def _intents(client: discord.Client, settings: Settings) -> Iterator[Finding]:
    remedy = f"Turn it on at {intents.PORTAL} -> the application -> Bot -> Privileged Gateway Intents."
    for name in sorted(intents.not_granted(intents.wanted(settings), client.application_flags)):
        yield Finding(Level.MEND, intents.WITHOUT[name], remedy)


async def _servers(client: discord.Client) -> AsyncIterator[Finding]:
    """Yield a finding for each of the first servers, or how to invite the bot."""
    assert client.user is not None
    assert client.application_id is not None
    needed = discord.Permissions(**{name: True for names in FEATURES.values() for name in names})
    scopes = ("bot", "applications.commands")
    invite = discord.utils.oauth_url(client.application_id, permissions=needed, scopes=scopes)
    servers = [server async for server in client.fetch_guilds(limit=200, with_counts=False)]
    if not servers:
        yield Finding(Level.MEND, "The bot is in no server.", f"Invite it: {invite}")
    for server in servers[:_SERVERS]:
        guild = await client.fetch_guild(server.id, with_counts=False)
        member = await guild.fetch_member(client.user.id)
        yield _permissions(guild.name, member.guild_permissions, invite)
    if len(servers) > _SERVERS:
        yield Finding(Level.OK, f"The bot is in more than {_SERVERS} servers; the others were not looked at.")


def _permissions(name: str, have: discord.Permissions, invite: str) -> Finding:
    """Judge what the bot may do in a server. Single channels may forbid more; there the bot says so itself."""
    server = "".join(filter(str.isprintable, name))
    if have.administrator:
        problem = f"{server}: the bot is an administrator, and needs much less."
        remedy = "Server Settings -> Roles -> the role that has Administrator: turn it off, then run this once more."
        return Finding(Level.MEND, problem, remedy)
    missing = {use: [right for right in rights if not getattr(have, right)] for use, rights in FEATURES.items()}
    lacks = "; ".join(f"{as_shown(rights)} ({use})" for use, rights in missing.items() if rights)
    if lacks:
        remedy = f"Server Settings -> Roles -> the bot's role: turn them on. Or invite it once more: {invite}"
        return Finding(Level.MEND, f"{server}: the bot lacks {lacks}.", remedy)
    webhooks = "" if have.manage_webhooks else " Without Manage Webhooks, personas speak under the bot's name."
    return Finding(Level.OK, f"{server}: the bot has all permissions that it needs.{webhooks}")


async def _commands(client: discord.Client, settings: Settings) -> Finding:
    """Compare the slash commands that Discord has with those of this version."""
    with tempfile.TemporaryDirectory() as folder:  # DATA_DIR may be for another user alone
        bot = Galvanic(settings.model_copy(update={"data_dir": Path(folder)}))  # which is never connected
        await features.setup(bot.core)
    await bot.redis.aclose()
    names = {command.name for command in bot.tree.get_commands()}
    synced = {command.name for command in await app_commands.CommandTree(client).fetch_commands()}
    if not synced:
        problem = f"Discord knows none of the {len(names)} slash commands: the bot never ran with this token."
        return Finding(Level.MEND, problem, "Start the bot: it sends them.")
    if lacks := sorted(names - synced):
        problem = f"Discord lacks {len(lacks)} of {len(names)} slash commands: {', '.join(lacks)}."
        remedy = "Restart the bot: it sends them. If Discord refuses, its log says `commands_not_synced`."
        return Finding(Level.MEND, problem, remedy)
    return Finding(Level.OK, f"Discord knows all {len(names)} slash commands.")
