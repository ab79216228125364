"""Who could read the messages that a model learned from: where it may be used, listed and quoted."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import discord

from shared.jobs import TrainJob, TranscriptRef
from shared.models import ModelRecord
from shared.settings import Settings

_VIEW = discord.Permissions(view_channel=True).value
_HISTORY = discord.Permissions(read_message_history=True).value
_CONNECT = discord.Permissions(connect=True).value

_READABLE = (discord.TextChannel, discord.VoiceChannel, discord.StageChannel, discord.ForumChannel)
Readable = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.ForumChannel
"""Channels that have messages, or threads with messages."""


class Audience:
    """Whether all who read one place could have read another, as far as the server's roles and overwrites tell.

    The list of members is not asked: it needs a privileged intent, and says nothing of who joins, or is given a role,
    after the text was posted. So the answer holds for every member that there could be, with any combination of roles.
    """

    def __init__(self, client: discord.Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def allows(self, guild_id: int, channel_ids: Sequence[int], record: ModelRecord) -> bool:
        """Whether a model may be used in a place, by what it learned from channels' messages alone.

        For what else it learned from see `ModelRecord.usable_in`; for both at once ask the registry. `channel_ids`: the
        channel, and for a thread also its parent.
        """
        return self.allows_words(guild_id, channel_ids, record.transcripts)

    def allows_words(self, guild_id: int, channel_ids: Sequence[int], transcripts: Iterable[TranscriptRef]) -> bool:
        """As `allows`, of transcripts."""
        refs = tuple(transcripts)
        if not refs:
            return True
        guild = self._client.get_guild(guild_id)
        if guild is None or guild.unavailable or self._settings.channel_training == "off":
            return False
        if any(ref.guild_id != guild_id for ref in refs):
            return False
        place = self._find(guild, channel_ids)
        return all(
            self._reads(guild, place, guild.get_channel_or_thread(source_id))
            for source_id in {ref.channel_id for ref in refs}
        )

    def may_quote(self, job: TrainJob, channel_ids: Sequence[int]) -> bool:
        """Whether all who read a place of the training's server could have read what the training learns from."""
        learned = job.transcripts
        return learned is not None and self.allows_words(job.place.guild_id, channel_ids, learned)

    def among(self, guild_id: int, channel_ids: Sequence[int], records: Iterable[ModelRecord]) -> list[ModelRecord]:
        """Those of the models that `allows` says yes to. Each set of sources is looked at once."""
        known: dict[tuple[tuple[int, int], ...], bool] = {}
        allowed = []
        for record in records:
            sources = tuple(sorted({(ref.guild_id, ref.channel_id) for ref in record.transcripts}))
            if sources not in known:
                known[sources] = self.allows(guild_id, channel_ids, record)
            if known[sources]:
                allowed.append(record)
        return allowed

    def reads(self, guild: discord.Guild, place: Any, source: Any) -> bool:
        """Whether every possible reader of a channel or thread can read another one.

        To read the place takes View Channel: what is posted now can be seen without the history. To read the source
        takes View Channel and Read Message History, in voice channels also Connect. A member's permissions follow from
        their roles and from overwrites of their own, by the rules of Discord's documentation ("Permissions", section
        "Permission Hierarchy"; `_Person.holds`). Somebody who can read the place and lacks one permission for the
        source needs two roles at most: one that lets them into the place, and one that denies them that permission.
        Without all their other roles both are still true: none of those let them in, and none gave them the permission.
        So it is enough to try everybody with two roles, and among roles that say the same about both channels, one.
        Members with Administrator, and the owner, read everything.

        Where that does not tell, the answer is no: nothing is known of either channel, or not of the same server. A
        thread has the readers of its parent, at most; a private thread as a source can be read only in itself. What is
        age-restricted stays in such places. What is said in a channel can be read there and in its threads, even where
        some may not see its history. Of the place only the id and, of a thread, the parent's is believed.
        """
        if place is None or source is None:
            return False
        ids = [place.id, place.parent_id] if isinstance(place, discord.Thread) else [place.id]
        return self._reads(guild, self._find(guild, ids), guild.get_channel_or_thread(source.id))

    def _find(self, guild: discord.Guild, channel_ids: Sequence[int]) -> Any:
        """The first that is known of a thread and its parent: a thread has no reader that its parent has not."""
        return next(filter(None, map(guild.get_channel_or_thread, channel_ids)), None)

    def _reads(self, guild: discord.Guild, place: Any, source: Any) -> bool:
        if isinstance(source, discord.Thread) and source.is_private():
            return place is not None and place.id == source.id
        place, source = _root(place), _root(source)
        if not isinstance(place, _READABLE) or not isinstance(source, _READABLE):
            return False
        if place.id == source.id:
            return True
        if source.is_nsfw() and not place.is_nsfw():
            return False
        if guild.default_role.permissions.administrator:
            return True
        needed = [_VIEW, _HISTORY]
        if isinstance(source, discord.VoiceChannel | discord.StageChannel):
            needed.append(_CONNECT)
        me = self._client.user.id if self._client.user is not None else 0
        return not any(
            person.holds(_VIEW, 0) and not person.holds(bit, 1)
            for bit in needed
            for person in _people(guild, me, bit, _Rules.of(guild, place, _VIEW), _Rules.of(guild, source, bit))
        )


