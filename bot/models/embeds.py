"""Embeds of models: lists, cards, and the question before one is deleted. Pure functions: data in, embed out."""

import math

import discord

from bot.components import button, view
from bot.words import AMBER, BLURPLE, FIELD_LIMIT, GREEN, add_fields, as_typed, clipped, mentions, percent, plain, size
from galvanic.languages import language_name
from galvanic.options import RECIPE_WORDS
from galvanic.units import bits, count
from shared.jobs import LOSS_FILE, ExportJob
from shared.models import ModelRecord

_BUTTONS = {
    "write": ("Generate", discord.ButtonStyle.primary),
    "use": ("Use here", discord.ButtonStyle.secondary),
    "export": ("Export", discord.ButtonStyle.secondary),
    "delete": ("Delete…", discord.ButtonStyle.danger),
}
KEPT = " Trainings here don't replace it."
NOT_KEPT = " Trainings here replace it again."
PAGE = 8  # models of a list
_FACT_CHARS = 200
_SENTENCES = ("Verdict", "Unseen text", "Its own text", "Losses")  # fields that take a line of their own


def private_list(models: list[ModelRecord], prefix: str) -> discord.Embed:
    """List the models that one member alone may use in a channel, to be shown to them alone."""
    lines = [_line(model, current=False) for model in models]
    embed = discord.Embed(title="Models of your own words", description="\n".join(lines), colour=BLURPLE)
    info = as_typed(prefix, "model info", "name", "NAME")
    return embed.set_footer(text=f"{count(len(models), 'model')} · {info} shows one")


def model_list(
    models: list[ModelRecord],
    current: ModelRecord | None,
    page: int,
    prefix: str,
    *,
    kept: bool = False,
) -> discord.Embed:
    """List a page of the models of a channel. `page`: from 0. `kept`: trainings don't replace its model."""
    lines = [_line(model, current=model == current) for model in models[page * PAGE : (page + 1) * PAGE]]
    embed = discord.Embed(title="Models", description="\n".join(lines), colour=BLURPLE)
    use, info = (as_typed(prefix, command, "name", "NAME") for command in ("model use", "model info"))
    marked = f"▶️ this channel's model{', kept' if kept else ''} · " if current is not None else ""
    counted = count(len(models), "model")
    where = f"page {page + 1} of {pages(models)} · {counted}" if len(models) > PAGE else counted
    return embed.set_footer(text=f"{marked}{where} · {info} shows one · {use} chooses this channel's model")


def pages(models: list[ModelRecord]) -> int:
    return max(1, math.ceil(len(models) / PAGE))


def model_info(
    model: ModelRecord,
    *,
    current: bool,  # it is the channel's
    kept: bool = False,  # trainings leave the channel's model
    prefix: str,
    facts: tuple[tuple[str, str], ...] = (),  # more fields, read by a worker from its files
    no_picture: str | None = None,
    gone_by: float | None = None,  # seconds since the epoch, if words in it were withdrawn or it is too old
    renewed_by: float | None = None,  # seconds since the epoch, if it learned a channel
) -> discord.Embed:
    """Return a model's own card."""
    origin = "imported" if model.imported else "trained"
    lines = [
        f"**{plain(model.corpus_title[:200])}**",
        f"{model.corpus_extent}, {RECIPE_WORDS[model.recipe]}, {origin} <t:{int(model.created_at)}:R>",
    ]
    if current:
        lines.append(f"▶️ This channel's model.{KEPT if kept else ''}")
    if gone_by is not None:
        lines.append(
            "🕓 It learned words that have since been withdrawn, or is too old. It is made again, or deleted, "
            f"<t:{int(gone_by)}:R> at the latest."
        )
    elif renewed_by is not None:
        lines.append(f"🗓️ It is made again, or deleted, <t:{int(renewed_by)}:R>.")
    embed = discord.Embed(title=model.name, description="\n".join(lines), colour=BLURPLE)
    for name, value in _fields(model, {name: plain(value[:_FACT_CHARS]) for name, value in facts}):
        embed.add_field(name=name, value=value[:FIELD_LIMIT], inline=name not in _SENTENCES)
    if no_picture is not None:
        embed.add_field(
            name="No picture", value=f"{clipped(no_picture, 900)} This is what I know without it.", inline=False
        )
    else:
        embed.set_image(url=f"attachment://{LOSS_FILE}")
    return embed.set_footer(text=as_typed(prefix, "generate", "seed", "WORDS", "--model", model.name))


def _fields(model: ModelRecord, facts: dict[str, str]) -> list[tuple[str, str]]:
    """Return the fields of a model's card from the registry, with the worker's facts if there are any."""
    parent = facts.get("Goes back to") or (f"`{model.parent}`" if model.parent is not None else "")
    fields = [
        ("Verdict", model.verdict.headline),
        *model.verdict.figures.items(),
        ("Losses", facts.get("Losses")),
        ("Trained", facts.get("Training") or count(model.epochs, "epoch")),
        ("Network", facts.get("Network")),
        ("Vocabulary", facts.get("Vocabulary")),
        ("Size", f"{count(model.parameters, 'parameter')}, {size(model.file_bytes)}"),
        ("Started from", parent if not model.authors else ""),  # others don't know of what isn't shared
        ("Can be used", scope_in_full(model)),
        ("Owner", f"<@{model.owner_id}>" + (", who imported it" if model.imported else "")),
        ("Licence of the text", facts.get("Rights")),
    ]
    return [(name, value) for name, value in fields if value and value.strip()]


