"""Settings within bounds, and what the operator is told of one that is not."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from kombu import Connection
from kombu.transport.redis import Channel
from pydantic import ValidationError

from shared.settings import ANSWER_WITHIN_S, Settings, SettingsError, misspelt, read_settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GENERATE_TIMEOUT_S", "841", "it should be less than or equal to 840"),
        ("GENERATE_TIMEOUT_S", "4", "it should be greater than or equal to 5"),
        ("CORPUS_MAX_MB", "inf", "it should be a finite number"),
        ("TRAIN_MAX_MINUTES", "1e9", "it should be less than or equal to 43200"),
        ("TRAIN_MINUTES", "eight", "it should be a valid number"),
        ("METRICS_PORT", "65535", "it should be less than or equal to 65000"),
        ("TRAIN_WORKERS", "1.5", "it should be a valid integer"),
        ("MEMBERS_INTENT", "perhaps", "it should be a valid boolean"),
        ("LOG_LEVEL", "LOUD", "it should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("WORKER_NAME", "a b", "it takes up to 32 letters, digits, - and _, the first of them a letter or digit"),
        ("GUTENBERG_MIRRORS", '{"a": 1}', "it should be a valid tuple"),
        ("GUTENBERG_MIRRORS", '["https://one.example/{}.txt"]', "have {number} in place of the book's number"),
        ("GUTENBERG_MIRRORS", '["one.example/{number}.txt"]', "addresses that begin with https:// or http://"),
        ("GUTENBERG_MIRRORS", '["https://[/{number}.txt"]', "addresses that begin with https:// or http://"),
        ("COMMAND_PREFIX", "toolong", "it should have at most 5 characters"),
        ("COMMAND_PREFIX", "/", "no / or @ at its start"),
        ("COMMAND_PREFIX", "@", "no / or @ at its start"),
        ("COMMAND_PREFIX", "g !", "no spaces"),
        ("COMMAND_PREFIX", "`", "backticks"),
    ],
)
def test_what_cannot_work_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert f"{name}: " in caught.value.problem
    assert said in caught.value.problem
    for pydantics in ("Value error", "Input", "String", "unable"):
        assert pydantics not in caught.value.problem


def test_the_bounds_themselves_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENERATE_TIMEOUT_S", str(ANSWER_WITHIN_S))
    monkeypatch.setenv("COMMAND_PREFIX", "g!")
    assert read_settings().generate_timeout_s == ANSWER_WITHIN_S
    assert Settings().command_prefix == "g!"


def test_a_misspelt_name_is_told_with_the_right_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("DISCORD_TOCKEN=secret\nTRAIN_MINUTES=3\nGPUS=1\nAWS_PROFILE=mine\nHTTPS_PROXY=http://h\n", "utf-8")
    with file.open("a", encoding="utf-8") as text:
        text.write("REDIS_PASSWORD:hunter2\n")
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    assert misspelt() == [".env: DISCORD_TOCKEN is no setting. Do you mean DISCORD_TOKEN?"]


@pytest.mark.parametrize("folder", ["SECRETS_DIR", "CREDENTIALS_DIRECTORY"])
def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str) -> None:
    monkeypatch.setenv(folder, str(tmp_path))
    (tmp_path / "discord_token").write_text("a-token\n", "utf-8")
    (tmp_path / "redis_url").write_text("", "utf-8")  # to be filled in
    (tmp_path / "redis_tls_ca").write_text("of somebody else", "utf-8")
    settings = read_settings()
    assert settings.discord_token is not None
    assert settings.discord_token.get_secret_value() == "a-token"
    assert settings.redis_url is None

    monkeypatch.setenv("DISCORD_TOKEN", "")  # Compose empties what .env may have
    assert read_settings().discord_token == settings.discord_token
    monkeypatch.setenv("DISCORD_TOKEN", "another")
    assert read_settings().discord_token != settings.discord_token


def test_what_cannot_be_read_at_all_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GUTENBERG_MIRRORS", "https://one.example")
    with pytest.raises(SettingsError, match=r'GUTENBERG_MIRRORS cannot be read.*for a list \["a", "b"\]'):
        read_settings()
    monkeypatch.delenv("GUTENBERG_MIRRORS")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    (tmp_path / "discord_token").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="DISCORD_TOKEN cannot be read"):
        read_settings()


AWKWARD = "p/@:%'\"#& ä"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h:1/0", "redis://:{}@h:1/0"),
        ("redis://bot@h:1/0", "redis://bot:{}@h:1/0"),
        ("redis://bot:@h:1/0", "redis://bot:{}@h:1/0"),
        ("rediss://:own@h:1/0", "rediss://:own@h:1/0"),
        ("rediss://worker@[fd00::1]:6380/0", "rediss://worker:{}@[fd00::1]:6380/0"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("unix://bot@/run/redis.sock", "unix://bot:{}@/run/redis.sock"),
    ],
)
def test_the_password_is_put_into_an_address_that_has_none(url: str, address: str) -> None:
    settings = Settings(redis_url=url, redis_password=AWKWARD)
    assert settings.redis_address == address.format(quote(AWKWARD, safe=""))
    client = redis.Redis.from_url(settings.redis_address)
    expected = AWKWARD if "{}" in address else "own" if "own" in address else None
    assert client.connection_pool.connection_kwargs.get("password") == expected


@pytest.mark.parametrize("url", ["localhost:6379", "redis://:abc/def@h:6379/0", "http://h/0", "redis://h:0x1"])
def test_an_address_that_is_none_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ValidationError, match="it is written redis://") as told:
        Settings(redis_url=url)
    assert "abc" not in str(told.value)


class Unconnected(Channel):  # type: ignore[misc]
    """Kombu's, before it reaches for the server."""

    def __init__(self, transport: Any) -> None:
        self.connection = transport
        self._registered = False

    def __del__(self) -> None:
        pass


@pytest.mark.parametrize("url", ["redis://bot@h:1/0", "unix://bot@/run/redis.sock"])
def test_celery_gets_the_same_password(url: str) -> None:
    broker = Connection(Settings(redis_url=url, redis_password=AWKWARD).broker_url)
    options = Unconnected(broker.transport)._connparams()
    assert (options["username"], options["password"]) == ("bot", AWKWARD)


def test_without_an_address_the_usual_one_gets_it_but_not_the_one_of_make_run() -> None:
    settings = Settings(redis_password="secret")
    assert settings.redis_address == "redis://:secret@127.0.0.1:6379/0"
    settings.redis_url_file.parent.mkdir(parents=True)
    settings.redis_url_file.write_text("unix:///run/redis.sock")
    assert settings.redis_address == "unix:///run/redis.sock"


def test_it_is_shown_nowhere() -> None:
    settings = Settings(redis_url="redis://h:1", redis_password="hidden")
    assert "hidden" not in repr(settings) + str(settings.model_dump())


def test_tls_is_strict_unless_the_address_says_otherwise() -> None:
    assert Settings(redis_url="redis://h:1").redis_tls is None
    assert Settings(redis_url="rediss://h:1").redis_tls == {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
