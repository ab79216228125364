"""`galvanic export` in the formats of others, `import` and `inspect`, as a person runs them."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import yaml

from galvanic import model_file
from galvanic.cli import main
from galvanic.generate import predictor
from galvanic.model_file import STARTER_FILE, Ancestor
from galvanic.options import CorpusInfo
from galvanic.plan import split_members
from galvanic.results import CurvePoint
from tests.factories import channel_corpus, corpus
from tests.worker.small import LETTERS, description_of, keras_logits, network, random_weights, save_model, windows

# Keras' own, when it saves TensorFlow's variables.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]

MODELS = Path(__file__).parents[1] / "fixtures" / "models"
BOOK = corpus(
    source="catalogue",
    title="The Book of *Tides*\n# <b>",
    licence="Public domain in the USA; Project Gutenberg eBook #84, gutenberg.org.",
    language="no",
)
LOAD = """
import sys
sys.modules["galvanic"] = None
import keras, numpy as np
for path in sys.argv[1:]:
    network = keras.saving.load_model(path)
    np.save(path + ".npy", network(np.load(path + ".ids.npy")[None])[0])
"""


def galvanic(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments], plugins=())


@pytest.mark.process
def test_plain_keras_gives_the_same_logits(tmp_path: Path) -> None:
    save_model(tmp_path / "layers.safetensors", units=(24, 16))
    save_model(tmp_path / "members.safetensors", units=(20,), members=3)
    trained = [MODELS / f"{name}.safetensors" for name in ("char", "word-table", "classic")]
    models = [STARTER_FILE, *trained, *sorted(tmp_path.glob("*.safetensors"))]
    files: list[Path] = []
    for path in models:
        assert galvanic("export", path, tmp_path / path.stem, "--format", "keras") == 0
        files.append(tmp_path / f"{path.stem}.keras")
        config = model_file.describe(path).network
        ids = np.random.default_rng(1).integers(config.vocabulary, size=config.window or 40).astype(np.int32)
        np.save(f"{files[-1]}.ids.npy", ids)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", LOAD, *map(str, files)], check=True, cwd=tmp_path, env=environment)
    for path, file in zip(models, files, strict=True):
        description, weights, _, _ = model_file.load(path)
        config = description.network
        assert json.loads(zipfile.ZipFile(file).read("symbols.json")) == list(description.symbols)
        ids = np.load(f"{file}.ids.npy")
        logits = np.atleast_2d(np.load(f"{file}.npy")).astype(np.float64)
        one = config.model_copy(update={"members": 1})
        each = [keras_logits(one, own, ids).astype(np.float64) for own in split_members(config, weights)]
        if config.members == 1:
            np.testing.assert_allclose(logits, each[0], atol=1e-5 * max(1, np.abs(logits).max()), err_msg=path.stem)
        log_probs = np.log(np.mean([np.exp(log_softmax(member)) for member in each], axis=0))
        np.testing.assert_allclose(log_softmax(logits), log_probs, atol=1e-4, err_msg=path.stem)
        following = np.append(ids[1:], 0) if config.kind == "streams" else np.zeros(1, np.int64)
        read = predictor(config, weights, None).read(np.append(ids, following[-1]).astype(np.int32))
        likely = log_probs[np.arange(len(log_probs)), following]
        # Galvanic writes with weights and units of 16 bits.
        np.testing.assert_allclose(read[-len(likely) :], likely, atol=1e-3, rtol=1e-3, err_msg=path.stem)


def log_softmax(logits: Any) -> Any:
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def saved(path: Path, text: CorpusInfo, *ancestors: CorpusInfo) -> Path:
    """A model with random weights that learned this text, after models of others."""
    config = network(len(LETTERS))
    description = description_of(LETTERS, config)
    record = description.training.model_copy(update={"curve": (CurvePoint(1, 2.0, 2.5), CurvePoint(2, 1.5, 2.25))})
    lineage = tuple(Ancestor(name="secret", weights_sha256="", corpus=each, epochs=1) for each in ancestors)
    changed = description.model_copy(update={"corpus": text, "lineage": lineage, "training": record})
    model_file.save(path, changed, random_weights(config), windows(len(LETTERS)))
    return path


def card_of(folder: Path) -> tuple[dict[str, Any], str]:
    """The card's metadata, and its Markdown."""
    _, header, text = (folder / "README.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(header), text


def test_a_folder_for_the_hub_is_taken_back(tmp_path: Path) -> None:
    model, folder = saved(tmp_path / "m.safetensors", BOOK), tmp_path / "tides"
    assert galvanic("export", model, folder, "--format", "hf") == 0
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "config.json", "README.md", "curve.png"}
    header, card = card_of(folder)
    assert header == {
        "library_name": "galvanic",
        "pipeline_tag": "text-generation",
        "language": ["no"],
        "license": "other",
        "license_name": "public-domain-in-the-usa",
        "license_link": "https://www.gutenberg.org/ebooks/84",
        "tags": ["galvanic", "lstm", "char"],
    }
    assert r"# The Book of \*Tides\* \# \<b\>" in card
    assert "## Samples" in card
    arrays = safetensors.numpy.load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["vocabulary"], config["units"]) == ("galvanic", len(LETTERS), [24])
    assert arrays["embedding/embeddings"].shape == (config["vocabulary"], config["embedding"])
    assert galvanic("import", folder, "--out", tmp_path / "back") == 0
    assert (tmp_path / "back.safetensors").read_bytes() == model.read_bytes()
    (folder / "mine.txt").write_text("mine")
    assert galvanic("export", model, folder, "--format", "hf") == 2
    assert galvanic("export", STARTER_FILE, folder, "--format", "hf", "--force") == 0
    assert (folder / "mine.txt").read_text() == "mine"
    assert card_of(folder)[1].startswith("\n# 176 texts in English\n")


