"""Discord's dialect of Markdown as safe HTML; raw HTML is never passed through.

Escapes, code and links are markdown-it's. Bold, italics, underline, spoilers, mentions and timestamps are Discord's,
which is less strict than CommonMark about what stands beside a mark (`**Note:**this` is bold). So are the few blocks:
code, quotes, headings, lists, small print. Other line breaks and spaces stay as typed, unlike CommonMark's paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline

NameOf = Callable[[str, int], str | None]
"""Name of a user (`@`), role (`@&`) or channel (`#`) by id; None when unknown."""

_FENCE = re.compile(r"```(?:([\w+.#-]+)\n)?\n?(.*?)\n?```", re.DOTALL)
_TEXT = re.compile(r"[^\n!#$%&*+\-:<=>@\[\\\]^_`{}~|]+|\\(?=\n)")
_MENTION = re.compile(r"<(@!?|@&|#)(\d{1,20})>")
_TIME = re.compile(r"<t:(-?\d{1,12})(?::([tTdDfFR]))?>")
_EMOJI = re.compile(r"<a?:(\w+):\d+>")
_COMMAND = re.compile(r"</([\w -]+):\d+>")
_MARKS = {"||": "span", "**": "strong", "__": "u", "~~": "s", "*": "em", "_": "em"}
"""Marks and their HTML tags; of those that begin alike the longer one first."""
_HEADING = re.compile(r"(#{1,3}) +(.+)")
_ITEM = re.compile(r"( *)(?:[-*]|(\d{1,9})\.) +(.+)")
_TIME_FORMATS = {"t": "%H:%M", "T": "%H:%M:%S", "d": "%d/%m/%Y", "D": "%-d %B %Y", "F": "%A, %-d %B %Y %H:%M"}


def render(text: str, name_of: NameOf) -> str:
    """HTML of a message, an embed's description or a field."""
    out: list[str] = []
    position = 0
    env = {"name_of": name_of}
    for fence in _FENCE.finditer(text):
        out.append(_blocks(text[position : fence.start()].removesuffix("\n"), env))
        language = f' data-language="{escapeHtml(fence[1])}"' if fence[1] else ""
        out.append(f'<pre class="code"{language}><code>{escapeHtml(fence[2])}</code></pre>')
        position = fence.end() + (text[fence.end() : fence.end() + 1] == "\n")
    out.append(_blocks(text[position:], env))
    return "".join(out)


def render_inline(text: str, name_of: NameOf) -> str:
    """HTML of a single run of text, such as an embed's title: marks, no blocks."""
    return str(_MARKDOWN.renderInline(text, {"name_of": name_of}))


def _blocks(text: str, env: dict[str, Any]) -> str:
    if not text:
        return ""
    out: list[str] = []
    run: list[str] = []
    quote: list[str] = []

    def end_run() -> None:
        if run:
            out.append(f'<div class="text">{_MARKDOWN.renderInline(chr(10).join(run), env)}</div>')
            run.clear()

    def end_quote() -> None:
        if quote:
            out.append(f"<blockquote>{_blocks(chr(10).join(quote), env)}</blockquote>")
            quote.clear()

    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith(">>> "):
            end_run()
            quote += [line[4:], *lines[number + 1 :]]
            break
        if line.startswith("> "):
            end_run()
            quote.append(line[2:])
            continue
        end_quote()
        block = _line_block(line, env)
        if block is None:
            run.append(line)
        else:
            end_run()
            out.append(block)
    end_run()
    end_quote()
    return "".join(out)


