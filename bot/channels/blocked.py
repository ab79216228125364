"""Patterns of what no transcript may hold: mentions, links, addresses, numbers and secrets.

They are for one line that `bot.channels.cleaning` has normalised. Each is linear in hostile input: an unbounded run
begins only where no character of its kind stands before it, or else it is bounded.
"""

from __future__ import annotations

import re

# Invisible characters, and those that only private fonts show: they would hide what stands between them.
# Kept: joiners within emoji and in scripts that need them, the selector that makes a sign an emoji.
_PICTURE = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
_JOINING = "\u0600-\u06ff\u0750-\u077f\u0900-\u0dff"
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0e\ufeff\uffa0\ufff0-\uffff"
    "\U0001fffe\U0001ffff\U000e0000-\U0010ffff]"
    f"|(?<![{_PICTURE}])\ufe0f|\u200c(?![{_JOINING}])|(?<![{_JOINING}])\u200c"
    f"|(?<![{_PICTURE}{_JOINING}\ufe0f])\u200d|\u200d(?![{_PICTURE}{_JOINING}])"
    r"|(?<=\d)[\u200c\u200d]|[\u200c\u200d](?=\d)"
)

# Mentions, emoji, times and commands in a message's raw content, even without the closing bracket.
REFERENCE = re.compile(
    r"<(?:(?P<member>@!?\d+>?)|(?P<role>@&\d+>?)|(?P<channel>#\d+>?|id:\w+>?)|(?P<emoji>a?:\w+:\d+>?)"
    r"|(?P<time>t:-?\d+(?::\w)?>?)|/(?P<command>[^<>:]{1,100}):\d+>)"
)
EVERYONE = re.compile(r"@(?:everyone|here)", re.I)

# A word that has a link in it goes as a whole; Chinese, Japanese and Korean have no spaces around one.
_IN_WORD = r"[^\s\u3000-\u9fff\uac00-\ud7a3\uff00-\uffef\ue000-\uf8ff]"
LINK = re.compile(
    rf"(?<!{_IN_WORD}){_IN_WORD}*?"
    r"(?:\w\[?[:：]\]?[/\\]{2}|www\.\w|\w\.[^\W\d_]{2,24}(?:/|:\d{2,5}(?!\d)|#\w|\?\w{1,40}=))"
    rf"{_IN_WORD}*",
    re.I,
)
_DOT = r"\s{0,2}(?:\.|[(\[{<（]\s?(?:dot|\.)\s?[)\]}>）]|\bdot\b)\s{0,2}"
INVITE = re.compile(
    rf"(?:discord(?:app)?{_DOT}(?:gg|io|me|li|link|com\s{{0,2}}/\s{{0,2}}invite)|\.gg)"
    r"\s{0,2}(?:[/\\]|\bslash\b)\s{0,2}[\w-]+",
    re.I,
)

_NAME = r"[\w.+\u0300-\u036f-]"
_LABEL = r"[\w\u0300-\u036f-]"
EMAIL = re.compile(rf"(?<!{_NAME})(?:mailto:)?{_NAME}+@{_LABEL}++(?:\.{_LABEL}++)++")
# "ada (at) example.org", "ada at example dot org", "ada @ example.org"; not "look at example.org".
_AT = r"\s{0,2}[(\[{<（]\s?(?:at|@)\s?[)\]}>）]\s{0,2}|\s{1,2}@\s{0,2}|@\s{1,2}"
SPELLED_EMAIL = re.compile(
    rf"(?<!{_NAME}){_NAME}++(?:(?:{_AT}){_LABEL}++(?:(?!\.(?:\s|$)){_DOT}(?=[^\W\d_]){_LABEL}++)++"
    rf"|(?:@|\s{{1,2}}at\s{{1,2}}){_LABEL}++(?:\s{{0,2}}(?:[(\[{{<（]\s?dot\s?[)\]}}>）]|\bdot\b)\s{{0,2}}{_LABEL}++)++)",
    re.I,
)
HANDLE = re.compile(r"(?<!\w)@[^\W\d_]\w*+(?:\.\w++)*+")
TAG = re.compile(r"(?<![\w.])[\w.]+#\d{4}(?!\d)")

