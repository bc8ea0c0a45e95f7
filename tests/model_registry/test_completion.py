"""Completion in a real shell: the script that the command prints is sourced by bash, and its answers are read."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
COMMAND = "sklearn-on-lambda"  # the name of the installed script (pyproject.toml)


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """Variables of a shell that has the command on its PATH, as installing the package puts it there."""
    program = "import sys; sys.argv[0] = 'sklearn-on-lambda'; from model_registry.cli import main; main()"
    script = tmp_path / COMMAND
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(program)} "$@"\n')
    script.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT)}


def completed(words: list[str], variables: dict[str, str]) -> list[str]:
    """What bash offers for the last of the words."""
    typed = " ".join(shlex.quote(word) for word in words)
    script = f"""
        eval "$(_SKLEARN_ON_LAMBDA_COMPLETE=source_bash {COMMAND})"
        COMP_WORDS=({typed}) COMP_CWORD={len(words) - 1}
        function=$(complete -p {COMMAND} | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        "$function" {COMMAND}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    bash = shutil.which("bash")
    assert bash, "bash is needed: install it"
    done = subprocess.run([bash, "-c", script], env=variables, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["pro"], ["promote"]),
        (["d"], ["deprecate", "delete", "download", "doctor"]),
        (["promote", "iris", "--not"], ["--not-worse-than"]),
        (["publish", "--sign"], ["--signing-key"]),
    ],
)
def test_bash_completes_commands_and_options(shell: dict[str, str], words: list[str], offered: list[str]) -> None:
    assert sorted(completed([COMMAND, *words], shell)) == sorted(offered)