def _line_block(line: str, env: dict[str, Any]) -> str | None:
    """HTML of a line that is a block of its own, None for plain text."""
    if heading := _HEADING.fullmatch(line):
        level = len(heading[1])
        return f"<h{level}>{_MARKDOWN.renderInline(heading[2], env)}</h{level}>"
    if line.startswith("-# ") and line[3:].strip():
        return f"<small>{_MARKDOWN.renderInline(line[3:], env)}</small>"
    if item := _ITEM.fullmatch(line):
        depth = min(len(item[1]) // 2, 5)
        mark = f"{item[2]}." if item[2] else "•"
        words = _MARKDOWN.renderInline(item[3], env)
        return f'<div class="item depth-{depth}"><span class="mark">{mark}</span><span>{words}</span></div>'
    return None


def _text(state: StateInline, silent: bool) -> bool:
    """markdown-it's own rule, which also stops at `|` and keeps a backslash at the end of a line."""
    found = _TEXT.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.pending += found[0]
    state.pos = found.end()
    return True


def _marked(state: StateInline, silent: bool) -> bool:
    text = state.src[: state.posMax]
    for mark in _MARKS:
        start = state.pos + len(mark)
        if text.startswith(mark, state.pos) and (close := _closing(text, mark, start)) is not None:
            break
    else:
        return False
    if not silent:
        # A click uncovers the inner span; the outer one is reached by the keyboard too.
        spoiler = {"class": "spoiler", "role": "button", "tabindex": "0", "aria-label": "Spoiler"}
        around = [spoiler, {}] if mark == "||" else [{}]
        for attributes in around:
            state.push("mark_open", _MARKS[mark], 1).attrs = dict(attributes)
        state.pos, state.posMax = start, close
        state.md.inline.tokenize(state)
        for _ in around:
            state.push("mark_close", _MARKS[mark], -1)
    state.pos, state.posMax = close + len(mark), len(text)
    return True


def _closing(text: str, mark: str, start: int) -> int | None:
    """Where the mark begins that closes the one before `start`.

    A mark of two characters closes at the last two of a longer run (`***x***`), a single one at the next single one. An
    asterisk must touch what it marks; an underscore cannot be within a word.
    """
    if (mark == "*" and text[start : start + 1].isspace()) or (mark == "_" and text[: start - 1][-1:].isalnum()):
        return None
    close = start
    while (close := text.find(mark, close + 1)) != -1:
        run = len(text) - close - len(text[close:].lstrip(mark[0]))
        if _escaped(text, close):
            continue
        if len(mark) == 2:
            return close + run - 2
        if run == 1:
            amiss = text[close - 1].isspace() if mark == "*" else text[close + 1 : close + 2].isalnum()
            return None if amiss or not text[start:close].strip(mark) else close
        close += run - 1
    return None


def _escaped(text: str, position: int) -> bool:
    before = text[:position]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def name_mentions(text: str, name_of: NameOf) -> str:
    """Plain text with names in place of `<@id>`, `<@&id>` and `<#id>`."""
    return _MENTION.sub(lambda found: _label(found, name_of), text)


def _label(mention: re.Match[str], name_of: NameOf) -> str:
    sigil = mention[1].rstrip("!")
    return f"{sigil[0]}{name_of(sigil, int(mention[2])) or 'unknown'}"


def _reference(state: StateInline, silent: bool) -> bool:
    """`<@id>`, `<#id>`, `<t:seconds:style>`, `<:emoji:id>`, `</command:id>`."""
    if state.src[state.pos] != "<":
        return False
    name_of: NameOf = state.env["name_of"]
    if found := _MENTION.match(state.src, state.pos):
        kind, label = "mention", _label(found, name_of)
    elif found := _TIME.match(state.src, state.pos):
        kind, label = "time", _time(int(found[1]), found[2] or "f")
    elif found := _EMOJI.match(state.src, state.pos):
        kind, label = "emoji", f":{found[1]}:"
    elif found := _COMMAND.match(state.src, state.pos):
        kind, label = "mention", f"/{found[1]}"
    else:
        return False
    if not silent:
        state.push("reference_open", "span", 1).attrs = {"class": kind}
        state.push("text", "", 0).content = label
        state.push("reference_close", "span", -1)
    state.pos = found.end()
    return True


def _time(seconds: int, style: str) -> str:
    try:
        moment = datetime.fromtimestamp(seconds, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return "an unknown time"
    if style == "R":
        return _relative(seconds - datetime.now(UTC).timestamp())
    return moment.strftime(_TIME_FORMATS.get(style, "%-d %B %Y %H:%M"))


def _relative(delta: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count = int(abs(delta) // size)
        if count or unit == "second":
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"in {words}" if delta > 0 else f"{words} ago"
    return "now"


def _finish(state: StateCore) -> None:
    """Let links open in a new tab."""
    for block in state.tokens:
        link_tag = "a"
        for token in block.children or ():
            if token.type == "link_open":
                # `[words]()` leads nowhere: its words stay, the link goes. Links do not nest.
                link_tag = "a" if token.attrs.get("href") else "span"
                token.tag = link_tag
                leave: dict[str, str | int | float] = {"target": "_blank", "rel": "noopener noreferrer nofollow"}
                token.attrs = token.attrs | leave if link_tag == "a" else {}
            elif token.type == "link_close":
                token.tag = link_tag


def _make() -> MarkdownIt:
    md = MarkdownIt("zero", {"linkify": True, "html": False})
    md.enable(["escape", "backticks", "link", "linkify"])
    md.inline.ruler.at("text", _text)
    md.inline.ruler.before("emphasis", "reference", _reference)
    md.inline.ruler.before("emphasis", "marked", _marked)
    md.validateLink = lambda url: url.lower().startswith(("http://", "https://"))  # type: ignore[method-assign]
    if md.linkify is not None:
        md.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    md.core.ruler.push("finish", _finish)
    return md


_MARKDOWN = _make()
