"""A client of the playground's control API and of what `tests.driver.control` adds to it; blocking."""

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from galvanic.errors import UserError
from playground.guard import TOKEN, cookie_name

T = TypeVar("T")
Message = dict[str, Any]
"""A message as Discord's REST interface describes it."""

PATIENT_S = 60.0
"""A busy machine may take so long for what a calm one has at once."""


class WorldInfo(NamedTuple):
    """Who and what there is; ids as strings.

    Attributes:
        guild_id: the server of #lab.
        guilds: all servers, by key (`playground`, `annex`).
        channels: those of all servers, by name; no two have the same one.
        dms: the channels of direct messages with the bot, by person.
    """

    guild_id: str
    guilds: dict[str, str]
    channels: dict[str, str]
    dms: dict[str, str]
    users: dict[str, str]
    bot_user_id: str
    bot_online: bool
    commands: list[str]


class NotInTimeError(AssertionError):
    """Something that was waited for did not come."""


def signed_in(address: str) -> tuple[str, dict[str, str]]:
    """The playground's URL, and the headers of its page's requests, for an address as it prints it."""
    parts = urllib.parse.urlsplit(address)
    headers = {}
    if parts.query:
        token = urllib.parse.parse_qs(parts.query)[TOKEN][0]
        headers["Cookie"] = f"{cookie_name(parts.port or 80)}={token}"
    return f"http://{parts.netloc}", headers


