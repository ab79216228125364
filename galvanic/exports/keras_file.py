"""The format `keras`: a file that plain Keras loads, without Galvanic."""

import json
import math
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from galvanic.errors import UserError
from galvanic.files import replacing
from galvanic.machine import import_tensorflow
from galvanic.model_file import load
from galvanic.plan import NetworkConfig, Weights, split_members

SUFFIX = ".keras"
SYMBOLS = "symbols.json"  # within the file, which is a zip: the text of each symbol, by id


def write(model: Path, target: Path) -> tuple[str, ...]:
    """Write a model's network, and its symbols (`galvanic.exports.Write`)."""
    description, weights, _, companion = load(model)
    try:
        import_tensorflow()
        network = build(description.network, weights)
    except ImportError as error:
        raise UserError("This format needs Keras and TensorFlow.", "Install both, and try again.") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{SUFFIX}"  # Keras insists on the ending
        network.save(path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(SYMBOLS, json.dumps(description.symbols))
        with replacing(target) as partial:
            shutil.copyfile(path, partial)
    notes = [f"The file is a zip; {SYMBOLS} in it lists the text of each symbol, by id."]
    if companion:
        notes.append("The n-gram table is left out: the network alone predicts less well than both together.")
    return tuple(notes)


def build(config: NetworkConfig, weights: Weights) -> Any:
    """Return the network as a model of Keras' own layers, which begins with a zero state.

    It maps ids [batch, time] to logits [batch, time, vocabulary], and one of windows ids [batch, window] to logits
    [batch, vocabulary]. The logits of several members are the logarithms of their mean probabilities. Raises
    ImportError if Keras is missing.
    """
    import keras

    members = [_member(config, f"member_{number}") for number in range(config.members)]
    for member, own in zip(members, split_members(config, weights), strict=True):
        # Keras lists weights in the order of `NetworkConfig.shapes`.
        member.set_weights([own[name] for name in config.model_copy(update={"members": 1}).shapes()])
    if len(members) == 1:
        return members[0]
    ids = keras.Input((None,), dtype="int32", name="ids")
    log_probs = keras.ops.stack([keras.ops.log_softmax(member(ids)) for member in members])
    return keras.Model(ids, keras.ops.logsumexp(log_probs, axis=0) - math.log(len(members)))


def _member(config: NetworkConfig, name: str) -> Any:
    import keras
    from keras import layers

    ids = keras.Input((config.window or None,), dtype="int32", name="ids")
    if config.embedding:
        x = layers.Embedding(config.vocabulary, config.embedding, name="embedding")(ids)
    else:
        x = layers.Reshape((config.window, 1))(layers.Rescaling(1 / config.vocabulary)(ids))
    last = len(config.units) - 1
    for index, units in enumerate(config.units):
        every_step = config.kind == "streams" or index < last
        x = layers.LSTM(units, return_sequences=every_step, name=f"lstm_{index}")(x)
    return keras.Model(ids, layers.Dense(config.vocabulary, name="output")(x), name=name)
