import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import typer.main
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from typer.testing import CliRunner, Result

from model_registry import Storage, open_storage
from model_registry.cli import app
from model_runtime.manifest import MANIFEST_FILE, digest, encode, version_key
from tests.model_registry.made import made
from tests.structure import ROOT

X = np.arange(12.0).reshape(6, 2)
PROJECT = Path(__file__).parents[2]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def data(*arguments: str) -> Any:
    """What a command prints with --json."""
    result = run(*arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, made the current one, with a model and example inputs in three forms."""
    monkeypatch.chdir(tmp_path)
    joblib.dump(LogisticRegression().fit(X, [0, 0, 0, 1, 1, 1]), "model.joblib")
    joblib.dump(LogisticRegression(), "unfitted.joblib")
    joblib.dump({"no": "estimator"}, "dict.joblib")
    Path("garbage.joblib").write_bytes(b"garbage")
    Path("rows.json").write_text("[[0, 1.5], [10, 11]]")
    Path("objects.json").write_text('[{"a": 0.5, "b c": 1}, {"a": 10, "b c": 11}]')
    Path("rows.csv").write_text("a,b c\n0.5,1\n10,11\n")
    Path("gaps.csv").write_text("a,b c\n0.5,\n10,11\n")
    Path("long.csv").write_text("a,b c\n1,2,3\n")
    Path("scalar.json").write_text("1")
    Path("narrow.json").write_text("[[1], [2]]")
    return tmp_path


@pytest.fixture
def published(files: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registry, named by MODEL_REGISTRY, with version 1 of `iris` tagged `dev`."""
    assert files
    monkeypatch.setenv("MODEL_REGISTRY", f"s3://{bucket}")
    assert run("publish", "model.joblib", "--name", "iris", "--example", "objects.json").exit_code == 0
    assert run("tag", "iris/1", "dev", "--by", "me").exit_code == 0
    return bucket


@pytest.mark.parametrize("example", ["objects.json", "rows.csv"])
@pytest.mark.usefixtures("files")
def test_publish_prints_the_new_version(bucket: str, example: str) -> None:
    result = run("publish", "model.joblib", "-b", bucket, "-n", "iris", "-x", example, "--by", "me")
    assert (result.exit_code, result.stdout) == (0, "iris/1\n")
    assert result.stderr.splitlines()[-2:] == ["  a: number", "  b c: number"]
    features = data("show", "iris/1", "-b", bucket)["signature"]["features"]
    assert [feature["name"] for feature in features] == ["a", "b c"]


def test_a_model_of_columns_by_name_is_published_from_files_and_its_proof_shown(files: Path, bucket: str) -> None:
    frame = pd.DataFrame({"plan": ["free", "pro", "free", "team"] * 10, "seats": [1, 5, 2, 30] * 10})
    columns = ColumnTransformer([("t", OneHotEncoder(), ["plan"]), ("n", StandardScaler(), ["seats"])])
    joblib.dump(make_pipeline(columns, LogisticRegression()).fit(frame, [0, 1, 0, 1] * 10), files / "plans.joblib")
    frame[["seats", "plan"]][:3].to_csv(files / "plans.csv", index=False)
    frame[["seats", "plan"]][:3].to_json(files / "plans.json", orient="records")
    options = ["--type", "seats=integer", "--output", "predict", "--output", "decision_function", "--proof", "process"]
    model = ["publish", "plans.joblib", "-b", bucket, "-n", "plans", "--by", "me"]
    published = run(*model, "-x", "plans.csv", *options)
    assert (published.exit_code, published.stdout) == (0, "plans/1\n")
    assert "note: types and what may be missing were learnt from 3 rows: give more as X_train" in published.stderr
    assert published.stderr.splitlines()[-2:] == ["  plan: string", "  seats: integer"]
    shown = " ".join(run("show", "plans/1", "-b", bucket).stdout.replace("│", " ").split())
    assert "proof process: 3 rows by 14 requests, at most" in shown
    assert run(*model, "-x", "plans.json", "--proof", "none").exit_code == 0
    listed = [line.split() for line in run("list", "plans", "-b", bucket).stdout.splitlines()]
    assert [kind for words in listed for kind in ("process", "none") if kind in words] == ["process", "none"]
    assert run(*model, "-x", "plans.csv", "--proof", "half").stderr == (
        "error: the proof is 'half' (--proof or MODEL_REGISTRY_PROOF): take one of full, process, none\n"
    )


def test_publish_keeps_the_file_s_bytes_and_all_options(bucket: str, files: Path) -> None:
    options = ["--label", "team=risk", "--label", "data=a=b"]
    options += [
        "--classes",
        "no,yes",
        "--metric",
        "accuracy=0.9",
        "--metric",
        "f1=1",
        "-d",
        "A sentence.",
        "--by",
        "me",
    ]
    manifest = data("publish", "model.joblib", "-b", bucket, "-n", "iris", "-x", "rows.json", *options)
    assert manifest["artifact"]["sha256"] == digest((files / "model.joblib").read_bytes())
    assert manifest["signature"]["labels"] == ["no", "yes"]
    assert manifest["metrics"] == {"accuracy": 0.9, "f1": 1.0}
    assert manifest["labels"] == {"team": "risk", "data": "a=b"}
    assert (manifest["description"], manifest["created_by"]) == ("A sentence.", "me")
    assert data("show", "iris/1", "-b", bucket) == {**manifest, "deprecated": None}


def test_show_and_compare_tell_lineage_and_labels(bucket: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_REGISTRY", f"s3://{bucket}")
    for command in ("git init -q", "git add rows.json", "git -c user.name=a -c user.email=a@b commit -qm First"):
        subprocess.run(command.split(), cwd=files, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    for team in ("risk", "fraud"):
        options = ["-x", "rows.json", "--train", "rows.json", "--label", f"team={team}"]
        assert run("publish", "model.joblib", "-n", "iris", *options).exit_code == 0
        (files / "rows.json").write_text("[[0, 1.5], [9, 9]]")
    shown = [" ".join(line.replace("│", " ").split()) for line in run("show", "iris/1").stdout.splitlines()]
    digest = data("show", "iris/1")["lineage"]["training_data_sha256"]
    assert f"git commit {commit}, with changes that are not committed" in shown
    assert f"training data sha256 {digest}" in shown
    assert "label team risk" in shown
    compared = run("compare", "iris/1", "iris/2").stdout
    assert [word for word in ("label team", "training_data_sha256", "git_commit") if word in compared] == [
        "label team",
        "training_data_sha256",
    ]
    assert data("compare", "iris/1", "iris/2")["labels"] == {"team": ["risk", "fraud"]}


@pytest.mark.usefixtures("files")
def test_a_model_published_with_onnx_shows_how_it_compared(bucket: str) -> None:
    options = ["-b", bucket, "-x", "rows.json", "--train", "rows.json", "--by", "me", "--onnx"]
    assert run("publish", "model.joblib", "-n", "iris", *options).exit_code == 0
    shown = run("show", "iris/1", "-b", bucket).stdout
    replay = data("show", "iris/1", "-b", bucket)["formats"]["onnx"]["replay"]
    assert f"{replay['rows']:,} rows, labels equal, numbers within" in " ".join(shown.replace("│", " ").split())
    assert list(data("download", "iris/1", "-b", bucket, "--to", "all")) == ["model", "manifest", "onnx", "sbom"]


def test_show_says_in_which_formats_a_version_fits_into_a_function_where_not_in_all(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    for version, deployable in enumerate([(), ("onnx",)], start=1):
        manifest = encode(made(version, deployable=deployable))
        storage.create(version_key("iris", version, MANIFEST_FILE), manifest)
    shown = [run("show", f"iris/{version}", "-b", str(tmp_path)).stdout for version in (1, 2)]
    assert "deploys as" not in shown[0]
    assert "deploys as onnx" in " ".join(shown[1].replace("│", " ").split())


@pytest.mark.usefixtures("files")
def test_a_model_published_with_skops_shows_its_types_and_is_downloaded_with_it(bucket: str, files: Path) -> None:
    forest = RandomForestClassifier(3, random_state=0).fit(X, [0, 0, 0, 1, 1, 1])
    joblib.dump(forest, files / "forest.joblib")
    options = ["-b", bucket, "-x", "rows.json", "--by", "me", "--skops"]
    for name, file, types in (("iris", "model", "none"), ("wood", "forest", "sklearn.tree._tree.Tree")):
        assert run("publish", f"{file}.joblib", "-n", name, *options).exit_code == 0
        shown = run("show", f"{name}/1", "-b", bucket).stdout
        assert [line.split("│")[2].strip() for line in shown.splitlines() if "types to trust" in line] == [types]
        assert "model.skops" in shown
    found = data("download", "wood/1", "-b", bucket, "--to", "all")
    assert list(found) == ["model", "manifest", "skops", "sbom"]
    artifact = data("show", "wood/1", "-b", bucket)["formats"]["skops"]["artifact"]
    assert digest((files / "all" / "model.skops").read_bytes()) == artifact["sha256"]


@pytest.mark.usefixtures("published")
def test_without_by_the_caller_s_identity_is_recorded() -> None:
    assert data("show", "iris/1")["created_by"].startswith("arn:aws:")


HEADING = {"name": "iris", "tags": {"dev": 1}, "broken": {}}


@pytest.mark.usefixtures("published")
def test_list_shows_models_versions_and_tags() -> None:
    assert data("list") == [{**HEADING, "latest": 1}]
    page = data("list", "iris")
    (version,) = page.pop("versions")
    assert page == HEADING
    assert (version["version"], version["tags"], version["deprecated"]) == (1, ["dev"], False)
    assert data("list", "iris", "--before", "1")["versions"] == []
    assert {"iris", "1", "dev -> 1"} <= {cell.strip() for cell in run("list").stdout.replace("┃", "│").split("│")}


@pytest.mark.usefixtures("published")
def test_show_tells_what_a_version_is() -> None:
    shown = "".join(run("show", "iris@dev").stdout.split()).replace("│", "")  # a digest takes two lines
    for text in (
        "iris/1",
        "LogisticRegression",
        "a:number",
        "scikit-learn",
        data("show", "iris/1")["manifest_sha256"],
    ):
        assert text in shown


@pytest.mark.usefixtures("published")
def test_tag_promote_and_resolve_follow_each_other() -> None:
    assert run("tag", "iris/1", "test", "--by", "me").stdout == "iris@test -> iris/1\n"
    assert run("promote", "iris", "--from-tag", "test", "--to", "prod", "--by", "me").stdout == "iris@prod -> iris/1\n"
    assert run("resolve", "iris@prod").stdout == "iris/1\n"
    assert data("resolve", "iris@prod") == {
        "name": "iris",
        "version": 1,
        "manifest_sha256": data("show", "iris/1")["manifest_sha256"],
    }
    moved = data("tag", "iris/1", "other", "-m", "because", "--by", "me")
    assert [(move["reason"], move["by"]) for move in moved["history"]] == [("because", "me")]
    assert data("promote", "iris", "--from-tag", "dev", "--to", "other")["version"] == 1


def test_download_writes_all_files(published: str, files: Path) -> None:
    assert published
    assert run("download", "iris@dev", "--to", "one").stdout.split() == [
        "one/model.joblib",
        "one/manifest.json",
        "one/sbom.cdx.json",
    ]
    assert data("download", "iris/1", "--to", "two") == {
        "model": "two/model.joblib",
        "manifest": "two/manifest.json",
        "sbom": "two/sbom.cdx.json",
    }
    assert (files / "one/model.joblib").read_bytes() == (files / "model.joblib").read_bytes()
    assert digest((files / "two/manifest.json").read_bytes()) == data("show", "iris/1")["manifest_sha256"]


PUBLISH = ["publish", "--name", "iris"]
BAD: dict[str, tuple[list[str], str]] = {
    "unknown model": (["show", "wine/1"], "there is no model 'wine'"),
    "unknown model listed": (["list", "wine"], "there is no model 'wine'"),
    "unknown version": (["resolve", "iris/9"], "there is no version iris/9: iris has 1"),
    "unknown tag": (["download", "iris@prod"], "the tag iris@prod is not set (tags of iris: dev)"),
    "unknown version tagged": (["tag", "iris/9", "prod"], "there is no version iris/9"),
    "unknown tag promoted": (["promote", "iris", "--from-tag", "test", "--to", "prod"], "the tag iris@test is not set"),
    "bad address": (["show", "iris"], "'iris' is not a version reference"),
    "bad model name": (["publish", "-n", "Iris!", "model.joblib", "-x", "rows.json"], "model name 'Iris!' is not"),
    "bad tag": (["tag", "iris/1", "Prod/1"], "tag 'Prod/1' is not usable"),
    "bad bucket name": (["list", "-b", "s3://a_b"], "'s3://a_b' is not a bucket name"),
    "missing bucket": (["list", "-b", "there-is-none"], "there is no such bucket"),
    "missing bucket published to": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "-b", "there-is-none"],
        "there is no such bucket",
    ),
    "unknown profile": (["list", "--profile", "nobody-s"], "nobody-s"),
    "no estimator": ([*PUBLISH, "dict.joblib", "-x", "rows.json"], "a dict is not a scikit-learn estimator"),
    "unfitted": ([*PUBLISH, "unfitted.joblib", "-x", "rows.json"], "this LogisticRegression is not fitted"),
    "garbage": ([*PUBLISH, "garbage.joblib", "-x", "rows.json"], "garbage.joblib cannot be loaded by joblib"),
    "no file": ([*PUBLISH, "none.joblib", "-x", "rows.json"], "cannot read none.joblib: No such file"),
    "a folder": ([*PUBLISH, ".", "-x", "rows.json"], "cannot read .: Is a directory"),
    "bad metric": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "--metric", "high"],
        "metric 'high' is not NAME=VALUE",
    ),
    "infinite metric": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "--metric", "a=inf"],
        "metric 'a' is inf: give a",
    ),
    "bad label": ([*PUBLISH, "model.joblib", "-x", "rows.json", "--label", "a"], "--label is 'a': write NAME=VALUE"),
    "label with a line end": ([*PUBLISH, "model.joblib", "-x", "rows.json", "--label", "a=b\nc"], "the value 'b\\nc'"),
    "label twice": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "--label", "a=1", "--label", "a=2"],
        "--label 'a' is given twice",
    ),
    "package without version": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "--package", "pandas>=2"],
        "--package is 'pandas>=2': write NAME==VERSION",
    ),
    "package twice": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "--package", "a==1", "--package", "a==2"],
        "--package a is given twice",
    ),
    "package with a range": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "--package", "pandas==2.*"],
        "package pandas: '2.*' is not an exact version",
    ),
    "package that is an option": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "--package=--pre==2"],
        "'--pre' is not a package's name",
    ),
    "another scikit-learn": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "--package", "scikit_learn==0.1"],
        "scikit-learn 0.1 cannot load what scikit-learn ",
    ),
    "left out and not there": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "--without", "plotly"],
        "plotly cannot be left out, the model has ",
    ),
    "given and left out": (
        [*PUBLISH, "model.joblib", "-x", "rows.json", "--without", "SciPy", "--package", "scipy==1.0"],
        "scipy is both given and left out",
    ),
    "no examples": ([*PUBLISH, "model.joblib", "-x", "none.json"], "cannot read the examples none.json"),
    "examples no JSON": ([*PUBLISH, "model.joblib", "-x", "garbage.joblib"], "are not JSON"),
    "examples no list": ([*PUBLISH, "model.joblib", "-x", "scalar.json"], "hold a int: give a list"),
    "examples too wide": ([*PUBLISH, "model.joblib", "-x", "long.csv"], "more cells than the header"),
    "examples too narrow": ([*PUBLISH, "model.joblib", "-x", "narrow.json"], "does not predict the rows of --example"),
    "missing values refused by the model": (
        [*PUBLISH, "model.joblib", "-x", "gaps.csv"],
        "does not take missing values, and the rows have some in 'b c' (row 0): give rows without, or train it behind",
    ),
    "too few classes": ([*PUBLISH, "model.joblib", "-x", "rows.json", "--classes", "a"], "1 class names for the 2"),
}


