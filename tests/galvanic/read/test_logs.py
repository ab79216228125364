"""Logs of signal-export and of IRC clients, and texts that only look like a chat.

Sources of the layouts: carderne/signal-export (`Message.to_md` and its older releases' README); the line formats
of PISG for irssi, WeeChat, XChat/HexChat, mIRC, EnergyMech and Konversation; public logs of HexChat and irssi.
"""

import io
import re
from collections import Counter
from datetime import date

import pytest
from hypothesis import given, strategies as st

from galvanic.read.chat import DAMAGED, SYSTEM, ChatFormat, Message
from galvanic.read.encodings import head_text
from galvanic.read.formats import CHATS
from galvanic.read.logs import IRC, SIGNAL
from galvanic.read.whatsapp import WHATSAPP

SIGNAL_CHAT = """[2024-01-02 10:11:12] Ada Lovelace: Hi there

[2024-01-02 10:12:12] Me:

> Hi there

Oh hello,
how are you?
(- Ada: 👍 -)

[2024-01-03 10:13:12] Ada Lovelace:   ![a.jpg](./media/a.jpg)
[2024-01-03 10:13:13] Ada Lovelace: a file  [b.pdf](./media/2024%20b.pdf)
[2024-01-03 10:13:14] Me:
(( 😀 ))
[2024-01-03 10:14:12] Me: Outgoing voice call (accepted, 3m 2s)
[2024-01-03 10:15:12] Me: (This message was deleted)
"""
IRSSI = """--- Log opened Tue Sep 20 00:01:49 2016
00:01 -!- guest [~guest@example.org] has quit [Quit: Bye]
00:25 <@ada> \x02anyone\x02 \x0304,01there\x03: yes?
00:27  * ben waves
--- Day changed Wed Sep 21 2016
00:28 <+cyd-> hello
--- Log closed Wed Sep 21 01:19:00 2016
"""
HEXCHAT = """**** BEGIN LOGGING AT Wed Dec 30 10:28:36 2015

Dec 30 10:28:36 *\tNow talking on #x
Dec 30 10:28:41 <ada>\tanyone there: yes?
Jan 02 10:28:44 <cyd->\thello
**** ENDING LOGGING AT Sat Jan  2 10:28:50 2016
"""
WEECHAT = """2016-09-20 10:11:12\t-->\tada (~ada@example.org) has joined #x
2016-09-20 10:11:13\t@ada\tanyone there: yes?
2016-09-20 10:11:14\t--\tMode #x [+o ada] by ben
2016-09-20 10:11:15\t *\tben waves
2016-09-21 10:11:16.123456Z\tcyd-\thello
2016-09-21 10:11:17\t<--\tada (~ada@example.org) has quit (Bye)
"""
MIRC = """Session Start: Tue Sep 20 00:01:49 2016
Session Ident: #x
* Now talking in #x
<ada> anyone there: yes?
Session Time: Wed Sep 21 00:00:00 2016
<cyd-> hello
"""
KONVERSATION = """[Tuesday, 20 September 2016] [10:11:12 CEST] Join\tada has joined this channel.
[Tuesday, 20 September 2016] [10:11:12 CEST] <ada> anyone there: yes?
[Wednesday, 21 September 2016] [10:11:12 CEST] <cyd-> hello
"""
ZNC = """[2016-09-20 10:11:12] *** Joins: ada (ada@example.org)
[2016-09-20T10:11:12.123Z] <ada> anyone there: yes?
[2016-09-20 10:11:13] -ChanServ- Welcome
[2016-09-21 10:11:15] <cyd-> hello
"""
EGGDROP = """[00:00] --- Tue Sep 20 2016
[10:11] ada (ada@example.org) joined #x.
[10:11] <ada> anyone there: yes?
[10:12] Action: ben waves
[10:13] <cyd-> hello
"""
IRCCLOUD = """[2016-09-20 10:11:12] → ada joined (ada@example.org)
[2016-09-20 10:11:13] <ada> anyone there: yes?
[2016-09-20 10:11:14] — ben waves
[2016-09-21 10:11:15] <cyd-> hello
[2016-09-21 10:11:16] ⇐ ada quit (ada@example.org)
"""
CLOCKS = ["[10:11]", "[10:11:12]", "10:11", "10:11:12", "(10:11)", "[10:11 PM]", "10:11 pm", "10:11:12+0000"]

