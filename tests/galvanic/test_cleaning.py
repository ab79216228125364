"""What becomes of messages before a model may learn from them: hostile ones, ordinary ones, and all others."""

import base64

import pytest
from hypothesis import example, given, settings, strategies as st

from galvanic.emoji import EMOJI
from galvanic.read.cleaning import clean, is_command, leads_somewhere
from tests.driver.history import small_talk

ID = "123456789012345678"
DISCORD_TOKEN = f"{base64.b64encode(ID.encode()).decode()}.GaBcDe.{'Ab3_d-' * 5}"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"

CLEANED = {
    # Markup.
    "**bold** and *it* and ***both***": "bold and it and both",
    "__under__ _it_ ~~gone~~ ||spoiler||": "under it gone spoiler",
    "**bold with *it* in it**": "bold with it in it",
    "# Heading": "Heading",
    "-# small print": "small print",
    "a list:\n- one\n* two": "a list: one two",
    "two\nlines\r\nand\ta tab": "two lines and a tab",
    "a [word](https://example.org/a_(b)) more": "a word more",
    r"\*not italic\*": "not italic",
    "> quoted\nmine": "mine",
    "mine\n>>> all\nof this": "mine",
    "> quoted\n?": "",
    "look ```py\nprint(1)\n``` nice": "look nice",
    "look ```unclosed\ncode": "look",
    "run `make bench` now": "run make bench now",
    "run `du -sh * | sort -h` now": "run now",
    # What Discord puts in.
    f"hi <@{ID}>, and <@!{ID}>": "hi someone, and someone",
    f"<@&{ID}> meeting": "everyone meeting",
    f"see <#{ID}>": "see the channel",
    "look <id:customize> there": "look the channel there",
    f"try </play song:{ID}>!": "try /play song!",
    "see you <t:1700000000:R>.": "see you then.",
    f"ha <:kekw:{ID}> ha <a:dance:{ID}>": f"ha <:kekw:{ID}> ha <a:dance:{ID}>",
    f"<@{ID}>  ||**<:a_b_:{ID}>** <:kekw:{ID}>||": f"someone <:a_b_:{ID}> <:kekw:{ID}>",
    f"<:kekw:{ID}>" * 50: f"<:kekw:{ID}>" * 8,
    f"no <:kekw:{ID[:16]}> <:{'k' * 33}:{ID}> <:kekw:{ID}000> <:kekw:{ID} one": "no one",
    f"`<:kekw:{ID}>` ok": "ok",
    f"<@{ID}> ?!": "",
    f"<@{ID}> 😂": "someone 😂",
    f"你好<@{ID}>吗": "你好 someone 吗",
    f"broken <@{ID} mention": "broken someone mention",
    "@everyone come": "everyone come",
    "and @here.": "and everyone.",
    # Characters.
    "a\u202eb\u200b\x00c\ue000\U000e0041\ud800": "abc",
    "z\u0300\u0301\u0302\u0303a\u0315\u0316\u0317\u0318lgo": "zalgo",
    "no" + "o" * 50 + "!" * 50: "n" + "o" * 8 + "!" * 8,
    "𝓯𝓪𝓷𝓬𝔂 Ⓣⓔⓧⓣ": "fancy Text",
    "a\u2028b\x85c\u2800d": "a b c d",
}

