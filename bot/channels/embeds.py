"""How imports of channels look, and what members are told about them and what is held of them. Pure functions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import discord

from bot.channels.consent import Allowed, Mode, Said
from bot.channels.held import Held, Words
from bot.channels.store import ImportState, Transcript
from bot.channels.withdrawals import Withdrawn
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
from galvanic.units import count, duration
from shared.jobs import TrainJob
from shared.models import ModelRecord
from shared.settings import Settings

_MOST_LISTED = 10
_FIELD_CHARS = 700
"""Of one list: several make up a page, which may have 6,000."""
_TAKEN_CHARS = 3_000
_HOUR_S = 3_600.0
_GUESS_FROM = 0.02
"""Share of an import from which on the time left is shown."""


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
        hours = self.settings.forget_within_hours
        return f"{hours:g} hour" + ("" if hours == 1 else "s")


_MODES: dict[Mode, str] = {
    "off": "The bot's operator has turned it off: nothing is learned from anybody's messages.",
    "opt-in": "Only from members who said yes.",
    "opt-out": "From all members who didn't say no.",
}


# ---------------------------------------------------------------------- imports


def speakers(people: int, mode: Mode) -> str:
    """Members whose words may be learned."""
    return count(people, "member") + (" who didn't say no" if mode == "opt-out" else " who agreed")


def importing(
    job: TrainJob, transcript: Transcript, state: ImportState, people: int, mode: Mode, problem: str = ""
) -> discord.Embed:
    """`people`: members whose words were kept; `problem`: why it does not go on at the moment."""
    info = transcript.info
    places = len(state.sources) if state.sources is not None else 1
    place, reached = min(state.at + 1, places), state.cursor > info.after
    began, until = _seconds(state.first or info.after or info.source_id), _seconds(info.until)
    share = 0.0
    if reached and until > began:  # of the time to read, in all places
        here = min(1.0, max(0.0, (_seconds(state.cursor) - began) / (until - began)))
        share = (place - 1 + here) / places
    left = duration((time.time() - info.created_at) / share * (1 - share)) if share >= _GUESS_FROM else "…"
    embed = discord.Embed(title=f"Reading {short_title(job)}", colour=AMBER if problem else BLURPLE)
    trouble = f"⚠️ {problem}\n" if problem else ""
    embed.description = f"{trouble}📖 **Reading**, the oldest messages first\n`{bar(share)}` **{100 * share:.0f} %**"
    fields = {
        "Messages read": f"{state.read:,}",
        "Reached": f"<t:{_seconds(state.cursor)}:D>" if reached else "…",
        "Time left": left,
        "Kept": f"{count(transcript.lines, 'line')}, {count(transcript.chars, 'character')}",
        "From": "" if info.author_id else speakers(people, mode),
        "Threads": f"{place} of {places}, the channel included" if places > 1 else "",
    }
    add_fields(embed, fields)
    return embed.set_footer(text=f"recipe {job.options.recipe} · job {job.job_id}")


# ---------------------------------------------------------------------- consent


def consent_buttons(guild_id: int, user_id: int) -> discord.ui.View:
    yes = button("optin", guild_id, user_id, label="I agree", style=discord.ButtonStyle.success)
    return view(yes, button("privacy-not", user_id, label="No, leave it"))


def forget_buttons(guild_id: int, user_id: int) -> discord.ui.View:
    """`guild_id` 0: everywhere."""
    yes = button("forget-me", guild_id, user_id, label="Forget me", style=discord.ButtonStyle.danger)
    return view(yes, button("privacy-not", user_id, label="No, leave it"))


def consent_question(server: str, channels: Sequence[int], said: Said | None, terms: Terms) -> discord.Embed:
    """`channels`: those that may be learned from and that the member can read; `said`: their earlier answer."""
    again = said is not None and said.state == "out"
    whose = "those that you write after you agree" if again else "those of the past and of the future"
    now = f"Now: {mentions(channels)}" if channels else "None of those that you can read, so far"
    fields = {
        "What is learned": f"How you write: your messages, {whose}, as text. Not messages with a link, an "
        "address, a long number or a password, as far as I find it; nor mentions, quotes, code, files, commands, and "
        "what you have deleted. A name that you write as a plain word is learned.",
        "From which channels": "From those that the server's admins allow, with their public threads. "
        f"{now}. When they allow another one, I say so there.",
        "Who can use the models": "Members of this server, and only where everybody who reads can also read the "
        "channel that was learned from. Its admins can export a model as a file, which I can't take back.",
        "It may repeat you": "A model can write phrases of yours word for word. Don't agree if you wrote "
        "something there that nobody should quote.",
        "How long": _retention(terms),
        "How to take it back": f"`{terms.prefix}optout` at any time: your words leave all that is stored, and models "
        f"that learned them are made again without them, or deleted, within {terms.forget_within}. A message that you "
        f"delete leaves, too. `{terms.prefix}forget-me` also deletes your requests. Leaving the server counts as a no.",
    }
    if said is not None and (again or said.since):
        until = "you agree" if again else f"<t:{_seconds(said.since)}:f>"
        fields["You withdrew before"] = f"What you wrote until {until} stays out."
    about = f"Read this first. It is about **{clipped(server, 100)}** only."
    embed = _page("May models learn from your messages?", about, fields)
    if said is None and terms.mode == "opt-out":
        embed.set_footer(text="Until you say no, your messages count here even if you don't answer.")
    return embed


def agreed(server: str, said: Said, terms: Terms) -> discord.Embed:
    since = f" to what you write after <t:{_seconds(said.since)}:f>" if said.since else ""
    return discord.Embed(
        title="You agreed",
        description=f"You said yes on <t:{int(said.at)}:D>{since}: models of **{clipped(server, 100)}** may learn from "
        f"your messages in the channels that its admins allow.\n`{terms.prefix}optout` takes it back, "
        f"`{terms.prefix}privacy` shows what is stored about you.",
        colour=GREEN,
    )


def opted_out(taken: Sequence[tuple[str, Withdrawn]], terms: Terms) -> discord.Embed:
    """`taken`: by the server's name."""
    return discord.Embed(
        title="You opted out",
        description="From now on nothing is learned from your messages, old or new.\n"
        f"{_taken(taken, terms)}\n"
        f"`{terms.prefix}forget-me` also deletes the requests for texts that you sent me. If you opt in again one day, "
        "only what you write after that can be learned.",
        colour=GREEN,
    )


