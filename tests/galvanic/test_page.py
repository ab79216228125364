"""Which models become a page, and what the page allows itself."""

import re
from pathlib import Path
from typing import Any

import pytest

from galvanic.cli import main
from galvanic.errors import UserError
from galvanic.exports.page import make_page
from galvanic.model_file import Ancestor, save
from galvanic.options import CorpusInfo
from galvanic.read.formats import read_paths
from tests.exports import telegram
from tests.factories import channel_corpus, corpus
from tests.worker.small import LETTERS, description_of, network, random_weights, save_model, windows


def saved(path: Path, **changes: Any) -> Path:
    config = network(len(LETTERS))
    description = description_of(LETTERS, config).model_copy(update=changes)
    save(path, description, random_weights(config), windows(len(LETTERS)))
    return path


def of(text: CorpusInfo) -> Ancestor:
    return Ancestor(name="a", weights_sha256="0", corpus=text, epochs=1)


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("kind", ["channel", "chat"])
def test_messages_of_people_become_no_page(tmp_path: Path, kind: str, older: bool) -> None:
    (tmp_path / "us.json").write_bytes(telegram("Vera", "Paul"))
    text = channel_corpus("r") if kind == "channel" else read_paths([tmp_path / "us.json"]).info
    changes = {"lineage": (of(corpus()), of(text))} if older else {"corpus": text}
    with pytest.raises(UserError, match="people's messages"):
        make_page(saved(tmp_path / "m.safetensors", **changes), "m")


def test_other_recipes_and_large_models_become_no_page(tmp_path: Path) -> None:
    for recipe in ("word", "classic"):
        with pytest.raises(UserError, match=f"one of `{recipe}`"):
            make_page(Path(__file__).parents[1] / "fixtures" / "models" / f"{recipe}.safetensors", "m")
    with pytest.raises(UserError, match="--units"):
        make_page(saved(tmp_path / "m.safetensors"), "m", most_bytes=10_000)


def test_a_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    save_model(tmp_path / "m.safetensors")
    assert main(["export", str(tmp_path / "m"), str(tmp_path / "page"), "--format", "html"], plugins=()) == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "default-src 'none'; script-src 'sha256-" in page
    assert "unsafe" not in page
    assert re.findall(r"https?:|//\w+\.\w+|\{\{", page) == []
