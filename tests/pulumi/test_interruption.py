"""An update that did not come to its end can be repeated, and nothing is there twice."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_check.errors import EngineError
from model_registry import Registry
from tests.pulumi.inventory import ONE_STACK, added, inventory
from tests.pulumi.provider import FAIL_VARIABLE, HANG_MARKER_VARIABLE, HANG_VARIABLE
from tests.pulumi.stacks import EngineStack, Project
from training.train_iris import GUIDE_EVENT

NewStack = Callable[..., EngineStack]
ALIAS = "aws:lambda/alias:Alias"


@pytest.fixture(autouse=True)
def _tagged(models: Registry) -> None:
    models.tag("iris/1", "dev")


def test_an_update_in_which_a_resource_failed_is_finished_by_the_next(stack: NewStack, project: Project) -> None:
    before = inventory(project.aws)
    half = stack("half", tag="dev")
    with pytest.raises(EngineError, match="iris-half-alias fails"):
        half.up(**{FAIL_VARIABLE: ALIAS})
    assert added(before, inventory(project.aws))["functions"] == 1

    half.up()
    assert {kind for kind in half.changed() if kind in {"Function", "Role", "LayerVersion", "Bucket"}} == set()
    assert half.post(GUIDE_EVENT).status == 200
    assert added(before, inventory(project.aws)) == ONE_STACK
    half.destroy()
    assert inventory(project.aws) == before


@pytest.mark.soak
def test_an_update_whose_engine_was_killed_is_finished_after_cancel_and_refresh(
    stack: NewStack, project: Project, tmp_path: Path
) -> None:
    """Killed as by `kill -9`, while AWS was being asked for the alias."""
    before = inventory(project.aws)
    cut = stack("cut", tag="dev")
    _kill_at(cut, ALIAS, tmp_path / "hanging")
    with pytest.raises(EngineError, match="pulumi cancel"):
        cut.up()
    project.pulumi("cancel", "--yes", "--stack", cut.name)
    cut.refresh("--clear-pending-creates")
    cut.up()
    assert cut.actions["iris-cut-alias"] == "create"
    assert cut.actions["iris-cut-function"] == "same"
    assert cut.post(GUIDE_EVENT).status == 200
    assert added(before, inventory(project.aws)) == ONE_STACK
    cut.destroy()
    assert inventory(project.aws) == before


def test_a_resource_that_someone_deleted_is_noticed_by_a_refresh_and_made_again(
    dev: EngineStack, models: Registry
) -> None:
    models.tag("iris/1", "dev")
    dev.aws.client("lambda").delete_alias(FunctionName=dev.outputs["functionName"], Name="live")
    dev.refresh()
    dev.up()
    assert dev.actions["iris-dev-alias"] == "create"
    assert dev.post(GUIDE_EVENT).status == 200


def _kill_at(stack: EngineStack, token: str, marker: Path) -> None:
    """Begin an update, and kill it when a resource of this type is being created."""
    environment = {**stack.project.environment, HANG_VARIABLE: token, HANG_MARKER_VARIABLE: str(marker)}
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", stack.name]
    with (marker.parent / "killed.log").open("w") as log:
        running = subprocess.Popen(
            command,
            cwd=stack.project.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 120
            while not marker.exists():
                assert running.poll() is None, (marker.parent / "killed.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
