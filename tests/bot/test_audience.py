"""Who could have read a channel: the structural rule, against discord.py's own computation for every member."""

import functools
import itertools
from typing import Any

import discord
import pytest
from hypothesis import given, settings, strategies as st

from bot.models.audience import Audience
from bot.servers.access import channel_ids
from shared.jobs import ReadingRef
from shared.models import ModelRecord
from shared.settings import Settings
from tests.factories import record

ME, OWNER, GUILD, ELSEWHERE = 1, 2, 100, 200
PLACE, SOURCE, THREAD, PRIVATE = 301, 302, 303, 304
ROLES = (401, 402, 403)
MY_ROLE = 409
MEMBERS = (501, 502)
TEXT, VOICE, CATEGORY, PUBLIC_THREAD, PRIVATE_THREAD = 0, 2, 4, 11, 12
VIEW, HISTORY, CONNECT, ADMINISTRATOR = (
    discord.Permissions(**{name: True}).value
    for name in ("view_channel", "read_message_history", "connect", "administrator")
)
READ = VIEW | HISTORY
Rules = dict[int, tuple[int, int]]
"""The overwrites of a channel: who -> allowed, denied."""


@functools.cache
def _opted_in() -> Settings:
    """Return settings, which take longer to read than all else here."""
    return Settings(channel_training="opt-in")


