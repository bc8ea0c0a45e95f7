"""The registry on the command line: data to stdout, talk to stderr; a known error is one line and exit code 1."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from model_registry.errors import CredentialsError, PublishError, RegistryError
from model_registry.registry import Registry
from model_registry.release import Release
from model_registry.storage import Storage

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
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the tag's history.")]
Address = Annotated[str, typer.Argument(help="NAME/VERSION or NAME@TAG, for example iris/3 or iris@prod.")]
Name = Annotated[str, typer.Argument(help="The model's name.")]


@app.command()
def publish(
    bucket: Bucket,
    model: Annotated[Path, typer.Argument(help="A fitted estimator, written by joblib.dump. It is loaded: trust it.")],
    name: Annotated[str, typer.Option("--name", "-n", help="The model's name.")],
    example: Annotated[
        Path, typer.Option("--example", "-x", help="Example inputs, a JSON list of objects, lists or texts, or a CSV.")
    ],
    classes: Annotated[str | None, typer.Option(help="Names of the classes, by commas, in order of classes_.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="A metric as NAME=VALUE; may be given again.")] = None,
    description: Annotated[str, typer.Option("--description", "-d", help="A sentence for people.")] = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Publish a model file as the next version of a model."""
    from model_registry.estimator import load_file

    with _known_errors():
        X_example = _read_examples(example)
        metrics = dict(_metric(text) for text in metric or ())
        with talk.status(f"loading {model}"):
            estimator, data = load_file(model)
        registry = _registry(bucket, profile, by)
        with talk.status(f"publishing {len(data) / 1e6:.1f} MB to {bucket}"):
            release = registry.publish(
                estimator,
                name=name,
                X_example=X_example,
                class_names=classes.split(",") if classes else None,
                metrics=metrics,
                description=description,
                model_bytes=data,
            )
        if as_json:
            _print_json(_release_data(release))
        else:
            print(release.manifest.reference)


