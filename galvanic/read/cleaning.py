"""Clean a channel's messages for learning: each becomes a line of speech without Discord's markup.

A message that leads to somebody, or opens something, is left out whole. Pure functions. The rules and their reasons:
docs/decisions/050-cleaning.md. Each pattern is linear in hostile input: its repeats are possessive or bounded.
"""

import re
import unicodedata
from collections.abc import Sequence

from galvanic.emoji import EMOJI

LONGEST_RUN = 8  # longer runs of one character are cut to this
_ROUNDS = 3
"""Taking markup off may uncover more. What is left after these stays, and is looked through all the same."""
_RUN = re.compile(rf"(\S)\1{{{LONGEST_RUN},}}")
_SPEECH = re.compile("[^\\W_]|[\u2190-\u2bff\U0001f000-\U0001faff]")

# Invisible characters, and those that only private fonts show: they would hide what stands between them.
# Kept: joiners within emoji and in scripts that need them, the selector that makes a sign an emoji.
_PICTURE = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
_JOINING = "\u0600-\u06ff\u0750-\u077f\u0900-\u0dff"
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0e\ufeff\uffa0\ufff0-\uffff"
    "\U0001fffe\U0001ffff\U000e0000-\U0010ffff]"
    f"|(?<![{_PICTURE}])\ufe0f|\u200c(?![{_JOINING}])|(?<![{_JOINING}])\u200c"
    f"|(?<![{_PICTURE}{_JOINING}\ufe0f])\u200d|\u200d(?![{_PICTURE}{_JOINING}])"
    r"|(?<=\d)[\u200c\u200d]|[\u200c\u200d](?=\d)"
)

# Characters that say the same in another form (fullwidth digits, letters in a circle or in fraktur) become the usual
# ones. Chinese and Japanese punctuation is how these languages are written, and stays, as do accents by themselves,
# the two signs that stand for whole sentences, Korean letters by themselves (laughter), and Thai and Lao AM.
_OTHER_FORMS = re.compile("[^！？，：；（）～…¨¯´¸˘˙˚˛˜˝ﷺﷻ\u0e33\u0eb3\u3131-\u318e]+")
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

# While marks are taken off, these code points, which `_INVISIBLE` removes, stand for whole custom emoji, which stay.
_STAND_INS = range(0xF0000, 0x110000)
# Mentions, emoji, times and commands in a message's raw content, even without the closing bracket.
_REFERENCE = re.compile(
    r"<(?:(?P<member>@!?\d+>?)|(?P<role>@&\d+>?)|(?P<channel>#\d+>?|id:\w+>?)|(?P<emoji>a?:\w+:\d+>?)"
    r"|(?P<time>t:-?\d+(?::\w)?>?)|/(?P<command>[^<>:]{1,100}):\d+>)"
)
REFERRED = {"member": "someone", "role": "everyone", "channel": "the channel", "time": "then", "emoji": ""}
"""The word for what a reference is of."""
_EVERYONE = re.compile(r"@(?:everyone|here)\b", re.I)

# What leads to somebody, or opens something, in a line without markup.
_SIGN = re.compile(r"[\d@#:/\\([{<（]|\.\S|\s\.")
"""A quick test: `_LEADS` matches only lines with one of these signs."""
_LEADS = re.compile(
    # The first character is looked at before anything else: that is four times as fast.
    r"(?=[:w.@#(\[{<（\d])(?:"
    # A link or a host, also with a port, or with a space before its dot; an address; `name#1234`.
    r"://|www\.\w|(?<=\w)\.[^\W\d_]{2}|(?<=\w\s)\.\s?[^\W\d_]{2}|\.\s?gg\s?[/\\]|(?<=[^\W\d_]):\d{4}"
    r"|@|(?<=\w)#\d"
    r"|[(\[{<（]\s?(?:at|dot|\.)\s?[)\]}>）]"
    # Seven digits without a letter between them: a telephone, a card, an id. Places to four decimals, IP addresses.
    r"|(?:\d[\W_]*+){7}|(?<=\d)\.\d{4}|(?<=\d)\.\d{1,3}\.\d{1,3}\.\d"
    r"|(?<=[0-9a-f]):{1,2}(?:[0-9a-f]{1,4}:{1,2}){2}"
    r")",
    re.I,
)
# Dates, times and amounts with commas: long numbers that lead nowhere, if no more digits stand beside them.
_TIME = re.compile(r"(?=\d)(?<![\d:])(?:[01]?\d|2[0-3]):[0-5]\d(?![\d:])")
_DATE = re.compile(
    r"(?=\d)(?<!\d)(?<!\d[\W_])(?:\d{1,2}([./-])\d{1,2}\1(?:19|20)\d\d|(?:19|20)\d\d([./-])\s?\d\d?\2\s?\d\d?"
    r"|(?:19|20)\d\d\s?[-–/]\s?(?:19|20)\d\d|\d{1,3}(?:,\d{3}){1,5})(?![\W_]?\d)"
)
_WORDS_THAT_LEAD = re.compile(
    r"\b(?=[acdhkmps])(?:dot\s\w|discord\W{1,3}gg\b|at\s(?:gmail|gmx|hotmail|icloud|outlook|proton|yahoo)"
    r"|(?:pass(?:word|wort|code|wd|phrase)|kennwort|pwd?|contraseña|mot de passe"
    r"|(?:api|access|secret|private)[ _-]?key)s?\b"
    r"|heslo|senha\b)",
    re.I,
)
_WORDS_BEYOND_ASCII = re.compile(
    r"\b(?:парол|şifre|hasło|mật khẩu|كلمة (?:السر|المرور)|पासवर्ड)|סיסמ|密[码碼]|パスワード|비밀번호|รหัสผ่าน", re.I
)
"""More words for "password", by themselves since most lines are ASCII: together they take twice as long."""
_MAY_OPEN = re.compile(r"\b(?=[ckplst])(?:pin|pass|key|token|login|code|secret)\b", re.I)
"""Words that mean other things, too: only together with `_VALUE`."""
_VALUE = re.compile(r"\d{3}|\b(?=[^\W\d]*+\d)\w{4}|[:=：]>?\s?\w")
_LONG_WORD = re.compile(r"[A-Za-z0-9_+/=.~-]{16,}+")
_SHOUTED = 20  # a longer word with capitals in it may be a key

