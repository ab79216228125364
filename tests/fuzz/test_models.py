"""Whatever comes as a model's file is imported whole, or refused in words, and leaves nothing behind.

A case says what is changed in an export: fields of its description, of the header of its weights, its archive, or its
bytes. What is imported all the same is drawn as a card: its texts may be anything.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared import keys
from shared.events import Failed, Imported, Pictured
from shared.jobs import MODEL_FILE
from shared.settings import Settings
from tests.fuzz import words
from tests.fuzz.budget import Cost, fuzz, guarded
from tests.fuzz.mutation import paths, values
from tests.fuzz.saved import because, saved
from tests.worker.conftest import client, one_and_two  # noqa: F401
from tests.worker.jobs import PLACE, import_job, picture_job, run

pytestmark = pytest.mark.usefixtures("one_and_two")

FIXTURES = Path(__file__).parents[1] / "fixtures"
SAVED = {"/".join(path.parts[-3:-1]): path.parent for path in sorted(FIXTURES.glob("format-*/*/model.json"))}
DESCRIPTION, WEIGHTS = "model.json", "weights.safetensors"
MEMBERS = (DESCRIPTION, WEIGHTS, "run.py", "../x", "C:\\x", "", "x" * 200, "model.json\x00.py")


def header_of(weights: bytes) -> dict[str, Any]:
    """What a safetensors file says that it holds."""
    (length,) = struct.unpack("<Q", weights[:8])
    made: dict[str, Any] = json.loads(weights[8 : 8 + length])
    return made


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    """An export, and what is wrong with it."""
    name = draw(st.sampled_from(sorted(SAVED)))
    description = json.loads((SAVED[name] / DESCRIPTION).read_text("utf-8"))
    header = header_of((SAVED[name] / WEIGHTS).read_bytes())
    # Each symbol and each point of the curve would be a place of its own, and hardly ever anything else were changed.
    places = [path for path in paths(description) if path[0] not in ("symbols", "curve") or len(path) == 1]

    def changes(found: list[Any]) -> list[Any]:
        change = st.tuples(st.sampled_from(found).map(list), values | words.text(3)).map(list)
        return list(draw(st.lists(change, max_size=3)))

    case: dict[str, Any] = {"base": name, "description": [], "header": []}
    match draw(st.sampled_from(("description", "description", "header", "members", "bytes", "raw"))):
        case "description":
            case["description"] = changes(places)
        case "header":
            case["header"] = changes(paths(header))
        case "members":
            case["members"] = draw(st.lists(st.sampled_from(MEMBERS), max_size=4))
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


def file_of(case: dict[str, Any]) -> bytes:
    """The file that a case describes."""
    if "raw" in case:
        return b"PK\x03\x04" + bytes.fromhex(case["raw"])
    folder = SAVED[case["base"]]
    weights = (folder / WEIGHTS).read_bytes()
    if case["header"]:
        (length,) = struct.unpack("<Q", weights[:8])
        header = json.dumps(changed(header_of(weights), case["header"])).encode()
        weights = struct.pack("<Q", len(header)) + header + weights[8 + length :]
    description = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    description["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    contents = {DESCRIPTION: json.dumps(changed(description, case["description"])), WEIGHTS: weights}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in case.get("members", (DESCRIPTION, WEIGHTS)):
            member = zipfile.ZipInfo("x")
            member.filename = name or "x"
            archive.writestr(member, contents.get(name, "x"))
    data = bytearray(held.getvalue())
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
            before.add(record.model_id)
            assert record.channel_id == PLACE.channel_id
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
