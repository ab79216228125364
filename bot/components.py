"""Buttons, menus and forms: a table of actions, each the bound method of a service, and one generic dynamic item.

A control works after a restart, since all it needs is in its custom id, `galvanic:ACTION:ARGUMENT:...`. Features
fill the table; what shows a control only needs its action's name.
"""

import dataclasses
import functools
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Self

import discord
from discord.ext import commands

from bot.responder import Interaction, Responder, acknowledge, channel_of
from bot.servers.access import Access, Actor, require_all, require_joined, require_writer
from bot.types import Send
from bot.words import MOST, NOBODY, label
from galvanic.errors import UserError

JOB = r"(?P<job>[a-z0-9-]+)"
MODEL = r"(?P<model>[A-Za-z0-9][A-Za-z0-9_-]{0,63})"
USER = r"(?P<user>\d{1,20})"
GUILD = r"(?P<guild>\d{1,20})"
"""Patterns of custom ids' arguments, to be joined with `:`."""
FORM_S = 3_600  # Discord does not tell when somebody closes a form: without a limit it would be kept for ever
_PREFIX = "galvanic:"

PressAudience = Literal["writers", "readers", "anybody"]
"""People who may press: those who may write in the channel, those who may use the bot there, or all."""
AnswerMode = Literal["reply", "private", "update", "form", "help"]
"""Kind of answer: a public reply to the message pressed; a message for the person alone; an edit of that message;
a form, which the work returns; `help`: `update` if only the person sees the message, else `private`."""
Work = Callable[["Press"], Awaitable[Any]]


@dataclasses.dataclass(frozen=True)
class Press:
    """A press of a control, or a form that was sent."""

    interaction: Interaction
    arguments: Mapping[str, str] = dataclasses.field(default_factory=dict)  # from the control's custom id
    values: Sequence[Any] = ()  # chosen in a menu: strings, roles or channels
    typed: Mapping[str, str] = dataclasses.field(default_factory=dict)  # into a form, by field
    send: Send = None  # type: ignore[assignment]  # posts the answer

    def __getitem__(self, name: str) -> str:
        return self.arguments[name]

    @functools.cached_property
    def actor(self) -> Actor:
        """Return who pressed. Raises UserError outside of a server."""
        return Actor.of_interaction(self.interaction)

    @property
    def is_private(self) -> bool:
        """Return whether only this person sees the message pressed."""
        return self.interaction.message is not None and self.interaction.message.flags.ephemeral

    @property
    def chosen(self) -> str:
        """Return the one choice of a menu.

        Raises UserError: none or several, as an older menu or another client may send.
        """
        if len(self.values) != 1:
            raise UserError("I can't tell what you chose in this menu.", "Choose one thing, or run the command again.")
        return str(self.values[0])

    async def update(self, **message: Any) -> None:
        await self.interaction.edit_original_response(**message, allowed_mentions=NOBODY)


