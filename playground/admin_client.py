"""The part of the client that changes the servers: permissions, roles, members, servers, channels, threads."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable

from playground.caller import Caller


class AdminClient(Caller):
    """What an admin of a server does, whoever speaks."""

    def deny_bot(self, *permissions: str, channel: str | None = None) -> None:
        """Take permissions (`send_messages`, `embed_links`, ...) from the bot in a channel; none gives back all."""
        self.set_permissions("bot", deny=permissions, channel=channel)

    def set_permissions(
        self, target: str, *, allow: Iterable[str] = (), deny: Iterable[str] = (), channel: str | None = None
    ) -> None:
        """Allow or deny a person, a role or the `bot` something in a channel; nothing: as it was at first."""
        body = {"channel": channel or self.channel, "target": target, "allow": list(allow), "deny": list(deny)}
        self._call("POST", "/control/permissions", body)

    def create_role(self, name: str, *permissions: str, guild: str | None = None) -> str:
        """Make a role; its id."""
        body = {"guild": guild, "name": name, "permissions": list(permissions)}
        return str(self._call("POST", "/control/roles", body)["id"])

    def give_role(self, person: str, role: str, *, guild: str | None = None) -> None:
        """Give a member a role, by name or id; `guild` is a key (`annex`) or id."""
        self._call("POST", "/control/members/roles", {"guild": guild, "member": person, "role": role, "held": True})

    def take_role(self, person: str, role: str, *, guild: str | None = None) -> None:
        """Take a role from a member."""
        self._call("POST", "/control/members/roles", {"guild": guild, "member": person, "role": role, "held": False})

    def leave(self, person: str, *, guild: str | None = None) -> None:
        """Let a person leave a server."""
        self._call("POST", "/control/members", {"guild": guild, "person": person, "member": False})

    def join(self, person: str, *, guild: str | None = None) -> None:
        """Let a person join a server, with the roles that they had at first."""
        self._call("POST", "/control/members", {"guild": guild, "person": person, "member": True})

    def open_dms(self, person: str, opened: bool = True) -> None:
        """Let a person take direct messages from the bot; with `False`, Discord refuses them (50007)."""
        self._call("POST", "/control/dms", {"person": person, "open": opened})

    def create_server(self, name: str, *, channel: str, owner: str | None = None, members: Iterable[str] = ()) -> str:
        """Make a server that the bot is in; its id. It is gone after a restart of the playground.

        Args:
            name: of the server, also its key; no other may have it.
            channel: name of its text channel; no other may have it.
            owner: whose it is.
            members: who else is in it.
        """
        body = {"name": name, "channel": channel, "owner": owner or self.person, "members": list(members)}
        return str(self._call("POST", "/control/servers", body)["id"])

    def create_channel(self, name: str, *, only: Iterable[str] = (), guild: str | None = None, history: int = 0) -> str:
        """Make a text channel that all see, or the owner, the bot and these people only; its id.

        Args:
            name: of the channel; no other may have it.
            only: who sees it.
            guild: key or id of the server.
            history: so many messages of small talk, or a few more, that it begins with.
        """
        body = {"guild": guild, "name": name, "only": list(only), "history": history}
        return str(self._call("POST", "/control/channels", body, extra_s=history / 2_000)["id"])

    def rename_channel(self, channel: str, name: str) -> None:
        """Give a channel or thread another name."""
        self._call("PATCH", "/control/channels", {"channel": channel, "name": name})

    def delete_channel(self, channel: str) -> None:
        """Delete a channel that was made by `create_channel`, or a thread."""
        self._call("DELETE", f"/control/channels/{urllib.parse.quote(channel)}")

    def create_thread(
        self,
        name: str,
        *,
        message_id: str | None = None,
        private: bool = False,
        person: str | None = None,
        channel: str | None = None,
    ) -> str:
        """Start a thread, from a message or of its own; its id."""
        body = {**self._place(person, channel), "name": name, "message_id": message_id, "private": private}
        return str(self._call("POST", "/control/threads", body)["id"])
