"""Draw readings of channels, and what members are told about them and what is stored of them. Pure functions."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import discord

from bot.channels.consent import AllowedChannel, ConsentAnswer, Mode
from bot.channels.member_data import LearnedModel, MemberData
from bot.channels.pages import ReadingState
from bot.channels.withdrawals import Withdrawal
from bot.components import button, view
from bot.words import (
    AMBER,
    BLURPLE,
    GREEN,
    TITLE_LIMIT,
    add_fields,
    as_typed,
    bar,
    clipped,
    listed,
    mentions,
    short_title,
    some,
)
from galvanic.units import count
from shared.jobs import ChannelReading, TrainJob
from shared.settings import Settings

_MOST_LISTED = 10
_FIELD_CHARS = 700  # characters of one list: several make up a page, which may have 6,000
_TAKEN_CHARS = 3_000
_HOUR_S = 3_600.0


@dataclass(frozen=True)
class Terms:
    """The operator's settings, and what commands begin with where the text is read."""

    settings: Settings
    prefix: str

    @property
    def mode(self) -> Mode:
        return self.settings.channel_training

    @property
    def forget_within(self) -> str:
        return _number(self.settings.forget_within_hours, "hour")


_MODES: dict[Mode, str] = {
    "off": "The bot's operator has turned it off: nothing is learned from anybody's messages.",
    "opt-in": "Only from members who said yes.",
    "opt-out": "From all members who didn't say no.",
}


# ---------------------------------------------------------------------- cards of readings


def reading(job: TrainJob, channel: ChannelReading, state: ReadingState, problem: str = "") -> discord.Embed:
    """Show how far the reading of a channel is. `problem`: why it does not go on at the moment, with a sign."""
    places = len(state.sources) if state.sources is not None else 1
    began, until = _seconds(state.first), _seconds(channel.until)
    here = (_seconds(state.cursor) - began) / max(1, until - began) if state.first else 0.0
    share = min(1.0, (state.at + here) / max(1, places))  # of the time to read, in all places
    embed = discord.Embed(title=f"Reading {short_title(job)}", colour=AMBER if problem else BLURPLE)
    trouble = f"{problem}\n" if problem else ""
    embed.description = f"{trouble}📖 **Reading**, the oldest messages first\n`{bar(share)}` **{100 * share:.0f} %**"
    fields = {
        "Messages read": f"{state.read:,}",
        "Reached": f"<t:{_seconds(state.cursor)}:D>" if state.cursor > channel.after else "…",
        "Kept": count(state.lines, "line"),
        "Threads": f"{min(state.at + 1, places)} of {places}, the channel included" if places > 1 else "",
    }
    add_fields(embed, fields)
    return embed.set_footer(text=f"recipe {job.options.recipe} · training {job.job_id}")


# ---------------------------------------------------------------------- consent


def consent_buttons(guild_id: int, user_id: int) -> discord.ui.View:
    """Return the buttons of the question about learning."""
    yes = button("optin", guild_id, user_id, label="I agree", style=discord.ButtonStyle.success)
    return view(yes, button("privacy-not", user_id, label="No, leave it"))


def forget_buttons(guild_id: int, user_id: int) -> discord.ui.View:
    """Return the buttons of the question about forgetting. `guild_id` 0: in all servers."""
    yes = button("forget-me", guild_id, user_id, label="Forget me", style=discord.ButtonStyle.danger)
    return view(yes, button("privacy-not", user_id, label="No, leave it"))


