"""WhatsApp's chats, of both systems and in many languages.

Sources of the layouts: the header formats of lucasrodes/whatstk (`header_format_support.json`, 96 of them);
linuswillner/whatsapp-export-inconsistencies (iOS and Android, attachments, places); reported headers of Finnish,
Korean, Chinese, Japanese, Arabic, Thai, French and Spanish phones; what WhatsApp Web puts on the clipboard.
"""

import io
import itertools
from collections import Counter
from datetime import date, datetime

import pytest
from hypothesis import given, strategies as st

from galvanic.read.chat import OTHER_FILES, SYSTEM, WORDLESS, Message
from galvanic.read.cleaning import clean
from galvanic.read.encodings import head_text
from galvanic.read.whatsapp import WHATSAPP
from tests.galvanic.read.reading import lines, read_chat, zipped

DAYS = (date(2024, 3, 4), date(2024, 3, 25))
FORMATS = [
    f"[{day}{clock}]" if brackets else f"{day},{clock} -"
    for order, sign, seconds, half, brackets in itertools.product(
        ("ymd", "ydm", "dmy", "mdy"), "-/.", (False, True), (False, True), (False, True)
    )
    for day in [sign.join("%Y" if part == "y" else f"%{part}" for part in order)]
    for clock in [f" {'%I' if half else '%H'}:%M{':%S' if seconds else ''}{' %p' if half else ''}"]
]
LOCALES = {
    "en-US": "{d.month}/{d.day}/24, 9:30\u202fPM - ",
    "en-US iOS": "[{d.month}/{d.day}/24, 9:30:45\u202fPM] ",
    "en-CA iOS": "[{d}, 9:30:45 p.m.] ",
    "fr-FR": "{d:%d/%m/%Y} 21:30 - ",
    "fr-FR iOS": "[{d:%d/%m/%Y} à 21:30:45] ",
    "fr-CA iOS": "[{d}, 21 h 30 min 45 s] ",
    "es-MX": "{d.day}/{d.month}/2024, 9:30 p. m. - ",
    "fi-FI": "{d.day}.{d.month}.2024 klo 21.30 - ",
    "da-DK iOS": "[{d:%d.%m.%Y} kl. 21.30.45] ",
    "sv-SE": "{d} 21:30 - ",
    "cs-CZ": "{d.day}. {d.month}. 2024, 21:30 - ",
    "hu-HU": "2024. {d:%m}. {d:%d}. 21:30 - ",
    "bg-BG": "{d.day}.{d:%m}.24 г., 21:30 ч. - ",
    "ja-JP 12 hours": "2024/{d.month}/{d.day} 午後9:30 - ",
    "ko-KR": "2024. {d.month}. {d.day}. 오후 9:30 - ",
    "zh-CN in signs": "2024年{d.month}月{d.day}日 下午9:30 - ",
    "zh-TW iOS": "[2024/{d.month}/{d.day} 下午9:30:45] ",
    "he-IL": "\u200f{d.day}.{d.month}.2024, 21:30 - ",
    "hi-IN": "{d:%d/%m/%y}, 9:30 अपराह्न - ",
    "th-TH iOS": "[{d.day}/{d.month}/2567 BE 21:30:45] ",
    "vi-VN iOS": "[21:30:45, {d.day}/{d.month}/2024] ",
    "vi-VN": "21:30, {d:%d/%m/%Y} - ",
    "web, copied": "[9:30 PM, {d.month}/{d.day}/2024] ",
    "web, copied in German": "[21:30, {d.day}.{d.month}.2024] ",
}
"""Where they differ from `FORMATS` in more than digits."""
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
L = "\u200e"  # begins what WhatsApp itself says
MARKS = f"""
<Media omitted>
<Médias omis>
<省略影音内容>
< Média vynechána >
<המדיה לא נכללה>
{L}<attached: 1-photo.jpg>
<Anhang: 00000012-PHOTO.jpg>
IMG-20240115-WA0001.jpg (Datei angehängt)
A B.vcf (archivo adjunto)
STK-20240115-WA0001.webp (файл добавлен)
image omitted
{L}Bild weggelassen
{L}görüntü dahil edilmedi
{L}画像は含まれていません
This message was deleted.
This message was deleted by admin Ada
Du hast diese Nachricht gelöscht.
Se eliminó este mensaje.
Данное сообщение удалено
Mensagem apagada
You deleted this message as admin
Waiting for this message. This may take a while.
Missed voice call
Missed group video call
Live location shared
{L}このメッセージは削除されました。
"""
MARKUP = str.maketrans("", "", "*~")
POLLS = ["POLL:\nWhich?\nOPTION: this (3 votes)", "ENCUESTA:\n¿Cuál?\nOPCIÓN: este (1 voto)"]


