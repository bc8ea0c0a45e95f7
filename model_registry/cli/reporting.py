"""`report`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from model_registry.cli.common import (
    READ,
    Address,
    AsJson,
    Bucket,
    Profile,
    app,
    known_errors,
    open_registry,
    print_json,
    print_table,
    talk,
)
from model_registry.printable import figure
from model_registry.report.figures import Distribution, Histogram, Report
from model_registry.report.times import time_at
from model_runtime.errors import FileError, InvalidNameError
from model_runtime.manifest import Manifest

_TOP = 12
"""So many features, and rows and columns of a confusion matrix, are shown on a terminal."""
_BLOCKS = "▁▂▃▄▅▆▇█"
_NO_ROWS = "it was published without test rows (`publish --test FILE`), so there are no figures"


@app.command(rich_help_panel=READ)
def report(
    bucket: Bucket,
    address: Address,
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a page of HTML to this file.")] = None,
    card: Annotated[Path | None, typer.Option("--card", help="Write a model card in Markdown, by skops.")] = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show how a version does on test rows: scores, confusion, importance, distributions."""
    with known_errors():
        if sum((html is not None, card is not None, as_json)) > 1:
            raise InvalidNameError("--html, --card and --json exclude each other: give one of them")
        registry = open_registry(bucket, profile)
        release = registry.resolve(address)
        manifest, found = release.manifest, registry.report(release)
        if as_json:
            print_json({"version": manifest.reference, "metrics": manifest.metrics, "report": found})
            return
        if html is not None:
            from model_registry.site.details import version_page
            from model_registry.site.shelf import shelf_at

            shelf = shelf_at(registry, manifest.name, manifest.version)
            _write(html, version_page(shelf, manifest.version, found, alone=True))
        elif card is not None:
            from model_registry.report.card import card_of

            _write(card, card_of(manifest, found))
        else:
            _print(manifest, found)
        if found is None:
            talk.print(f"{manifest.reference}: {_NO_ROWS}", soft_wrap=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot write {path} ({error.strerror}): name a file in a folder that is there") from error
    print(path)


def _print(manifest: Manifest, found: Report | None) -> None:
    own = [{"metric": name, "value": figure(value)} for name, value in manifest.metrics.items()]
    if found is None:
        print_table(own, title=f"Metrics of {manifest.reference}")
        return
    scores = [{"output": one.output, "score": one.name, "value": f"{one.value:.4g}"} for one in found.scores]
    print_table(scores, title=f"{manifest.reference} on {found.rows:,} test rows")
    print_table(list(_classes(found)), title="Classes")
    if found.importance:
        ranked = found.importance.features[:_TOP]
        rows = [
            {"feature": one.feature, "loss": f"{one.mean:.4f}", "deviation": f"{one.deviation:.4f}"} for one in ranked
        ]
        print_table(rows, title=f"Loss of {found.importance.scoring} when shuffled")
    print_table(list(map(_distribution, found.distributions[:_TOP])), title="Features of the test rows")
    for note in (found.what_rows, *found.notes):
        talk.print(f"note: {note}", soft_wrap=True)


def _classes(found: Report) -> Iterator[Mapping[str, str]]:
    """The scores of each class, with its row of the confusion matrix where that has room."""
    matrix = found.confusion if found.confusion and len(found.confusion.labels) <= _TOP else None
    for place, one in enumerate(found.classes[:_TOP]):
        row = {
            "class": str(one.label),
            "rows": f"{one.support:,}",
            "precision": f"{one.precision:.3f}",
            "recall": f"{one.recall:.3f}",
            "f1": f"{one.f1:.3f}",
        }
        if matrix is not None:
            answered = zip(matrix.labels, matrix.counts[place], strict=True)
            row["answered as"] = ", ".join(f"{label} {count:,}" for label, count in answered if count)
        yield row


def _distribution(found: Distribution) -> Mapping[str, str]:
    if found.histogram is not None:
        edges = found.histogram.edges
        of = "" if found.histogram.of == "values" else f" {found.histogram.of}"
        low, high = (time_at(edge, found.histogram.of) or f"{edge:g}" for edge in (edges[0], edges[-1]))
        told = f"{low} {_sparkline(found.histogram)} {high}{of}"
    else:
        counts = [f"{one.value} {one.count:,}" for one in found.categories[:_TOP]]
        told = ", ".join([*counts, *([f"others {found.others:,}"] if found.others else [])])
    return {"feature": found.feature, "missing": f"{found.missing:,}" if found.missing else "", "values": told}


def _sparkline(histogram: Histogram) -> str:
    """A bin a character; bins differ in width, so what is shown is how dense they are."""
    dense = [
        count / (right - left)
        for count, left, right in zip(histogram.counts, histogram.edges, histogram.edges[1:], strict=False)
    ]
    most = max(dense) or 1.0
    return "".join(_BLOCKS[min(len(_BLOCKS) - 1, int(each / most * len(_BLOCKS)))] if each else " " for each in dense)
