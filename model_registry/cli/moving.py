"""`tag`, `untag`, `promote`, `rollback`, `rules`."""

from collections.abc import Iterator
from typing import Annotated

import typer

from model_registry.cli.common import (
    MOVE,
    Address,
    AsJson,
    Bucket,
    By,
    InAccount,
    Name,
    OnlyFormat,
    Profile,
    PromoterKeyFile,
    Reason,
    TagAddress,
    account_verifier,
    app,
    known_errors,
    open_registry,
    print_json,
    print_table,
    proof_kind,
    talk,
    working,
)
from model_registry.records import Gates, Move, Tag

Require = Annotated[list[str] | None, typer.Option("--require", help="A bound, as accuracy>=0.95; may be given again.")]
NotWorseThan = Annotated[
    str | None, typer.Option("--not-worse-than", help="A tag: no metric may be worse than its version's.")
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Rebuild the model's environment and replay its golden examples first.")
]
MinimumProof = Annotated[
    str | None, typer.Option("--proof", help="How the version must have been proven when it was published: full.")
]
AllowBreaking = Annotated[bool, typer.Option("--allow-breaking", help="Even if callers of the version there break.")]
AllowDeprecated = Annotated[bool, typer.Option("--allow-deprecated", help="Even if the version is deprecated.")]


@app.command(rich_help_panel=MOVE)
def tag(
    bucket: Bucket,
    address: Address,
    tag: Annotated[str, typer.Argument(help="The tag, for example prod.")],
    promoter_key: PromoterKeyFile = None,
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Point a tag at a version."""
    with known_errors():
        committed: list[Move] = []
        _print(
            open_registry(bucket, profile, by, promoter_key=promoter_key, on_move=committed.append).tag(
                address, tag, reason=reason
            ),
            committed,
            as_json=as_json,
        )


@app.command(rich_help_panel=MOVE)
def untag(
    bucket: Bucket,
    address: TagAddress,
    promoter_key: PromoterKeyFile = None,
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Unset a tag; its history stays."""
    with known_errors():
        committed: list[Move] = []
        _print(
            open_registry(bucket, profile, by, promoter_key=promoter_key, on_move=committed.append).untag(
                address, reason=reason
            ),
            committed,
            as_json=as_json,
        )


@app.command(rich_help_panel=MOVE)
def promote(
    bucket: Bucket,
    name: Name,
    to: Annotated[str, typer.Option("--to", help="The tag that is moved there.")],
    from_tag: Annotated[str | None, typer.Option("--from-tag", help="The tag whose version is promoted.")] = None,
    version: Annotated[int | None, typer.Option("--version", help="Or the number of the version.")] = None,
    require: Require = None,
    not_worse_than: NotWorseThan = None,
    verify: Verify = False,
    model_format: OnlyFormat = None,
    in_account: InAccount = False,
    proof: MinimumProof = None,
    allow_breaking: AllowBreaking = False,
    allow_deprecated: AllowDeprecated = False,
    promoter_key: PromoterKeyFile = None,
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Point a tag at a version, or at another tag's, if that passes the gates given and the tag's promotion rules.

    With --in-account it is verified, as with --verify, but in the registry's account.
    """
    with known_errors():
        gates = _gates(require, not_worse_than, verify or in_account, proof, allow_breaking, allow_deprecated)
        committed: list[Move] = []
        with working("promoting") as progress:
            moved = open_registry(bucket, profile, by, promoter_key=promoter_key, on_move=committed.append).promote(
                name,
                to_tag=to,
                from_tag=from_tag,
                version=version,
                gates=gates,
                model_format=model_format,
                verifier=account_verifier(bucket, profile) if in_account else None,
                reason=reason,
                progress=progress,
            )
        _print(moved, committed, as_json=as_json)


@app.command(rich_help_panel=MOVE)
def rules(
    bucket: Bucket,
    address: TagAddress,
    clear: Annotated[bool, typer.Option("--clear", help="Replace all gates by those given, even by none.")] = False,
    require: Require = None,
    not_worse_than: NotWorseThan = None,
    verify: Verify = False,
    proof: MinimumProof = None,
    allow_breaking: AllowBreaking = False,
    allow_deprecated: AllowDeprecated = False,
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show a tag's promotion rules, or set them: any gate given replaces all.

    `tag` and `promote` must pass them; `rollback` and `untag` do not ask them.
    """
    with known_errors():
        gates = _gates(require, not_worse_than, verify, proof, allow_breaking, allow_deprecated)
        registry = open_registry(bucket, profile, by)
        found = registry.rules(address)
        if clear or gates != Gates():
            found = registry.set_rules(address, gates, reason=reason)
        if as_json:
            print_json(found)
        elif found is None:
            talk.print(f"{address} has no promotion rules")
        else:
            print_table([{"gate": gate, "value": value} for gate, value in _words(found.gates)])


@app.command(rich_help_panel=MOVE)
def rollback(
    bucket: Bucket,
    address: TagAddress,
    allow_deprecated: AllowDeprecated = False,
    promoter_key: PromoterKeyFile = None,
    reason: Reason = "",
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Point a tag at the version that it pointed at before; again: at the one before that.

    The tag's promotion rules are not asked: it is for when the version that is there must go.
    """
    with known_errors():
        committed: list[Move] = []
        _print(
            open_registry(bucket, profile, by, promoter_key=promoter_key, on_move=committed.append).rollback(
                address, reason=reason, allow_deprecated=allow_deprecated
            ),
            committed,
            as_json=as_json,
        )


def _gates(
    require: list[str] | None,
    not_worse_than: str | None,
    verify: bool,
    proof: str | None,
    allow_breaking: bool,
    allow_deprecated: bool,
) -> Gates:
    return Gates(
        require=tuple(require or ()),
        not_worse_than=not_worse_than,
        verify=verify,
        proof=proof_kind(proof) or "none",
        allow_breaking=allow_breaking,
        allow_deprecated=allow_deprecated,
    )


def _words(gates: Gates) -> Iterator[tuple[str, str]]:
    yield "require", ", ".join(gates.require) or "nothing"
    yield "not worse than", gates.not_worse_than or "nothing"
    yield "verify", "yes" if gates.verify else "no"
    yield "proof", gates.proof
    yield "breaking changes", "allowed" if gates.allow_breaking else "refused"
    yield "deprecated versions", "allowed" if gates.allow_deprecated else "refused"


def _print(tag: Tag, committed: list[Move], *, as_json: bool) -> None:
    if as_json:
        print_json(tag)
        return
    target = "nothing" if tag.version is None else f"{tag.name}/{tag.version}"
    print(f"{tag.name}@{tag.tag} -> {target}{'' if committed else ' (was there already)'}")
    for move in committed:
        if move.action == "rollback" and move.checks:  # what was skipped
            talk.print(*move.checks, sep="\n")
