"""Moves of tags: what is looked at before one is written, and in which order (`model_registry.removal` says why)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from model_registry import gates, history
from model_registry.promotion import Judge, Proposal
from model_registry.records import Move, Tag
from model_registry.reference import TagRef, VersionRef
from model_registry.release import Release
from model_registry.signed_moves import PromoterKey, signed
from model_registry.tags import Tags
from model_registry.versions import Versions
from model_runtime.errors import ConflictError, CredentialsError, GateError, IntegrityError, NotFoundError, RecordError
from model_runtime.manifest import Manifest

_LOG = logging.getLogger("model_registry.registry")


Read = Callable[[VersionRef], Release]
"""Reads a version; NotFoundError where it is gone."""


@dataclass(frozen=True)
class Moves:
    """Writes the moves of tags. `notifier` is told of each one once it is committed.

    `who` is recorded as `by`, and `caller`, whom the credentials belong to, beside it. `promoter` signs them.
    """

    versions: Versions
    tags: Tags
    who: Callable[[], str]
    notifier: Callable[[Tag, Move], None] | None
    caller: Callable[[], str] | None = None
    promoter: PromoterKey | None = None

    def propose(self, ref: TagRef, target: Release, *, judge: Judge) -> Proposal:
        """What `move` would do now; nothing is written, nothing of the model is run."""
        current = self._as_it_is(ref)
        self._require_same_as_ever(target)
        return Proposal(current, target, judge.manifest_of(current), judge.judged(current), judge.is_to_verify)

    def move(
        self, ref: TagRef, target: Release, *, action: str, reason: str, judge: Judge, expected: int | None = None
    ) -> Tag:
        """Point a tag at a version that passes the gates.

        They are judged also where it points there already; nothing is written then, unless this promoter signs the
        moves and did not sign the last one. ConflictError where the tag's last move is not the `expected` one.
        """
        current, etag = self.tags.to_move(ref)
        _require_expected(ref, current, expected)
        # Judged on the state whose ETag the write needs: another state is a conflict.
        checks = judge.checks(current)
        self._require_same_as_ever(target)
        if current.version == target.manifest.version and not self._is_to_sign(current):
            return current
        return self._write(current, etag, target, action=action, reason=reason, checks=checks)

    def propose_rollback(self, ref: TagRef, *, read: Read, allow_deprecated: bool = False) -> Proposal:
        """What `rollback` would do now; nothing is written."""
        current = self._as_it_is(ref)
        target, _, checks = self._way_back(ref, current, read)
        judgements = [(True, check) for check in checks]
        try:
            found = self._require_usable(ref, target.manifest.version, allow_deprecated=allow_deprecated)
            judgements += [(True, check) for check in found]
        except GateError as error:
            judgements += [(False, failure) for failure in error.failures]
        return Proposal(current, target, self._readable(current), tuple(judgements))

    def rollback(
        self,
        ref: TagRef,
        *,
        reason: str,
        read: Read,
        allow_deprecated: bool = False,
        expected: int | None = None,
        version: int | None = None,
    ) -> Tag:
        """Point a tag at the version that it pointed at before and that is still there; what is skipped is recorded.

        GateError where that is deprecated and not allowed to be, or was revoked; ConflictError as in `move`, and where
        that is another than the `version`.
        """
        current, etag = self.tags.to_move(ref)
        _require_expected(ref, current, expected)
        target, steps, checks = self._way_back(ref, current, read)
        if version not in {None, target.manifest.version}:
            raise ConflictError(
                f"{ref} goes back to {target.manifest.reference}, and not to {version}, which is gone: it was not "
                "moved, decide again"
            )
        checks += self._require_usable(ref, target.manifest.version, allow_deprecated=allow_deprecated)
        return self._write(current, etag, target, action="rollback", reason=reason, checks=checks, steps=steps)

    def _way_back(self, ref: TagRef, current: Tag, read: Read) -> tuple[Release, int, tuple[str, ...]]:
        """Where a rollback goes, how many moves that takes back, and what is skipped; NotFoundError for nowhere."""
        skipped: dict[int, None] = {}
        for steps, move in history.earlier(self.tags.newest_first(current)):
            version = move.to_version
            if version is None or version == current.version or version in skipped:
                continue
            try:
                target = read(VersionRef(ref.name, version))
            except NotFoundError:
                skipped[version] = None
                continue
            if target.manifest_sha256 != move.manifest_sha256:
                raise _forged(target, ref.tag, move.manifest_sha256)
            return target, steps, tuple(f"{ref.name}/{one} was skipped: it was deleted" for one in skipped)
        gone = f" (deleted: {', '.join(f'{ref.name}/{one}' for one in skipped)})" if skipped else ""
        raise NotFoundError(f"{ref} has nothing to roll back to: there is no earlier version in its history{gone}")

    def untag(self, ref: TagRef, *, reason: str) -> Tag:
        """Unset a tag; its history stays."""
        current, etag = self.tags.to_move(ref)
        if current.version is None:
            return current
        return self._write(current, etag, None, action="untag", reason=reason)

    def _write(
        self,
        current: Tag,
        etag: str | None,
        target: Release | None,
        *,
        action: str,
        reason: str,
        checks: tuple[str, ...] = (),
        steps: int = 1,
    ) -> Tag:
        by = self.who()
        moved = history.moved(
            current,
            target.manifest.version if target else None,
            action=action,
            by=by,
            at=datetime.now(UTC),
            reason=reason,
            manifest_sha256=target.manifest_sha256 if target else None,
            checks=checks,
            steps=steps,
            caller=self._caller(by),
        )
        if self.promoter:
            moved = signed(moved, self.promoter)
        if target:  # after the tag was read, and before it is written
            self.versions.require_not_removed(VersionRef(target.manifest.name, target.manifest.version))
        written = self.tags.write(moved, etag)
        self._notify(written)
        return written

    def _readable(self, tag: Tag) -> Manifest | None:
        """What a tag points at; None also where that cannot be read, which may be what the tag is rolled back for."""
        if tag.version is None:
            return None
        try:
            return self.versions.read(VersionRef(tag.name, tag.version)).manifest
        except (IntegrityError, NotFoundError, RecordError):
            return None

    def _as_it_is(self, ref: TagRef) -> Tag:
        found = self.tags.read(ref)
        return found[0] if found else history.unset(ref)

    def _require_usable(self, ref: TagRef, version: int, *, allow_deprecated: bool) -> tuple[str, ...]:
        """What is recorded of a version that a tag goes back to; GateError where it should not be used."""
        mark = self.versions.deprecation(VersionRef(ref.name, version))
        if mark is None:
            return ()
        found = gates.marked(f"{ref.name}/{version}", mark)
        if mark.revoked or not allow_deprecated:
            allow = "" if mark.revoked else ", or allow it (`rollback --allow-deprecated`)"
            other = f"`promote {ref.name} --version NUMBER --to {ref.tag}`"
            raise GateError(str(ref), [f"{found}: promote another version ({other}){allow}"])
        return (f"{found}, which was allowed",)

    def _is_to_sign(self, current: Tag) -> bool:
        return self.promoter is not None and current.history[-1].public_key != self.promoter.public_key

    def recorded_as(self) -> str:
        """Under whose name a move is recorded: `who`, and the caller where that is another."""
        by = self.who()
        caller = self._caller(by)
        return f"{by} (as {caller})" if caller else by

    def _caller(self, by: str) -> str:
        """Whom the credentials belong to, where `by` says another; empty where nobody can be asked."""
        try:
            found = self.caller() if self.caller else by
        except CredentialsError:  # STS is AWS's: another S3 service has none
            return ""
        return "" if found == by else found

    def _require_same_as_ever(self, target: Release) -> None:
        """IntegrityError where a tag of the model was pointed at this version when it had another manifest."""
        manifest = target.manifest
        for tag, sha256 in self.tags.other_digests(manifest.name, manifest.version, target.manifest_sha256):
            raise _forged(target, tag, sha256)

    def _notify(self, moved: Tag) -> None:
        if self.notifier is None:
            return
        try:
            self.notifier(moved, moved.history[-1])
        except Exception as error:  # noqa: BLE001  # whatever a notifier does, the move is made already
            _LOG.warning("%s@%s was moved, but its notice failed: %s", moved.name, moved.tag, error)


def _require_expected(ref: TagRef, current: Tag, expected: int | None) -> None:
    """ConflictError where a tag's last move is another one than somebody saw who decided on the next."""
    if expected is None or history.last_sequence(current) == expected:
        return
    last = current.history[-1] if current.history else None
    now = f"by {last.by} to {last.to_version or 'nothing'}" if last else "and has no move any more"
    sequence = history.last_sequence(current)
    raise ConflictError(
        f"{ref} was moved meanwhile, {now} (its last move is {sequence}, expected was {expected}), "
        f"this move was not made: look at `history {ref}`, then decide again"
    )


def _forged(target: Release, tag: str, recorded: str | None) -> IntegrityError:
    manifest = target.manifest
    return IntegrityError(
        f"the manifest of {manifest.reference} is not the one that {manifest.name}@{tag} was pointed at "
        f"(SHA-256 {target.manifest_sha256}, recorded is {recorded}): restore it from the bucket's versions"
    )
