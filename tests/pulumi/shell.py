"""Lines of a document in one shell, as people type them."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_MARK = "\x1e"


def run_lines(lines: Sequence[str], folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Run lines one after the other and return what each said; only confirmations are left out.

    Raises:
        AssertionError: one of them failed; the message is what it said.

    """
    done = subprocess.run(
        ["bash", "-ec", "".join(f"{line}\nprintf '{_MARK}'\n" for line in lines)],
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env={**environment, "PULUMI_SKIP_CONFIRMATIONS": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = done.stdout.split(_MARK)
    assert done.returncode == 0, said[-1]
    assert len(said) == len(lines) + 1
    return said[:-1]
