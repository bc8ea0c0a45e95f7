"""What the pages do where they may write: a look at a move, and the move, both by the registry's own functions."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from model_registry.promotion import Proposal, Verifier
from model_registry.registry import Registry
from model_registry.site import INDEX
from model_registry.site.moving import (
    NOTHING_YET,
    PROMOTE,
    ROLLBACK,
    Wanted,
    moved,
    moving,
    promotion_page,
    refusal_page,
    rollback_page,
)
from model_registry.site.pages import model_page
from model_registry.site.shelf import shelf_of
from model_runtime.errors import (
    ArgumentError,
    ConflictError,
    GateError,
    InvalidGateError,
    InvalidNameError,
    NotFoundError,
    RegistryError,
)

_PATH = re.compile(rf"(?P<model>[^/]+)/(?P<page>{re.escape(PROMOTE)}|{re.escape(ROLLBACK)}|{re.escape(INDEX)})")
_STATUSES: dict[type[RegistryError], HTTPStatus] = {
    ArgumentError: HTTPStatus.BAD_REQUEST,
    ConflictError: HTTPStatus.CONFLICT,
    GateError: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidGateError: HTTPStatus.BAD_REQUEST,
    InvalidNameError: HTTPStatus.BAD_REQUEST,
    NotFoundError: HTTPStatus.NOT_FOUND,
}

Answer = tuple[HTTPStatus, str]
"""A status with a page; SEE_OTHER with the address of one."""


class Writer:
    """Answers the requests that tags are moved by; each form holds the `token`, which a move must come with.

    `verifier` verifies elsewhere, as of `Registry.promote`.
    """

    def __init__(self, registry: Registry, token: str, verifier: Verifier | None = None) -> None:
        self._registry = registry
        self._verifier = verifier
        self._token = token

    def look(self, path: str, fields: Mapping[str, str]) -> Answer | None:
        """A page of a model, or of a move before it is made; None where another has to answer."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        try:
            shelf = shelf_of(self._registry, found["model"])
        except (NotFoundError, InvalidNameError):
            return None
        if found["page"] == INDEX:
            above = moved(shelf, fields.get("moved", ""))
            page = model_page(shelf, comparable=sorted(shelf.manifests), above=above, moving=moving(shelf))
            return HTTPStatus.OK, page
        show = promotion_page if found["page"] == PROMOTE else rollback_page
        wanted = NOTHING_YET
        try:
            wanted = Wanted.of(fields)
            proposal = self._proposal(shelf.name, found["page"], wanted)
            by = self._registry.recorded_as() if proposal.is_passed else ""
        except RegistryError as error:
            return _status(error), show(shelf, wanted, error, self._token)
        return HTTPStatus.OK, show(shelf, wanted, proposal, self._token, by)

    def move(self, path: str, fields: Mapping[str, str]) -> Answer | None:
        """Make a move that was looked at; None where the path is none of one."""
        found = _PATH.fullmatch(path)
        if found is None or found["page"] == INDEX:
            return None
        wanted = NOTHING_YET
        try:
            wanted = Wanted.of(fields)
            self._move(found["model"], found["page"], wanted)
        except RegistryError as error:
            return _status(error), refusal_page(found["model"], wanted, found["page"], error)
        return HTTPStatus.SEE_OTHER, f"{INDEX}?{urlencode({'moved': wanted.tag})}"

    def _proposal(self, name: str, page: str, wanted: Wanted) -> Proposal:
        if page == ROLLBACK:
            allowed = wanted.gates.allow_deprecated
            return self._registry.propose_rollback(f"{name}@{wanted.tag}", allow_deprecated=allowed)
        if wanted.version is None:
            raise ArgumentError("the request names no version: choose one")
        return self._registry.propose(
            name, to_tag=wanted.tag, version=wanted.version, gates=wanted.gates, verifier=self._verifier
        )

    def _move(self, name: str, page: str, wanted: Wanted) -> None:
        version, seen = wanted.version, wanted.sequence
        if version is None or seen is None:
            raise ArgumentError("the request does not say which move was looked at: look at it again")
        if page == ROLLBACK:
            self._registry.rollback(
                f"{name}@{wanted.tag}",
                reason=wanted.reason,
                allow_deprecated=wanted.gates.allow_deprecated,
                expected=seen,
                version=version,
            )
        else:
            self._registry.promote(
                name,
                to_tag=wanted.tag,
                version=version,
                gates=wanted.gates,
                verifier=self._verifier,
                reason=wanted.reason,
                expected=seen,
            )


def _status(error: RegistryError) -> HTTPStatus:
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), HTTPStatus.BAD_GATEWAY)