@dataclasses.dataclass(frozen=True)
class Action:
    """The action of a control."""

    work: Work
    arguments: str = ""  # pattern of what follows the action in the custom id, groups named as in `Press.arguments`
    who: PressAudience = "writers"
    how: AnswerMode = "reply"
    owner: bool = False  # only the person whose id the custom id holds as `user` may press it


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a form."""

    name: str  # in `Press.typed`
    label: str  # of up to 45 characters
    explained: str | None = None
    placeholder: str | None = None
    default: str | None = None
    most: int | None = None  # characters
    long: bool = False
    required: bool = False


@dataclasses.dataclass(frozen=True)
class Form:
    """A form for a person to fill in, which Discord calls a modal. `sent`: the action once it is sent.

    Sent after a restart or after `FORM_S`, it is refused (`bot.responder`).
    """

    title: str
    fields: Sequence[Field]
    sent: Action


class Components:
    """The actions of all buttons, menus and forms, and what carries them out."""

    def __init__(self, responder: Responder, access: Access) -> None:
        self._responder = responder
        self._access = access
        self.actions: dict[str, Action] = {}

    def add(self, name: str, work: Work, arguments: str = "", **options: Any) -> None:
        """Add an action to the table. `options`: see `Action`."""
        self.actions[name] = Action(work, arguments, **options)

    def item(self) -> type[discord.ui.DynamicItem[Any]]:
        """Return the class for `Client.add_dynamic_items`."""
        carry_out = self._pressed

        class Control(discord.ui.DynamicItem[discord.ui.Item[Any]], template=rf"(?s:{_PREFIX}.+)"):
            @classmethod
            async def from_custom_id(cls, _: Interaction, item: discord.ui.Item[Any], __: re.Match[str]) -> Self:
                return cls(item)

            async def callback(self, interaction: Interaction) -> None:
                await carry_out(interaction, self.custom_id, getattr(self.item, "values", ()))

        return Control

    def find(self, custom_id: str) -> tuple[str, Action, dict[str, str]] | None:
        """Return the name, the action and the arguments of a custom id; None: there is none."""
        rest = custom_id.removeprefix(_PREFIX)
        name, _, argument = (rest, "", "") if rest in self.actions else rest.partition(":")
        action = self.actions.get(name)
        arguments = re.fullmatch(action.arguments, argument) if action is not None else None
        return (name, action, arguments.groupdict()) if action is not None and arguments is not None else None

    async def open(self, interaction: Interaction, form: Form) -> None:
        await interaction.response.send_modal(_Modal(form, self._carry_out))

    async def _pressed(self, interaction: Interaction, custom_id: str, values: Sequence[Any]) -> None:
        if (target := self.find(custom_id)) is not None:  # else `bot.responder` says that it no longer works
            name, action, arguments = target
            await self._carry_out(name, action, Press(interaction, arguments, list(values)))

    async def _carry_out(
        self, doing: str, action: Action, press: Press, way_back: Callable[[], discord.ui.View] | None = None
    ) -> None:
        """Check the person, do the work, and answer. `way_back`: a button that opens a refused form again."""
        interaction, how = press.interaction, action.how
        if how == "help":
            how = "update" if press.is_private else "private"
        try:
            if action.who != "anybody":
                await self._access.require_place(interaction.user, interaction.channel)
            if action.who == "writers":
                require_writer(interaction)
            if action.owner and str(interaction.user.id) != press["user"]:
                raise UserError("This question is for somebody else.", f"Only <@{press['user']}> can answer it.")
            # At once, since Redis may take longer than Discord's 3 s.
            private = how == "private"
            if private or how == "update":
                await acknowledge(interaction, ephemeral=private, thinking=private)
            followup = functools.partial(interaction.followup.send, ephemeral=private)
            send = await self._reply(press) if how == "reply" else followup
            answer = await action.work(dataclasses.replace(press, send=send))
            if isinstance(answer, Form):
                await self.open(interaction, answer)
        except Exception as error:  # discord.py would only log it
            mistaken = isinstance(error, (UserError, commands.UserInputError))
            view = way_back() if way_back is not None and mistaken else None
            await self._responder.tell(interaction, error, doing, view)

    async def _reply(self, press: Press) -> Send:
        """Acknowledge a press that is answered with a new message, and return the function that posts it.

        The interaction's own response could not refer to the message pressed, nor carry a nonce against posting twice.
        """
        interaction = press.interaction
        await acknowledge(interaction)
        require_all(interaction.app_permissions, interaction.channel)
        require_joined(interaction.app_permissions, interaction.channel)
        options: dict[str, Any] = {"nonce": f"a-{interaction.id}"}
        if interaction.message is not None:
            options["reference"] = interaction.message.to_reference(fail_if_not_exists=False)
        return functools.partial(channel_of(interaction).send, **options)


class _Modal(discord.ui.Modal):
    """Discord's modal of a form; what is typed goes to the form's action."""

    def __init__(self, form: Form, carry_out: Callable[..., Awaitable[None]]) -> None:
        super().__init__(title=form.title[:45], timeout=FORM_S)
        self.form = form
        self._carry_out = carry_out
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
            labelled = discord.ui.Label(
                text=field.label, description=field.explained, component=self.inputs[field.name]
            )
            self.add_item(labelled)

    async def on_submit(self, interaction: Interaction) -> None:
        typed = {name: field.value for name, field in self.inputs.items()}
        await self._carry_out(self.form.title, self.form.sent, Press(interaction, typed=typed), self._way_back)

    def _way_back(self) -> discord.ui.View:
        """Return a button that opens the form again, with what was typed."""
        fields = [dataclasses.replace(field, default=self.inputs[field.name].value) for field in self.form.fields]

        async def form(_: Press) -> Form:
            return dataclasses.replace(self.form, fields=fields)

        async def back(interaction: Interaction) -> None:
            await self._carry_out("back to the form", Action(form, who="anybody", how="form"), Press(interaction))

        button: discord.ui.Button[Any] = discord.ui.Button(label="Back to the form")
        button.callback = back  # type: ignore[method-assign]
        return discord.ui.View(timeout=FORM_S).add_item(button)


def custom_id(action: str, *arguments: object) -> str:
    return _PREFIX + ":".join((action, *map(str, arguments)))


def button(
    action: str,
    *arguments: object,
    label: str,
    style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    disabled: bool = False,
) -> discord.ui.Button[Any]:
    return discord.ui.Button(label=label, style=style, disabled=disabled, custom_id=custom_id(action, *arguments))


def menu(
    action: str, *arguments: object, placeholder: str, options: Iterable[tuple[str, str] | tuple[str, str, str]]
) -> discord.ui.Select[Any]:
    """Return a select menu with one choice. `options`: (label, value) or (label, value, description)."""
    select_options = [
        discord.SelectOption(label=label(name), value=value, description=label(more[0]) if more else None)
        for name, value, *more in list(options)[:MOST]
    ]
    return discord.ui.Select(custom_id=custom_id(action, *arguments), placeholder=placeholder, options=select_options)


def view(*items: discord.ui.Item[Any]) -> discord.ui.View:
    """Return a message's controls. discord.py need not keep the view: presses reach `Components` by custom id."""
    shown = discord.ui.View(timeout=None)
    for item in items:
        shown.add_item(item)
    shown.stop()
    return shown
