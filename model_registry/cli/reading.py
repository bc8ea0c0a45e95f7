"""`list`, `show`, `compare`, `resolve`, `which`, `history`, `download`."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from model_registry import comparison
from model_registry.cli.common import (
    READ,
    Address,
    AsJson,
    Bucket,
    Profile,
    TagAddress,
    app,
    known_errors,
    open_registry,
    print_json,
    print_table,
    release_data,
    talk,
    working,
)
from model_registry.comparison import Comparison
from model_registry.printable import figure, figures
from model_registry.records import Mark, Move
from model_registry.reference import TagRef
from model_registry.registry import Registry
from model_registry.release import Release
from model_registry.signed_moves import signed_by
from model_registry.summary import ListedVersion, Page
from model_runtime.errors import InvalidNameError
from model_runtime.manifest import Artifact, Feature, Manifest

_CATEGORIES = 10
"""So many categories of a feature are shown."""


@app.command("list", rich_help_panel=READ)
def list_(
    bucket: Bucket,
    name: Annotated[str | None, typer.Argument(help="One model only.")] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="So many versions of one model at most.")] = 20,
    before: Annotated[int | None, typer.Option("--before", min=1, help="The ones before this number.")] = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """List the models with their latest version and tags, or one model's versions: when, who, metrics, tags, proof."""
    with known_errors():
        registry = open_registry(bucket, profile)
        pages = [registry.page(name, last=last, before=before)] if name else list(registry.pages())
        for page in pages:
            for reason in page.broken.values():
                talk.print(f"warning: {reason}", style="yellow", soft_wrap=True)
        if name:
            (page,) = pages
            if as_json:
                print_json({**_heading(page), "versions": [_listed(page, one) for one in page.versions]})
            else:
                print_table([_row_of(page, one) for one in page.versions], title=name)
        elif as_json:
            print_json([{**_heading(page), "latest": page.versions[-1].number} for page in pages])
        else:
            print_table(
                [
                    {
                        "model": page.name,
                        "latest": str(page.versions[-1].number),
                        "tags": ", ".join(f"{tag} -> {version}" for tag, version in page.tags.items()),
                    }
                    for page in pages
                ]
            )
        if not pages:
            talk.print(f"no models in {bucket}", soft_wrap=True)


@app.command(rich_help_panel=READ)
def show(bucket: Bucket, address: Address, profile: Profile = None, as_json: AsJson = False) -> None:
    """Show what a version is."""
    with known_errors():
        registry = open_registry(bucket, profile)
        release = registry.resolve(address)
        mark = registry.deprecation(release)
        if as_json:
            print_json({**release_data(release), "deprecated": mark})
            return
        manifest = release.manifest
        rows = {
            **_mark(mark),
            "estimator": manifest.estimator,
            "description": manifest.description,
            "published": f"{manifest.created_at.isoformat()} by {manifest.created_by}",
            "metrics": ", ".join(f"{name} {figure(value)}" for name, value in manifest.metrics.items()),
            "features": ", ".join(map(_feature, manifest.signature.features)),
            "labels": ", ".join(map(str, manifest.signature.labels or ())),
            "python": manifest.environment.python,
            "packages": ", ".join(f"{name} {version}" for name, version in manifest.environment.packages.items()),
            "model.joblib": _size(manifest.artifact),
            **_formats(registry, release),
            "deploys as": ", ".join(manifest.deployable),
            "own code": _own_code(manifest),
            **{wheel.file: _size(wheel) for wheel in manifest.wheels},
            "proof": _proof(manifest),
            "report.json": _size(manifest.report) if manifest.report else "",
            **_origin(manifest),
            **{f"label {name}": value for name, value in manifest.labels.items()},
            "manifest.json": f"sha256 {release.manifest_sha256}",
        }
        print_table(
            [{"field": field, "value": value} for field, value in rows.items() if value], title=manifest.reference
        )


def _feature(feature: Feature) -> str:
    """A feature's name and type, with its categories where it takes no others."""
    categories = feature.categories or ()
    more = [f"{len(categories) - _CATEGORIES:,} more"] if categories[_CATEGORIES:] else []
    listed = " or ".join([*map(str, categories[:_CATEGORIES]), *more])
    null = " or null" if feature.nullable else ""
    return f"{feature.name}: {feature.type}{f' ({listed})' if listed else ''}{null}"


def _origin(manifest: Manifest) -> dict[str, str]:
    """Where it comes from, as far as the manifest knows."""
    found = manifest.lineage
    changed = {True: "", False: ", with changes that are not committed", None: ""}[found.git_clean]
    return {
        "git commit": f"{found.git_commit}{changed}" if found.git_commit else "",
        "published by": found.entry or "",
        "mlflow run": found.mlflow_run or "",
        "training data": f"sha256 {found.training_data_sha256}" if found.training_data_sha256 else "",
    }


