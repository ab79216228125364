"""Speakers' invented names."""

from __future__ import annotations

from bot.channels.pseudonyms import NAMES, Pseudonyms


def test_names_are_short_and_different() -> None:
    assert len(NAMES) >= 200
    assert len(set(NAMES)) == len(NAMES)
    assert all(name.isalpha() and name.istitle() and len(name) <= 8 for name in NAMES)


def test_a_speaker_keeps_a_name_and_nobody_else_gets_it() -> None:
    called = Pseudonyms()
    first = {speaker: called.of(speaker) for speaker in range(100)}
    assert {speaker: called.of(speaker) for speaker in reversed(range(100))} == first
    assert len(set(first.values())) == 100
    assert set(first.values()) <= set(NAMES)


def test_when_all_names_are_taken_they_come_with_a_number() -> None:
    called = Pseudonyms()
    names = [called.of(speaker) for speaker in range(2 * len(NAMES) + 1)]
    assert set(names[: len(NAMES)]) == set(NAMES)
    assert set(names[len(NAMES) : -1]) == {f"{name} 2" for name in NAMES}
    assert names[-1].endswith(" 3")


def test_names_survive_being_stored() -> None:
    called = Pseudonyms()
    for speaker in range(len(NAMES) - 1):
        called.of(speaker)
    again = Pseudonyms(called.as_dict())
    assert again.as_dict() == called.as_dict()
    (last,) = set(NAMES) - set(called.as_dict().values())
    assert again.of(10**18) == last


def test_names_do_not_follow_from_the_ids() -> None:
    # The same 30 speakers by chance in the same way: less than once in 10^60 runs.
    assert len({tuple(map(Pseudonyms().of, range(30))) for _ in range(3)}) == 3


def test_a_table_that_is_given_out_is_a_copy() -> None:
    called = Pseudonyms()
    called.as_dict()[1] = "Robin"
    assert called.as_dict() == {}


def test_who_is_forgotten_leaves_the_name_to_others() -> None:
    called = Pseudonyms()
    for speaker in range(2 * len(NAMES)):
        called.of(speaker)
    name = called.of(7)
    called.forget(7)
    called.forget(7)
    assert 7 not in called.as_dict()
    called.of(-1)
    assert len(set(called.as_dict().values())) == 2 * len(NAMES)
    assert name in called.as_dict().values()  # nothing else was free
