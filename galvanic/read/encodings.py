"""Find out the encoding of a text or a chat by the beginning of its file, and whether it is a text at all.

The rules, in order (their reasons: docs/decisions/021-encodings.md):

1. A byte order mark means UTF-8 or UTF-16.
2. If no more characters beyond ASCII are wrong in UTF-8 than are right, it is UTF-8.
3. If at least a quarter of the bytes is beyond ASCII, the script is not Latin, and charset-normalizer decides among the
   usual encodings of Cyrillic, Greek, Hebrew, Arabic, Japanese, Chinese and Korean.
4. Anything else is cp1252.
"""

import codecs
import functools

import charset_normalizer

SAMPLE = 200_000  # bytes at a file's beginning that decide; with more, the guess is no better
BAD_BYTES = "galvanic.bad_bytes"  # what codecs do with bytes that are wrong in an encoding: as `_bad_bytes` does
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ASCII = bytes(range(0x80))
_NOT_LATIN_SHARE = 1 / 4
_NOT_LATIN = (
    *("cp1251", "koi8_r", "cp866"),  # Cyrillic
    *("cp1253", "cp1255", "cp1256"),  # Greek, Hebrew, Arabic
    *("cp932", "euc_jp", "gb18030", "big5", "cp949", "cp874"),  # Japanese, Chinese, Korean, Thai
)
_NUL_SHARE = 1 / 1000  # of the characters of a text, at most


@functools.lru_cache(8)  # each format looks at the same beginning
def encoding_of(head: bytes) -> str:
    """Return the encoding of a file by the bytes at its beginning."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    sample = head[:SAMPLE]
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)  # the last character may be cut off
    beyond_ascii = len(sample.translate(None, _ASCII))
    characters = len(text) - (len(sample) - beyond_ascii)  # beyond ASCII
    if text.count("\ufffd") <= characters / 2:
        return "utf-8"
    if beyond_ascii < len(sample) * _NOT_LATIN_SHARE or sample.count(0) > len(sample) * _NUL_SHARE:
        return "cp1252"
    lines = sample.rpartition(b"\n")[0]  # whole ones, as a sample may end within a character
    sample = lines if len(lines) > len(sample) / 2 else sample
    guess = charset_normalizer.from_bytes(sample, cp_isolation=list(_NOT_LATIN)).best()
    return "cp1252" if guess is None else guess.encoding


def head_text(head: bytes) -> str:
    """Return the text at a file's beginning with Unix line ends and without NULs."""
    return head.decode(encoding_of(head), BAD_BYTES).replace("\r\n", "\n").replace("\0", "")


def is_binary(head: bytes) -> bool:
    """Return whether a file is no text, by the NULs at its beginning."""
    if head[4:10] == b'\0\0\0\0{"':  # safetensors: a model's symbols may be text for longer than the beginning
        return True
    text = head.decode(encoding_of(head), "replace")
    return text.count("\0") > len(text) * _NUL_SHARE


def _bad_bytes(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that are no UTF-8 as cp1252, as some logs have both; replace those of other encodings."""
    assert isinstance(error, UnicodeDecodeError)
    data = error.object[error.start : error.end]
    return data.decode("cp1252", "replace") if error.encoding == "utf-8" else "\ufffd", error.end


codecs.register_error(BAD_BYTES, _bad_bytes)
