"""The pages of one version and of two that are compared. Pure: from what was read to HTML."""

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from model_registry.comparison import Comparison, compare
from model_registry.printable import figure, figures
from model_registry.reference import TagRef
from model_registry.report.figures import Report
from model_registry.site.html import Content, Html, document, facts, joined, link, section, table, tag
from model_registry.site.pages import chip, timeline, when
from model_registry.site.report import report_sections
from model_registry.site.shelf import Shelf
from model_runtime.manifest import Manifest, Prediction

_DIFF_LINES = 2_000


def version_page(shelf: Shelf, number: int, report: Report | str | None = None, *, alone: bool = False) -> str:
    """What one version is; `number` is one of the shelf's manifests.

    `report` is how it did on test rows, or why that cannot be read. A page that is `alone` has no links.
    """
    manifest = shelf.manifests[number]
    listed = next(each for each in shelf.page.versions if each.number == number)
    chips = [chip(name) for name in shelf.tags_of(number)]
    if listed.is_deprecated:
        chips.append(chip("deprecated", warns=True))
    before = shelf.before(number)
    difference = link(f"{before}-{number}.html", f"What is different from version {before}") if before else None
    up = None if alone else ("index.html", shelf.name)
    signature = manifest.signature
    return document(
        manifest.reference,
        up,
        tag("p", manifest.description, class_="lead") if manifest.description else None,
        tag("p", *chips) if chips else None,
        tag("p", difference) if difference and not alone else None,
        section("Metrics", facts({name: figure(value) for name, value in manifest.metrics.items()})),
        *report_sections(report),
        section("What it is", facts(_known(manifest))),
        section("Features", _features(manifest)),
        section("Answers", facts({"Labels": ", ".join(map(str, signature.labels or ())), "Form": signature.output})),
        section("Examples", _examples(manifest)),
        section("Parameters", facts({name: _text(value) for name, value in manifest.parameters.items()})),
        section("Packages", facts(dict(sorted(manifest.environment.packages.items())))),
        section("Labels of the version", facts(dict(manifest.labels))),
        section("History", *_history(shelf, number)),
    )


def comparison_page(shelf: Shelf, one: int, other: int, sources: tuple[Mapping[str, str], Mapping[str, str]]) -> str:
    """What differs between two versions of the shelf; `sources` is the own code of each."""
    found = compare(shelf.manifests[one], shelf.manifests[other])
    title, up = f"{shelf.name} {one} → {other}", ("index.html", shelf.name)
    return document(title, up, *differences(found, [str(one), str(other)], sources))


def differences(
    found: Comparison, heads: list[str], sources: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})
) -> list[Html | None]:
    """What differs between two versions, whose numbers are the heads of columns, as the parts of a page."""
    changed: dict[str, Any] = {**found.packages, **({"python": found.python} if found.python else {})}
    return [
        _verdict(found),
        section("Metrics", _metrics(found, heads)),
        section("Signature", _sentences(found)),
        section(
            "Estimator", facts({"Before": found.estimator[0], "Now": found.estimator[1]}) if found.estimator else None
        ),
        section("Packages", _pairs("Packages", changed, heads)),
        section("Parameters", _pairs("Parameters", found.parameters, heads)),
        section("Own code and packages that are on no index", _pairs("Files", found.files, heads)),
        section("Own code, line by line", _difference(*sources)),
        section("Lineage", _pairs("Lineage", found.lineage, heads)),
        section("Labels of the versions", _pairs("Labels", found.labels, heads)),
    ]


def _history(shelf: Shelf, number: int) -> list[Html]:
    """The moves of tags to and from a version."""
    parts = []
    for name, moves in shelf.moves.items():
        found = [move for move in moves if number in {move.from_version, move.to_version}]
        if found:
            parts += [tag("h3", f"Tag {name}"), timeline(TagRef(shelf.name, name), found)]
    return parts


