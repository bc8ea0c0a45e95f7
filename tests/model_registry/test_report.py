"""`report`: on a terminal, as JSON, as a page and as a card; from what was stored, never from the model."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from typer.testing import CliRunner, Result

from local.ministack import LocalAws
from model_registry import Registry, Storage, open_storage
from model_registry.cli import app
from model_registry.report.figures import (
    Confusion,
    Curve,
    Distribution,
    Histogram,
    Report,
    Residuals,
    decode_report,
    encode_report,
)
from model_registry.roles import reader
from model_runtime.errors import RecordError
from model_runtime.manifest import REPORT_FILE, Artifact, digest
from tests.model_registry.made import made

HOSTILE = "\x1b[31m<img src=x onerror=alert(1)>|`x`"
X = np.arange(80.0).reshape(40, 2)
Y = [0, 1] * 10 + [1] * 20


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
    assert "\n# Evaluation\n\nOn 40 rows that it was not trained on." in markdown
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
    ],
)
def test_a_report_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    data = encode_report(msgspec.structs.replace(Report(kind="none", rows=10, given=10), **wrong))
    manifest = made(report=Artifact(file=REPORT_FILE, sha256=digest(data), size=len(data)))
    with pytest.raises(RecordError, match="contradicts itself"):
        decode_report(manifest, data)


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
