"""Models in files with coarser weights."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from galvanic.errors import UserError
from galvanic.generate import load_model
from galvanic.model_file import PACKINGS, WINDOWS, Packing, export, load, save
from tests.galvanic.test_model_file import FIXTURES
from tests.worker.hostile import apart, sealed
from tests.worker.small import LETTERS, description_of, network, random_weights, save_model, windows
from tests.worker.texts import SENTENCE, Memorised

pytestmark = pytest.mark.slow


def packed(saved: Path, target: Path, packing: Packing) -> Path:
    """The model with coarser weights."""
    save(target, *load(saved), packing)
    return target


@pytest.mark.parametrize(("packing", "share", "nats"), [("float16", 0.5, 1e-4), ("int8", 0.25, 1e-3)])
def test_packed_models_are_smaller_and_say_nearly_the_same(
    packing: Packing, share: float, nats: float, memorised: Memorised, tmp_path: Path
) -> None:
    whole, small = memorised[0], packed(memorised[0], tmp_path / "small", packing)
    assert small.stat().st_size < (share + 0.1) * whole.stat().st_size
    before, after = (load_model(path) for path in (whole, small))
    assert after.score(SENTENCE).nats_per_char == pytest.approx(before.score(SENTENCE).nats_per_char, abs=nats)
    differ = {"weights_sha256", "packed"}
    assert before.description.weights_sha256 != after.description.weights_sha256
    assert before.description.model_dump(exclude=differ) == after.description.model_dump(exclude=differ)
    # It is a model like any other: it may be exported again, and loses nothing more.
    export(small, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == small.read_bytes()


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("recipe", ["char", "word", "classic"])
def test_every_kind_of_model_can_be_packed(recipe: str, packing: Packing, tmp_path: Path) -> None:
    saved = FIXTURES / "models" / f"{recipe}.safetensors"
    (_, before, windows, _), (_, after, same, _) = load(saved), load(packed(saved, tmp_path / "x", packing))
    assert np.array_equal(windows, same)
    for name, weights in before.items():
        assert np.abs(after[name] - weights).max() <= np.abs(weights).max() / 200


def test_the_finest_that_fits_is_sent(tmp_path: Path) -> None:
    save_model(tmp_path / "model", units=(128,))
    for packing in PACKINGS:
        packed(tmp_path / "model", tmp_path / packing, packing)
    exact, half, steps = ((tmp_path / name).stat().st_size for name in ("model", *PACKINGS))
    for most, size in ((exact, exact), (exact - 1, half), (half, half), (half - 1, steps), (steps, steps)):
        export(tmp_path / "model", tmp_path / "x", most)
        assert (tmp_path / "x").stat().st_size == size
    (tmp_path / "x").unlink()
    with pytest.raises(UserError, match=" MB"):
        export(tmp_path / "model", tmp_path / "x", steps - 1)
    assert not (tmp_path / "x").exists()


def test_weights_beyond_half_precision_are_not_packed_in_it(tmp_path: Path) -> None:
    config = network(len(LETTERS))
    weights = random_weights(config)
    weights["output/bias"][0] = np.float32(1e6)
    save(tmp_path / "model", description_of(LETTERS, config), weights, windows(len(LETTERS)))
    with pytest.raises(UserError, match="too large numbers"):
        packed(tmp_path / "model", tmp_path / "x", "float16")
    packed(tmp_path / "model", tmp_path / "x", "int8")


def test_packed_weights_that_overflow_are_refused(tmp_path: Path) -> None:
    fields, arrays = apart(packed(FIXTURES / "models" / "char.safetensors", tmp_path / "x", "int8").read_bytes())
    scale = next(name for name in arrays if name.endswith("scale"))
    arrays[scale] = np.full_like(arrays[scale], 3e38)
    (tmp_path / "x").write_bytes(sealed(fields, arrays, digest=True))
    with pytest.raises(UserError, match="no usable probabilities"):
        load(tmp_path / "x")


def test_packed_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    whole = FIXTURES / "models" / "char.safetensors"
    halves, in_steps = (apart(packed(whole, tmp_path / "x", packing).read_bytes()) for packing in PACKINGS)
    scale = next(name for name in in_steps[1] if name.endswith("scale"))
    without = {name: array for name, array in in_steps[1].items() if name != "output/bias"}
    other_scale = {**in_steps[1], scale: in_steps[1][scale][:-1]}
    for fields, arrays in ((in_steps[0], other_scale), (in_steps[0], without), (halves[0], {})):
        (tmp_path / "x").write_bytes(sealed(fields, arrays, digest=True))
        with pytest.raises(UserError, match="damaged"):
            load(tmp_path / "x")


def test_scales_of_a_wider_type_take_no_more_memory(tmp_path: Path) -> None:
    fields, _ = apart(packed(FIXTURES / "models" / "char.safetensors", tmp_path / "x", "int8").read_bytes())
    large = {"x": np.ones((2_000, 2_000), np.int8), "x/scale": np.ones(2_000)}
    whole = {WINDOWS: np.zeros((1, 1), np.uint8), **large}
    (tmp_path / "x").write_bytes(sealed(fields, whole, digest=True))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="damaged"):
            load(tmp_path / "x")
        assert tracemalloc.get_traced_memory()[1] < 7 * large["x"].nbytes
    finally:
        tracemalloc.stop()