# Nine digits or more are a telephone number, a card, an account or an id, however they are parted. A date is not, nor
# are two years in a row or an amount in groups of three. Behind a dialling code ("0171", "+41") nearly any sign parts,
# elsewhere a comma does only where nothing else does: prices and numbers of a list stand between commas, too.
_DATE = r"(?:19|20)\d\d[-./][01]?\d[-./][0-3]?\d(?!\d)|[0-3]?\d[-./][0-3]?\d[-./](?:19|20)\d\d(?!\d)"
_SHORT_DATE = r"[0-3]?\d[./][01]?\d[./]\d\d(?![./]?\d)"
_YEARS = r"(?:19|20)\d\d[\s,/–-]{1,3}(?:19|20)\d\d(?!\d)"
_AMOUNT = (
    r"[1-9]\d{0,2}(?:,\d{3}){1,8}(?![,'’]?\d)|[1-9]\d{0,2}(?:['’]\d{3}){1,8}(?![,'’]?\d)"
    r"|[1-9]\d{0,2}(?:[ .]\d{3}){1,2},\d\d(?!\d)"
)
_BEGIN = rf"[(（]?(?!{_DATE}|{_YEARS}|{_AMOUNT})"
_OPENED = rf"(?<!\d)(?<!\d[,'’]){_BEGIN}"
"""Not directly behind a comma or an apostrophe: that may be within an amount."""
_SIGNS = r"\u2190-\u2bff\ufe0f\u200d\U0001f000-\U0001faff"
_PARTED = rf"(?:[\s().\-/_~‐‑‒–—−·•（）|{_SIGNS}]{{1,4}}(?!(?<=\s)(?:{_DATE}))|(?<=\d\d)['’](?=\d\d))?"
_CODE_PARTED = rf"(?:(?:[^\w:%$€£+]|_){{1,4}}(?!(?<=\s)(?:{_DATE}|{_SHORT_DATE}))|(?<=\d{{3}}):|:(?=\d{{3}}))?"
# A place to ten metres: "47.3769, 8.5417", "47.3769° N, 8.5417° E", "lat 47.3769 lon 8.5417".
_DEGREES = r"\d{1,3}\.\d{4,}+"
_COORDINATES = (
    rf"(?<![\d.]){_DEGREES}\s?°?\s?[NSEWOnsewo]?[\s,;/|]{{1,3}}(?:(?:[NSEWOnsewo]|l(?:on|ng|ong)[a-z]{{0,6}})\W{{0,3}})?"
    rf"[-+−]?{_DEGREES}(?:\s?°(?:\s?[NSEWOnsewo]\b)?)?"
)
NUMBER = re.compile(
    rf"(?<!\d)(?<!\d['’]){_BEGIN}\d(?:{_PARTED}\d){{8,}}+"
    r"|(?<!\d)\d{9,}+"
    rf"|{_OPENED}\d\d(?:(?:,(?=\d\d))?\d){{7,}}+"
    rf"|{_OPENED}(?!{_SHORT_DATE})0[1-9](?:{_CODE_PARTED}\d){{7,}}+"
    rf"|(?<!\+)\+(?!{_AMOUNT})[(（]?\d(?:{_PARTED}\d){{6,}}+"
    rf"|(?<!\+)\+(?!{_AMOUNT})[(（]?\d(?:{_CODE_PARTED}\d){{8,}}+"
    r"|(?<![\d.,$€£])\d{3}[-‐‑–]\d{4}(?!\d)"
    r"|(?<!\d)\d\d(?: \d\d){3}(?!\d)"
    rf"|{_COORDINATES}"
)
IBAN = re.compile(r"[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3}(?![A-Za-z0-9]))?")
ADDRESS = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}"
    r"|(?=[a-f:]{0,39}[0-9])(?:(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}"
    r"|(?:[0-9a-f]{1,4}:){1,6}:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})",
    re.I,
)

KEY_BLOCK = re.compile(r"-----BEGIN[ A-Z]{0,40}-----.*?(?:-----END[ A-Z]{0,40}-----|\Z)", re.S)
_KEY = r"[A-Za-z0-9_+/=-]"
SECRET = re.compile(
    # Tokens of Discord and others in three parts, JSON web tokens, keys with known beginnings.
    r"(?<![\w-])[\w-]{17,}+\.[\w-]{5,}+\.[\w-]{17,}+"
    r"|(?<![\w-])(?=[\w-]*?eyJ)[\w-]{17,}+(?:\.[\w-]*+)++"
    r"|mfa\.[\w-]{20,}+|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}+|gh[pousr]_[A-Za-z0-9]{16,}+|github_pat_\w{16,}+"
    r"|xox[a-z]-[\w-]{11,}+|glpat-[\w-]{16,}+|npm_[A-Za-z0-9]{20,}+"
    r"|(?<![A-Za-z])[srp]k[-_](?=[A-Za-z_-]{0,60}[0-9])[\w-]{16,}+"
    # Letters and digits mixed; the same with the signs of base64; capitals strewn among letters; very long words.
    r"|(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{20,}+"
    rf"|(?<!{_KEY})(?={_KEY}*?[0-9])(?={_KEY}*?[A-Z])(?={_KEY}*?[a-z]){_KEY}{{32,}}+"
    r"|(?<![A-Za-z])(?=[A-Z]*[a-z]+[A-Z])[A-Za-z]{32,}+"
    r"|(?<![A-Za-z0-9])[A-Za-z0-9]{64,}+"
    r"|(?<![0-9a-fA-F])(?=[a-fA-F]*[0-9])(?=[0-9]*[a-fA-F])[0-9a-fA-F]{16,}+"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
)
_IS = r"\s?(?:[:=：]>?\s?|\s(?:is|ist|lautet)\s(?=\S{0,60}\d))"
PASSWORD = re.compile(
    r"\b((?:pass(?:word|wort|code|wd|phrase)|kennwort|pwd?|(?:api|access|secret)[ _-]?key|token|contraseña"
    rf"|mot de passe){_IS})(?!a secret\b)(?=[^\s\w\ue000-\uf8ff]{{0,8}}\w)[^\s\ue000-\uf8ff]+"
    # Words that mean other things, too: "key: C major", "the pass is 12 miles long".
    rf"|\b((?:pass|key|login){_IS})(?=[^\s\d\ue000-\uf8ff]{{0,60}}\d)[^\s\ue000-\uf8ff]{{6,}}"
    r"|\b(pin(?:[ -]?(?:code|nummer|number))?\b\W{1,3}(?:(?:is|ist)\s)?)\d{4,8}(?!\d)",
    re.I,
)
