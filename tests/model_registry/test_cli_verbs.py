"""The commands that move tags, look back, and keep a registry tidy."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from typer.testing import CliRunner, Result

from local.ministack import LocalAws
from model_registry import Registry, Storage, open_storage
from model_registry.cli import app
from model_registry.doctor import findings
from model_runtime.manifest import MODEL_FILE, version_key
from tests.conftest import new_bucket
from tests.model_registry.made import made, put

X = np.arange(12.0).reshape(6, 2)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def said(*arguments: str) -> str:
    """What a command prints that must succeed."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout.strip()


def data(*arguments: str) -> Any:
    return json.loads(said(*arguments, "--json"))


def refused(*arguments: str) -> str:
    """The one line that a command prints that must be refused."""
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def three(registry: Registry, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry, named by MODEL_REGISTRY, with three versions of `iris`; `prod` went from 1 to 2 to 3."""
    monkeypatch.setenv("MODEL_REGISTRY", bucket)
    for seed in range(3):
        registry.publish(GaussianNB(var_smoothing=10.0**-seed).fit(X, [0, 1] * 3), name="iris", X_example=X)
        registry.tag(f"iris/{seed + 1}", "prod")
    return registry


def prod(registry: Registry) -> int | None:
    return registry.tag_of("iris@prod").version


def test_rollback_returns_to_what_was_there_before_several_times_in_a_row(three: Registry) -> None:
    assert said("rollback", "iris@prod", "--by", "me") == "iris@prod -> iris/2"
    assert said("rollback", "iris@prod", "--by", "me") == "iris@prod -> iris/1"
    assert "nothing to roll back to" in refused("rollback", "iris@prod", "--by", "me")
    assert prod(three) == 1
    assert [move["action"] for move in data("history", "iris@prod")["history"]] == ["tag"] * 3 + ["rollback"] * 2


def test_a_move_keeps_whose_credentials_they_were_beside_who_it_says(
    three: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody says otherwise it is the same; where STS does not answer, the name stands alone."""
    root = "arn:aws:iam::000000000000:root"
    said("tag", "iris/1", "prod", "--by", "ada")
    said("tag", "iris/2", "prod")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    said("tag", "iris/3", "prod", "--by", "ada")
    moves = data("history", "iris@prod")["history"][-3:]
    assert [(move["by"], move.get("caller", "")) for move in moves] == [("ada", root), (root, ""), ("ada", "")]
    assert f"ada ({root})" in " ".join(run("history", "iris@prod").stdout.split())
    assert list(findings(three._storage)) == []


def test_a_move_after_a_rollback_is_what_the_next_rollback_takes_back(three: Registry) -> None:
    said("rollback", "iris@prod", "--by", "me")
    three.tag("iris/1", "prod")
    assert said("rollback", "iris@prod", "--by", "me") == "iris@prod -> iris/2"


def test_untag_keeps_the_history_and_frees_the_version(three: Registry) -> None:
    assert said("untag", "iris@prod", "--by", "me", "-m", "retired") == "iris@prod -> nothing"
    assert "the tag iris@prod is not set" in refused("resolve", "iris@prod")
    assert [move["to_version"] for move in data("history", "iris@prod")["history"]] == [1, 2, 3, None]
    assert data("list") == [{"name": "iris", "tags": {}, "broken": {}, "latest": 3}]
    three.tag("iris/2", "prod")
    assert prod(three) == 2


def test_which_answers_for_any_instant(three: Registry) -> None:
    """The moment of a move counts as after it."""
    for move in three.tag_of("iris@prod").history:
        assert said("which", "iris@prod", "--at", move.at.isoformat()) == f"iris/{move.to_version}"
    assert "was not set at 2001-02-03" in refused("which", "iris@prod", "--at", "2001-02-03T12:00:00+00:00")
    assert data("which", "iris@prod", "--at", "2999-01-01")["version"] == 3
    assert "is not a valid timestamp" in refused("which", "iris@prod", "--at", "yesterday")
    assert "this needs a tag" in refused("which", "iris/1", "--at", "2999-01-01")


def test_history_is_a_table_of_who_when_and_why(three: Registry) -> None:
    three.tag("iris/1", "prod", reason="better")
    table = said("history", "iris@prod")
    assert "better" in table
    assert str(datetime.now(UTC).year) in table


def test_a_deprecated_version_says_so_and_can_be_taken_back(three: Registry) -> None:
    assert said("deprecate", "iris/1", "-m", "leaks", "--by", "me") == "iris/1 is deprecated"
    assert data("show", "iris/1")["deprecated"]["reason"] == "leaks"
    assert "leaks" in said("show", "iris/1")
    assert [one["deprecated"] for one in data("list", "iris")["versions"]] == [True, False, False]
    assert "was deprecated already by me" in refused("deprecate", "iris/1", "--by", "me")
    assert said("deprecate", "iris/1", "--undo") == "iris/1 is no longer deprecated"
    assert three.deprecation(three.resolve("iris/1")) is None


def test_a_revoked_version_says_so_and_can_be_taken_back(three: Registry) -> None:
    assert said("revoke", "iris/1", "-m", "poisoned", "--by", "me") == "iris/1 is revoked"
    assert "revoked" in said("show", "iris/1")
    assert "revoked" in said("list", "iris")
    assert "iris/1 is revoked and not deprecated: `revoke iris/1 --undo`" in refused("deprecate", "iris/1", "--undo")
    assert said("revoke", "iris/1", "--undo") == "iris/1 is no longer revoked"
    assert three.deprecation(three.resolve("iris/1")) is None


def test_a_tagged_version_is_not_deleted(three: Registry) -> None:
    assert "iris/3 is tagged prod, nothing was deleted" in refused("delete", "iris/3", "-m", "why", "--by", "me")
    assert three.resolve("iris@prod").manifest.version == 3


def test_a_deleted_versions_number_is_not_used_again(three: Registry, storage: Storage) -> None:
    three.untag("iris@prod")
    assert said("delete", "iris/3", "-m", "trained on the wrong data", "--by", "me") == "iris/3 is deleted"
    assert storage.read(version_key("iris", 3, MODEL_FILE)) is None
    assert "there is no version iris/3: iris has 1, 2" in refused("show", "iris/3")
    again = three.publish(GaussianNB().fit(X, [0, 1] * 3), name="iris", X_example=X)
    assert again.manifest.version == 4


def test_only_a_version_can_be_deleted(three: Registry) -> None:
    assert "this needs a version" in refused("delete", "iris@prod", "-m", "why", "--by", "me")
    assert prod(three) == 3


def test_gc_removes_what_was_cut_off_long_enough_ago(three: Registry, storage: Storage) -> None:
    storage.create(version_key("iris", 4, MODEL_FILE), b"cut off")
    assert run("gc").stderr == "nothing to remove\n"
    assert data("gc", "--older-than", "0", "--dry-run") == {"removed": False, "versions": ["iris/4"]}
    assert said("gc", "--older-than", "0") == "iris/4 is removed"
    assert storage.read(version_key("iris", 4, MODEL_FILE)) is None
    assert three.model("iris").versions == (1, 2, 3)


def test_a_copy_has_the_same_number_bytes_and_digests(three: Registry, aws: LocalAws) -> None:
    target = new_bucket(aws)
    there = Registry(Storage.open(target), actor="me")
    original = three.resolve("iris/2")
    assert run("copy", "iris/2", "--to", target).stdout == "iris/2\n"
    assert there.resolve("iris/2") == original
    assert there.read_model(original) == three.read_model(original)
    assert run("copy", "iris@prod", "--to", target).stdout == "iris/3\n"
    assert there.model("iris").versions == (2, 3)


def test_a_copy_that_is_there_already_is_left_alone(three: Registry, aws: LocalAws) -> None:
    target = new_bucket(aws)
    first, second = run("copy", "iris/2", "--to", target), run("copy", "iris/2", "--to", target)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert Registry(Storage.open(target), actor="me").resolve("iris/2") == three.resolve("iris/2")


def test_a_copy_never_overwrites_another_model(three: Registry, aws: LocalAws) -> None:
    target = new_bucket(aws)
    there = Registry(Storage.open(target), actor="me")
    other = there.publish(GaussianNB().fit(X, [0, 1] * 3), name="iris", X_example=X)
    assert "iris/1 is another model in" in refused("copy", "iris/1", "--to", target)
    assert there.resolve("iris/1") == other
    assert three.resolve("iris/1") != other


def test_compare_shows_what_differs_and_what_breaks_callers(three: Registry) -> None:
    wider = np.c_[X, X]
    three.publish(GaussianNB().fit(wider, [0, 1] * 3), name="iris", X_example=wider, metrics={"accuracy": 0.5})
    found = data("compare", "iris/1", "iris/4")
    assert found["is_breaking"] is True
    assert found["metrics"] == {"accuracy": [None, 0.5]}
    assert found["parameters"] == {"var_smoothing": [1.0, 1e-9]}
    table = said("compare", "iris/1", "iris/4")
    assert "breaks callers" in " ".join(table.split())
    assert run("compare", "iris/1", "iris/1").stderr == "nothing differs\n"
    assert data("compare", "iris/1", "iris/2")["is_breaking"] is False


def test_compare_says_so_where_it_has_nothing_to_show(tmp_path: Path) -> None:
    """A parameter of None is as good as none, and 1 is not "1"."""
    storage = open_storage(str(tmp_path))
    put(storage, *(made(version, parameters={"C": value}) for version, value in ((1, None), (2, 1), (3, "1"))), made(4))

    def compared(*versions: int) -> Result:
        return run("compare", "--bucket", str(tmp_path), *(f"iris/{version}" for version in versions))

    nothing = compared(1, 4)
    assert (nothing.stdout, nothing.stderr) == ("", "nothing differs\n")
    typed = compared(2, 3)
    assert [word in typed.stdout for word in ("parameter C", " 1 ", "'1'")] == [True] * 3
    assert typed.stderr == ""


def test_doctor_finds_nothing_in_a_sound_registry_and_says_what_is_wrong_in_another(
    three: Registry, aws: LocalAws, bucket: str
) -> None:
    assert run("doctor").exit_code == 0
    key = version_key("iris", 2, MODEL_FILE)
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"other bytes")
    result = run("doctor", "--json")
    assert result.exit_code == 3
    assert [finding["key"] for finding in json.loads(result.stdout)] == [key]
    assert run("doctor", "--quick").exit_code == 0, "it does not read the models"
    assert three.model("iris").versions == (1, 2, 3)


