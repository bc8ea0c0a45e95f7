"""What the commands share: the application, options, errors, and how data is printed."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_args

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from model_registry.cli.work import Work, plain
from model_registry.cli.work import working as show
from model_registry.folder import folder_of, open_storage
from model_registry.identity import caller_identity, local_identity
from model_registry.printable import ignore_useless_width
from model_registry.records import Move, Tag
from model_registry.registry import Registry
from model_registry.release import Release
from model_runtime.errors import BucketNotFoundError, InvalidNameError, PublishError, RegistryError, StorageError
from model_runtime.manifest import ProofKind

if TYPE_CHECKING:
    from model_registry.events import EventBridge
    from model_registry.in_account import AccountVerifier
    from model_registry.signed_moves import PromoterKey
    from model_registry.signing import Signer

_UNFOLDED = 100_000
_NARROW, _ROOM = 60, 3
"""On a terminal with fewer columns than this, tables of more columns than these are printed row by row."""
FOUND_SOMETHING = 3
"""Exit code of `verify` and `doctor` when they found something wrong."""


ignore_useless_width()
talk = Console(stderr=True, markup=False, highlight=False)
"""Speaks to people on stderr. What it is given is text, never rich's markup: names and reasons may look like it."""
READ, MOVE, WRITE, KEEP = "Look", "Move tags", "Publish", "Housekeeping"
"""The groups of commands in the help."""

app = typer.Typer(
    name="model_registry",
    help="A model registry that needs only a bucket: immutable versions, tags moved by compare-and-swap.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug keeps its plain traceback
)


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            print(metadata.version("sklearn-on-lambda"))
        except metadata.PackageNotFoundError:
            print("a checkout that is not installed")
        raise typer.Exit


Bucket = Annotated[
    str,
    typer.Option(
        "--bucket",
        "-b",
        envvar="MODEL_REGISTRY",
        help="The registry: s3://NAME, s3://NAME?owner=ACCOUNT to have the owner checked, or a folder as ./models.",
    ),
]
Profile = Annotated[str | None, typer.Option("--profile", help="AWS profile; default: as the AWS CLI takes it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        envvar="MODEL_REGISTRY_ACTOR",
        help="Who does this; default: the caller's identity from STS, else kept beside it.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the registry.")]
NeededReason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the registry. Needed.")]
Address = Annotated[str, typer.Argument(help="NAME/VERSION or NAME@TAG, for example iris/3 or iris@prod.")]
PromoterKeyFile = Annotated[
    str | None,
    typer.Option(
        "--promoter-key",
        envvar="MODEL_REGISTRY_PROMOTER_KEY",
        help="What signs the move: a private key's file (PEM; see keygen), or the ARN of a KMS key.",
    ),
]
TagAddress = Annotated[str, typer.Argument(help="NAME@TAG, for example iris@prod.")]
OnlyFormat = Annotated[
    str | None,
    typer.Option("--format", help="Load only this format for it, such as the one that is served; default: all."),
]
InAccount = Annotated[
    bool,
    typer.Option(
        "--in-account",
        help="Run the model's code in the registry's account, by the stack `registry`'s project, and not here.",
    ),
]
Name = Annotated[str, typer.Argument(help="The model's name.")]


