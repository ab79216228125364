"""Read chats that WhatsApp exported: iOS's `_chat.txt`, Android's `WhatsApp Chat with X.txt`, and WhatsApp Web's.

Each message begins with a header, whose date and time are written as in the phone's language. WhatsApp's own words
("image omitted", "Ada left") are in that language, too. On iOS they begin with U+200E; for Android, the common
languages are listed here.
"""

import functools
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import BinaryIO

from galvanic.read.chat import FORWARDED, SYSTEM, WORDLESS, ChatFormat, Message
from galvanic.read.lines import log_entries

_BEFORE = 3  # lines that may stand before the first header
_MANY = 20  # headers at the beginning that no other text has
_HEAD = 500_000  # characters at the beginning whose dates decide the order of day and month

_HIDDEN = "[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]*+"
_HIDDEN_CHARACTERS = re.compile(_HIDDEN)
_DATE = rf"(\d{{1,4}}){_HIDDEN}(?:[/.-]|年){_HIDDEN}\s?(\d{{1,2}}){_HIDDEN}(?:[/.-]|月){_HIDDEN}\s?(\d{{1,4}})"
_TIME = r"\d{1,2}(?:[:.]|\s?h\s?)\d\d(?:(?:[:.]|\s?min\s?)\d\d)?"
_BESIDE = r"[^\d\[\]:\n]"  # between date and time, and behind: commas, `klo`, `a. m.`, `下午`
_HEADER = re.compile(
    rf"{_HIDDEN}\[?{_HIDDEN}(?:{_DATE}{_BESIDE}{{1,20}}?{_TIME}{_BESIDE}{{0,12}}?|{_TIME}{_BESIDE}{{1,20}}?{_DATE})"
    r"(?P<end>\]|\s[-–](?=\s)|:(?=\s))[\s-]*"
)
_NAMED = re.compile(rf"{_HIDDEN}(?:~\s?)?(?P<name>[^:\n]{{1,100}}):(?:\s|(?=\u200e)|\Z)")
_QUOTED = re.compile('“[^”]*”|„[^“”]*[“”]|«[^»]*»|「[^」]*」|"[^"]*"')
_AMERICAN = re.compile(r"\W*[1-9]\d?/[1-9]\d?/\d+, \d.*\d\s[AP]M\b")
_Order = tuple[int, int, int]  # the places of year, month and day in a date
_DAY_FIRST, _MONTH_FIRST = (2, 1, 0), (2, 0, 1)
_YEAR_FIRST = ((0, 1, 2), (0, 2, 1))
_FIRST_YEAR = 2009  # of WhatsApp
_BUDDHIST = 543  # Thai years are so many ahead

