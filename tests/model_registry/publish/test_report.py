"""The figures of a version are scikit-learn's own on the test rows, and no row is among them."""

import json
import re
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from obstore.store import MemoryStore
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OutputCodeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from typer.testing import CliRunner

from model_registry import Registry, Release, Storage
from model_registry.cli import app
from model_registry.doctor import findings
from model_registry.publish.estimator import describe
from model_registry.publish.report import held_out as rows_of_test
from model_registry.publish.report import importance, made
from model_registry.publish.report.distributions import histogram, histogram_of_times
from model_registry.publish.report.made import measured, report_of
from model_registry.publish.report.overlap import Overlap, overlap
from model_registry.reference import VersionRef
from model_registry.report.figures import LARGEST_REPORT, Curve, Histogram, Of, Report
from model_registry.report.times import time_at
from model_registry.signing import Signer
from model_registry.site.charts import edge_of
from model_runtime.errors import IntegrityError, PublishError, RecordError
from model_runtime.manifest import REPORT_FILE, Artifact, Signature, version_key

IRIS = load_iris(as_frame=True)
X, y = IRIS.data.set_axis(["sl", "sw", "pl", "pw"], axis=1), IRIS.target
CANCER_X, CANCER_Y = load_breast_cancer(return_X_y=True)
CANCER_X = CANCER_X[:, :4]


def published(estimator: Any, rows: Any, targets: Any, storage: Storage, **more: Any) -> Release:
    registry = Registry(storage, actor="ada", proof="none")
    given = {"X_example": rows[:5], "X_test": rows, "y_test": targets, "golden": "none", **more}
    return registry.publish(estimator, name="model", **given)


def reported(estimator: Any, rows: Any, targets: Any) -> Report:
    """A report without a publish around it."""
    return report_of(estimator, describe(estimator, rows[:5]).signature, rows, targets, progress=print)


def scores(report: Report, output: str = "") -> dict[str, float]:
    return {score.name: score.value for score in report.scores if score.output == output}


def test_a_classifier_of_several_classes_by_scikit_learn_s_own_functions() -> None:
    model = LogisticRegression(max_iter=1000, C=0.05).fit(X[::2], y[::2])
    release = published(model, X, y, storage := Storage(MemoryStore(), "memory"), class_names=[*IRIS.target_names])
    report = Registry(storage, actor="nobody").report(release)
    assert report is not None
    told, answered = model.predict_proba(X), model.predict(X)
    assert (report.kind, report.rows, report.given, report.notes) == ("multiclass", 150, 150, ())
    assert scores(report) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(y, answered),
            "balanced_accuracy": metrics.balanced_accuracy_score(y, answered),
            "precision_macro": metrics.precision_score(y, answered, average="macro"),
            "recall_macro": metrics.recall_score(y, answered, average="macro"),
            "f1_macro": metrics.f1_score(y, answered, average="macro"),
            "matthews_corrcoef": metrics.matthews_corrcoef(y, answered),
            "roc_auc_ovr": metrics.roc_auc_score(y, told, multi_class="ovr"),
            "log_loss": metrics.log_loss(y, told),
        }
    )
    assert report.confusion is not None
    assert report.confusion.labels == ("setosa", "versicolor", "virginica")
    assert np.array_equal(report.confusion.counts, metrics.confusion_matrix(y, answered))
    assert [one.support for one in report.classes] == [50, 50, 50]
    assert [one.recall for one in report.classes] == pytest.approx(metrics.recall_score(y, answered, average=None))
    x, height, _ = metrics.roc_curve(y == 1, told[:, 1])
    assert report.roc[1].label == "versicolor"
    assert report.roc[1].area == pytest.approx(metrics.roc_auc_score(y == 1, told[:, 1]))
    assert np.allclose(report.roc[1].x, x, rtol=1e-5)
    assert np.allclose(report.roc[1].y, height, rtol=1e-5)
    assert report.precision_recall[2].area == pytest.approx(metrics.average_precision_score(y == 2, told[:, 2]))
    actual, said = calibration_curve(y == 2, told[:, 2], n_bins=10, strategy="quantile")
    assert np.allclose(report.calibration[2].x, said, rtol=1e-5)
    assert np.allclose(report.calibration[2].y, actual, rtol=1e-5)
    found = permutation_importance(model, X, y, scoring="accuracy", n_repeats=5, random_state=0)
    assert report.importance is not None
    assert {one.feature: one.mean for one in report.importance.features} == pytest.approx(
        dict(zip(X, found.importances_mean, strict=True)), rel=1e-5
    )
    means = [one.mean for one in report.importance.features]
    assert means == sorted(means, reverse=True)


