"""Read chats that WhatsApp exported: iOS's `_chat.txt` and Android's `WhatsApp Chat with X.txt`.

Each message begins with a header, whose date and time are written as in the phone's language. WhatsApp's own words are
in that language, too. They begin with U+200E on iOS, or stand in `<>`; a few others are listed for some languages.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from galvanic.read.chat import SYSTEM, WORDLESS, ChatFormat, Message
from galvanic.read.fields import DATE, date_order, day_of
from galvanic.read.lines import beginning, first_headers, log_entries

_HIDDEN = "[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]*+"
_TIME = r"\d{1,2}(?:[:.]|\s?h\s?)\d\d(?:(?:[:.]|\s?min\s?)\d\d)?"
_BESIDE = r"[^\d\[\]:\n]"  # between date and time, and behind: commas, `klo`, `a. m.`, `下午`
_HEADER = re.compile(
    rf"{_HIDDEN}\[?{_HIDDEN}(?P<time_first>{_TIME}{_BESIDE}{{1,20}}?)??{DATE}"
    rf"(?(time_first)|{_BESIDE}{{1,20}}?{_TIME}){_BESIDE}{{0,12}}?(?:\]|\s[-–](?=\s))\s*"
)
_QUOTED = '["“„«「][^:\n"“”»」]*["“”»」]'  # a notice may quote a colon: `Ada created group "Plans: Friday"`
_NAMED = re.compile(rf'{_HIDDEN}(?:~\s?)?(?P<name>(?:[^:\n\u202c"“„«「]|{_QUOTED}){{1,100}}+)\u202c?:(?![^\s\u200e])')
_FEW = 10  # messages that may all have different names

_NO_WORDS = r"""
(?:image|video(?: note)?|audio|gif|sticker|document|contact card|media) omitted|null
waiting for this message\. this may take a while|missed (?:group )?(?:voice|video) call|live location shared
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
    headers = map(_HEADER.match, beginning(file).splitlines())
    order = date_order([header[0] for header in headers if header is not None])
    for header, text in log_entries(file, _HEADER, left_out):
        if (speaker := _NAMED.match(text)) is None:
            left_out[SYSTEM] += 1
            continue
        words, reason = _words(text[speaker.end() :])
        if reason:
            left_out[reason] += 1
        else:
            yield Message(speaker["name"], words, day_of(header[0], order))


WHATSAPP = ChatFormat("a WhatsApp chat", recognises, messages)


def _words(text: str) -> tuple[str, str]:
    """Return a message without WhatsApp's marks, and why it is left out; empty: it isn't."""
    words = _MARK.sub("", _FILE.sub("", text.strip())).strip()
    plain = words.strip("\u200e .。")
    if not plain or _WORDLESS.fullmatch(plain) or _PAGES in words or _POLL.match(words):
        return "", WORDLESS
    if words.startswith("\u200e"):
        return "", WORDLESS if len(words.split()) <= _SHORT else SYSTEM
    return _MENTION.sub("<@0>", _STRUCK.sub(r"\1", words)), ""  # Discord's mention, which the cleaning knows