NOVEL = "It was a bright cold day in April, and the clocks were striking: thirteen of them. " * 40
NO_CHATS = {
    "a novel with a chat in it": "[12.03.2024, 10:15] Anna: hi\n[12.03.2024, 10:16] Ben: oh\n" + f"{NOVEL[:80]}\n" * 40,
    "a poem": "I wandered lonely as a cloud\nThat floats on high\n\nWhen all at once I saw: a crowd\n",
    "a play": "ROMEO: But, soft! what light\nJULIET: Ay me!\nROMEO: She speaks:\nO, speak again\n" * 9,
    "a play in brackets": "[Enter ROMEO] ROMEO: But, soft!\n[Aside] JULIET: Ay me!\n" * 9,
    "a screenplay": "INT. HOUSE - 10:15\n\nADA\nHello.\n\n- Ben: (off) What?\n\nEXT. STREET - 12/03/2024\n" * 9,
    "Markdown": "# Notes\n- 10:15 <b>Ada</b> came\n- [link](x): y\n\n| a | b |\n|---|---|\n> 12.03.2024: quote\n" * 9,
    "a timetable": "\n".join(f"12/03/2024 {hour}:30 - Room {hour}" for hour in range(8, 20)),
    "a timetable of trains": "\n".join(f"12.03.2024, {hour}:30 - Town {hour}: platform 3" for hour in range(8, 22)),
    "times and places": "09:30 - Berlin: platform 3\n10:15 - Hamburg: platform 4\n" * 9,
    "a diary": "12/03/2024, 10:15 - Woke up late.\nIt rained.\n13/03/2024, 11:00 - Again.\n" * 9,
    "SubRip": "1\n00:00:01,000 --> 00:00:02,500\n<i>ADA: Hello.</i>\n\n2\n00:00:03,000 --> 00:00:04,000\n- What?\n" * 9,
    "WebVTT": "WEBVTT\n\n00:01.000 --> 00:02.500\n<v Ada>Hello.\n\n00:03.000 --> 00:04.000\n<v Ben>What?\n" * 9,
    "lyrics with times": "[00:12.00] <00:12.04> When <00:12.16> the\n[00:15.30] <00:15.50> stars\n" * 9,
    "HTML": "<p>10:15 <b> hello</b></p>\n<div> 10:16 <ada> x</div>\n" * 9,
    "a program's log": "2024-01-02 10:11:12,123 - root - INFO - started: yes\n2024-01-02 10:11:12 ERROR: no\n" * 9,
    "a program's log with dashes": "2024-01-02 10:11:12 - INFO: started\n2024-01-02 10:11:13 - ERROR: stopped\n" * 9,
    "a program's log in brackets": "[2024-01-02 10:11:12] app.INFO: started {}\n[2024-01-02 10:11:13] app.ERROR: x\n"
    * 9,
    "a table": "date,name,text\n2024-01-02 10:11:12,Ada,hi: you\n" * 9,
    "e-mail": "On 12/03/2024, 10:15, Ada wrote:\n> [10:11] yes\n> hi: you\n\nThanks, Ben\n" * 9,
    "empty lines": "\n \n\n",
}


def read(chat: ChatFormat, text: str) -> tuple[list[Message], Counter[str]]:
    assert next(form for form in CHATS if form.recognises(text)) is chat
    left_out = Counter[str]()
    return list(chat.messages(io.BytesIO(text.encode()), left_out)), left_out


