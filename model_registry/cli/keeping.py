"""`deprecate`, `revoke`, `delete`, `gc`, `verify`, `doctor`, `copy`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

import typer

from model_registry import purge as _purge
from model_registry import reference
from model_registry.audit import audit
from model_registry.cli.common import (
    FOUND_SOMETHING,
    KEEP,
    Address,
    AsJson,
    Bucket,
    By,
    InAccount,
    NeededReason,
    OnlyFormat,
    Profile,
    Reason,
    account_verifier,
    app,
    known_errors,
    open_registry,
    print_json,
    print_table,
    require_folder,
    talk,
    working,
)
from model_registry.doctor import findings
from model_registry.folder import folder_of, open_storage
from model_registry.mending import mend
from model_registry.printable import printable
from model_registry.purge import NOTHING_KEPT
from model_registry.records import Mark
from model_registry.reference import VersionRef
from model_registry.registry import Registry
from model_registry.trail import Trail
from model_registry.verification import verify_version
from model_runtime.errors import ConflictError, IntegrityError, InvalidNameError, NotFoundError, VerificationError
from model_runtime.signing import parse_public_keys

OlderThan = Annotated[float, typer.Option("--older-than", help="Hours since the last write.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")]


@app.command(rich_help_panel=KEEP)
def deprecate(
    bucket: Bucket,
    address: Address,
    reason: Reason = "",
    undo: Annotated[bool, typer.Option("--undo", help="Undo the deprecation.")] = False,
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Mark a version that should no longer be used; it stays, and deployments go on serving it."""
    with known_errors():
        registry = open_registry(bucket, profile, by)
        _mark(registry, address, "deprecated", registry.deprecate, reason=reason, undo=undo, as_json=as_json)