def _own_code(manifest: Manifest) -> str:
    code = manifest.code
    if code is None:
        return ""
    by_value = ["some by value, in the model's file"] if code.by_value else []
    return ", ".join([*code.modules, *by_value])


def _proof(manifest: Manifest) -> str:
    proof = manifest.proof
    if proof.kind == "none":
        return "none"
    ties = f", {proof.ties} ties" if proof.ties else ""
    return f"{proof.kind}: {proof.rows:,} rows by {proof.requests:,} requests, at most {proof.difference:.2g} off{ties}"


@app.command(rich_help_panel=READ)
def compare(
    bucket: Bucket,
    one: Address,
    other: Annotated[str, typer.Argument(help="The version that it is compared with, NAME/VERSION or NAME@TAG.")],
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two versions: metrics, signature, packages, parameters."""
    with known_errors():
        registry = open_registry(bucket, profile)
        found = comparison.compare(registry.resolve(one).manifest, registry.resolve(other).manifest)
        if as_json:
            print_json({**msgspec.to_builtins(found), "is_breaking": found.is_breaking})
            return
        differences = list(_differences(found))
        print_table(differences, title=f"{found.one} and {found.other}")
        if not differences:
            talk.print("nothing differs")


@app.command(rich_help_panel=READ)
def resolve(bucket: Bucket, address: Address, profile: Profile = None, as_json: AsJson = False) -> None:
    """Print the version that an address names, as NAME/VERSION."""
    with known_errors():
        pin = open_registry(bucket, profile).pin(address)
        if as_json:
            print_json(pin)
        else:
            print(pin)


@app.command(rich_help_panel=READ)
def which(
    bucket: Bucket,
    address: TagAddress,
    at: Annotated[str, typer.Option("--at", help="An instant as in 2026-11-23T14:03; without a zone: local time.")],
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Print the version that a tag pointed at, at an instant."""
    with known_errors():
        instant = _instant(at)
        found = open_registry(bucket, profile).which(address, instant)
        if as_json:
            print_json({"name": found.name, "version": found.version, "at": instant})
        else:
            print(found)


@app.command(rich_help_panel=READ)
def history(
    bucket: Bucket,
    address: Annotated[str, typer.Argument(help="NAME@TAG, for example iris@prod; or NAME for all its tags.")],
    last: Annotated[int | None, typer.Option("--last", min=1, help="So many moves at most; default: all.")] = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show who moved a tag, when, why, from where and to where; newest last."""
    with known_errors():
        registry = open_registry(bucket, profile)
        refs = [address] if "@" in address else [f"{address}@{tag}" for tag in registry.page(address, last=1).tags]
        found = [(registry.tag_of(ref), registry.history(ref, last=last)) for ref in refs]
        if as_json:
            shown = [{**msgspec.to_builtins(tag), "sealed": 0, "history": moves} for tag, moves in found]
            print_json(shown[0] if "@" in address else shown)
            return
        for tag, moves in found:
            ref = TagRef(tag.name, tag.tag)
            print_table([_row(ref, move) for move in moves], title=str(ref))


@app.command(rich_help_panel=READ)
def download(
    bucket: Bucket,
    address: Address,
    folder: Annotated[Path, typer.Option("--to", help="The folder to write to; made where missing.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Write a version's model.joblib, manifest.json and further files, digests checked, to a folder."""
    with known_errors():
        with working(f"downloading {address}") as work:
            paths = open_registry(bucket, profile, work=work).download(address, folder, force=force)
        if as_json:
            wheels = [str(path) for path in paths if path.suffix == ".whl"]
            further = {_what(path): str(path) for path in paths[2:] if path.suffix != ".whl"}
            further_wheels = {"wheels": wheels} if wheels else {}
            print_json({"model": str(paths[0]), "manifest": str(paths[1]), **further, **further_wheels})
        else:
            print(*paths, sep="\n")


@app.command(rich_help_panel=READ)
def export(
    bucket: Bucket,
    address: Address,
    mlflow: Annotated[Path, typer.Option("--mlflow", help="The folder to write, as MLflow has models; made anew.")],
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Write a version as a folder that MLflow loads and serves; nothing of it is loaded here."""
    from model_registry import to_mlflow

    with known_errors():
        release = to_mlflow.export(open_registry(bucket, profile), address, mlflow)
        if as_json:
            print_json({"folder": str(mlflow), "version": release.manifest.reference})
        else:
            print(mlflow)


def _what(path: Path) -> str:
    """What a further file is: a model's by its format, `code.zip` as `zip`, others by their name, as `sbom`."""
    return path.name.partition(".")[0] if path.suffix == ".json" else path.suffix.removeprefix(".")


def _heading(page: Page) -> dict[str, Any]:
    return {"name": page.name, "tags": page.tags, "broken": page.broken}


def _listed(page: Page, one: ListedVersion) -> dict[str, Any]:
    """A version as JSON; what its manifest says is missing where that cannot be read."""
    data: dict[str, Any] = {"version": one.number, "deprecated": one.is_deprecated, "tags": _tags(page, one)}
    if one.manifest is None:
        return {**data, "error": one.error}
    manifest = one.manifest
    return {
        **data,
        "created_at": manifest.created_at,
        "created_by": manifest.created_by,
        "metrics": manifest.metrics,
        "labels": manifest.labels,
        "formats": manifest.format_names,
        "proof": manifest.proof.kind,
    }


def _row_of(page: Page, one: ListedVersion) -> dict[str, str]:
    """A version as a row; one that cannot be read says so."""
    row = {"version": str(one.number), "tags": ", ".join(_tags(page, one))}
    manifest = one.manifest
    if manifest is None:
        unread = dict.fromkeys(("published", "by", "metrics", "formats", "proof"), "")
        return row | unread | {"note": " ".join(one.error.split())}
    return row | {
        "published": f"{manifest.created_at.astimezone(UTC):%Y-%m-%d %H:%MZ}",
        "by": manifest.created_by,
        "metrics": ", ".join(f"{name} {figure(value)}" for name, value in manifest.metrics.items()),
        "formats": ", ".join(manifest.format_names),
        "proof": manifest.proof.kind,
        "note": "revoked" if one.is_revoked else "deprecated" if one.is_deprecated else "",
    }


def _tags(page: Page, one: ListedVersion) -> list[str]:
    return [tag for tag, version in page.tags.items() if version == one.number]


def _mark(mark: Mark | None) -> dict[str, str]:
    if mark is None:
        return {}
    return {"revoked" if mark.revoked else "deprecated": f"{mark.at.isoformat()} by {mark.by}: {mark.reason}"}


def _size(artifact: Artifact) -> str:
    return f"{artifact.size:,} bytes, sha256 {artifact.sha256}"


def _formats(registry: Registry, release: Release) -> dict[str, str]:
    """What there is beside the joblib file; the types of a skops file are read from the file itself."""
    rows: dict[str, str] = {}
    for name, model_format in release.manifest.formats.items():
        rows[model_format.artifact.file] = _size(model_format.artifact)
        if model_format.replay:
            replay = model_format.replay
            within = f"within {replay.difference:.1g} of {replay.tolerance:.1g} allowed"
            rows[f"{name} compared"] = f"{replay.rows:,} rows, labels equal, numbers {within}"
        if name == "skops":
            rows["types to trust"] = ", ".join(registry.untrusted_types(release)) or "none"
    return rows


def _differences(found: Comparison) -> Iterator[dict[str, str]]:
    single = {"estimator": found.estimator, "python": found.python}
    groups: list[tuple[str, Mapping[str, tuple[Any, Any]]]] = [
        ("", {name: pair for name, pair in single.items() if pair}),
        ("metric", found.metrics),
        ("package", found.packages),
        ("file", found.files),
        ("parameter", found.parameters),
        ("lineage", found.lineage),
        ("label", found.labels),
    ]
    for kind, pairs in groups:
        for name, (before, after) in pairs.items():
            if before is after is None:  # a parameter of None is as good as none
                continue
            one, other = figures(before, after) if kind == "metric" else (_text(before), _text(after))
            if one == other:  # 1 and "1"
                one, other = repr(before), repr(after)
            yield {"what": f"{kind} {name}".strip(), found.one: one, found.other: other, "": ""}
    for change in found.signature:
        breaks = "breaks callers" if change.is_breaking else ""
        yield {"what": "signature", found.one: "", found.other: change.sentence, "": breaks}


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _row(ref: TagRef, move: Move) -> dict[str, str]:
    return {
        "move": str(move.sequence),
        "at": f"{move.at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}",
        "what": move.action,
        "from": "" if move.from_version is None else str(move.from_version),
        "to": "" if move.to_version is None else str(move.to_version),
        "by": f"{move.by} ({move.caller})" if move.caller else move.by,
        "why": move.reason,
        "checks": "; ".join(move.looked_at),
        "signed by": str(signed_by(ref, move) or ""),
    }


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise InvalidNameError(f"{text!r} is not a valid timestamp: write it like 2026-11-23T14:03:00+01:00") from error
