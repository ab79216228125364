"""Backups: what is in them, and that all of it comes back."""

from __future__ import annotations

import os
import re
import threading
import time

import redis

from bot.jobs import client as jobs
from galvanic.options import TranscriptRef
from shared import keys, lifecycle
from shared.connect import connect
from shared.corpora import pack
from shared.events import Cancelled
from tests import factories, lives
from tests.s3 import S3Server
from tests.worker.backup.installation import FIXTURE, Installation, add_training
from worker.backup.archive import is_kept
from worker.backup.take import take_snapshot

SECRET = "what a member said"


# ---------------------------------------------------------------------- there and back


def fill(client: redis.Redis) -> None:
    """Some of each kind of value that Redis has: long, binary, expiring, with holes."""
    client.hset(keys.channel(901), mapping={"model": "m1", "temperature": "0.5"})
    client.set(keys.guild_settings(900), '{"prefix":"?"}')
    client.hset(keys.consent(900), mapping={str(n): "{}" for n in range(1_234)})
    client.set(keys.corpus("aa"), os.urandom(100_000), ex=5_000)
    client.rpush(keys.transcript_text("x"), *[bytes([n % 256, 255]) for n in range(1_100)], b"")
    client.hset(keys.transcript("x"), mapping={"info": "{}", "revision": "3"})
    client.sadd(keys.OUTBOX, *[f"g-{n}" for n in range(700)])
    client.hset(keys.job("g-old"), mapping={"job": "{}", "entry": b"\xff\x00"})
    for number in range(1, 4):
        client.xadd(keys.job_events("g-old"), {"event": "ä" * number, "more": ""}, id=f"1-{number}")
    client.xdel(keys.job_events("g-old"), "1-3")
    client.set(keys.artifact("g-old", "loss.png"), os.urandom(50_000), ex=900)


def test_everything_comes_back_as_it_was(galvanic: Installation) -> None:
    galvanic.add_model("m1")
    fill(galvanic.client)
    before = galvanic.contents()

    said = galvanic.back_up()
    assert f"{galvanic.backup}: " in said
    assert f"{len(before):,} keys of Redis, 1 model" in said
    assert galvanic.backup.stat().st_mode & 0o777 == 0o600
    assert list(galvanic.backup.parent.iterdir()) == [galvanic.backup]
    assert galvanic.contents() == before

    galvanic.elsewhere()
    assert "1 model." in galvanic.restored()
    after = galvanic.contents()
    assert after == before
    assert (galvanic.data / "models" / "m1.safetensors").read_bytes() == FIXTURE.read_bytes()


def test_models_come_from_and_go_to_a_remote_store(galvanic: Installation, s3: tuple[S3Server, str]) -> None:
    _, bucket = s3
    galvanic.add_model("m1", files=False)
    galvanic.keep_models_in(f"s3://{bucket}/one")
    galvanic.store.save(FIXTURE, "m1")
    galvanic.back_up()
    assert f"{bucket}/one has 1 model" in galvanic.not_restored()
    galvanic.elsewhere()
    galvanic.keep_models_in(f"s3://{bucket}/two")
    assert "1 model." in galvanic.restored()
    assert galvanic.store.ids() == ["m1"]
    with galvanic.store.reading("m1") as file:
        assert file.read_bytes() == FIXTURE.read_bytes()


def test_each_of_our_keys_is_kept_or_only_lives() -> None:
    passing = {"NOTIFICATIONS", "PROBE", "job_lease", "worker_states", "worker_info", "workers"}
    passing |= {"cooldown", "synced_commands", "leader", "greeted", "term", "QUIZZES", "quiz", "spoken"}
    found = {}
    for name, value in vars(keys).items():
        if isinstance(value, str) and not name.startswith("_"):
            found[name] = is_kept(re.sub(r"{\w+}", "7", value).encode())
    assert {name for name, kept in found.items() if not kept} == passing
    for name in ("train", "generate", "unacked", "unacked_index", "_kombu.binding.train", "somebody-elses"):
        assert not is_kept(name.encode())


def test_what_only_lives_and_what_is_not_ours_stays_behind(galvanic: Installation) -> None:
    client = galvanic.client
    galvanic.add_model("m1")
    client.set(keys.cooldown("train", 900, 902), "1")
    client.xadd(keys.NOTIFICATIONS, {"job": "t-1"})
    client.lpush("train", "a message")
    client.hset("unacked", "tag", "a message")
    client.set("somebody-elses", "x")
    galvanic.back_up()
    galvanic.elsewhere()
    galvanic.restored()
    assert sorted(client.keys()) == sorted(
        name.encode() for name in (keys.guild_models(900), keys.model("m1"), keys.ownership("m1"))
    )