def test_a_classifier_of_two_classes_has_curves_of_the_second() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(CANCER_X[::2], CANCER_Y[::2])
    report = reported(model, CANCER_X, CANCER_Y)
    told = model.predict_proba(CANCER_X)[:, 1]
    assert report.kind == "binary"
    found = scores(report)
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(CANCER_Y, told))
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(CANCER_Y, told))
    assert found["brier_score"] == pytest.approx(metrics.brier_score_loss(CANCER_Y, told))
    assert [curve.label for curve in (*report.roc, *report.precision_recall, *report.calibration)] == [1, 1, 1]


def test_without_probabilities_decisions_are_ranked_and_what_is_missing_is_said() -> None:
    ranked = reported(LinearSVC().fit(CANCER_X, CANCER_Y), CANCER_X, CANCER_Y)
    assert len(ranked.roc) == 1
    assert ranked.calibration == ()
    assert ranked.notes == ("no calibration and no log loss: the model gives no probabilities",)
    assert "log_loss" not in scores(ranked)
    assert len(reported(RidgeClassifier().fit(X, y), X, y).roc) == 3


def test_a_classifier_that_ranks_nothing_has_no_curves_and_a_class_that_no_row_has_none_either() -> None:
    coded = reported(OutputCodeClassifier(LinearSVC(), random_state=0).fit(X, y), X, y)
    assert (coded.roc, coded.calibration) == ((), ())
    assert coded.notes[1] == "no curves: the model ranks no rows (predict_proba, decision_function)"
    two = reported(LogisticRegression(max_iter=1000).fit(X, y), X[:100], y[:100])
    assert [curve.label for curve in two.roc] == [0, 1]
    assert "roc_auc_ovr" not in scores(two)


def test_figures_that_are_no_numbers_are_refused() -> None:
    """As JSON they would be null, and nobody could read the report."""
    rows, targets = load_diabetes(return_X_y=True)
    model = Ridge().fit(rows, targets)
    with pytest.raises(PublishError, match="the figures of X_test are not all finite numbers"):
        measured(model, describe(model, rows[:5]).signature, rows, targets * 1e300, feature_names=None, progress=print)


def test_a_regressor_has_residuals_and_of_several_outputs_each_its_own() -> None:
    rows, targets = load_diabetes(return_X_y=True)
    model = Ridge().fit(rows, targets)
    report = reported(model, rows, targets)
    off = targets - model.predict(rows)
    assert scores(report)["r2"] == pytest.approx(metrics.r2_score(targets, model.predict(rows)))
    assert scores(report)["rmse"] == pytest.approx(np.sqrt((off**2).mean()))
    (residuals,) = report.residuals
    assert sum(residuals.histogram.counts) == len(targets)
    assert np.mean(residuals.actual) == pytest.approx(targets.mean(), rel=0.01)
    assert report.importance is not None
    assert report.importance.scoring == "r2"
    several = pd.DataFrame({"one": targets, "double": targets * 2})
    report = reported(Ridge().fit(rows, several), rows, several)
    assert [each.output for each in report.residuals] == ["one", "double"]
    assert scores(report, "double")["mae"] == pytest.approx(2 * scores(report, "one")["mae"])


