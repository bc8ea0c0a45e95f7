"""The forms that move tags, and the pages on which a move is confirmed. Pure: from what was read to HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlencode

from model_registry.comparison import compare
from model_registry.printable import figure
from model_registry.promotion import Proposal
from model_registry.records import Gates
from model_registry.site.details import differences
from model_registry.site.html import Content, Html, document, facts, field, joined, link, section, select, tag
from model_registry.site.pages import chip, when
from model_registry.site.shelf import Shelf
from model_runtime.errors import ArgumentError
from model_runtime.manifest import ProofKind

PROMOTE, ROLLBACK = "promote.html", "rollback.html"
_SWITCHES = {
    "verify": "Verify: rebuild its environment and replay its golden examples, which runs the model's code",
    "allow_breaking": "Allow changes that break callers",
    "allow_deprecated": "Allow a deprecated version",
}
_NO_GATE = "No gate is set. The version is not deprecated, and breaks no callers of the one that it replaces."
_NO_MARK = "Gates are not asked for a rollback. The version is not deprecated."


@dataclass(frozen=True)
class Wanted:
    """A move as a form asks for it. `sequence` is the last move of the tag that was seen, None where none was yet."""

    tag: str
    version: int | None
    gates: Gates
    reason: str
    sequence: int | None

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "Wanted":
        """Read a form's fields; ArgumentError where one is not what the form sends."""
        proofs: tuple[ProofKind, ...] = get_args(ProofKind)
        proof = next((kind for kind in proofs if kind == fields.get("proof", "none")), None)
        if proof is None:
            raise ArgumentError(f"proof is {fields['proof']!r}: give one of {', '.join(proofs)}")
        gates = Gates(
            require=tuple(line.strip() for line in fields.get("require", "").splitlines() if line.strip()),
            not_worse_than=fields.get("not_worse_than") or None,
            proof=proof,
            **{name: name in fields for name in _SWITCHES},
        )
        return cls(
            fields.get("tag", ""),
            _number(fields, "version"),
            gates,
            fields.get("reason", "").strip(),
            _number(fields, "sequence"),
        )

    def fields(self) -> dict[str, str]:
        """The fields that a form sends for this; what is not set is left out."""
        gates = self.gates
        known = {
            "tag": self.tag,
            "version": "" if self.version is None else str(self.version),
            "require": "\n".join(gates.require),
            "not_worse_than": gates.not_worse_than or "",
            "proof": "" if gates.proof == "none" else gates.proof,
            **{name: "yes" if getattr(gates, name) else "" for name in _SWITCHES},
            "reason": self.reason,
        }
        return {name: value for name, value in known.items() if value}


NOTHING_YET = Wanted("", None, Gates(), "", None)


def moving(shelf: Shelf) -> Html | None:
    """What a model's page has where tags can be moved: a form for a promotion, and a link for each rollback."""
    back = [
        tag("li", link(f"{ROLLBACK}?{urlencode({'tag': name})}", f"Roll back {name}"), f", which points at {number}")
        for name, number in shelf.page.tags.items()
    ]
    return section("Move a tag", _choice(shelf, NOTHING_YET), tag("ul", *back) if back else None)


def moved(shelf: Shelf, name: str) -> Html | None:
    """What is said of a tag that was just moved."""
    if name not in shelf.page.tags:
        return None
    return tag(
        "p", f"{shelf.name}@{name} points at {shelf.name}/{shelf.page.tags[name]}.", class_="notice", role="status"
    )


def promotion_page(shelf: Shelf, wanted: Wanted, found: Proposal | Exception, token: str, by: str = "") -> str:
    """A promotion before it is made, or why it cannot be: what it changes, what each gate says, and the button.

    `by` is under whose name it will be recorded.
    """
    title = f"Promote {shelf.name}/{wanted.version} to {wanted.tag}" if wanted.version else "Promote"
    again = section("Other version, tag or gates", _choice(shelf, wanted))
    if isinstance(found, Exception):
        return _document(shelf, title, _refused(str(found)), again)
    button = f"Promote {found.target.manifest.reference} to {wanted.tag}"
    confirmation = _confirmation(wanted, found, PROMOTE, button, token)
    return _document(shelf, title, *_change(shelf, found, _NO_GATE, by), confirmation, again)


def rollback_page(shelf: Shelf, wanted: Wanted, found: Proposal | Exception, token: str, by: str = "") -> str:
    """The same of a rollback."""
    title = f"Roll back {shelf.name}@{wanted.tag}"
    if isinstance(found, Exception):
        return _document(shelf, title, _refused(str(found)))
    allowed = tag(
        "form",
        tag("input", type="hidden", name="tag", value=wanted.tag),
        _switch("allow_deprecated", wanted.gates),
        tag("button", "Look again", type="submit"),
        action=ROLLBACK,
    )
    button = f"Roll back to {found.target.manifest.reference}"
    confirmation = _confirmation(wanted, found, ROLLBACK, button, token)
    again = None if found.is_passed else section("Deprecated versions", allowed)
    return _document(shelf, title, *_change(shelf, found, _NO_MARK, by), confirmation, again)


