"""The deployment files, without an engine: what they promise, and that they keep up with the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from shared.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
ENV_EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
OURS = ("bot", "train", "generate")
# Read by Docker Compose, not by the programs.
COMPOSE_ONLY = {"REDIS_PASSWORD"}
SECRET = re.compile(r"password|token|redis_url|valkeycli_auth", re.IGNORECASE)


def load(name: str) -> dict[str, Any]:
    # safe_load resolves anchors and merge keys.
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return load("docker-compose.yml")


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    return compose["services"]


def test_every_service_is_contained_watched_and_restarted(services: dict[str, Any]) -> None:
    assert set(services) == {"redis", *OURS}
    for name, service in services.items():
        assert service["user"] not in ("root", "0", "0:0"), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert service["restart"] == "unless-stopped", name
        assert service["stop_grace_period"], name
        assert not service.get("privileged"), name
        assert "ports" not in service, f"{name} must not be reachable from outside"


def test_no_secret_stands_in_a_file(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for key, value in service["environment"].items():
            if SECRET.search(key):
                assert value == "" or value.startswith("${"), f"{name}: {key}"
    password = "${REDIS_PASSWORD:?"
    assert password in services["redis"]["environment"]["VALKEYCLI_AUTH"]
    for name in OURS:
        assert password in services[name]["environment"]["REDIS_URL"]


def test_the_token_reaches_the_bot_alone(services: dict[str, Any]) -> None:
    assert services["bot"]["environment"]["DISCORD_TOKEN"].startswith("${DISCORD_TOKEN:?")
    for name in ("train", "generate"):
        assert services[name]["environment"]["DISCORD_TOKEN"] == "", "overrides the one from .env"


def test_redis_forgets_nothing_and_hides_its_password(compose: dict[str, Any], services: dict[str, Any]) -> None:
    script = services["redis"]["command"][-1]
    settings = dict(line.split(maxsplit=1) for line in script.splitlines()[1:-1])
    assert settings["appendonly"] == "yes"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["requirepass"] == '"$$VALKEYCLI_AUTH"'
    # Only what stands in the first line becomes arguments that a list of processes shows.
    assert script.splitlines()[0] == "exec valkey-server - <<END"
    assert "redis:/data" in services["redis"]["volumes"]
    assert "redis" in compose["volumes"]


def test_both_workers_share_the_models(compose: dict[str, Any], services: dict[str, Any]) -> None:
    assert "models" in compose["volumes"]
    for queue in ("train", "generate"):
        assert services[queue]["volumes"] == ["models:/data"]
        assert services[queue]["command"] == ["serve", queue]
        assert services[queue]["healthcheck"]["test"] == ["CMD", "python", "-m", "worker", "health", queue]


def test_the_gpu_is_an_overlay(services: dict[str, Any]) -> None:
    assert all("deploy" not in service for service in services.values())
    train = load("docker-compose.gpu.yml")["services"]["train"]
    (device,) = train["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    assert train["build"]["args"] == {"EXTRA": "worker-gpu"}


@pytest.mark.parametrize(("name", "package"), [("bot", "bot"), ("worker", "worker")])
def test_an_image_holds_its_own_side_only_and_runs_as_nobody(name: str, package: str, services: dict[str, Any]) -> None:
    lines = (ROOT / "docker" / f"{name}.Dockerfile").read_text("utf-8").splitlines()
    copied = {line.split()[1] for line in lines if line.startswith("COPY ") and len(line.split()) == 3}
    assert copied == {"shared", package}
    (user,) = (line.split()[1] for line in lines if line.startswith("USER "))
    assert user == services["bot"]["user"]
    # Everything that is copied is let through to the build.
    context = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sources = {
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    }
    assert {f"!{source}" for source in sources} <= set(context)
    assert all((ROOT / source).exists() for source in sources)


def test_the_workers_image_can_be_built_for_cpu_and_gpu() -> None:
    text = (ROOT / "docker" / "worker.Dockerfile").read_text("utf-8")
    assert "ARG EXTRA=worker\n" in text
    assert '".[${EXTRA}]"' in text


def variables(text: str) -> set[str]:
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE))


def test_env_example_names_every_setting_and_no_other() -> None:
    names = {"PORT" if name == "playground_port" else name.upper() for name in Settings.model_fields}
    assert variables(ENV_EXAMPLE) - COMPOSE_ONLY == names


def test_env_example_explains_every_setting() -> None:
    lines = ENV_EXAMPLE.splitlines()
    for number, line in enumerate(lines):
        if variables(line):
            above = number - 1
            while variables(lines[above]):  # settings explained together
                above -= 1
            assert re.match(r"# \w", lines[above]), f"nothing explains {line}"


def test_env_example_as_it_is_changes_nothing(tmp_path: Path) -> None:
    # DATA_DIR is set for every test.
    assert Settings(_env_file=ROOT / ".env.example") == Settings(_env_file=None)
    values = dotenv_values(ROOT / ".env.example")
    assert set(values) == {"DISCORD_TOKEN", "REDIS_PASSWORD"}
    assert not any(values.values()), "a secret to be filled in must be empty"


def test_the_defaults_that_env_example_shows_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_DIR")
    uncommented = tmp_path / "env"
    uncommented.write_text(re.sub(r"^#([A-Z][A-Z0-9_]*=)", r"\1", ENV_EXAMPLE, flags=re.MULTILINE), "utf-8")
    assert set(dotenv_values(uncommented)) == variables(ENV_EXAMPLE)
    assert Settings(_env_file=uncommented) == Settings(_env_file=None)


def test_what_compose_asks_for_is_in_env_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text)) <= variables(ENV_EXAMPLE)
