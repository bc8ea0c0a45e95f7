"""How a version did on test rows, drawn from its report. Pure: from figures to the sections of a page."""

from collections.abc import Sequence

from model_registry.report.figures import Confusion, Curve, Distribution, Histogram, Report, Residuals
from model_registry.site.charts import Axis, bar, bars, edge_of, figure, line, number
from model_registry.site.html import Content, Html, facts, joined, section, table, tag

_SHADES = 4
_MOST_CLASSES = 30


def report_sections(report: Report | str | None) -> list[Html | None]:
    """The sections of a report; of one that cannot be read why, and nothing where there is none."""
    if report is None:
        return []
    if isinstance(report, str):
        return [section("Report on test rows", tag("p", report, class_="notice warn"))]
    rows = f"{report.what_rows}."
    notes = [tag("p", tag("small", f"{note[:1].upper()}{note[1:]}.")) for note in report.notes]
    return [
        section("On test rows", tag("p", rows, class_="lead"), _scores(report), *notes),
        section("Classes", _classes(report), _confusion(report.confusion) if report.confusion else None),
        section("ROC", _curves(report.roc, Axis("false positives"), Axis("true positives"), "AUC", diagonal=True)),
        section("Precision and recall", _curves(report.precision_recall, Axis("recall"), Axis("precision"), "AP")),
        section("Calibration", _curves(report.calibration, Axis("predicted"), Axis("observed"), "", diagonal=True)),
        *(section(f"Residuals {each.output}".strip(), _residuals(each)) for each in report.residuals),
        section("Permutation importance", *_importance(report)),
        section("Distribution of the test rows", _distributions(report)),
    ]


def _scores(report: Report) -> Html | None:
    outputs = list(dict.fromkeys(score.output for score in report.scores))
    if outputs == [""]:
        return facts({score.name: f"{score.value:.4g}" for score in report.scores})
    found = {(score.name, score.output): f"{score.value:.4g}" for score in report.scores}
    heads = list(dict.fromkeys(score.name for score in report.scores))
    rows: list[list[Content]] = [[each or "all", *(found.get((name, each), "") for name in heads)] for each in outputs]
    return table("Scores of each output", ["Output", *heads], rows, numbers=frozenset(heads)) if rows else None


def _classes(report: Report) -> Html | None:
    if not report.classes:
        return None
    heads = ["Precision", "Recall", "F1", "Rows"]
    rows: list[list[Content]] = [
        [str(one.label), *(f"{each:.3f}" for each in (one.precision, one.recall, one.f1)), one.support]
        for one in report.classes[:_MOST_CLASSES]
    ]
    return table("Scores of each class", ["Class", *heads], rows, numbers=frozenset(heads))


def _confusion(confusion: Confusion) -> Html:
    """A cell's tint is its share of the rows of its class."""
    head = [tag("td"), *(tag("th", str(label), scope="col", class_="number") for label in confusion.labels)]
    rows = []
    for place, (label, counts) in enumerate(zip(confusion.labels, confusion.counts, strict=True)):
        total = sum(counts) or 1
        cells = [
            tag("td", f"{count:,}", class_=f"number {'right' if place == column else 'wrong'}-{_shade(count / total)}")
            for column, count in enumerate(counts)
        ]
        rows.append(tag("tr", tag("th", str(label), scope="row"), *cells))
    name = "Confusion matrix: a row for each true class, a column for each answer"
    made = tag(
        "table",
        tag("caption", name, class_="hidden"),
        tag("thead", tag("tr", *head)),
        tag("tbody", *rows),
        class_="confusion",
    )
    said = tag("p", tag("small", "A row for each true class, a column for each answer."))
    return joined(
        tag("h3", "Confusion"), said, tag("div", made, class_="scroll", tabindex=0, role="region", aria_label=name)
    )


def _shade(part: float) -> int:
    return 0 if part == 0 else min(_SHADES, 1 + int(part * _SHADES))


def _curves(curves: Sequence[Curve], across: Axis, up: Axis, area: str, *, diagonal: bool = False) -> Html | None:
    drawn = []
    for curve in curves:
        value = f"{area} {curve.area:.3f}" if curve.area is not None else ""
        said = f"{up.name} over {across.name} for {curve.label}" + (f": {value}" if value else "")
        marked = curve.area is None  # each point is a mean of many rows
        drawing = line(curve.x, curve.y, across, up, said=said, diagonal=diagonal, marked=marked)
        drawn.append(figure(str(curve.label), value, drawing))
    return tag("div", *drawn, class_="plots") if drawn else None


def _residuals(residuals: Residuals) -> Html:
    both = [*residuals.predicted, *residuals.actual]
    ends = (min(both), max(both))
    said = f"Mean of the actual values over that of the predicted ones, from {number(ends[0])} to {number(ends[1])}"
    axes = Axis("predicted", *ends), Axis("actual", *ends)
    drawn = [
        figure(
            "Predicted and actual",
            "",
            line(residuals.predicted, residuals.actual, *axes, said=said, diagonal=True, marked=True),
        )
    ]
    if residuals.histogram.counts:
        drawn.append(
            figure("Actual minus predicted", "", bars(residuals.histogram, said=_in_words(residuals.histogram)))
        )
    return tag("div", *drawn, class_="plots")


def _importance(report: Report) -> list[Html]:
    found = report.importance
    if found is None:
        return []
    most = max((one.mean for one in found.features), default=0.0) or 1.0
    rows: list[list[Content]] = [
        [joined(one.feature, bar(one.mean / most)), f"{one.mean:.4f}", f"{one.deviation:.4f}"] for one in found.features
    ]
    heads = [f"Loss of {found.scoring}", "Deviation"]
    said = (
        f"How far the {found.scoring} falls when a feature is shuffled, {found.repeats} times in {found.rows:,} rows."
    )
    return [
        tag("p", tag("small", said)),
        table("Permutation importance", ["Feature", *heads], rows, numbers=frozenset(heads)),
    ]


def _distributions(report: Report) -> Html | None:
    return tag("div", *map(_distribution, report.distributions), class_="plots") if report.distributions else None


def _distribution(found: Distribution) -> Html:
    missing = f"{found.missing:,} missing" if found.missing else ""
    if found.histogram is not None:
        of = "" if found.histogram.of == "values" else found.histogram.of
        return figure(
            found.feature, of, bars(found.histogram, said=f"{found.feature}: {_in_words(found.histogram)}"), missing
        )
    counts: list[tuple[str, int]] = [(str(each.value), each.count) for each in found.categories]
    if found.others:
        counts.append((f"not shown: {found.hidden}" if found.hidden else "others", found.others))
    most = max((count for _, count in counts), default=0) or 1
    items = [tag("li", tag("span", name), tag("b", f"{count:,}"), bar(count / most)) for name, count in counts]
    return figure(found.feature, "", tag("ul", *items, class_="counts") if items else tag("p", "too few rows"), missing)


def _in_words(histogram: Histogram) -> str:
    most = max(range(len(histogram.counts)), key=histogram.counts.__getitem__)
    edges = [edge_of(histogram, edge) for edge in histogram.edges]
    return (
        f"{sum(histogram.counts):,} rows from {edges[0]} to {edges[-1]}, "
        f"{histogram.counts[most]:,} of them between {edges[most]} and {edges[most + 1]}"
    )