class Bot(discord.Client):
    """What an Audience asks of the bot, without a connection."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True))
        self.settings = _opted_in()
        self._connection.user = discord.ClientUser(
            state=self._connection,
            data={"id": ME, "username": "galvanic", "discriminator": "0", "avatar": None},  # type: ignore[typeddict-item]
        )


class Server:
    """A server with two channels, as discord.py keeps it."""

    def __init__(self, place: Rules, source: Rules, roles: dict[int, int], *, kind: int = TEXT, **more: Any) -> None:
        self.bot = Bot()
        self.audience = Audience(self.bot, self.bot.settings)
        everyone = {"id": GUILD, "name": "@everyone", "permissions": str(roles.get(GUILD, READ)), "position": 0}
        own = {"id": MY_ROLE, "name": "me", "permissions": "0", "position": 9, "tags": {"bot_id": str(ME)}}
        others = [
            {"id": role, "name": str(role), "permissions": str(roles[role]), "position": 1}
            for role in roles
            if role != GUILD
        ]
        self.guild = self._guild(GUILD, [{**one, **_ROLE} for one in (everyone, own, *others)])
        self.place = self.channel(PLACE, place, nsfw=more.get("place_nsfw", False))
        self.source = self.channel(SOURCE, source, kind=kind, nsfw=more.get("source_nsfw", False))

    def _guild(self, guild_id: int, roles: list[dict[str, Any]]) -> discord.Guild:
        data: Any = {"id": guild_id, "name": "server", "owner_id": OWNER, "roles": roles, "member_count": 9}
        guild = discord.Guild(data=data, state=self.bot._connection)
        self.bot._connection._add_guild(guild)
        return guild

    def channel(self, channel_id: int, rules: Rules, *, kind: int = TEXT, nsfw: bool = False) -> Any:
        overwrites = [
            {"id": str(who), "type": int(who in (*MEMBERS, ME, OWNER)), "allow": str(allow), "deny": str(deny)}
            for who, (allow, deny) in rules.items()
        ]
        about = {"id": channel_id, "type": kind, "name": str(channel_id), "position": 0, "nsfw": nsfw}
        data: Any = {**about, "permission_overwrites": overwrites, "bitrate": 64_000, "user_limit": 0}
        channel = _MADE[kind](state=self.bot._connection, guild=self.guild, data=data)
        self.guild._add_channel(channel)
        return channel

    def thread(self, thread_id: int, parent_id: int, kind: int = PUBLIC_THREAD) -> discord.Thread:
        about = {"id": thread_id, "parent_id": parent_id, "owner_id": OWNER, "name": str(thread_id), "type": kind}
        archive = {"archived": False, "auto_archive_duration": 60, "archive_timestamp": "2024-10-19T00:00:00+00:00"}
        data: Any = {**about, "message_count": 0, "member_count": 1, "thread_metadata": archive}
        made = discord.Thread(guild=self.guild, state=self.bot._connection, data=data)
        self.guild._add_thread(made)
        return made

    def member(self, user_id: int, roles: tuple[int, ...]) -> discord.Member:
        user = {"id": user_id, "username": "a", "discriminator": "0", "avatar": None}
        data: Any = {"user": user, "roles": list(roles), "joined_at": "2024-10-19T00:00:00+00:00", "flags": 0}
        return discord.Member(data=data, guild=self.guild, state=self.bot._connection)

    def allows(self, guild_id: int, here: list[int], model: ModelRecord) -> bool:
        return self.audience.may_use(guild_id, here, model.source_channels)

    def all_can_read(self, place: Any, source: Any) -> bool:
        return self.audience.all_can_read(GUILD, channel_ids(place), [source.id])

    def reads(self) -> bool:
        return self.all_can_read(self.place, self.source)


_MADE: Any = {TEXT: discord.TextChannel, VOICE: discord.VoiceChannel, CATEGORY: discord.CategoryChannel}
_ROLE = {"color": 0, "colors": {"primary_color": 0}, "hoist": False, "managed": False, "mentionable": False, "flags": 0}
HIDDEN = (0, VIEW)
SHOWN = (VIEW, 0)


def private_to(*who: int) -> Rules:
    """As a person makes a channel private: everyone is denied, these are allowed."""
    return {GUILD: HIDDEN, **dict.fromkeys(who, SHOWN)}


# ---------------------------------------------------------------------- every member that there could be

_bits = st.sampled_from([0, VIEW, HISTORY, CONNECT, READ, READ | CONNECT])
_rules = st.dictionaries(st.sampled_from([GUILD, *ROLES, *MEMBERS]), st.tuples(_bits, _bits), max_size=6)
_roles = st.fixed_dictionaries({GUILD: _bits, **dict.fromkeys(ROLES, st.one_of(_bits, st.just(ADMINISTRATOR)))})


@settings(max_examples=400)
@given(place=_rules, source=_rules, roles=_roles, kind=st.sampled_from([TEXT, VOICE]))
@pytest.mark.slow
def test_it_says_yes_exactly_where_every_possible_member_could_have_read(
    place: Rules, source: Rules, roles: dict[int, int], kind: int
) -> None:
    server = Server(place, source, roles, kind=kind)
    needed = READ | CONNECT if kind == VOICE else READ
    shut_out = [
        member
        for count in range(len(ROLES) + 1)
        for held in itertools.combinations(ROLES, count)
        for user in (OWNER, 599, *MEMBERS)
        for member in [server.member(user, held)]
        if server.place.permissions_for(member).view_channel
        and server.source.permissions_for(member).value & needed != needed
    ]
    assert server.reads() == (not shut_out)


# ---------------------------------------------------------------------- it is not uselessly strict

NONE = dict.fromkeys(ROLES, 0)


def test_the_bot_itself_is_no_reader() -> None:
    assert Server(private_to(ROLES[0], ME, MY_ROLE), private_to(ROLES[0]), NONE).reads()


def test_a_role_that_the_cache_does_not_know_may_be_held() -> None:
    assert not Server(private_to(499), private_to(ROLES[0]), NONE).reads()


# ---------------------------------------------------------------------- threads, and what is not known


def test_what_is_said_in_a_channel_may_be_heard_in_it_and_its_threads() -> None:
    server = Server(private_to(ROLES[0]), private_to(ROLES[1]), NONE)
    inside, private = server.thread(THREAD, SOURCE), server.thread(PRIVATE, SOURCE, PRIVATE_THREAD)
    reads = server.all_can_read
    assert reads(server.source, server.source)
    assert reads(inside, server.source)
    assert reads(private, server.source)
    assert reads(server.source, inside)  # whoever sees the channel can read its public threads
    assert not reads(server.place, inside)
    assert not reads(inside, server.place)


def test_a_private_thread_may_be_heard_only_in_itself() -> None:
    server = Server({}, {}, NONE)
    private, other = server.thread(PRIVATE, SOURCE, PRIVATE_THREAD), server.thread(THREAD, SOURCE, PRIVATE_THREAD)
    reads = server.all_can_read
    assert reads(private, private)
    for elsewhere in (server.source, server.place, other):
        assert not reads(elsewhere, private)
    server.guild._remove_thread(private)  # archived
    assert not reads(private, private)


def test_what_is_age_restricted_stays_so() -> None:
    assert not Server({}, {}, NONE, source_nsfw=True).reads()
    assert Server({}, {}, NONE, source_nsfw=True, place_nsfw=True).reads()
    assert Server({}, {}, NONE, place_nsfw=True).reads()


def test_what_is_not_known_may_be_heard_nowhere() -> None:
    server = Server({}, {}, NONE)
    reads = server.all_can_read
    category = server.channel(399, {}, kind=CATEGORY)
    assert not reads(category, server.source)
    server.guild._remove_channel(server.source)
    assert not server.reads()


# ---------------------------------------------------------------------- models


def ref(**changes: Any) -> ReadingRef:
    return ReadingRef(**{"reading_id": "a", "channel_id": SOURCE, **changes})


def test_a_model_may_be_used_where_all_could_have_read_all_of_its_sources() -> None:
    server = Server({}, {}, NONE)
    private = server.channel(305, private_to(ROLES[0]))
    allows = server.allows
    model = record(guild_id=GUILD, readings=(ref(),))
    assert allows(GUILD, [PLACE], model)
    assert allows(GUILD, [THREAD, PLACE], model)  # of a thread that is not known, its parent is
    both = model.model_copy(update={"readings": (ref(), ref(reading_id="b", channel_id=private.id))})
    assert not allows(GUILD, [PLACE], both)
    assert allows(GUILD, [private.id], both)
    assert allows(GUILD, [PLACE], record())


def test_a_model_of_messages_may_be_used_in_their_server_only() -> None:
    server = Server({}, {}, NONE)
    assert not server.allows(ELSEWHERE, [PLACE], record(guild_id=GUILD, readings=(ref(),)))
    assert not server.allows(GUILD, [999], record(guild_id=GUILD, readings=(ref(),)))


def test_the_operators_switch_closes_all_models_of_messages() -> None:
    server = Server({}, {}, NONE)
    server.audience = Audience(server.bot, Settings(channel_training="off"))
    assert not server.allows(GUILD, [PLACE], record(readings=(ref(),)))
    assert server.allows(GUILD, [PLACE], record())
    assert server.allows(ELSEWHERE, [999], record())
