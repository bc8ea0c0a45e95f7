"""Remove from the account all that a check has made, and say what is left where that fails."""

import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from aws_check.account import empty_bucket, remove_logging_role
from aws_check.errors import CheckError, EngineError
from aws_check.inventory import KINDS
from aws_check.workspace import Workspace
from infra.settings.reading import REGISTRY_STACK

SETTLED_SECONDS = 30
"""Lists of what there is may show for some seconds what has been deleted."""
_PAUSE_SECONDS = 3
_BY_NAME = "$(aws apigateway {get} --region {region} --query \"items[?name=='{name}'].id\" --output text)"
_REMOVAL: Mapping[str, str] = {
    "API keys": "aws apigateway delete-api-key --region {region} --api-key "
    + _BY_NAME.replace("{get}", "get-api-keys"),
    "buckets": "aws s3 rb --force s3://{name}",
    "functions": "aws lambda delete-function --region {region} --function-name {name}",
    "layer versions": "aws lambda delete-layer-version --region {region} --layer-name {layer} "
    "--version-number {version}",
    "log groups": "aws logs delete-log-group --region {region} --log-group-name {name}",
    "REST APIs": "aws apigateway delete-rest-api --region {region} --rest-api-id "
    + _BY_NAME.replace("{get}", "get-rest-apis"),
    "roles": "aws iam delete-role --role-name {name}",
    "usage plans": "aws apigateway delete-usage-plan --region {region} --usage-plan-id "
    + _BY_NAME.replace("{get}", "get-usage-plans"),
}
"""For each kind that a check makes, the command that removes one whose stack is gone."""


def destroy(workspace: Workspace, *, settled: float = SETTLED_SECONDS) -> None:
    """Destroy the stacks, look whether anything is left, and remove the check's folder.

    Args:
        workspace: the check's.
        settled: for how many seconds a list of what is left is asked for again.

    Raises:
        CheckError: something is left; the message names it, and the command that removes it.

    """
    problems: list[str] = []
    try:
        for stack in workspace.stacks():
            try:
                _destroy(workspace, stack)
            except Exception as error:  # noqa: BLE001  # whatever it was, the rest is to be removed and this be told
                problems.append(f"stack {stack}: {error}")
    except EngineError as error:
        problems.append(str(error))
    except KeyboardInterrupt:
        problems.append("interrupted")
    if problems:
        listed = "".join(f"\n  {one}" for one in _of_state(workspace))
        raise CheckError(
            f"not everything was removed from {workspace.account.region}; left are:{listed or ' what the stacks had'}\n"
            + "\n".join(problems)
            + f"\nremove it, with the same credentials: {remedy(workspace.folder)}"
        )
    if left := _left(workspace, settled):
        raise CheckError(
            f"the stacks are destroyed, and in {workspace.account.region} there is still this, which no state knew of; "
            "remove it:\n" + "\n".join(left)
        )
    shutil.rmtree(workspace.folder)


def remedy(folder: Path) -> str:
    """The command that removes what a check has left."""
    return f"python -m aws_check destroy {shlex.quote(str(folder))}"


def _destroy(workspace: Workspace, stack: str) -> None:
    role = _logging_role(workspace) if stack == REGISTRY_STACK else ""
    try:
        _remove(workspace, stack)
    except EngineError:  # an update that was killed holds the stack, and has operations whose end nobody knows
        workspace.project.pulumi("cancel", "--yes", "--stack", stack)
        forget = ("--skip-preview", "--clear-pending-creates")
        workspace.project.pulumi("refresh", "--yes", *forget, "--stack", stack)
        _remove(workspace, stack)
    if role:
        remove_logging_role(workspace.account, role)
    workspace.project.pulumi("stack", "rm", "--yes", "--stack", stack)


def _remove(workspace: Workspace, stack: str) -> None:
    if stack == REGISTRY_STACK:
        workspace.project.pulumi("state", "unprotect", "--all", "--yes", "--stack", stack)
        empty_bucket(workspace.account, workspace.bucket)
    workspace.project.pulumi("destroy", "--yes", "--skip-preview", "--stack", stack)


def _logging_role(workspace: Workspace) -> str:
    """The role that the stack gave to API Gateway, which had none before; a `destroy` leaves it there.

    It is written down: a second attempt may find a state that has forgotten it.
    """
    note = workspace.folder / "logging-role"
    if workspace.logging_role_before:
        return ""
    if not note.exists():
        roles = [one for one in workspace.resources(REGISTRY_STACK) if one["type"] == "aws:iam/role:Role"]
        if not roles:
            return ""
        note.write_text(roles[0]["outputs"]["arn"])
    return note.read_text()


def _of_state(workspace: Workspace) -> list[str]:
    try:
        return [
            f"{one['type'].rpartition(':')[2]} {one['id']}"
            for stack in workspace.stacks()
            for one in workspace.resources(stack)
        ]
    except EngineError:
        return []


def _left(workspace: Workspace, settled: float) -> list[str]:
    """For each thing in the account with the check's number in its name, the command that removes it."""
    deadline = time.monotonic() + settled
    while True:
        commands = []
        for kind, template in _REMOVAL.items():
            try:
                names = [name for name in KINDS[kind](workspace.account.client) if workspace.number in name]
            except (BotoCoreError, ClientError) as error:
                commands.append(f"# {kind} cannot be listed: {error}")
                continue
            for name in names:
                layer, _, version = name.rpartition(":")
                filled = {"region": workspace.account.region, "name": name, "layer": layer, "version": version}
                commands.append(template.format(**filled))
        if not commands or time.monotonic() > deadline:
            return commands
        time.sleep(_PAUSE_SECONDS)