def test_several_outputs_of_a_classifier_have_scores_each() -> None:
    several = np.c_[CANCER_Y, CANCER_X[:, 0] > 14]
    model = KNeighborsClassifier().fit(CANCER_X, several)
    report = reported(model, CANCER_X, several)
    answered = model.predict(CANCER_X)
    assert report.kind == "multioutput"
    assert scores(report)["accuracy_of_all"] == pytest.approx((answered == several).all(axis=1).mean())
    assert scores(report, "output 2")["accuracy"] == pytest.approx((answered == several)[:, 1].mean())


def test_a_model_without_targets_has_distributions_alone_and_says_so() -> None:
    report = reported(KMeans(2, n_init=1, random_state=0).fit(X), X, None)
    assert (report.kind, report.scores) == ("none", ())
    assert len(report.distributions) == 4
    assert report.notes == ("no metrics: this KMeans has no targets that its answers could be held against",)


def test_headline_scores_are_metrics_unless_the_owner_gives_them() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(CANCER_X, CANCER_Y)
    given = {"accuracy": 0.5, "cost": 7.0}
    release = published(model, CANCER_X, CANCER_Y, Storage(MemoryStore(), "memory"), metrics=given)
    assert release.manifest.metrics.keys() == {"accuracy", "cost", "roc_auc"}
    assert release.manifest.metrics["accuracy"] == 0.5


class Counted(Storage):
    written: list[str]

    def create(self, key: str, data: Any, *, token: str | None = None) -> None:
        self.written = [*getattr(self, "written", []), key.rpartition("/")[2]]
        super().create(key, data, token=token)


def test_a_publish_without_test_rows_imports_and_writes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model_registry.publish.report.made", None)
    storage = Counted(MemoryStore(), "memory")
    registry = Registry(storage, actor="ada", proof="none")
    release = registry.publish(
        LogisticRegression(max_iter=1000).fit(X, y), name="model", X_example=X[:5], golden="none"
    )
    assert release.manifest.report is None
    assert storage.written == ["counter.json", "model.joblib", "sbom.cdx.json", "manifest.json"]
    assert registry.report(release) is None


def people(count: int = 60) -> pd.DataFrame:
    """Rows of people, each value of which would be known again."""
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "email": [f"person{n}@example.org" for n in range(count)],
            "income": rng.normal(50_000, 9_000, count).round(3),
            "town": ["Ulm"] * 40 + [f"Village{n}" for n in range(count - 40)],
            "remark": [f"called {n} times about the bill" for n in range(count)],
            "age": rng.integers(20, 80, count),
        }
    )


def test_no_value_of_a_row_is_in_the_report() -> None:
    """One outlier, rare categories, free text and what looks personal: none can be read from it."""
    rows = people()
    rows.loc[7, "income"] = 98_765_432.1
    truth = np.arange(60) % 2
    encoded = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["town"]), ("passthrough", ["age"]))
    model = make_pipeline(encoded, LogisticRegression()).fit(rows, truth)
    release = published(model, rows, truth, storage := Storage(MemoryStore(), "memory"))
    stored = storage.read(version_key("model", 1, REPORT_FILE))
    assert stored is not None
    text = stored.data.decode()
    for column in ("email", "income", "remark"):
        assert not [value for value in rows[column] if str(value) in text]
    assert "9876543" not in text
    assert "Village" not in text
    report = Registry(storage, actor="nobody").report(release)
    assert report is not None
    found = {each.feature: each for each in report.distributions}
    assert [(one.value, one.count) for one in found["town"].categories] == [("Ulm", 40)]
    assert found["town"].others == 20
    assert found["email"].hidden == "looks personal (its values look like e-mail addresses)"
    assert found["remark"].histogram is not None
    assert found["remark"].histogram.of == "characters"
    for each in report.distributions:
        assert all(count == 0 or count >= 5 for count in (each.histogram.counts if each.histogram else ()))