class PlaygroundClient:
    """Drives a running playground that `tests.driver.control` extends: what people and admins do and see.

    Unless a call says otherwise, Ada acts in #lab. A channel is a name, an id, or `dm`: direct messages with the bot.

    Args:
        address: as the playground prints it, such as `http://127.0.0.1:8765/?token=...`.
    """

    def __init__(self, address: str) -> None:
        self.open(address)

    def open(self, address: str) -> None:
        """Go on with this address: a playground has a new one after each start."""
        self.address = address
        self.url, self.headers = signed_in(address)

    def _place(self, person: str | None = None, channel: str | None = None) -> dict[str, str]:
        return {"as": person or "ada", "channel": channel or "lab"}

    def _interact(self, kind: str, where: Mapping[str, str | None], **body: Any) -> str:
        """The interaction's id."""
        return str(self._call("POST", f"/control/{kind}", {**self._place(**where), **body})["interaction_id"])

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None, extra_s: float = 0) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {**self.headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENT_S + extra_s) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            if error.code != 400:
                raise RuntimeError(f"{method} {path}: {error.code} {text}") from error
            reply = json.loads(text)
            raise UserError(reply["problem"], reply["remedy"]) from error

    def world(self) -> WorldInfo:
        """Who and what there is."""
        return WorldInfo(**self._call("GET", "/control/world"))

    def send(
        self,
        content: str = "",
        *,
        files: Mapping[str, bytes] | None = None,
        reply_to: str | None = None,
        **where: str | None,
    ) -> Message:
        """Write a message, with files by name. Raises `UserError`: Discord would not take it."""
        attachments = [attachment(name, data) for name, data in (files or {}).items()]
        body = {**self._place(**where), "content": content, "attachments": attachments, "reply_to": reply_to}
        message = self.message(self._call("POST", "/control/messages", body)["id"], **where)
        assert message is not None
        return message

    def messages(self, *, after: str | int = 0, **where: str | None) -> list[Message]:
        """Messages that this person sees, after an id, oldest first."""
        query = urllib.parse.urlencode({**self._place(**where), "after": after})
        found: list[Message] = self._call("GET", f"/control/messages?{query}")
        return found

    def message(self, message_id: str, **where: str | None) -> Message | None:
        """One message as it is now, None when it is gone."""
        found = self.messages(after=int(message_id) - 1, **where)
        return next((message for message in found if message["id"] == message_id), None)

    def slash(
        self,
        command: str,
        options: Mapping[str, Any] | None = None,
        *,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        **where: str | None,
    ) -> str:
        """Call a slash command; `files` maps an option to a file's name and bytes. The interaction's id.

        Raises `UserError`: there is no such command, or an option does not fit.
        """
        attachments = {option: attachment(name, data) for option, (name, data) in (files or {}).items()}
        return self._interact("slash", where, command=command, options=dict(options or {}), attachments=attachments)

    def on_message(self, message_id: str, command: str, **where: str | None) -> str:
        """Call a command from a message's menu. The interaction's id. Raises `UserError`: it is not offered."""
        return self._interact("menu", where, message_id=message_id, command=command)

    def click(self, message_id: str, custom_id: str, **where: str | None) -> str:
        """Press a button. The interaction's id."""
        return self._interact("click", where, message_id=message_id, custom_id=custom_id)

    def click_label(
        self, message: Message, label: str, *, person: str | None = None, channel: str | None = None
    ) -> str:
        """Press the button with this label."""
        for component in components(message):
            if component.get("label") == label:
                return self.click(message["id"], component["custom_id"], person=person, channel=channel)
        raise UserError(f"The message has no button {label!r}.")

    def select(self, message_id: str, custom_id: str, values: list[str], **where: str | None) -> str:
        """Choose in a select menu; roles and channels by name or id. The interaction's id.

        Raises `UserError`: the menu does not offer that, or not so much of it.
        """
        return self._interact("select", where, message_id=message_id, custom_id=custom_id, values=values)

    def autocomplete(self, command: str, option: str, value: str, **where: str | None) -> list[dict[str, Any]]:
        """Choices that the bot offers for an option."""
        body = {**self._place(**where), "command": command, "option": option, "value": value}
        choices: list[dict[str, Any]] = self._call("POST", "/control/autocomplete", body)["choices"]
        return choices

    def submit_modal(self, interaction_id: str, values: Mapping[str, Any]) -> str:
        """Send the form that an interaction opened; menus take a list. The new interaction's id."""
        body = {"as": "ada", "interaction_id": interaction_id, "values": dict(values)}
        return str(self._call("POST", "/control/modal", body)["interaction_id"])

    def react(self, message_id: str, emoji: str, **where: str | None) -> None:
        """Add a reaction to a message; a second time, take it back."""
        self._call("POST", "/control/reactions", {**self._place(**where), "message_id": message_id, "emoji": emoji})

    def delete(self, message_id: str) -> None:
        """Delete a message, whoever wrote it."""
        self._call("DELETE", f"/control/messages/{message_id}")

    def privileged_intents(self, enabled: bool) -> None:
        """Switch the privileged intents as in Discord's portal; a bot notices when it connects."""
        self._call("POST", "/control/intents", {"privileged": enabled})

    def add_fault(self, method: str, path: str, status: int, **fields: Any) -> None:
        """Let the bot's next requests of a kind fail: see `tests.driver.faults.Fault`."""
        self._call("POST", "/control/faults", {"method": method, "path": path, "status": status, **fields})

    def clear_faults(self) -> None:
        """Let no request fail any more."""
        self._call("DELETE", "/control/faults")

    def drop_gateway(self, for_s: float = 0.0, refuse_with: int | None = None) -> None:
        """Cut the bot's connection, and take no new one for so many seconds, or refuse each with this close code."""
        self._call("POST", "/control/gateway", {"for_s": for_s, "refuse_with": refuse_with})

    def edit_times(self, message_id: str) -> list[float]:
        """When a message was edited, seconds since the epoch."""
        times: list[float] = self._call("GET", f"/control/edits?message_id={message_id}")
        return times

    def fetch(self, url: str) -> bytes:
        """Bytes of an attachment or a picture."""
        with urllib.request.urlopen(url, timeout=PATIENT_S) as response:
            data: bytes = response.read()
            return data

    def wait_for(self, predicate: Callable[[], T | None], timeout: float = PATIENT_S, what: str = "") -> T:
        """Call `predicate` until it returns something true, and return that.

        Raises:
            NotInTimeError: it did not within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            value = predicate()
            if value:
                return value
            if time.monotonic() > deadline:
                raise NotInTimeError(f"not within {timeout:g} s: {what or predicate!r}\n{self.transcript()}")
            time.sleep(0.05)

    def wait_for_bot(self, timeout: float = 120.0) -> WorldInfo:
        """Wait until a bot is connected and has synced its commands."""

        def ready() -> list[WorldInfo]:
            world = self.world()
            return [world] if world.bot_online and world.commands else []

        return self.wait_for(ready, timeout, "the bot to come online")[0]

    def wait_for_message(
        self,
        predicate: Callable[[Message], bool] = lambda _: True,
        *,
        after: str | int = 0,
        timeout: float = PATIENT_S,
        **where: str | None,
    ) -> Message:
        """Wait for a message of the bot after an id that satisfies `predicate`, as it is now."""
        bot_id = self.world().bot_user_id

        def found() -> list[Message]:
            said = (message for message in self.messages(after=after, **where) if message["author"]["id"] == bot_id)
            return [message for message in said if predicate(message)]

        return self.wait_for(found, timeout, "a message of the bot")[0]

    def transcript(self) -> str:
        """The last messages in #lab in words, for an error's text."""
        lines = []
        for message in self.messages()[-10:]:
            edits = len(self.edit_times(message["id"]))
            lines.append(f"{message['author']['username']} ({edits} edits): {text_of(message)!r}")
        return "\n".join(lines)

    def deny_bot(self, *permissions: str, channel: str = "lab") -> None:
        """Take permissions (`send_messages`, `embed_links`, ...) from the bot in a channel; none gives back all."""
        self._call("POST", "/control/permissions", {"channel": channel, "deny": list(permissions)})

    def create_server(self, name: str, *, channel: str, owner: str, members: Iterable[str]) -> str:
        """Make a server that the bot is in; its id. It is gone after a restart of the playground.

        Args:
            name: of the server, also its key; no other may have it.
            channel: name of its text channel; no other may have it.
            owner: whose it is.
            members: who else is in it.
        """
        body = {"name": name, "channel": channel, "owner": owner, "members": list(members)}
        return str(self._call("POST", "/control/servers", body)["id"])

    def create_channel(self, name: str, *, history: int = 0) -> str:
        """Make a text channel, which begins with so many messages of small talk; its id. No other may have its name."""
        body = {"name": name, "history": history}
        return str(self._call("POST", "/control/channels", body, extra_s=history / 2_000)["id"])

    def delete_channel(self, channel: str) -> None:
        """Delete a channel that was made by `create_channel`, or a thread."""
        self._call("DELETE", f"/control/channels/{urllib.parse.quote(channel)}")

    def create_thread(self, name: str, *, message_id: str | None = None, **where: str | None) -> str:
        """Start a thread, from a message or of its own; its id."""
        body = {**self._place(**where), "name": name, "message_id": message_id}
        return str(self._call("POST", "/control/threads", body)["id"])