def consent_question(server: str, channels: Sequence[int], answer: ConsentAnswer | None, terms: Terms) -> discord.Embed:
    """Ask a member. `channels`: those that may be learned from and that they can read; `answer`: their earlier one."""
    again = answer is not None and answer.state == "out"
    whose = "those that you write after you agree" if again else "those of the past and of the future"
    allowed = f"Now: {mentions(channels)}" if channels else "None of those that you can read, so far"
    fields = {
        "What is learned": f"How you write: your messages, {whose}, as text. Not messages with a link, an "
        "address, a long number or a password, as far as I find it; nor mentions, quotes, code, files, commands, and "
        "what you have deleted. A name that you write as a plain word is learned.",
        "From which channels": "From those that the server's admins allow, with their public threads. "
        f"{allowed}. When they allow another text channel, I say so there.",
        "Who can use the models": "Members of this server, and only where everybody who reads can also read the "
        "channel that was learned from. Its admins can export a model as a file, which I can't take back.",
        "It may repeat you": "A model can write phrases of yours word for word. Don't agree if you wrote "
        "something there that nobody should quote.",
        "How long": _retention(terms),
        "How to take it back": f"`{terms.prefix}optout` at any time: models that learned your words are made again "
        f"without them, or deleted, within {terms.forget_within}. What you delete or edit stays learned as it was "
        f"until its channel is read again. `{terms.prefix}forget-me` also deletes your requests. Leaving the server "
        "counts as a no.",
    }
    if answer is not None and (again or answer.since):
        until = "you agree" if again else f"<t:{_seconds(answer.since)}:f>"
        fields["You withdrew before"] = f"What you wrote until {until} stays out."
    about = f"Read this first. It is about **{clipped(server, 100)}** only."
    embed = _page("May models learn from your messages?", about, fields)
    if answer is None and terms.mode == "opt-out":
        embed.set_footer(text="Until you say no, your messages count here even if you don't answer.")
    return embed


def agreed(server: str, answer: ConsentAnswer, terms: Terms) -> discord.Embed:
    since = f" to what you write after <t:{_seconds(answer.since)}:f>" if answer.since else ""
    return discord.Embed(
        title="You agreed",
        description=f"You said yes on <t:{int(answer.at)}:D>{since}: models of **{clipped(server, 100)}** may learn "
        f"from your messages in the channels that its admins allow.\n`{terms.prefix}optout` takes it back, "
        f"`{terms.prefix}privacy` shows what is stored about you.",
        colour=GREEN,
    )


def forget_question(servers: Sequence[str], terms: Terms) -> discord.Embed:
    where = some([f"**{clipped(server, 60)}**" for server in servers])
    return discord.Embed(
        title="Shall I forget you?",
        description=f"In {where or 'every server where I know you'}:\n"
        f"- Nothing is learned from your messages any more, as after `{terms.prefix}optout`.\n"
        "- Models that learned your words are made again without them, or deleted, "
        f"within {terms.forget_within}.\n"
        "- The requests for texts that you sent me are deleted, with what others asked me to make of your words, "
        "and buttons under those texts stop working.\n"
        "What stays: your no itself, so that nobody asks you again; my messages in channels; that you asked for a "
        "training, for a month; a file that you attached, until it is no longer needed; and your models of books "
        f"and files. In the server `{terms.prefix}model delete` deletes those.",
        colour=AMBER,
    )


def withdrawn(title: str, taken: Sequence[tuple[str, Withdrawal]], closing: str, terms: Terms) -> discord.Embed:
    """Confirm an `optout` or a `forget-me`. `taken`: withdrawals, each with the server's name."""
    due = int(time.time() + _HOUR_S * terms.settings.forget_within_hours)
    lines = []
    for server, withdrawal in taken:
        if withdrawal.models:
            names = some([f"`{model.name}`" for model in withdrawal.models])
            end = f"made again without your words, or deleted, by <t:{due}:f>"
            lines.append(f"- **{clipped(server, 60)}**: {names} learned from you: {end}.")
        elif withdrawal.readings:
            lines.append(f"- **{clipped(server, 60)}**: your words leave the trainings that were to learn them.")
    effects = listed(lines, "- and in {} more.", _TAKEN_CHARS) or "- No model has learned your words."
    return discord.Embed(
        title=title,
        description="Nothing is learned from your messages any more, old or new. If you opt in again one day, only "
        f"what you write after that can be learned.\n{effects}\n{closing}",
        colour=GREEN,
    )


# ---------------------------------------------------------------------- stored data


def privacy_page(data: MemberData, terms: Terms) -> discord.Embed:
    """Show a member what is stored of them in a server."""
    server = clipped(data.name, 100) if data.name is not None else f"a server that I have left ({data.guild_id})"
    fields = {
        "Learning from messages": _MODES[terms.mode],
        "Your answer": _answer(data.answer, terms.mode),
        "Channels that may be learned from": mentions(data.channels) or "None of those that you can read",
        "Models that learned from you": _list(list(map(_learned, data.learned))),
        "Models and trainings of yours": _list(
            [f"`{model.name}`" for model in data.owned] + [f"training {job.job_id}" for job in data.trainings]
        ),
        "How long": f"{_retention(terms)} What you asked me to write is kept for a month, for the buttons under it.",
    }
    commands = ("optin (in the server)", "optout", "forget-me", "export-data sends all of it as a file")
    embed = _page(f"What I store about you in {server}", None, fields)
    return embed.set_footer(text=" · ".join(f"{terms.prefix}{command}" for command in commands))