@pytest.mark.parametrize(
    "values",
    [
        [5.1] * 30,
        [*np.linspace(0, 1, 40), 1e9],
        [0, 1] * 20,
        [-1e308, 1e308] * 10,
        [1e-300 * n for n in range(30)],
        [*range(4), *[1000] * 20, *range(5000, 5003)],
    ],
)
def test_bins_hold_every_row_and_none_holds_few(values: list[float]) -> None:
    found = histogram(values)
    assert found is not None
    assert sum(found.counts) == len(values)
    assert len(found.edges) == len(found.counts) + 1 <= 60
    assert list(found.edges) == sorted(set(found.edges))
    assert all(count == 0 or count >= 5 for count in found.counts)


def test_of_fewer_values_than_five_nothing_is_told() -> None:
    assert histogram([1.0, 2.0, 3.0]) is None
    assert histogram([10**400, *range(20)]) is None
    assert histogram([float("inf")] * 20) is None


@pytest.mark.parametrize("count", [12, 20, 27, 60, 75, 76, 300])
def test_the_five_lowest_and_highest_values_change_no_edge(count: int) -> None:
    """Whoever sees the histogram learns of the one who earns most that there is somebody, and no more."""
    values = [30_000 + 997.0 * n for n in range(count)]
    outliers = [-98_765_432.1, *values[1:-1], 98_765_432.1]
    found = histogram(values)
    assert found is not None
    assert found == histogram(outliers) == histogram([-1e9] * 5 + values[5:-5] + [1e9] * 5)
    assert found.counts[0] > 5 < found.counts[-1]
    assert histogram([30e3 + 1e3 * n for n in range(19)] + [4.87e6]) == histogram([30e3 + 1e3 * n for n in range(20)])


def test_of_so_few_rows_that_edges_would_be_values_of_one_there_is_no_histogram() -> None:
    assert [histogram([*map(float, range(count))]) is None for count in (10, 11, 12)] == [True, True, False]
    rows = np.arange(20.0).reshape(10, 2)
    (residuals,) = reported(Ridge().fit(rows, [*range(10)]), rows, [*range(9), 1e6]).residuals
    assert residuals.histogram == Histogram(edges=(), counts=())


def test_values_that_differ_by_the_noise_of_floats_make_a_report_that_is_read() -> None:
    rows = pd.DataFrame(
        {
            "sum": [1.0, 0.9999999999999999, 1.0000000000000002] * 20,
            "share": [0.3, 0.30000000000000004] * 30,
            "far": [-1e17, -1e17 - 16] * 30,
            "near": [5e-324 * n for n in range(60)],
        }
    )
    storage = Storage(MemoryStore(), "memory")
    release = published(KMeans(2, n_init=1, random_state=0).fit(rows), rows, None, storage)
    report = Registry(storage, actor="nobody").report(release)
    assert report is not None
    assert [each.feature for each in report.distributions if each.histogram] == ["sum", "share", "far"]


def test_a_report_that_no_reader_would_take_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Report(kind="none", rows=60, given=60, roc=(Curve(label=1, x=(0.0,), y=()),))
    monkeypatch.setattr(made, "report_of", lambda *_, **__: wrong)
    with pytest.raises(PublishError, match="the figures of X_test contradict each other"):
        measured(None, Signature(features=()), X, y, feature_names=None, progress=print)