_NO_WORDS = r"""
(?:image|video(?: note)?|audio|gif|sticker|document|contact card|media|(?:voice|video) message|view once [\w ]+) omitted
(?:live )?location omitted|live location shared|waiting for this message[^\n]*|null
(?:this message was deleted|you deleted this message)(?: (?:as|by) (?:an )?admin[^\n]{0,50})?
(?:bild|video|audio|gif|sticker|dokument|medien) (?:weggelassen|ausgeschlossen)|kontaktkarte ausgelassen
(?:diese nachricht wurde|du hast diese nachricht) gelöscht
(?:imagen|v[ií]deo|audio|gif|sticker|documento|tarjeta de contacto|multimedia|archivo) omitid[oa]
se eliminó este mensaje|este mensaje fue eliminado|eliminaste este mensaje
(?:image|vidéo|audio|gif|sticker|document|fiche contact) (?:absente?|omise?|retirée?|manquante?)|médias omis
ce message a été supprimé|(?:vous avez|tu as) supprimé ce message
(?:immagine|video|audio|gif|sticker|documento|scheda contatto|media) (?:omess[aoi]|esclusa|non inclus[ao])
questo messaggio è stato eliminato|hai eliminato questo messaggio
(?:imagem|v[ií]deo|áudio|gif|sticker|figurinha|documento|mídia|cartão do contato) (?:ocult(?:ad)?[ao]|omitid[ao])
(?:imagem|vídeo|ficheiro de áudio|gif|sticker|documento|contacto) não revelad[ao]
(?:esta )?mensagem (?:foi )?apagada|(?:você )?apag(?:ou|aste) esta mensagem
(?:afbeelding|video|audio|gif|sticker|document|visitekaartje|media) weggelaten
dit bericht is verwijderd|(?:u|je) hebt dit bericht verwijderd
(?:bild|video|ljud|gif|sticker|dokument|kontaktkort) (?:uteslute[nt]|utelslutet|utelämna[dt])
det här meddelandet (?:raderades|togs bort)|du (?:raderade det här|har tagit bort) meddelandet
(?:bilde|video|lyd|gif|klistremerke|kontaktkort) (?:ikke inkludert|utelatt|sløyfet)|utelatt dokument
(?:billede|video|lyd|gif|klistermærke|dokument|kontaktkort) udeladt
denne (?:meldingen ble|besked blev) slettet|du slettede? denne (?:meldingen|besked)
ei kuvaa|(?:videota|äänitiedostoa|tarraa|dokumenttia) ei sisällytet(?:ty|y)
tämä viesti poistettiin|poistit tämän viestin
(?:obraz|wideo|audio|plik gif|dokument) pominięt[aey]|pominięto (?:naklejkę|multimedia)
ta wiadomość została usunięta|usunięto tę wiadomość
(?:obrázek|video|zvukový soubor|gif|nálepka|dokument|vizitka) vynechán[ao]?|video vynecháno
tato zpráva byla (?:smazána|odstraněna)
(?:изображение|видео|аудио(?:файл)?|gif|документ|карточка контакта) отсутствует|стикер не добавлен
данное сообщение удалено|вы удалили данное сообщение
(?:зображення|відео|аудіо) відсутнє|картка контакту відсутня|(?:документ|gif-анімацію) пропущено|наклейку не додано
це повідомлення було видалено|ви видалили це повідомлення
(?:görüntü|video|ses|gif|çıkartma|belge|kişi kartı) dahil edilmedi|bu mesaj silindi|bu mesajı sildiniz
(?:gambar|video|audio|gif|stiker|dokumen|kartu kontak|media) tidak disertakan
pesan ini (?:telah )?dihapus|anda (?:telah )?menghapus pesan ini
(?:[圖图]像|[圖图照]片|影片|视频|音[訊频]|[貼贴][圖图]|文[件档]|gif|[聯联][絡系]人卡片) ?已被?(?:略去|省略|忽略)
此訊息已刪除|[您你]已刪除此訊息|这条消息已被?删除|您已删除这条消息
(?:画像|ビデオ|動画|音声|gif|スタンプ|ドキュメント)は含まれていません|このメッセージ(?:は削除されました|を削除しました)
(?:이미지|비디오|동영상|오디오|gif|스티커|문서|연락처 카드) ?(?:생략|제외)됨
이 메시지는 삭제되었습니다|삭제한 메시지입니다
(?:התמונה|סרטון הווידאו|קטע קול|סטיקר|gif|מסמך|כרטיס איש קשר) הושמטה?|הודעה זו נמחקה|מחקת (?:את ההודעה הזו|הודעה זו)
لم يتم إدراج [\w ]+|تم حذف الملصقات|تم حذف هذه الرسالة|لقد حذَفت هذه الرسالة
(?:इमेज|फ़ोटो|ऑडियो|वीडियो|स्टिकर|gif) (?:हटाई गई|हटाई गयी|छोड़ा गया)|यह मैसेज डिलीट कर दिया गया(?: है)?
"""
"""The notes that WhatsApp writes instead of words; each language has a line or two."""
_WORDLESS = re.compile(rf"(?:{'|'.join(_NO_WORDS.strip().splitlines())})[.。]?", re.I)
_LONGEST_MARK = 100
_ATTACHED = r"""
file attached|datei angehängt|archivo adjunt(?:ad)?o|fichier joint|file allegato|(?:arquivo|ficheiro) anexado
bestand bijgevoegd|bifogad fil|vedlagt fil|fil vedhæftet|liitetiedosto|załączony plik|plik załączony|soubor byl přiložen
файл добавлен|файл додано|dosya ekli|file terlampir|文件附件|附件檔案|添付ファイル有り|파일 첨부됨
קובץ מצורף|الملف مرفق|फाइल अटैच कर दी गई है
"""
_FILE = re.compile(
    rf"\u200e?(?P<name>[^\n]{{1,250}}?) \((?:{'|'.join(_ATTACHED.strip().splitlines())})\)"
    r"|\u200e?(?:IMG|VID|AUD|PTT|STK|DOC|GIF)-\d{8}-WA\d+\.\w{0,5} \([^()\n]+\)",
    re.I,
)
_BRACKETED = re.compile(  # `<Media omitted>`, `<This message was edited>`, `<attached: 00000012-PHOTO.jpg>`
    r"\u200e<[^<>\n]{3,250}>|<\s?(?=[^<>]*[ \u0080-\uffff])[^<>@/=\d\n]{3,80}>|<[^<>:\n]{3,30}:\s?[^<>\n]+\.\w{1,5}>"
)
_POLL = re.compile(r"^\u200e?[^\W\d_]{3,12}: [^\n]*\(\u200e?\d+ [^\W\d]+\)$|\APoll: [^\n]*\n    - ", re.M)
_PAGES = re.compile(r"[^\n•]{1,250} • \u200e?\d+ [^\n•]{1,80}")  # of a document
_ENCRYPTED = re.compile(
    r"(?:messages (?:to|and|you)|nachrichten|los mensajes|les messages|i messaggi|as (?:suas )?mensagens|berichten"
    r"|viestit|wiadomości|сообщения|повідомлення|mesajlar|pesan)[^\n]{0,120}(?:end-to-end|ende-zu-ende"
    r"|extremo a extremo|bout en bout|ponta[ -]a[ -]ponta|ponto a ponto|salat|szyfrow|сквозным|наскрізн|uçtan uca)",
    re.I,
)
_FORWARDED = ("[Forwarded] ", "[Forwarded many times] ")
_MENTION = re.compile("@\u2068[^\u2069\n]{1,100}\u2069|@\\d{7,15}\\b")
_BOLD, _STRUCK = (
    re.compile(rf"{sign}(?<![\w{sign}]{sign})(?=[^\s{sign}])([^{sign}\n]+)(?<=[^\s{sign}]){sign}(?![\w{sign}])")
    for sign in (r"\*", "~")  # the cleaning doesn't know `~struck~`, nor `*🎉 bold*`
)


