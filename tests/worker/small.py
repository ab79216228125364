"""Small models with random weights, for tests that need no training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from galvanic.companion import Companion
from galvanic.generate import TextModel
from galvanic.model_file import SUFFIX, Description, save
from galvanic.options import CorpusInfo, RecipeName
from galvanic.plan import NetworkConfig, Weights
from galvanic.predictor import Predictor, Row
from galvanic.results import TrainingRecord
from galvanic.sampling import Sampling
from galvanic.text import CharVocabulary, Ids
from shared.settings import Settings
from worker.store import ModelStore

LETTERS = "\n !.abcdefghijklmnopqrstuvwxyz"


def network(symbols: int, **fields: Any) -> NetworkConfig:
    return NetworkConfig(**{"kind": "streams", "vocabulary": symbols, "embedding": 8, "units": (24,), **fields})


def random_weights(config: NetworkConfig, seed: int = 0) -> Weights:
    """Weights that make the network care about what it has read."""
    random = np.random.default_rng(seed)
    return {name: (0.6 * random.normal(size=shape)).astype(np.float32) for name, shape in config.shapes().items()}


def biased(config: NetworkConfig, logits: npt.ArrayLike) -> Weights:
    """Weights that predict these logits, whatever was read."""
    weights = {name: np.zeros(shape, np.float32) for name, shape in config.shapes().items()}
    return {**weights, "output/bias": np.asarray(logits, np.float32)}


def description_of(symbols: Sequence[str], config: NetworkConfig, recipe: RecipeName = "char") -> Description:
    record = TrainingRecord(
        epochs=1, seconds=1, stopped="done", random_seed=0, train_loss=1, heldout_loss=None, curve=()
    )
    corpus = CorpusInfo(name="made-up", title="Made up", source="file", chars=1_000, sha256="0" * 64)
    text: dict[str, Any] = {"symbols": tuple(symbols), "unwrapped": False, "unseen": 0.01, "corpus": corpus}
    return Description(recipe=recipe, network=config, training=record, **text)


def windows(symbols: int) -> npt.NDArray[np.uint16]:
    """Windows of a corpus of these symbols, in turn."""
    return (np.arange(3)[:, None] + np.arange(20)).astype(np.uint16) % symbols


def model(
    symbols: Sequence[str] = LETTERS,
    seed: int = 0,
    weights: Weights | None = None,
    recipe: RecipeName = "char",
    **of: Any,
) -> TextModel:
    """A model in memory; `of` are fields of its network."""
    config = network(len(symbols), **of)
    description = description_of(symbols, config, recipe)
    return TextModel(description, weights or random_weights(config, seed), windows(len(symbols)))


def ids(store: ModelStore) -> list[str]:
    """The ids of all models in a store."""
    return [name.removesuffix(SUFFIX) for name in store.names("")]


def content(store: ModelStore, model_id: str) -> bytes:
    """What a store has of a model, without a look into it."""
    with store.reading(model_id) as path:
        return path.read_bytes()


def stored(settings: Settings, model_id: str) -> Path:
    """Where a local store has a model."""
    return settings.data_dir / "models" / f"{model_id}.safetensors"


def save_model(path: Any, symbols: Sequence[str] = LETTERS, seed: int = 0, text: str = "", **of: Any) -> None:
    """The same as a file, with the table of a text if there is one."""
    config = network(len(symbols), **of)
    ids = CharVocabulary(symbols).encode(text)
    companion = Companion.counted(ids, len(symbols), "char") if text else None
    save(path, description_of(symbols, config), random_weights(config, seed), windows(len(symbols)), companion)


def keras_logits(config: NetworkConfig, weights: Weights, ids: Ids) -> npt.NDArray[np.float32]:
    """What Keras makes of ids: the logits behind each, or where the network takes windows, behind each window."""
    from galvanic.network import build, set_weights

    network = build(config)
    set_weights(network, weights)
    if config.kind == "streams":
        states = [np.zeros((1, units), np.float32) for units in config.units for _ in "hc"]
        return np.asarray(network([ids[None], *states])[0][0])
    each = np.lib.stride_tricks.sliding_window_view(ids, config.window)
    return np.asarray(network(each[..., None].astype(np.float32) / config.vocabulary))


def draw(reader: Predictor, seed: Ids, symbols: int, sampling: Sampling, random: np.random.Generator) -> Ids:
    """So many symbols after a seed."""
    return reader.write([Row(seed, sampling, random, lambda ids: len(ids) >= symbols)])[0][:symbols]
