"""Settings within bounds, and what the operator is told of one that is not."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from shared.settings import ANSWER_WITHIN_S, Settings, SettingsError, read_settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GENERATE_TIMEOUT_S", "841", "at most 840 seconds, because Discord takes an answer for 15 minutes"),
        ("GENERATE_TIMEOUT_S", "4", "greater than or equal to 5"),
        ("CORPUS_MAX_MB", "inf", "finite number"),
        ("CORPUS_TTL_HOURS", "inf", "finite number"),
        ("CORPUS_TTL_HOURS", "0.0001", "greater than or equal to 0.01"),
        ("TRAIN_MAX_MINUTES", "nan", "finite number"),
        ("TRAIN_MAX_MINUTES", "1e9", "less than or equal to"),
        ("SERVER_DISK_MB", "inf", "finite number"),
        ("CHAT_COOLDOWN_S", "inf", "finite number"),
        ("TRAIN_COOLDOWN_S", "1e12", "less than or equal to"),
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
    assert "Value error" not in caught.value.problem


def test_the_bounds_themselves_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENERATE_TIMEOUT_S", str(ANSWER_WITHIN_S))
    monkeypatch.setenv("COMMAND_PREFIX", "g!")
    assert read_settings().generate_timeout_s == ANSWER_WITHIN_S
    assert Settings().command_prefix == "g!"


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
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


def test_systemd_hands_secrets_over_in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "discord_token").write_text("a-token", "utf-8")
    assert read_settings().discord_token is not None


def test_no_folder_of_secrets_is_nothing_to_speak_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "none"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_settings().discord_token is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_secret_that_may_not_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    (tmp_path / "discord_token").touch(mode=0)
    with pytest.raises(SettingsError, match="DISCORD_TOKEN cannot be read"):
        read_settings()


def test_a_secret_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    (tmp_path / "discord_token").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="DISCORD_TOKEN cannot be read"):
        read_settings()