def recognises(head: str) -> bool:
    """Return whether a text begins as a WhatsApp chat: with headers, many with names, of which one comes twice."""
    header = _header_of_chat()
    text_lines = [line for line in head.splitlines() if line.strip()]
    headers = [(line, match) for line in text_lines if (match := header(line)) is not None]
    if not headers or headers[0][0] not in text_lines[:_BEFORE]:
        return False
    names = [name for line, match in headers if (name := _speaker(line[match.end() :])) is not None]
    return (
        len(headers) >= min(_MANY, len(text_lines) / 10)  # messages may have many lines
        and len(names) >= max(1, len(headers) / 4)
        and (len(names) < 10 or len({name[0] for name in names}) < len(names))
    )


def messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    """Yield a chat's messages. WhatsApp's own words are left out, and counted."""
    chat = log_entries(file, _header_of_chat(), left_out)
    head = list[tuple[re.Match[str], str]]()
    length = 0
    for header, text in chat:
        head.append((header, text))
        length += len(header[0]) + len(text)
        if length > _HEAD:
            break
    order = _order([header for header, _ in head])
    for header, text in itertools.chain(head, chat):
        if (speaker := _speaker(text)) is None:
            left_out[SYSTEM] += 1
            continue
        name, start = speaker
        words, reason = _words(text[start:])
        if reason:
            left_out[reason] += 1
        else:
            yield Message(name, words, _day(_numbers(header), order))