LEFT_OUT = [
    f"call 555 <:kekw:{ID}> 01 23",
    "see https://example.org/x?y=z.",
    "example.org/a and example.org:8080 work",
    "hxxps[:]//example[.]org/x is bad",
    "join discord . gg / abc now",
    "join .gg/abc now",
    "join discord(.)gg/abc now",
    "join **discord**.gg/abc now",
    "join ｄｉｓｃｏｒｄ．ｇｇ／ａｂｃ now",
    "mail me: ada@example.org, ok",
    "ada＠example．org it is",
    "ada (at) example (dot) org it is",
    "ada at example dot org it is",
    "a\u200bda@exa\u00admple.org it is",
    "call ０６１２３４５６７８ now",
    "call ٠\u200c١\u200d٧\u200c٠١٢٣٤٥٦٧ now",
    "call 5️⃣5️⃣5️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣ now",
    "call 0\u03361\u03367\u03360\u03361\u03362\u03363\u03364\u03365\u0336 now",
    "call 555\n123\n4567 now",
    "call 0171-12-04-1956 now",
    "call 0171😂2345678 now",
    "call 79,123,45,67 now",
    "on 01.02.2024 and 0171 * 2345678",
    "at 47.3769, 8.5417 now",
    f"x{ID}y it is",
    f"of 1,000,{ID} it is",
    "to DE89 3704 0044 0532 0130 00 please",
    "to GB29NWBK60161331926819 please",
    "at 192.168.1.10 now",
    "at 2001:db8:85a3::8a2e:370:7334 now",
    f"my token {DISCORD_TOKEN} ok",
    f"jwt {JWT} ok",
    "key sk-proj-abcDEF123456ghiJKL ok",
    "at da39a3ee5e6b4b0d3255bfef95601890afd80709 ok",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAK\n-----END RSA PRIVATE KEY-----\nkeep it",
    "psst -----BEGIN PRIVATE KEY-----\nMIIB\nno end",
    "the Passwort ist hunter2, ok",
    "pwd => hunter2",
    "the pw is hunter2",
    "pass: hunter2",
    "token = abcdef",
    "license key: ABCD-1234-EF",
    "the key is abcd1234 ok",
    "ada at example.org it is",
    "my password hunter2",
    "4821 is my pin",
    "amazon dot com is down",
    "@ben_99 did you",
    "add robin#1234 please",
    "discоrd.gg is the place",
    "at 10.0.0.1 now",
    "call 12/05/2024 77",
    "call 12:34:56:78",
    "join discord gg/abc now",
    "join dsc. gg/abc now",
    "ada at gmail com it is",
    "my pin is 47 and the code 4b7x",
    "мой пароль hunter",
    "密码是hunter",
    "비밀번호 hunter",
    "パスワードはhunter",
    "şifre: kedi",
]

ORDINARY = """
2 * 3 * 4 and 2**3
snake_case_name and __init
:) :D ;) ^_^ -_- >_< *_* T_T o_o
¯_(ツ)_/¯
(a) b [c] (d)
f**k that s**t
>:( no
in 2020, on 15.01. at 12:30
from 18:30 to 19:45, 7:05 or 8:20
on 24.12.2026 at 18:30, on 2024-05-12
on 11/10/2025, 2019-2024
2024/05/06に会おう
2024. 12. 31. 오늘
1,500,000 points
the key for the 2nd door, 2 keys
it cost $1,234.56 or 99.9%
1920x1080 at 144 Hz
the key is to relax
C++ and C# and #1 and #general
...well, "yes" – no… ‘maybe’
v1.2.3 is out
see you at home. bye
what?yes sure
what? the token is gone
😂 ❤️ 👨‍👩‍👧 🇩🇪 👍🏽
你好，世界！（真的）
ㅋㅋㅋ ㅠㅠ น้ำทำ ນ້ຳ
привет, как дела?
Zürich, naïve, Ελλάδα, tiếng Việt
std::cout, a::b
someone said a secret to everyone then
email me at home
""".strip().splitlines()


@pytest.mark.parametrize("content", CLEANED)
def test_hostile_messages(content: str) -> None:
    assert clean(content) == CLEANED[content]


@pytest.mark.parametrize("content", LEFT_OUT)
def test_what_leads_to_somebody_is_left_out_whole(content: str) -> None:
    assert clean(content) == ""
    assert clean(f"well, {content} and more") == ""


@pytest.mark.parametrize("content", ORDINARY)
def test_ordinary_chat_is_left_as_it_is(content: str) -> None:
    assert clean(content) == content


def test_small_talk_is_left_but_for_what_is_not_speech() -> None:
    said = [each.content for each in small_talk(2_000)]
    cleaned = list(map(clean, said))
    unchanged = sum(before == after for before, after in zip(said, cleaned, strict=True))
    assert unchanged > 0.85 * len(said)
    assert cleaned.count("") < 0.05 * len(said)


BITS = """the a dot at gg / // : @ . # 5 12 (555) - _ __ * ** | || ~~ ` ``` > >>> < <@ </ \\ [a]( ) ]( http://
www. @here password: is pin +4 \u200b \u0301 ＠ ． １ \u200d \ufe0f ¯ ´ eyJ someone 好 Ⓐ ! , xox sk- AB12 0x .com .gg
discord mailto: dead beef :: ::: \u0336 \u20e3 \u3099 ㄱ か"""
CHAT = st.lists(
    st.one_of(
        st.sampled_from([*CLEANED, *LEFT_OUT]),
        st.sampled_from(ORDINARY),
        st.sampled_from([*BITS.split(), "\n"]),
        st.text(max_size=6),
        st.just(" "),
    ),
    max_size=12,
).map("".join)