@app.command("list")
def list_(
    bucket: Bucket,
    name: Annotated[str | None, typer.Argument(help="One model only.")] = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """List the models with their versions and tags."""
    with _known_errors():
        registry = _registry(bucket, profile)
        summaries = [registry.model(name)] if name else list(registry.models())
        if as_json:
            _print_json([{"name": s.name, "versions": s.versions, "tags": s.tags} for s in summaries])
            return
        table = Table("model", "versions", "tags")
        for summary in summaries:
            versions = ", ".join(map(str, summary.versions))
            table.add_row(summary.name, versions, ", ".join(f"{tag} -> {v}" for tag, v in summary.tags.items()))
        Console().print(table)


@app.command()
def show(bucket: Bucket, address: Address, profile: Profile = None, as_json: AsJson = False) -> None:
    """Show what a version is."""
    with _known_errors():
        release = _registry(bucket, profile).resolve(address)
        if as_json:
            _print_json(_release_data(release))
            return
        manifest = release.manifest
        # Digests are folded, as a cut one is of no use.
        table = Table("field", Column("value", overflow="fold"), title=manifest.reference)
        features = ", ".join(
            f"{f.name}: {f.type}{' or null' if f.nullable else ''}" for f in manifest.signature.features
        )
        rows = {
            "estimator": manifest.estimator,
            "description": manifest.description,
            "published": f"{manifest.created_at.isoformat()} by {manifest.created_by}",
            "metrics": ", ".join(f"{name} {value:g}" for name, value in manifest.metrics.items()),
            "features": features,
            "labels": ", ".join(map(str, manifest.signature.labels or ())),
            "python": manifest.environment.python,
            "packages": ", ".join(f"{name} {version}" for name, version in manifest.environment.packages.items()),
            "model.joblib": f"{manifest.artifact.size:,} bytes, sha256 {manifest.artifact.sha256}",
            "manifest.json": f"sha256 {release.manifest_sha256}",
        }
        for field, value in rows.items():
            if value:
                table.add_row(field, value)
        Console().print(table)


@app.command()
def tag(
    bucket: Bucket,
    address: Address,
    tag: Annotated[str, typer.Argument(help="The tag, for example prod.")],
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Point a tag at a version."""
    with _known_errors():
        _print_tag(_registry(bucket, profile, by).tag(address, tag, reason=reason), as_json=as_json)


@app.command()
def promote(
    bucket: Bucket,
    name: Name,
    from_tag: Annotated[str, typer.Option("--from-tag", help="The tag whose version is promoted.")],
    to: Annotated[str, typer.Option("--to", help="The tag that is moved there.")],
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Point one tag at the version of another."""
    with _known_errors():
        moved = _registry(bucket, profile, by).promote(name, from_tag=from_tag, to_tag=to, reason=reason)
        _print_tag(moved, as_json=as_json)


@app.command()
def resolve(bucket: Bucket, address: Address, profile: Profile = None, as_json: AsJson = False) -> None:
    """Print the version that an address names, as NAME/VERSION."""
    with _known_errors():
        release = _registry(bucket, profile).resolve(address)
        if as_json:
            manifest = release.manifest
            _print_json(
                {"name": manifest.name, "version": manifest.version, "manifest_sha256": release.manifest_sha256}
            )
        else:
            print(release.manifest.reference)


@app.command()
def download(
    bucket: Bucket,
    address: Address,
    folder: Annotated[Path, typer.Option("--to", help="The folder to write to; made where missing.")] = Path(),
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Write a version's model.joblib and manifest.json, digests checked, to a folder."""
    with _known_errors():
        with talk.status(f"downloading {address}"):
            paths = _registry(bucket, profile).download(address, folder)
        if as_json:
            _print_json({"model": str(paths[0]), "manifest": str(paths[1])})
        else:
            print(*paths, sep="\n")


def caller_identity(profile: str | None = None) -> str:
    """The ARN that STS knows the caller by."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        session = boto3.Session(profile_name=profile, region_name=os.environ.get("AWS_REGION"))
        arn: str = session.client("sts").get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError) as error:
        raise CredentialsError(f"STS does not say who you are ({error}): give --by NAME") from error
    return arn


def main() -> None:
    """Run the command line."""
    app()


@contextmanager
def _known_errors() -> Iterator[None]:
    try:
        yield
    except RegistryError as error:
        line = " ".join(str(error).split())  # scikit-learn's own messages, which some of ours end with, have several
        talk.print(f"error: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _registry(bucket: str, profile: str | None, by: str | None = None) -> Registry:
    actor: str | Callable[[], str] = by or (lambda: caller_identity(profile))
    return Registry(Storage.open(bucket, profile=profile), actor=actor)


def _read_examples(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".csv":
            return _read_csv(path)
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PublishError(f"cannot read the examples {path}: {error.strerror}") from error
    except ValueError as error:
        raise PublishError(f"the examples {path} are no JSON ({error}): give a list, or a file named *.csv") from error
    if isinstance(document, list):
        return document
    raise PublishError(f"the examples {path} hold a {type(document).__name__}: give a list of objects, lists or texts")


def _read_csv(path: Path) -> list[dict[str, Any]]:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, restkey="", restval=""))
    if any("" in row for row in rows):
        raise PublishError(f"the examples {path} have a row with more cells than the header: name every column")
    return [{name: _csv_value(text) for name, text in row.items()} for row in rows]


def _csv_value(text: str) -> Any:
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _metric(text: str) -> tuple[str, float]:
    name, separator, value = text.partition("=")
    try:
        if name and separator:
            return name, float(value)
    except ValueError:
        pass
    raise PublishError(f"metric {text!r} is not NAME=VALUE with a number, for example accuracy=0.98")


def _release_data(release: Release) -> dict[str, Any]:
    return {**msgspec.to_builtins(release.manifest), "manifest_sha256": release.manifest_sha256}


def _print_tag(moved: Any, *, as_json: bool) -> None:
    if as_json:
        _print_json(msgspec.to_builtins(moved))
        return
    print(f"{moved.name}@{moved.tag} -> {moved.name}/{moved.version}")


def _print_json(data: Any) -> None:
    json.dump(data, sys.stdout, indent=2, ensure_ascii=False)
    print()
