"""What anybody may import fills neither bot nor Redis nor worker, and keeps none of them busy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import redis

from galvanic.errors import UserError
from galvanic.options import TrainOptions
from galvanic.text import prepare
from shared import keys
from shared.events import Generated, Imported, Surprised
from shared.jobs import MODEL_FILE, MixPart
from shared.settings import Settings
from tests.lives import expect, require_failure
from tests.worker.hostile import changed, model_file, tutorial, zeros
from tests.worker.jobs import PLACE, generate_job, imported, run, surprise_job
from tests.worker.small import LETTERS, biased, network, random_weights
from tests.worker.texts import SENTENCE, corpus
from worker import transfer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]

MIB = 2**20
ONE = np.zeros((1, 1), np.uint8)


def _long_symbol() -> bytes:
    return model_file((*LETTERS, "x" * 3 * MIB), "word")


def _many_long_symbols() -> bytes:
    return model_file((*LETTERS, *(f"{number:04d}" * 200 for number in range(4_000))), "word")


def _many_symbols() -> bytes:
    return model_file(
        tuple(map(chr, range(0xE000, 0xE000 + 100_001))), config=network(100_001, embedding=1, units=(1,)), windows_=ONE
    )


def _long_window() -> bytes:
    return model_file(windows_=np.zeros((1, 2_000_000), np.uint8))


def _many_windows() -> bytes:
    return model_file(windows_=np.zeros((1_001, 100), np.uint8))


def _slow() -> bytes:
    config = tutorial((1_100, 1_100, 1_100))
    windows = np.zeros((1, 100), np.uint8)
    return model_file(recipe="classic", config=config, weights=zeros(config), windows_=windows, packing="int8")


def _wide_table() -> bytes:
    """Small as it lies there; what writing makes of its embedding has 2 GB."""
    symbols = tuple(map(chr, range(0xE000, 0x1DFFF)))
    config = network(len(symbols), embedding=1, units=(2_000, 1))
    return model_file(symbols, config=config, weights=zeros(config), packing="int8")


def _huge(scale: float, part: str) -> bytes:
    weights = random_weights(network(len(LETTERS)))
    return model_file(weights={n: np.full_like(w, scale) if part in n else w for n, w in weights.items()})


def _claimed(**network: Any) -> bytes:
    """A small model whose description claims another network."""
    return changed(model_file(), lambda fields: fields["network"].update(network))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_long_symbol, "a symbol of"),
        (_many_long_symbols, "characters in all"),
        (_many_symbols, "100,001 symbols"),
        (_long_window, "damaged"),
        (_many_windows, "damaged"),
        (_slow, "multiplications"),
        (_wide_table, "network takes"),
        (lambda: _claimed(units=[3_000]), "network takes"),
        (lambda: _claimed(units=[1] * 16, members=16), "has 256 layers"),
        (lambda: _huge(3e38, "kernel"), "no usable probabilities"),
        (lambda: _huge(3e38, "embedding"), "no usable probabilities"),
        (lambda: _huge(-1e30, "output/bias"), "no usable probabilities"),
        (lambda: _huge(float("nan"), "bias"), "no usable probabilities"),
    ],
)
def test_a_file_made_to_harm_is_refused_in_words(
    client: redis.Redis, settings: Settings, make: Callable[[], bytes], problem: str
) -> None:
    data = make()
    assert len(data) < 25 * MIB
    require_failure(imported(client, data), problem)
    assert not client.exists(keys.guild_models(PLACE.guild_id))
    assert not client.exists(keys.artifact("i-1", MODEL_FILE))
    assert {path.name for path in (settings.data_dir / "models").iterdir()} == {"one.safetensors", "two.safetensors"}


def test_a_model_that_writes_too_slowly_is_refused_in_words(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MOST_S_A_SYMBOL", 0.001)  # for a machine of any pace; these differ by a thousand
    symbols = tuple(map(chr, range(0x20000, 0x20000 + 20_000)))
    config = network(len(symbols), embedding=1, units=(16,), members=16)
    slow = model_file(symbols, config=config, weights=zeros(config), windows_=ONE, packing="int8")
    require_failure(imported(client, slow, 1), "ms to write a character")
    expect(Imported, imported(client, model_file(), 2))


def test_the_most_that_is_imported_makes_small_answers(client: redis.Redis) -> None:
    """Symbols and windows at their limits: what Redis keeps of a text is as long as was asked for."""
    symbols = (*LETTERS, *"0123456789", *(f"{number:02d}" * 500 for number in range(60)))
    config = network(len(symbols))
    window = np.full((1, 100), len(symbols) - 1, np.uint8)
    logits = np.where(np.arange(len(symbols)) < len(LETTERS) + 10, -50.0, 0.0)
    answer = expect(Imported, imported(client, model_file(symbols, "word", config, biased(config, logits), window)))
    starts: list[dict[str, Any]] = [{"from_corpus": True, "seed": ""}, {"from_line": True, "seed": ""}, {"seed": "ab"}]
    for number, fields in enumerate(starts):
        job = generate_job(number, model_id=answer.model.model_id, length=200, **fields)
        written = expect(Generated, run(client, job))
        assert 1 <= len(written.text) <= 200
        assert len(written.seed) <= 1_000
        assert cast(int, client.memory_usage(keys.job_events(job.job_id))) < 20_000


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_long_symbol, "a symbol of"),
        (lambda: _huge(3e38, "kernel"), "no usable probabilities"),
        (_long_window, "damaged"),
    ],
)
def test_a_file_made_to_harm_is_refused_as_well_when_it_is_used(
    client: redis.Redis, settings: Settings, make: Callable[[], bytes], problem: str
) -> None:
    """As one that lay in the store before."""
    (settings.data_dir / "models" / "before.safetensors").write_bytes(make())
    mixed = generate_job(2, mix=tuple(MixPart(model_id=name, name=name, weight=1) for name in ("one", "before")))
    for job in (generate_job(model_id="before"), surprise_job("the boat", "before"), mixed):
        require_failure(run(client, job), problem)


def test_a_text_gives_no_symbol_longer_than_is_imported() -> None:
    runs = ("=" * 50_000, "x" * 50_000, " " + "ä" * 150)
    text = "".join(f"{SENTENCE}{run}\n" for run in runs * 4)
    prepared = prepare(text, "word", hard_wrapped=False)
    assert max(map(len, prepared.vocabulary.symbols)) <= 101
    assert prepared.vocabulary.decode(prepared.ids) == text
    assert np.array_equal(prepared.vocabulary.encode(text), prepared.ids)


def test_a_training_makes_nothing_that_could_not_be_imported(tmp_path: Path) -> None:
    from galvanic.training import train

    text = SENTENCE * 50
    options = TrainOptions(recipe="classic", epochs=1, units=1_100)
    with pytest.raises(UserError, match="multiplications"):
        train(text, options, corpus(text), out=tmp_path / "slow")
    many = "".join(map(chr, range(0xE000, 0xE000 + 100_001))) + text
    with pytest.raises(UserError, match="symbols"):
        train(many, TrainOptions(epochs=1), corpus(many), out=tmp_path / "many")


def test_a_model_at_the_limits_of_its_weights_writes_and_scores(client: redis.Redis) -> None:
    most = {
        "embedding/embeddings": 3e3,
        "lstm_0/lstm_cell/kernel": 3e3,
        "output/bias": -1e8,
        "lstm_0/lstm_cell/bias": 1e8,
    }
    weights = {n: np.full_like(w, most.get(n, 4e6)) for n, w in random_weights(network(len(LETTERS))).items()}
    answer = expect(Imported, imported(client, model_file(weights=weights)))
    assert isinstance(run(client, generate_job(model_id=answer.model.model_id)), Generated)
    assert isinstance(run(client, surprise_job("the boat", answer.model.model_id)), Surprised)
