"""How the starter's text is put together; its training is the engine's own."""

from pathlib import Path

import pytest

from galvanic.errors import UserError
from tools.starter import Apart, compose, typographic

SENTENCE = "The lamp was lit before the {0} came down the hill, and nobody asked what {0} it was that day."


OTHER = "Seven ships with grey sails lay in the harbour of {0}, and their captains drank to {0} until morning came."


def book(folder: Path, name: str, parts: list[str]) -> Path:
    path = folder / f"{name}.txt"
    path.write_text("\n\n".join(parts), "utf-8")
    return path


def numbered(number: int, first: int = 0) -> list[str]:
    return [SENTENCE.format(f"number {index}") for index in range(first, first + number)]


def test_all_is_in_the_text_and_each_book_s_end_is_held_out(tmp_path: Path) -> None:
    files = [book(tmp_path, f"book-{index}", numbered(40, 100 * index)) for index in range(3)]
    info = compose(files, tmp_path / "text", 1, Apart([]))
    text = (tmp_path / "text").read_text("utf-8")
    assert info.chars == len(text)
    found = [int(word.strip(",.—”")) for word in text.split() if word.strip(",.—”").isdigit()]
    assert set(found) == {100 * index + number for index in range(3) for number in range(40)}
    ends = [100 * index + 39 for index in range(3)]
    assert set(ends) <= set(found[-60:])
    again = compose(files, tmp_path / "again", 1, Apart([]))
    assert again.sha256 == info.sha256
    assert compose(files, tmp_path / "again", 2, Apart([])).sha256 != info.sha256


def test_what_is_measured_on_is_left_out_or_refused(tmp_path: Path) -> None:
    measured = [OTHER.format(f"town {index}") for index in range(30)]
    quoting = book(tmp_path, "quoting", [*numbered(30), "He read: " + typographic(measured[5].lower())])
    known = Apart(["\n".join(measured).lower()])
    info = compose([quoting], tmp_path / "text", 1, known)
    assert "harbour" not in (tmp_path / "text").read_text("utf-8")
    assert info.chars > 0
    # Also where each paragraph is shorter than a run, and where a text is all of it.
    lines = " ".join(measured).lower().split(" ")
    verse = book(tmp_path, "verse", [*numbered(30), *(" ".join(lines[at : at + 4]) for at in range(0, 96, 4))])
    with pytest.raises(UserError, match=r"verse\.txt shares much"):
        compose([verse], tmp_path / "text", 1, known)
    same = book(tmp_path, "same", [*numbered(10), *(part.lower() for part in measured)])
    with pytest.raises(UserError, match=r"same\.txt shares much"):
        compose([same], tmp_path / "text", 1, known)
