"""`tag`, `untag`, `promote`, `rollback`, `policy`."""

from typing import Annotated

import msgspec
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
    print_table,
    talk,
)
from model_registry.records import Gates, Tag

Require = Annotated[list[str] | None, typer.Option("--require", help="A bound, as accuracy>=0.95; may be given again.")]
NotWorseThan = Annotated[
    str | None, typer.Option("--not-worse-than", help="A tag: no metric may be worse than its version's.")
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Rebuild the model's environment and replay its golden examples first.")
]
AllowBreaking = Annotated[bool, typer.Option("--allow-breaking", help="Even if callers of the version there break.")]
AllowDeprecated = Annotated[bool, typer.Option("--allow-deprecated", help="Even if the version is deprecated.")]


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
    to: Annotated[str, typer.Option("--to", help="The tag that is moved there.")],
    from_tag: Annotated[str | None, typer.Option("--from-tag", help="The tag whose version is promoted.")] = None,
    version: Annotated[int | None, typer.Option("--version", help="Or the number of the version.")] = None,
    require: Require = None,
    not_worse_than: NotWorseThan = None,
    verify: Verify = False,
    allow_breaking: AllowBreaking = False,
    allow_deprecated: AllowDeprecated = False,
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Point a tag at a version, or at another tag's, if that passes the gates given and those of the tag's policy."""
    with known_errors():
        gates = _gates(require, not_worse_than, verify, allow_breaking, allow_deprecated)
        with talk.status("promoting") as status:
            moved = open_registry(bucket, profile, by).promote(
                name,
                to_tag=to,
                from_tag=from_tag,
                version=version,
                gates=gates,
                reason=reason,
                progress=status.update,
            )
        _print(moved, as_json=as_json)


@app.command()
def policy(
    bucket: Bucket,
    address: TagAddress,
    clear: Annotated[bool, typer.Option("--clear", help="Set the gates anew to those given, even to none.")] = False,
    require: Require = None,
    not_worse_than: NotWorseThan = None,
    verify: Verify = False,
    allow_breaking: AllowBreaking = False,
    allow_deprecated: AllowDeprecated = False,
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show the gates that every move of a tag meets, or set them: any gate given replaces all that were set."""
    with known_errors():
        gates = _gates(require, not_worse_than, verify, allow_breaking, allow_deprecated)
        registry = open_registry(bucket, profile, by)
        found = registry.policy(address)
        if clear or gates != Gates():
            found = registry.set_policy(address, gates, reason=reason)
        if as_json:
            print_json(found)
        elif found is None:
            talk.print(f"{address} has no policy")
        else:
            values = msgspec.to_builtins(found.gates)
            print_table([{"gate": gate, "value": str(value)} for gate, value in values.items()])


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


def _gates(
    require: list[str] | None, not_worse_than: str | None, verify: bool, allow_breaking: bool, allow_deprecated: bool
) -> Gates:
    return Gates(
        require=tuple(require or ()),
        not_worse_than=not_worse_than,
        verify=verify,
        allow_breaking=allow_breaking,
        allow_deprecated=allow_deprecated,
    )


def _print(moved: Tag, *, as_json: bool) -> None:
    if as_json:
        print_json(moved)
        return
    target = "nothing" if moved.version is None else f"{moved.name}/{moved.version}"
    print(f"{moved.name}@{moved.tag} -> {target}")
