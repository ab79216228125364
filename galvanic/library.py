"""The library behind `import galvanic`: `train` a model on a text, `load` one, and write with it (`Model`)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from galvanic.errors import UserError
from galvanic.files import at_home
from galvanic.options import CorpusInfo, RecipeName, StopAt, TrainOptions, checked
from galvanic.read.chat import ChatOptions, refuse_for_text
from galvanic.read.formats import read_paths
from galvanic.read.text import of_memory, without_licence
from galvanic.request import WriteRequest
from galvanic.source import clean

if TYPE_CHECKING:
    from galvanic.model_file import Loaded
    from galvanic.results import Prediction, Score, TrainResult

__all__ = ["Model", "Text", "UserError", "load", "train"]

_LONGEST_NAME = 255


class Text(str):
    """A text that a model wrote, with its seed in front. A notebook shows it without quotes.

    Attributes:
        seed: the beginning, which the model continued.
        random_seed: gives the same text again, with the same options.
        notes: what was changed in the seed, in plain words.
    """

    seed: str
    random_seed: int
    temperature: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return str(self)


class Model:
    """A trained model: see `train` and `load`.

    Attributes:
        description: its network, its text and its training.
        result: the result of its training, if it was trained just now: samples, losses of each epoch, why it ended.
    """

    def __init__(self, loaded: Loaded, result: TrainResult | None = None) -> None:
        from galvanic.generate import TextModel

        self.description = loaded[0]
        self.result = result
        self._loaded = loaded
        self._model = TextModel(*loaded)

    def generate(
        self,
        seed: str = "",
        length: int = 300,
        *,
        temperature: float | None = None,
        random_seed: int | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        guard: bool | None = None,
        stop: StopAt | None = None,
        from_corpus: bool = False,
    ) -> Text:
        """Continue a text.

        Args:
            seed: the text to continue; empty: a line of the text that the model learned from.
            length: most characters to write; the text ends with a sentence after their first quarter, or with a word.
            temperature: 0 (always the likeliest symbol) to 2; None: by the model's loss; `classic` takes 0.
            random_seed: the same number gives the same text; None: a random one.
            top_k, top_p, min_p: sample only from so many likeliest symbols; from the likeliest that have this
                probability together; from those with this share of the likeliest one's probability.
            guard: break out of loops; None: yes, except with `classic`.
            stop: "sentence" or "line": end at the last end of one.
            from_corpus: begin with a random piece of the text that the model learned from, not with a seed.

        Raises:
            UserError: nothing of the seed can be used, it comes with `from_corpus`, or a number is out of range.
        """
        options = {name: value for name, value in locals().items() if name in WriteRequest.model_fields}
        written = self._model.generate(**options, from_line=not seed and not from_corpus)
        text = Text(written.seed + written.text)
        text.seed, text.random_seed = written.seed, written.random_seed
        text.temperature, text.notes = written.temperature, written.notes
        return text

    def evaluate(self, text: str) -> Score:
        """Measure the loss on a text: `bits_per_char`, `nats_per_char`, and the `nats` of each character.

        `text`: the words themselves, not the name of a file.

        What came before in the text predicts as well, which the loss on the model's card is without. The end of a line
        is one character, also where it is written as two.
        Raises UserError if the text can't be read.
        """
        return self._model.score(clean(text))

    def predict(self, text: str) -> Prediction:
        """Predict the symbol that comes where the model writes on after a text, likeliest first.

        It is predicted by the model, by its network alone, and by its table alone.

        Raises UserError if nothing of the text can be read.
        """
        from galvanic.generate import predict_next

        return predict_next(self._loaded, text)

    def save(self, path: str | Path) -> Path:
        """Write it into one file, `NAME.safetensors`, and return its path. Raises OSError if that fails."""
        from galvanic.model_file import path_for, save

        place = path_for(path)
        save(place, *self._loaded)
        return place

    def __repr__(self) -> str:
        from galvanic.facts import facts_of

        facts = "\n".join(f"  {name}: {value}" for name, value in facts_of(self.description))
        return f"<galvanic.Model, recipe {self.description.recipe}, of {self.description.corpus.title}\n{facts}>"


def load(path: str | Path) -> Model:
    """Load a model from a file that a training or an export wrote; its ending may be left out.

    Raises:
        UserError: there is no model, it is damaged, or another version of Galvanic wrote it.
    """
    from galvanic import model_file

    return Model(model_file.load(model_file.path_of(path)))


def train(
    text: str | Path | Sequence[str | Path],
    *,
    only: str | Sequence[str] = (),
    without: str | Sequence[str] = (),
    speakers: bool = False,
    text_column: str = "",
    speaker_column: str = "",
    minutes: float | None = None,
    epochs: int | None = None,
    recipe: RecipeName | None = None,
    parent: str | Path | None = None,
    layers: int | None = None,
    units: int | None = None,
    embedding: int | None = None,
    dropout: float | None = None,
    batch: int | None = None,
    length: int | None = None,
    learning_rate: float | None = None,
    random_seed: int | None = None,
    name: str | None = None,
    progress: bool = True,
    log_dir: str | Path | None = None,
) -> Model:
    """Train a model on a text. While the bar is shown, an interrupt (Ctrl-C, or a notebook's stop) ends it early, with
    the best so far.

    Args:
        text: the path of a file or folder, several paths, or a text of more than a line. The header and licence of a
            book of Project Gutenberg are left out.
        only, without: names of the people whose messages of a chat are learned, or not; in a string with commas.
        speakers: begin each line of a chat with an invented name for its author.
        text_column, speaker_column: the columns of a table, or the fields of JSON lines.
        minutes: time limit; without it and `epochs` it is 8 minutes, or 4 epochs for the recipe `classic`.
        epochs: how many times to read the text.
        recipe: "char" (character by character), "word", or "classic" (the tutorial's); None: "char", or the parent's.
        parent: the file of a model to start from; "starter": the model of English that comes with Galvanic; "none":
            random weights; None: the starter if it helps the text, else random weights.
        layers, units, embedding, dropout, batch, length, learning_rate: numbers of the network and its
            training; None: chosen by the size of the text and the speed of the machine.
        random_seed: with `epochs`, the same number gives the same model on the same machine; None: a random one.
        name: the text's name in the model.
        progress: show a bar, and the model's samples.
        log_dir: a folder to log the training into: `log.csv`, and files for TensorBoard.

    Raises:
        UserError: the text, an option, the parent or the folder for the log cannot be used.
    """
    from galvanic import model_file

    typed = {key: value for key, value in locals().items() if key in TrainOptions.model_fields and value is not None}
    begin, implied = model_file.find_parent(parent)
    options = checked(TrainOptions, {**implied, **typed})
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # a notebook would show TensorFlow's own lines
    from galvanic import training
    from galvanic.progress import Bar
    from galvanic.results import Hooks
    from galvanic.training_log import TrainingLog

    with tempfile.TemporaryDirectory() as folder, Bar("finish") if progress else nullcontext(Hooks()) as bar:
        chosen, left_out = ((people,) if isinstance(people, str) else tuple(people) for people in (only, without))
        whose = ChatOptions(chosen, left_out, speakers, text_column, speaker_column)
        source, corpus = _find_text(text, name, Path(folder), whose)
        out = Path(folder) / f"model{model_file.SUFFIX}"
        hooks = TrainingLog(bar, at_home(log_dir)) if log_dir else bar
        result = training.train(
            source, options, corpus, out=out, hooks=hooks, parent=begin, starter=model_file.STARTER_FILE, quiet=True
        )
        return Model(model_file.load(out), result)


def _exists(path: str | Path) -> bool:
    """Return whether a path is there; what is too long for one, or no file's name, is not."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _find_text(
    text: str | Path | Iterable[str | Path], name: str | None, workdir: Path, options: ChatOptions
) -> tuple[str | Path, CorpusInfo]:
    if isinstance(text, str) and (len(text) > _LONGEST_NAME or "\n" in text) and not _exists(text):
        refuse_for_text(options)
        content = without_licence(of_memory(clean(text)), workdir)
        return content.body, content.info(name or "text", name or "text", "file")
    names = [text] if isinstance(text, str | Path) else list(text)
    paths = list(map(at_home, names))
    if not names or not all(names) or not all(map(_exists, paths)):  # an empty path would be this folder
        raise UserError(
            f"There is no text file {text or '``'}.",
            "Give the path of a file, or a text of several lines.",
        )
    source, info, _ = read_paths(paths, workdir, options)
    return source, info.model_copy(update={"name": name}) if name else info