def nothing_stored(terms: Terms) -> discord.Embed:
    """Tell a member that nothing is stored of them."""
    return discord.Embed(
        title="I store nothing about you",
        description=f"Learning from messages: {_MODES[terms.mode]}\nYou gave no answer to that, no model learned your "
        "words, none is yours, and you asked me for nothing within a month.",
        colour=BLURPLE,
    )


def _answer(answer: ConsentAnswer | None, mode: Mode) -> str:
    if answer is None and mode == "opt-out":
        return "You gave none, so your messages count until you say no."
    if answer is None:
        return "You gave none, so nothing is learned from your messages."
    since = f"since <t:{int(answer.at)}:f>" if answer.at else "since earlier"
    if answer.state == "out":
        return f"**No**, {since}."
    if answer.since:
        return f"**Yes**, to what you wrote after <t:{_seconds(answer.since)}:f>."
    return f"**Yes**, {since}."


def _learned(learned: LearnedModel) -> str:
    called = f", where you are called {clipped(learned.called, 40)}" if learned.called is not None else ""
    until = learned.made_again_or_deleted_by
    again = f" (made again, or deleted, by <t:{int(until)}:f>)" if until is not None else ""
    source = mentions(learned.channels) or "your data package"
    return f"`{learned.name}`, from {source}{called}{again}"


# ---------------------------------------------------------------------- allowed channels


def notice(server: str, terms: Terms) -> discord.Embed:
    members = "only from members who say yes" if terms.mode == "opt-in" else "from members who don't say no"
    return discord.Embed(
        title="Models may learn from this channel",
        description=f"An admin of {clipped(server, 100)} allowed it. It means that a member can have me train a model "
        f"that writes like this channel, {members}.\n"
        "- Such a model may repeat phrases. It can be used only where everybody can read this channel.\n"
        f"- `{terms.prefix}optin` tells you exactly what happens, and asks you.\n"
        f"- `{terms.prefix}optout` says no, at any time: models that learned your words are made again without "
        "them, or deleted.\n"
        f"- `{terms.prefix}privacy` shows what is stored about you. All of these are answered in private.",
        colour=BLURPLE,
    )


def allowed_channels(allowances: dict[int, AllowedChannel], agreed_count: int, terms: Terms) -> discord.Embed:
    lines = [
        f"<#{channel_id}>, by <@{allowed.by}> since <t:{int(allowed.at)}:D>"
        for channel_id, allowed in sorted(allowances.items())
    ]
    fields = {"Allowed": _list(lines), "Members who said yes": "" if terms.mode == "off" else f"{agreed_count:,}"}
    allow = ("allow-training", "channel", "#CHANNEL")
    footer = f"{as_typed(terms.prefix, *allow)} · {as_typed(terms.prefix, *allow, 'state', 'off')}"
    return _page("Channels that I may learn from", _MODES[terms.mode], fields).set_footer(text=footer)


# ---------------------------------------------------------------------- parts of embeds


def _page(title: str, description: str | None, fields: Mapping[str, str]) -> discord.Embed:
    """Build an embed without its empty fields."""
    embed = discord.Embed(title=clipped(title, TITLE_LIMIT), description=description, colour=BLURPLE)
    add_fields(embed, fields, inline=False)
    return embed


def _retention(terms: Terms) -> str:
    return (
        "The text that I read is deleted when its training ends. A model is made again, or deleted, before what it "
        f"learned is {_number(terms.settings.channel_model_days, 'day')} old."
    )


def _number(number: float, unit: str) -> str:
    return f"{number:g} {unit}" + ("" if number == 1 else "s")


def _list(lines: Sequence[str]) -> str:
    return listed(lines, "and {} more", _FIELD_CHARS, _MOST_LISTED) or "None"


def _seconds(snowflake: int) -> int:
    return int(discord.utils.snowflake_time(snowflake).timestamp())
