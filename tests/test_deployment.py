"""The deployment files, without an engine: what they promise, and that they keep up with the code."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from shared.settings import Settings
from tests import compose
from tests.compose import FILES, ROOT

ENV_EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
EVERY_PROFILE = "cpu,gpu,monitoring"
WORKERS = ("train", "train-gpu", "generate")
DIGEST = "@sha256:[0-9a-f]{64}"
SETTINGS = {"PORT" if name == "playground_port" else name.upper() for name in Settings.model_fields}


def resolves(test: Any) -> Any:
    """For what asks Docker Compose; `.ci/run` installs it."""
    there = pytest.mark.skipif(compose.command() is None, reason="Docker Compose is not installed")
    return there(pytest.mark.process(test))


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def services_of(file: str, profiles: str = EVERY_PROFILE) -> dict[str, Any]:
    services: dict[str, Any] = compose.resolved(file, profiles)["services"]
    return services


def source_of(service: dict[str, Any], target: str) -> str | None:
    """The secret that a service sees under a name."""
    names = {Path(secret["target"]).name: secret["source"] for secret in service.get("secrets", ())}
    return names.get(target)


@resolves
@pytest.mark.parametrize(
    ("file", "profiles", "there"),
    [
        ("docker-compose.yml", "cpu", {"redis", "bot", "train", "generate"}),
        ("docker-compose.yml", "gpu", {"redis", "bot", "train-gpu", "generate"}),
        ("docker-compose.yml", "cpu,monitoring", {"redis", "bot", "train", "generate", "prometheus"}),
        ("deploy/bot.compose.yml", "none", {"redis", "bot"}),
        ("deploy/worker.compose.yml", "cpu", {"train", "generate"}),
        ("deploy/worker.compose.yml", "gpu", {"train-gpu", "generate"}),
    ],
)
def test_profiles_choose_what_runs(file: str, profiles: str, there: set[str]) -> None:
    assert set(services_of(file, profiles)) == there


@resolves
@pytest.mark.parametrize(
    ("file", "variable"),
    [
        ("docker-compose.yml", "COMPOSE_PROFILES"),
        ("deploy/bot.compose.yml", "REDIS_PUBLISH"),
        ("deploy/worker.compose.yml", "COMPOSE_PROFILES"),
        ("deploy/worker.compose.yml", "REDIS_HOST"),
        ("deploy/worker.compose.yml", "MODEL_STORE"),
    ],
)
def test_what_must_be_chosen_is_asked_for(file: str, variable: str) -> None:
    others = {"COMPOSE_PROFILES": "cpu"} | FILES[file]
    del others[variable]
    done = compose.run(file, "config", variables=others)
    assert done.returncode != 0
    assert re.search(rf"{variable} is missing a value: is not set\. (Run|Put) \w", done.stderr), done.stderr


@resolves
def test_every_service_is_contained_limited_watched_and_restarted(file: str) -> None:
    for name, service in services_of(file).items():
        assert service["user"] not in ("root", "0", "0:0"), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["tmpfs"], name
        limits = service["deploy"]["resources"]["limits"]
        assert int(limits["memory"]) >= 2**29, name
        assert limits["pids"] >= 64, name
        assert not service.get("privileged"), name
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert service["restart"] == "unless-stopped", name
        assert service["stop_grace_period"], name


@resolves
def test_as_many_workers_run_as_are_set() -> None:
    for file in ("docker-compose.yml", "deploy/worker.compose.yml"):
        assert [services_of(file)[name]["deploy"]["replicas"] for name in WORKERS] == [1, 1, 1]
        numbers = {"TRAIN_WORKERS": "0", "GENERATE_WORKERS": "4", "COMPOSE_PROFILES": EVERY_PROFILE}
        done = compose.run(file, "config", "--format", "json", variables=FILES[file] | numbers)
        services = json.loads(done.stdout)["services"]
        assert [services[name]["deploy"]["replicas"] for name in WORKERS] == [0, 0, 4]
        assert {services[name]["environment"]["TRAIN_WORKERS"] for name in WORKERS} == {""}


@resolves
def test_nobody_is_reached_from_outside_but_redis_by_tls_and_prometheus_from_this_machine(file: str) -> None:
    published = {
        name: (port["host_ip"], port["target"])
        for name, service in services_of(file).items()
        for port in service.get("ports", ())
    }
    expected = {"prometheus": ("127.0.0.1", 9090)} if file != "deploy/worker.compose.yml" else {}
    if file == "deploy/bot.compose.yml":
        expected["redis"] = ("10.0.0.1", 6380)
    assert published == expected


@resolves
def test_no_secret_stands_in_a_file_or_variable(file: str) -> None:
    for name, service in services_of(file).items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|_KEY(_|$)", key):
                assert value == "", f"{name}: {key} must override what .env may have"
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{name}: a password in {key}"
    for secret in compose.resolved(file, EVERY_PROFILE)["secrets"].values():
        assert Path(secret["file"]).parent == ROOT / "secrets"


@resolves
def test_each_service_is_a_redis_user_of_its_own(file: str) -> None:
    users = {"bot": "bot"} | dict.fromkeys(WORKERS, "worker")
    for name in set(users) & set(services_of(file)):
        service = services_of(file)[name]
        host = "10.0.0.1:6380" if file == "deploy/worker.compose.yml" else "redis:6379"
        scheme = "rediss" if file == "deploy/worker.compose.yml" else "redis"
        assert service["environment"]["REDIS_URL"] == f"{scheme}://{users[name]}@{host}/0"
        assert source_of(service, "redis_password") == f"redis_{users[name]}_password"


@resolves
def test_the_token_reaches_the_bot_alone(file: str) -> None:
    has_it = {name for name, service in services_of(file).items() if source_of(service, "discord_token")}
    assert has_it == {"bot"} & set(services_of(file))


@resolves
def test_workers_elsewhere_check_that_it_is_their_redis() -> None:
    for name, service in services_of("deploy/worker.compose.yml").items():
        assert service["environment"]["REDIS_CA_FILE"] == "/run/secrets/redis_tls_ca", name
        assert source_of(service, "redis_tls_ca") == "redis_tls_ca", name
        assert service["environment"]["MODEL_STORE"] == "s3://bucket/folder", name
    redis = services_of("deploy/bot.compose.yml")["redis"]
    assert all(source_of(redis, f"redis_tls_{name}") for name in ("cert", "key", "ca"))
    assert source_of(redis, "redis_tls_ca_key") is None, "who has it can pretend to be Redis"


@resolves
@pytest.mark.parametrize(("train", "profile"), [("train", "cpu"), ("train-gpu", "gpu")])
def test_a_redis_of_ones_own_replaces_that_of_compose(tmp_path: Path, train: str, profile: str) -> None:
    page = (ROOT / "docs" / "containers.md").read_text("utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    override = tmp_path / "override.yml"
    override.write_text(shown.replace("  train:", f"  {train}:"), "utf-8")
    arguments = ("-f", str(override), "config", "--format", "json")
    done = compose.run("docker-compose.yml", *arguments, variables={"COMPOSE_PROFILES": profile})
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert set(services) == {"bot", train, "generate"}
    for name, service in services.items():
        user = "bot" if name == "bot" else "worker"
        assert service["environment"]["REDIS_URL"] == f"rediss://{user}@redis.example.org:6380/0"
        assert service["environment"]["REDIS_CA_FILE"] == "/run/secrets/redis_tls_ca"
        assert source_of(service, "redis_tls_ca")
        assert source_of(service, "redis_password")


@resolves
def test_the_gpu_is_for_training_alone() -> None:
    for file in ("docker-compose.yml", "deploy/worker.compose.yml"):
        services = services_of(file)
        for name in set(services) - {"train-gpu"}:
            assert "reservations" not in services[name]["deploy"]["resources"], name
        train = services["train-gpu"]
        (device,) = train["deploy"]["resources"]["reservations"]["devices"]
        assert device["driver"] == "nvidia"
        assert device["capabilities"] == ["gpu"]
        assert train["build"]["args"] == {"GROUP": "worker-gpu"}
        assert train["image"] != services["train"]["image"]


@resolves
def test_each_part_tells_prometheus_what_it_does() -> None:
    services = services_of("docker-compose.yml")
    for name in ("bot", *WORKERS):
        assert services[name]["environment"]["METRICS_PORT"] == "9464", name
    files = {Path(volume["source"]).name for volume in services["prometheus"]["volumes"] if volume["type"] == "bind"}
    assert files == {"prometheus.yml", "alerts.yml"}


@resolves
def test_images_of_others_are_pinned(file: str) -> None:
    for name, service in services_of(file).items():
        if "build" not in service:
            assert re.search(rf":v?\d+\.\d+\.\d+(-\w+)?{DIGEST}$", service["image"]), name


@pytest.mark.parametrize(
    ("name", "packages"),
    [("bot", ["bot"]), ("worker", ["worker"]), ("playground", ["bot", "worker", "playground", "launcher"])],
)
def test_an_image_holds_its_own_side_only_and_runs_as_nobody(name: str, packages: list[str]) -> None:
    lines = (ROOT / "deploy" / f"{name}.Dockerfile").read_text("utf-8").splitlines()
    code = [line.split()[1:] for line in lines if line.startswith("COPY ") and "/opt/app" in line]
    assert code == [[package, f"/opt/app/{package}"] for package in ("galvanic", "shared", *packages)]
    assert "USER 10001:10001" in lines
    base, *stages = (line for line in lines if line.startswith("FROM "))
    assert re.fullmatch(rf"FROM python:3\.\d+\.\d+-slim-\w+{DIGEST} AS base", base)
    assert stages == ["FROM base AS build", "FROM base"]
    # Everything that is copied is let through to the build.
    context = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sources = {
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    }
    assert {f"!{source}" for source in sources} == {line for line in context if line.startswith("!")} & {
        f"!{source}" for source in sources
    }
    assert all((ROOT / source).exists() for source in sources)


def test_no_secret_gets_into_a_build() -> None:
    context = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in context
    assert not [line for line in context if line.startswith("!") and ("secrets" in line or ".env" in line)]
    assert "secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh checkout, as far as the script of secrets needs it."""
    shutil.copytree(ROOT / "deploy", tmp_path / "checkout" / "deploy")
    shutil.copy(ROOT / ".env.example", tmp_path / "checkout")
    return tmp_path / "checkout"


