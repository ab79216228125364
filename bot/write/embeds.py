"""Generated texts, comparisons and surprise maps. Pure functions: data in, embed out."""

import math
from collections.abc import Sequence
from typing import Any

import discord

from bot.components import button, menu, view
from bot.options.checks import HOTTEST
from bot.words import BLURPLE, FIELD_LIMIT, add_fields, clipped, figure, percent, plain, shorten_words, tail
from galvanic.units import bits, choosing, count
from shared.events import Compared, Generated, Surprised
from shared.jobs import SURPRISE_FILE, CompareJob, GenerateJob, SurpriseJob

PRESSED = "b"  # begins the ids of jobs that a button or a form asked for: their answers name the person
CONTINUED_SHOWN = 120  # characters of an old text that are shown before its continuation
BEGINNING_SHOWN = 1_500  # characters of a text that is too long for an embed, above the file with all of it
_EMBED_LIMIT = 5_900  # Discord's is 6,000 for all words of an embed
_CHAT_LIMIT = 1_800  # a persona's name above has room, too
_SHOWN_SEED = 300
_SURPRISING = 5
_MASKED = "Words on this server's blocklist are covered."
_NAMED = {" ": "space", "\n": "line end", "\t": "tab"}


def generated(
    job: GenerateJob, answer: Generated, learn: str | None = None, *, beginning: bool = False
) -> discord.Embed:
    """Return a text's embed, which may be too long for Discord.

    `learn`: how to get a model, if the channel has none. `beginning`: only as much of the text as surely fits.
    """
    seed, text = answer.seed, answer.text
    if job.shown is not None and seed:
        seed = f"… {seed[-job.shown :]}"
    if beginning:
        seed, text = tail(seed, _SHOWN_SEED), f"{shorten_words(text, BEGINNING_SHOWN)} …"
    # A mention in an embed is only a name: it pings nobody.
    asked_by = f"-# for <@{job.place.user_id}>\n" if job.job_id.startswith(PRESSED) else ""
    body = plain(seed).strip()  # Discord drops bold around white space at an edge
    bold = f"**{body}**" if body else ""
    description = f"{asked_by}{bold}{seed[len(seed.rstrip()) :]}{plain(text)}"
    embed = discord.Embed(description=description or "…", colour=BLURPLE)
    embed.set_footer(text=generated_footer(job, answer)[:2_048])
    _add_notes(embed, answer.notes, learn, masked=answer.masked)
    return embed


def chatted(answer: Generated) -> str:
    return plain(shorten_words(answer.text.strip(), _CHAT_LIMIT)) or "…"


def generated_footer(job: GenerateJob, answer: Generated) -> str:
    """Say how to generate the same text again: the model, or `alice 70 % + dracula 30 %`, and how it drew."""
    total = sum(part.weight for part in job.mix)
    mixed = " + ".join(f"{part.name} {percent(part.weight / total)}" for part in job.mix)
    parts = [mixed or job.model_name, f"temperature {answer.temperature:g}"]
    limits = {"top-k": job.top_k, "top-p": job.top_p, "min-p": job.min_p}
    if any(value is not None for value in limits.values()):  # else the model's own min-p comes by itself, too
        limits["min-p"] = answer.min_p if job.min_p is None else job.min_p
    parts += [f"{name} {figure(value)}" for name, value in limits.items() if value is not None]
    if job.guard is not None:
        parts.append("loop guard on" if job.guard else "loop guard off")
    return " · ".join([*parts, f"random seed {answer.random_seed}", f"{answer.seconds:.2f} s"])


def delete_button(job_id: str) -> discord.ui.Button[Any]:
    return button("delete-text", job_id, label="Delete", style=discord.ButtonStyle.danger)


def text_buttons(job: GenerateJob, answer: Generated) -> discord.ui.View:
    """Return the buttons below a text; those that would change nothing are disabled."""
    random_start = job.from_line or job.from_corpus
    disabled_of = {
        "again": answer.temperature == 0 and not random_start,
        "continue": not answer.text.strip(),
        "hotter": answer.temperature >= HOTTEST,
        "cooler": answer.temperature <= 0,
    }
    buttons = (
        button(action, job.job_id, label=action.capitalize(), disabled=off) for action, off in disabled_of.items()
    )
    return view(*buttons, delete_button(job.job_id))


def compared_menu(job_id: str, answer: Compared) -> discord.ui.View:
    options = [(name, str(number)) for number, name in enumerate(variant_names(answer))]
    return view(menu("compared", job_id, placeholder="Continue one of these…", options=options), delete_button(job_id))


def compared(job: CompareJob, answer: Compared) -> discord.Embed:
    seed = answer.seed if len(answer.seed) <= _SHOWN_SEED else f"… {tail(answer.seed, _SHOWN_SEED)}"
    embed = discord.Embed(description=f"**{plain(seed).strip()}** …", colour=BLURPLE)
    single = len({text.model_name for text in answer.texts}) == 1
    parts = [job.variants[0].name] if single else []
    embed.set_footer(text=" · ".join([*parts, f"random seed {answer.random_seed}", f"{answer.seconds:.2f} s"]))
    _add_notes(embed, answer.notes, masked=answer.masked)
    names = variant_names(answer)
    room = (_EMBED_LIMIT - len(embed) - sum(map(len, names))) // max(1, len(names))
    for at, (name, text) in enumerate(zip(names, answer.texts, strict=True)):  # above the notes
        most = min(FIELD_LIMIT, room) - 2
        value = f"❌ {clipped(text.problem, most)}" if text.problem else _written(text.text, most)
        embed.insert_field_at(at, name=name, value=value, inline=False)
    return embed


def _written(text: str, room: int) -> str:
    short = shorten_words(text, room)
    return (plain(short).strip() or "…") + (" …" if len(short) < len(text) else "")


def variant_names(answer: Compared) -> list[str]:
    models = {text.model_name for text in answer.texts}
    temperatures = {text.temperature for text in answer.texts}
    if len(models) == 1:
        return [f"Temperature {text.temperature:g}" for text in answer.texts]
    if len(temperatures) == 1:
        return [text.model_name for text in answer.texts]
    return [f"{text.model_name}, temperature {text.temperature:g}" for text in answer.texts]


def surprised(job: SurpriseJob, answer: Surprised) -> discord.Embed:
    per_char, chars = answer.nats_per_char, count(answer.chars, "character")
    description = f"**{bits(per_char)}** over {chars}: {choosing(per_char)}."
    embed = discord.Embed(title=f"How surprising this is to {job.model.name}", description=description, colour=BLURPLE)
    embed.set_image(url=f"attachment://{SURPRISE_FILE}")
    highest: dict[str, float] = {}
    for symbol, nats in answer.most:
        highest.setdefault(symbol, nats)  # the largest come first
    most = [
        f"{_NAMED.get(symbol, f'**{plain(symbol)}**')} {nats / math.log(2):.1f} bits"
        for symbol, nats in list(highest.items())[:_SURPRISING]
    ]
    add_fields(embed, {"Least expected": " · ".join(most)[:FIELD_LIMIT]}, inline=False)
    _add_notes(embed, answer.notes)
    return embed.set_footer(text=f"{job.model.name} · {answer.seconds:.2f} s")


def _add_notes(embed: discord.Embed, notes: Sequence[str], learn: str | None = None, *, masked: bool = False) -> None:
    notes = [note for note in (*([_MASKED] if masked else []), *notes) if note.strip()]
    fields = {"Worth knowing": clipped("\n".join(notes), FIELD_LIMIT), "Without a model": learn or ""}
    add_fields(embed, fields, inline=False)
