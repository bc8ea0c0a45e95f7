"""A model card in Markdown, put together by skops from a version's manifest and report. Nothing is unpickled."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from model_registry.printable import figure, printable
from model_registry.report.figures import Report
from model_runtime.errors import ModelFormatError
from model_runtime.manifest import Manifest

_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
_MOST = 50


def card_of(manifest: Manifest, report: Report | None) -> str:
    """The card of a version; ModelFormatError where skops is not installed."""
    try:
        from skops.card import Card
    except ModuleNotFoundError as error:
        raise ModelFormatError(
            f"a model card is made by skops, which needs {error.name}: `pip install 'sklearn-on-lambda[skops]'`"
        ) from error
    # A card is told no model: skops would load it to draw it.
    card = Card(None, model_diagram=False, template=None)
    for name, text in _texts(manifest, report).items():
        card.add(**{name: text})
    for name, table in _tables(manifest, report).items():
        if table and any(table.values()):
            card.add_table(**{name: {_text(head): [*map(_text, column)] for head, column in table.items()}})
            card.select(name).title = name.rpartition("/")[2]  # skops has the whole path here
    return f"{_front(manifest)}\n{card.render()}"


def _front(manifest: Manifest) -> str:
    """What hubs read of a card."""
    return f'---\nlibrary_name: sklearn\ntags:\n- sklearn\nmodel_name: "{manifest.name}"\n---\n'


def _texts(manifest: Manifest, report: Report | None) -> dict[str, str]:
    published = f"Version {manifest.version}, published {manifest.created_at:%Y-%m-%d} by {_text(manifest.created_by)}."
    texts = {
        _text(manifest.name): "\n\n".join(filter(None, [_text(manifest.description), published])),
        "Model description": f"{_text(manifest.estimator)} for Python {_text(manifest.environment.python)}.",
        "Evaluation": _evaluation(report),
    }
    if manifest.lineage.git_commit:
        texts["Model description/Source"] = f"Git commit {_text(manifest.lineage.git_commit)}."
    return texts


def _evaluation(report: Report | None) -> str:
    if report is None:
        return "The version was published without test rows."
    return "\n\n".join([f"On {report.what_rows}.", *(f"{_text(note)}." for note in report.notes)])


def _tables(manifest: Manifest, report: Report | None) -> dict[str, Mapping[str, Sequence[Any]]]:
    features = manifest.signature.features[:_MOST]
    tables: dict[str, Mapping[str, Sequence[Any]]] = {
        "Model description/Features": {
            "Feature": [one.name for one in features],
            "Type": [one.type for one in features],
            "May be missing": ["yes" if one.nullable else "no" for one in features],
        },
        "Model description/Hyperparameters": {
            "Parameter": list(manifest.parameters),
            "Value": list(manifest.parameters.values()),
        },
        "Model description/Packages": {
            "Package": list(manifest.environment.packages),
            "Version": list(manifest.environment.packages.values()),
        },
        "Evaluation/Metrics": {
            "Metric": list(manifest.metrics),
            "Value": [figure(value) for value in manifest.metrics.values()],
        },
    }
    return tables | (_figures(report) if report else {})


def _figures(report: Report) -> dict[str, Mapping[str, Sequence[Any]]]:
    important = report.importance.features[:_MOST] if report.importance else ()
    matrix, classes, scores = report.confusion, report.classes[:_MOST], report.scores[:_MOST]
    tables: dict[str, Mapping[str, Sequence[Any]]] = {
        "Evaluation/Scores on test rows": {
            "Score": [f"{one.name} {one.output}".strip() for one in scores],
            "Value": [f"{one.value:.4g}" for one in scores],
        },
        "Evaluation/Classes": {
            "Class": [one.label for one in classes],
            "Precision": [f"{one.precision:.3f}" for one in classes],
            "Recall": [f"{one.recall:.3f}" for one in classes],
            "F1": [f"{one.f1:.3f}" for one in classes],
            "Rows": [one.support for one in classes],
        },
        "Evaluation/Permutation importance": {
            "Feature": [one.feature for one in important],
            "Loss": [f"{one.mean:.4f}" for one in important],
        },
    }
    if matrix is not None:
        columns = {
            f"answered {label}": [counts[place] for counts in matrix.counts]
            for place, label in enumerate(matrix.labels)
        }
        tables["Evaluation/Confusion"] = {"True": matrix.labels, **columns}
    return tables


def _text(value: object) -> str:
    """Text for Markdown on one line: nothing of it is markup, and no tag of HTML begins in it."""
    return _MARKS.sub(r"\\\1", printable(str(value))).replace("&", "&amp;").replace("<", "&lt;")
