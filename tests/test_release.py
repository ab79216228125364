"""The files in .github, whose forms and commands are checked, and the notes of a release. No workflow runs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from galvanic import __version__
from tests.compose import ROOT
from tools.release import main, release_notes

GITHUB = ROOT / ".github"
SCHEMAS = {
    "github-workflows": sorted(GITHUB.glob("workflows/*.yml")),
    "dependabot": [GITHUB / "dependabot.yml"],
    "github-issue-forms": [GITHUB / "ISSUE_TEMPLATE" / "bug.yml", GITHUB / "ISSUE_TEMPLATE" / "feature.yml"],
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
}
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")


def jobs(workflow: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((GITHUB / "workflows" / f"{workflow}.yml").read_text("utf-8"))
    assert parsed["permissions"] == {}, "each job says what it may"
    found: dict[str, Any] = parsed["jobs"]
    return found


def commands(workflow: str) -> list[str]:
    return [step["run"] for job in jobs(workflow).values() for step in job.get("steps", ()) if "run" in step]


@pytest.mark.process
@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_files_have_githubs_form(schema: str) -> None:
    assert SCHEMAS[schema]
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*words, *map(str, SCHEMAS[schema])], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("workflow", ["test", "release"])
def test_a_job_may_little_for_a_limited_time_with_pinned_actions(workflow: str) -> None:
    for name, job in jobs(workflow).items():
        writes = {scope for scope, level in job["permissions"].items() if level == "write"}
        assert len(writes) <= 1, name
        if "uses" not in job:
            assert job["timeout-minutes"] <= 120, name
        for step in job.get("steps", ()):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", "a/b@" + "0" * 40)), name


def test_the_tests_workflow_runs_all_that_ci_runs_with_each_python() -> None:
    called = set(MAKE.findall("\n".join(commands("test"))))
    by_ci = set(
        MAKE.findall("\n".join(re.findall(r"^(?:\w+=\w+ )?make .*", (ROOT / ".ci/run").read_text("utf-8"), re.M)))
    )
    assert {"lint", "test", "docs"} < by_ci <= called
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert called <= targets
    (allowed,) = re.findall(r'^requires-python = "(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    assert allowed == ">=3.11,<3.14"
    assert jobs("test")["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_the_images_have_dockerfiles_and_the_names_and_version_that_are_asked_for() -> None:
    published = set()
    for image in jobs("release")["images"]["strategy"]["matrix"]["include"]:
        dockerfile = ROOT / "deploy" / f"{image['dockerfile']}.Dockerfile"
        arguments = [argument.partition("=")[0] for argument in image["arguments"].split()]
        assert re.findall(r"^ARG (\w+)=", dockerfile.read_text("utf-8"), re.M) == arguments or not arguments
        published.add(f"galvanic-{image['image']}")
    common = yaml.safe_load((ROOT / "deploy" / "common.yml").read_text("utf-8"))["services"]
    names = {service.get("image", "") for service in common.values()}
    asked = {name for name in names if "galvanic-" in name}
    images = published - {"galvanic-playground"}
    assert asked == {f"${{GALVANIC_IMAGES:-}}{name}:${{GALVANIC_VERSION:-{__version__}}}" for name in images}
    kubernetes = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "kustomization.yaml").read_text("utf-8"))["images"]
    assert {(image["name"], image["newTag"]) for image in kubernetes} == {(name, __version__) for name in images}


def test_the_notes_are_the_versions_section(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    added = "### Added\n\n- [A](docs/a.md), [b](https://b)."
    changelog = f"# Changelog\n\n## Unreleased\n\n## [1.2.0] - 2026-12-01\n\n{added}\n\n## 1.2.0rc1\n\nold\n"
    assert release_notes(changelog, "1.2.0rc1") == "old"
    assert release_notes(changelog, "Unreleased") == ""
    assert release_notes(changelog, "1.2") == ""
    (tmp_path / "CHANGELOG.md").write_text(changelog, "utf-8")
    (tmp_path / "galvanic").mkdir()
    (tmp_path / "galvanic" / "__init__.py").write_text('"""Learn."""\n\n__version__ = "1.2.0"\n', "utf-8")
    monkeypatch.setattr("tools.release.ROOT", tmp_path)
    main("v1.2.0", "https://example.org/o/r")
    assert capsys.readouterr().out == (
        "### Added\n\n- [A](https://example.org/o/r/blob/v1.2.0/docs/a.md), [b](https://b).\n"
    )
    with pytest.raises(SystemExit, match=r"has version 1\.2\.0"):
        main("v1.3.0", "https://example.org/o/r")
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n\nnew\n", "utf-8")
    with pytest.raises(SystemExit, match="no text under a heading"):
        main("v1.2.0", "https://example.org/o/r")
