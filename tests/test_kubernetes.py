"""The Kubernetes manifests, without a cluster: that Kubernetes takes them, and that they keep up with the code.

KEDA's kinds and Kustomize's file have no schema here: what is written of them is compared with what KEDA reads.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import redis
import yaml

from shared import keys, lifecycle
from shared.settings import Settings
from tests.factories import train_job
from tests.safety.server import Server

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.29", kubernetes_validate.latest_version())  # the oldest that kustomization.yaml names, and the newest
OF_OTHERS = {"AWS_SHARED_CREDENTIALS_FILE", "REDIS_MAXMEMORY", "NVIDIA_DRIVER_CAPABILITIES"}
"""Variables that are no setting of ours: Amazon's client, deploy/redis/start.sh and NVIDIA's runtime read them."""
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))
OBJECTS: list[dict[str, Any]] = [
    manifest
    for name in KUSTOMIZATION["resources"]
    if name.endswith(".yaml")
    for manifest in yaml.safe_load_all((FOLDER / name).read_text("utf-8"))
]
PODS: dict[str, dict[str, Any]] = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]
    for manifest in OBJECTS
    if manifest["kind"] in ("Deployment", "StatefulSet")
}
CONTAINERS: dict[str, dict[str, Any]] = {
    name: container for name, pod in PODS.items() for container in pod["spec"]["containers"]
}
PATCH: dict[str, Any] = yaml.safe_load((FOLDER / "train-gpu.yaml").read_text("utf-8"))
(GPU,) = PATCH["spec"]["template"]["spec"]["containers"]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {manifest["metadata"]["name"]: manifest for manifest in OBJECTS if manifest["kind"] == kind}


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(version: str) -> None:
    for manifest in OBJECTS:
        if not manifest["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(manifest, version, strict=True)
    patched = of_kind("Deployment")["train"]
    container = CONTAINERS["train"] | GPU | {"resources": {"limits": {"memory": "4Gi"} | GPU["resources"]["limits"]}}
    pod = PODS["train"]["spec"] | PATCH["spec"]["template"]["spec"] | {"containers": [container]}
    template = {**PODS["train"], "spec": pod}
    kubernetes_validate.validate({**patched, "spec": {**patched["spec"], "template": template}}, version, strict=True)


def test_kustomize_finds_every_file_and_every_image() -> None:
    text = (FOLDER / "kustomization.yaml").read_text("utf-8")
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == {*re.findall(r"^#?\s*- (?:path: )?([\w-]+\.yaml)$", text, re.MULTILINE)}
    configs = yaml.safe_load((ROOT / "deploy" / "redis" / "kustomization.yaml").read_text("utf-8"))
    (config,) = configs["configMapGenerator"]
    assert {*config["files"]} == {path.name for path in (ROOT / "deploy" / "redis").iterdir()} - {"kustomization.yaml"}
    images = {image["name"]: image for image in KUSTOMIZATION["images"]}
    compose = yaml.safe_load((ROOT / "deploy" / "common.yml").read_text("utf-8"))["services"]
    own = {container["image"] for name, container in CONTAINERS.items() if name != "redis"} | {GPU["image"]}
    composed = {service["image"] for service in compose.values() if "build" in service}
    tags = {image["newTag"] for image in images.values()}
    assert len(tags) == 1, "all parts need the same version"
    version = f"${{GALVANIC_VERSION:-{tags.pop()}}}"
    assert own == set(images)
    assert {f"${{GALVANIC_IMAGES:-}}{name}:{version}" for name in images} == composed
    assert CONTAINERS["redis"]["image"] == compose["redis"]["image"]
    assert {image["newName"] for image in images.values()} == {f"ghcr.io/OWNER/{name}" for name in images}


def test_each_container_runs_what_its_image_has() -> None:
    for name in ("bot", "worker"):
        dockerfile = (ROOT / "deploy" / f"{name}.Dockerfile").read_text("utf-8")
        assert f'ENTRYPOINT ["python", "-m", "{name}"]' in dockerfile
        assert "USER 10001:10001" in dockerfile
    compose = yaml.safe_load((ROOT / "deploy" / "common.yml").read_text("utf-8"))["services"]
    for name, container in CONTAINERS.items():
        command = container.get("command") or container.get("args")
        assert command == compose[name].get("command"), name
        assert container["readinessProbe"]["exec"]["command"] == compose[name]["healthcheck"]["test"][1:], name
        assert "livenessProbe" not in container, "it would stop what waits for Redis"


def test_every_variable_is_a_setting_and_no_variable_is_a_secret() -> None:
    literals = [pair for config in KUSTOMIZATION["configMapGenerator"] for pair in config["literals"]]
    variables = dict(pair.split("=", 1) for pair in literals)
    variables |= {pair["name"]: pair["value"] for each in (*CONTAINERS.values(), GPU) for pair in each.get("env", ())}
    assert set(variables) - OF_OTHERS <= {name.upper() for name in Settings.model_fields}
    Settings(_env_file=None, **{name.lower(): value for name, value in variables.items() if name not in OF_OTHERS})
    assert variables["MODEL_STORE"].startswith("s3://"), "workers share no disk"
    assert not [name for name in variables if re.search(r"PASSWORD|TOKEN|SECRET", name)]
    # Else a Service called `redis` sets REDIS_PORT, which start.sh reads.
    assert all(pod["spec"]["enableServiceLinks"] is False for pod in PODS.values())


@pytest.mark.process
def test_each_part_sees_its_own_secrets_and_the_script_makes_them_all(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    for name in (".env.example", "deploy/secrets.sh"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(["sh", "deploy/secrets.sh"], cwd=tmp_path, capture_output=True, check=True)
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    seen: dict[str, dict[str, str]] = {}
    for name, pod in PODS.items():
        (secret,) = (volume["secret"] for volume in pod["spec"]["volumes"] if "secret" in volume)
        assert (secret["secretName"], secret["defaultMode"]) == ("galvanic", 0o440)
        seen[name] = {item["key"]: item["path"] for item in secret["items"]}
        mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINERS[name]["volumeMounts"]}
        assert mounts["secrets"] == "/run/secrets"
    assert {key for keys_ in seen.values() for key in keys_} == made
    worker = {"redis_worker_password": "redis_password", "s3_credentials": "s3_credentials"}
    assert seen["train"] == seen["generate"] == worker
    assert seen["bot"] == {"discord_token": "discord_token", "redis_bot_password": "redis_password"}
    assert set(seen["redis"]) == {f"redis_{user}_password" for user in ("bot", "worker", "admin")}
    for name, user in {"bot": "bot", "train": "worker", "generate": "worker"}.items():
        (url,) = (pair["value"] for pair in CONTAINERS[name]["env"] if pair["name"] == "REDIS_URL")
        assert url == f"redis://{user}@redis:6379/0"


def test_nobody_is_root_writes_outside_its_volumes_or_has_a_capability() -> None:
    (namespace,) = of_kind("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in PODS.items():
        spec, container = pod["spec"], CONTAINERS[name]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 10001
        assert spec["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"]
        assert container["resources"]["limits"]["memory"]
        writable = {volume["name"] for volume in spec["volumes"] if "emptyDir" in volume} | {"redis"}
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert {mounts[volume] for volume in writable & set(mounts)} == {"/tmp", "/data"}


def test_redis_is_reached_by_its_clients_alone_and_metrics_by_monitoring() -> None:
    policies = {name: policy["spec"] for name, policy in of_kind("NetworkPolicy").items()}
    assert policies["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    clients = {name for name, pod in PODS.items() if pod["metadata"]["labels"].get("redis") == "client"}
    assert clients == {"bot", "train", "generate"}
    ports = {name: container["ports"][0]["containerPort"] for name, container in CONTAINERS.items()}
    (ingress,) = policies["redis"]["ingress"]
    assert ingress["ports"] == [{"port": ports["redis"]}] == [{"port": 6379}]
    assert ingress["from"][0] == {"podSelector": {"matchLabels": {"redis": "client"}}}
    assert of_kind("Service")["redis"]["spec"]["ports"] == [{"name": "redis", "port": ports["redis"]}]
    (ingress,) = policies["metrics"]["ingress"]
    assert [{"port": ports[name]} for name in sorted(clients)] == ingress["ports"] * 3
    for name in clients:
        assert {"name": "METRICS_PORT", "value": str(ports[name])} in CONTAINERS[name]["env"]


def test_what_selects_pods_selects_some() -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in PODS.items()}
    for kind in ("Service", "Deployment", "StatefulSet", "PodDisruptionBudget"):
        for name, manifest in of_kind(kind).items():
            selector = manifest["spec"]["selector"]
            assert selector.get("matchLabels", selector).items() <= labels[name].items(), kind


@pytest.mark.process
def test_keda_counts_the_trainings_that_wait_and_those_that_run() -> None:
    scaled = of_kind("ScaledObject")["train"]["spec"]
    (trigger,) = scaled["triggers"]
    metadata = trigger["metadata"]
    assert set(metadata) == {"address", "username", "listName", "listLength"}  # KEDA takes strings, of these names
    assert all(isinstance(value, str) for value in metadata.values())
    assert metadata["address"].startswith("redis.galvanic.svc:6379")
    assert scaled["scaleTargetRef"] == {"name": "train"}
    assert "replicas" not in of_kind("Deployment")["train"]["spec"], "it would undo what KEDA has set"
    authentication = of_kind("TriggerAuthentication")[trigger["authenticationRef"]["name"]]
    (secret,) = authentication["spec"]["secretTargetRef"]
    assert secret == {"parameter": "password", "name": "galvanic", "key": f"redis_{metadata['username']}_password"}
    # As KEDA does, which asks a hash for HLEN: with the rights of that user.
    script = "return redis.call(redis.call('TYPE', KEYS[1]).ok == 'hash' and 'HLEN' or 'LLEN', KEYS[1])"
    with Server() as server, server.client("bot") as bot, server.client(metadata["username"]) as keda:
        lengths = [count(keda, script, metadata["listName"])]
        for job_id in ("t-1", "t-2"):
            bot.eval(*lifecycle.enter(train_job(job_id=job_id), "nonce", b"text"))
        lengths.append(count(keda, script, metadata["listName"]))
        keda.eval(*lifecycle.begin("t-1", 1, "nonce", holder="h", worker="w", training=True))
        lengths.append(count(keda, script, metadata["listName"]))
        bot.eval(*lifecycle.cancel("t-2"))
        lengths.append(count(keda, script, metadata["listName"]))
    assert metadata["listName"] == keys.ACTIVE
    assert lengths == [0, 2, 2, 1]


def count(client: redis.Redis, script: str, name: str) -> int:
    return int(client.eval(script, 1, name))
