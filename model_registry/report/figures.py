"""How a version did on test rows: figures to be drawn, kept in `report.json` of the version.

Pure and light, as whoever looks at a registry reads them. Nothing here is a row of anybody's: numbers are sums over
many rows, edges of histograms are round, and categories that few rows have are counted together (docs/erasure.md).
"""

import math
from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from model_runtime.errors import RecordError
from model_runtime.manifest import Label, Manifest, check_digest, decode_record

REPORT_FORMAT = 1
LARGEST_REPORT = 2 << 20
"""Bytes of a report at most; what is counted and drawn is bounded, so that real ones have some ten kilobytes."""

Kind = Literal["binary", "multiclass", "multioutput", "regression", "none"]
"""What is measured: a classifier of two classes, of several, one of several outputs, a regressor, or nothing."""
Of = Literal["values", "years", "months", "days", "hours", "minutes", "characters"]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
"""How many there are; what is drawn is divided by it, so that it is no number of any size."""


class Score(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A number by the name of scikit-learn's function; of one output where a model has several."""

    name: str
    value: float
    output: str = ""


class ClassScores(msgspec.Struct, frozen=True, kw_only=True):
    """Precision, recall and F1 of one class against the rest; `support` is how many rows are of it."""

    label: Label
    precision: float
    recall: float
    f1: float
    support: Count


class Confusion(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of each class, a row of the matrix, were answered as each class, a column of it."""

    labels: tuple[Label, ...]
    counts: tuple[tuple[Count, ...], ...]


class Curve(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a class against the rest; `area` is the area under it, where that says something."""

    label: Label
    x: tuple[float, ...]
    y: tuple[float, ...]
    area: float | None = None


class Histogram(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many rows lie between an edge and the next one; the outer bins have also what lies beyond their edges."""

    edges: tuple[float, ...]
    counts: tuple[Count, ...]
    of: Of = "values"

    @property
    def can_be_drawn(self) -> bool:
        """Whether it has bins, its edges ascend, and how dense the rows lie in each bin is a number."""
        widths = [other - one for one, other in pairwise(self.edges)]
        return (
            len(widths) == len(self.counts) > 0
            and all(width > 0 for width in widths)
            and all(math.isfinite(count / width) for count, width in zip(self.counts, widths, strict=True))
        )


class Residuals(msgspec.Struct, frozen=True, kw_only=True):
    """What one output of a regressor was off by, actual minus predicted.

    `predicted` and `actual` are means of groups of rows whose predictions are alike. The histogram of few
    rows is empty.
    """

    output: str
    histogram: Histogram
    predicted: tuple[float, ...]
    actual: tuple[float, ...]


class FeatureImportance(msgspec.Struct, frozen=True, kw_only=True):
    """By how much a score falls when a feature's values are shuffled: mean and standard deviation."""

    feature: str
    mean: float
    deviation: float


class Importance(msgspec.Struct, frozen=True, kw_only=True):
    """Permutation importance, the most important feature first, of so many rows and shuffles."""

    scoring: str
    rows: Count
    repeats: Count
    features: tuple[FeatureImportance, ...]


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows have a value."""

    value: Label
    count: Count


class Distribution(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The values of a feature in the test rows, as numbers or as categories.

    `others` are rows with values that few have, or that are not told, as `hidden` says why.
    """

    feature: str
    rows: Count
    missing: Count = 0
    histogram: Histogram | None = None
    categories: tuple[Category, ...] = ()
    others: Count = 0
    hidden: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `report.json` holds; its digest is in the manifest.

    `rows` were looked at, of so many `given`. They were looked for among so many rows that the model was `trained` on,
    where this is not 0, and so many, which are `shared`, were found. `notes` say what is not there, and why.
    """

    format: int = REPORT_FORMAT
    kind: Kind
    rows: Count
    given: Count
    scores: tuple[Score, ...] = ()
    classes: tuple[ClassScores, ...] = ()
    confusion: Confusion | None = None
    roc: tuple[Curve, ...] = ()
    precision_recall: tuple[Curve, ...] = ()
    calibration: tuple[Curve, ...] = ()
    residuals: tuple[Residuals, ...] = ()
    importance: Importance | None = None
    distributions: tuple[Distribution, ...] = ()
    notes: tuple[str, ...] = ()
    trained: Count = 0
    shared: Count = 0

    @property
    def what_rows(self) -> str:
        """Which rows these are, and what is known of whether the model was trained on them."""
        if not self.trained:
            return f"{self.rows:,} test rows; they were not looked for among training rows"
        found = f"{self.shared:,} of them are" if self.shared else "none of them is"
        return f"{self.rows:,} test rows; {found} among the {self.trained:,} training rows that were given"


def encode_report(report: Report) -> bytes:
    """Write the file."""
    return msgspec.json.encode(report, order="sorted") + b"\n"


def check_size(manifest: Manifest) -> None:
    """RecordError where a report is larger than any that is published: it is not fetched."""
    if manifest.report is not None and manifest.report.size > LARGEST_REPORT:
        raise RecordError(
            f"the report of {manifest.reference} has {manifest.report.size:,} bytes, {LARGEST_REPORT:,} are read: "
            "do not use this version, no release publishes such a report"
        )


def decode_report(manifest: Manifest, data: bytes) -> Report:
    """Read the file of a version.

    Raises:
        IntegrityError: It is not the one that the manifest names.
        RecordError: It cannot be read.

    """
    check_digest(data, manifest.report, f"the report of {manifest.reference} has")
    report = decode_record(data, Report, range(1, REPORT_FORMAT + 1), what="report")
    if not is_sound(report):
        raise RecordError(f"the report of {manifest.reference} contradicts itself: do not use this version")
    return report


def is_sound(report: Report) -> bool:
    """Whether what is drawn together has the same length, histograms can be drawn, and a matrix has each class."""
    curves = (*report.roc, *report.precision_recall, *report.calibration)
    lines = [(curve.x, curve.y) for curve in curves] + [(one.predicted, one.actual) for one in report.residuals]
    residuals = [one.histogram for one in report.residuals if one.histogram != Histogram(edges=(), counts=())]
    histograms = [*residuals, *(one.histogram for one in report.distributions if one.histogram is not None)]
    matrix = report.confusion
    return (
        all(len(x) == len(y) > 0 for x, y in lines)
        and all(each.can_be_drawn for each in histograms)
        and (matrix is None or {len(matrix.labels)} == {len(matrix.counts), *map(len, matrix.counts)})
        and (matrix is None or len(report.classes) <= len(matrix.labels))
    )
