"""What notebooks show of releases, tags and registries: tables in plain HTML, every text escaped."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_registry.records import Tag
    from model_registry.summary import Page
    from model_runtime.manifest import Manifest

_MODELS = 50
"""So many models of a registry are shown: each is some requests."""


def of_manifest(manifest: "Manifest") -> str:
    """What a version is: estimator, metrics, features, labels, formats, proof."""
    rows = {
        "estimator": manifest.estimator,
        "description": manifest.description,
        "published": f"{manifest.created_at:%Y-%m-%d %H:%M} by {manifest.created_by}",
        "metrics": ", ".join(f"{name} {value:g}" for name, value in manifest.metrics.items()),
        "features": ", ".join(f"{feature.name}: {feature.type}" for feature in manifest.signature.features),
        "labels": ", ".join(map(str, manifest.signature.labels or ())),
        "formats": ", ".join(manifest.deployable),
        "proof": manifest.proof.kind,
    }
    return _table(manifest.reference, [{"": name, " ": value} for name, value in rows.items() if value])


def of_tag(tag: "Tag") -> str:
    """Where a tag points, and its latest moves, newest first."""
    target = "nothing" if tag.version is None else f"{tag.name}/{tag.version}"
    moves = [
        {
            "at": f"{move.at:%Y-%m-%d %H:%M}",
            "what": move.action,
            "from": "" if move.from_version is None else str(move.from_version),
            "to": "" if move.to_version is None else str(move.to_version),
            "by": move.by,
            "why": move.reason,
        }
        for move in reversed(tag.history)
    ]
    return _table(f"{tag.name}@{tag.tag} → {target}", moves)


def of_registry(location: str, pages: Iterable["Page"]) -> str:
    """The models of a registry, each with its latest version and its tags."""
    first = list(islice(pages, _MODELS + 1))
    rows = [
        {
            "model": page.name,
            "latest": str(page.versions[-1].number),
            "tags": ", ".join(f"{tag} → {version}" for tag, version in page.tags.items()),
        }
        for page in first[:_MODELS]
    ]
    return _table(f"{location}{', the first models' if len(first) > _MODELS else ''}", rows or [{"": "no model yet"}])


def _table(title: str, rows: Sequence[Mapping[str, str]]) -> str:
    heads = [name for name in rows[0] if name.strip()] if rows else []
    head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{escape(value)}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    caption = f"<caption style='text-align:left;font-weight:600'>{escape(title)}</caption>"
    return f"<table>{caption}{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"