def attachment(name: str, data: bytes) -> dict[str, str]:
    """A file as the control API takes it."""
    return {"filename": name, "content_base64": base64.b64encode(data).decode("ascii")}


def components(message: Message) -> Iterator[dict[str, Any]]:
    """Every component of a message, nested ones too."""
    pending = list(message.get("components", []))
    while pending:
        component = pending.pop(0)
        yield component
        pending += component.get("components", [])
        if isinstance(component.get("accessory"), dict):
            pending.append(component["accessory"])


def text_of(message: Message) -> str:
    """All words of a message: content, each embed's title, description, fields and footer, and text components."""
    parts = [message["content"]]
    for embed in message["embeds"]:
        parts += [embed.get("title"), embed.get("description")]
        for field in embed.get("fields", []):
            parts += [field["name"], field["value"]]
        parts.append((embed.get("footer") or {}).get("text"))
    parts += [component["content"] for component in components(message) if component["type"] == 10]
    return "\n".join(part for part in parts if part)


def pictures_of(message: Message) -> list[str]:
    """Addresses of a message's pictures: of its embeds, and of attachments that no embed shows."""
    urls = [embed[slot]["url"] for embed in message["embeds"] for slot in ("image", "thumbnail") if embed.get(slot)]
    return urls + [
        item["url"] for item in message["attachments"] if str(item.get("content_type", "")).startswith("image/")
    ]
