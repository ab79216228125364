"""What a model may learn of a channel's messages: speech in one line each, without what leads to somebody.

Pure functions. The rules and their reasons: docs/decisions/050-cleaning.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from bot.channels import blocked

LONGEST_RUN = 8
"""Longer runs of one character are cut to this."""
_ROUNDS = 6
"""Removing something may uncover more, so it is done until nothing changes. What still changes then is dropped."""

# While a line is cleaned, private-use characters stand for what was taken out; the message's own are gone by then.
_SOMEONE, _EVERYONE, _CHANNEL, _THEN, _NUMBER, _SECRET, _GONE = map(chr, range(0xE000, 0xE007))
_WORDS = {
    _SOMEONE: "someone",
    _EVERYONE: "everyone",
    _CHANNEL: "the channel",
    _THEN: "then",
    _NUMBER: "some number",
    _SECRET: "a secret",
}
_BY_GROUP = {"member": _SOMEONE, "role": _EVERYONE, "channel": _CHANNEL, "emoji": _GONE, "time": _THEN}
_TAKEN = re.compile("[\ue000-\ue006]")
_AGAIN = re.compile("([\ue000-\ue005])(?:[\\s,]*\\1)++")
_GAP = re.compile("\\s?\ue006(?:\\s?\ue006)*+\\s?")
_EMPTY = re.compile('[(\\[{<"]\ue006[)\\]}>"]')
_GAP_BEFORE = re.compile("\ue006(?=[,.!?;:)\\]]|$)")
_STANDS = re.compile("(\\w?)([\ue000-\ue005])(?=([\\w\ue000-\ue005]?))")
_SPEECH = re.compile("[^\\W_]|[\u2190-\u2bff\U0001f000-\U0001faff]")

# Characters that say the same in another form (fullwidth digits, letters in a circle or in fraktur) become the usual
# ones. Chinese and Japanese punctuation is how these languages are written, and stays, as do accents by themselves
# and the two signs that stand for whole sentences.
_OTHER_FORMS = re.compile("[^！？，：；（）～…¨¯´¸˘˙˚˛˜˝ﷺﷻ]+")
_KEYCAP = re.compile("(?<=[0-9#*])\ufe0f?\u20e3")
_OVERLAY = re.compile("[\u0334-\u0338\u0488\u0489\u20d0-\u20ff]+")
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\ufe20-\ufe2f]"
_MARKS = re.compile(f"(?:(?<![^\\W\\d_])(?<!{_MARK}){_MARK}+|(?<!{_MARK}){_MARK}{{3,}})")

_INLINE_CODE = re.compile(r"(?<!`)(`{1,2})(?!`)([^`]+)\1(?!`)")
_WORDS_ONLY = re.compile(r"[\w .,'!?/-]{1,40}")
_QUOTE = re.compile(r"^[^\S\n]*>(?:>>(?:[^\S\n][\s\S]*|$)|(?:[^\S\n][^\n]*)?$)", re.M)
_LINE_MARK = re.compile(r"^[^\S\n]*(?:#{1,3}|-#|[-*])[^\S\n]+(?=\S)", re.M)
_MASKED = re.compile(
    r"\[([^\[\]]+)\]\(\s?<?[a-z]{2,10}://(?:\([^\s()\[]*+\)|[^\s()\[])*+(?:\s\"[^\"\[]{0,200}\")?\)", re.I
)
_ESCAPED = re.compile(r"\\(?=[!-/:-@\[-`{-~])")
_EMPHASIS = {
    # Not the marks of `2 * 3`, `snake_case`, `f**k` or `¯\_(ツ)_/¯`.
    mark: re.compile(
        rf"(?<![\w{sign}]){sign}(?=[^\W_]|[\"'“¿¡]\w)([^{sign}\n]+)(?<=[^\s{sign}]){sign}(?![\w{sign}])"
        rf"|(?<![\w{sign}])({sign}{{2,3}})(?!{sign})([^{sign}]+)\2(?!{sign})"
    )
    for mark, sign in (("*", r"\*"), ("_", "_"))
} | {
    mark: re.compile(rf"(?<!{sign})()({sign}{{2}})(?!{sign})([^{sign}]+)\2(?!{sign})")
    for mark, sign in (("~", "~"), ("|", r"\|"))
}

_LIKE_LINK = re.compile(r"[/\\]|www\.|\.[^\W\d_]{2,24}[:?#]\w", re.I)
_AT_IN_BRACKETS = re.compile(r"[(\[{<（]\s?at", re.I)
_DIGIT = re.compile(r"\d")
_SHORTEST_SECRET = 16
_WITHOUT: tuple[tuple[Callable[[str, str], object], re.Pattern[str], str], ...] = (
    # What a text (as it is, and in small letters) must have for it, cheap to look for; a costly pattern; its stand-in.
    (lambda _, lower: "dot" in lower or "gg" in lower or "cord" in lower, blocked.INVITE, _GONE),
    (lambda text, _: _LIKE_LINK.search(text), blocked.LINK, _GONE),
    (lambda text, _: "@" in text, blocked.EMAIL, _SOMEONE),
    (
        lambda text, lower: "@" in text or "dot" in lower or _AT_IN_BRACKETS.search(text),
        blocked.SPELLED_EMAIL,
        _SOMEONE,
    ),
    (lambda text, _: "@" in text, blocked.EVERYONE, _EVERYONE),
    (lambda text, _: "@" in text, blocked.HANDLE, _SOMEONE),
    (lambda text, _: "#" in text, blocked.TAG, _SOMEONE),
    (lambda text, _: len(max(text.split(), key=len, default="")) >= _SHORTEST_SECRET, blocked.SECRET, _SECRET),
    (lambda text, _: text.count(":") >= 2, blocked.ADDRESS, _NUMBER),
    (
        lambda text, _: ":" in text or "=" in text or "：" in text or _DIGIT.search(text),
        blocked.PASSWORD,
        rf"\1\2\3{_SECRET}",
    ),
    (lambda text, _: _DIGIT.search(text), blocked.IBAN, _NUMBER),
    (lambda text, _: text.count(".") >= 3, blocked.ADDRESS, _NUMBER),
    (lambda text, _: len(_DIGIT.findall(text)) >= 7, blocked.NUMBER, _NUMBER),
)
_RUN = re.compile(rf"(\S)\1{{{LONGEST_RUN},}}")

# One of the usual bots' prefixes, or a letter and "!", directly before a word; `=D` and `$TSLA` are speech.
_WORD = r"[^\W\d_]\w*+(?:-\w++)*+(?!\S)"
_COMMAND = re.compile(
    rf"\A(?:(?:[!?.,%\-&+~/]|[A-Za-z]!){_WORD}|\$(?!(?-i:[A-Z]+)(?!\S)){_WORD}|[;=](?!\w(?!\S)|w[;=]){_WORD}"
    # Dank Memer's prefix is a word.
    r"|pls (?:bal|beg|bet|buy|crime|daily|dep|dig|fish|gamble|heist|hl|hunt|inv|lb|meme|monthly|pm|profile|rank|rob"
    r"|roll|search|sell|shop|slots|trivia|use|weekly|with|work)\b)",
    re.I,
)

# Letters that NFKC leaves as they are, for a character class.
_STABLE = [one for one in map(chr, range(0x600)) if one.isalpha() and unicodedata.is_normalized("NFKC", one)]
_LETTERS = "".join(_STABLE) + "\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
_PLAIN = re.compile(f"[{_LETTERS}]{{0,16}}+(?:[ ,.!?'\"’“”;…]++[{_LETTERS}]{{0,16}}+)*+")
"""Most of what people write. In it only runs, two spaces, "dot" and "www" have yet to be looked for."""


def clean(text: str) -> str:
    """A message as one stripped line; empty: nothing is left to learn from.

    Cleaning a line again changes nothing, and no pattern of `blocked` is in it.
    """
    for _ in range(_ROUNDS):
        text = text.strip()
        if _PLAIN.fullmatch(text) and "  " not in text and not _RUN.search(text):
            lower = text.lower()
            if "dot" not in lower and "www" not in lower:
                return text
        after = _cleaned_once(text)
        if after == text:
            return text
        text = after
    return ""


def is_command(content: str, prefixes: Sequence[str]) -> bool:
    """Whether a raw message is for a bot; behind this one's `prefixes` a letter follows, maybe after spaces."""
    text = content.strip()
    lower = text.lower()
    behind = (text[len(prefix) :].lstrip() for prefix in prefixes if prefix and lower.startswith(prefix.lower()))
    return any(rest[:1].isalpha() for rest in behind) or _COMMAND.match(text) is not None