WHATSAPP = ChatFormat("a WhatsApp chat", recognises, messages)


def _header_of_chat() -> Callable[[str], re.Match[str] | None]:
    """Return a function that matches the headers of one chat: they end with a colon only if the first one does.

    Otherwise a line of an agenda (`15.01.2024 10:00: tea`) would begin a message.
    """
    first = ""

    def header(line: str) -> re.Match[str] | None:
        nonlocal first
        if (match := _HEADER.match(line)) is None:
            return None
        first = first or match["end"]
        return match if match["end"] != ":" or first == ":" else None

    return header


def _order(headers: Sequence[re.Match[str]]) -> _Order:
    """Return where year, month and day stand: so that most dates are some. If several will do, day before month."""
    american = any(_AMERICAN.match(header[0]) for header in headers)
    orders = (_MONTH_FIRST, _DAY_FIRST) if american else (_DAY_FIRST, _MONTH_FIRST)
    dates = Counter(map(_numbers, headers))
    return min(
        orders + _YEAR_FIRST, key=lambda order: sum(dates[numbers] for numbers in dates if not _day(numbers, order))
    )


def _numbers(header: re.Match[str]) -> tuple[str, ...]:
    """Return the three numbers of a header's date."""
    return tuple(number for number in header.groups()[:-1] if number is not None)


@functools.lru_cache(10_000)
def _day(numbers: tuple[str, ...], order: _Order) -> date | None:
    """Return a date, or None: it is none of WhatsApp's time, or of a calendar that isn't known here."""
    year, month, day = (int(numbers[place]) for place in order)
    year += 2000 if year < 100 else -_BUDDHIST if year > 2400 else 0
    if not _FIRST_YEAR <= year <= datetime.now(UTC).year + 1:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _speaker(text: str) -> tuple[str, int] | None:
    """Return who wrote a message and where its words begin, or None: it is a notice (maybe with a quoted colon)."""
    if (match := _NAMED.match(text)) is None or set(_QUOTED.sub("", match["name"])) & set('“„«「"'):
        return None
    return _HIDDEN_CHARACTERS.sub("", match["name"]).strip(), match.end()


def _words(text: str) -> tuple[str, str]:
    """Return a message without WhatsApp's marks, and why it is left out; empty: it isn't."""
    if text.startswith(_FORWARDED):
        return "", FORWARDED
    words = _without_file(text.strip())
    if words.endswith(">") and (start := words.rfind("<")) >= 0:
        start -= words[:start].endswith("\u200e")
        if _BRACKETED.fullmatch(words, start):
            words = words[:start].rstrip()
    if words.startswith("<") and _WORDLESS.fullmatch(words[1 : (end := words.find(">"))].strip()):
        words = words[end + 1 :].lstrip()
    plain = words.strip("\u200e ")
    if not plain or (len(plain) < _LONGEST_MARK and _WORDLESS.fullmatch(plain)):
        return "", WORDLESS
    if ("\n" in text and _POLL.search(text)) or ("•" in text and _PAGES.fullmatch(plain)):
        return "", WORDLESS
    if words.startswith("\u200e") or _ENCRYPTED.match(words):
        return "", SYSTEM
    words = _STRUCK.sub(r"\1", _BOLD.sub(r"\1", words))
    return _MENTION.sub("<@0>", words), ""  # Discord's mention, which the cleaning knows


def _without_file(text: str) -> str:
    """Return the caption of a file (`IMG-20240115-WA0001.jpg (file attached)`), or the text as it is."""
    if (match := _FILE.match(text)) is None:
        return text
    caption = text[match.end() :].strip()
    return "" if (match["name"] or "").startswith(caption) else caption  # Android repeats a document's name
