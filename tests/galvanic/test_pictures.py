"""Pictures of any text, without a warning."""

import io
import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st
from matplotlib.figure import Figure
from PIL import Image

from galvanic.facts import facts_of
from galvanic.model_file import Ancestor, Description
from galvanic.pictures import COLUMNS, _draw_curve, _left_to_right, loss_chart, surprise_map
from galvanic.results import CurvePoint
from shared.jobs import SURPRISE_LIMIT
from tests.worker.small import description_of, network

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("error")]
ODD = "Grüße, שלום مرحبا 你好 😀👩\u200d👧 e\u0301\u0300\u0302 \x00\x1b\u202e\t\r\n﷽ $x^2$ \udc80"
CURVE = tuple(CurvePoint(epoch, 3 - 0.1 * epoch, 3.1 - 0.1 * min(epoch, 6) + 0.01 * epoch) for epoch in range(1, 13))


def _image(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB")


@hypothesis_settings(max_examples=40)
@given(st.text(st.characters(), min_size=1, max_size=120))
def test_any_text_becomes_a_picture(text: str) -> None:
    image = _image(surprise_map(text, [1.0] * len(text)))
    assert image.width < 1_000


def test_rows_are_broken_after_words_and_lines() -> None:
    def rows(text: str) -> int:
        empty = _image(surprise_map("x", [0.0])).height
        return 1 + (_image(surprise_map(text, [0.0] * len(text))).height - empty) // 34

    assert rows("x" * COLUMNS) == 1
    assert rows("x" * (COLUMNS + 1)) == 2
    assert rows("one\ntwo\n\nthree\n") == 3
    assert rows(("a" * 40 + " ") * 3) == 3
    assert rows("灯" * (COLUMNS // 2)) == 1
    assert rows("灯" * (COLUMNS // 2 + 1)) == 2


def test_rows_of_right_to_left_scripts_begin_at_the_right() -> None:
    """The first character is the one surprise, and its cell is yellow."""

    def is_yellow(text: str, cell: int) -> bool:
        image = _image(surprise_map(text, [8.0] + [0.0] * (len(text) - 1)))
        red, _, blue = np.asarray(image)[22, 22 + 17 * cell]
        return bool(red > blue + 100)

    assert is_yellow("a" * 40, 0)
    assert is_yellow("ש" * 40, 39)
    assert is_yellow("م" * 40, 39)
    assert is_yellow("ab" + "ש" * 38, 0)  # a row in Latin letters with a quotation
    assert is_yellow("ש" * 30 + " abc" + "ש" * 6, 39)


def shapes(text: str) -> str:
    return "".join(shape for _, _, shape in _left_to_right(text, range(len(text)), COLUMNS))


def test_rows_of_right_to_left_scripts_are_read_as_written() -> None:
    assert shapes("אב abc (12) גד!") == "!דג (abc (12 בא"
    assert shapes("ab אב (גד) הו, c") == "ab וה (דג) בא, c"
    forms = [unicodedata.name(shape).removesuffix(" FORM").rpartition(" ")[2] for shape in reversed(shapes("دار بيت"))]
    assert forms == ["ISOLATED", "ISOLATED", "ISOLATED", "SPACE", "INITIAL", "MEDIAL", "FINAL"], "letters join"


def test_a_surprise_is_brighter_than_what_was_expected() -> None:
    lightness = [
        np.asarray(_image(surprise_map("    ", [bits * math.log(2)] * 4)).convert("L"))[22, 22:70].mean()
        for bits in (0, 2, 4, 6, 8)
    ]
    assert lightness == sorted(lightness)
    assert lightness[-1] - lightness[0] > 100


def _description(**fields: object) -> Description:
    return description_of("abcd", network(4)).model_copy(update=fields)


def test_facts_take_what_any_file_says() -> None:
    plain = _description()
    ancestors = tuple(
        Ancestor(name=f"{ODD}{number}"[-60:], weights_sha256="0", corpus=plain.corpus, epochs=1) for number in range(30)
    )
    odd = _description(
        corpus=plain.corpus.model_copy(update={"title": ODD * 50, "licence": "\n" * 500, "chars": 10**12}),
        lineage=ancestors,
        training=plain.training.model_copy(update={"curve": CURVE, "copy_share": 1.0}),
    )
    for description in (plain, odd):
        facts = facts_of(description)
        assert all(name and value and value.isprintable() and len(value) < 400 for name, value in facts)


@pytest.mark.parametrize("curve", [(), CURVE[:1], CURVE, (CurvePoint(0, 2.0), CurvePoint(1, 1.5))])
def test_a_chart_of_any_curve(curve: tuple[CurvePoint, ...]) -> None:
    assert _image(loss_chart(curve, "frankenstein")).size == (800, 500)


def test_a_gain_of_nothing_does_not_fill_the_chart() -> None:
    axes = Figure().add_subplot()
    _draw_curve(axes, (CurvePoint(1, 1.0), CurvePoint(2, 0.9999)))
    low, high = axes.get_ylim()
    assert high - low == pytest.approx(0.05)


@pytest.mark.parametrize("text", ["\n" * SURPRISE_LIMIT, "a\n" * (SURPRISE_LIMIT // 2), "x" * SURPRISE_LIMIT, ODD, " "])
def test_no_text_makes_it_a_tower(text: str) -> None:
    assert _image(surprise_map(text, [0.5] * len(text))).height < 2_000