def read(text: str) -> tuple[list[Message], Counter[str]]:
    assert WHATSAPP.recognises(text)
    left_out = Counter[str]()
    return list(WHATSAPP.messages(io.BytesIO(text.encode()), left_out)), left_out


def days(headers: list[str]) -> list[date | None]:
    messages, _ = read("".join(f"{header}Ada: a word: or two\n" for header in headers))
    assert {(message.author, message.text) for message in messages} == {("Ada", "a word: or two")}
    return [message.day for message in messages]


@pytest.mark.parametrize("header", FORMATS)
def test_every_known_format_of_headers_is_read(header: str) -> None:
    assert days([f"{datetime(day.year, day.month, day.day, 21, 30):{header}} " for day in DAYS]) == list(DAYS)


@pytest.mark.parametrize("header", LOCALES.values(), ids=LOCALES)
def test_headers_of_many_languages_are_read(header: str) -> None:
    assert days([header.format(d=day) for day in DAYS]) == list(DAYS)


def test_digits_and_signs_may_be_those_of_arabic() -> None:
    headers = [f"{day.day}\u200f/{day.month}\u200f/{day.year}، 9:30 م - ".translate(ARABIC) for day in DAYS]
    assert days(headers) == list(DAYS)


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (["1/2/24, 21:30", "3/2/24, 21:30"], date(2024, 2, 1)),
        (["01/02/2024, 9:30 AM", "03/02/2024, 9:30 AM"], date(2024, 2, 1)),
        (["1/2/24, 9:30 AM", "3/2/24, 9:30 AM"], date(2024, 1, 2)),
        (["1/2/24, 9:30 AM", "13/2/24, 9:30 AM"], date(2024, 2, 1)),
        (["1/2/24, 21:30"] * 300 + ["2/13/24, 21:30"], date(2024, 1, 2)),
        (["24/01/02 21:30", "24/01/31 21:30"], date(2024, 1, 2)),
        (["45/67/24, 21:30", "13/2/24, 21:30"], None),
        (["1/2/1402, 21:30"], None),
        (["1/2/9999, 21:30"], None),
    ],
)
def test_a_number_over_12_says_what_is_the_day_else_the_language_does(dates: list[str], first: date | None) -> None:
    assert days([f"{text} - " for text in dates])[0] == first


def test_a_chat_of_ios() -> None:
    text = f"""\ufeff[15/01/24, 09:30:15] Book club: {L}Messages and calls are end-to-end encrypted. No one outside.
[15/01/24, 09:30:15] Ada: {L}Ada created group “Book: club”
[15/01/24, 09:30:16] Ada: Hello all,

it is Monday
{L}[15/01/24, 09:31:16] ~\u202fBen: {L}image omitted
{L}[15/01/24, 09:32:16] ~\u202fBen: look at this {L}<attached: 00000012-PHOTO-2024-01-15-09-32-16.jpg>
{L}[15/01/24, 09:33:16] Ada: report.pdf • {L}2 pages {L}document omitted
[16/01/24, 10:31:16] \u202a+49\xa0151\xa0123\u202c: I say {L}<This message was edited>
[16/01/24, 10:31:17] Ada: {L}This message was deleted.
[16/01/24, 10:31:18] Ada: {L}POLL:
Which?
{L}OPTION: This one ({L}3 votes)
{L}OPTION: That one ({L}1 vote)
[16/01/24, 10:31:19] Ada: {L}Missed voice call. {L}Tap to call back
[16/01/24, 10:31:20] Ada:""".replace("\n", "\r\n")
    messages, left_out = read(text)
    assert [(message.author, message.text) for message in messages] == [
        ("Ada", "Hello all,\n\nit is Monday"),
        ("Ben", "look at this"),
        ("+49\xa0151\xa0123", "I say"),
    ]
    assert left_out == {SYSTEM: 3, WORDLESS: 5}


def test_a_chat_of_android() -> None:
    text = """1/5/24, 9:30\u202fAM - Messages and calls are end-to-end encrypted. Tap to learn more.
1/5/24, 9:30\u202fAM - Ada created group "Plans: Friday"
1/5/24, 9:30\u202fAM - Ada added you
1/5/24, 9:31\u202fAM - Ada: Hi there
1/5/24, 9:31\u202fAM - Ben "Benny" Müller: <Media omitted>
1/6/24, 9:31\u202fPM - Ben "Benny" Müller: \u200eIMG-20240106-WA0001.jpg (file attached)
The sea
1/6/24, 9:31\u202fPM - Ben "Benny" Müller: Plan (new).pdf (file attached)
Plan (new)
1/6/24, 9:32\u202fPM - Ada: You deleted this message
1/6/24, 9:32\u202fPM - Ada: null
1/6/24, 9:33\u202fPM - Ada: I <3 it <This message was edited>
1/6/24, 9:33\u202fPM - Ada: <Media omitted>
What a day
1/6/24, 9:34\u202fPM - Ada: node.js (the old one)
"""
    messages, left_out = read(text)
    assert [(message.author, message.text) for message in messages] == [
        ("Ada", "Hi there"),
        ('Ben "Benny" Müller', "The sea"),
        ("Ada", "I <3 it"),
        ("Ada", "What a day"),
        ("Ada", "node.js (the old one)"),
    ]
    assert left_out == {SYSTEM: 3, WORDLESS: 4}


