"""The language of a text. The sentences were written for this test."""

import random
from pathlib import Path

import pytest

from galvanic.languages import language_name
from galvanic.options import CorpusInfo
from galvanic.read.language import language_of
from galvanic.read.text import of_memory

SENTENCES = {
    "en": "The keeper climbed the stairs and lit the lamp, and nobody at sea ever knew how tired he was. ",
    "de": "Der Wärter stieg die Treppe hinauf und zündete die Lampe an, und niemand auf See wusste, wie müde er war. ",
    "fr": "Le gardien monta l'escalier et alluma la lampe, et personne en mer ne sut jamais combien il était las. ",
    "fi": "Vartija kiipesi portaat ylös ja sytytti lampun, eikä kukaan merellä tiennyt, kuinka väsynyt hän oli. ",
    "ar": "صعد الحارس الدرج وأشعل المصباح ولم يعرف أحد في البحر كم كان متعبا في تلك الليلة. ",
    "ja": "番人は階段を上って灯りをともしたが、海の上の誰も彼がどれほど疲れているか知らなかった。",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_language_is_told_from_the_middle_of_a_text(tmp_path: Path, code: str) -> None:
    other = SENTENCES["en" if code == "fi" else "fi"] * 150
    text = other + SENTENCES[code] * 400 + other
    assert language_of(text) == code
    path = tmp_path / "text"
    path.write_text(text, "utf-8")
    assert language_of(path) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The lamp.",
        "12 34 56\n" * 100,
        "😀 " * 400,
        "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz ", k=5_000)),
    ],
)
def test_too_little_and_no_language_is_not_known(text: str) -> None:
    assert language_of(text) == ""


def test_the_facts_about_a_text_name_its_language() -> None:
    info = of_memory(SENTENCES["de"] * 10).info("lamp", "Lamp", "file")
    assert info.extent == "1,060 characters, German"
    before = CorpusInfo(name="lamp", title="Lamp", source="file", chars=1, sha256="")  # as records of before
    assert (before.language, before.extent) == ("", "1 character")
    assert language_name("xy") == "xy"
