"""The folder of one check: a copy of the project, a backend of its own and its random passphrase.

Nothing in it is the user's: not the stacks they have, nor where Pulumi is logged in. As long as something is left in
the account the folder stays, and has what is needed to remove it.
"""

import json
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from aws_check.account import Account, logging_role, open_account
from aws_check.engine import PARTS_OF_REPLACEMENT, WITHOUT_SUBSTANCE, Project, copy_project, steps_of
from aws_check.errors import CheckError
from infra.settings.reading import REGISTRY_STACK

_NOTE = "check.json"
_UNCHANGED = ("same", "read", "refresh", *PARTS_OF_REPLACEMENT)


@dataclass(frozen=True)
class Workspace:
    """A check's folder, and the account that it works in."""

    folder: Path
    account: Account
    number: str
    """Eight random hex digits, which the names of all that is created have in them."""
    passphrase: str
    logging_role_before: str
    """The role by which API Gateway wrote logs before the check; empty for none."""

    @property
    def stack(self) -> str:
        """Name of the stack that serves a model."""
        return f"check-{self.number}"

    @property
    def bucket(self) -> str:
        """Name of the registry's bucket."""
        return f"sklearn-on-lambda-check-{self.number}"

    @cached_property
    def project(self) -> Project:
        """The project's copy."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in {"PULUMI_STACK", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE_FILE"}
        }
        own = {
            "AWS_REGION": self.account.region,
            "AWS_DEFAULT_REGION": self.account.region,
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # else there is no --event-log
        }
        profile = {"AWS_PROFILE": self.account.profile} if self.account.profile else {}
        return Project(self.folder / "project", {**kept, **profile, **own})

    def init(self, stack: str) -> None:
        """Make a stack with what every stack needs."""
        self.set(stack, {"registryBucket": self.bucket})
        self.project.pulumi("stack", "init", stack)

    def set(self, stack: str, config: dict[str, Any]) -> None:
        """Set keys in the stack's file."""
        file = self.project.folder / f"Pulumi.{stack}.yaml"
        settings = (yaml.safe_load(file.read_text()) if file.exists() else None) or {}
        region = {"aws:region": self.account.region}
        own = {f"sklearn-on-lambda:{key}": value for key, value in config.items()}
        settings["config"] = {**(settings.get("config") or {}), **region, **own}
        file.write_text(yaml.safe_dump(settings))

    def up(self, stack: str) -> list[str]:
        """Deploy; returns the kinds of the resources that were changed, sorted."""
        return self._changes("up", "--yes", "--skip-preview", "--stack", stack)

    def preview(self, stack: str) -> list[str]:
        """Read all from AWS and compare it with the program; returns the kinds that an update would change."""
        return self._changes("preview", "--refresh", "--stack", stack)

    def outputs(self, stack: str) -> dict[str, Any]:
        """The stack's outputs."""
        return dict(json.loads(self.project.pulumi("stack", "output", "--json", "--stack", stack)))

    def stacks(self) -> list[str]:
        """Names of the stacks that there are, the registry's last."""
        found = [one["name"] for one in json.loads(self.project.pulumi("stack", "ls", "--json"))]
        return sorted(found, key=lambda name: name == REGISTRY_STACK)

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """What the stack's state has of the account."""
        state = json.loads(self.project.pulumi("stack", "export", "--stack", stack))
        found: list[dict[str, Any]] = state["deployment"].get("resources", [])
        return [one for one in found if not one["type"].startswith(WITHOUT_SUBSTANCE) and one.get("id")]

    def _changes(self, *command: str) -> list[str]:
        log = self.folder / "events"
        log.unlink(missing_ok=True)
        self.project.pulumi(*command, "--event-log", str(log))
        return sorted(
            {
                step.kind
                for step in steps_of(log)
                if step.operation not in _UNCHANGED and not step.type.startswith(WITHOUT_SUBSTANCE)
            }
        )


def make_workspace(parent: Path, account: Account) -> Workspace:
    """Make the folder of a new check."""
    number = secrets.token_hex(4)
    made = Workspace(parent.resolve() / number, account, number, secrets.token_urlsafe(32), logging_role(account))
    made.folder.mkdir(parents=True, mode=0o700)
    for name in ("home", "state"):
        (made.folder / name).mkdir()
    # The provider is some hundred megabytes: one that the user has is not fetched again.
    plugins = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    if plugins.is_dir():
        (made.folder / "home" / "plugins").symlink_to(plugins)
    note = {
        "profile": account.profile,
        "region": account.region,
        "account": account.number,
        "number": number,
        "passphrase": made.passphrase,
        "logging_role_before": made.logging_role_before,
    }
    path = made.folder / _NOTE
    path.touch(mode=0o600)
    path.write_text(json.dumps(note))
    copy_project(made.folder / "project")
    return made


def open_workspace(folder: Path) -> Workspace:
    """Open the folder of a check that left something behind.

    Raises:
        CheckError: it is not such a folder, or the credentials are another account's.

    """
    try:
        note = json.loads((folder / _NOTE).read_text())
    except OSError as error:
        raise CheckError(
            f"{folder} is not the folder of a check ({error.strerror}): name one that has {_NOTE}"
        ) from error
    account = open_account(note["profile"], note["region"])
    if account.number != note["account"]:
        raise CheckError(
            f"the check was made in account {note['account']} and the credentials are of {account.number}: use those "
            "of the first"
        )
    return Workspace(folder.resolve(), account, note["number"], note["passphrase"], note["logging_role_before"])