CHAT = corpus(title="Chat with Anna", chat=True)


@pytest.mark.parametrize(
    "texts",
    [[corpus()], [BOOK, corpus()], [channel_corpus("r1")], [BOOK, channel_corpus("r1")], [CHAT], [BOOK, CHAT]],
)
def test_a_card_quotes_no_text_that_may_be_somebodys_own(
    texts: list[CorpusInfo], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(tmp_path / "m.safetensors", *texts)
    assert galvanic("export", model, tmp_path / "card", "--format", "hf") == 0
    header, card = card_of(tmp_path / "card")
    assert "## Samples" not in card
    assert "license" not in header
    assert "rights unknown" in card or "Unknown" in card
    messages = any(text.is_messages for text in texts)
    assert ("all of them agree" in capsys.readouterr().out) == messages
    if messages:
        assert not any(name in card for name in ("Tides", "Anna", "secret"))


@pytest.mark.parametrize("packing", [None, *model_file.PACKINGS])
@pytest.mark.parametrize("name", ["word-table", "classic"])
def test_every_model_is_taken_back(name: str, packing: Any, tmp_path: Path) -> None:
    model_file.save(tmp_path / "m.safetensors", *model_file.load(MODELS / f"{name}.safetensors"), packing)
    assert galvanic("export", tmp_path / "m", tmp_path / "hub", "--format", "hf") == 0
    assert galvanic("import", tmp_path / "hub" / "model.safetensors", "--out", tmp_path / "back") == 0
    assert (tmp_path / "back.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()


def damage(folder: Path, change: Callable[[Path], object]) -> Path:
    folder.mkdir()
    save_model(folder / "model.safetensors")
    change(folder / "model.safetensors")
    return folder


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_text("{}"), "isn't an exported model"),
        (lambda path: os.truncate(path, 300_000_000), "more than 250 MB"),
        (lambda path: path.unlink(), "no model file"),
        (pipe, "no model file"),
        (link, "no model file"),
    ],
)
def test_an_import_is_checked(
    change: Callable[[Path], object], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = damage(tmp_path / "folder", change)
    assert galvanic("import", folder, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_nothing_is_written_where_it_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    for name in ("safetensors", "hf", "keras"):
        assert galvanic("export", MODELS / "char", tmp_path / "file" / "x", "--format", name, "--force") == 2
        assert "cannot be written" in capsys.readouterr().err
    assert galvanic("import", MODELS / "char", "--out", tmp_path / "file" / "x") == 2
    assert "cannot be written" in capsys.readouterr().err
    assert galvanic("export", MODELS / "char", tmp_path / "file", "--format", "hf", "--force") == 2
    for name in ("/", ".", ".."):
        assert galvanic("export", MODELS / "char", name, "--format", "html", "--force") == 2
        assert "is a folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_no_model_is_read_where_there_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    for name in (tmp_path / "pipe", ".", "/", ""):
        for command in (["inspect"], ["generate"], ["export", str(tmp_path / "out")]):
            assert galvanic(command[0], name, *command[1:]) == 2
            assert "no model" in capsys.readouterr().err


def test_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = saved(tmp_path / "m.safetensors", channel_corpus("r1"))
    assert galvanic("inspect", tmp_path / "m") == 0
    told = capsys.readouterr().out
    assert told.startswith("The Book of Tides: 12,345 characters, character by character\n")
    assert "N-gram table: no\n" in told
    assert "1 reading of channels" in told
    assert galvanic("inspect", model, "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["symbols"] == list(LETTERS)
    assert values["network"]["units"] == [24]
    assert (values["table"], values["bytes"]) == (False, model.stat().st_size)
    assert galvanic("inspect", MODELS / "word-table", "--json") == 0
    assert json.loads(capsys.readouterr().out)["table"] is True
