"""From the bytes of a file to its text.

The rules, in order:

1. What looks like a PDF, an archive, a picture or a program is refused, by its first bytes.
2. A byte order mark says UTF-8, UTF-16 or UTF-32, and is not part of the text.
3. NUL bytes at every second place say UTF-16 without a mark.
4. What is valid UTF-8 is UTF-8; a file cut off within its last character loses that one.
5. When at least a quarter of the bytes is beyond ASCII, the script is not Latin, and charset-normalizer says which of
   the usual encodings of Cyrillic, Greek, Hebrew, Arabic, Japanese, Chinese or Korean it is.
6. Anything else is cp1252, or Latin-1 when it has one of the five bytes that cp1252 lacks. (For Latin scripts
   charset-normalizer guesses worse: docs/decisions/021-encodings.md.)
7. Line ends become `\\n`. A NUL means nothing in a text: a stray one is dropped, more than one in a thousand and the
   file is taken for binary. So it is when more than one in twenty is some other control character.
"""

from __future__ import annotations

import codecs
import contextlib
import re

import charset_normalizer

from shared.corpora.binary import UNKNOWN, FileKind, recognise
from shared.corpora.formats import HEAD
from shared.corpora.packing import size_limit
from shared.corpora.streaming import CHUNK, chunks, cleaned
from shared.errors import UserError
from shared.settings import Settings
from shared.units import MEGABYTE

_NUL_SHARE = 1 / 1000
_CONTROL_SHARE = 1 / 20
# Tab, line feed, form feed and carriage return belong to texts; C0, DEL and C1 otherwise do not.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
# The UTF-32 mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# UTF-16 shows when at least one unit in a hundred (a space, a line end) has a zero half, always on the same side.
_UTF16_MIN_SHARE = 1 / 100
_UTF16_SIDES_RATIO = 20
_NOT_LATIN_SHARE = 1 / 4
_NOT_LATIN = (
    *("cp1251", "koi8_r", "cp866"),  # Cyrillic
    *("cp1253", "cp1255", "cp1256"),  # Greek, Hebrew, Arabic
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),  # Japanese, Chinese, Korean
)
_SAMPLE = 200_000  # bytes; more does not make the guess better


def check_size(n_bytes: int, settings: Settings) -> None:
    """Refuse a file that is too large, before it is read.

    Raises:
        UserError: over `settings.corpus_max_mb` (megabytes of a million bytes).
    """
    if n_bytes > size_limit(settings):
        raise UserError(
            f"The file is too large: {n_bytes / MEGABYTE:.1f} MB, and the limit is {settings.corpus_max_mb:g} MB.",
            "Send a part of it, or ask the bot's operator to raise CORPUS_MAX_MB.",
        )


def decode_text(data: bytes, name: str) -> str:
    """The text of a file, with `\\n` line ends, by the rules at the top of this module.

    Args:
        data: the whole file.
        name: its name, for the message.

    Raises:
        UserError: empty, not a text, or damaged.
    """
    if not data.strip():
        raise UserError(f"`{name}` is empty.", "Send a file with some text in it.")
    refuse_binary(data, name)
    text = _decode(data, name)
    check = TextCheck()
    check.add_raw(text)
    text = "".join(cleaned(chunks(text)))
    check.add_clean(text)
    check.verdict(name)
    return text


def refuse_binary(data: bytes, name: str) -> None:
    """Refuse a file that begins like a PDF, an archive, a picture or a program.

    Raises:
        UserError: it does.
    """
    if (kind := recognise(data)) is not None:
        raise _refusal(name, kind)