def test_messages_may_have_many_lines() -> None:
    messages, _ = read("15.01.24, 09:30 - Ada: a line\n" * 20 + "15.01.24, 09:31 - Ben: a line\n" + "a line\n" * 500)
    assert len(messages) == 21


def test_a_line_of_an_agenda_is_part_of_its_message() -> None:
    text = "Monday:\n15.01.2024 10:00: tea\nbye"
    messages, _ = read(f"15.01.24, 09:30 - Ada: {text}\n[15.01.24, 09:31:00] Ben: of another phone\n")
    assert [message.text for message in messages] == [text, "of another phone"]


@pytest.mark.parametrize("mark", MARKS.strip().splitlines() + POLLS)
def test_a_message_that_is_only_a_mark_has_no_words(mark: str) -> None:
    messages, left_out = read(f"15.01.24, 09:30 - Ada: {mark}\n15.01.24, 09:31 - Ada: words\n")
    assert ([message.text for message in messages], left_out) == (["words"], {WORDLESS: 1})


@pytest.mark.parametrize(
    "words",
    ["I <3 you", "<3", "a <b> c", "if a < b and c > d", "see main.py (the old file)", "omitted", "null and void"],
)
def test_words_with_such_signs_stay(words: str) -> None:
    assert [message.text for message in read(f"15.01.24, 09:30 - Ada: {words}\n")[0]] == [words]


@pytest.mark.parametrize(
    ("written", "learned"),
    [
        ("*bold* _it_ ~gone~ ```code``` `word`", "bold it gone word"),
        ("~all of it~", "all of it"),
        ("*~both~* ~_all_~", "both all"),
        ("2 * 3 * 4, f**k", "2 * 3 * 4, f**k"),
        ("2 ~ 3 ~ 4 and ~5", "2 ~ 3 ~ 4 and ~5"),
        ("hi @\u2068~\u202fBen Müller\u2069!", "hi someone!"),
        ("hi @4915112345678, you", "hi someone, you"),
        ("@\u2068Ben\u2069", ""),
        ("* one\n* two\n> quoted\n- three", "one two three"),
    ],
)
def test_whatsapps_marks_are_cleaned(written: str, learned: str) -> None:
    messages, _ = read(f"15.01.24, 09:30 - Ada: {written}\n")
    assert clean(messages[0].text) == learned


def test_a_zip_with_pictures_is_a_chat_and_other_files() -> None:
    text = f"[15.01.24, 09:30:15] Ada: {L}<Anhang: 1-PHOTO.jpg>\n[15.01.24, 09:30:16] Ben: schön\n"
    files = ("1-PHOTO.jpg", b"\xff\xd8\xff" * 99), ("2.opus", b"OggS\0\2" * 99), ("_chat.txt", text)
    chat = read_chat(("WhatsApp Chat - Ben.zip", zipped(*files)))
    assert (chat.format, lines(chat)) == ("a WhatsApp chat", ["Ben: schön"])
    assert chat.left_out == {WORDLESS: 1, OTHER_FILES: 2}


LINES = st.one_of(
    st.sampled_from(sorted(LOCALES)).map(lambda name: f"{LOCALES[name].format(d=DAYS[0])}Ada: text of {name}"),
    st.sampled_from(
        ["15.01.24, 09:30 - Ada left", f"[15.01.24, 09:30:00] Ben: {L}image omitted", "go on", "", "~a~ *b*"]
    ),
    st.text(max_size=30),
)


@given(st.lists(LINES, max_size=12), st.integers(0, 400), st.sampled_from(["\n", "\r\n"]), st.binary(max_size=4))
def test_whatever_is_read_stands_in_the_file(text_lines: list[str], end: int, newline: str, rest: bytes) -> None:
    data = newline.join(text_lines).encode("utf-8", "replace")[:end] + rest
    known = head_text(data).replace("\r", "\n").translate(MARKUP)
    for message in WHATSAPP.messages(io.BytesIO(data), Counter()):
        assert all(line in known for line in message.text.translate(MARKUP).split("\n"))
