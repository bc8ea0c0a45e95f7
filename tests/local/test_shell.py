"""Lines for `eval`, run by a real shell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import shell
from local.iris import PROJECT

OWN = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "a 'token'", "AWS_ACCESS_KEY_ID": "AKIAREAL", "HOME": "/nowhere"}
LOCAL = {"AWS_ACCESS_KEY_ID": "local", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "MODEL_REGISTRY": "s3://local"}


def after(lines: str, variables: dict[str, str]) -> dict[str, str]:
    """The AWS settings of a shell with these variables once it has read the lines."""
    program = f"{lines}\n{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    done = subprocess.run(["/bin/sh", "-c", program], env=variables, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return {name: value for name, value in found.items() if name.startswith(("AWS_", "MODEL_", "LOCAL_", "HOME"))}


def test_what_points_at_the_local_aws_leaves_nothing_of_another_account() -> None:
    found = after(shell.pointing(LOCAL, OWN), OWN)
    assert {name: value for name, value in found.items() if name != shell.BEFORE} == {**LOCAL, "HOME": "/nowhere"}


def test_undone_each_variable_is_as_it_was_however_often_it_was_pointed() -> None:
    once = after(shell.pointing(LOCAL, OWN), OWN)
    twice = after(shell.pointing({**LOCAL, "AWS_ENDPOINT_URL": "http://127.0.0.1:2"}, once), once)
    for variables in (once, twice):
        lines = shell.restoring(variables)
        assert lines is not None
        assert after(lines, variables) == OWN
    assert shell.restoring(OWN) is None


@pytest.mark.parametrize("goes_on", ["&& echo reached", '; echo "$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID"'])
def test_where_none_runs_eval_fails_and_what_follows_reaches_no_account(tmp_path: Path, goes_on: str) -> None:
    program = f'eval "$({sys.executable} -m local env --state {tmp_path})" {goes_on}'
    done = subprocess.run(
        ["/bin/sh", "-c", program],
        env={**os.environ, **OWN},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.startswith("error: the local AWS is not running: start it with")
    assert f"local up --state {tmp_path}" in done.stderr
    if goes_on.startswith("&&"):
        assert (done.returncode, done.stdout) == (1, "")
    else:
        assert done.stdout == "http://127.0.0.1:9 the-local-aws-is-not-running\n"
