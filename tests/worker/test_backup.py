"""Backups: what is in them, and that all of it comes back."""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared import kept, keys, turns
from shared.connect import connect
from shared.corpora import pack
from shared.events import Interrupted, parse_event
from shared.jobs import TRAIN_QUEUE, TranscriptRef
from shared.settings import Settings, get_settings
from tests import factories
from tests.worker.backups import (
    FIXTURE,
    add_model,
    add_training,
    contents,
    elsewhere,
    refused,
    restored,
)
from worker.backup.entries import Snapshot
from worker.backup.keyspace import Kind, kind_of
from worker.cli import main
from worker.jobs.job_files import JobFiles
from worker.jobs.joblog import JobLog, run_script
from worker.store import ModelStore

SECRET = "what a member said"


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as client:
        yield client


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Where the backup goes."""
    return tmp_path / "kept" / "galvanic.tar"


# ---------------------------------------------------------------------- there and back


def test_everything_comes_back_as_it_was(
    client: redis.Redis,
    settings: Settings,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_model(client, settings, "m1")
    client.hset(keys.channel(901), mapping={"model": "m1", "temperature": "0.5"})
    client.set(keys.guild_settings(900), '{"prefix":"?"}')
    client.hset(keys.consent(900), mapping={str(n): "{}" for n in range(1_234)})
    client.set(keys.corpus("aa"), os.urandom(100_000), ex=5_000)
    client.rpush(keys.transcript_text("x"), *[bytes([n % 256, 255]) for n in range(1_100)], b"")
    client.hset(keys.transcript("x"), mapping={"info": "{}", "revision": "3"})
    client.sadd(keys.UNDELIVERED, *[f"g-{n}" for n in range(700)])
    client.zadd(keys.WAITING, {"nobody": 1234567890.125})
    client.hset(keys.job("g-old"), mapping={"job": "{}", "entry": b"\xff\x00"})
    for number in range(1, 4):
        client.xadd(keys.job_events("g-old"), {"event": "ä" * number, "more": ""}, id=f"1-{number}")
    client.xdel(keys.job_events("g-old"), "1-3")
    client.set(keys.artifact("g-old", "loss.png"), os.urandom(50_000), ex=900)
    before = contents(client)

    assert main(["backup", str(backup)]) == 0
    said = capsys.readouterr().out
    assert f"{backup}: " in said
    assert f"{len(before):,} keys of Redis, 1 model" in said
    assert backup.stat().st_mode & 0o777 == 0o600
    assert list(backup.parent.iterdir()) == [backup]
    assert contents(client) == before

    there = elsewhere(monkeypatch, client, tmp_path)
    assert "1 model." in restored(capsys, backup)
    after = contents(client)
    assert after.pop(keys.WAITING.encode()) == before.pop(keys.WAITING.encode())
    # A queue's message is not part of the state: the job that it names is unknown, so none was sent.
    assert after == before
    for name in ("model.json", "weights.safetensors"):
        assert (there.data_dir / "models" / "m1" / name).read_bytes() == (FIXTURE / name).read_bytes()


def test_models_come_from_and_go_to_a_remote_store(
    client: redis.Redis,
    settings: Settings,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_model(client, settings, "m1", files=False)
    monkeypatch.setenv("MODEL_STORE", f"memory://{tmp_path.name}/one")
    get_settings.cache_clear()
    ModelStore(get_settings()).save(FIXTURE, "m1")
    assert main(["backup", str(backup)]) == 0
    assert f"{tmp_path.name}/one has 1 models" in refused(capsys, "restore", str(backup))
    monkeypatch.setenv("MODEL_STORE", f"memory://{tmp_path.name}/two")
    there = elsewhere(monkeypatch, client, tmp_path)
    assert "1 model." in restored(capsys, backup)
    assert ModelStore(there).ids() == ["m1"]
    weights = (ModelStore(there).fetch("m1") / "weights.safetensors").read_bytes()
    assert weights == (FIXTURE / "weights.safetensors").read_bytes()


def test_each_of_our_keys_is_kept_or_passing() -> None:
    passing = {"DOORBELL", "CLAIMS", "DELETION_SENT", "PROBE"}
    passing |= {"RESTORED", "job_hold", "cooldown", "worker_info", "workers", "staged", "synced_commands", "leader"}
    found = {}
    for name, value in vars(keys).items():
        if name.startswith("_") or name.endswith("_pattern") or name in ("JOB_TTL_S", "annotations"):
            continue
        if inspect.isfunction(value):
            value = value(*["7"] * len(inspect.signature(value).parameters))
        found[name] = kind_of(value.encode())
    assert {name for name, kind in found.items() if kind is Kind.PASSING} == passing
    assert {kind for name, kind in found.items() if name not in passing} == {Kind.KEPT}
    for name in ("train", "generate", "train\x06\x163", "unacked", "unacked_index", "_kombu.binding.train"):
        assert kind_of(name.encode()) is Kind.PASSING
    assert kind_of(b"somebody-elses") is Kind.FOREIGN


def test_what_only_lives_and_what_is_not_ours_stays_behind(
    client: redis.Redis,
    settings: Settings,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_model(client, settings, "m1")
    client.set(keys.cooldown("train", 900, 902), "1")
    client.xadd(keys.DOORBELL, {"job": "t-1"})
    client.lpush("train", "a message")
    client.hset("unacked", "tag", "a message")
    client.set("somebody-elses", "x")
    assert main(["backup", str(backup)]) == 0
    assert "Left out: 1 keys" in capsys.readouterr().out
    elsewhere(monkeypatch, client, tmp_path)
    restored(capsys, backup)
    assert sorted(client.keys()) == [keys.guild_models(900).encode(), keys.model("m1").encode()]


# ---------------------------------------------------------------------- trainings


def test_each_training_goes_on_exactly_once(
    client: redis.Redis,
    settings: Settings,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_training(client, "t-run", claimed=True)
    add_training(client, "t-claimed")
    run_script(client, turns.claim("token-t-claimed"))
    add_training(client, "t-wait-1")
    add_training(client, "t-wait-2")
    done = add_training(client, "t-done")
    run_script(client, turns.cancel(done.job_id, Interrupted().model_dump_json()))
    attempt = int(client.hget(keys.job("t-run"), "attempt"))
    assert main(["backup", str(backup)]) == 0
    assert "4 trainings not over" in capsys.readouterr().out

    elsewhere(monkeypatch, client, tmp_path)
    assert "4 trainings will go on" in restored(capsys, backup)
    assert client.hlen(keys.CLAIMS) == 0
    assert client.llen(TRAIN_QUEUE) == 4
    claims = [run_script(client, turns.claim(f"new-{number}")) for number in range(6)]
    # Those that had begun are next; what has no more to claim claims nothing.
    assert claims == [b"t-run", b"t-claimed", b"t-wait-1", b"t-wait-2", None, None]
    assert client.hget(keys.job("t-run"), "deaths") == b"0"
    kinds = [parse_event(fields[b"event"]).kind for _, fields in client.xrange(keys.job_events("t-run"))]
    assert kinds == ["queued", "started", "interrupted"]
    # What the attempt of before may still say is refused.
    log = JobLog(client, "t-run")
    log.begin()
    assert log.attempt == attempt + 2
    assert client.hget(keys.job("t-run"), "card") == b"901:77"
    assert client.smembers(keys.UNDELIVERED) == {b"t-run", b"t-claimed", b"t-wait-1", b"t-wait-2", b"t-done"}


def test_a_checkpoint_comes_along_without_the_words(
    client: redis.Redis,
    settings: Settings,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = add_training(client, "t-1", claimed=True)
    for job_id in ("t-1", "t-long-over"):
        files = JobFiles.of(settings, job_id)
        files.checkpoint.mkdir(parents=True)
        (files.checkpoint / "checkpoint.safetensors").write_bytes(b"weights")
        (files.checkpoint / ".checkpoint.safetensors.partial").write_bytes(b"half of it")
        files.text.write_text(SECRET)
        files.save_learned(job.corpus)
    assert main(["backup", str(backup)]) == 0
    assert "1 training not over (1 with a checkpoint)" in capsys.readouterr().out
    assert SECRET.encode() not in backup.read_bytes()

    there = elsewhere(monkeypatch, client, tmp_path)
    assert "1 from a checkpoint" in restored(capsys, backup)
    files = JobFiles.of(there, "t-1")
    assert (files.checkpoint / "checkpoint.safetensors").read_bytes() == b"weights"
    assert files.load_learned() == job.corpus
    found = {path.relative_to(there.data_dir).as_posix() for path in there.data_dir.rglob("*") if path.is_file()}
    assert found == {"checkpoints/t-1/checkpoint/checkpoint.safetensors", "checkpoints/t-1/learned.json"}


def test_nothing_lives_longer_for_it_but_the_texts_that_trainings_need(
    client: redis.Redis,
    settings: Settings,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ref = TranscriptRef(transcript_id="x", revision=0, guild_id=900, channel_id=901)
    book = factories.corpus(sha256="aa")
    said = factories.corpus(sha256="", source="channel", transcript=ref)
    add_training(client, "t-book", corpus=book)
    add_training(client, "t-said", corpus=said)
    soon = int(1_000 * (time.time() + 3))
    for key in (*kept.text_keys(book), keys.corpus("other")):
        client.set(key, pack("words"), pxat=soon)
    for key in kept.text_keys(said):
        client.rpush(key, "words")
        client.pexpireat(key, soon)
    client.hset(keys.transcript("x"), "revision", "0")
    client.set(keys.artifact("g-1", "card.png"), "x", pxat=soon + 3_600_000)
    assert main(["backup", str(backup)]) == 0
    elsewhere(monkeypatch, client, tmp_path)
    time.sleep(max(0.0, soon / 1_000 - time.time()) + 0.1)
    assert "3 keys of Redis had expired" in restored(capsys, backup)
    assert 23 * 3_600 < client.ttl(keys.corpus("aa")) <= 24 * 3_600
    assert not client.exists(keys.corpus("other"), *kept.text_keys(said))
    assert client.pexpiretime(keys.artifact("g-1", "card.png")) == soon + 3_600_000


def test_it_shows_one_moment_while_trainings_come_and_go(client: redis.Redis, settings: Settings) -> None:
    stop = threading.Event()

    def busy() -> None:
        with connect(settings) as own:
            number = 0
            while not stop.is_set():
                number += 1
                job = add_training(own, f"t-{number}", claimed=number % 2 == 0)
                if number % 2:
                    run_script(own, turns.cancel(job.job_id, Interrupted().model_dump_json()))
                run_script(own, turns.close(job.job_id))
                own.srem(keys.UNDELIVERED, job.job_id)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(100):
            entries = {entry.key: entry for entry in Snapshot(client).entries}
            active = entries[keys.ACTIVE.encode()].pairs if keys.ACTIVE.encode() in entries else {}
            waiting = entries[keys.WAITING.encode()].values[::2] if keys.WAITING.encode() in entries else ()
            assert len(active) <= 1
            assert set(waiting) <= set(active)
            for job_id in active:
                assert b"over" not in entries[keys.job(job_id.decode()).encode()].pairs
                assert keys.job_events(job_id.decode()).encode() in entries
    finally:
        stop.set()
        thread.join()