# ---------------------------------------------------------------------- trainings


def test_trainings_are_as_they_were_and_nothing_is_sent(galvanic: Installation) -> None:
    client = galvanic.client
    add_training(client, "t-run", claimed=True)
    add_training(client, "t-waits")
    done = add_training(client, "t-done")
    lives.run(client, lifecycle.cancel(done.job_id))
    before = galvanic.contents()
    assert "2 trainings not over" in galvanic.back_up()

    galvanic.elsewhere()
    assert "2 trainings not over" in galvanic.restored()
    after = galvanic.contents()
    own = {keys.job("t-run"), keys.job_events("t-run"), keys.NOTIFICATIONS}
    gone = {keys.job_lease("t-run"), keys.worker_states("train")}
    assert {key.decode() for key in before if key not in after} == gone
    assert {key: value for key, value in after.items() if key.decode() not in own} == {
        key: value for key, value in before.items() if key.decode() not in own | gone
    }
    # What ran goes on as after a stop in order: at once, and nobody has died.
    assert client.hmget(keys.job("t-run"), "state", "deaths") == [b"waiting", b"0"]


def test_a_checkpoint_comes_along_without_the_words(galvanic: Installation) -> None:
    job = add_training(galvanic.client, "t-1", claimed=True)
    for job_id in ("t-1", "t-long-over"):
        files = galvanic.add_checkpoint(job_id, b"weights")
        (files.checkpoint / ".checkpoint.safetensors.partial").write_bytes(b"half of it")
        files.text.write_text(SECRET)
        files.learned.write_text(job.corpus.model_dump_json())
    assert "1 training not over (1 with a checkpoint)" in galvanic.back_up()
    assert SECRET.encode() not in galvanic.backup.read_bytes()

    galvanic.elsewhere()
    assert "1 from a checkpoint" in galvanic.restored()
    files = galvanic.files_of("t-1")
    assert (files.checkpoint / "checkpoint.safetensors").read_bytes() == b"weights"
    assert files.learned.read_text() == job.corpus.model_dump_json()
    found = {path.relative_to(galvanic.data).as_posix() for path in galvanic.data.rglob("*") if path.is_file()}
    assert found == {"checkpoints/t-1/checkpoint/checkpoint.safetensors", "checkpoints/t-1/learned.json"}


def test_nothing_lives_longer_for_it_but_the_texts_that_trainings_need(galvanic: Installation) -> None:
    client = galvanic.client
    ref = TranscriptRef(transcript_id="x", revision=0, guild_id=900, channel_id=901)
    book = factories.corpus(sha256="aa")
    said = factories.corpus(sha256="", source="channel", transcript=ref)
    add_training(client, "t-book", corpus=book)
    add_training(client, "t-said", corpus=said)
    soon = int(1_000 * (time.time() + 15))
    for key in (*jobs.text_keys(book), keys.corpus("other")):
        client.set(key, pack("words"), pxat=soon)
    for key in jobs.text_keys(said):
        client.rpush(key, "words")
        client.pexpireat(key, soon)
    client.hset(keys.transcript("x"), "revision", "0")
    client.set(keys.artifact("g-1", "card.png"), "x", pxat=soon + 3_600_000)
    galvanic.back_up()
    galvanic.elsewhere()
    time.sleep(max(0.0, soon / 1_000 - time.time()) + 0.1)
    galvanic.restored()
    assert 23 * 3_600 < client.ttl(keys.corpus("aa")) <= 24 * 3_600
    assert not client.exists(keys.corpus("other"), *jobs.text_keys(said))
    assert client.pexpiretime(keys.artifact("g-1", "card.png")) == soon + 3_600_000


def test_it_shows_one_moment_while_trainings_come_and_go(galvanic: Installation) -> None:
    stop = threading.Event()
    client = galvanic.client

    def busy() -> None:
        with connect(galvanic.settings) as own:
            number = 0
            while not stop.is_set():
                number += 1
                job = add_training(own, f"t-{number}", claimed=number % 2 == 0)
                if number % 2:
                    lives.run(own, lifecycle.cancel(job.job_id))
                else:
                    lives.take(own, job.job_id).publish(Cancelled())
                own.srem(keys.OUTBOX, job.job_id)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(50):
            snapshot = take_snapshot(client)
            known = {entry.key for entry in snapshot.entries}
            assert len(snapshot.jobs) <= 1
            for job_id in snapshot.jobs:
                assert keys.job_events(job_id).encode() in known
                dumped = next(entry.value for entry in snapshot.entries if entry.key == keys.job(job_id).encode())
                client.restore("copy", 0, dumped, replace=True)
                assert client.hget("copy", "state") != b"over"
            client.delete("copy")
    finally:
        stop.set()
        thread.join()