def forget_question(servers: Sequence[str], terms: Terms) -> discord.Embed:
    where = some([f"**{clipped(server, 60)}**" for server in servers])
    return discord.Embed(
        title="Shall I forget you?",
        description=f"In {where or 'every server where I know you'}:\n"
        f"- Nothing is learned from your messages any more, as after `{terms.prefix}optout`.\n"
        "- Your words leave all that is stored. Models that learned them are made again without them, or deleted, "
        f"within {terms.forget_within}.\n"
        "- The requests for texts that you sent me are deleted, with what others asked me to make of your words, "
        "and buttons under those texts stop working.\n"
        "What stays: your no itself, so that nobody asks you again; my messages in channels; that you asked for a "
        "training, for a month; a file that you attached, until it is no longer needed; and your models of books "
        f"and files. In the server `{terms.prefix}model delete` deletes those.",
        colour=AMBER,
    )


def forgotten(taken: Sequence[tuple[str, Withdrawn]], requests: int, terms: Terms) -> discord.Embed:
    """`taken`: by the server's name; `requests`: how many were deleted."""
    return discord.Embed(
        title="I forgot you",
        description=f"{_taken(taken, terms)}\n"
        f"- {count(requests, 'request')} of yours or with your words deleted.\n"
        "- Nothing is learned from your messages any more; that you said no is kept.\n"
        f"`{terms.prefix}privacy` shows what is left: trainings, and models of books and files.",
        colour=GREEN,
    )


def _taken(taken: Sequence[tuple[str, Withdrawn]], terms: Terms) -> str:
    due = int(time.time() + _HOUR_S * terms.settings.forget_within_hours)
    lines = []
    for server, one in taken:
        if one.transcripts:
            names = some([f"`{model.name}`" for model in one.models])
            again = f" {names} learned from you: made again without your words, or deleted, by <t:{due}:f>."
            lines.append(
                f"- **{clipped(server, 60)}**: {count(one.lines, 'line')} of yours taken out of "
                f"{count(one.transcripts, 'stored text')}.{again if one.models else ''}"
            )
    return listed(lines, "- and in {} more.", _TAKEN_CHARS) or "- None of your words were stored."


# ---------------------------------------------------------------------- what is held


def privacy_page(held: Held, terms: Terms) -> discord.Embed:
    server = clipped(held.name, 100) if held.name is not None else f"a server that I have left ({held.guild_id})"
    fields = {
        "Learning from messages": _MODES[terms.mode],
        "Your answer": _answer(held.said, terms.mode),
        "Channels that may be learned from": mentions(held.channels) or "None of those that you can read",
        "Your words that are stored": _list(_words(held.words)),
        "Models that learned from you": _list([_model(model, held) for model in held.learned]),
        "Behind: a member withdrew, or a message is gone": _list([_model(model, held) for model in held.behind], ""),
        "Models and trainings of yours": _list(
            [f"`{model.name}`" for model in held.owned] + [f"training {job.job_id}" for job in held.trainings]
        ),
        "How long": f"{_retention(terms)} What you asked me to write is kept for a month, for the buttons under it.",
    }
    commands = ("optin (in the server)", "optout", "forget-me", "export-data sends all of it as a file")
    embed = _page(f"What I store about you in {server}", None, fields)
    return embed.set_footer(text=" · ".join(f"{terms.prefix}{command}" for command in commands))


