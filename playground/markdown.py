"""Discord's dialect of Markdown as safe HTML; raw HTML is never passed through.

Discord tries a list of patterns where a text has a mark, and takes the first that fits; so does this. It is less strict
than CommonMark about what stands beside a mark (`**Note:**this` is bold), its few blocks are lines, and all other line
breaks and spaces stay as typed.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape

from galvanic.units import count

NameOf = Callable[[str, int], str | None]
"""Name of a user (`@`), role (`@&`) or channel (`#`) by id; None when unknown."""

_FENCE = r"(?P<fence>```(?:[\w+.#-]+\n)?\n?(?P<lines>.*?)\n?```\n?)"
_QUOTES = re.compile(_FENCE + r"|(?m:^)(?:>>>\ (?P<rest>.*)|(?P<quote>(?:>\ [^\n]*(?:\n|\Z))+))", re.DOTALL)
_LINES = re.compile(
    _FENCE
    + r"""| (?m:^)
    (?: (?P<heading>\#{1,3})\ +(?P<title>[^\n]+)
      | -\#\ (?P<small>[^\n]*\S[^\n]*)
      | (?P<item>(?P<indent>\ *)(?:[-*]|(?P<number>\d{1,9}\.))\ +(?P<words>[^\n]+))
    ) (?:\n|\Z)""",
    re.DOTALL | re.VERBOSE,
)
_MENTION = re.compile(r"<(?P<sigil>@!?|@&|\#)(?P<id>\d{1,20})>")
_INLINE = re.compile(
    r"""(?P<escaped>\\[^\w\s]|\\_)
    | (?P<code>(?<!`)(?P<ticks>`++)(?P<typed>.*?[^`])(?P=ticks)(?!`))
    | (?P<link>\[(?P<words>(?:\\[^\w\s]|(?!https?://)[^\[\]\\])+)\]\(<?(?P<href>https?://[^\s()<>]+)>?\))
    | <(?P<bare>https?://[^\s<>]+)>
    | (?P<url>https?://[^\s<>]*[^\s<>.,:;"'()\]*_~|`])"""
    + f"| (?P<mention>{_MENTION.pattern})"
    + r"""
    | <t:(?P<time>-?\d{1,12})(?::(?P<style>[tTdDfFR]))?>
    | <a?:(?P<emoji>\w+):\d+>
    | \|\|(?P<spoiler>.+?)\|\|
    | \*\*(?P<strong>(?:\\.|[^\\])+?)\*\*(?!\*)
    | __(?P<u>(?:\\.|[^\\])+?)__(?!_)
    | ~~(?P<s>(?:\\.|[^\\])+?)~~
    | \*(?![\s*])(?P<em>(?:\*\*|\\.|\s+(?:\\.|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)
    | \b_(?P<em_>(?:__|\\.|[^\\_])+?)_\b""",
    re.DOTALL | re.VERBOSE,
)
_DEEPEST = 8  # marks within marks; further ones are shown as they are
_TIME_FORMATS = {"t": "%H:%M", "D": "%-d %B %Y"}
# A click uncovers the inner span; the outer one is reached by the keyboard too.
_SPOILER = '<span class="spoiler" role="button" tabindex="0" aria-label="Spoiler"><span>{}</span></span>'


def render(text: str, name_of: NameOf) -> str:
    """Return the HTML of a message, an embed's description or a field."""
    return _replaced(_QUOTES, text, lambda run: _lines(run, name_of), lambda match: _quote(match, name_of))


def render_inline(text: str, name_of: NameOf, depth: int = 0) -> str:
    """Return the HTML of one line, such as an embed's title: marks, no blocks. `depth`: the marks around it."""
    if depth == _DEEPEST:
        return escape(text)
    return _replaced(_INLINE, text, escape, lambda match: _marked(match, name_of, depth + 1))


def _replaced(
    pattern: re.Pattern[str], text: str, plain: Callable[[str], str], special: Callable[[re.Match[str]], str]
) -> str:
    out, position = [], 0
    for match in pattern.finditer(text):
        out += [plain(text[position : match.start()]), special(match)]
        position = match.end()
    return "".join([*out, plain(text[position:])])


def _quote(match: re.Match[str], name_of: NameOf) -> str:
    """Return the HTML of a quote or a fence. Quotes do not nest."""
    if match["fence"]:
        return _block(match, name_of)
    quoted = match["rest"] if match["quote"] is None else re.sub("(?m)^> ", "", match["quote"]).removesuffix("\n")
    return f"<blockquote>{_lines(quoted, name_of)}</blockquote>"


def _lines(text: str, name_of: NameOf) -> str:
    def plain(run: str) -> str:
        return f'<div class="text">{render_inline(run.removesuffix(chr(10)), name_of)}</div>' if run else ""

    return _replaced(_LINES, text, plain, lambda match: _block(match, name_of))


def _block(match: re.Match[str], name_of: NameOf) -> str:
    if match["fence"]:
        return f'<pre class="code"><code>{escape(match["lines"])}</code></pre>'
    if match["heading"]:
        level = len(match["heading"])
        return f"<h{level}>{render_inline(match['title'], name_of)}</h{level}>"
    if match["small"]:
        return f"<small>{render_inline(match['small'], name_of)}</small>"
    depth = min(len(match["indent"]) // 2, 5)
    words = render_inline(match["words"], name_of)
    return (
        f'<div class="item depth-{depth}"><span class="mark">{match["number"] or "•"}</span><span>{words}</span></div>'
    )


def _marked(match: re.Match[str], name_of: NameOf, depth: int) -> str:
    match kind := str(match.lastgroup):
        case "escaped":
            return escape(match["escaped"][1:])
        case "code":
            return f"<code>{escape(match['typed'])}</code>"
        case "link" | "bare" | "url":
            href = match["href"] or match["bare"] or match["url"]
            words = render_inline(match["words"], name_of, depth) if match["words"] else escape(href)
            return f'<a href="{escape(href)}" target="_blank" rel="noopener noreferrer nofollow">{words}</a>'
        case "mention":
            return f'<span class="mention">{escape(_label(match, name_of))}</span>'
        case "time" | "style":
            return f'<span class="time">{_time(int(match["time"]), match["style"] or "f")}</span>'
        case "emoji":
            return f'<span class="emoji">:{match["emoji"]}:</span>'
        case "spoiler":
            return _SPOILER.format(render_inline(match["spoiler"], name_of, depth))
    tag = kind.removesuffix("_")
    return f"<{tag}>{render_inline(match[kind], name_of, depth)}</{tag}>"


def name_mentions(text: str, name_of: NameOf) -> str:
    """Return the text with names in place of `<@id>`, `<@&id>` and `<#id>`."""
    return _MENTION.sub(lambda match: _label(match, name_of), text)


def _label(mention: re.Match[str], name_of: NameOf) -> str:
    sigil = mention["sigil"].rstrip("!")
    return f"{sigil[0]}{name_of(sigil, int(mention['id'])) or 'unknown'}"


def _time(seconds: int, style: str) -> str:
    try:
        moment = datetime.fromtimestamp(seconds, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return "an unknown time"
    if style == "R":
        return _relative(seconds - datetime.now(UTC).timestamp())
    return moment.strftime(_TIME_FORMATS.get(style, "%-d %B %Y %H:%M"))


def _relative(delta: float) -> str:
    units = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
    # As in Discord, eight hours less a second are "in 8 hours".
    size, unit = next((pair for pair in units if abs(delta) > 0.99 * pair[0]), (1, "second"))
    words = count(round(abs(delta) / size), unit)
    return f"in {words}" if delta > 0 else f"{words} ago"
