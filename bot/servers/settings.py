"""Settings of servers, and each channel's model, temperature and chat switch, in Redis."""

import asyncio
import functools
import time
from collections import ChainMap
from typing import Any, Literal, NamedTuple, cast

import redis.asyncio
import structlog
from pydantic import BaseModel, Field, ValidationError

from bot.background import redis_call
from bot.words import SLASH
from galvanic.errors import UserError
from shared import keys
from shared.blocklist import Blocklist, default_entries, parse
from shared.settings import Settings

PREFIX_LIMIT = 5
MOST_TYPED = 4_000  # Discord's limit on what one field of a form takes
_READ_S = 1.5  # settings are read before an interaction is acknowledged, for which Discord allows 3 s
_SPARED_S = 2.0  # pause before a silent Redis is asked again: an interaction reads settings more than once

_compiled = functools.lru_cache(maxsize=32)(Blocklist)
log = structlog.get_logger()


class UnreadableSettings(UserError):
    """A server's settings in Redis are damaged."""

    def __init__(self) -> None:
        super().__init__(
            "I can't read this server's settings.",
            "They are damaged: a member with Manage Server can reset them with `/settings`.",
        )


class GuildSettings(BaseModel, frozen=True, extra="ignore"):
    """A server's own settings; what is None or empty is as the operator set it, but for the blocklist.

    Attributes:
        train_roles, generate_roles: whose members may do so; empty: everyone.
        channels: where the bot may be used, with their threads; empty: everywhere.
        jobs_per_user, jobs_per_server: trainings that may wait or run at once, within the operator's limits.
        disk_mb: what the server's models may take, within the operator's limit.
        blocklist: `shared.blocklist` entries that generated text must not show; None: the default ones, empty: none.
    """

    prefix: str | None = Field(None, min_length=1, max_length=PREFIX_LIMIT)
    train_roles: tuple[int, ...] = ()
    generate_roles: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    jobs_per_user: int | None = Field(None, ge=1)
    jobs_per_server: int | None = Field(None, ge=1)
    disk_mb: float | None = Field(None, gt=0)
    blocklist: tuple[str, ...] | None = None

    @property
    def blocked(self) -> tuple[str, ...]:
        """The blocklist's entries that apply."""
        return default_entries() if self.blocklist is None else self.blocklist


class ChannelSettings(BaseModel, frozen=True):
    """A channel's current model (id), whether trainings leave it, default temperature, and whether mentions of the bot
    are answered."""

    model: str | None = None
    keep: bool = False
    temperature: float | None = None
    chat: bool = False


class Quotas(NamedTuple):
    """Trainings of one person, and of a whole server, that may wait or run at once; megabytes of models."""

    jobs_per_user: int
    jobs_per_server: int
    disk_mb: float


