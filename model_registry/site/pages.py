"""The pages of the models and of one model. Pure: from what was read to HTML."""

from collections.abc import Sequence
from datetime import datetime

from model_registry.printable import figure
from model_registry.records import Move
from model_registry.reference import TagRef
from model_registry.signed_moves import signed_by
from model_registry.site.html import Content, Html, document, field, joined, link, section, select, table, tag
from model_registry.site.plots import plot
from model_registry.site.shelf import LAST, Shelf


def index_page(location: str, shelves: Sequence[Shelf]) -> str:
    """All models with their last version, its metrics and where the tags point."""
    rows: list[list[Content]] = []
    for shelf in shelves:
        latest = shelf.latest.manifest
        rows.append(
            [
                link(f"{shelf.name}/index.html", shelf.name),
                shelf.latest.number,
                joined(*(chip(f"{name} → {number}") for name, number in shelf.page.tags.items())),
                ", ".join(f"{name} {figure(value)}" for name, value in latest.metrics.items()) if latest else "",
                when(latest.created_at) if latest else "",
                latest.created_by if latest else "",
            ]
        )
    head = ["Model", "Latest", "Tags", "Metrics of the latest", "Published", "By"]
    content = table("Models", head, rows, numbers=frozenset({"Latest"})) if rows else tag("p", "There is no model yet.")
    return document("Models", None, tag("p", location, class_="lead"), section("Every model", content))


def model_page(
    shelf: Shelf, *, comparable: Sequence[int] | None = None, above: Content = None, moving: Html | None = None
) -> str:
    """A model's versions, its metrics over them, and what happened to its tags.

    Args:
        shelf: the model.
        comparable: versions of which any two can be chosen for a comparison; by default those that files have.
        above: what is said before everything else.
        moving: the forms that move tags, where they can be moved here.

    """
    latest = shelf.latest.manifest
    described = tag("p", latest.description, class_="lead") if latest and latest.description else None
    warnings = [tag("p", reason, class_="notice warn") for reason in shelf.page.broken.values()]
    plots = [plot(name, values) for name, values in metrics_of(shelf).items()]
    return document(
        shelf.name,
        ("../index.html", "Models"),
        above,
        described,
        *warnings,
        section("Metrics by version", tag("div", *plots, class_="plots") if plots else None),
        section("Versions", _versions(shelf), _oldest(shelf)),
        moving,
        section("Comparisons", _chosen(shelf.comparable if comparable is None else comparable), _comparisons(shelf)),
        *(
            section(f"Tag {name}", timeline(TagRef(shelf.name, name), moves))
            for name, moves in shelf.moves.items()
            if moves
        ),
        has_forms=moving is not None,
    )


def metrics_of(shelf: Shelf) -> dict[str, list[tuple[int, float]]]:
    """Each metric's values by version."""
    found: dict[str, list[tuple[int, float]]] = {}
    for number, manifest in shelf.manifests.items():
        for name, value in manifest.metrics.items():
            found.setdefault(name, []).append((number, value))
    return found


def timeline(ref: TagRef, moves: Sequence[Move]) -> Html:
    """What happened to a tag, newest first: who, when, why, which gates were passed, and who signed it."""
    return tag("ol", *(_move(ref, move) for move in moves), class_="timeline")


def chip(text: str, *, warns: bool = False) -> Html:
    """A short word on a tint."""
    return tag("span", text, class_="chip warn" if warns else "chip")


def when(instant: datetime) -> Html:
    """A time, to the minute."""
    return tag("time", f"{instant:%Y-%m-%d %H:%M}", datetime=instant.isoformat())


def _versions(shelf: Shelf) -> Html:
    metrics = list(metrics_of(shelf))
    rows: list[list[Content]] = []
    for each in reversed(shelf.page.versions):
        chips = [chip(name) for name in shelf.tags_of(each.number)]
        if each.is_deprecated:
            chips.append(chip("deprecated", warns=True))
        manifest = each.manifest
        if manifest is None:
            rows.append([each.number, joined(*chips), *("" for _ in metrics), "", "", each.error])
            continue
        numbers = [figure(manifest.metrics[name]) if name in manifest.metrics else "" for name in metrics]
        known: list[Content] = [when(manifest.created_at), manifest.created_by, manifest.description]
        rows.append([link(f"{each.number}.html", each.number), joined(*chips), *numbers, *known])
    head = ["Version", "Tags", *metrics, "Published", "By", "Description"]
    return table(f"Versions of {shelf.name}", head, rows, numbers=frozenset(metrics))


def _oldest(shelf: Shelf) -> Html | None:
    first = shelf.page.versions[0].number
    return (
        tag("p", tag("small", f"The last {LAST} versions.")) if len(shelf.page.versions) == LAST and first > 1 else None
    )


def _comparisons(shelf: Shelf) -> Html | None:
    pairs = list(shelf.pairs())
    if not pairs:
        return None

    def named(number: int) -> str:
        tags = ", ".join(shelf.tags_of(number))
        return f"{number} ({tags})" if tags else str(number)

    links = [tag("li", link(f"{one}-{other}.html", f"{named(one)} → {named(other)}")) for one, other in reversed(pairs)]
    return tag("ul", *links)


def _chosen(numbers: Sequence[int]) -> Html | None:
    """A form for any two versions; the script shows it and leads to their page, as there may be no server."""
    if not numbers[1:]:
        return None
    choices = [(number, number) for number in reversed(numbers)]
    return tag(
        "form",
        field("Version", select("one", choices, numbers[-2])),
        field("With", select("other", choices, numbers[-1])),
        tag("button", "Compare", type="submit"),
        class_="compare fields",
        hidden="",
    )


def _move(ref: TagRef, move: Move) -> Html:
    before, after = (end or "nothing" for end in (move.from_version, move.to_version))
    who = f"{move.by} (as {move.caller})" if move.caller else move.by
    checks = tag("small", said) if (said := _checks(move)) else None
    reason = tag("span", f" · {move.reason}") if move.reason else None
    what = tag("b", f"{move.action} {before} → {after}")
    return tag("li", what, reason, tag("small", when(move.at), f" by {who}"), checks, _signed(ref, move))


def _checks(move: Move) -> str:
    said = ", ".join(move.looked_at)
    return f"Gates passed: {said}" if said and move.action != "rollback" else said[:1].upper() + said[1:]


def _signed(ref: TagRef, move: Move) -> Html | None:
    found = signed_by(ref, move)
    if found is None:
        return None
    return tag(
        "small", f"Signed by {found.public_key}", joined(" ", chip(found.fault, warns=True)) if found.fault else None
    )
