"""Shell lines that point the tools of a shell at the local AWS, or nowhere, and those that undo it."""

import json
import shlex
from collections.abc import Mapping

BEFORE = "LOCAL_AWS_BEFORE"
"""The variable that keeps what others were before, as JSON."""
NOWHERE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "the-local-aws-is-not-running",
    "AWS_SECRET_ACCESS_KEY": "the-local-aws-is-not-running",
    "MODEL_REGISTRY": "s3://the-local-aws-is-not-running",
}
"""What reaches no account: whoever goes on without looking at the error gets another one."""


def pointing(variables: Mapping[str, str], current: Mapping[str, str], *, ends: str = "") -> str:
    """Lines that set these variables and unset every other setting of AWS's, as of a profile or a session.

    Args:
        variables: What is to be set.
        current: The shell's variables now, for `restoring`.
        ends: A last line.

    """
    others = sorted(name for name in current if name.startswith("AWS_") and name not in variables)
    before = {name: current.get(name) for name in (*variables, *others)}
    before |= json.loads(current.get(BEFORE, "{}"))
    lines = [f"unset {name}" for name in others]
    lines += [_export(name, value) for name, value in {**variables, BEFORE: json.dumps(before)}.items()]
    return "\n".join([*lines, *([ends] if ends else [])])


def restoring(current: Mapping[str, str]) -> str | None:
    """Lines that give the variables their values from before `pointing`; None where nothing is to be undone."""
    if BEFORE not in current:
        return None
    before: dict[str, str | None] = json.loads(current[BEFORE])
    lines = [f"unset {name}" if value is None else _export(name, value) for name, value in before.items()]
    return "\n".join([*lines, f"unset {BEFORE}"])


def _export(name: str, value: str) -> str:
    return f"export {name}={shlex.quote(value)}"