def nothing_held(terms: Terms) -> discord.Embed:
    return discord.Embed(
        title="I store nothing about you",
        description=f"Learning from messages: {_MODES[terms.mode]}\nYou have said nothing to that, none of your words "
        "are stored, no model is yours, and you asked me for nothing within a month.",
        colour=BLURPLE,
    )


def _answer(said: Said | None, mode: Mode) -> str:
    if said is None and mode == "opt-out":
        return "You have said nothing, so your messages count until you say no."
    if said is None:
        return "You have said nothing, so nothing is learned from your messages."
    since = f"since <t:{int(said.at)}:f>" if said.at else "since earlier"
    if said.state == "out":
        return f"**No**, {since}."
    return f"**Yes**, to what you wrote after <t:{_seconds(said.since)}:f>." if said.since else f"**Yes**, {since}."


def _words(known: Sequence[Words]) -> list[str]:
    """A line for each text that is stored, then one for each channel of which only numbers are left."""
    numbers = dict[int, list[int]]()
    for words in known:
        if words.transcript.reading is None and not words.transcript.has_text:
            numbers.setdefault(words.transcript.info.source_id, []).append(words.lines)
    stored = [_stored(words) for words in known if words.transcript.reading is not None or words.transcript.has_text]
    return stored + [
        f"<#{source_id}>: deleted. I keep only how many lines of yours models learned there, to find these models: "
        f"{some([f'{lines:,}' for lines in lines_of])}"
        for source_id, lines_of in numbers.items()
    ]


def _stored(words: Words) -> str:
    found = f"<#{words.transcript.info.source_id}>: {count(words.lines, 'line')}"
    if words.name is not None:
        found += f", as {clipped(words.name, 40)}"
    transcript = words.transcript
    if transcript.reading is not None:
        return f"{found}, being read now"
    return found + (f", until <t:{int(transcript.until)}:f>" if transcript.until is not None else "")


def _model(model: ModelRecord, held: Held) -> str:
    due = held.due.get(model.model_id)
    again = f" (made again, or deleted, by <t:{int(due)}:f>)" if due is not None else ""
    return f"`{model.name}`, from {mentions(model.source_channels)}{again}"


# ---------------------------------------------------------------------- what admins do


def notice(server: str, terms: Terms) -> discord.Embed:
    who = "only from members who say yes" if terms.mode == "opt-in" else "from members who don't say no"
    return discord.Embed(
        title="Models may learn from this channel",
        description=f"An admin of {clipped(server, 100)} allowed it. It means that a member can have me train a model "
        f"that writes like this channel, {who}.\n"
        "- Such a model may repeat phrases. It can be used only where everybody can read this channel.\n"
        f"- `{terms.prefix}optin` tells you exactly what happens, and asks you.\n"
        f"- `{terms.prefix}optout` says no, at any time: your words leave what is stored, and models that learned "
        "them are made again without them, or deleted.\n"
        f"- `{terms.prefix}privacy` shows what is stored about you. All of these are answered in private.",
        colour=BLURPLE,
    )


def allowed_channels(allowances: dict[int, Allowed], agreed_count: int, terms: Terms) -> discord.Embed:
    lines = [f"<#{channel}>, by <@{one.by}> since <t:{int(one.at)}:D>" for channel, one in sorted(allowances.items())]
    fields = {"Allowed": _list(lines), "Members who said yes": "" if terms.mode == "off" else f"{agreed_count:,}"}
    allow = ("allow-training", "channel", "#CHANNEL")
    footer = f"{as_typed(terms.prefix, *allow)} · {as_typed(terms.prefix, *allow, 'state', 'off')}"
    return _page("Channels that I may learn from", _MODES[terms.mode], fields).set_footer(text=footer)


# ---------------------------------------------------------------------- words


def _page(title: str, said: str | None, fields: Mapping[str, str]) -> discord.Embed:
    """An empty field is left out."""
    embed = discord.Embed(title=clipped(title, TITLE_LIMIT), description=said, colour=BLURPLE)
    add_fields(embed, fields, inline=False)
    return embed


def _retention(terms: Terms) -> str:
    model_days = terms.settings.channel_model_days
    models = "until somebody deletes it" if model_days is None else f"for {_days(model_days)}"
    kept = _days(terms.settings.channel_corpus_days)
    return f"Words are kept for {kept} after the last training on them, a model {models}."


def _days(days: float) -> str:
    kept = max(1.0, days)  # a training that waits needs its text
    return f"{kept:g} day" + ("" if kept == 1 else "s")


def _list(lines: Sequence[str], otherwise: str = "None") -> str:
    return listed(lines, "and {} more", _FIELD_CHARS, _MOST_LISTED) or otherwise


def _seconds(snowflake: int) -> int:
    return int(discord.utils.snowflake_time(snowflake).timestamp())
