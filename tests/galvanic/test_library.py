"""`import galvanic` in somebody's own program."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

import galvanic
from galvanic.generate import load_model
from tests.worker.texts import SENTENCE, babble

pytestmark = [pytest.mark.slow, pytest.mark.process]

FIXTURE = Path(__file__).parents[1] / "fixtures" / "models" / "char.safetensors"


def test_a_model_is_trained_saved_loaded_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (book := tmp_path / "book.txt").write_text(babble(2_000))
    model = galvanic.train([str(book)], epochs=1, units=8, random_seed=1)
    assert model.result is not None
    assert model.result.epochs == 1
    assert "epoch 1" in capsys.readouterr().err
    assert model.description.corpus.title == "book.txt"
    written = model.generate("The boat", length=40, temperature=0.5, random_seed=7)
    assert written.startswith("The boat")
    assert len("The boat") < len(written) <= len("The boat") + 40
    assert written.random_seed == 7
    path = model.save(tmp_path / "mine")
    assert path == tmp_path / "mine.safetensors"
    again = galvanic.load(tmp_path / "mine")
    assert again.generate("The boat", length=40, temperature=0.5, random_seed=7) == written
    assert again.evaluate("The boat sings.").bits_per_char > 0
    assert again.evaluate(SENTENCE + "\r\n") == again.evaluate(SENTENCE + "\n")
    title = "OF THE PROJECT GUTENBERG EBOOK TIDES ***"
    text = f"*** START {title}\r\n{SENTENCE * 40}\r\n*** END {title}\r\n"
    child = galvanic.train(text, epochs=1, parent=path, progress=False)
    assert child.description.corpus.chars < len(SENTENCE) * 40 + 9
    assert capsys.readouterr().err == ""
    assert [ancestor.name for ancestor in child.description.lineage] == ["mine"]


def test_a_model_shows_itself_in_a_notebook() -> None:
    model = galvanic.load(FIXTURE)
    assert repr(model).startswith("<galvanic.Model, recipe char, of Tide")
    assert repr(text := model.generate(length=20)) == text


@pytest.mark.parametrize("name", ["char", "char-table", "word-table", "classic"])
def test_a_prediction_is_what_the_model_writes_by(name: str) -> None:
    model = galvanic.load(FIXTURE.with_name(name))
    prediction = model.predict("the tide")
    assert (prediction.table is not None) == name.endswith("-table")
    for probabilities in filter(None, prediction):
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert list(probabilities.values()) == sorted(probabilities.values(), reverse=True)
    assert prediction.network != prediction.table
    if name.startswith("char"):
        author = load_model(FIXTURE.with_name(f"{name}.safetensors"))
        for symbol in ("s", " ", "e"):
            read = author.predictor.read(author.vocabulary.encode(f"the tide{symbol}"))
            assert math.log(prediction.mixture[symbol]) == pytest.approx(read[-1], abs=1e-4)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: galvanic.train("no-such-file.txt"), "no text file"),
        (lambda: galvanic.train("Ж" * 200), "no text file"),
        (lambda: galvanic.train(""), "no text file ``"),
        (lambda: galvanic.train([]), "no text file"),
        (lambda: galvanic.train(["no-such-file.txt", Path(__file__)]), "no text file"),
        (lambda: galvanic.train(SENTENCE * 99 + "\n", only=["Ada"]), "`--only` is for chats"),
        (lambda: galvanic.train(SENTENCE * 99 + "\n", units=1), "`units`: must be greater"),
        (lambda: galvanic.load("no-such-model"), "no model"),
        (lambda: galvanic.load(FIXTURE).generate("the tide", from_corpus=True), "can't use a seed"),
    ],
)
def test_what_cannot_be_is_said(call: object, problem: str) -> None:
    assert callable(call)
    with pytest.raises(galvanic.UserError, match=problem):
        call()


def test_writing_needs_no_tensorflow() -> None:
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; import galvanic\n"
        "for name in sys.argv[1:]:\n"
        "    model = galvanic.load(name)\n"
        "    print(len(model.generate('cat', length=20)) > 3)\n"
        "print(model.evaluate('the cat sat').chars)"
    )
    files = sorted(map(str, FIXTURE.parent.glob("*.safetensors")))
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [*["True"] * len(files), "11"]


def test_importing_it_is_light() -> None:
    code = "import sys, galvanic; print({'numpy', 'tensorflow', 'pydantic', 'celery', 'redis'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