class TextCheck:
    """Counts what tells a text from a binary file, part by part."""

    def __init__(self) -> None:
        self.characters = self._raw = self._nuls = self._controls = 0
        self.head = ""  # what `refuse_formats` needs
        self._blank = True

    def add_raw(self, text: str) -> None:
        """Count a part as it was decoded."""
        self._raw += len(text)
        self._nuls += text.count("\0")

    def add_clean(self, text: str) -> None:
        """Count a part with line ends made `\\n` and NULs dropped."""
        self.characters += len(text)
        self.head += text[: HEAD - len(self.head)]
        # In parts: `re` lets no other thread run meanwhile, and the bot's event loop is one.
        for start in range(0, len(text), CHUNK):
            self._controls += len(_CONTROL.findall(text, start, start + CHUNK))
        self._blank = self._blank and not text.strip()

    def verdict(self, name: str) -> None:
        """Refuse what is no text.

        Raises:
            UserError: there are too many NULs or control characters, or nothing but blank space.
        """
        if self._nuls > self._raw * _NUL_SHARE or self._controls > self.characters * _CONTROL_SHARE:
            raise _refusal(name, UNKNOWN)
        if self._blank:
            raise UserError(f"`{name}` contains only white space.", "Send a file with some text in it.")


def encodings(head: bytes, size: int) -> tuple[tuple[str, ...], bool]:
    """The encodings to try on a file, in this order, and whether the file says itself that it is the first.

    Args:
        head: its beginning.
        size: bytes of the whole.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return (encoding,), True
    if size % 2 == 0 and (unmarked := _utf16_without_mark(head[: len(head) // 2 * 2])) is not None:
        return (unmarked,), True
    return ("utf-8", *filter(None, [_not_latin(head)]), "cp1252", "latin-1"), False


def wrong_encoding(name: str, encoding: str, error: UnicodeDecodeError | None = None) -> UserError:
    """What to say about a file that is not of the encoding that it says it is."""
    place = "" if error is None else f" {error.start}"
    return UserError(
        f"`{name}` says that it is {encoding.upper()}, but{' byte' if place else ' a part'}{place} is not.",
        "It may be damaged or cut off: save it again, as UTF-8, and send that.",
    )


def _refusal(name: str, kind: FileKind) -> UserError:
    return UserError(f"`{name}` looks like {kind.looks_like}.", kind.remedy)


def _decode(data: bytes, name: str) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_as(data[len(mark) :], encoding, name)
    if (unmarked := _utf16_without_mark(data)) is not None:
        return _decode_as(data, unmarked, name)
    if (text := _utf8(data)) is not None:
        return text
    for guess in (_not_latin(data), "cp1252"):
        if guess is not None:
            with contextlib.suppress(UnicodeDecodeError):
                return _in_parts(data, guess)
    return data.decode("latin-1")


def _in_parts(data: bytes, encoding: str) -> str:
    """As `data.decode`, which takes long for these encodings and lets no other thread run meanwhile."""
    decoder = codecs.getincrementaldecoder(encoding)()
    parts = [decoder.decode(data[start : start + CHUNK]) for start in range(0, len(data), CHUNK)]
    return "".join([*parts, decoder.decode(b"", final=True)])


def _decode_as(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise wrong_encoding(name, encoding, error) from error


def _utf16_without_mark(data: bytes) -> str | None:
    if len(data) % 2:
        return None
    high_first, low_first = data[0::2].count(0), data[1::2].count(0)
    if max(high_first, low_first) < len(data) / 2 * _UTF16_MIN_SHARE:
        return None
    if low_first >= _UTF16_SIDES_RATIO * high_first:
        return "utf-16-le"
    if high_first >= _UTF16_SIDES_RATIO * low_first:
        return "utf-16-be"
    return None


def _utf8(data: bytes) -> str | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(data, final=False)
    except UnicodeDecodeError:
        return None
    pending, _ = decoder.getstate()
    # One odd byte at the end of plain ASCII is more likely an accent of cp1252.
    return None if pending and text.isascii() else text


def _not_latin(data: bytes) -> str | None:
    sample = data[:_SAMPLE]
    if len(data) > _SAMPLE and b"\n" in sample:  # a newline is never half a character in these encodings
        sample = sample[: sample.rindex(b"\n")]
    if sum(byte >= 0x80 for byte in sample) < len(sample) * _NOT_LATIN_SHARE:
        return None
    best = charset_normalizer.from_bytes(sample, cp_isolation=list(_NOT_LATIN)).best()
    return best.encoding if best is not None else None