def refused(storage: Storage, arguments: list[str], message: str) -> None:
    """One line of error, exit code 1, no data, and nothing changed."""
    before = {key: storage.read(key) for key in storage.keys("")}
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1
    assert {key: storage.read(key) for key in storage.keys("")} == before


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_changes_nothing(published: str, name: str) -> None:
    refused(Storage.open(published), *BAD[name])


EVERY = [
    (["publish", "-n", "iris", "model.joblib", "-x", "rows.json", "--by", "me"]),
    (["list"]),
    (["show", "iris/1"]),
    (["report", "iris/1"]),
    (["tag", "iris/1", "prod", "--by", "me"]),
    (["promote", "iris", "--from-tag", "dev", "--to", "prod", "--by", "me"]),
    (["resolve", "iris/1"]),
    (["download", "iris/1"]),
    (["export", "iris/1", "--mlflow", "exported"]),
    (["sbom", "iris/1"]),
    (["untag", "iris@dev", "--by", "me"]),
    (["rollback", "iris@dev", "--by", "me"]),
    (["history", "iris@dev"]),
    (["which", "iris@dev", "--at", "2026-01-01"]),
    (["deprecate", "iris/1", "--by", "me"]),
    (["revoke", "iris/1", "--reason", "why", "--by", "me"]),
    (["delete", "iris/1", "-m", "why", "--by", "me"]),
    (["gc"]),
    (["doctor"]),
    (["verify", "iris@dev", "--quick"]),
    (["rules", "iris@dev"]),
    (["compare", "iris/1", "iris@dev"]),
    (["ui"]),
    (["site", "--to", "site"]),
    (["copy", "iris/1", "--to", "s3://another-registry"]),
]
every_command = pytest.mark.parametrize("arguments", EVERY, ids=lambda arguments: arguments[0])