def test_what_does_not_fit_is_refused_before_anything_is_written() -> None:
    model = LogisticRegression(max_iter=1000).fit(X, y)
    storage = Storage(MemoryStore(), "memory")
    with pytest.raises(PublishError, match="y_test is given without X_test"):
        published(model, X, None, storage, X_test=None, y_test=y)
    assert list(storage.folders("models/")) == []
    signature = describe(model, X[:5]).signature
    for X_test, y_test, said in (
        (X, None, "X_test is given without y_test"),
        (X, y[:-1], "X_test has 150 rows, y_test has 149"),
        (X[:9], y[:9], "give at least 10"),
        (X, ["tulip"] * 150, "y_test has 'tulip' in row 0, which is no class of the model: its classes are 0, 1, 2"),
        (X[["sl", "sw", "pl"]], y, "X_test lacks pw"),
        (X.assign(pw="wide"), y, "column 'pw' of X_test has no number in row 0"),
        (X, np.c_[y, y], "the model has 1 output(s) a row"),
        (X, "yes", "y_test is a str"),
        (X.assign(pw=np.nan), y, "the LogisticRegression cannot be measured on X_test (ValueError: Input X contains"),
    ):
        with pytest.raises(PublishError, match=re.escape(said)):
            report_of(model, signature, X_test, y_test, progress=print)
    regressor = Ridge().fit(X, y)
    signature = describe(regressor, X[:5]).signature
    for y_test, said in (
        (["much"] * 150, "targets that are no numbers"),
        ([np.nan] * 150, "no finite number in row 0"),
    ):
        with pytest.raises(PublishError, match=said):
            report_of(regressor, signature, X, y_test, progress=print)


def test_a_model_that_takes_too_long_has_no_importance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "SECONDS", 0.0)
    report = reported(Ridge().fit(X, y), X, y)
    assert report.importance is None
    assert report.notes[0].startswith("no permutation importance: it would take")


def test_very_many_rows_and_features_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_of_test, "ROWS", 1_000)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1_200, 1))
    report = reported(LogisticRegression().fit(rows, rows[:, 0] > 0), rows, rows[:, 0] > 0)
    assert (report.rows, report.given) == (1_000, 1_200)
    assert "1,000 of 1,200 rows were looked at" in report.notes
    assert len(report.roc[0].x) <= 200
    wide = rng.normal(size=(40, 300))
    report = reported(Ridge().fit(wide, wide[:, 0]), wide, wide[:, 0])
    assert len(report.distributions) == 200
    assert len(msgspec.json.encode(report)) < LARGEST_REPORT / 10


def test_a_report_is_read_after_its_digest_is_checked_and_only_if_it_is_small() -> None:
    storage = Storage(MemoryStore(), "memory")
    release = published(LogisticRegression(max_iter=1000).fit(X, y), X, y, storage)
    registry = Registry(storage, actor="nobody")
    key = version_key("model", 1, REPORT_FILE)
    stored = storage.read(key)
    assert stored is not None
    for other in (stored.data.replace(b'"rows":150', b'"rows":151'), stored.data + b" " * (20 << 20)):
        storage.overwrite(key, other)
        with pytest.raises(IntegrityError, match=r"report\.json of model/1 has SHA-256"):
            registry.report(release)
    huge = Artifact(file=REPORT_FILE, sha256="0" * 64, size=LARGEST_REPORT + 1)
    too_large = Release(msgspec.structs.replace(release.manifest, report=huge), release.manifest_bytes)
    with pytest.raises(RecordError, match="no release publishes such a report"):
        registry.report(too_large)


def test_a_report_is_signed_copied_verified_and_deleted_with_its_version() -> None:
    storage, other = Storage(MemoryStore(), "memory"), Storage(MemoryStore(), "other")
    signer = Signer(Ed25519PrivateKey.generate())
    model = LogisticRegression(max_iter=1000).fit(X, y)
    Registry(storage, actor="ada", proof="none", signer=signer).publish(
        model, name="model", X_example=X[:5], X_test=X, y_test=y
    )
    registry = Registry(storage, actor="ada", trusted_keys=[signer.public_key])
    there = Registry(other, actor="ada", trusted_keys=[signer.public_key])
    registry.copy("model/1", there)
    assert there.report(there.resolve("model/1")) == registry.report(registry.resolve("model/1"))
    key = version_key("model", 1, REPORT_FILE)
    other.overwrite(key, b"{}")
    with pytest.raises(IntegrityError, match=r"report\.json"):
        there.check_model(there.resolve("model/1"))
    assert [finding.key for finding in findings(other)] == [key]
    registry.delete(VersionRef("model", 1), reason="a mistake")
    assert storage.read(key) is None