@app.callback()
def _options(
    version: Annotated[  # its callback does the work
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@contextmanager
def known_errors() -> Iterator[None]:
    """Turn a known error into one line and exit code 1."""
    try:
        yield
    except RegistryError as error:
        line = plain(
            " ".join(str(error).split())
        )  # scikit-learn's own messages, which some of ours end with, have several
        _fail(line, error)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OF_PUBLISH:
            raise
        _fail(plain(f"this needs {error.name}: `pip install 'sklearn-on-lambda[publish]'`"), error)


_OF_PUBLISH = {"cloudpickle", "elftools", "joblib", "numpy", "scipy", "sklearn", "uv"}
"""What the extra `publish` installs."""


def _fail(line: Text, error: Exception) -> NoReturn:
    talk.print(Text("error: ") + line, style="red", soft_wrap=True)
    raise typer.Exit(1) from error


@contextmanager
def working(what: str) -> Iterator[Work]:
    """Show what is being done; what is called with a line shows that next."""
    with show(what, talk) as work:
        yield work


def open_registry(
    bucket: str,
    profile: str | None,
    by: str | None = None,
    *,
    signing_key: Path | None = None,
    promoter_key: str | None = None,
    on_move: Callable[[Move], None] | None = None,
    work: Work | None = None,
    may_be_new: bool = False,
) -> Registry:
    """The registry in a bucket, written to as `by`, else as whom STS knows.

    MODEL_REGISTRY_TRUSTED_KEYS (public keys, separated by commas) has manifests refused that none of them signed;
    MODEL_REGISTRY_EVENT_BUS names the EventBridge bus that is told of moves; `on_move` hears of each of them before.
    MODEL_REGISTRY_VERIFY names tags, separated by commas, whose promotion rules may have a model's code run here.
    `work` shows what is transferred. A folder that is not there is refused, unless it `may_be_new`: a publish makes it.
    """
    if not may_be_new:
        require_folder(bucket)
    keys, bus = os.environ.get("MODEL_REGISTRY_TRUSTED_KEYS"), os.environ.get("MODEL_REGISTRY_EVENT_BUS")
    event_bridge = _event_bridge(bus, bucket, profile) if bus else None

    def notify(tag: Tag, move: Move) -> None:
        if on_move:
            on_move(move)
        if event_bridge:
            event_bridge(tag, move)

    storage = open_storage(bucket, profile=profile)
    if work:
        storage.watcher = work.transferred
    identity = local_identity if folder_of(bucket) else partial(caller_identity, profile)
    return Registry(
        storage,
        actor=by or identity,
        caller=identity if by else None,
        signer=_signer(signing_key) if signing_key else None,
        trusted_keys=[keys] if keys else [],
        notifier=notify,
        promoter=_promoter(promoter_key, profile) if promoter_key else None,
        verify_tags=[tag.strip() for tag in os.environ.get("MODEL_REGISTRY_VERIFY", "").split(",") if tag.strip()],
    )


def require_folder(bucket: str) -> None:
    """BucketNotFoundError where a registry is a folder that is not there: a typo would look like an empty registry."""
    folder = folder_of(bucket)
    try:
        is_missing = folder is not None and not folder.is_dir()
    except OSError as error:
        raise StorageError(
            f"cannot look for the folder {bucket} ({error.strerror}): give another folder, or the right to it"
        ) from error
    if is_missing:
        raise BucketNotFoundError(f"there is no folder {bucket}: check the path; `publish` and `copy --to` make one")


def account_verifier(bucket: str, profile: str | None) -> "AccountVerifier":
    """What verifies versions in the account of a registry; InvalidNameError where the registry is a folder."""
    from model_registry.in_account import AccountVerifier

    if folder_of(bucket):
        raise InvalidNameError(f"{bucket} is a folder, not a bucket in an AWS account: leave out --in-account")
    return AccountVerifier(bucket, profile)


def _signer(path: Path) -> "Signer":
    from model_registry.signing import Signer  # cryptography is an extra

    return Signer.from_file(path, os.environ.get("MODEL_REGISTRY_SIGNING_PASSPHRASE"))


def _promoter(key: str, profile: str | None) -> "PromoterKey":
    if key.startswith("arn:"):
        from model_registry.kms_signing import KmsSigner

        return KmsSigner(key, profile=profile)
    return _signer(Path(key))


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


def print_table(rows: Sequence[Mapping[str, str]], *, title: str | None = None) -> None:
    """Print rows for a person; columns that are empty everywhere are left out, and a table without rows is, too."""
    if not rows:
        return
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    # Whatever reads a pipe looks for whole keys and digests: nothing is folded there, but by who sets COLUMNS.
    is_bound = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if is_bound else _UNFOLDED, soft_wrap=False)
    if console.width < _NARROW and len(columns) > _ROOM:
        _print_each(console, rows, columns, title)
        return
    table = Table(title=plain(title) if title else None)
    for name in columns:
        table.add_column(plain(name), overflow="fold")  # a digest that is cut short is of no use
    for row in rows:
        table.add_row(*(plain(row[name]) for name in columns))
    console.print(table)


def _print_each(console: Console, rows: Sequence[Mapping[str, str]], columns: list[str], title: str | None) -> None:
    """Print rows one below the other, a field a line, where their columns have no room beside each other."""
    if title:
        console.print(plain(title), style="bold", soft_wrap=True)
    for row in rows:
        lines = (plain(f"{name or 'kind'}: {row[name]}") for name in columns if row[name])
        console.print(Text("\n").join(lines), soft_wrap=True)
        console.print()


def proof_kind(text: str | None) -> ProofKind | None:
    """Read `--proof`."""
    kinds: tuple[ProofKind, ...] = get_args(ProofKind)
    if text is None:
        return None
    for kind in kinds:
        if text == kind:
            return kind
    raise PublishError(f"the proof is {text!r} (--proof or MODEL_REGISTRY_PROOF): take one of {', '.join(kinds)}")
