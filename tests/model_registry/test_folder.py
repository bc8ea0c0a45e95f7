"""A registry in a folder does what one in a bucket does, among processes too."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from typer.testing import CliRunner, Result

from model_registry import Registry, Storage, open_storage
from model_registry.cli import app
from model_registry.doctor import findings
from model_registry.folder import FolderStorage, folder_of
from model_registry.records import Gates
from model_registry.reference import VersionRef
from model_registry.site import page_at
from model_runtime.errors import ConflictError, InvalidNameError, NotFoundError, StorageError
from model_runtime.manifest import MODEL_FILE, version_key
from tests.model_registry.processes import CONTEXT, add, finish, start
from tests.model_registry.test_cli import EVERY

PROCESSES = 6
MAKE = "`publish` and `copy --to` make"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models of mine"


@pytest.fixture
def storage(folder: Path) -> Storage:
    return open_storage(f"file://{folder}")


def test_the_command_line_works_on_a_folder_at_once(folder: Path, tmp_path: Path) -> None:
    X = np.arange(12.0).reshape(6, 2)
    joblib.dump(GaussianNB().fit(X, [0, 0, 0, 1, 1, 1]), tmp_path / "m.joblib")
    (tmp_path / "x.json").write_text(json.dumps(X.tolist()))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(
            app,
            list(arguments),
            env={"MODEL_REGISTRY": str(folder), "MODEL_REGISTRY_PROOF": "process", "LOGNAME": "ada"},
        )
        assert done.exit_code == 0, (done.stderr, done.exception)
        return done.stdout

    publish = ["publish", str(tmp_path / "m.joblib"), "--name", "iris", "--example", str(tmp_path / "x.json")]
    assert run(*publish) == "iris/1\n"
    assert run(*publish) == "iris/2\n"
    assert run("tag", "iris/1", "prod") == "iris@prod -> iris/1\n"
    assert run("promote", "iris", "--version", "2", "--to", "prod") == "iris@prod -> iris/2\n"
    assert run("rollback", "iris@prod") == "iris@prod -> iris/1\n"
    assert run("resolve", "iris@prod") == "iris/1\n"
    assert "ada@" in run("history", "iris@prod")
    assert run("delete", "iris/2", "-m", "test") == "iris/2 is deleted\n"
    run("doctor")
    run("verify", "iris@prod", "--quick")
    assert run("copy", "iris/1", "--to", str(tmp_path / "other")) == "iris/1\n"
    assert open_storage(str(tmp_path / "other")).read(version_key("iris", 1, MODEL_FILE)) is not None


def test_writes_are_conditional(storage: Storage) -> None:
    storage.create("a/b", b"1")
    with pytest.raises(ConflictError, match="exists already"):
        storage.create("a/b", b"2")
    stored = storage.read("a/b")
    assert stored is not None
    storage.replace("a/b", b"2", stored.etag)
    with pytest.raises(ConflictError, match="changed by another writer"):
        storage.replace("a/b", b"3", stored.etag)
    with pytest.raises(ConflictError):
        storage.replace("a/none", b"3", None)
    storage.delete("a/b")
    storage.delete("a/b")
    assert storage.read("a/b") is None
    assert list(storage.keys("")) == []
    storage.create("a/b", b"again")


def test_what_was_cut_off_is_collected_and_nothing_is_wrong_then(storage: Storage) -> None:
    registry = Registry(storage, actor="x")
    add(storage, "iris", b"1")
    storage.create(version_key("iris", 7, MODEL_FILE), b"cut off")
    assert [str(ref) for ref in registry.gc(older_than=timedelta(0))] == ["iris/7"]
    assert list(findings(storage)) == []
    assert add(storage, "iris", b"2").manifest.version == 2
    with pytest.raises(NotFoundError):
        registry.resolve("iris/7")


def share(folder: str, number: int, answers: Any) -> None:
    storage = FolderStorage(Path(folder))
    registry = Registry(storage, actor=str(number))
    made: list[int] = []
    moves = 0
    for turn in range(10):
        made.append(add(storage, "iris", f"{number}, {turn}".encode()).manifest.version)
        try:
            registry.tag(f"iris/{made[-1]}", "prod")
            moves += 1
        except ConflictError:
            pass
    answers.put((made, moves))


def test_processes_share_a_folder_without_loss(storage: Storage, folder: Path) -> None:
    answers = CONTEXT.Queue()
    processes = [start(share, {}, str(folder), number, answers) for number in range(PROCESSES)]
    found = [answers.get(timeout=120) for _ in processes]
    assert finish(processes) == [0] * PROCESSES
    numbers = Counter(version for made, _ in found for version in made)
    assert sorted(numbers) == list(range(1, 10 * PROCESSES + 1))
    registry = Registry(storage, actor="x")
    assert len(registry.history("iris@prod")) == sum(moves for _, moves in found)
    assert registry.model("iris").versions == tuple(sorted(numbers))
    assert list(findings(storage)) == []
    assert registry.resolve(VersionRef("iris", 3)).manifest.version == 3


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("s3://models", None),
        ("models", None),
        ("./models", Path("models")),
        (".", Path()),
        ("file:///a/b", Path("/a/b")),
        ("/a", Path("/a")),
        ("a/b", Path("a/b")),
    ],
)
def test_a_folder_is_told_from_a_bucket(text: str, folder: Path | None) -> None:
    assert folder_of(text) == folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("place", ["./models", "file:///{}/models", "{}/models"])
def test_only_a_bucket_has_an_owner(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = place.format(tmp_path)
    for arguments in (["list"], ["publish", "model.joblib", "-n", "iris"], ["copy", "iris/1", "--to", "./other"]):
        refused = run(*arguments, "-b", f"{place}?owner=123456789012")
        assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == f"error: {place} is a folder, and `?owner=` is for buckets: write {place}\n"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_refused_by_all_that_does_not_publish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typo would look like a registry without models."""
    monkeypatch.chdir(tmp_path)
    for arguments in EVERY[1:]:
        refused = run(*arguments, "-b", "./modles")
        assert (refused.exit_code, refused.stdout) == (1, ""), arguments
        assert refused.stderr == f"error: there is no folder ./modles: check the path; {MAKE} one\n", arguments
    assert not Path("modles").exists()