def test_signals_chats_lose_reactions_stickers_and_files() -> None:
    messages, _ = read(SIGNAL, SIGNAL_CHAT)
    texts = ["Hi there", "> Hi there\n\nOh hello,\nhow are you?", "", "a file", "", "", ""]
    assert [message.text for message in messages] == texts
    assert [message.author for message in messages] == ["Ada Lovelace", "Me", *["Ada Lovelace"] * 2, *["Me"] * 3]
    assert {message.day for message in messages} == {date(2024, 1, 2), date(2024, 1, 3)}


def test_chats_of_older_releases_of_signal_export_are_read() -> None:
    messages, _ = read(SIGNAL, "[2019-05-29, 15:04] Me: How is everyone?\n[2019-05-29, 15:10] Aya: We're great!\n")
    day = date(2019, 5, 29)
    assert messages == [Message("Me", "How is everyone?", day), Message("Aya", "We're great!", day)]


def test_a_whatsapp_chat_with_such_dates_is_not_signals() -> None:
    read(WHATSAPP, "[2024-01-15, 09:30:15] Ada: \u200eimage omitted\n[2024-01-15, 09:30:16] Ada: hi\n")
    read(WHATSAPP, "[2024-01-15 09:30:15] Ada: \u200eimage omitted\n[2024-01-15 09:30:16] Ada: hi\n")


@pytest.mark.parametrize(
    ("log", "notices"),
    [(IRSSI, 5), (HEXCHAT, 3), (WEECHAT, 4), (MIRC, 4), (KONVERSATION, 1), (ZNC, 2), (EGGDROP, 3), (IRCCLOUD, 3)],
    ids=["irssi", "HexChat", "WeeChat", "mIRC", "Konversation", "ZNC", "eggdrop", "IRCCloud"],
)
def test_irc_logs_are_read(log: str, notices: int) -> None:
    messages, left_out = read(IRC, log)
    said = [("ada", "anyone there: yes?"), ("cyd-", "hello")]
    assert [(message.author, message.text) for message in messages] == said
    days = {HEXCHAT: date(2015, 12, 30), EGGDROP: date(2016, 9, 20)}
    expected = [days.get(log, day) for day in (date(2016, 9, 20), date(2016, 9, 21))]
    assert [message.day for message in messages] == expected
    assert left_out == {SYSTEM: notices}


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("nick", ["<ada>", "< ada>", "<@ada>", "<+ada>", "<~&ada>"])
def test_clocks_and_prefixes_of_irc_clients_are_read(clock: str, nick: str) -> None:
    messages, left_out = read(IRC, f"{clock} {nick} hi: there\n{clock} *** ben sets mode: +v ada\n" * 4 + "broken")
    assert (set(messages), left_out) == ({Message("ada", "hi: there")}, {SYSTEM: 4, DAMAGED: 1})


@pytest.mark.parametrize("text", NO_CHATS.values(), ids=NO_CHATS)
def test_other_texts_are_no_chats(text: str) -> None:
    assert [chat.name for chat in (IRC, SIGNAL, WHATSAPP) if chat.recognises(text)] == []


PARTS = st.one_of(
    st.sampled_from((SIGNAL_CHAT + IRSSI + HEXCHAT + WEECHAT + MIRC + KONVERSATION + ZNC).splitlines()),
    st.text(max_size=30),
)


@given(st.sampled_from([IRC, SIGNAL]), st.lists(PARTS, max_size=12), st.integers(0, 500), st.binary(max_size=4))
def test_whatever_is_read_stands_in_the_file(chat: ChatFormat, lines: list[str], end: int, rest: bytes) -> None:
    data = "\n".join(lines).encode("utf-8", "replace")[:end] + rest
    colours = re.compile(r"\x03[\d,]*|\x04[0-9A-Fa-f]*|[\x00-\x09\x0e-\x1f]")
    known = colours.sub("", head_text(data).replace("\r", "\n"))
    for message in chat.messages(io.BytesIO(data), Counter()):
        for line in colours.sub("", message.text).split("\n"):
            assert line in known or (chat is SIGNAL and "](" in known)
