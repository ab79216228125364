"""What people, files and models may say: ordinary words, and all that was ever used to break out of a message."""

from __future__ import annotations

from hypothesis import strategies as st

MENTIONS = ("@everyone", "@here", "<@1297000000000000022>", "<@&1297000000000000001>", "<#1297000000000000031>")
MARKS = (
    *("**", "*", "__", "_", "~~", "`", "``", "```", "```py\n", "||", "> ", ">>> ", "# ", "## ", "-# ", "- ", "1. "),
    "\\",
    *("[a](https://example.org)", "[", "](", ")", "<https://example.org>", "https://example.org", "discord.gg/abc"),
    *("<t:0:R>", "</help:1>", "<a:b:1>", ":smile:", "<id:home>", "<", ">", "&amp;", "<script>alert(1)</script>"),
)
ODDITIES = (
    *("\u202e", "\u202d", "\u2066", "\u2069", "\u200f", "\u200b", "\u200d", "\ufeff", "\u2060", "\u00ad", "\u180e"),
    *("\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\r", "\r\n", "\n", "\t", "\x00", "\x01", "\x1b[31m", "\x7f"),
    *("\ufffe", "\uffff", "\ue000", "\U000e0001", "\U000e0041", "\U0010ffff", "\u3164", "\u2800"),
    *("e\u0301", "Z" + "\u0335\u0322\u034d" * 12, "\u0b95\u0bcd", "\u0e33", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "ﷺ", "İ", "ß", "ﬃ"),
)
SURROGATES = ("\ud800", "\udfff", "\ud83d", "\udc00\ud800")
PATHS = (
    *("../", "../../etc/passwd", "..\\..\\windows\\system32", "C:\\", "C:\\CON", "//host/share", "~/.ssh/id_rsa"),
    *("/dev/null", "CON", "nul.txt", "aux", "LPT1.safetensors", ".", "..", "...", ".env", "a/b", "a\\b", "a\x00.txt"),
    "file:///etc/passwd",
)
NUMBERS = ("0", "-1", "1e309", "nan", "-inf", "1_0", "٣", "²", "0x10", "9" * 20, "1,5", "--5", "0.0000001")
PROSE = (
    *("the sea", "a", "word", "Frankenstein's", "l'été", "море", "海", "don’t", "“quoted”", "yes", "no", "more"),
    "server",
)
TEMPLATES = ("%s", "{0}", "${x}", "{{}}", "'; DROP TABLE models;--", "\\u0000", "%00", "EVAL", "*\r\n$3")

bits = st.sampled_from((*PROSE, *MENTIONS, *MARKS, *ODDITIES, *PATHS, *NUMBERS, *TEMPLATES))
pieces = bits | st.text(max_size=12) | st.sampled_from(SURROGATES) | st.integers(1, 400).map("x".__mul__)


def text(most: int = 12) -> st.SearchStrategy[str]:
    """A text of up to so many pieces."""
    return st.lists(pieces, max_size=most).map(" ".join) | st.lists(pieces, max_size=most).map("".join)


names = st.sampled_from((*PATHS, *ODDITIES, *MENTIONS, *MARKS)) | text(3) | st.integers(1, 60).map("long-name-".__mul__)