def test_a_folder_that_cannot_be_looked_for_is_one_line(tmp_path: Path) -> None:
    """Such as one in a folder that only root may read, where Python up to 3.13 raises PermissionError."""
    folder = tmp_path / ("x" * 300)
    for arguments in (["list"], ["doctor"], ["copy", "iris/1", "--to", "./other"]):
        refused = run(*arguments, "-b", str(folder))
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"error: cannot look for the folder {folder} (File name too long): give")
        assert refused.stderr.count("\n") == 1


def test_a_registry_without_models_is_said_to_have_none(tmp_path: Path) -> None:
    found = run("list", "-b", str(tmp_path))
    assert (found.exit_code, found.stdout, found.stderr) == (0, "", f"no models in {tmp_path}\n")
    assert run("list", "--json", "-b", str(tmp_path)).stdout == "[]\n"


def test_a_rollback_says_that_it_asked_no_gates(storage: Storage, folder: Path) -> None:
    registry = Registry(storage, actor="ada")
    for version in (1, 2, 3):
        add(storage, "iris", b"model")
        registry.tag(f"iris/{version}", "prod")
    registry.set_rules("iris@prod", Gates(require=("accuracy>=2",)), reason="agreed")
    registry.delete(VersionRef("iris", 2), reason="bad")
    registry.rollback("iris@prod")
    said = run("history", "iris@prod", "-b", str(folder)).stdout
    assert "gates were not asked; iris/2 was skipped: it was deleted" in said
    page = page_at(registry, "iris/index.html")
    assert page is not None
    assert "Gates were not asked, iris/2 was skipped: it was deleted" in page
    assert "Gates passed" not in page
    for command, words in (("rules", "`rollback` and `untag` do not ask them"), ("rollback", "rules are not asked")):
        assert words in " ".join(run(command, "--help").stdout.replace("│", " ").split())


def test_who_opens_a_folder_as_a_bucket_is_told_how_folders_are_opened() -> None:
    for place in ("/tmp/reg", "./reg", "file:///reg"):  # noqa: S108  # a name only
        with pytest.raises(
            InvalidNameError, match="is a folder and not a bucket: write s3://NAME; in Python"
        ) as refused:
            Storage.open(place)
        assert f"open_storage({place!r})" in str(refused.value)


@pytest.mark.usefixtures("bucket")
def test_where_there_is_no_such_bucket_the_folder_of_its_name_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "folder" not in run("list", "-b", "reg2").stderr
    Path("reg2").mkdir()
    missing = run("list", "-b", "reg2").stderr
    assert "there is no such bucket" in missing
    assert missing.endswith("; for the folder reg2 write ./reg2\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    nobody = run("list", "-b", "s3://reg2").stderr
    assert "no AWS credentials" in nobody
    assert nobody.endswith("; for the folder reg2 write ./reg2\n")


def test_a_file_url_that_is_relative_is_refused() -> None:
    with pytest.raises(InvalidNameError, match="write file:///PATH"):
        open_storage("file://models")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot write a"):
        open_storage(str(tmp_path / "file")).create("a", b"")