def test_the_command_line_takes_the_last_column_or_the_one_that_is_named(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(X, IRIS.target_names[y])
    joblib.dump(model, tmp_path / "model.joblib")
    X[:5].to_csv(tmp_path / "rows.csv", index=False)
    X.assign(kind=IRIS.target_names[y]).to_csv(tmp_path / "last.csv", index=False)
    X.assign(kind=IRIS.target_names[y])[["kind", *X]].to_csv(tmp_path / "first.csv", index=False)

    def publish(*more: str) -> Any:
        command = [
            "publish", str(tmp_path / "model.joblib"), "-n", "iris", "-x", str(tmp_path / "rows.csv"), *more
        ]  # fmt: skip
        return CliRunner().invoke(app, [*command, "--bucket", str(tmp_path / "models"), "--json"])

    digests = {
        json.loads(publish("--test", str(tmp_path / file), *named).stdout)["report"]["sha256"]
        for file, named in (("last.csv", ()), ("first.csv", ("--target", "kind")))
    }
    assert len(digests) == 1
    X[:5].assign(kind="tulip").to_csv(tmp_path / "few.csv", index=False)
    (tmp_path / "X_test").mkdir()
    X.assign(X_train=1, kind="tulip").to_csv(tmp_path / "X_test" / "odd.csv", index=False)
    X[["sl"]].to_csv(tmp_path / "narrow.csv", index=False)
    for arguments, said in (
        (("--test", str(tmp_path / "last.csv"), "--target", "colour"), "have no column colour: name one of sl, sw"),
        (("--test", str(tmp_path / "rows.csv")), "rows.csv have the features alone: add a column with what is true"),
        (("--test", str(tmp_path / "first.csv")), "was taken as the target, and the model has it as a feature: name "),
        (("--test", str(tmp_path / "few.csv")), "error: --test has 5 rows: give at least 10"),
        (("--test", "nosuch.csv"), "error: cannot read the test rows nosuch.csv"),
        (("--train", "nosuch.csv"), "error: cannot read the training rows nosuch.csv"),
        (("--target", "kind"), "--target is given without --test"),
        (("--test", "X_test.csv"), "error: cannot read the test rows X_test.csv"),
        (("--test", str(tmp_path / "X_test" / "odd.csv")), "X_test/odd.csv have X_train beside the features and the"),
        (("-x", str(tmp_path / "narrow.csv")), "error: --example lacks sw, pl, pw: give the columns"),
    ):
        refused = publish(*arguments)
        assert refused.exit_code == 1
        assert said in refused.stderr
        assert ("X_t" in said) == bool({"X_test", "y_test", "X_train"}.intersection(re.findall(r"\w+", refused.stderr)))


def test_texts_with_their_labels_are_objects_of_a_file(tmp_path: Path) -> None:
    texts = [f"a {word} day {n}" for n in range(10) for word in ("good", "bad")]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["g", "b"] * 10)
    joblib.dump(model, tmp_path / "model.joblib")
    (tmp_path / "rows.json").write_text(json.dumps(texts[:5]))
    (tmp_path / "test.json").write_text(
        json.dumps([{"text": text, "true": label} for text, label in zip(texts, ["g", "b"] * 10, strict=True)])
    )
    command = ["publish", "model.joblib", "-n", "texts", "-x", "rows.json", "--test", "test.json"]
    paths = [str(tmp_path / part) if "." in part else part for part in command]
    done = CliRunner().invoke(app, [*paths, "--bucket", str(tmp_path / "models")])
    assert (done.exit_code, done.stdout) == (0, "texts/1\n"), done.stderr


