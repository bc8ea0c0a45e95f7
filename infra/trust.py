"""What a stack that has deployed before does not take back: the tag's history, the trusted keys, marks. No Pulumi.

Whoever can write to the registry's bucket can put an older state of a tag there, or another history. What the stack
itself remembers, in its outputs, is out of their reach (docs/signing.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.settings import Settings, SettingsError
from model_registry import gates, history
from model_registry.records import Mark, Move, Tag
from model_registry.reference import TagRef
from model_registry.registry import Registry
from model_registry.release import Release
from model_registry.signed_moves import is_trusted

OUTPUT = "trust"
"""The stack's output that the next update is compared with."""


@dataclass(frozen=True)
class Followed:
    """The version that the stack's tag points at, and the move by which it came to."""

    release: Release
    move: Move


def trust_output(settings: Settings, move: Move) -> dict[str, Any]:
    """What the next update must continue."""
    return {
        "tag": _tag(settings),
        "sequence": move.sequence,
        "sha256": history.move_digest(move),
        "publicKeys": list(settings.public_keys),
        "trustedPromoters": list(settings.trusted_promoters),
    }


def check_history(settings: Settings, registry: Registry, tag: Tag, outputs: Mapping[str, Any]) -> str | None:
    """Refuse a history that does not continue what the stack deployed last; a sentence where it was accepted.

    Takes no request where that is among the latest 16 moves, and one for each 64 moves before them. A stack that
    follows another tag than before, or another registry, was told so by its owner and begins anew.

    Raises:
        SettingsError: moves are gone or are others; the message has the command that accepts it.

    """
    known = outputs.get(OUTPUT) or {}
    if known.get("tag") != _tag(settings):
        return None
    found = history.departure(registry.moves(tag), int(known["sequence"]), str(known["sha256"]))
    if found is None:
        return None
    head, name = history.move_digest(tag.history[-1]), f"{tag.name}@{tag.tag}"
    told = f"the history of {name} does not continue what this stack deployed last: {found}"
    if settings.accept_history == head:
        return f"{told}, which acceptHistory accepts"
    raise SettingsError(
        f"{told}. Somebody restored or rewrote the tag: `python -m model_registry verify {name}` compares it with its "
        "earlier versions in the bucket, restore the last good one of them; or, if it is meant, accept this history: "
        f"`pulumi config set acceptHistory {head}`"
    )


def check_mark(settings: Settings, release: Release, mark: Mark | None, outputs: Mapping[str, Any]) -> str | None:
    """Refuse a version that was revoked, or a deprecated one that the stack does not serve yet.

    Returns a warning where a deprecated version is deployed nevertheless.

    Raises:
        SettingsError: the version must not be deployed; the message has what to do.

    """
    if mark is None:
        return None
    reference, tag = release.manifest.reference, f"{settings.model}@{settings.followed_tag}"
    found, other = gates.marked(reference, mark), f"`python -m model_registry rollback {tag}`, or promote another one"
    if mark.revoked:
        raise SettingsError(
            f"{found}: move the tag away from it, {other}; if it was revoked by mistake, `python -m model_registry "
            f"revoke {reference} --undo`"
        )
    if settings.allow_deprecated:
        return f"{found}, which allowDeprecated allows"
    if outputs.get("modelManifestSha256") == release.manifest_sha256:
        return f"{found}: this stack serves it already, and goes on; move its tag soon, {other}"
    raise SettingsError(
        f"{found}: move the tag away from it, {other}; or allow it, `pulumi config set allowDeprecated true`"
    )


def check_promoter(settings: Settings, tag: Tag) -> None:
    """Refuse a tag whose last move no trusted promoter signed; that one vouches for the history before it.

    Raises:
        SettingsError: it is not signed, or by another key.
        SigningError: the package that can tell is not installed.

    """
    trusted, head, ref = settings.trusted_promoters, tag.history[-1], TagRef(tag.name, tag.tag)
    if trusted and not is_trusted(ref, head, trusted):
        whose = f"says that it is signed by {head.public_key[:80]}" if head.signature else "is not signed"
        raise SettingsError(
            f"move {head.sequence} of {ref}, by {head.by}, {whose}, and trustedPromoters are {', '.join(trusted)}: "
            f"look at `python -m model_registry history {ref}`; if the move is right, a promoter makes it again with "
            "`promote --promoter-key`"
        )


def check_keys(settings: Settings, outputs: Mapping[str, Any]) -> list[str]:
    """What changes about the trusted keys, a sentence each.

    Raises:
        SettingsError: none would be trusted any more, so that what nobody signed is deployed, and that is not allowed.

    """
    known = outputs.get(OUTPUT) or {}
    return [
        *_changed(settings, "publicKey", known.get("publicKeys", ()), settings.public_keys, "models"),
        *_changed(
            settings,
            "trustedPromoters",
            known.get("trustedPromoters", ()),
            settings.trusted_promoters,
            "moves of the tag",
        ),
    ]


def _changed(settings: Settings, key: str, before: Sequence[str], now: Sequence[str], unsigned: str) -> Iterator[str]:
    if before and not now:
        what = f"{key} is empty and this stack trusted {', '.join(before)}: {unsigned} that nobody signed are deployed"
        if not settings.allow_unsigned:
            raise SettingsError(
                f"{what} then: `pulumi config set {key} {','.join(before)}`, or, if it is meant, "
                "`pulumi config set allowUnsigned true`"
            )
        yield f"{what} from now on, which allowUnsigned allows"
        return
    yield from (f"{key} no longer trusts {one}" for one in before if one not in now)
    yield from (f"{key} trusts {one}, too" for one in now if before and one not in before)


def _tag(settings: Settings) -> str:
    return f"s3://{settings.registry_bucket}/{settings.model}@{settings.followed_tag}"
