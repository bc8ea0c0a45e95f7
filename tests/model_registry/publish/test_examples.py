"""Rows of customers are not metadata: what leaves the registry is synthetic, the rest in a file that few may read."""

import json
import traceback
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from obstore.store import MemoryStore
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from typer.testing import CliRunner

from handler.app import App
from infra.curl import get_line, post_line
from infra.function import environment
from model_registry import Registry, Release, Storage, roles
from model_registry.cli import app
from model_registry.publish.personal import personal_columns
from model_registry.publish.synthetic import shape_of, synthetic_rows
from model_registry.roles.registry import OPEN_FILES
from model_registry.verification import verify_version
from model_runtime.errors import AccessDeniedError, PublishError, VerificationError
from model_runtime.golden import decode_golden
from model_runtime.manifest import GOLDEN_FILE, Feature, Manifest, Signature, digest, encode, version_key
from model_runtime.pin import Pin
from model_runtime.start import Deployment, ServedModel, load
from tests.handler.conftest import gateway
from tests.infra.examples import settings

IBAN = "DE89370400440532013000"
AGES = (23, 41, 67)
ROWS = pd.DataFrame(
    {
        "iban": [IBAN, "GB33BUKB20201555555555", "FR1420041010050500013M02606"],
        "age": AGES,
        "balance": [1234.56, 987.65, 45678.9],
        "city": ["Ulm", "Bonn", "Kiel"],
    }
)
VALUES = (*ROWS["iban"], "1234.56", "987.65", "45678.9")


def bank(column: Any = "drop") -> Any:
    """A model that is given an IBAN with each row, and learns nothing of it."""
    columns = make_column_transformer(
        (StandardScaler(), ["age", "balance"]), (OneHotEncoder(), ["city"]), (column, ["iban"])
    )
    return make_pipeline(columns, LogisticRegression()).fit(ROWS, [0, 1, 1])


@pytest.fixture
def memory() -> Registry:
    return Registry(Storage(MemoryStore(), "memory"), actor="the tests", proof="process")


def publish(registry: Registry, estimator: Any = None, **more: Any) -> Release:
    return registry.publish(estimator or bank(), **{"name": "bank", "X_example": ROWS, **more})


def served(registry: Registry, release: Release) -> ServedModel:
    manifest = release.manifest
    pin = Pin(manifest.name, manifest.version, release.manifest_sha256)
    return load(Deployment("memory", pin), registry._storage)


def golden(registry: Registry, release: Release) -> list[dict[str, Any]]:
    data = registry.golden_bytes(release)
    return [] if data is None else [row.input for row in decode_golden(release.manifest, data)]