def _known(manifest: Manifest) -> dict[str, Content]:
    proof, lineage = manifest.proof, manifest.lineage
    own = manifest.code
    return {
        "Estimator": manifest.estimator,
        "Published": joined(when(manifest.created_at), f" by {manifest.created_by}"),
        "Python": f"{manifest.environment.python} on {manifest.environment.machine}",
        "Formats": ", ".join(manifest.format_names),
        "Size of model.joblib": f"{manifest.artifact.size:,} bytes",
        "Proof": proof.kind
        if proof.kind == "none"
        else f"{proof.kind}: {proof.rows} rows in {proof.requests} requests",
        "Own code": ", ".join(own.modules) if own else "",
        "Git commit": lineage.git_commit,
        "Published from": lineage.entry,
        "MLflow run": lineage.mlflow_run,
        "Training data": f"sha256 {lineage.training_data_sha256}" if lineage.training_data_sha256 else None,
        "SHA-256 of model.joblib": manifest.artifact.sha256,
    }


def _features(manifest: Manifest) -> Html:
    rows: list[list[Content]] = [
        [
            feature.name,
            feature.type,
            "yes" if feature.nullable else "no",
            ", ".join(map(str, feature.categories or ())),
        ]
        for feature in manifest.signature.features
    ]
    return table("Features", ["Feature", "Type", "May be missing", "Categories"], rows)


def _examples(manifest: Manifest) -> Html | None:
    # Releases that did not say what their examples are recorded rows of people's.
    if manifest.example_kind is None or not manifest.examples:
        return None
    names = [feature.name for feature in manifest.signature.features]
    rows: list[list[Content]] = [
        [_answer(example.output), *(_text(example.input.get(name)) for name in names)] for example in manifest.examples
    ]
    return table("Examples", ["Answer", *names], rows)


def _answer(output: Prediction) -> str:
    return _text(output.label if output.value is None else output.value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _verdict(found: Comparison) -> Html:
    if found.is_empty:
        return tag("p", "Nothing differs but the number.", class_="notice")
    if found.is_breaking:
        return tag("p", "Callers notice: see the signature.", class_="notice warn")
    return tag("p", "Callers of the one can go on with the other.", class_="notice")


def _metrics(found: Comparison, heads: list[str]) -> Html | None:
    if not found.metrics:
        return None
    rows: list[list[Content]] = []
    for name, (one, other) in found.metrics.items():
        difference = "" if one is None or other is None else f"{other - one:+g}"
        rows.append([name, *figures(one, other), difference])
    return table("Metrics", ["Metric", *heads, "Difference"], rows, numbers=frozenset({*heads, "Difference"}))


def _sentences(found: Comparison) -> Html | None:
    if not found.signature:
        return None
    items = [
        tag("li", change.sentence, " ", chip("breaks callers", warns=True) if change.is_breaking else None)
        for change in found.signature
    ]
    return tag("ul", *items)


def _pairs(caption: str, pairs: Mapping[str, tuple[Any, Any]], heads: list[str]) -> Html | None:
    rows: list[list[Content]] = [
        [name, *("" if value is None else _text(value) for value in both)]
        for name, both in sorted(pairs.items())
        if both != (None, None)  # a parameter of None is as good as none
    ]
    return table(caption, ["Name", *heads], rows) if rows else None


def _difference(one: Mapping[str, str], other: Mapping[str, str]) -> Html | None:
    lines = [
        line
        for file in sorted(one.keys() | other.keys())
        for line in difflib.unified_diff(
            one.get(file, "").splitlines(), other.get(file, "").splitlines(), file, file, lineterm=""
        )
    ]
    if not lines:
        return None
    cut = ["..."] if len(lines) > _DIFF_LINES else []
    return tag("pre", *_coloured([*lines[:_DIFF_LINES], *cut]), tabindex=0, role="region", aria_label="Own code")


def _coloured(lines: Iterable[str]) -> list[Content]:
    kinds = {"+": "ins", "-": "del"}
    found: list[Content] = []
    for line in lines:
        found += [tag(kinds[line[0]], line) if line[:1] in kinds else line, "\n"]
    return found
