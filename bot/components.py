"""Buttons, menus and forms: a table of actions, each the bound method of a service, and one generic item for them all.

What must work after a restart carries all it needs in its custom id, `galvanic:ACTION:ARGUMENT:...`. `app` fills the
table; whoever shows a control only needs to know its action's name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Self

import discord

from bot.escape import MOST, NOBODY, label, replace_surrogates
from bot.responder import Interaction, Responder, acknowledge
from bot.servers.access import Access, require_all, require_writer
from bot.servers.actor import Actor
from bot.types import Send
from shared.errors import UserError

JOB = r"(?P<job>[a-z0-9-]+)"
MODEL = r"(?P<model>[A-Za-z0-9][A-Za-z0-9_-]{0,63})"
USER = r"(?P<user>\d{1,20})"
GUILD = r"(?P<guild>\d{1,20})"
"""Of custom ids: patterns of their arguments, to be joined with `:`."""
FORM_S = 3_600
"""How long a form may stay open. Discord does not tell when somebody closes one: it would be kept for ever."""
_PREFIX = "galvanic:"

Who = Literal["writers", "readers", "anybody"]
"""Who may press it: whoever could give a command in the channel, who may use the bot there, or everybody. The work
itself asks for further rights."""
How = Literal["reply", "private", "update", "form", "help"]
"""How it is answered: with a message for all, in reply to the one pressed; for the person alone; by a change of the
message pressed; with a form, which the work returns; or `update` where only the person sees the message, else
`private`."""
Work = Callable[["Press"], Awaitable[Any]]
Hold = Callable[[int], AbstractContextManager[None]]


@dataclass(frozen=True)
class Press:
    """What somebody did with a control or a form.

    Attributes:
        interaction: theirs.
        arguments: what the control's custom id holds.
        values: what was chosen in a menu: strings, roles or channels.
        typed: what was typed into a form, by field.
        send: posts the answer.
    """

    interaction: Interaction
    arguments: Mapping[str, str] = dataclasses.field(default_factory=dict)
    values: Sequence[Any] = ()
    typed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    send: Send = None  # type: ignore[assignment]

    def __getitem__(self, name: str) -> str:
        return self.arguments[name]

    @functools.cached_property
    def actor(self) -> Actor:
        """Who did it, and where.

        Raises:
            UserError: it was outside of a server.
        """
        return Actor.of_interaction(self.interaction)

    @property
    def is_private(self) -> bool:
        """Whether only this person sees the message pressed."""
        return self.interaction.message is not None and self.interaction.message.flags.ephemeral

    @property
    def chosen(self) -> str:
        """What was chosen in a menu of which one thing is chosen.

        Raises:
            UserError: nothing, or more: a menu of another version, or no menu of Discord's own client.
        """
        if len(self.values) != 1:
            raise UserError("I can't tell what you chose in this menu.", "Choose one thing, or run the command again.")
        return str(self.values[0])

    async def update(self, **message: Any) -> None:
        """Change the message pressed."""
        await self.interaction.edit_original_response(**message, allowed_mentions=NOBODY)


@dataclass(frozen=True)
class Action:
    """What a control does.

    Attributes:
        work: does it.
        arguments: pattern of what follows the action in the custom id, groups named as in `Press.arguments`.
        who, how: see `Who` and `How`.
        owner: the person whose id the custom id holds as `user`, and nobody else.
        hold: held while it is done; gets the server's id.
    """

    work: Work
    arguments: str = ""
    who: Who = "writers"
    how: How = "reply"
    owner: bool = False
    hold: Hold | None = None


@dataclass(frozen=True)
class Field:
    """A field of a form.

    Attributes:
        name: by which `Press.typed` has it.
        label: above it, up to 45 characters.
        explained: below that.
        most: characters.
        long: of several lines.
    """

    name: str
    label: str
    explained: str | None = None
    placeholder: str | None = None
    default: str | None = None
    most: int | None = None
    long: bool = False
    required: bool = False


@dataclass(frozen=True)
class Form:
    """A form. One that is sent after a restart, or too late, is refused (`bot.admin.cog_errors`).

    Attributes:
        name: for the log.
        work: gets what was typed, without lone surrogates.
        who, how, hold: see `Action`; `how`: reply or update.
    """

    name: str
    title: str
    fields: Sequence[Field]
    work: Work
    who: Who = "writers"
    how: How = "reply"
    hold: Hold | None = None


class Components:
    """The table of all actions, and what carries them out."""

    def __init__(self, client: discord.Client, responder: Responder, access: Access) -> None:
        self._client = client
        self._responder = responder
        self._access = access
        self.actions: dict[str, Action] = {}

    def add(self, name: str, work: Work, arguments: str = "", **options: Any) -> None:
        """Let controls of this name do something; see `Action`."""
        self.actions[name] = Action(work, arguments, **options)

    def item(self) -> type[discord.ui.DynamicItem[Any]]:
        """The class for `Client.add_dynamic_items`."""
        carry_out = self._pressed

        class Control(discord.ui.DynamicItem[discord.ui.Item[Any]], template=rf"(?s:{_PREFIX}.+)"):
            @classmethod
            async def from_custom_id(cls, _: Interaction, item: discord.ui.Item[Any], __: re.Match[str]) -> Self:
                return cls(item)

            async def callback(self, interaction: Interaction) -> None:
                await carry_out(interaction, self.custom_id, getattr(self.item, "values", ()))

        return Control

    def find(self, custom_id: str) -> tuple[str, Action, dict[str, str]] | None:
        """The action that a custom id stands for, its name before and its arguments after it; None: there is none."""
        rest = custom_id.removeprefix(_PREFIX)
        name, _, given = (rest, "", "") if rest in self.actions else rest.partition(":")
        action = self.actions.get(name)
        arguments = re.fullmatch(action.arguments, given) if action is not None else None
        return (name, action, arguments.groupdict()) if action is not None and arguments is not None else None

    async def open(self, interaction: Interaction, form: Form) -> None:
        """Show a form."""
        await interaction.response.send_modal(_Modal(form, self))

    async def _pressed(self, interaction: Interaction, custom_id: str, values: Sequence[Any]) -> None:
        if (found := self.find(custom_id)) is not None:  # else `bot.admin.cog_errors` says that it no longer works
            name, action, arguments = found
            await self._carry_out(name, action, Press(interaction, arguments, replace_surrogates(list(values))))

    async def _carry_out(self, doing: str, action: Action | Form, press: Press, sent: _Modal | None = None) -> None:
        interaction, how = press.interaction, action.how
        if how == "help":
            how = "update" if press.is_private else "private"
        defer: dict[str, Any] | None = {"private": {"ephemeral": True, "thinking": True}, "update": {}}.get(how)
        way_back = sent.way_back if sent is not None else None
        try:
            if action.who != "anybody":
                await self._access.require_place(interaction.user, interaction.channel)
            if action.who == "writers":
                require_writer(interaction)
        except Exception as error:  # discord.py would drop it
            await self._responder.tell(interaction, self._responder.explain(error, doing))
            return
        async with self._responder.answering(interaction, doing, defer=defer, way_back=way_back):
            if isinstance(action, Action) and action.owner and str(interaction.user.id) != press["user"]:
                remedy = f"Only <@{press['user']}> can answer it."
                raise UserError("This question is for somebody else.", remedy)
            with action.hold(interaction.guild_id or 0) if action.hold is not None else contextlib.nullcontext():
                send = await self._reply(press) if how == "reply" else interaction.followup.send
                if how == "private":
                    send = functools.partial(send, ephemeral=True)
                made = await action.work(dataclasses.replace(press, send=send))
                if isinstance(made, Form):
                    await self.open(interaction, made)

    async def _reply(self, press: Press) -> Send:
        """Acknowledge a press whose answer is a message of its own, in reply to the one pressed; what posts that.

        Not as the interaction's response: that could not refer to the message, nor be kept from being posted twice.
        """
        interaction = press.interaction
        await acknowledge(interaction)
        require_all(interaction.app_permissions, interaction.channel)
        options: dict[str, Any] = {"nonce": f"a-{interaction.id}"}
        if interaction.message is not None:
            options["reference"] = interaction.message.to_reference(fail_if_not_exists=False)
        actor = press.actor
        channel = self._client.get_partial_messageable(actor.place.channel_id, guild_id=actor.guild_id)
        return functools.partial(channel.send, **options)

    async def sent(self, interaction: Interaction, modal: _Modal) -> None:
        """Carry out a form that was sent."""
        typed = {name: replace_surrogates(field.value) for name, field in modal.inputs.items()}
        await self._carry_out(modal.form.name, modal.form, Press(interaction, typed=typed), modal)

    async def back(self, interaction: Interaction, form: Form) -> None:
        """Open a form again."""
        async with self._responder.answering(interaction, "back to the form"):
            await self.open(interaction, form)


class _Modal(discord.ui.Modal):
    def __init__(self, form: Form, components: Components) -> None:
        super().__init__(title=form.title[:45], timeout=FORM_S)
        self.form = form
        self._components = components
        self.inputs: dict[str, discord.ui.TextInput[Any]] = {}
        for field in form.fields:
            self.inputs[field.name] = discord.ui.TextInput(
                custom_id=field.name,
                style=discord.TextStyle.paragraph if field.long else discord.TextStyle.short,
                placeholder=field.placeholder,
                default=field.default,
                required=field.required,
                max_length=field.most,
            )
            made = discord.ui.Label(text=field.label, description=field.explained, component=self.inputs[field.name])
            self.add_item(made)

    async def on_submit(self, interaction: Interaction) -> None:
        await self._components.sent(interaction, self)

    def way_back(self) -> discord.ui.View:
        """A button that opens the form again, with what was typed."""
        fields = [dataclasses.replace(field, default=self.inputs[field.name].value) for field in self.form.fields]
        form = dataclasses.replace(self.form, fields=fields)
        button: discord.ui.Button[Any] = discord.ui.Button(label="Back to the form")
        button.callback = functools.partial(self._components.back, form=form)  # type: ignore[method-assign]
        return discord.ui.View(timeout=FORM_S).add_item(button)


def custom_id(action: str, *arguments: object) -> str:
    """The custom id of a control."""
    return _PREFIX + ":".join((action, *map(str, arguments)))


def button(
    action: str,
    *arguments: object,
    label: str,
    style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    disabled: bool = False,
) -> discord.ui.Button[Any]:
    """A button that works for good."""
    return discord.ui.Button(label=label, style=style, disabled=disabled, custom_id=custom_id(action, *arguments))


def menu(
    action: str, *arguments: object, placeholder: str, options: Iterable[tuple[str, str] | tuple[str, str, str]]
) -> discord.ui.Select[Any]:
    """A menu of which one thing is chosen, of options: their labels, values and perhaps descriptions."""
    made = [
        discord.SelectOption(label=label(name), value=value, description=label(more[0]) if more else None)
        for name, value, *more in list(options)[:MOST]
    ]
    return discord.ui.Select(custom_id=custom_id(action, *arguments), placeholder=placeholder, options=made)


def view(*items: discord.ui.Item[Any]) -> discord.ui.View:
    """The controls of a message. discord.py need not remember them: whoever presses one, `Components` hears of it."""
    made = discord.ui.View(timeout=None)
    for item in items:
        made.add_item(item)
    made.stop()
    return made