def test_a_value_of_a_customer_is_nowhere_but_in_the_golden_file(
    memory: Registry, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    release = publish(memory)
    storage = memory._storage
    objects = {key: stored.data for key in storage.keys("") if (stored := storage.read(key))}
    golden_key = version_key("bank", 1, GOLDEN_FILE)
    assert all(value in objects.pop(golden_key).decode() for value in [VALUES[0]])
    function = App(lambda: served(memory, release))
    events = [gateway("GET", path) for path in ("/", "/model", "/openapi.json", "/health")]
    answers = [function(event, None) for event in events] + [function({"selfCheck": True}, None)]
    assert [answer["statusCode"] for answer in answers] == [200] * 5
    manifest = release.manifest
    outputs = [get_line("https://api", manifest), post_line("https://api", manifest)]
    outputs += [json.dumps(environment(settings(), release))]
    texts = [*objects.values(), *(json.dumps(answer).encode() for answer in answers), "".join(outputs).encode()]
    captured = capsys.readouterr()
    texts += [captured.out.encode(), captured.err.encode(), caplog.text.encode()]
    assert not [(value, text[:80]) for value in VALUES for text in texts if value.encode() in text]


def test_the_function_answers_the_recorded_rows_when_it_checks_itself(memory: Registry) -> None:
    release = publish(memory)
    model = served(memory, release)
    answer = App(lambda: model)({"selfCheck": True}, None)
    assert json.loads(answer["body"])["examples"] == len(release.manifest.examples) + 3
    rows = [row.input for row in model.golden()]
    assert [row["iban"] for row in rows] == list(ROWS["iban"])


def test_a_self_check_fails_where_a_recorded_row_has_another_answer_and_shows_no_value(
    memory: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    release = publish(memory)
    key = version_key("bank", 1, GOLDEN_FILE)
    stored = memory._storage.read(key)
    assert stored is not None
    document = json.loads(stored.data)
    document["rows"][1]["output"]["label"] = 7
    changed = json.dumps(document).encode()
    memory._storage.overwrite(key, changed)
    event = {"selfCheck": True, "raise": True}
    with pytest.raises(Exception, match="the recorded rows of bank/1 have SHA-256"):
        App(lambda: served(memory, release))(event, None)

    artifact = release.manifest.golden
    assert artifact is not None
    golden_file = msgspec.structs.replace(artifact, sha256=digest(changed))
    manifest = msgspec.structs.replace(release.manifest, golden=golden_file)
    other = Release(manifest, encode(manifest))
    memory._storage.overwrite(version_key("bank", 1, "manifest.json"), other.manifest_bytes)
    with pytest.raises(Exception, match=r"answers its golden example \d differently"):
        App(lambda: served(memory, other))(event, None)
    assert not [value for value in VALUES if value in capsys.readouterr().out]
    with pytest.raises(
        VerificationError, match=r"1 of \d golden examples differently than recorded: recorded row 2\. "
    ):
        verify_version(memory, "bank/1")


class Refusing:
    """A served model that refuses the recorded rows, and says their values."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def predict(self, rows: Any) -> Any:
        if any(row[0] in VALUES for row in rows):
            raise ValueError(f"cannot read {rows}")
        return self._model.predictor.predict(rows)


def test_what_a_model_raises_at_a_recorded_row_is_told_by_its_type(
    memory: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    model = served(memory, publish(memory))
    refusing = msgspec.structs.replace(model, predictor=Refusing(model))
    with pytest.raises(Exception, match=r"raises ValueError for its golden example \d, a recorded row") as raised:
        App(lambda: refusing)({"selfCheck": True, "raise": True}, None)
    told = "".join(traceback.format_exception(raised.value)) + capsys.readouterr().out
    assert not [value for value in VALUES if value in told]


def test_synthetic_examples_are_answered_by_the_model_and_proven(memory: Registry) -> None:
    release = publish(memory)
    manifest = release.manifest
    assert manifest.example_kind == "synthetic"
    assert (manifest.proof.rows, manifest.proof.requests) == (3, 2 * (3 + len(manifest.examples)) + 2)
    model = served(memory, release)
    for example in manifest.examples:
        assert model.predictor.predict([model.inputs.read_example(example)]) == [example.output]
        assert example.input["city"] in {"Ulm", "Bonn", "Kiel"}
        assert example.input["age"] not in AGES


@pytest.mark.parametrize(
    ("options", "shown", "kept"),
    [
        ({}, "synthetic", 3),
        ({"examples": "masked"}, "masked", 3),
        ({"examples": "given"}, "given", 0),
        ({"golden": "none"}, "synthetic", 0),
    ],
    ids=str,
)
def test_what_is_shown_and_kept_is_the_owners_word(
    memory: Registry, options: dict[str, Any], shown: str, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    release = publish(memory, **options)
    inputs = [example.input for example in release.manifest.examples]
    assert (release.manifest.example_kind, len(golden(memory, release))) == (shown, kept)
    assert ([row["iban"] for row in inputs] == list(ROWS["iban"])) == (shown == "given")
    assert ([row["age"] for row in inputs] == list(AGES)) == (shown != "synthetic")
    assert "columns look personal: 'iban' (its values look like IBANs)" in caplog.text
    assert IBAN not in caplog.text


def test_masked_golden_rows_have_nothing_that_looks_personal(memory: Registry) -> None:
    rows = golden(memory, publish(memory, golden="masked"))
    assert [row["age"] for row in rows] == list(AGES)
    assert not {row["iban"] for row in rows} & set(ROWS["iban"])


@pytest.mark.parametrize("wrong", [{"examples": "real"}, {"golden": "all"}], ids=str)
def test_an_unknown_kind_is_refused(memory: Registry, wrong: dict[str, str]) -> None:
    with pytest.raises(PublishError, match="take one of"):
        publish(memory, **wrong)


def _first_digits(frame: Any) -> Any:
    """Parse what looks like an IBAN: a text of another form is an error."""
    return np.array([[int(text[2:4])] for text in frame.iloc[:, 0]], dtype=float)


def _known(frame: Any) -> Any:
    """Take these texts and no other."""
    return np.array([[[*ROWS["iban"]].index(text)] for text in frame.iloc[:, 0]], dtype=float)


def test_a_text_that_the_model_parses_has_the_form_of_the_given_ones(memory: Registry) -> None:
    release = publish(memory, bank(FunctionTransformer(_first_digits)))
    assert {example.input["iban"] for example in release.manifest.examples} == {shape_of(IBAN)}


def test_where_the_model_takes_no_made_row_the_remedy_works(memory: Registry) -> None:
    estimator = bank(FunctionTransformer(_known))
    with pytest.raises(PublishError, match=r"answers none of the examples .* `--examples given`"):
        publish(memory, estimator)
    assert publish(memory, estimator, examples="given").manifest.example_kind == "given"


def test_a_callers_page_shows_recorded_rows_only_where_the_stack_says_so(
    memory: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(release: Release) -> int:
        answer = App(lambda: served(memory, release))(gateway("GET", "/model"), None)
        return len(json.loads(answer["body"])["examples"])

    synthetic, masked, given = (publish(memory, examples=kind) for kind in ("synthetic", "masked", "given"))
    assert [shown(release) > 0 for release in (synthetic, masked, given)] == [True, False, False]
    monkeypatch.setenv("RECORDED_EXAMPLES", "on")
    assert [shown(release) > 0 for release in (synthetic, masked, given)] == [True, True, True]


def test_rows_that_an_older_release_recorded_are_in_no_line_of_curl() -> None:
    release = publish(Registry(Storage(MemoryStore(), "memory"), actor="me", proof="none"), examples="given")
    assert IBAN in post_line("https://api", release.manifest)
    older = msgspec.structs.replace(release.manifest, example_kind=None)
    lines = get_line("https://api", older), post_line("https://api", older)
    assert not [line for line in lines for value in VALUES if value in line]
    assert "age=0" in lines[0]


def test_everything_of_a_version_is_open_to_a_reader_but_the_recorded_rows(memory: Registry) -> None:
    release = publish(memory, formats=["skops"])
    storage = memory._storage
    files = {key.rpartition("/")[2] for key in storage.keys(version_key("bank", 1, ""))}
    assert files - set(OPEN_FILES) == {GOLDEN_FILE}
    allowed = json.dumps(roles.reader("b"))
    assert GOLDEN_FILE not in allowed
    assert "models/*/*" not in allowed
    assert release.manifest.golden is not None


def test_a_download_leaves_the_recorded_rows_where_they_are(memory: Registry, tmp_path: Any) -> None:
    publish(memory)
    assert GOLDEN_FILE not in {path.name for path in memory.download("bank/1", tmp_path)}


def test_a_verification_by_whom_the_rows_are_not_for_says_so(memory: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(memory)

    def refuse(_self: Any, _release: Release, _artifact: Any) -> bytes:
        raise AccessDeniedError("memory: denied")

    monkeypatch.setattr("model_registry.versions.Versions.file_bytes", refuse)
    with pytest.raises(AccessDeniedError, match="has recorded rows, which verifiers alone read"):
        verify_version(memory, "bank/1")


def test_the_command_line_has_both_options(tmp_path: Any) -> None:
    joblib.dump(bank(), tmp_path / "model.joblib")
    ROWS.to_json(tmp_path / "rows.json", orient="records")
    place = f"file://{tmp_path}/registry"
    arguments = ["publish", str(tmp_path / "model.joblib"), "-n", "bank", "-x", str(tmp_path / "rows.json")]
    more = ["-b", place, "--by", "me", "--examples", "masked", "--golden", "none", "--json"]
    done = CliRunner().invoke(app, [*arguments, *more])
    assert done.exit_code == 0, done.output
    (manifest,) = (tmp_path / "registry" / "models").rglob("manifest.json")
    assert json.loads(manifest.read_bytes())["example_kind"] == "masked"
    assert not list((tmp_path / "registry").rglob(f"versions/*/{GOLDEN_FILE}"))
    assert IBAN not in manifest.read_text()


SIGNATURE = Signature(features=(Feature(name="f", type="number"),))


@pytest.mark.parametrize(
    ("values", "made"),
    [
        ([5.1, 6.3, 4.9, 7.0, 5.8], {6.0, 5.0, 6.5}),
        ([48_210.0], {40_000.0}),
        ([0.0], {0.0}),
        ([1e308, -1e308], None),
        ([3.0e-12, 4.1e-12, 5.2e-12], None),
    ],
    ids=str,
)
def test_numbers_are_rounded_and_finite(values: list[float], made: set[float] | None) -> None:
    found = {row[0] for row in synthetic_rows(SIGNATURE, [(value,) for value in values], {}, ())}
    assert all(np.isfinite(value) for value in found)
    assert made is None or found == made


@pytest.mark.parametrize("kind", ["number", "integer", "string", "boolean", "datetime"])
def test_a_column_without_any_value_has_an_example_too(kind: Any) -> None:
    assert synthetic_rows(Signature(features=(Feature(name="f", type=kind),)), [], {}, ())


def test_a_text_that_few_rows_have_is_not_an_example_and_one_of_many_is() -> None:
    signature = Signature(features=(Feature(name="f", type="string"),))
    rows = [("often",)] * 9 + [("once",)]
    assert synthetic_rows(signature, rows, {}, ()) == [("often",)]
    assert synthetic_rows(signature, rows, {}, ("f",)) == [("an example text",)]
    assert synthetic_rows(signature, rows[-1:], {"f": ["once"]}, ()) == [("once",)], "a word of the model's"
    many = [f"customer {number}" for number in range(101)]
    assert synthetic_rows(signature, rows[-1:], {"f": many}, ()) == [("an example text",)]


RARE = pd.DataFrame({"note": ["Meier, Hans"] * 4 + ["x"] * 296, "age": [*range(300)]})
RARE_MODEL = make_pipeline(
    make_column_transformer((OneHotEncoder(), ["note"]), (StandardScaler(), ["age"])), LogisticRegression()
).fit(RARE, [0, 1] * 150)


@pytest.mark.parametrize("given", [{"X_train": RARE}, {"X_test": RARE, "y_test": [0, 1] * 150}], ids=str)
@pytest.mark.parametrize("kind", ["object", "category"])
def test_a_learnt_category_of_a_few_rows_is_no_example(memory: Registry, given: dict[str, Any], kind: str) -> None:
    """Rows of X_example are training rows too: the four are not counted twice."""
    said: list[str] = []
    given = {name: rows.astype({"note": kind}) if hasattr(rows, "columns") else rows for name, rows in given.items()}
    example = RARE[:4].astype({"note": RARE.astype({"note": kind})["note"].dtype})
    release = publish(memory, RARE_MODEL, X_example=example, golden="none", progress=said.append, proof="none", **given)
    assert {example.input["note"] for example in release.manifest.examples} == {"x"}
    assert not [line for line in said if "examples show categories" in line]


def test_where_no_five_rows_of_a_category_are_known_a_note_says_what_is_shown(memory: Registry) -> None:
    said: list[str] = []
    release = publish(memory, RARE_MODEL, X_example=RARE[:3], golden="none", progress=said.append, proof="none")
    assert {example.input["note"] for example in release.manifest.examples} == {"Meier, Hans", "x"}
    (note,) = [line for line in said if "examples show categories that the model has learnt of 'note'" in line]
    assert "Meier" not in note


def test_categories_of_a_column_that_looks_personal_are_not_said_to_be_nowhere(
    memory: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    rows = RARE.rename(columns={"note": "last_name"}).astype({"last_name": "category"})
    columns = make_column_transformer((OneHotEncoder(), ["last_name"]), (StandardScaler(), ["age"]))
    model = make_pipeline(columns, LogisticRegression()).fit(rows, [0, 1] * 150)
    publish(memory, model, X_example=rows[:9], golden="none", proof="none")
    assert "The categories of 'last_name' are in the signature, and examples show some" in caplog.text


@pytest.mark.parametrize(
    ("text", "form"), [("2024-05-17T08:30", "2020-01-01T11:11"), ("17.05.2024", "01.01.2020"), ("Öl-7b", "Aa-1a")]
)
def test_a_form_keeps_nothing_of_the_text_but_its_punctuation(text: str, form: str) -> None:
    assert shape_of(text) == form


PERSONAL: dict[str, Any] = {
    "x1": "jo@example.org",
    "x2": f"paid to {IBAN}",
    "x3": "+49 170 1234567",
    "x4": 4111111111111111,
    "customer_name": "a",
    "birthDate": "a",
    "EMail": "a",
    "ssn": 1,
}
PLAIN: dict[str, Any] = {
    "cubic": 1.5, "city": "Ulm", "opened": "2024-05-17", "iban_count": 3, "amount": 1234567890123456.0,
    "headphones": True,
    "feature_name": "a", "DE": "DE89370400440532013001", "card": "4111111111111112", "version": "1.2.3",
}  # fmt: skip


def test_columns_look_personal_by_their_names_and_values() -> None:
    rows = {**PERSONAL, **PLAIN}
    signature = Signature(features=tuple(Feature(name=name, type="string") for name in rows))
    found = personal_columns(signature, [tuple(rows.values())])
    assert found.keys() == PERSONAL.keys() | {"iban_count"}


def test_a_text_model_shows_a_neutral_text() -> None:
    registry = Registry(Storage(MemoryStore(), "memory"), actor="me", proof="none")
    texts = ["my name is Jo", "what a good day"]
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [0, 1])
    manifest: Manifest = registry.publish(estimator, name="texts", X_example=texts).manifest
    assert [example.input for example in manifest.examples] == [{"text": "an example text"}]