def delete_question(model: ModelRecord, asker_id: int, prefix: str) -> discord.Embed:
    export = as_typed(prefix, "model export", "name", model.name)
    copy = "" if model.readings else f" `{export}` keeps a copy."
    warning = (
        f"It learned **{plain(model.corpus_title[:200])}**{', imported' if model.imported else ''} "
        f"<t:{int(model.created_at)}:R> ({quality(model)}, {size(model.file_bytes)}).\n"
        "The model and its files will be deleted for good, for everyone and in every channel that uses it. Personas "
        f"that write with it fall silent. Models that were trained from it stay.{copy}"
    )
    embed = discord.Embed(title=f"Delete {model.name}?", description=warning, colour=AMBER)
    return embed.add_field(name="Who can answer", value=f"<@{asker_id}>")


def question_buttons(model_id: str, user_id: int) -> discord.ui.View:
    return view(
        button("delete-now", model_id, user_id, label="Delete it", style=discord.ButtonStyle.danger),
        button("delete-not", user_id, label="Keep it"),
    )


def model_buttons(model_id: str, *actions: str) -> discord.ui.View:
    shown = ((action, *_BUTTONS[action]) for action in actions)
    return view(*(button(action, model_id, label=label, style=style) for action, label, style in shown))


def page_buttons(page: int, last: int) -> discord.ui.View | None:
    """Return the buttons that turn pages; None: there is only one page."""
    if last == 0:
        return None
    return view(
        button("models", max(0, page - 1), "<", label="Previous", disabled=page == 0),
        button("models", min(last, page + 1), ">", label="Next", disabled=page == last),
    )


def shared(model: ModelRecord, where: str, undo: str) -> discord.Embed:
    """Say that a model is shared. `undo`: the command that undoes it."""
    share = model.verdict.copy_share
    quoted = ""
    if share is not None:
        quoted = f": {percent(share)} of the characters in its samples are copied word for word from the text"
    text = f"what <@{model.owner_id}> wrote" if model.authors else "the uploaded text"
    return discord.Embed(
        description=f"🔓 `{model.name}` can now be used {where}.\n"
        f"Everyone there can generate texts with it, and **its texts may quote {text}**{quoted}. "
        f"Don't share it where that text must not be read.\n`{undo}` undoes this.",
        colour=AMBER,
    )


def unshared(model: ModelRecord) -> discord.Embed:
    return discord.Embed(
        description=f"🔒 `{model.name}` is no longer shared. It can be used {scope_in_full(model)}.\n"
        "Texts that it wrote elsewhere, and models that were trained from it, stay until somebody deletes them: "
        "`/privacy` lists its owner's models to them.",
        colour=GREEN,
    )


def exported(job: ExportJob, file_bytes: int, prefix: str, *, messages: bool = False) -> str:
    """Return the message above the file. `messages`: the model learned from channels' messages."""
    name = job.model.name
    if job.page:
        return (
            f"`{name}` as a page, {size(file_bytes)}. Download it and open it in a browser: it writes there, also "
            "offline. Everyone who can read this channel can download it, and its texts may quote what it learned from."
        )
    if messages:
        return (
            f"`{name}` as a file, {size(file_bytes)}.\n"
            "⚠️ **It carries what it learned from members' messages, beyond my reach**: its weights, and which "
            "letters or words follow which (longer runs only if at least three members wrote them). I can't take words "
            "out of this file when somebody withdraws them, and whoever has it can draw texts from it anywhere. "
            "Everyone who can read this channel can download it. The command line takes it, "
            f"`{prefix}model import` doesn't."
        )
    return (
        f"`{name}` as a file, {size(file_bytes)}. `{prefix}model import`, with the file attached, brings it into "
        "any server that I'm in. Everyone who can read this channel can download it, and its texts may quote what "
        "it learned from."
    )


def imported(model: ModelRecord, notes: tuple[str, ...], prefix: str) -> discord.Embed:
    description = (
        f"✅ **{plain(model.corpus_title[:200])}**, {RECIPE_WORDS[model.recipe]}, "
        f"{quality(model)}, {size(model.file_bytes)}.\n"
        f"It can be used {scope_in_full(model)}, and is <@{model.owner_id}>'s."
    )
    embed = discord.Embed(title=f"Imported {model.name}", description=description, colour=GREEN)
    use = f"`{as_typed(prefix, 'model use', 'name', model.name)}`"
    add_fields(embed, {"To use it here": use, "Worth knowing": clipped("\n".join(notes), FIELD_LIMIT)}, inline=False)
    return embed


def quality(model: ModelRecord) -> str:
    """Return the bits per character of held-out text, or else of the text that it learned."""
    measured = bits(model.verdict.known_loss)
    return measured if model.verdict.heldout_loss is not None else f"{measured} of its own text"


def scope_in_full(model: ModelRecord) -> str:
    """Say where a model may be used, as the end of a sentence."""
    also = f", wherever everybody can also read {mentions(model.source_channels)}" if model.source_channels else ""
    return _where(model) + also


def _where(model: ModelRecord) -> str:
    if model.scope == "guild" and not model.authors:
        return "in the whole server"
    own = f"in <#{model.channel_id}>, where it was {'imported' if model.imported else 'trained'}"
    if model.authors:
        own = f"by <@{model.owner_id}>, whose words alone it learned"
    if model.for_server:
        return f"{own}, and shared with the whole server"
    if not model.shared_with:
        return f"only {own}"
    return f"{own}, and shared with {mentions(model.shared_with)}"


def _line(model: ModelRecord, *, current: bool) -> str:
    mark = "▶️" if current else "▫️"
    language = language_name(model.corpus.language) if model.corpus is not None else ""
    facts = (model.recipe, language, quality(model), size(model.file_bytes), f"<t:{int(model.created_at)}:R>")
    return f"{mark} **`{model.name}`** {plain(model.corpus_title[:60])}\n-# {' · '.join(filter(None, facts))}"