def test_training_rows_do_not_pass_as_test_rows() -> None:
    model = LogisticRegression(max_iter=1000).fit(X, y)
    storage = Storage(MemoryStore(), "memory")
    for X_train in (X, X.sample(frac=1, random_state=0), X.to_numpy(), X.to_dict("records")):
        with pytest.raises(PublishError, match=r"of 150 rows of X_test are rows of X_train: give rows that fit never"):
            published(model, X, y, storage, X_train=X_train)
    assert list(storage.folders("models/")) == []
    said: list[str] = []
    published(model, X[75:], y[75:], storage, X_train=X[:80], progress=said.append)
    assert "note: 5 of 75 test rows are training rows too: the scores have them among theirs" in said
    report = Registry(storage, actor="nobody").report(Registry(storage, actor="nobody").resolve("model/1"))
    assert report is not None
    assert report.what_rows == "75 test rows; 5 of them are among the 80 training rows that were given"
    assert reported(model, X, y).what_rows == "150 test rows; they were not looked for among training rows"


@pytest.mark.parametrize("form", [pd.DataFrame.to_numpy, lambda frame: frame.to_dict("records"), lambda frame: frame])
def test_rows_of_a_few_categories_are_alike_by_chance(form: Any) -> None:
    rng = np.random.default_rng(0)
    towns = [[None, "Ulm", "Bonn"][place] for place in rng.integers(3, size=300)]
    rows = pd.DataFrame({"town": towns, "at": pd.Timestamp("2026-01-01"), "rooms": 2})
    found = overlap(["town", "at", "rooms"], form(rows[:100]), form(rows[100:]))
    assert found is not None
    assert (found.trained, found.shared, found.is_most) == (200, 100, False)
    again = overlap(["town", "at", "rooms"], form(rows), form(rows))
    assert again is not None
    assert again.is_most
    apart = rows.assign(at=rows["at"] + pd.to_timedelta(range(300), unit="s"))
    assert overlap(["town", "at", "rooms"], form(apart[:100]), form(apart[100:])) == Overlap(200, 0, is_most=False)


@pytest.mark.parametrize(("kinds", "drawn"), [(64, 100), (64, 40), (1_000, 300), (3, 10), (10_000, 99)])
def test_rows_that_training_rows_were_counted_of_are_no_leak(kinds: int, drawn: int) -> None:
    """Training rows with a weight each: every test row is one of them, and was never seen by fit."""
    trained = np.arange(kinds)[:, None] / 7
    for seed in range(20):
        tested = trained[np.random.default_rng(seed).integers(kinds, size=drawn)]
        assert overlap(["a"], tested, trained) == Overlap(kinds, drawn, is_most=False)


def test_some_of_the_rows_that_a_model_was_fitted_on_are_no_test_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(1_000, 2))
    new = np.random.default_rng(1).normal(size=(100, 2))
    assert overlap(["a", "b"], np.concatenate([rows[::4], new]), rows) == Overlap(1_000, 250, is_most=True)
    assert overlap(["a", "b"], np.concatenate([rows[::20], new]), rows) == Overlap(1_000, 50, is_most=False)


def test_rows_are_found_in_another_form() -> None:
    times = pd.date_range("2026-01-01", periods=20, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"at": times, "price": [Decimal(n) / 2 for n in range(20)]})
    found = Overlap(20, 20, is_most=False)
    utc = frame.assign(at=times.tz_convert("UTC").tz_localize(None), price=frame["price"].astype(float))
    for other in (frame, utc, utc.to_dict("records"), np.array(frame.to_dict("records")), frame.to_numpy()):
        assert overlap(["at", "price"], other, frame.to_dict("records")) == found
        assert overlap(["at", "price"], frame, other) == found
    texts = [f"a {n}" for n in range(20)]
    for one in (pd.Series(texts), np.array(texts), texts):
        assert overlap(["text"], one, pd.Series(texts)) == overlap(["text"], texts, one) == found