class GuildSettingsStore:
    """Settings of servers, in Redis. One bot process serves a server, so its settings are read only once."""

    def __init__(self, settings: Settings, connection: redis.asyncio.Redis, *, can_read_messages: bool = True) -> None:
        """Read and write through `connection`. `can_read_messages`: whether Discord lets the bot read messages."""
        self._can_read_messages = can_read_messages
        self._settings = settings
        self._redis = connection
        self._known: dict[int, GuildSettings] = {}
        self._changing = asyncio.Lock()
        self._silent_until = float("-inf")

    async def get(self, guild_id: int | None) -> GuildSettings:
        """A server's settings; outside a server the defaults.

        Raises UnreadableSettings; redis.RedisError: they are not known yet and Redis is away.
        """
        if guild_id is None:
            return GuildSettings()
        if (cached := self._known.get(guild_id)) is None:
            if time.monotonic() < self._silent_until:
                raise redis.TimeoutError("Redis was silent a moment ago.")
            try:
                data = cast(bytes | None, await redis_call(self._redis.get(keys.guild_settings(guild_id)), _READ_S))
            except redis.RedisError:
                self._silent_until = time.monotonic() + _SPARED_S
                raise
            # A change that was made while Redis answered is newer.
            cached = self._known.setdefault(guild_id, _read(guild_id, data))
        return cached

    async def change(self, guild_id: int, **fields: Any) -> None:
        """Change some settings, checked; of two admins' changes at the same time both are kept."""
        async with self._changing:
            current = (await self.get(guild_id)).model_dump()
            await self._put(guild_id, GuildSettings.model_validate(current | fields))

    async def block(self, guild_id: int, entry: str) -> None:
        """Put an entry of `shared.blocklist` on the blocklist. Raises UserError as `checked_blocklist`."""
        async with self._changing:
            own = await self.get(guild_id)
            entries = checked_blocklist("\n".join((*own.blocked, entry)))
            await self._put(guild_id, own.model_copy(update={"blocklist": entries}))

    async def reset(self, guild_id: int) -> None:
        """Forget all that a server's admins have set, also if it is damaged."""
        async with self._changing:
            await self._put(guild_id, GuildSettings())

    async def _put(self, guild_id: int, settings: GuildSettings) -> None:
        try:
            await redis_call(
                self._redis.set(keys.guild_settings(guild_id), settings.model_dump_json(exclude_defaults=True))
            )
        except BaseException:
            self._known.pop(guild_id, None)  # the reply may be lost: what Redis has counts
            raise
        self._known[guild_id] = settings

    async def prefix(self, guild_id: int | None) -> str:
        """Return what commands begin with in a server; the operator's prefix while Redis is away.

        `/` in servers where messages cannot be read; direct messages always can.
        """
        if guild_id is not None and not self._can_read_messages:
            return SLASH
        try:
            return (await self.get(guild_id)).prefix or self._settings.command_prefix
        except UnreadableSettings:
            return self._settings.command_prefix  # any command says so
        except redis.RedisError as error:
            log.warning("redis_unreachable", guild_id=guild_id, error=type(error).__name__)
            return self._settings.command_prefix

    async def blocklist(self, guild_id: int | None) -> Blocklist:
        return _compiled((await self.get(guild_id)).blocked)

    @property
    def most(self) -> Quotas:
        """Return the operator's limits."""
        settings = self._settings
        return Quotas(settings.train_jobs_per_user, settings.train_jobs_per_server, settings.server_disk_mb)

    def quotas(self, own: GuildSettings) -> Quotas:
        """The admins' numbers within the operator's."""
        within = {name: min(getattr(own, name) or most, most) for name, most in self.most._asdict().items()}
        return Quotas(**within)

    async def channel(self, channel_ids: list[int]) -> ChannelSettings:
        """Return a channel's choices. For a thread, its parent (second id) decides what the thread has not chosen."""
        hashes: list[dict[bytes, bytes]] = [
            await redis_call(self._redis.hgetall(keys.channel(channel_id))) for channel_id in channel_ids
        ]
        chosen = next((fields for fields in hashes if b"model" in fields), {})
        merged = ChainMap({b"keep": chosen.get(b"keep", b"0")}, *hashes)  # said of that model alone
        return ChannelSettings.model_validate({name.decode(): value.decode() for name, value in merged.items()})

    async def choose(self, channel_id: int, name: Literal["temperature", "chat"], value: float | None) -> None:
        """Set a choice of a channel, or (None) take it back."""
        key = keys.channel(channel_id)
        await redis_call(self._redis.hdel(key, name) if value is None else self._redis.hset(key, name, f"{value:g}"))


async def guilds_with(client: redis.asyncio.Redis, pattern: str) -> set[int]:
    """Return the servers that have a key of this pattern in Redis, such as `keys.consent("*")`."""
    return {int(key.split(b":")[1]) async for key in client.scan_iter(match=pattern, count=500)}


def checked_prefix(typed: str) -> str:
    """Return a command prefix as an admin typed it. Raises UserError if it cannot work."""
    prefix = typed.strip()
    shown = prefix[:20].replace("`", "'")
    example = "Use one to five characters, ending in a symbol, such as `?`, `$$` or `g!`."
    for wrong, problem in (
        (not prefix, "A prefix can't be empty."),
        (
            any(symbol in prefix for symbol in "`<>\\") or "@" in prefix[1:],
            "A prefix can't contain a mention, a backtick, a backslash, `<` or `>`.",
        ),
        (len(prefix) > PREFIX_LIMIT, f"The prefix `{shown}` is {len(prefix)} characters long."),
        (prefix.startswith(("/", "@")), f"A prefix can't begin with `{prefix[:1]}`: Discord uses that itself."),
        (not prefix.isprintable() or " " in prefix, "A prefix can't contain spaces or invisible characters."),
        (prefix[-1:].isalnum(), f"With the prefix `{shown}`, ordinary words would be taken for commands."),
    ):
        if wrong:
            raise UserError(problem, example)
    return prefix


def checked_blocklist(typed: str) -> tuple[str, ...] | None:
    """The entries as typed; None: the default ones, which follow what a later version brings.

    Raises UserError: one can't be used, or there are too many.
    """
    entries = parse(typed)
    if len("\n".join(entries)) > MOST_TYPED:  # else the next form would show, and keep, a part of them
        raise UserError("That blocklist is too long.", f"Use at most {MOST_TYPED:,} characters.")
    return None if entries == default_entries() else entries


def _read(guild_id: int, data: bytes | None) -> GuildSettings:
    if data is None:
        return GuildSettings()
    try:
        return GuildSettings.model_validate_json(data)
    except ValidationError as error:
        # Wider rights than the admins gave would be worse than an outage.
        log.error("guild_settings_not_understood", guild_id=guild_id, fields=error.error_count())
        raise UnreadableSettings from error
