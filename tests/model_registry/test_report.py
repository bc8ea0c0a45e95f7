"""`report`: on a terminal, as JSON, as a page and as a card; from what was stored, never from the model."""

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge
from typer.testing import CliRunner, Result

from local.ministack import LocalAws
from model_registry import Registry, Storage, open_storage
from model_registry.cli import app, reporting
from model_registry.report.card import card_of
from model_registry.report.figures import (
    Category,
    ClassScores,
    Confusion,
    Curve,
    Distribution,
    FeatureImportance,
    Histogram,
    Importance,
    Report,
    Residuals,
    Score,
    decode_report,
    encode_report,
)
from model_registry.roles import reader
from model_registry.site.details import version_page
from model_registry.site.shelf import Shelf
from model_registry.summary import ListedVersion, Page
from model_runtime.errors import RecordError
from model_runtime.manifest import REPORT_FILE, Artifact, Manifest, digest
from tests.model_registry.made import made

HOSTILE = "\x1b[31m<img src=x onerror=alert(1)>|`x`"
X = np.arange(80.0).reshape(40, 2)
Y = [0, 1] * 10 + [1] * 20
ONE_CLASS = ClassScores(label="a", precision=1.0, recall=1.0, f1=1.0, support=9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A classifier whose labels attack, a regressor, and a version without a report."""
    folder = str(tmp_path_factory.mktemp("registry"))
    registry = Registry(open_storage(folder), actor="ada", proof="none")
    classifier = LogisticRegression().fit(X, Y)
    given: dict[str, Any] = {"X_example": X[:5], "golden": "none"}
    registry.publish(
        classifier, name="attack", X_test=X, y_test=Y, class_names=[HOSTILE, "fine"], description=HOSTILE, **given
    )
    registry.publish(Ridge().fit(X, X), name="values", X_test=X, y_test=X, **given)
    registry.publish(classifier, name="bare", metrics={"accuracy": 0.5}, **given)
    return folder


def run(folder: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", "--bucket", folder, *arguments])


def test_a_terminal_shows_scores_classes_importance_and_features(folder: str) -> None:
    done = run(folder, "attack/1")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert any("attack/1 on 40 test rows" in line for line in lines)
    (precise,) = [line for line in lines if line.startswith("│ fine")]
    assert [cell.strip() for cell in precise.split("│")][2] == "30"
    assert any(line.startswith("│ x0") and "█" in line for line in lines)
    assert "\x1b" not in done.stdout
    assert "\\x1b[31m<img" in done.stdout
    outputs = run(folder, "values/1").stdout
    rows = [line.split("│") for line in outputs.splitlines() if line.startswith("│")]
    assert [row[1].strip() for row in rows if row[2].strip() == "r2"] == ["", "output 1", "output 2"]


def test_a_version_without_test_rows_says_so(folder: str, tmp_path: Path) -> None:
    done = run(folder, "bare/1")
    assert "accuracy" in done.stdout
    assert "bare/1: it was published without test rows" in done.stderr
    assert json.loads(run(folder, "bare/1", "--json").stdout) == {
        "version": "bare/1",
        "metrics": {"accuracy": 0.5},
        "report": None,
    }
    assert "without test rows" in run(folder, "bare/1", "--card", str(tmp_path / "card.md")).stderr


def test_json_is_what_the_library_reads(folder: str) -> None:
    registry = Registry(open_storage(folder), actor="nobody")
    printed = json.loads(run(folder, "attack/1", "--json").stdout)
    found = msgspec.convert(printed["report"], Report)
    assert found == registry.report(registry.resolve("attack/1"))
    assert found.kind == "binary"


def test_page_and_card_have_no_markup_of_others_and_load_no_model(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    monkeypatch.setattr("pickle.Unpickler", refuse)
    monkeypatch.setattr("joblib.load", refuse)
    page, card = tmp_path / "report.html", tmp_path / "card.md"
    assert run(folder, "attack/1", "--html", str(page)).stdout == f"{page}\n"
    html = page.read_text()
    assert "<img" not in html
    assert "<a " not in html
    assert "default-src &#x27;none&#x27;" in html
    assert "://" not in html.replace("http-equiv", "")
    assert "<h3>Confusion</h3>" in html
    assert run(folder, "attack/1", "--card", str(card)).stdout == f"{card}\n"
    markdown = card.read_text()
    assert "\n# Evaluation\n\nOn 40 test rows; they were not looked for among training rows." in markdown
    assert "\n## Confusion\n" in markdown
    assert "\x1b" not in markdown
    assert "<img" not in markdown
    assert r"&lt;img src=x onerror=alert\(1\)>\|\`x\`" in markdown
    _, classes = markdown.split("\n## Classes\n")
    rows = [line for line in classes.splitlines()[1:] if line.startswith("|")][:4]
    assert [row.replace(r"\|", "").count("|") for row in rows] == [6] * 4, "no label makes a column of its own"


def test_what_cannot_be_done_is_one_line(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = run(folder, "attack/1", "--json", "--html", str(tmp_path / "a.html"))
    assert (both.exit_code, both.stderr) == (
        1,
        "error: --html, --card and --json exclude each other: give one of them\n",
    )
    assert "name a file in a folder that is there" in run(folder, "attack/1", "--html", "/no/such/folder/x").stderr
    monkeypatch.setitem(sys.modules, "skops.card", None)
    missing = run(folder, "attack/1", "--card", str(tmp_path / "card.md"))
    assert "a model card is made by skops" in missing.stderr
    assert missing.exit_code == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"roc": (Curve(label=1, x=(0.0, 1.0), y=(0.0,)),)},
        {"distributions": (Distribution(feature="x", rows=9, histogram=Histogram(edges=(1.0, 0.0), counts=(5,))),)},
        {"residuals": (Residuals(output="", histogram=Histogram(edges=(), counts=()), predicted=(), actual=()),)},
        {"confusion": Confusion(labels=("a", "b"), counts=((1, 2),))},
        {"confusion": Confusion(labels=(), counts=()), "classes": (ONE_CLASS,)},
        {"distributions": (Distribution(feature="x", rows=9, histogram=Histogram(edges=(), counts=())),)},
        {"distributions": (Distribution(feature="x", rows=9, histogram=Histogram(edges=(0.0, 5e-324), counts=(9,))),)},
    ],
)
def test_a_report_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    data = encode_report(msgspec.structs.replace(Report(kind="none", rows=10, given=10), **wrong))
    with pytest.raises(RecordError, match="contradicts itself"):
        decode_report(holding(data), data)


@pytest.mark.parametrize("count", [-1, 10**9 + 1, 10**310], ids=["negative", "too many", "beyond floats"])
def test_a_report_that_counts_what_cannot_be_counted_is_refused(count: int) -> None:
    bins, drawn = {"edges": [0.0, 1.0], "counts": [count]}, {"feature": "x", "rows": 9}
    for wrong in (
        {"rows": count},
        {"distributions": [{**drawn, "histogram": bins}]},
        {"distributions": [{**drawn, "categories": [{"value": "a", "count": count}]}]},
        {"distributions": [{**drawn, "others": count}]},
        {"confusion": {"labels": ["a"], "counts": [[count]]}},
        {"residuals": [{"output": "", "histogram": bins, "predicted": [0.0], "actual": [0.0]}]},
    ):
        data = json.dumps({"format": 1, "kind": "none", "rows": 9, "given": 9, **wrong}).encode()
        with pytest.raises(RecordError, match="the report cannot be read"):
            decode_report(holding(data), data)


def holding(report: bytes) -> Manifest:
    return made(report=Artifact(file=REPORT_FILE, sha256=digest(report), size=len(report)))


@st.composite
def reports(draw: st.DrawFn) -> bytes:
    """What a publisher might write: each kind of figure, with any numbers and texts, most of which fit together."""
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    texts = st.text(max_size=4) | st.sampled_from(["[/x]", HOSTILE])
    labels = st.one_of(texts, numbers, st.booleans(), st.integers(-(2**63), 2**63))
    counts = st.integers(0, 10**9) if draw(st.integers(0, 4)) else st.sampled_from([-1, 10**10, 10**310])

    def several(of: st.SearchStrategy[Any], least: int = 0, most: int = 3) -> tuple[Any, ...]:
        return tuple(draw(st.lists(of, min_size=least, max_size=most)))

    def bins() -> Histogram:
        edges = sorted({*several(numbers, 2)}) if draw(st.integers(0, 9)) else ()
        wanted = max(len(edges) - 1, 0)
        return Histogram(edges=tuple(edges), counts=several(counts, wanted, wanted))

    points = several(st.tuples(numbers, numbers), 1)
    x, y = tuple(one for one, _ in points), tuple(other for _, other in points)
    names, drawn = several(labels), st.builds(Category, value=labels, count=counts)
    report = Report(
        kind="multiclass",
        rows=draw(counts),
        given=9,
        scores=several(st.builds(Score, name=texts, value=numbers, output=texts)),
        classes=several(
            st.builds(ClassScores, label=labels, precision=numbers, recall=numbers, f1=numbers, support=counts)
        ),
        confusion=Confusion(labels=names, counts=tuple(several(counts, len(names), len(names)) for _ in names))
        if draw(st.booleans())
        else None,
        roc=(Curve(label=draw(labels), x=x, y=y, area=draw(numbers)),),
        calibration=(Curve(label=draw(labels), x=x, y=y),),
        residuals=(Residuals(output=draw(texts), histogram=bins(), predicted=x, actual=y),),
        importance=Importance(
            scoring=draw(texts),
            rows=draw(counts),
            repeats=5,
            features=several(st.builds(FeatureImportance, feature=texts, mean=numbers, deviation=numbers)),
        ),
        distributions=(
            Distribution(feature=draw(texts), rows=9, histogram=bins()),
            Distribution(feature=draw(texts), rows=9, categories=several(drawn), others=draw(counts)),
        ),
        notes=several(texts),
    )
    return json.dumps(msgspec.to_builtins(report)).encode()


@settings(max_examples=25)
@given(data=reports())
def test_a_report_is_refused_or_drawn_on_terminal_page_and_card(data: bytes) -> None:
    """Whoever may publish one model must not end the command that draws all."""
    manifest = holding(data)
    try:
        found = decode_report(manifest, data)
    except RecordError:
        return
    shelf = Shelf(Page("iris", (ListedVersion(1, manifest, "", is_deprecated=False),), {}, {}), {})
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        reporting._print(manifest, found)
    assert version_page(shelf, 1, found).encode()
    assert card_of(manifest, found).encode()


def test_a_reader_s_role_reads_the_report_of_a_real_bucket(
    aws: LocalAws, bucket: str, registry: Registry, request: pytest.FixtureRequest
) -> None:
    model = LogisticRegression().fit(X, Y)
    registry.publish(model, name="iris", X_example=X[:5], X_test=X, y_test=Y, golden="none")
    user = request.getfixturevalue("outsider")
    aws.client("iam").put_user_policy(UserName=user, PolicyName="reads", PolicyDocument=json.dumps(reader(bucket)))
    reading = Registry(Storage.open(bucket), actor="nobody")
    found = reading.report(reading.resolve("iris/1"))
    assert found is not None
    assert found.rows == 40
