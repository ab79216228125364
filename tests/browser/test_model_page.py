"""A model's page in Chromium, opened as a file with the network off."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

from galvanic.exports.page import make_page
from galvanic.generate import load_model
from galvanic.model_file import save
from tests.factories import corpus
from tests.worker.small import LETTERS, biased, description_of, network, save_model, windows

ROOT = Path(__file__).parents[2]
TRAINED = ROOT / "tests" / "fixtures" / "models"
COMPARED = 200  # characters


class ModelPage:
    """A model's page, and what a person does on it."""

    def __init__(self, tab: Page) -> None:
        self.tab = tab
        self.problems: list[str] = []
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.on("console", lambda entry: self.problems.append(entry.text))
        tab.on("request", self._note_request)

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(("file:", "blob:", "data:")):
            self.problems.append(request.url)

    def open(self, folder: Path, model: Path, name: str = "a model") -> None:
        path = folder / f"{secrets.token_hex(4)}.html"
        path.write_bytes(make_page(model, name))
        self.tab.goto(path.as_uri())
        expect(self.status).to_have_text("Ready.", timeout=60_000)

    @property
    def status(self) -> Locator:
        return self.tab.locator("#status")

    def write(self, seed: str, random_seed: int, temperature: float | None = None, length: int = 300) -> str:
        self.tab.fill("#seed", seed)
        self.tab.fill("#random-seed", str(random_seed))
        self.tab.fill("#length", str(length))
        if temperature is not None:
            self.tab.fill("#temperature", str(temperature))
        self.tab.press("#random-seed", "Enter")
        expect(self.status).to_contain_text("a second", timeout=120_000)
        return self.tab.locator("#written").text_content() or ""


@pytest.fixture
def page(browser: Browser) -> Iterator[ModelPage]:
    context = browser.new_context(offline=True)
    page = ModelPage(context.new_page())
    yield page
    context.close()
    assert page.problems == []


@pytest.fixture(params=["starter", "char", "char-table", "layers", "members"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "starter":
        return ROOT / "galvanic" / "starter.safetensors"
    if request.param == "layers":
        symbols, text = f"{LETTERS}'\"’“", 'it\'s "a boat". ' * 9  # the text has half of the quotes
        save_model(tmp_path / "layers.safetensors", symbols, text=text, units=(40, 24))
    if request.param == "members":
        save_model(tmp_path / "members.safetensors", units=(20,), members=3)
    return next(path for folder in (TRAINED, tmp_path) if (path := folder / f"{request.param}.safetensors").exists())


def test_it_writes_what_python_writes(page: ModelPage, model: Path, tmp_path: Path) -> None:
    page.open(tmp_path, model)
    author = load_model(model)
    # With typographic quotes, with letters and a tab that some models lack, and with a whole word, a part of one and
    # an unknown character at the end.
    cases = (
        ("the sea", 1, None),
        ("the sea 🐶", 1, None),
        ("THÉ Séa", 1, None),
        ("„It’s“ a boa", 2**32 - 1, 0.8),
        ("the\tboat", 7, 1.3),
        ("a", 0, 0),
    )
    for seed, random_seed, temperature in cases:
        options = {} if temperature is None else {"temperature": temperature}
        expected = author.generate(seed, 1_000, random_seed=random_seed, **options).text
        assert len(expected) > COMPARED
        assert page.write(seed, random_seed, temperature)[:COMPARED] == expected[:COMPARED], (seed, temperature)


def test_nothing_of_a_model_is_markup(page: ModelPage, tmp_path: Path) -> None:
    markup = "<img src=x onerror=alert(1)>"
    symbols = tuple("\n a!<>/=();")
    config = network(len(symbols))
    logits = [40.0 if symbol in "<>/" else 0 for symbol in symbols]
    text = corpus(title=markup, licence="</script><script>alert(2)</script>", name="x")
    described = description_of(symbols, config).model_copy(update={"corpus": text})
    save(tmp_path / "x.safetensors", described, biased(config, logits), windows(len(symbols)))
    page.open(tmp_path, tmp_path / "x.safetensors", name="{{model}}" + markup)
    expect(page.tab.locator("h1")).to_have_text("{{model}}" + markup)
    expect(page.tab.locator("header p")).to_contain_text(markup)
    expect(page.tab.locator("footer")).to_contain_text("<script>alert(2)")
    written = page.write("<a>", 1)
    assert set(written) <= set("<>/")
    expect(page.tab.locator("#text *")).to_have_count(2)
    expect(page.tab.locator("img")).to_have_count(0)


def test_a_text_is_stopped_and_another_one_begun(page: ModelPage, tmp_path: Path) -> None:
    page.tab.set_viewport_size({"width": 360, "height": 740})
    page.open(tmp_path, TRAINED / "char.safetensors")
    go, written = page.tab.get_by_role("button", name="Write"), page.tab.locator("#written")
    page.tab.fill("#length", "100000")
    page.tab.press("#seed", "Control+Enter")
    expect(written).not_to_be_empty()
    page.tab.get_by_role("button", name="Stop").click()
    another = page.write("boats", 5, length=40)
    assert len(another) >= 40
    expected = load_model(TRAINED / "char.safetensors").generate("boats", 1_000, random_seed=5).text
    assert expected.startswith(another), "nothing of the stopped text comes late"
    expect(go).to_be_enabled()
    assert page.tab.evaluate_handle("document.documentElement").get_property("scrollWidth").json_value() <= 360
    page.tab.get_by_role("button", name="Copy").click()
    expect(page.status).to_have_text("Copied.")


def test_a_page_that_cannot_be_unpacked_writes_nothing(page: ModelPage, tmp_path: Path) -> None:
    html = make_page(TRAINED / "char.safetensors", "char")
    (tmp_path / "page.html").write_bytes(re.sub(rb'(id="model">)\w+', rb"\1damaged", html))
    page.tab.goto((tmp_path / "page.html").as_uri())
    expect(page.status).not_to_have_text("Unpacking the model …")
    expect(page.tab.get_by_role("button", name="Write")).to_be_disabled()


def test_it_writes_in_a_frame_that_may_only_run_scripts(page: ModelPage, tmp_path: Path) -> None:
    """As the documentation shows the starter."""
    (tmp_path / "page.html").write_bytes(make_page(TRAINED / "char.safetensors", "char"))
    (tmp_path / "frame.html").write_text('<iframe src="page.html" sandbox="allow-scripts"></iframe>')
    page.tab.goto((tmp_path / "frame.html").as_uri())
    frame = page.tab.frame_locator("iframe")
    frame.get_by_role("button", name="Write").click()
    expect(frame.locator("#status")).to_contain_text("a second")
    expect(frame.locator("#written")).not_to_be_empty()