def test_what_cannot_be_compared_is_not_claimed_to_be_apart() -> None:
    texts = [f"a {word} day {n}" for n in range(10) for word in ("good", "bad")]
    assert overlap(["a"], [[1.5]] * 20, [["1.5"]] * 20) is None
    assert overlap(["a"], pd.DataFrame({"a": pd.Timestamp("2026-01-01")}, index=range(9)), [["2026-01-01"]]) is None
    assert overlap(["a", "b"], [[1, 2]] * 20, [[1, 2, 3]] * 20) is None
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["g", "b"] * 10)
    signature = describe(model, texts[:5]).signature
    for trained, said in ((pd.Series(texts), "20 of them are among the 20"), ([[1, 2]], "they were not looked for")):
        report = report_of(model, signature, texts, ["g", "b"] * 10, X_train=trained, progress=print)
        assert said in report.what_rows


def test_one_long_text_does_not_widen_all_others() -> None:
    texts = ["a" * 20_000, *map(str, range(2_000))]
    tracemalloc.start()
    assert overlap(["text"], [{"text": text} for text in texts], texts[:9]) == Overlap(9, 9, is_most=False)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5_000_000


def test_a_million_rows_are_compared_without_their_pairs() -> None:
    """Floats that are the same in training and test rows, whatever a missing one is made of."""
    rows = np.random.default_rng(0).normal(size=(1_000_000, 2))
    rows[0] = [np.nan, 0.0]
    found = overlap(["a", "b"], np.array([[-np.nan, -0.0], rows[999_999], [7, 7]]), rows)
    assert found == Overlap(1_000_000, 2, is_most=False)


def test_targets_in_another_order_than_their_rows_are_not_paired_by_place() -> None:
    model = LogisticRegression(max_iter=1000).fit(X, y)
    signature = describe(model, X[:5]).signature
    mixed = y.sample(frac=1, random_state=0)
    with pytest.raises(PublishError, match=r"y_test has the index of X_test in another order: give `y_test\.loc"):
        report_of(model, signature, X, mixed, progress=print)
    expected = scores(report_of(model, signature, X, y, progress=print))
    for again in (mixed.loc[X.index], y.set_axis(range(1000, 1150)), y.to_numpy()):
        assert scores(report_of(model, signature, X, again, progress=print)) == expected


def test_a_metric_that_the_rows_contradict_is_told() -> None:
    model = LogisticRegression(max_iter=1000).fit(X, y)
    storage, said = Storage(MemoryStore(), "memory"), list[str]()
    given = {"accuracy": 0.38, "f1_macro": 0.97, "cost": 7.0}
    release = published(model, X, y, storage, metrics=given, progress=said.append)
    (note,) = [line for line in said if "the metric" in line]
    assert note == (
        "note: the metric accuracy is 0.38, as it was given, and 0.973333 on the test rows: gates and pages have 0.38"
    )
    assert release.manifest.metrics == given, "three classes have no roc_auc"


@pytest.mark.parametrize(
    ("apart", "of", "first", "last"),
    [
        ({"seconds": 1}, "minutes", "2026-03-01 08:00", "2026-03-01 08:05"),
        ({"minutes": 1}, "minutes", "2026-03-01 08:00", "2026-03-01 13:00"),
        ({"hours": 1}, "hours", "2026-03-01 12:00", "2026-03-13 18:00"),
        ({"days": 1}, "days", "2026-02-26", "2026-12-23"),
        ({"days": 20}, "years", "2026", "2043"),
        ({"days": 5}, "months", "2026-01", "2030-04"),
    ],
    ids=str,
)
def test_times_are_counted_in_what_tells_them_apart(apart: dict[str, int], of: str, first: str, last: str) -> None:
    times = [datetime(2026, 3, 1, 8, tzinfo=UTC) + n * timedelta(**apart) for n in range(300)]
    found = histogram_of_times(times)
    assert found is not None
    assert found.of == of
    assert sum(found.counts) == 300
    assert all(count == 0 or count >= 5 for count in found.counts)
    assert (len(found.counts) >= 10) == (apart != {"seconds": 1})
    assert [edge_of(found, edge) for edge in (found.edges[0], found.edges[-1])] == [first, last]


def test_a_report_of_a_time_beyond_all_dates_is_told_as_a_number() -> None:
    assert [time_at(1e300, of) for of in get_args(Of)] == [None] * 7
