"""The format `hf`: a folder for the Hugging Face Hub, with a model file, a model card and a readable configuration."""

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from galvanic import model_file
from galvanic.facts import MOST_LICENCE, MOST_TITLE, facts_of, one_line
from galvanic.model_file import Description
from galvanic.options import RECIPE_WORDS, STARTER, CorpusInfo

MODEL, CARD, CONFIG, CURVE = "model.safetensors", "README.md", "config.json", "curve.png"
_SAMPLES, _SAMPLE_CHARS = 3, 300
_GUTENBERG = re.compile(r"Public domain in the USA; Project Gutenberg eBook #(\d+), gutenberg\.org\.")  # a licence
_MARKUP = re.compile(r"[\\`*_~\[\]<>#|&!]")
_LIMITS = """\
It imitates the style of its text: it knows no facts, and understands neither what it reads nor what it writes. It may
quote its text, and what is wrong or offensive there can come up here. It answers no questions."""


def write(model: Path, target: Path) -> tuple[str, ...]:
    """Write the folder (`galvanic.exports.Write`); other files in it stay."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        folder = Path(temporary)
        model_file.export(model, folder / MODEL)
        description = model_file.describe(model)
        public = _has_public_texts(description)
        (folder / CARD).write_text(_card(description, _samples(model) if public else []), "utf-8")
        (folder / CONFIG).write_text(json.dumps(_config(description), indent=2) + "\n", "utf-8")
        if description.training.curve:
            from galvanic.pictures import loss_chart

            (folder / CURVE).write_bytes(loss_chart(description.training.curve, "Loss"))
        target.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.replace(target / path.name)
    if description.learned_messages:
        return ("It learned people's messages: publish it only if all of them agree.",)
    if not public:
        return (f"{CARD} has no samples, since the text may hold somebody's own words. You can add some.",)
    return ()


def _config(description: Description) -> dict[str, object]:
    """Return the network in readable fields; Galvanic reads the model file's own description."""
    return {
        "model_type": "galvanic",
        "format": description.format,
        "recipe": description.recipe,
        "parameters": description.network.parameters(),
        "weights": description.packed or "float32",
        **description.network.model_dump(mode="json"),
    }


def _has_public_texts(description: Description) -> bool:
    """Return whether all texts are of the catalogue or of Project Gutenberg. Others may be somebody's chat."""
    public = [text.source in ("catalogue", "python-docs") or text.left_out > 0 for text in _texts(description)]
    return all(public) and not description.learned_messages


def _texts(description: Description) -> list[CorpusInfo]:
    """Return the text that the model learned, and those that it learned before, without the starter's."""
    return [description.corpus, *(older.corpus for older in description.lineage if older.name != STARTER)]


def _samples(path: Path) -> list[str]:
    from galvanic.generate import load_model

    model = load_model(path)
    written = [model.generate("", _SAMPLE_CHARS, from_line=True, random_seed=number) for number in range(_SAMPLES)]
    return [text.seed + text.text for text in written]


def _card(description: Description, samples: Sequence[str]) -> str:
    corpus, messages = description.corpus, description.learned_messages
    title = "People's messages" if messages else one_line(corpus.title, MOST_TITLE) or "An unnamed text"
    left_out = ("Rights", "Goes back to" if messages else "")  # nobody else knows what the messages' models are called
    facts = [f"- **{name}**: {_plain(value)}" for name, value in facts_of(description) if name not in left_out]
    unknown = "Unknown. Ask the text's owner before you publish the model."
    licences = dict.fromkeys(one_line(text.licence, MOST_LICENCE) or unknown for text in _texts(description))
    sections = [
        "\n".join(["---", *_header(description), "---"]),
        f"# {_plain(title)}",
        f"A small model that writes in the style of this text: {corpus.extent}, {RECIPE_WORDS[description.recipe]}.",
        "\n".join(facts),
        *([f"![Loss by epoch]({CURVE})"] if description.training.curve else []),
        *(["## Samples", "Each begins with a line of the text."] if samples else []),
        *(["\n\n<!-- -->\n\n".join(map(_as_code, samples))] if samples else []),  # else they would be one block
        "## Use",
        "With Galvanic, installed from its repository:",
        _as_code("galvanic import FOLDER --out my-model\ngalvanic generate my-model"),
        "## Limits",
        _LIMITS,
        "## Rights in what it learned",
        *map(_plain, licences),
    ]
    return "\n\n".join(sections) + "\n"


def _header(description: Description) -> list[str]:
    """Return the lines of the Hub's metadata, in YAML."""
    corpus = description.corpus
    lines = ["library_name: galvanic", "pipeline_tag: text-generation"]
    if corpus.language:
        lines.append(f'language: ["{corpus.language}"]')  # quoted, since YAML takes Norwegian's `no` for false
    licences = {text.licence for text in _texts(description)}
    if len(licences) == 1 and (book := _GUTENBERG.fullmatch(corpus.licence)):
        link = f"https://www.gutenberg.org/ebooks/{book[1]}"
        lines += ["license: other", "license_name: public-domain-in-the-usa", f"license_link: {link}"]
    return [*lines, f"tags: [galvanic, lstm, {description.recipe}]"]


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return _MARKUP.sub(r"\\\g<0>", text)


def _as_code(text: str) -> str:
    """Return a block of code, which no character of the text can end."""
    return "\n".join(f"    {line}" for line in text.splitlines())
