"""`make aws-check` against the local AWS, with the real engine: so that it works the first time on the real one."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aws_check.account import open_account
from aws_check.cli import app
from aws_check.errors import CheckError
from aws_check.life import Life
from aws_check.workspace import make_workspace
from local.iris import PROJECT
from tests.pulumi.inventory import inventory
from tests.pulumi.provider import HANG_MARKER_VARIABLE, HANG_VARIABLE
from tests.pulumi.stacks import Project

DIFFERENT_LOCALLY = {
    "a request of 8 MB, more than Lambda takes, is answered with 413",
    "the gateway refuses a request over 10 MB with 413",
    "the gateway answers 403 without a signature",
    "S3 shows a bucket to nobody who takes it for another account's",
}
"""What MiniStack does otherwise than AWS documents.

It has no limit for what is sent, refuses what nobody signed by the default response, which has no title, and does not
look at whom a request takes for the bucket's owner.
"""


@pytest.fixture
def user(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Somebody whose credentials are the local AWS's, in whose account API Gateway writes no logs yet; a folder."""
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MODEL_REGISTRY_PROOF", "none")  # it takes longest, and other tests publish with it
    gateway = project.aws.client("apigateway")
    before = gateway.get_account().get("cloudwatchRoleArn", "")
    _write_logs_as(gateway, "")
    yield tmp_path / "checks"
    assert gateway.get_account().get("cloudwatchRoleArn", "") == ""
    _write_logs_as(gateway, before)


def test_the_whole_check_runs_and_shows_what_the_local_aws_does_otherwise(
    user: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing differs but what MiniStack does otherwise.

    At the end the network is away: what cannot be removed is named with the command that removes it, which does.
    """
    before = inventory(project.aws)
    workspace = make_workspace(user, open_account(None, None))
    modes = [path.stat().st_mode & 0o777 for path in (workspace.folder, workspace.folder / "check.json")]
    assert modes == [0o700, 0o600]

    with monkeypatch.context() as environment:

        def talk(text: str) -> None:
            if text == "destroying both stacks":
                environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

        life = Life(workspace, talk, patience=0, settled=0)
        with pytest.raises(CheckError) as refused:
            life.run()
    report, said = life.report, str(refused.value)
    assert report.failure == ""
    assert {row.assumption for row in report.different} == DIFFERENT_LOCALLY
    assert len(report.rows) >= 40
    assert report.figures["first request after the first update"].startswith("200 after")
    assert not {"000000000000", workspace.number} & set(re.findall(r"\w+", report.markdown()))

    assert f"Bucket {workspace.bucket}" in said
    assert "Function" not in said
    assert said.endswith(f"remove it, with the same credentials: python -m aws_check destroy {workspace.folder}")
    done = CliRunner().invoke(app, ["destroy", str(workspace.folder)])
    assert (done.exit_code, done.output.strip()) == (0, "nothing is left")
    assert inventory(project.aws) == before
    assert not workspace.folder.exists()


def test_it_asks_before_it_begins(user: Path, project: Project) -> None:
    before = inventory(project.aws)
    done = CliRunner().invoke(app, ["run", "--folder", str(user)])
    said = " ".join(done.output.split())
    assert done.exit_code == 1
    assert "In account 000000000000, us-east-1, as arn:aws:iam::000000000000:root" in said
    assert "nobody can be asked whether to begin: `make aws-check CONFIRM=yes`" in said
    assert not user.exists()
    assert inventory(project.aws) == before


def test_ctrl_c_removes_what_was_made(user: Path, project: Project, tmp_path: Path) -> None:
    """Once, and once more as what is asked of AWS does not come to its end."""
    before, marker = inventory(project.aws), tmp_path / "hanging"
    environment = {
        **os.environ,
        "CONFIRM": "yes",
        HANG_VARIABLE: "aws:s3/bucketPolicy:BucketPolicy",
        HANG_MARKER_VARIABLE: str(marker),
    }
    command = [sys.executable, "-m", "aws_check", "run", "--folder", str(user)]
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            _wait(marker, running)
            for _ in range(2):
                running.send_signal(signal.SIGINT)
                time.sleep(2)
            said, _ = running.communicate(timeout=120)
        finally:
            running.kill()
    assert running.returncode == 130, said
    assert "interrupted; what had been made is removed" in said
    assert inventory(project.aws) == before
    assert [path.suffix for path in user.iterdir()] == [".md"]


def _wait(marker: Path, running: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not marker.exists():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _write_logs_as(gateway: Any, role: str) -> None:
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]
    gateway.update_account(patchOperations=patch)
