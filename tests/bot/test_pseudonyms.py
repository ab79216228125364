"""Speakers' invented names."""

from __future__ import annotations

from bot.channels.pseudonyms import NAMES, pseudonym


def test_a_speaker_keeps_a_name_and_nobody_else_gets_it() -> None:
    names: dict[int, str] = {}
    first = {speaker: pseudonym(names, speaker) for speaker in range(100)}
    assert {speaker: pseudonym(names, speaker) for speaker in reversed(range(100))} == first == names
    assert len(set(names.values())) == 100
    assert set(names.values()) <= set(NAMES)


def test_when_all_names_are_taken_they_come_with_a_number() -> None:
    names: dict[int, str] = {}
    called = [pseudonym(names, speaker) for speaker in range(2 * len(NAMES) + 1)]
    assert set(called[: len(NAMES)]) == set(NAMES)
    assert set(called[len(NAMES) : -1]) == {f"{name} 2" for name in NAMES}
    assert called[-1].endswith(" 3")
    forgotten = names.pop(7)
    assert pseudonym(names, -1) == forgotten, "whoever comes next"


def test_names_do_not_follow_from_the_ids() -> None:
    # The same 30 speakers by chance in the same way: less than once in 10^60 runs.
    assert len({tuple(pseudonym(names, one) for one in range(30)) for names in ({}, {}, {})}) == 3