def _cleaned_once(text: str) -> str:
    if not (text.isascii() and text.replace("\n", "").isprintable()):
        text = _usual_characters(text)
    if "`" in text:
        text = _without_code(text)
    if ">" in text:
        text = _QUOTE.sub(_GONE, text)
    if "-----" in text:
        text = blocked.KEY_BLOCK.sub(_SECRET, text)
    text = " ".join(_without_marks(text).split())
    lower = text.lower()
    for may_have, pattern, stands in _WITHOUT:
        if may_have(text, lower):
            text = pattern.sub(stands, text)
    text = _RUN.sub(r"\1" * LONGEST_RUN, text)
    return _in_words(text) if _TAKEN.search(text) else text


def _usual_characters(text: str) -> str:
    text = blocked.INVISIBLE.sub("", text)
    if text.isascii():
        return text
    text = _KEYCAP.sub("", text).replace("\u2800", " ")
    text = _OTHER_FORMS.sub(lambda part: unicodedata.normalize("NFKC", part[0]), text)
    return _MARKS.sub("", _OVERLAY.sub("", text))


def _without_code(text: str) -> str:
    """Without code blocks, of which the last may be open, and without inline code unless it is words."""
    text = _GONE.join(text.split("```")[::2])
    return _INLINE_CODE.sub(lambda code: code[2] if _WORDS_ONLY.fullmatch(code[2]) else _GONE, text)


def _without_marks(text: str) -> str:
    if "<" in text:
        text = blocked.REFERENCE.sub(_referred, text)
    if "](" in text:
        text = _MASKED.sub(r"\1", text)
    if "\\" in text and ":\\" not in text:
        text = _ESCAPED.sub("", text)
    text = _LINE_MARK.sub("", text)
    for mark, pattern in _EMPHASIS.items():
        if mark in text:
            text = pattern.sub(lambda found: found[1] or found[3], text)
    return text


def _referred(found: re.Match[str]) -> str:
    return f"/{found['command']}" if found.lastgroup == "command" else _BY_GROUP[str(found.lastgroup)]


def _in_words(text: str) -> str:
    """Put words in the place of what was taken out; empty if people would see nothing else in it."""
    if not _SPEECH.search(text):
        return ""
    if _GONE in text:
        text = _GAP.sub(_GONE, _EMPTY.sub(_GONE, _GAP.sub(_GONE, text)))
        text = _GAP_BEFORE.sub("", text).replace(_GONE, " ")
    return _STANDS.sub(_word, _AGAIN.sub(r"\1", text)).strip()


def _word(found: re.Match[str]) -> str:
    before, sign, after = found.groups()
    return f"{before}{' ' if before else ''}{_WORDS[sign]}{' ' if after else ''}"