def make_secrets(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["sh", "deploy/secrets.sh", *arguments], cwd=checkout, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.process
def test_secrets_are_made_once_and_for_their_owner(checkout: Path) -> None:
    said = make_secrets(checkout)
    folder = checkout / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    passwords = {(folder / f"redis_{who}_password").read_text("utf-8") for who in ("bot", "worker", "admin")}
    assert len(passwords) == 3
    assert all(re.fullmatch(r"[0-9a-f]{48}", password) for password in passwords)
    assert "put the bot's token into secrets/discord_token" in said
    assert not any(password in said for password in passwords)
    # Whoever a container runs as.
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in folder.iterdir())

    before = {path: path.read_bytes() for path in folder.iterdir()}
    (folder / "discord_token").write_text("mine", "utf-8")
    (checkout / ".env").write_text("COMPOSE_PROFILES=gpu\n", "utf-8")
    assert "left to do" not in make_secrets(checkout)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before | {folder / "discord_token": b"mine"}
    assert (checkout / ".env").read_text("utf-8") == "COMPOSE_PROFILES=gpu\n"


@resolves
def test_a_fresh_checkout_starts_after_one_command(checkout: Path) -> None:
    for file in ("docker-compose.yml", "deploy/common.yml"):
        shutil.copy(ROOT / file, checkout / file)
    make_secrets(checkout)
    words = compose.command()
    assert words is not None
    done = subprocess.run([*words, "config", "--format", "json"], cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path in re.findall(rf'"file": "({re.escape(str(checkout))}[^"]*)"', done.stdout):
        assert Path(path).is_file(), "each secret must be there, or Docker refuses to start"
    assert '"train": {' in done.stdout or '"train-gpu": {' in done.stdout


@resolves
def test_a_file_in_deploy_is_chosen_in_env_and_finds_the_checkouts_folders(checkout: Path) -> None:
    lines = "COMPOSE_FILE=deploy/bot.compose.yml\nREDIS_PUBLISH=10.0.0.1\n"
    (checkout / ".env").write_text(lines, "utf-8")
    words = compose.command()
    assert words is not None
    done = subprocess.run([*words, "config", "--format", "json"], cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    config = json.loads(done.stdout)
    assert {Path(secret["file"]).parent for secret in config["secrets"].values()} == {checkout / "secrets"}
    assert config["services"]["bot"]["build"]["context"] == str(checkout)
    assert str(checkout / "corpora") in {volume["source"] for volume in config["services"]["bot"]["volumes"]}


@pytest.mark.process
def test_a_token_in_env_is_taken_over(checkout: Path) -> None:
    (checkout / ".env").write_text("COMPOSE_PROFILES=cpu\nDISCORD_TOKEN='of make run' \t# mine\n", "utf-8")
    said = make_secrets(checkout)
    assert (checkout / "secrets" / "discord_token").read_text("utf-8") == "of make run"
    assert "of make run" not in said


@pytest.mark.process
def test_a_workers_host_is_told_what_to_bring(checkout: Path) -> None:
    said = make_secrets(checkout, "worker")
    assert "secrets/redis_worker_password secrets/redis_tls_ca" in said
    assert not (checkout / "secrets" / "redis_bot_password").exists()
    assert not (checkout / "secrets" / "discord_token").exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.process
def test_redis_certificate_is_good_for_the_names_that_were_given(checkout: Path) -> None:
    make_secrets(checkout, "10.0.0.1", "redis.example.org")
    secrets = checkout / "secrets"
    assert (secrets / "redis_tls_ca_key").stat().st_mode & 0o777 == 0o600
    for name in ("10.0.0.1", "redis.example.org", "redis", "localhost", "127.0.0.1"):
        assert handshake(secrets, name) is None, name
    assert "mismatch" in str(handshake(secrets, "10.0.0.2"))

    authority = (secrets / "redis_tls_ca").read_bytes()
    (secrets / "redis_tls_cert").unlink()
    make_secrets(checkout, "10.0.0.2")
    assert (secrets / "redis_tls_ca").read_bytes() == authority, "workers' hosts have it"
    assert handshake(secrets, "10.0.0.2") is None


def handshake(secrets: Path, name: str) -> ssl.SSLError | None:
    """What a client finds wrong with a server of this certificate that it calls by this name."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(secrets / "redis_tls_cert", secrets / "redis_tls_key")
    client = ssl.create_default_context(cafile=secrets / "redis_tls_ca")
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def accept() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()  # the client has said why

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=name).close()
    except ssl.SSLError as error:
        return error
    finally:
        ours.close()
        thread.join(10)
    return None


def variables(text: str) -> set[str]:
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE))


def asked_by_compose() -> dict[str, set[str]]:
    """The variables that the Compose files ask for, with the defaults that they give them."""
    found: dict[str, set[str]] = {}
    for file in (*FILES, "deploy/common.yml"):
        for name, default in re.findall(r"(?<!\$)\$\{([A-Z_]+)(?::-([^}]*))?", (ROOT / file).read_text("utf-8")):
            found.setdefault(name, set()).update({default} - {""})
    return found


def compose_alone() -> set[str]:
    """Read by Docker Compose, not by the programs."""
    return (set(asked_by_compose()) | {"COMPOSE_FILE"}) - SETTINGS


def test_env_example_names_every_setting_and_no_other() -> None:
    assert variables(ENV_EXAMPLE) == SETTINGS | compose_alone()


def test_pages_put_no_comment_behind_a_setting() -> None:
    """For systemd it is part of the value."""
    pages = {path: path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md")}
    assert not [path for path, page in pages.items() if re.search(r"^[A-Z_]+=\S*[ \t]+#", page, re.MULTILINE)]


def test_env_example_as_it_is_changes_nothing() -> None:
    # DATA_DIR is set for every test.
    assert Settings(_env_file=ROOT / ".env.example") == Settings(_env_file=None)
    values = dotenv_values(ROOT / ".env.example")
    assert values.pop("COMPOSE_PROFILES") == "cpu"
    assert "DISCORD_TOKEN" in values
    assert not any(values.values()), "a secret to be filled in must be empty"


def test_the_defaults_that_env_example_shows_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_DIR")
    uncommented = tmp_path / "env"
    uncommented.write_text(re.sub(r"^#([A-Z][A-Z0-9_]*=)", r"\1", ENV_EXAMPLE, flags=re.MULTILINE), "utf-8")
    shown = dotenv_values(uncommented)
    assert set(shown) == variables(ENV_EXAMPLE)
    assert Settings(_env_file=uncommented) == Settings(_env_file=None)
    for name, defaults in asked_by_compose().items():
        if name not in SETTINGS and defaults:
            assert {shown[name]} == defaults, name
