"""The workflow that people copy: what it may, and in which order it does things."""

import re
import subprocess
from itertools import pairwise
from typing import Any

import pytest
import yaml

from tests.conftest import found_or_skip
from tests.go_programs import Progress, find_program
from tests.structure import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
JOBS: dict[str, dict[str, Any]] = yaml.safe_load(WORKFLOW.read_text())["jobs"]
DEPLOYING = ("preview", "up")
CREDENTIALS = "aws-actions/configure-aws-credentials@"
PULUMI = "pulumi/actions@"


def used(job: str) -> list[str]:
    return [step.get("uses", "") for step in JOBS[job]["steps"]]


def test_there_is_no_long_lived_key() -> None:
    """AWS trusts the job's identity, and Pulumi's state is in AWS: nothing is stored that could be stolen."""
    assert "secrets." not in WORKFLOW.read_text()
    assert not re.search("access.key|ACCESS_TOKEN", WORKFLOW.read_text(), re.IGNORECASE)
    for job in DEPLOYING:
        (step,) = [step for step in JOBS[job]["steps"] if step.get("uses", "").startswith(CREDENTIALS)]
        assert set(step["with"]) == {"role-to-assume", "aws-region"}


@pytest.mark.parametrize("job", DEPLOYING)
def test_nothing_is_installed_once_there_are_credentials(job: str) -> None:
    """What an installation runs is others' code."""
    steps = JOBS[job]["steps"]
    credentials = next(index for index, one in enumerate(used(job)) if one.startswith(CREDENTIALS))
    assert [one.split("@")[0] + "@" for one in used(job)[credentials:]] == [CREDENTIALS, PULUMI]
    before = steps[:credentials]
    assert {"make .venv/.ready", "pulumi plugin install"} <= {step.get("run") for step in before}
    assert [step for step in before if step.get("uses", "").startswith(PULUMI) and "with" not in step]


def test_a_job_has_the_rights_that_it_needs() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in JOBS["test"]
    assert JOBS["preview"]["permissions"] == {"contents": "read", "id-token": "write", "pull-requests": "write"}
    assert JOBS["up"]["permissions"] == {"contents": "read", "id-token": "write"}


def test_a_preview_reads_and_an_update_waits_for_approval() -> None:
    """The environment is in the subject that the role of `up` trusts, so its reviewers cannot be gone around."""
    roles = {
        job: str(JOBS[job]["steps"]).count(f"vars.AWS_{kind}_ROLE_ARN")
        for job, kind in (("preview", "PREVIEW"), ("up", "DEPLOY"))
    }
    assert roles == {"preview": 1, "up": 1}
    assert "environment" not in JOBS["preview"]
    assert JOBS["up"]["environment"] == "dev"
    commands = {job: JOBS[job]["steps"][-1]["with"]["command"] for job in DEPLOYING}
    assert commands == {"preview": "preview", "up": "up"}
    assert "github.event.pull_request.head.repo.full_name == github.repository" in JOBS["preview"]["if"]
    assert "pull_request_target" not in WORKFLOW.read_text()


def test_the_local_aws_is_tried_on_each_kind_of_host() -> None:
    """x86_64 Linux is what `test` runs on."""
    job = JOBS["hosts"]
    assert job["strategy"]["matrix"]["host"] == ["macos-latest", "ubuntu-24.04-arm"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "make demo"
    files = [word for word in commands[-1].split() if word.startswith("tests/")]
    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []
    assert all(re.search("@[0-9a-f]{40}$", step["uses"]) for step in job["steps"] if "uses" in step)


def test_vulnerabilities_are_asked_for_of_everything_that_is_locked() -> None:
    """Without --strict pip-audit finds nothing wrong with what it could not ask for."""
    (job,) = yaml.safe_load(WORKFLOW.with_name("audit.yml").read_text())["jobs"].values()
    words = job["steps"][-1]["run"].split()
    assert {"--strict", "--require-hashes"} <= set(words)
    assert any(re.fullmatch(r"pip-audit==[0-9.]+", word) for word in words)
    audited = {file for option, file in pairwise(words) if option == "-r"}
    locks = [*ROOT.glob("requirements*.lock"), *ROOT.glob("handler/requirements*.txt"), *ROOT.glob("local/*.lock")]
    assert audited == {path.relative_to(ROOT).as_posix() for path in locks}


def test_every_checkout_forgets_its_token() -> None:
    """Else each later step could push."""
    for name, job in JOBS.items():
        (checkout,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert checkout["with"] == {"persist-credentials": False}, name


def test_github_would_take_the_workflows(show: Progress) -> None:
    """Keys, expressions and their types, events, hosts, shells: what GitHub itself would say at the first push."""
    linter = found_or_skip(lambda: find_program("actionlint", show))
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
