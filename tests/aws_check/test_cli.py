"""Nothing is begun where something is missing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from aws_check.cli import app


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Somebody without credentials, with a Pulumi on PATH that says it is new."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    pulumi = tmp_path / "pulumi"
    pulumi.write_text("#!/bin/sh\necho v3.259.0\n")
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == 1
    return " ".join(done.output.split())


def test_without_credentials_it_says_how_to_get_them(nobody: Path) -> None:
    assert "there are no AWS credentials: run `aws configure`" in refused("run", "--folder", str(nobody / "state"))
    assert not (nobody / "state").exists()


def test_without_pulumi_it_says_what_to_install(nobody: Path) -> None:
    (nobody / "pulumi").write_text("#!/bin/sh\necho v3.10.0\n")
    assert "is Pulumi 3.10: install 3.200 or newer" in refused("run")
    (nobody / "pulumi").unlink()
    assert "pulumi is not on PATH: install 3.200 or newer" in refused("run")


def test_a_profile_that_there_is_not_is_refused(nobody: Path) -> None:  # noqa: ARG001  # it takes away what there is
    assert "AWS does not take the credentials" in refused("run", "--profile", "nobody")


def test_a_folder_of_no_check_is_refused(nobody: Path) -> None:
    assert "is not the folder of a check" in refused("destroy", str(nobody))