@app.command(rich_help_panel=KEEP)
def revoke(
    bucket: Bucket,
    address: Address,
    reason: Reason = "",
    undo: Annotated[bool, typer.Option("--undo", help="Undo the revocation.")] = False,
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Mark a version that must not be used: no tag is promoted or rolled back to it, and no stack deploys it."""
    with known_errors():
        registry = open_registry(bucket, profile, by)
        _mark(registry, address, "revoked", registry.revoke, reason=reason, undo=undo, as_json=as_json)


def _mark(
    registry: Registry,
    address: str,
    marked: str,
    mark: Callable[..., Mark],
    *,
    reason: str,
    undo: bool,
    as_json: bool,
) -> None:
    """Mark the version that an address names now, or take the mark away, but not the other kind of mark."""
    release = registry.resolve(address)
    reached = release.manifest.reference
    there = registry.deprecation(release) if undo else None
    if there and there.revoked != (marked == "revoked"):
        verb, found = ("revoke", "revoked") if there.revoked else ("deprecate", "deprecated")
        raise ConflictError(f"{reached} is {found} and not {marked}: `{verb} {address} --undo` takes that back")
    if undo:
        registry.undeprecate(reached)
    else:
        mark(reached, reason=reason)
    if as_json:
        print_json({"version": reached, marked: not undo})
    else:
        print(f"{reached} is {'no longer ' if undo else ''}{marked}")


@app.command(rich_help_panel=KEEP)
def delete(
    bucket: Bucket,
    address: Annotated[str, typer.Argument(help="NAME/VERSION; a tag is not accepted.")],
    reason: NeededReason,
    purge: Annotated[
        bool,
        typer.Option(
            "--purge", help="Remove what a versioned bucket keeps of it too, also where it is deleted already."
        ),
    ] = False,
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Delete a version for good; refused while a tag points at it. Its number is never used again.

    With --purge exit code 3 where a lock keeps something, and until when.
    """
    with known_errors():
        ref = reference.parse(address)
        if not isinstance(ref, VersionRef):
            raise InvalidNameError(
                f"{address} is a tag, this needs a version: write NAME/VERSION (`resolve` prints it)"
            )
        registry = open_registry(bucket, profile, by)
        try:
            registry.delete(ref, reason=reason)
        except NotFoundError:
            if not (purge and registry.is_deleted(ref)):
                raise
        purged = _purge.purge(bucket, ref, profile=profile) if purge and not folder_of(bucket) else NOTHING_KEPT
        kept = [str(one) for one in purged.kept]
        if as_json:
            print_json({"deleted": str(ref), **({"purged": purged.removed, "kept": kept} if purge else {})})
        else:
            print(f"{ref} is deleted{' for good' if purge and not kept else ''}", *kept, sep="\n")
        if kept:
            raise typer.Exit(FOUND_SOMETHING)


@app.command(rich_help_panel=KEEP)
def gc(
    bucket: Bucket,
    older_than: OlderThan = 24,
    dry_run: DryRun = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Remove what publishes and deletions that were cut off left behind."""
    with known_errors():
        registry, age = open_registry(bucket, profile), _age(older_than)
        found = list(registry.aborted(older_than=age) if dry_run else registry.gc(older_than=age))
        if as_json:
            print_json({"removed": not dry_run, "versions": [str(ref) for ref in found]})
            return
        for ref in found:
            print(f"{ref} {'was cut off' if dry_run else 'is removed'}")
        if not found:
            talk.print("nothing to remove")


@app.command(rich_help_panel=KEEP)
def verify(
    bucket: Bucket,
    address: Address,
    quick: Annotated[bool, typer.Option("--quick", help="Do not rebuild the environment; unpickle nothing.")] = False,
    trail: Annotated[
        str | None,
        typer.Option(
            "--trail", help="s3://BUCKET or s3://BUCKET/PREFIX of a CloudTrail trail: finds moves that were deleted."
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], help="The trail's log files of this day and later."),
    ] = None,
    model_format: OnlyFormat = None,
    in_account: InAccount = False,
    promoter: Annotated[
        str | None,
        typer.Option(
            envvar="MODEL_REGISTRY_TRUSTED_PROMOTERS",
            help="Public keys, by commas: each move of the tag, from the first signed one on, must be signed by one.",
        ),
    ] = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Check digests, the tag's history, and the answers to the golden examples; exit code 3 where something is wrong.

    The model's environment is rebuilt by uv in a temporary folder, and the model is loaded there: without network and
    your files where the system can give that, else a warning says so. With --in-account all of it is elsewhere.
    """
    with known_errors():
        verified = None
        elsewhere = account_verifier(bucket, profile) if in_account else None
        if quick and elsewhere:
            raise InvalidNameError("--quick runs nothing that could run elsewhere: leave out --in-account or --quick")
        with working(f"verifying {address}") as progress:
            registry = open_registry(bucket, profile, work=progress)
            release = registry.resolve(address)
            faults = _audited(bucket, address, profile, trail, since)
            if promoter and "@" in address:
                faults += registry.signing_faults(address, parse_public_keys(promoter))
            try:
                if quick:
                    registry.check_model(release)
                elif elsewhere:
                    verified = elsewhere(release, model_format=model_format, progress=progress)
                else:
                    verified = verify_version(registry, release, model_format=model_format, progress=progress)
            except (IntegrityError, VerificationError) as error:
                faults.append(str(error))
        if as_json:
            print_json({"version": release.manifest.reference, "faults": faults, "verified": verified})
        else:
            sound = str(verified or f"{release.manifest.reference} has the digests that were recorded")
            print(*(printable(fault) for fault in faults or [sound]), sep="\n")
        if faults:
            raise typer.Exit(FOUND_SOMETHING)


def _audited(bucket: str, address: str, profile: str | None, trail: str | None, since: datetime | None) -> list[str]:
    """What is wrong with the history of a tag in a bucket; a version has none, and a folder keeps no versions."""
    if "@" not in address or folder_of(bucket):
        if trail:
            raise InvalidNameError(
                f"{address} of {bucket} has no history that a trail could have seen: leave out --trail"
            )
        return []
    logs, day = Trail.parse(trail) if trail else None, since.date() if since else None
    return audit(bucket, address, profile=profile, trail=logs, since=day)


@app.command(rich_help_panel=KEEP)
def doctor(
    bucket: Bucket,
    quick: Annotated[bool, typer.Option("--quick", help="Do not download the models to check their digests.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Finish what was cut off, then look again; nothing else is touched.")
    ] = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Look through the whole registry for what is wrong; exit code 3 where something is. Only looks, without --fix."""
    with known_errors():
        require_folder(bucket)
        storage = open_storage(bucket, profile=profile)
        with working("reading the registry"):
            found = list(findings(storage, check_bytes=not quick))
            done = list(mend(storage, found, actor="doctor")) if fix else []
            found = list(findings(storage, check_bytes=not quick)) if done else found
        for line in done:
            talk.print(line, soft_wrap=True)
        if as_json:
            print_json(found)
        else:
            rows = ({"": one.severity, "object": one.key, "fact": one.fact, "remedy": one.remedy} for one in found)
            print_table(list(rows))
        if any(one.severity != "note" for one in found):
            raise typer.Exit(FOUND_SOMETHING)
        talk.print("nothing is wrong")


@app.command("copy", rich_help_panel=KEEP)
def copy_(
    bucket: Bucket,
    address: Address,
    to: Annotated[str, typer.Option("--to", help="The other registry: s3://NAME, or a folder.")],
    to_profile: Annotated[str | None, typer.Option("--to-profile", help="AWS profile of the other account.")] = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Copy a version to another bucket or account: same number, same bytes, same digests."""
    with known_errors():
        with working(f"copying {address}") as work:
            here = open_registry(bucket, profile, work=work)
            release = here.copy(address, open_registry(to, to_profile or profile, work=work, may_be_new=True))
        if as_json:
            print_json({"version": release.manifest.reference, "manifest_sha256": release.manifest_sha256})
        else:
            print(release.manifest.reference)


def _age(hours: float) -> timedelta:
    try:
        age = timedelta(hours=hours)
    except (OverflowError, ValueError) as error:
        raise InvalidNameError(f"--older-than {hours} is not a number of hours: give one, for example 24") from error
    if age < timedelta(0):
        raise InvalidNameError(f"--older-than {hours} is in the future: give the age in hours, for example 24")
    return age