class _Overwrite(NamedTuple):
    allow: int = 0
    deny: int = 0


_NEUTRAL = _Overwrite()


@dataclass(frozen=True)
class _Rules:
    """What a channel's overwrites say of one permission: about everyone, about roles, and about members."""

    everyone: _Overwrite
    roles: dict[int, _Overwrite]
    members: dict[int, _Overwrite]

    @classmethod
    def of(cls, guild: discord.Guild, channel: Readable, bit: int) -> _Rules:
        roles: dict[int, _Overwrite] = {}
        members: dict[int, _Overwrite] = {}
        # `channel.overwrites` would say that a permission which is both allowed and denied is denied.
        for found in channel._overwrites:
            allow = found.allow & bit
            said = _Overwrite(allow, found.deny & bit & ~allow)
            (roles if found.is_role() else members)[found.id] = said
        return cls(roles.pop(guild.id, _NEUTRAL), roles, members)


class _Role(NamedTuple):
    """What a role says of the permissions in question: in the server, and in each of the two channels."""

    base: int = 0
    overwrites: tuple[_Overwrite, _Overwrite] = (_NEUTRAL, _NEUTRAL)


class _Person(NamedTuple):
    """Somebody with two roles, and with overwrites of their own."""

    base: int
    everyone: tuple[_Overwrite, _Overwrite]
    roles: tuple[_Role, ...]
    own: tuple[_Overwrite, _Overwrite]

    def holds(self, bit: int, channel: int) -> bool:
        """Whether they have a permission in the first (0) or second (1) channel.

        It is the server's permissions of all roles together; then the overwrites of everyone, of the roles, of the
        member: each denies first and allows then.
        """
        bits = self.base
        deny = allow = 0
        for role in self.roles:
            bits |= role.base
            deny |= role.overwrites[channel].deny
            allow |= role.overwrites[channel].allow
        for overwrite in (self.everyone[channel], _Overwrite(allow, deny), self.own[channel]):
            bits = bits & ~overwrite.deny | overwrite.allow
        return bool(bits & bit)


def _people(guild: discord.Guild, me: int, bit: int, place: _Rules, source: _Rules) -> Iterator[_Person]:
    """Everybody with at most two roles, as far as they differ in seeing the place and in one permission there."""
    base = guild.default_role.permissions.value & (_VIEW | bit)
    roles = {_Role()}
    known = {role.id: role for role in guild.roles}
    for role_id in (known.keys() | place.roles.keys() | source.roles.keys()) - {guild.id}:
        role = known.get(role_id)
        if role is not None and (role.permissions.administrator or _is_mine(role, me)):
            continue
        given = role.permissions.value & (_VIEW | bit) if role is not None else 0
        roles.add(_Role(given, (place.roles.get(role_id, _NEUTRAL), source.roles.get(role_id, _NEUTRAL))))
    own = {(_NEUTRAL, _NEUTRAL)}
    for member_id in (place.members.keys() | source.members.keys()) - {guild.owner_id, me}:
        own.add((place.members.get(member_id, _NEUTRAL), source.members.get(member_id, _NEUTRAL)))
    everyone = (place.everyone, source.everyone)
    for two, one in itertools.product(itertools.combinations_with_replacement(roles, 2), own):
        yield _Person(base, everyone, two, one)


def _is_mine(role: discord.Role, me: int) -> bool:
    """Whether it is the role that Discord made for this bot, which nobody else can hold."""
    return role.tags is not None and role.tags.bot_id == me


def _root(channel: Any) -> Any:
    return channel.parent if isinstance(channel, discord.Thread) else channel
