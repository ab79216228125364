"""The tutorial that Galvanic began from, with its mistakes corrected: the baseline.

    python -m benchmarks.tutorial TEXT.txt [EPOCHS]

Corrected: the next characters are collected, the last LSTM gives only its last state, there is
dropout between the layers, the best weights are loaded before generating, the predicted character is appended to the
pattern, and the stop words are looked up once instead of once for every word.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers
from nltk.tokenize import RegexpTokenizer

from galvanic.text.tokens import stop_words

WINDOW = 100
UNITS = (256, 256, 128)
DROPOUT = 0.2
BATCH = 256
EPOCHS = 4
CHARACTERS = 1_000
"""Characters that the tutorial generates."""


def tokenize_words(text: str) -> str:
    """Clean a text: lower case, words only, no stop words."""
    stop = stop_words()
    return " ".join(token for token in RegexpTokenizer(r"\w+").tokenize(text.lower()) if token not in stop)


@dataclass(frozen=True)
class Patterns:
    """A text as the tutorial's network learns it.

    Attributes:
        chars: all characters, sorted; the place of each is its number.
        ids: windows of character numbers, [patterns, WINDOW].
        x: the same divided by the number of characters, [patterns, WINDOW, 1].
        y: the character after each window, one-hot, [patterns, characters].
    """

    chars: str
    ids: npt.NDArray[np.int64]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]


def make_patterns(text: str, most: int | None = None) -> Patterns:
    """Make the windows of a cleaned text. `most`: only so many, from the beginning."""
    chars = "".join(sorted(set(text)))
    number = {char: index for index, char in enumerate(chars)}
    patterns = len(text) - WINDOW if most is None else min(most, len(text) - WINDOW)
    x_data, y_data = [], []
    for start in range(patterns):
        x_data.append([number[char] for char in text[start : start + WINDOW]])
        y_data.append(number[text[start + WINDOW]])
    ids = np.array(x_data)
    x = np.reshape(ids, (patterns, WINDOW, 1)) / float(len(chars))
    return Patterns(chars, ids, x, keras.utils.to_categorical(y_data, len(chars)))


def make_model(characters: int) -> Any:
    """Make the network, and compile it."""
    model = keras.Sequential([keras.Input((WINDOW, 1))])
    for index, units in enumerate(UNITS):
        model.add(layers.LSTM(units, return_sequences=index < len(UNITS) - 1))
        model.add(layers.Dropout(DROPOUT))
    model.add(layers.Dense(characters, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    return model


def train(model: Any, patterns: Patterns, epochs: int, folder: Path) -> None:
    """Fit the network, and load the best weights."""
    best = folder / "best.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(
        str(best), monitor="loss", verbose=1, save_best_only=True, save_weights_only=True, mode="min"
    )
    model.fit(patterns.x, patterns.y, epochs=epochs, batch_size=BATCH, callbacks=[checkpoint])
    model.load_weights(str(best))


def generate(model: Any, chars: str, pattern: list[int], length: int) -> str:
    """Continue a window, the likeliest character each time, with one `predict` for each."""
    written = []
    for _ in range(length):
        x = np.reshape(pattern, (1, len(pattern), 1)) / float(len(chars))
        index = int(np.argmax(model.predict(x, verbose=0)))
        written.append(chars[index])
        pattern = [*pattern[1:], index]
    return "".join(written)


def main(arguments: list[str]) -> int:
    """Run the tutorial on a text file."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    text = tokenize_words(Path(arguments[0]).read_text("utf-8"))
    patterns = make_patterns(text)
    print(f"Total number of characters: {len(text)}\nTotal vocab: {len(patterns.chars)}")
    print(f"Total Patterns: {len(patterns.ids)}")
    model = make_model(len(patterns.chars))
    with tempfile.TemporaryDirectory() as folder:
        train(model, patterns, int(arguments[1]) if len(arguments) > 1 else EPOCHS, Path(folder))
    start = np.random.default_rng().integers(0, len(patterns.ids))
    pattern = patterns.ids[start].tolist()
    print('Random Seed:\n"' + "".join(patterns.chars[value] for value in pattern) + '"')
    print(generate(model, patterns.chars, pattern, CHARACTERS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
