"""Chats: people, their lines, and what is left out."""

import datetime
import itertools

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from galvanic.errors import UserError
from galvanic.read import chat as module
from galvanic.read.chat import COMMANDS, UNSAFE, WORDLESS, Chat, ChatOptions, Message, Origin, preview


def chat_of(*messages: Message | tuple[str, str] | tuple[str, str, int]) -> Chat:
    chat = Chat("a chat")
    chat.add(given if isinstance(given, Message) else _message(*given) for given in messages)
    return chat


def _message(author: str, text: str, author_id: int = 0) -> Message:
    return Message(author, text, author_id=author_id)


def texts(chat: Chat, options: ChatOptions) -> list[str]:
    return list(chat.text(chat.chosen(options), speakers=options.speakers))


def test_messages_become_clean_lines_and_the_others_are_counted() -> None:
    chat = chat_of(
        ("Ada", "**Good**  day,\nBen"),
        ("Ben", ""),
        ("Ben", " \n"),
        ("Ben", "!play a song"),
        ("Ben", "see https://example.org"),
        ("Cleo", "a lone \ud800surrogate"),
    )
    assert [tuple(line) for line in chat.lines()] == [(0, 0, "Good day, Ben"), (1, 0, "a lone surrogate")]
    assert [(speaker.name, speaker.messages) for speaker in chat.speakers] == [("Ada", 1), ("Cleo", 1)]
    assert chat.left_out == {WORDLESS: 2, COMMANDS: 1, UNSAFE: 1}


def test_days_and_origins_are_of_the_messages_that_count() -> None:
    days = [datetime.date(2024, 5, 1), datetime.date(2023, 1, 2), datetime.date(1999, 1, 1), None]
    written = ["one", "two", "", "three"]
    origin = Origin(1, "The Annex", 2)
    chat = chat_of(*(Message("Ada", text, day, origin=origin) for text, day in zip(written, days, strict=True)))
    assert (chat.first, chat.last, chat.origins) == (days[1], days[0], {origin})


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("  Ada\n Lovelace ", "Ada Lovelace"),
        ("A\u202ed\u200ba\0", "Ada"),
        ("Ad\ud800a", "Ada"),
        ("`@everyone` **Ada**", "`@everyone` **Ada**"),
        ("\u200f", "unnamed"),
        ("", "unnamed"),
        ("é" * 300, "é" * 100),
    ],
)
def test_a_name_is_one_line_that_can_be_written(written: str, shown: str) -> None:
    chat = chat_of((written, "hi"))
    assert [speaker.name for speaker in chat.speakers] == [shown]
    assert texts(chat, ChatOptions(only=(written,) if shown != "unnamed" else (shown,))) == ["hi\n"]


PEOPLE = (("Ada", "by Ada", 5), ("Ben", "by Ben", 7), ("ADA", "by another Ada", 8), ("@Cleo", "by Cleo"))
STRANGE = (("Smith, Ada", "by Smith"), ('Joe "JJ" Smith', "by Joe"), ("Dan “the Great”", "by Dan"))


@pytest.mark.parametrize(
    ("only", "without", "lines"),
    [
        ([], [], ["by Ada", "by Ben", "by another Ada", "by Cleo", "by Smith", "by Joe", "by Dan"]),
        (["ada"], [], ["by Ada", "by another Ada"]),
        (["\uff21da"], [], ["by Ada", "by another Ada"]),
        (["5"], [], ["by Ada"]),
        ([" @ben ", "@cleo"], [], ["by Ben", "by Cleo"]),
        ([], ["Ada", "7"], ["by Cleo", "by Smith", "by Joe", "by Dan"]),
        (["ada", "BEN"], ["8"], ["by Ada", "by Ben"]),
        (["ben, @cleo"], [], ["by Ben", "by Cleo"]),
        ([' Ben ,, "@Cleo" '], [], ["by Ben", "by Cleo"]),
        (['"Ben,, @Cleo,"'], [], ["by Ben", "by Cleo"]),
        (["“Ben, @Cleo"], [], ["by Ben", "by Cleo"]),
        (["smith, ada"], [], ["by Smith"]),
        (["“Smith, Ada”, Ben"], [], ["by Ben", "by Smith"]),
        (['Joe "JJ" Smith'], [], ["by Joe"]),
        (['Ben,Dan “the Great”, Joe "JJ" Smith'], [], ["by Ben", "by Joe", "by Dan"]),
        (["Ben,", '"Smith, Ada"'], [], ["by Ben", "by Smith"]),
    ],
)
def test_people_are_chosen_by_name_or_id(only: list[str], without: list[str], lines: list[str]) -> None:
    options = ChatOptions(tuple(only), tuple(without))
    assert texts(chat_of(*PEOPLE, *STRANGE), options) == [f"{line}\n" for line in lines]


