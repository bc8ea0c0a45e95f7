"""Promotion in a pipeline: what the workflows run moves a tag, and what people type is never a shell's code."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_registry import Registry
from model_registry.folder import FolderStorage
from tests.model_registry.processes import add
from tests.structure import ROOT

GITHUB = ROOT / ".github" / "workflows" / "promote.yml"
GITLAB = ROOT / ".gitlab-ci.yml"


def github() -> dict[str, Any]:
    return dict(yaml.safe_load(GITHUB.read_text())["jobs"]["promote"])


def gitlab() -> dict[str, Any]:
    return dict(yaml.safe_load(GITLAB.read_text())["promote"])


def promotion_at_github() -> str:
    return next(str(step["run"]) for step in github()["steps"] if "promote" in step.get("run", ""))


def promotion_at_gitlab() -> str:
    return next(str(line) for line in gitlab()["script"] if "promote" in line)


@pytest.mark.parametrize("line", [promotion_at_github, promotion_at_gitlab])
def test_the_line_moves_the_tag_and_keeps_the_reason(line: Callable[[], str], tmp_path: Path) -> None:
    """With a reason that would be code, were it put into the line."""
    storage = FolderStorage(tmp_path / "models")
    for data in (b"1", b"2"):
        add(storage, "iris", data)
    registry = Registry(storage, actor="a test")
    registry.tag("iris/2", "dev")
    typed = {"MODEL": "iris", "FROM": "dev", "STACK": "prod", "REASON": 'better"; touch made; $(touch made)'}
    environment = {**os.environ, **typed, "MODEL_REGISTRY": str(tmp_path / "models"), "MODEL_REGISTRY_ACTOR": "ci"}
    assert line().startswith(".venv/bin/python -m model_registry promote ")
    subprocess.run(["bash", "-ec", line()], cwd=ROOT, env=environment, check=True, capture_output=True)
    (move,) = registry.history("iris@prod")
    assert (registry.resolve("iris@prod").manifest.version, move.reason) == (2, typed["REASON"])
    assert not (ROOT / "made").exists()


def test_nothing_typed_is_put_into_a_line() -> None:
    assert [step["run"] for step in github()["steps"] if "${{" in step.get("run", "")] == []
    steps = [step for step in github()["steps"] if "model_registry promote" in step.get("run", "")]
    assert set(steps[0]["env"]) == {"MODEL_REGISTRY", *re.findall(r"\$([A-Z]+)", promotion_at_github())}


def test_a_promotion_waits_for_the_approval_of_its_stack_and_for_the_one_before_it() -> None:
    assert github()["environment"] == "${{ inputs.stack }}"
    assert yaml.safe_load(GITHUB.read_text())["concurrency"] == {
        "group": "deploy-${{ inputs.stack }}",
        "cancel-in-progress": False,
    }
    assert gitlab()["environment"] == "$STACK"
    assert gitlab()["resource_group"] == "deploy-$STACK"
    assert gitlab()["rules"][0]["when"] == "manual"
    for file in (GITHUB, GITLAB):
        assert "secrets." not in file.read_text()
        assert not re.search("access.key|ACCESS_TOKEN", file.read_text(), re.IGNORECASE)


def test_nothing_is_installed_once_there_are_credentials() -> None:
    uses = [step.get("uses", step.get("run", "")) for step in github()["steps"]]
    credentials = next(index for index, one in enumerate(uses) if one.startswith("aws-actions/"))
    assert {"make .venv/.ready", "pulumi plugin install"} <= set(uses[:credentials])
    assert len(uses[credentials:]) == 3
    assert not [line for line in gitlab()["script"] if "install" in line or "make" in line]