def refusal_page(shelf_name: str, wanted: Wanted, page: str, error: Exception) -> str:
    """Why a move was not made, and the way back to where it is decided again."""
    fields = {name: value for name, value in wanted.fields().items() if name != "reason"}
    again = tag("p", link(f"{page}?{urlencode(fields)}", "Look at the move again"))
    return document("Not moved", ("index.html", shelf_name), _refused(str(error)), again)


def _document(shelf: Shelf, title: str, *content: Content) -> str:
    return document(title, ("index.html", shelf.name), *content, has_forms=True)


def _change(shelf: Shelf, found: Proposal, unjudged: str, by: str) -> list[Html | None]:
    target, replaced = found.target.manifest, found.replaced
    name, version = found.current.tag, found.current.version
    what: dict[str, Content] = {
        "Tag": f"{shelf.name}@{name}",
        "From": f"{shelf.name}/{version}" if version else "nothing",
        "To": link(f"{target.version}.html", target.reference)
        if target.version in shelf.manifests
        else target.reference,
        "Published": joined(when(target.created_at), f" by {target.created_by}"),
        "Description": target.description,
        "Recorded under": by,
    }
    if replaced is None:
        metrics = section("Metrics", facts({name: figure(value) for name, value in target.metrics.items()}))
        return [section("Move", facts(what)), _gates(found, unjudged), metrics]
    if replaced.version == target.version:
        same = tag("p", f"{name} points at {target.reference} already.", class_="notice")
        return [section("Move", facts(what)), _gates(found, unjudged), same]
    is_shown = shelf.manifests.keys() >= {replaced.version, target.version}
    whole = link(f"{replaced.version}-{target.version}.html", "Their own code, line by line") if is_shown else None
    has_code = replaced.code or target.code
    parts = differences(compare(replaced, target), [str(replaced.version), str(target.version)])
    return [
        section("Move", facts(what)),
        _gates(found, unjudged),
        *parts,
        tag("p", whole) if has_code and whole else None,
    ]


def _gates(found: Proposal, unjudged: str) -> Html | None:
    items = [
        tag("li", chip("passed") if passed else chip("refused", warns=True), sentence)
        for passed, sentence in found.judgements
    ]
    if found.is_to_verify and found.is_passed:
        items.append(tag("li", chip("to do"), "the model is verified when you confirm, which can take minutes"))
    return section("Gates", tag("ul", *items) if items else tag("p", unjudged))


def _confirmation(wanted: Wanted, found: Proposal, page: str, button: str, token: str) -> Html | None:
    if not found.is_passed:
        return _refused(f"{wanted.tag} cannot be moved so: see the gates.")
    bound = {
        **wanted.fields(),
        "version": str(found.target.manifest.version),
        "sequence": str(found.sequence),
        "token": token,
    }
    bound.pop("reason", None)
    hidden = (tag("input", type="hidden", name=name, value=value) for name, value in bound.items())
    why = tag("input", name="reason", value=wanted.reason, autocomplete="off")
    reason = field("Why (kept in the registry)", why)
    send = tag("button", button, type="submit")
    return section(
        "Confirm", tag("form", *hidden, tag("div", reason, send, class_="fields"), method="post", action=page)
    )


def _refused(text: str) -> Html:
    return tag("p", text, class_="notice warn", role="alert")


def _choice(shelf: Shelf, wanted: Wanted) -> Html:
    """The form that asks for a look at a promotion."""
    numbers = sorted({*shelf.manifests, *shelf.page.tags.values()}, reverse=True)
    versions = [(number, ", ".join([str(number), *shelf.tags_of(number)])) for number in numbers]
    tags = tag("datalist", *(tag("option", value=name) for name in shelf.page.tags), id="tags")
    gates = wanted.gates
    require = tag("textarea", "\n".join(gates.require), name="require", rows=2, spellcheck="false")
    proofs: Sequence[ProofKind] = get_args(ProofKind)
    more = tag(
        "details",
        tag("summary", "Gates beside the tag's promotion rules"),
        field("Require", require, "A bound on each line, as accuracy>=0.95."),
        field(
            "Not worse than",
            select("not_worse_than", _names(["", *shelf.page.tags]), gates.not_worse_than),
            "No metric may be worse than this tag's.",
        ),
        field("Proof", select("proof", _names(proofs), gates.proof), "How it was proven when it was published."),
        *(_switch(name, gates) for name in _SWITCHES),
        open="" if gates != Gates() else None,
    )
    to = tag("input", name="tag", value=wanted.tag, list="tags", required="", autocomplete="off", spellcheck="false")
    return tag(
        "form",
        tag(
            "div",
            field("Version", select("version", versions, wanted.version)),
            field("Tag", to),
            tag("button", "Look at the move", type="submit"),
            class_="fields",
        ),
        tags,
        more,
        action=PROMOTE,
    )


def _switch(name: str, gates: Gates) -> Html:
    checked = "" if getattr(gates, name) else None
    return tag("label", tag("input", type="checkbox", name=name, value="yes", checked=checked), _SWITCHES[name])


def _names(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, name or "no tag") for name in names]


def _number(fields: Mapping[str, str], name: str) -> int | None:
    text = fields.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004  # as `reference.MAX_VERSION`
        raise ArgumentError(f"{name} is {text!r}: give a number")
    return int(text)
