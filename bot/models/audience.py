"""The audience of messages that a model learned from: it decides where the model may be used, listed and quoted."""

import itertools
from collections.abc import Collection, Sequence
from typing import Any

import discord

from bot.servers.access import Readable
from shared.jobs import TrainJob
from shared.settings import Settings

_VIEW = discord.Permissions(view_channel=True).value
_HISTORY = discord.Permissions(read_message_history=True).value
_CONNECT = discord.Permissions(connect=True).value
OverwritePair = tuple[bool | None, bool | None]  # an overwrite on seeing a place, and on a permission in a source


class Audience:
    """Tells whether all who read one place could have read another, as far as the server's roles and overwrites tell.

    The list of members is not asked: it needs a privileged intent, and says nothing of who joins, or is given a role,
    after the text was posted. So the answer holds for every member that there could be, with any combination of roles.
    """

    def __init__(self, client: discord.Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def knows(self, guild_id: int) -> bool:
        """Return whether Discord shows a server now; in an outage of it nobody can tell who may read what."""
        guild = self._client.get_guild(guild_id)
        return guild is not None and not guild.unavailable

    def may_quote(self, job: TrainJob, channel_ids: Sequence[int]) -> bool:
        """Return whether what a training learns from may be shown in a place of its server."""
        return self.may_use(job.place.guild_id, channel_ids, [ref.channel_id for ref in job.readings if ref.channel_id])

    def may_use(self, guild_id: int, channel_ids: Sequence[int], sources: Collection[int]) -> bool:
        """Return whether what was learned from channels may be used in a place, by `all_can_read` and the operator."""
        training = self._settings.channel_training != "off"
        return not sources or (training and self.all_can_read(guild_id, channel_ids, sources))

    def all_can_read(self, guild_id: int, channel_ids: Sequence[int], sources: Collection[int]) -> bool:
        """Return whether every possible reader of a place can read all sources, which are channels or threads.

        `channel_ids`: the place, and for a thread also its parent.

        To read the place takes View Channel: what is posted now can be seen without the history. To read a source
        takes View Channel and Read Message History, in voice channels also Connect. What is said in a channel can be
        read there and in its threads, even where some may not see its history. A private thread can be read only in
        itself. What is age-restricted stays in such places. If nothing is known of a channel, the answer is no.
        """
        guild = self._client.get_guild(guild_id)
        if guild is None or guild.unavailable:
            return False
        # The first that is known of a thread and its parent: a thread has no reader that its parent has not.
        place = next(filter(None, map(guild.get_channel_or_thread, channel_ids)), None)
        return all(self._reads(guild, place, guild.get_channel_or_thread(source_id)) for source_id in sources)

    def _reads(self, guild: discord.Guild, place: Any, source: Any) -> bool:
        if isinstance(source, discord.Thread) and source.is_private():
            return place is not None and place.id == source.id
        place, source = (
            channel.parent if isinstance(channel, discord.Thread) else channel for channel in (place, source)
        )
        if not isinstance(place, Readable) or not isinstance(source, Readable):
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
        return all(_all_have(guild, me, bit, place, source) for bit in needed)


def _all_have(guild: discord.Guild, me: int, bit: int, place: Readable, source: Readable) -> bool:
    """Return whether everybody who sees a place has a permission in the source.

    Somebody who sees the place and lacks the permission needs two roles at most: one that lets them in, and one that
    denies the permission. Without their other roles both are still true. So everybody with two roles is tried, with
    overwrites of their own. Roles, and members, of whom the same is said are tried once. Members with Administrator,
    and the owner, read everything.
    """
    # `channel.overwrites` would say that a permission which is both allowed and denied is denied.
    overwrites = [*place._overwrites, *source._overwrites]
    in_place, in_source = (
        {overwrite.id: overwrite for overwrite in channel._overwrites} for channel in (place, source)
    )

    def pair_of(actor: int) -> OverwritePair:
        return _of(in_place.get(actor), _VIEW), _of(in_source.get(actor), bit)

    by_id, mine = {role.id: role for role in guild.roles}, guild.self_role  # which nobody else can hold
    roles: set[tuple[int, OverwritePair]] = {(0, (None, None))}
    for role_id in (by_id.keys() | {overwrite.id for overwrite in overwrites if overwrite.is_role()}) - {guild.id}:
        role = by_id.get(role_id)
        if role is None or not (role.permissions.administrator or role == mine):
            roles.add((role.permissions.value & (_VIEW | bit) if role is not None else 0, pair_of(role_id)))
    members = {overwrite.id for overwrite in overwrites if overwrite.is_member()} - {guild.owner_id, me}
    own = {(None, None), *map(pair_of, members)}
    base, everyone = guild.default_role.permissions.value, pair_of(guild.id)
    for (first, first_pair), (second, second_pair) in itertools.combinations_with_replacement(roles, 2):
        granted = base | first | second
        for them in own:
            sees = _holds(bool(granted & _VIEW), everyone[0], (first_pair[0], second_pair[0]), them[0])
            if sees and not _holds(bool(granted & bit), everyone[1], (first_pair[1], second_pair[1]), them[1]):
                return False
    return True


def _of(overwrite: Any, bit: int) -> bool | None:
    if overwrite is None or not (overwrite.allow | overwrite.deny) & bit:
        return None
    return bool(overwrite.allow & bit)


def _holds(granted: bool, everyone: bool | None, roles: Collection[bool | None], own: bool | None) -> bool:
    """Return whether a member has a permission, by the "Permission Hierarchy" of Discord's documentation.

    What is said of the fewest counts; of several roles, one that allows it. `granted`: in the server, by any role; the
    others: by a channel's overwrites.
    """
    if own is not None:
        return own
    if True in roles or False in roles:
        return True in roles
    return granted if everyone is None else everyone