EMBEDDED = {
    "id": st.integers(10**16, 10**20 - 1).map(str),
    "mention": st.integers(10**16, 10**20 - 1).flatmap(
        lambda number: st.sampled_from([f"<@{number}>", f"<@!{number}>", f"<@&{number}>", f"<#{number}>"])
    ),
    "emoji": st.integers(10**14, 10**16 - 1).map(lambda number: f"<a:wave:{number}>"),
    "e-mail": st.from_regex(r"[a-z][a-z0-9]{2,8}(\.[a-z]{2,6})?@[a-z]{3,10}\.(org|com|co\.uk|example)", fullmatch=True),
    "phone": st.from_regex(
        r"\+[1-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{7}|\([2-9][0-9]{2}\) [2-9]{3}-[0-9]{4}|0[0-9]{2}( [0-9]{2}){4}"
        r"|[2-9]{3}\.[2-9]{3}\.[0-9]{4}",
        fullmatch=True,
    ).map(lambda number: number.translate({ord(digit): str(place) for place, digit in enumerate("0123456789")})),
    "token": st.from_regex(
        r"M[A-Za-z]{10}[0-9][A-Z][a-z][0-9A-Za-z]{12}\.[A-Za-z]{6}\.[0-9A-Za-z]{27}", fullmatch=True
    ),
    "key": st.from_regex(r"AKIA[0-9A-Z]{16}|ghp_[0-9A-Za-z]{36}", fullmatch=True),
    "invite": st.from_regex(
        r"(https?://)?(discord\.gg|discord(app)?\.com/invite|discord\.me)/[a-zA-Z0-9]{6,8}", fullmatch=True
    ),
    "webhook": st.from_regex(r"https://discord\.com/api/webhooks/[0-9]{18}/[a-zA-Z0-9]{20}", fullmatch=True),
    "everyone": st.sampled_from(["@everyone", "@here"]),
}


@pytest.mark.parametrize("kind", EMBEDDED)
@pytest.mark.slow
def test_nothing_survives_whatever_stands_around_it(kind: str) -> None:
    @settings(max_examples=150)
    @given(before=CHAT, thing=EMBEDDED[kind], after=CHAT)
    def holds(before: str, thing: str, after: str) -> None:
        line = clean(before + thing + after)
        assert thing not in line
        assert not leads_somewhere(EMOJI.sub(" ", line))

    holds()


@settings(max_examples=400)
@given(CHAT)
@example("a\nb")
@example(" ")
@example(f"< @{ID}>")
@example("||> a||")
@example("``**`")
@example("www.?")
@pytest.mark.slow
def test_a_message_is_one_line_and_done(content: str) -> None:
    line = clean(content)
    assert line == line.strip()
    assert len(line.splitlines()) <= 1
    line.encode()
    assert not leads_somewhere(EMOJI.sub(" ", line))


NASTY = """a a. a@ a-a @a <@1 [a](http:// [ ( _ *a **a `a > a_B1 eyJ sk- 1. 1: (1) a:: discord. -----BEGIN-----
<a:a: </a #1 a# ... ~~a ||a "( https:// a/b. \\* !!"""


def test_messages_of_the_greatest_length() -> None:
    for unit in [*NASTY.split(), *BITS.split(), "ﷺ", "<:a:1>,", f"<:a:{ID}>", f"<:a:{ID}", f"<:{'a' * 32}"]:
        for size in (2_000, 4_000):
            line = clean((unit * size)[:size])
            assert len(line) <= 2 * size


COMMANDS = (
    "!play x|?help|.ping|$balance|$Balance|%x y|-play song|;skip|&np|+rep <@1>|=eval|~ban|pls beg|m!play|/help|,np"
    "|/help me|!add-role x|  !play|!помощь"
)


@pytest.mark.parametrize("content", COMMANDS.split("|"))
def test_commands_of_usual_bots(content: str) -> None:
    assert is_command(content, [])


SPEECH = (
    "...well|?!|-5|~ok~|$5|.5|:)|=D|=d|;P|-w-|.w.|=w=|-_-|pls help|$TSLA to the moon|/srv/www is|!|hello|~ ok|- hi|!!!"
    "|?! what|*hugs*|ok!lol|;)|&|$1 for||g!|... no|/|!?"
)


@pytest.mark.parametrize("content", SPEECH.split("|"))
def test_speech_is_no_command(content: str) -> None:
    assert not is_command(content, ["!"])


def test_a_server_has_a_prefix_of_its_own() -> None:
    assert is_command("g hello", ["g "])
    assert is_command(">> hello", ["!", ">>"])
    assert is_command("Galvanic write", ["galvanic "])
    assert not is_command("galvanic", ["galvanic "])
    assert not is_command(">> hello", ["!", ""])