# One of the usual bots' prefixes, or a letter and "!", directly before a word; `=D` and `$TSLA` are speech.
_WORD = r"[^\W\d_]\w*+(?:-\w++)*+(?!\S)"
_COMMAND = re.compile(
    rf"\A(?:(?:[!?.,%\-&+~/]|[A-Za-z]!){_WORD}|\$(?!(?-i:[A-Z]+)(?!\S)){_WORD}|[;=](?!\w(?!\S)|w[;=]){_WORD}"
    # Dank Memer's prefix is a word.
    r"|pls (?:bal|beg|bet|buy|crime|daily|dep|dig|fish|gamble|heist|hl|hunt|inv|lb|meme|monthly|pm|profile|rank|rob"
    r"|roll|search|sell|shop|slots|trivia|use|weekly|with|work)\b)",
    re.I,
)


_PLAIN = re.compile(r"[A-Za-z']{1,15}+(?:[,.!?]{0,3} [A-Za-z']{1,15}+)*+[,.!?]{0,3}")
"""Most of what people write in English: it has no markup, and leads somewhere only by a word."""


def clean(text: str) -> str:
    """Return a message as one line without Discord's marks, or an empty one if it must not be learned."""
    written = text.strip()
    if _PLAIN.fullmatch(written):
        return "" if _has_word_that_leads(written) else _without_long_runs(written)
    text = _usual_characters(written)
    emoji = dict(zip(_STAND_INS, dict.fromkeys(EMOJI.findall(text)), strict=False))
    stand_ins = {symbol: chr(point) for point, symbol in emoji.items()}
    text = EMOJI.sub(lambda match: stand_ins.get(match[0], ""), text)
    for _ in range(_ROUNDS):
        before, text = text, _without_marks(text)
        if text == before:
            break
    text = " ".join(text.split())
    if leads_somewhere(text):
        return ""
    line = _without_long_runs(text).translate(emoji)
    if text != written and not (_SPEECH.search(line) and _SPEECH.search(_REFERENCE.sub("", EMOJI.sub("x", written)))):
        return ""  # nothing but signs, or whom it is to
    return line


def leads_somewhere(line: str) -> bool:
    """Return whether a line without markup has a link, an address, a long number or a secret."""
    if (_SIGN.search(line) and _LEADS.search(_DATE.sub("d", _TIME.sub("t", line)))) or _has_word_that_leads(line):
        return True
    if _MAY_OPEN.search(line) and _VALUE.search(line):
        return True
    return any(map(_is_key, _LONG_WORD.findall(line)))


def _without_long_runs(line: str) -> str:
    # Few lines have one, and to search for it takes two thirds of the time of `sub`.
    return _RUN.sub(r"\1" * LONGEST_RUN, line) if _RUN.search(line) else line


def _has_word_that_leads(line: str) -> bool:
    return bool(_WORDS_THAT_LEAD.search(line) or (not line.isascii() and _WORDS_BEYOND_ASCII.search(line)))


def _is_key(word: str) -> bool:
    """Return whether a long word mixes letters with digits, or capitals with small letters."""
    if any(map(str.isdigit, word)):
        return any(map(str.isalpha, word))
    return len(word) >= _SHOUTED and not (word.islower() or word.istitle()) and any(map(str.isalpha, word))


def is_command(content: str, prefixes: Sequence[str]) -> bool:
    """Return whether a raw message is for a bot; behind this one's `prefixes` a letter follows, maybe after spaces."""
    text = content.strip()
    lower = text.lower()
    behind = (text[len(prefix) :].lstrip() for prefix in prefixes if prefix and lower.startswith(prefix.lower()))
    return any(rest[:1].isalpha() for rest in behind) or _COMMAND.match(text) is not None


def _usual_characters(text: str) -> str:
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    text = _INVISIBLE.sub("", text)
    text = _KEYCAP.sub("", text).replace("\u2800", " ")
    text = _OTHER_FORMS.sub(lambda part: unicodedata.normalize("NFKC", part[0]), text)
    return _MARKS.sub("", _OVERLAY.sub("", text))


def _without_marks(text: str) -> str:
    if "`" in text:
        text = " ".join(text.split("```")[::2])  # the last block may be open
        text = _INLINE_CODE.sub(lambda code: code[2] if _WORDS_ONLY.fullmatch(code[2]) else " ", text)
    if ">" in text:
        text = _QUOTE.sub("", text)
    if "<" in text:
        text = _REFERENCE.sub(_referred, text)
    if "@" in text:
        text = _EVERYONE.sub("everyone", text)
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
    """Return the word for what is referred to, apart from the words beside it."""
    kind, text = str(found.lastgroup), found.string
    word = f"/{found['command']}" if kind == "command" else REFERRED[kind]
    # Two characters: all text before and behind, copied at each reference, would take hours in a very long message.
    before, after = text[max(0, found.start() - 1) : found.start()], text[found.end() : found.end() + 1]
    apart = before.isalnum() or before == ">", after.isalnum()
    return f"{' ' * apart[0]}{word}{' ' * apart[1]}"
