"""Settings within bounds, and what the operator is told of one that is not."""

from __future__ import annotations

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
