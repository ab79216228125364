"""The model store on a real S3 server: whole models only, and plain words for its troubles."""

from pathlib import Path

import boto3
import pytest
import redis

from galvanic.errors import UserError
from shared import keys
from shared.events import Failed, Generated
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.settings import get_settings
from tests.factories import changed_settings, record
from tests.lives import expect
from tests.s3 import S3Server
from tests.worker.jobs import export_job, generate_job, run
from tests.worker.small import content, ids, save_model
from worker import serve, warm
from worker.cli import main
from worker.cli.doctor import check_store
from worker.store import ModelStore, StoreAway, delete_files

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("s3")]


def made(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_what_one_host_saves_another_fetches(
    s3: tuple[S3Server, str], file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ModelStore(get_settings())
    there = ModelStore(changed_settings(monkeypatch, DATA_DIR=tmp_path / "other"))
    here.check_usable()
    assert ids(here) == ids(there) == []
    here.save(file, "abc")
    assert content(there, "abc") == b"one"
    assert there.has("abc")
    here.save(made(file, b"two"), "abcd")
    assert ids(there) == ["abc", "abcd"]
    objects = s3[0].client.list_objects_v2(Bucket=s3[1])["Contents"]
    assert [one["Key"] for one in objects] == ["models/abc.safetensors", "models/abcd.safetensors"]
    with there.reading("abcd") as path:
        assert path.read_bytes() == b"two"
    assert not path.exists()
    here.delete("abc")
    here.delete("abc")
    assert not there.has("abc")
    assert ids(there) == ["abcd"]
    with pytest.raises(UserError, match="gone"):
        content(there, "abc")


def test_an_empty_region_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker Compose and systemd pass it on."""
    ModelStore(changed_settings(monkeypatch, AWS_DEFAULT_REGION="", AWS_ENDPOINT_URL=""))
    assert ".." not in boto3.client("s3").meta.endpoint_url


def test_each_host_forgets_what_was_deleted(
    client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore(get_settings())
    for seed, name in enumerate(("one", "two", "three")):
        save_model(tmp_path / name, seed=seed)
        store.save(tmp_path / name, name)
        client.set(keys.model(name), record(model_id=name).model_dump_json())
    there = changed_settings(monkeypatch, DATA_DIR=tmp_path / "there")
    models = warm.WarmModels(there)
    before = {name: models.use(1, name, lambda model: model) for name in ("one", "two", "three")}
    models.forget_deleted(client)
    assert models.ids() == {"one", "two", "three"}
    client.delete(keys.model("one"))  # as the bot does, long before its files are gone
    models.forget_deleted(client)
    assert models.ids() == {"two", "three"}
    assert models.use(1, "three", lambda model: model) is before["three"]


def test_a_store_that_is_away_is_told_in_plain_words(
    client: redis.Redis, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ModelStore(changed_settings(monkeypatch, **S3Server().environment("nobody")))  # it was never started
    for call in (store.check_usable, lambda: ids(store), lambda: content(store, "a"), lambda: store.save(file, "a")):
        with pytest.raises(StoreAway, match=r"does not answer \(EndpointConnectionError\)"):
            call()
    told = expect(Failed, run(client, generate_job(1)))
    assert told.problem == "The model store can't be reached just now."
    main(["doctor", "--json"])
    assert "does not answer" in capsys.readouterr().out


def test_wrong_keys_and_a_missing_bucket_are_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ModelStore(changed_settings(monkeypatch, MODEL_STORE="s3://nobodys/models"))
    for call in (store.check_usable, lambda: ids(store), lambda: content(store, "a"), lambda: store.save(file, "a")):
        with pytest.raises(StoreAway, match="no such bucket"):
            call()
    strict = S3Server(INITIAL_NO_AUTH_ACTION_COUNT="1")
    strict.start()
    try:
        place = {"MODEL_STORE": f"s3://{strict.bucket()}/models", "AWS_ENDPOINT_URL": strict.url}
        store = ModelStore(changed_settings(monkeypatch, **place))
        for call in (lambda: ids(store), lambda: content(store, "a"), lambda: store.save(file, "a")):
            with pytest.raises(StoreAway, match="refuses these keys") as raised:
                call()
            assert "secret" not in str(raised.value)
    finally:
        strict.stop()


def test_an_address_that_nobody_knows_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = changed_settings(monkeypatch, MODEL_STORE="s4://bucket/models")
    with pytest.raises(UserError, match="s4://"):
        ModelStore(settings)
    told = check_store(settings)
    assert "begins with s4://, which this installation doesn't know" in told.problem
    assert "install -c constraints.txt s3fs" in told.remedy
    for queue in (TRAIN_QUEUE, GENERATE_QUEUE):  # Celery would swallow it, and each training would die again and again
        with pytest.raises(SystemExit):
            serve._connect_signals(settings, queue, "w", tmp_path / "stop")
    assert "s4://" in capsys.readouterr().err


def test_a_deleted_model_is_gone_from_the_store(client: redis.Redis, tmp_path: Path) -> None:
    save_model(tmp_path / "one")
    ModelStore(get_settings()).save(tmp_path / "one", "one")
    assert isinstance(run(client, generate_job(1)), Generated)
    assert run(client, export_job()).kind == "exported"
    client.sadd(keys.DELETING, "one")
    delete_files(client, ModelStore(get_settings()))
    warm.warm_models().forget_deleted(client)
    assert ids(ModelStore(get_settings())) == []
    assert isinstance(run(client, generate_job(2)), Failed)