@pytest.mark.parametrize("name", ["Adda", "bem`", "0", "@", "\n`**x**`" * 99])
def test_an_unknown_name_is_refused_with_those_that_there_are(name: str) -> None:
    for options in (ChatOptions(only=(name,)), ChatOptions(without=("Ada", name))):
        with pytest.raises(UserError) as caught:
            preview(chat_of(("Ben", "first", 7), *PEOPLE, ("`Dan**", "hi")), options)
        shown = caught.value.problem.removeprefix("Nobody in that chat is called `").removesuffix("`.")
        assert not set(shown) & {"`", "\n"}
        assert len(shown) < 99
        assert caught.value.remedy == "Choose from `Ben`, `Ada`, `ADA`, `@Cleo`, `'Dan**`."


@pytest.mark.parametrize("typed", ["", " , ", '""'])
def test_a_list_without_a_name_is_not_everybody(typed: str) -> None:
    for options in (ChatOptions(only=(typed,)), ChatOptions(without=("Ada", typed))):
        with pytest.raises(UserError, match="names nobody"):
            chat_of(*PEOPLE).chosen(options)


def test_nobody_left_is_refused() -> None:
    with pytest.raises(UserError, match="Nothing of that chat would be left"):
        chat_of(*PEOPLE).chosen(ChatOptions(only=("Ben",), without=("ben",)))


def test_a_million_people_are_no_chat() -> None:
    with pytest.raises(UserError, match="More than 100,000 people"):
        chat_of(*((str(number), "hi") for number in range(1_000_000)))


def test_invented_names_are_the_same_in_the_preview_and_in_the_text() -> None:
    messages = [(f"Member {number % 400}", f"line {number}") for number in range(2_000)]
    chat, options = chat_of(*messages), ChatOptions(speakers=True)
    assert texts(chat, options) == texts(chat_of(*messages), options), "its training can go on after an interrupt"
    shown = preview(chat, options)[-10:]
    lines = [line.rstrip("\n") for line in texts(chat, options)]
    assert set(shown) <= set(lines)
    assert lines == [line.rstrip("\n") for line in texts(chat, options)]
    names = [line.partition(": ")[0] for line in lines]
    assert len(set(names)) == 400
    assert all(name == names[number % 400] for number, name in enumerate(names))
    assert "Member" not in "".join(lines)


def test_a_preview_says_what_is_learned_and_what_is_not() -> None:
    chat = chat_of(Message("Ada", "Good day", datetime.date(2024, 1, 2)), ("Ben", "Hm"), ("Ben", ""))
    assert preview(chat, ChatOptions(only=("ada",))) == [
        "a chat: 1 message by 1 person, 2024-01-02 to 2024-01-02.",
        f"Left out (1): {WORDLESS}.",
        "Lines as they are learned:",
        "Good day",
    ]


@pytest.mark.parametrize("messages", [1, 9, 10, 19, 20, 101, 1_234])
def test_the_lines_of_a_preview_lie_evenly_in_the_chat(messages: int) -> None:
    chat = chat_of(*(pair for number in range(messages) for pair in (("Ada", f"x {number}"), ("Ben", "no"))))
    shown = preview(chat, ChatOptions(only=("Ada",)))[2:]
    step = max(1, messages // 10)
    assert shown == [f"x {place * step}" for place in range(min(messages, 10))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=30)), max_size=20))
def test_lines_are_the_same_in_memory_and_on_the_disk(
    monkeypatch: pytest.MonkeyPatch, written: list[tuple[str, str]]
) -> None:
    in_memory = chat_of(*written)
    monkeypatch.setattr(module, "IN_MEMORY", 1)
    on_disk = Chat("a chat")
    for part in (written[:5], written[5:]):
        on_disk.add(itertools.starmap(Message, part))
        assert len(list(on_disk.lines())) == sum(speaker.messages for speaker in on_disk.speakers)
    assert list(on_disk.lines()) == list(in_memory.lines())
    assert on_disk.speakers == in_memory.speakers
    assert len(list(on_disk.lines())) + on_disk.left_out.total() == len(written)
    assert all("\n" not in line.text and line.text.strip() for line in on_disk.lines())
