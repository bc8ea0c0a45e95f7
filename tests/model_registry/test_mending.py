"""`doctor --fix` finishes what was cut off, and leaves what somebody has to decide."""

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from model_registry.cli import app
from model_registry.doctor import findings
from model_registry.folder import FolderStorage
from model_registry.records import DELETED_FILE, DEPRECATED_FILE, Mark, counter_key
from model_runtime.manifest import MODEL_FILE, encode, version_key
from tests.model_registry.processes import add


@pytest.fixture
def storage(tmp_path_factory: pytest.TempPathFactory) -> FolderStorage:
    """Version 1 is well, 2 is half deleted, 3 has lost its model, 9 has a mark only, and the counter is damaged."""
    storage = FolderStorage(tmp_path_factory.mktemp("models"))
    for data in (b"1", b"2", b"3"):
        add(storage, "iris", data)
    mark = encode(Mark(by="me", at=datetime.now(UTC) - timedelta(days=2), reason="test"))
    storage.create(version_key("iris", 2, DELETED_FILE), mark)
    storage.delete(version_key("iris", 3, MODEL_FILE))
    storage.create(version_key("iris", 9, DEPRECATED_FILE), mark)
    storage.overwrite(counter_key("iris"), b"damaged")
    return storage


def test_what_was_cut_off_is_finished_and_all_else_stays(storage: FolderStorage) -> None:
    folder = storage.location.removeprefix("file://")
    before = {one.key for one in findings(storage)}
    assert len(before) == 4
    done = CliRunner().invoke(app, ["doctor", "--fix", "--bucket", folder])
    assert done.exit_code == 3, "what is lost is for people"
    assert "the deletion of iris/2 was finished" in done.stderr
    assert "counter.json was counted anew" in done.stderr
    assert [one.key for one in findings(storage)] == [version_key("iris", 3, MODEL_FILE)]
    assert add(storage, "iris", b"4").manifest.version == 10, "behind all there was when it was counted"
    again = CliRunner().invoke(app, ["doctor", "--fix", "--bucket", folder])
    assert again.stderr == "", "there is nothing more to mend"