@pytest.fixture
def measured(registry: Registry, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry with two versions of `iris`, of accuracy 0.96 (prod) and 0.9 (dev)."""
    monkeypatch.setenv("MODEL_REGISTRY", bucket)
    for accuracy, tag in [(0.96, "prod"), (0.9, "dev")]:
        model = GaussianNB().fit(X, [0, 1] * 3)
        release = registry.publish(model, name="iris", X_example=X, metrics={"accuracy": accuracy})
        registry.tag(release.manifest.reference, tag)
    return registry


PROMOTE = ("promote", "iris", "--from-tag", "dev", "--to", "prod", "--by", "me")


def test_promote_refuses_with_the_numbers_of_every_gate_and_changes_nothing(measured: Registry) -> None:
    message = refused(*PROMOTE, "--require", "accuracy>=0.95", "--not-worse-than", "prod")
    assert "accuracy of iris/2 is 0.9, >= 0.95 is required" in message
    assert "worse than 0.96 of iris/1 (prod)" in message
    assert prod(measured) == 1


def test_promote_keeps_the_checks_that_were_passed_in_the_history(measured: Registry) -> None:
    assert run(*PROMOTE, "--require", "accuracy>=0.9").stdout == "iris@prod -> iris/2\n"
    assert "accuracy 0.9 >= 0.9" in measured.tag_of("iris@prod").history[-1].checks
    assert run("promote", "iris", "--version", "1", "--to", "prod", "--by", "me").stdout == "iris@prod -> iris/1\n"


def test_promotion_rules_hold_for_people_and_ci_alike(measured: Registry) -> None:
    assert run("rules", "iris@prod").stderr == "iris@prod has no promotion rules\n"
    assert "accuracy>=0.95" in said("rules", "iris@prod", "--require", "accuracy>=0.95", "-m", "agreed", "--by", "me")
    assert data("rules", "iris@prod")["reason"] == "agreed"
    assert "0.95 is required" in refused(*PROMOTE)
    assert "0.95 is required" in refused("tag", "iris/2", "prod", "--by", "me")
    said("rules", "iris@prod", "--clear", "--by", "me")
    assert run(*PROMOTE).exit_code == 0
    assert prod(measured) == 2


def test_verify_quick_says_which_bytes_are_not_those_that_were_recorded(
    measured: Registry, aws: LocalAws, bucket: str
) -> None:
    assert run("verify", "iris@prod", "--quick").stdout == "iris/1 has the digests that were recorded\n"
    aws.client("s3").put_object(Bucket=bucket, Key=version_key("iris", 1, MODEL_FILE), Body=b"other bytes")
    result = run("verify", "iris@prod", "--quick")
    assert result.exit_code == 3
    assert "model.joblib of iris/1 has SHA-256" in result.stdout
    assert prod(measured) == 1


def test_a_signed_version_is_told_from_an_unsigned_one(
    measured: Registry, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, model = tmp_path / "key.pem", tmp_path / "model.joblib"
    public_key = said("keygen", str(key))
    joblib.dump(GaussianNB().fit(X, [0, 1] * 3), model)
    (tmp_path / "rows.json").write_text("[[0, 1]]")
    inputs = ("--example", str(tmp_path / "rows.json"), "--signing-key", str(key), "--by", "me")
    assert run("publish", str(model), "--name", "iris", *inputs).stdout == "iris/3\n"
    monkeypatch.setenv("MODEL_REGISTRY_TRUSTED_KEYS", public_key)
    assert said("resolve", "iris/3") == "iris/3"
    assert "iris/1" in refused("resolve", "iris/1")
    assert "exists already" in refused("keygen", str(key))
    assert Registry(Storage.open(bucket), actor="me").resolve("iris/1") == measured.resolve("iris/1")


MOVES: dict[str, Callable[[Registry], object]] = {
    "tag": lambda registry: registry.tag("iris/1", "prod"),
    "promote": lambda registry: registry.promote("iris", from_tag="prod", to_tag="dev"),
    "rollback": lambda registry: registry.rollback("iris@prod"),
    "untag": lambda registry: registry.untag("iris@prod"),
}


@pytest.mark.parametrize("verb", MOVES)
def test_every_move_says_what_it_was_and_who_made_it(three: Registry, verb: str) -> None:
    MOVES[verb](three)
    tag = three.tag_of("iris@dev" if verb == "promote" else "iris@prod")
    assert tag.history[-1].action == verb
    assert tag.history[-1].by == "the tests"
