"""Read chats that WhatsApp exported: iOS's `_chat.txt` and Android's `WhatsApp Chat with X.txt`.

Each message begins with a header, whose date and time are written as in the phone's language. WhatsApp's own words are
in that language, too. They begin with U+200E on iOS, or stand in `<>`; a few others are listed for some languages.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import BinaryIO

from galvanic.read.chat import SYSTEM, WORDLESS, ChatFormat, Message
from galvanic.read.lines import beginning, first_headers, log_entries

_HIDDEN = "[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]*+"
_BETWEEN = r"(?:[^\w\n:,]{1,3}|[年月])"
_DATE = rf"(\d{{1,4}}){_BETWEEN}(\d{{1,2}}){_BETWEEN}(\d{{1,4}})"
_TIME = r"\d{1,2}(?:[:.]|\s?h\s?)\d\d(?:(?:[:.]|\s?min\s?)\d\d)?"
_BESIDE = r"[^\d\[\]:\n]"  # between date and time, and behind: commas, `klo`, `a. m.`, `下午`
_HEADER = re.compile(
    rf"{_HIDDEN}\[?{_HIDDEN}(?P<time_first>{_TIME}{_BESIDE}{{1,20}}?)??{_DATE}"
    rf"(?(time_first)|{_BESIDE}{{1,20}}?{_TIME}){_BESIDE}{{0,12}}?(?:\]|\s[-–](?=\s))\s*"
)
_QUOTED = '["“„«「][^:\n"“”»」]*["“”»」]'  # a notice may quote a colon: `Ada created group "Plans: Friday"`
_NAMED = re.compile(rf'{_HIDDEN}(?:~\s?)?(?P<name>(?:[^:\n\u202c"“„«「]|{_QUOTED}){{1,100}}+)\u202c?:(?![^\s\u200e])')
_FEW = 10  # messages that may all have different names

_AMERICAN = re.compile(r"\W*[1-9]\d?/[1-9]\d?/\d+, \d.*\d\s[AP]M\b")
_DAY_FIRST, _MONTH_FIRST, *_YEAR_FIRST = (2, 1, 0), (2, 0, 1), (0, 1, 2), (0, 2, 1)
"""The places of year, month and day in a date."""
_FIRST_YEAR = 2009  # of WhatsApp
_BUDDHIST = 543  # Thai years are so many ahead

_NO_WORDS = r"""
(?:image|video(?: note)?|audio|gif|sticker|document|contact card|media) omitted|null
this message was deleted(?: by [^\n]+)?|you deleted this message(?: as admin)?
diese nachricht wurde gelöscht|du hast diese nachricht gelöscht
se eliminó este mensaje|eliminaste este mensaje
ce message a été supprimé|(?:vous avez|tu as) supprimé ce message
questo messaggio è stato eliminato|hai eliminato questo messaggio
(?:esta )?mensagem (?:foi )?apagada|(?:você )?apag(?:ou|aste) (?:esta )?mensagem
dit bericht is verwijderd|(?:u|je) hebt dit bericht verwijderd
tämä viesti poistettiin|poistit tämän viestin
данное сообщение удалено|вы удалили данное сообщение
bu mesaj silindi|bu mesajı sildiniz
pesan ini (?:telah )?dihapus|anda (?:telah )?menghapus pesan ini
"""
_WORDLESS = re.compile("|".join(_NO_WORDS.strip().splitlines()), re.I)
_ATTACHED = "file attached|datei angehängt|archivo adjunto|fichier joint|file allegato|arquivo anexado"
_FILE = re.compile(  # `IMG-20240115-WA0001.jpg (file attached)`; Android repeats a document's name below
    rf"\A(?=\u200e|[A-Z]{{3}}-\d{{8}}-WA\d|[^\n]* \((?:{_ATTACHED})\)$)"
    r"\u200e?(?P<name>[^\n]{1,250})\.\w{0,5} \([^()\n]+\)(?:\n(?P=name)\Z)?",
    re.I | re.M,
)
_BRACKETED = r"\u200e?<\s?[^\W\d_](?=[^<>]*[\s\u0080-\uffff])[^<>/=\n]{2,250}>"
_MARK = re.compile(rf"\A{_BRACKETED}|{_BRACKETED}\Z")  # `<Media omitted>`, `<attached: 1-PHOTO.jpg>`
_POLL = re.compile(r"[^\n:]{1,20}:\n[^\n]+\n[^\n:]{1,20}: [^\n]+\(\u200e?\d+ \w+\)")
_SHORT = 4  # words, at most, that stand for a picture (`\u200eimage omitted`); most notices are longer
_PAGES = " • \u200e"  # between a document's name and its length
_STRUCK = re.compile(r"(?<!\w)~(?=\S)([^~\n]+)(?<=\S)~(?!\w)")
_MENTION = re.compile("@\u2068[^\u2069\n]{1,100}\u2069|@\\d{7,15}\\b")


def recognises(head: str) -> bool:
    """Return whether a text begins as a WhatsApp chat: with headers, many with names, of which one comes twice."""
    headers = first_headers(head, _HEADER)
    names = [match["name"] for header in headers if (match := _NAMED.match(header.string, header.end())) is not None]
    return len(names) >= max(1, len(headers) / 4) and (len(names) < _FEW or len(set(names)) < len(names))


def messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    """Yield a chat's messages. WhatsApp's own words are left out, and counted."""
    order = _order(beginning(file))
    for header, text in log_entries(file, _HEADER, left_out):
        if (speaker := _NAMED.match(text)) is None:
            left_out[SYSTEM] += 1
            continue
        words, reason = _words(text[speaker.end() :])
        if reason:
            left_out[reason] += 1
        else:
            yield Message(speaker["name"], words, _day(header.groups()[1:], order))


WHATSAPP = ChatFormat("a WhatsApp chat", recognises, messages)


def _order(head: str) -> tuple[int, ...]:
    """Return the places of year, month and day that give the most dates. If several do, the day comes first.

    The month does before American times (`9:30 PM`).
    """
    headers = [match for line in head.splitlines() if (match := _HEADER.match(line)) is not None]
    american = any(_AMERICAN.match(header[0]) for header in headers)
    orders = (_MONTH_FIRST, _DAY_FIRST) if american else (_DAY_FIRST, _MONTH_FIRST)
    dates = [header.groups()[1:] for header in headers]
    return max(*orders, *_YEAR_FIRST, key=lambda order: sum(_day(numbers, order) is not None for numbers in dates))


@functools.lru_cache(10_000)
def _day(numbers: tuple[str, ...], order: tuple[int, ...]) -> date | None:
    """Return a date, or None: it is none of WhatsApp's time, or of a calendar that isn't known here."""
    year, month, day = (int(numbers[place]) for place in order)
    year += 2000 if year < 100 else -_BUDDHIST if year > 2400 else 0
    if not _FIRST_YEAR <= year <= datetime.now(UTC).year + 1:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _words(text: str) -> tuple[str, str]:
    """Return a message without WhatsApp's marks, and why it is left out; empty: it isn't."""
    words = _MARK.sub("", _FILE.sub("", text.strip())).strip()
    plain = words.strip("\u200e .。")
    if not plain or _WORDLESS.fullmatch(plain) or _PAGES in words or _POLL.match(words):
        return "", WORDLESS
    if words.startswith("\u200e"):
        return "", WORDLESS if len(words.split()) <= _SHORT else SYSTEM
    return _MENTION.sub("<@0>", _STRUCK.sub(r"\1", words)), ""  # Discord's mention, which the cleaning knows