@every_command
def test_without_credentials_every_command_says_so(
    published: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage.open(published)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    refused(storage, arguments, "no AWS credentials")


@every_command
def test_without_rights_every_command_says_so(
    published: str, arguments: list[str], request: pytest.FixtureRequest
) -> None:
    storage = Storage.open(published)
    request.getfixturevalue("outsider")
    refused(storage, arguments, f"s3://{published}: not allowed to")


def test_the_documentation_names_the_commands_that_take_no_json() -> None:
    group: Any = typer.main.get_command(app)
    without = {
        name
        for name, command in group.commands.items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    (said,) = re.findall(r"Every command but[^.]*", (ROOT / "docs" / "registry.md").read_text())
    assert set(re.findall(r"`([a-z]+)`", said)) == without


def test_every_command_argument_and_option_has_help() -> None:
    group: Any = typer.main.get_command(app)
    without_bucket = {"keygen", "policies", "trust"}
    assert set(group.commands) == {arguments[0] for arguments in EVERY} | without_bucket
    assert group.help
    for command in group.commands.values():
        assert command.help, command.name
        assert command.params
        for parameter in command.params:
            assert parameter.help, f"{command.name} {parameter.name}"


def test_it_runs_as_a_module_with_data_on_stdout_and_talk_on_stderr(published: str) -> None:
    def module(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-W", "error", "-m", "model_registry", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)

    good, bad = module("resolve", "iris@dev", "-b", published), module("resolve", "iris@prod", "-b", published)
    assert (good.returncode, good.stdout, good.stderr) == (0, "iris/1\n", "")
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (1, "", 1)
