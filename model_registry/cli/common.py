"""What the commands share: the application, options, errors, and how data is printed."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from model_registry.identity import caller_identity
from model_registry.registry import Registry
from model_registry.release import Release
from model_runtime.errors import RegistryError
from model_runtime.storage import Storage

if TYPE_CHECKING:
    from model_registry.events import EventBridge
    from model_registry.signing import Signer

FOUND_SOMETHING = 3
"""Exit code of `verify` and `doctor` when they found something wrong."""

app = typer.Typer(
    name="model_registry",
    help="A model registry that needs only a bucket: immutable versions, tags moved by compare-and-swap.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug keeps its plain traceback
)
talk = Console(stderr=True)

Bucket = Annotated[str, typer.Option("--bucket", "-b", envvar="MODEL_REGISTRY", help="The registry: s3://NAME.")]
Profile = Annotated[str | None, typer.Option("--profile", help="AWS profile; default: as the AWS CLI takes it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
By = Annotated[str | None, typer.Option("--by", help="Who does this; default: the caller's identity from STS.")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the registry.")]
NeededReason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the registry. Needed.")]
Address = Annotated[str, typer.Argument(help="NAME/VERSION or NAME@TAG, for example iris/3 or iris@prod.")]
TagAddress = Annotated[str, typer.Argument(help="NAME@TAG, for example iris@prod.")]
Name = Annotated[str, typer.Argument(help="The model's name.")]


@contextmanager
def known_errors() -> Iterator[None]:
    """Turn a known error into one line and exit code 1."""
    try:
        yield
    except RegistryError as error:
        line = " ".join(str(error).split())  # scikit-learn's own messages, which some of ours end with, have several
        talk.print(f"error: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def open_registry(
    bucket: str, profile: str | None, by: str | None = None, *, signing_key: Path | None = None
) -> Registry:
    """The registry in a bucket, written to as `by`, else as whom STS knows.

    MODEL_REGISTRY_TRUSTED_KEYS (public keys, separated by commas) has manifests refused that none of them signed;
    MODEL_REGISTRY_EVENT_BUS names the EventBridge bus that is told of moves.
    """
    keys, bus = os.environ.get("MODEL_REGISTRY_TRUSTED_KEYS"), os.environ.get("MODEL_REGISTRY_EVENT_BUS")
    return Registry(
        Storage.open(bucket, profile=profile),
        actor=by or (lambda: caller_identity(profile)),
        signer=_signer(signing_key) if signing_key else None,
        trusted_keys=[keys] if keys else [],
        notifier=_event_bridge(bus, bucket, profile) if bus else None,
    )


def _signer(path: Path) -> "Signer":
    from model_registry.signing import Signer  # cryptography is an extra

    return Signer.from_file(path, os.environ.get("MODEL_REGISTRY_SIGNING_PASSPHRASE"))


def _event_bridge(bus: str, bucket: str, profile: str | None) -> "EventBridge":
    from model_registry.events import EventBridge

    return EventBridge(bus, bucket=bucket, profile=profile)


def release_data(release: Release) -> dict[str, Any]:
    """A version as JSON: its manifest and what pins it."""
    return {**msgspec.to_builtins(release.manifest), "manifest_sha256": release.manifest_sha256}


def print_json(data: Any) -> None:
    """Print data for a script."""
    json.dump(msgspec.to_builtins(data), sys.stdout, indent=2, ensure_ascii=False)
    print()


def print_table(rows: list[Mapping[str, str]], *, title: str | None = None) -> None:
    """Print rows for a person; columns that are empty everywhere are left out, and a table without rows is, too."""
    if not rows:
        return
    table = Table(title=title)
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    for name in columns:
        table.add_column(name, overflow="fold")  # a digest that is cut short is of no use
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    Console().print(table)
