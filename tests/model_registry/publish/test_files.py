"""Example rows from files are typed by the model's columns where these are known, else by what all cells hold."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from model_registry.environments import RUNNING, environment_for
from model_registry.publish.estimator import describe
from model_registry.publish.files import read_rows, read_test
from model_runtime.errors import PublishError

FRAME = pd.DataFrame({"zip": ["007", "123", "007", "999"] * 5, "code": [1, 2, 1, 3] * 5, "seats": [1.0, 5, 2, 30] * 5})
COLUMNS = ColumnTransformer(
    [("t", OneHotEncoder(), ["zip", "code"]), ("n", StandardScaler(), ["seats"])], verbose_feature_names_out=False
)
MODEL = make_pipeline(COLUMNS, LogisticRegression()).fit(FRAME, [0, 1, 0, 1] * 5)
NAMELESS = LogisticRegression().fit(np.arange(8.0).reshape(4, 2), [0, 0, 1, 1])


def written(tmp_path: Path, text: str, name: str = "rows.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_column_of_a_csv_has_the_type_that_the_model_was_fitted_on(tmp_path: Path) -> None:
    """The texts of this file are whole numbers, each of them."""
    rows = read_rows(written(tmp_path, "seats,code,zip\n5,2,123\n30,3,999\n"), MODEL)
    assert rows == [{"seats": 5, "code": 2, "zip": "123"}, {"seats": 30, "code": 3, "zip": "999"}]
    features = {feature.name: feature.type for feature in describe(MODEL, rows).signature.features}
    assert features == {"zip": "string", "code": "integer", "seats": "number"}


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "2"], [1, 2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["007", "012"], ["007", "012"]),
        (["1", "x"], ["1", "x"]),
        (["true", "False"], [True, False]),
        (["", "-3"], [None, -3]),
        (["", "a"], [None, "a"]),
        (["0", "-0.5"], [0.0, -0.5]),
        (["-01", "2"], ["-01", "2"]),
        (["é", "日本"], ["é", "日本"]),
    ],
)
def test_a_column_that_nothing_is_known_of_has_one_type_for_all_its_cells(
    tmp_path: Path, cells: list[str], values: list[Any]
) -> None:
    rows = read_rows(written(tmp_path, "c,d\n" + "".join(f"{cell},1\n" for cell in cells)), NAMELESS)
    assert [row["c"] for row in rows] == values
    assert [type(row["c"]) for row in rows] == [type(value) for value in values]


def test_a_spreadsheet_s_byte_order_mark_is_not_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("\ufeffa,b\n1,2\n".encode())
    assert read_rows(path, NAMELESS) == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "rows.csv",
            "zip,code,seats\n123,x,1\n",
            r"column 'code' of .*rows\.csv has .*'x'.*fitted on values of the type int",
        ),
        ("rows.csv", "zip\n", r"rows\.csv have no rows: give a header and at least one row"),
        ("rows.csv", "zip,code,seats\n1,2,3,4\n", "more cells than the header"),
        ("rows.csv", 'zip,code,seats\n"1,2,3\n', "are not CSV in UTF-8"),
        ("rows.json", "[" * 100_000, "are not JSON"),
        ("rows.json", '{"a": 1}', "hold a dict: give a list"),
        ("rows.parquet", "PAR1", "needs pandas and pyarrow|are not Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(PublishError, match=message):
        read_rows(written(tmp_path, text, name), MODEL)


def test_names_of_a_file_are_matched_and_the_order_of_a_nameless_model_is_told(tmp_path: Path) -> None:
    described = describe(NAMELESS, read_rows(written(tmp_path, "b,a\n1.5,2\n3,4\n"), NAMELESS))
    assert [feature.name for feature in described.signature.features] == ["b", "a"]
    assert "the model was fitted without names: its features are taken in the order b, a" in described.notes
    with pytest.raises(PublishError, match="lacks code, seats: give the columns zip, code, seats"):
        describe(MODEL, read_rows(written(tmp_path, "zip\n007\n"), MODEL))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "n,at\n1,2026-01-01T10:00:00\n2,2026-01-02T11:00:00\n3,\n"),
        (
            "rows.json",
            '[{"n": 1, "at": "2026-01-01T10:00:00"}, {"n": 2, "at": "2026-01-02T11:00:00"}, {"n": 3, "at": null}]',
        ),
    ],
)
def test_texts_of_a_column_that_is_declared_to_hold_times_are_read_as_such(
    tmp_path: Path, name: str, text: str
) -> None:
    frame = pd.DataFrame({"at": pd.date_range("2026-01-01", periods=8, freq="7h"), "n": range(8)})
    hours = FunctionTransformer(lambda X: X["at"].dt.hour.to_numpy()[:, None])
    times = make_pipeline(hours, SimpleImputer())
    model = make_pipeline(ColumnTransformer([("t", times, ["at"]), ("n", "passthrough", ["n"])]), LogisticRegression())
    model.fit(frame, [0, 1] * 4)
    rows = read_rows(written(tmp_path, text, name), model, {"at": "datetime"})
    at, _ = describe(model, rows, types={"at": "datetime"}).signature.features
    assert (at.type, at.dtype, at.nullable) == ("datetime", str(frame["at"].dtype), True)
    with pytest.raises(PublishError, match=r"'at' of .* has 'noon', which is not a time: write it like 2026-01-31T12"):
        read_rows(written(tmp_path, "n,at\n1,noon\n"), model, {"at": "datetime"})


PARQUET = """\
import sys
from pathlib import Path
from tests.model_registry.publish.test_files import FRAME, MODEL, describe, read_rows
path = Path(sys.argv[1])
FRAME[["seats", "zip", "code"]].to_parquet(path)
rows = read_rows(path, MODEL)
print({feature.name: feature.type for feature in describe(MODEL, rows).signature.features}, rows["zip"][0])
"""


@pytest.mark.soak
def test_a_parquet_file_keeps_the_types_of_its_columns(tmp_path: Path) -> None:
    """Pandas reads it by pyarrow, which is large and nothing else here needs."""
    (folder,) = environment_for({"pyarrow": "26.0.1"}, RUNNING).parents[1].glob("lib/python*/site-packages")
    path = os.pathsep.join([str(folder), str(Path(__file__).parents[3])])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PARQUET, tmp_path / "rows.parquet"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("{'zip': 'string', 'code': 'integer', 'seats': 'number'} 007\n", "")


TEXTS = ["good", "bad"]


@pytest.mark.parametrize(
    ("text", "targets", "example", "expected"),
    [
        ("a,b,t\n1,2,x\n3,4,y\n", (), [{"a": 1, "b": 2}], ([{"a": 1, "b": 2}, {"a": 3, "b": 4}], ["x", "y"])),
        ("t,a,u\n5,1,7\n6,2,8\n", ("u", "t"), [{"a": 1}], ([{"a": 1}, {"a": 2}], [[7, 5], [8, 6]])),
        ("a,b\n1,2\n3,4\n", (), [{"b": 1, "a": 2}], ([{"a": 1, "b": 2}, {"a": 3, "b": 4}], None)),
        ("[[1, 2, 0], [3, 4, 1]]", (), [[1, 2]], ([[1, 2], [3, 4]], [0, 1])),
        ('[["good", 1], ["bad", 0]]', (), TEXTS, (TEXTS, [1, 0])),
        ('[{"t": 1, "say": "good"}, {"t": 0, "say": "bad"}]', ("t",), TEXTS, (TEXTS, [1, 0])),
        ('["good", "bad"]', (), TEXTS, (TEXTS, None)),
    ],
)
def test_test_rows_have_their_targets_in_the_last_column_or_a_named_one(
    tmp_path: Path, text: str, targets: tuple[str, ...], example: Any, expected: Any
) -> None:
    path = written(tmp_path, text, "test.json" if text.startswith("[") else "test.csv")
    assert read_test(path, NAMELESS, {}, targets, example) == expected


@pytest.mark.parametrize(
    ("text", "targets", "message"),
    [
        ('[{"a": 1}, {"b": 2}]', (), "are not objects of the same names"),
        ("[[1, 2, 0], [3]]", (), "are not objects of the same names"),
        ('[{"a": 1, "t": 2}]', ("u",), "have no column u: name one of a, t by --target"),
        ('[{"t": 1}]', (), "have no column beside t: give the features, too"),
        ('[{"t": 1, "a": 2, "b": 3}]', (), r"`b`, the last column of .* a feature: name the target: --target t$"),
        ('[{"t": 1, "a": 2, "b": 3}]', ("a",), r"`a`, a column of .* a feature: name the target: --target t$"),
        ('[{"a": 2}, {"a": 3}]', ("a",), "have no column beside a"),
        ('[{"a": 2, "b": 3}]', ("b",), r"`b`, a column of .* a feature: add a column with what is true of each row"),
        ('[{"a": 2, "t": 3}]', (), r"lack b: give each feature beside the target, t"),
        ('[{"id": 1, "a": 2, "b": 3, "t": 4}]', (), "have id beside the features and the target, t: leave out what"),
        ('[{"id": 1, "a": 2, "b": 3, "t": 4}]', ("t",), "the target, t: leave out what is neither$"),
    ],
)
def test_test_rows_without_targets_are_refused_in_one_line(
    tmp_path: Path, text: str, targets: tuple[str, ...], message: str
) -> None:
    with pytest.raises(PublishError, match=message):
        read_test(written(tmp_path, text, "test.json"), NAMELESS, {}, targets, [{"a": 1, "b": 2}])
