"""docs/models.md: what is served, what is refused and why, as the fleet found it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.model_registry.fleet.outcomes import Outcome
from tests.model_registry.fleet.rows import FORMS

PAGE = Path(__file__).parents[3] / "docs" / "models.md"
_MARKS = {"served": "yes", "refused": "**no**", "not fitted": "-", "wrong": "**WRONG**"}
_REASON = 340

_HEAD = """\
# Models

What can be published and served, found by trying: `make models` fits every estimator below on small tables, publishes
it with all of its outputs, and compares what the function answers with what the estimator itself answers, also for rows
that publishing never saw. Nothing in this page is written by hand.

| Mark | Meaning |
|---|---|
| yes | published, and served with the estimator's own answers |
| **no** | publishing refuses it; the last section says why |
| - | the estimator itself does not fit such rows |

Where the environments differ, each mark names its own.

| Form | Rows |
|---|---|
| array | numpy, four numbers a row; three classes, as integers |
| frame | pandas, the same with names; two classes, as texts |
| array with gaps, frame with gaps | the same with NaN |
| pipeline | pandas, a text with gaps, whole numbers, numbers with gaps, behind the usual `ColumnTransformer` |
"""


def write(found: Mapping[str, Sequence[Outcome]], versions: Mapping[str, str]) -> None:
    """Write the page."""
    PAGE.write_text(rendered(found, versions), encoding="utf-8")


def rendered(found: Mapping[str, Sequence[Outcome]], versions: Mapping[str, str]) -> str:
    """The page of outcomes by environment; the first has scikit-learn as the project pins it."""
    everything = [(place, outcome) for place, outcomes in found.items() for outcome in outcomes]
    ours = [(place, one) for place, one in everything if _is_sklearn(one)]
    theirs = [(place, one) for place, one in everything if not _is_sklearn(one)]
    parts = [
        _HEAD,
        _counts(found, versions),
        "## scikit-learn\n",
        "Outputs are those that were served and compared.\n",
        _table(ours),
        "## Other packages\n",
        _table(theirs, grouped=True),
        "## What is refused, and why\n",
        _reasons(everything),
    ]
    return "\n".join(parts)


def row_of(name: str, outcomes: Iterable[Outcome]) -> dict[str, str]:
    """The marks of an estimator by form."""
    return {one.form: _MARKS[one.result] for one in outcomes if one.name == name}


def marks_on_page(text: str, name: str) -> dict[str, str]:
    """The marks by form that the page's table of scikit-learn has for an estimator in the project's own environment."""
    section = text.partition("## scikit-learn\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == f"`{name}`":
            return {form: _first_mark(cell) for form, cell in zip(FORMS, cells[1:], strict=False)}
    return {}


def _first_mark(cell: str) -> str:
    """The mark of the first environment, where they do not agree."""
    return cell.partition(" (")[0]


def _is_sklearn(outcome: Outcome) -> bool:
    return outcome.group not in {
        "lightgbm", "xgboost", "catboost", "imbalanced-learn", "category_encoders", "feature-engine",
    }  # fmt: skip


def _counts(found: Mapping[str, Sequence[Outcome]], versions: Mapping[str, str]) -> str:
    lines = ["| Environment | Packages | Combinations tried | served | refused | not fitted by the estimator | wrong |"]
    lines.append("|---|---|---|---|---|---|---|")
    total: Counter[str] = Counter()
    for place, outcomes in found.items():
        results: Counter[str] = Counter(one.result for one in outcomes)
        total.update(results)
        lines.append(_count_line(place, versions[place], results))
    lines.append(_count_line("all", "", total))
    return "\n".join(lines) + "\n"


def _count_line(place: str, packages: str, results: Counter[str]) -> str:
    counts = (results.total(), *(results[name] for name in ("served", "refused", "not fitted", "wrong")))
    return f"| {place} | {packages} | {' | '.join(map(str, counts))} |"


def _table(outcomes: Sequence[tuple[str, Outcome]], *, grouped: bool = False) -> str:
    forms = [*FORMS, *dict.fromkeys(one.form for _, one in outcomes if one.form not in FORMS)]
    head = ["Estimator", *forms, "Outputs"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    names = dict.fromkeys((one.group if grouped else "", one.name) for _, one in outcomes)
    for group, name in names:
        mine = [(place, one) for place, one in outcomes if one.name == name and group in {"", one.group}]
        marks = [_mark([(place, one) for place, one in mine if one.form == form]) for form in forms]
        served = dict.fromkeys(output for _, one in mine for output in one.outputs)
        title = f"{group}: `{name}`" if grouped else f"`{name}`"
        lines.append(f"| {title} | {' | '.join(marks)} | {', '.join(served)} |")
    return "\n".join(lines) + "\n"


def _mark(outcomes: Sequence[tuple[str, Outcome]]) -> str:
    """One mark where all environments agree, else each with its own."""
    marks = {place: _MARKS[one.result] for place, one in outcomes}
    if len(set(marks.values())) <= 1:
        return next(iter(marks.values()), "")
    return ", ".join(f"{mark} ({place})" for place, mark in marks.items())


def _reasons(outcomes: Sequence[tuple[str, Outcome]]) -> str:
    by_reason: dict[str, dict[str, None]] = {}
    for _, one in outcomes:
        if one.result in {"refused", "wrong"}:
            by_reason.setdefault(_reason(one), {})[f"`{one.name}`"] = None
    lines = ["| Publishing says | Estimators |", "|---|---|"]
    lines += [f"| {reason} | {', '.join(names)} |" for reason, names in sorted(by_reason.items())]
    return "\n".join(lines) + "\n"


def _reason(one: Outcome) -> str:
    said = " ".join(one.said.replace("|", "/").split())
    said = re.sub(r"^fleet answers .*?(Among others|Give X_example)", r"it answers some rows differently. \1", said)
    said = re.sub(r"^fleet (does not answer as a function:) POST \{.*\} gives ", r"it \1 ", said)
    for kind in (one.name.partition(",")[0], "Pipeline"):
        for article in ("the ", "a ", "this "):
            said = said.replace(f"{article}{kind} ", "it ")
    return said if len(said) <= _REASON else said[: _REASON - 3] + "..."
