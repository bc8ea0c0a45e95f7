"""`tag`, `untag`, `promote`, `rollback`."""

from typing import Annotated

import typer

from model_registry.cli.common import (
    Address,
    AsJson,
    Bucket,
    By,
    Name,
    Profile,
    Reason,
    TagAddress,
    app,
    known_errors,
    open_registry,
    print_json,
)
from model_registry.manifest import Tag


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
    with known_errors():
        _print(open_registry(bucket, profile, by).tag(address, tag, reason=reason), as_json=as_json)


@app.command()
def untag(
    bucket: Bucket,
    address: TagAddress,
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Let a tag point at nothing; its history stays."""
    with known_errors():
        _print(open_registry(bucket, profile, by).untag(address, reason=reason), as_json=as_json)


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
    with known_errors():
        moved = open_registry(bucket, profile, by).promote(name, from_tag=from_tag, to_tag=to, reason=reason)
        _print(moved, as_json=as_json)


@app.command()
def rollback(
    bucket: Bucket,
    address: TagAddress,
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Point a tag at the version that it pointed at before; again: at the one before that."""
    with known_errors():
        _print(open_registry(bucket, profile, by).rollback(address, reason=reason), as_json=as_json)


def _print(moved: Tag, *, as_json: bool) -> None:
    if as_json:
        print_json(moved)
        return
    target = "nothing" if moved.version is None else f"{moved.name}/{moved.version}"
    print(f"{moved.name}@{moved.tag} -> {target}")
