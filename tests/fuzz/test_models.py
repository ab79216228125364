"""Whatever comes as a model's file is imported whole, or refused in words, and leaves nothing behind.

A case says what is changed in an export: fields of its description, of its header, or its bytes; or what is harmed in
it: a symbol's length, the windows of its corpus, its weights. What is imported all the same writes, scores and is drawn
as a card: its texts may be anything, and what Redis keeps of them is small.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from hypothesis import given, strategies as st
from structlog.testing import capture_logs

from galvanic.model_file import _digest
from shared import keys
from shared.events import Failed, Generated, Imported, Pictured, Surprised
from shared.jobs import MODEL_FILE
from shared.settings import Settings
from tests.fuzz import words
from tests.fuzz.budget import Cost, fuzz, guarded
from tests.fuzz.mutation import paths, values
from tests.fuzz.saved import because, saved
from tests.worker.conftest import _nothing_is_warm, client, one_and_two  # noqa: F401
from tests.worker.hostile import apart, sealed
from tests.worker.jobs import PLACE, generate_job, import_job, picture_job, run, surprise_job

pytestmark = pytest.mark.usefixtures("one_and_two")

FIXTURES = Path(__file__).parents[1] / "fixtures"
SAVED = {f"{path.parent.name}/{path.stem}": path for path in sorted(FIXTURES.glob("format-*/*.safetensors"))}


def header_of(weights: bytes) -> dict[str, Any]:
    """What a safetensors file says that it holds."""
    (length,) = struct.unpack("<Q", weights[:8])
    made: dict[str, Any] = json.loads(weights[8 : 8 + length])
    return made


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    """An export, and what is wrong with it."""
    name = draw(st.sampled_from(sorted(SAVED)))
    data = SAVED[name].read_bytes()
    description, header = apart(data)[0], header_of(data)
    # Each symbol and each point of the curve would be a place of its own, and hardly ever anything else were changed.
    places = [path for path in paths(description) if path[0] not in ("symbols", "curve") or len(path) == 1]

    def changes(found: list[Any]) -> list[Any]:
        change = st.tuples(st.sampled_from(found).map(list), values | words.text(3)).map(list)
        return list(draw(st.lists(change, max_size=3)))

    case: dict[str, Any] = {"base": name, "description": [], "header": []}
    kinds = ("description", "description", "header", "bytes", "raw", "harm", "harm")
    match draw(st.sampled_from(kinds)):
        case "description":
            case["description"] = changes(places)
        case "header":
            case["header"] = changes(paths(header))
        case "harm":
            sizes, numbers = st.sampled_from((1, 2, 100, 101, 1_000, 10**6)), st.sampled_from(sorted(header))
            case["symbol"] = draw(st.none() | st.tuples(st.integers(0, 40), sizes).map(list))
            case["windows"] = draw(st.none() | st.tuples(sizes, sizes, st.integers(0, 40)).map(list))
            case["fill"] = draw(st.none() | st.tuples(numbers, st.floats(width=32)).map(list))
        case "bytes":
            case["flips"] = draw(st.lists(st.tuples(st.integers(0, 9_999), st.integers(1, 255)).map(list), max_size=4))
            case["cut"] = draw(st.none() | st.integers(0, 9_999))
        case _:
            case["raw"] = draw(st.binary(max_size=100)).hex()
    case["name"] = draw(st.none() | words.names)
    return case


def changed(data: Any, changes: list[Any]) -> Any:
    """The same with something else at each of these places that are still there."""
    for path, value in changes:
        place = data
        try:
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    return data


def harm(case: dict[str, Any], description: dict[str, Any], arrays: Any) -> None:
    """Change a symbol, the windows, the weights as a case says."""
    if case.get("symbol"):
        place, length = case["symbol"]
        description["symbols"][place % len(description["symbols"])] = "ä" * length
    if case.get("windows"):
        rows, columns, symbol = case["windows"]
        arrays["corpus_windows"] = np.full((rows, min(columns, 3_000_000 // rows)), symbol, np.uint8)
    if case.get("fill"):
        name, value = case["fill"]
        if name in arrays:
            arrays[name] = np.full_like(arrays[name], value if arrays[name].dtype == np.float32 else 0)


def require_small(client: redis.Redis, model_id: str) -> None:  # noqa: F811
    """See that it writes and scores, or says in words why not, and that little is kept of that."""
    for job in (
        generate_job(1, model_id=model_id, seed="", from_corpus=True),
        generate_job(2, model_id=model_id, seed="the boat"),
        surprise_job("the boat", model_id),
    ):
        answer = run(client, job)
        assert isinstance(answer, Generated | Surprised | Failed), answer
        assert not isinstance(answer, Failed) or "Something went wrong" not in answer.problem, answer
        kept = client.memory_usage(keys.job_events(job.job_id))
        assert kept is not None
        assert kept < 20_000


def file_of(case: dict[str, Any]) -> bytes:
    """The file that a case describes."""
    if "raw" in case:
        return bytes.fromhex(case["raw"])
    description, arrays = apart(SAVED[case["base"]].read_bytes())
    harm(case, description, arrays)
    description["weights_sha256"] = _digest(arrays)
    whole = sealed(changed(description, case["description"]), arrays)
    if case["header"]:
        (length,) = struct.unpack("<Q", whole[:8])
        header = json.dumps(changed(header_of(whole), case["header"])).encode()
        whole = struct.pack("<Q", len(header)) + header + whole[8 + length :]
    data = bytearray(whole)
    for place, bits in case.get("flips", ()):
        data[place * len(data) // 10_000] ^= bits
    cut = case.get("cut")
    return bytes(data if cut is None else data[: cut * len(data) // 10_000])


def carry_out(client: redis.Redis, settings: Settings, case: dict[str, Any]) -> None:  # noqa: F811
    """Import it, draw its card if it is a model, and see what is left."""
    client.flushall()
    models = settings.data_dir / "models"
    before = {path.name for path in models.iterdir()}
    job = import_job(name=case.get("name") and case["name"].encode("utf-8", "replace").decode())
    with guarded(), capture_logs() as logged:
        client.set(keys.artifact(job.job_id, MODEL_FILE), file_of(case), ex=600)
        answer = run(client, job)
        assert isinstance(answer, Imported | Failed)
        if isinstance(answer, Imported):
            record = answer.model
            assert record.name.isascii()
            assert 0 < len(record.name) <= 36
            drawn = run(client, picture_job(record.model_id, record.name))
            assert isinstance(drawn, Pictured), drawn
            require_small(client, record.model_id)
            before.add(f"{record.model_id}.safetensors")
            assert len(record.model_dump_json()) < 20_000
        else:
            assert answer.problem.strip(), answer
            assert answer.remedy.strip(), answer
            assert "Something went wrong" not in answer.problem, answer
            assert not client.exists(keys.guild_models(PLACE.guild_id))
    assert not [line for line in logged if line["log_level"] in ("error", "critical")], logged
    assert {path.name for path in models.iterdir()} == before
    assert not client.exists(keys.artifact(job.job_id, MODEL_FILE))


@pytest.mark.fuzz("models")
def test_saved_models(client: redis.Redis, settings: Settings) -> None:  # noqa: F811
    for why, case in saved("models"):
        with because(why):
            carry_out(client, settings, case)


@pytest.mark.fuzz("models")
@fuzz("models")
@given(case=cases())
def test_any_model(client: redis.Redis, settings: Settings, cost: Cost, case: dict[str, Any]) -> None:  # noqa: F811
    with cost.measured(case):
        carry_out(client, settings, case)
