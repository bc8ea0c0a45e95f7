"""Text that looks like markup, objects that somebody made by hand, clocks, gates that look met: nothing is believed."""

import json
import pydoc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from typer.testing import CliRunner, Result

from model_registry import Registry, Storage, history, versions
from model_registry.cli import app, common
from model_registry.doctor import Finding, findings
from model_registry.gates import Gates
from model_registry.records import (
    Counter,
    Mark,
    PromotionRules,
    Segment,
    counter_key,
    decode_counter,
    decode_mark,
    decode_rules,
    decode_segment,
    decode_tag,
    segment_key,
    tag_key,
)
from model_registry.reference import TagRef, VersionRef
from model_runtime.errors import (
    ConflictError,
    FileError,
    GateError,
    IntegrityError,
    NotFoundError,
    PublishError,
    RecordError,
    RegistryError,
    StorageError,
)
from model_runtime.manifest import MANIFEST_FILE, MODEL_FILE, Artifact, decode_manifest, encode, version_key
from model_runtime.storage import Content
from tests.model_registry import reading
from tests.model_registry.processes import add, manifest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MARKUP = "fixes [bold]x and [JIRA-1] see [/x]"


@pytest.fixture
def storage() -> Storage:
    return Storage(MemoryStore(), "memory")


@pytest.fixture
def registry(storage: Storage) -> Registry:
    """Versions 1 to 3; prod was at 1, 2 and 3."""
    for number in range(1, 4):
        add(storage, "iris", str(number).encode())
    made = Registry(storage, actor="the tests")
    for number in range(1, 4):
        made.tag(f"iris/{number}", "prod")
    return made


@pytest.fixture
def run(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line on the registry in memory."""
    monkeypatch.setattr(Storage, "open", lambda *_args, **_more: registry._storage)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(
        app, [*arguments, "--bucket", "s3://memory"], env={"MODEL_REGISTRY_ACTOR": "me"}
    )


def write(storage: Storage, key: str, data: bytes) -> None:
    stored = storage.read(key)
    if stored is None:
        storage.create(key, data)
    else:
        storage.replace(key, data, stored.etag)


def errors(storage: Storage) -> list[Finding]:
    return [finding for finding in findings(storage) if finding.severity == "error"]


# -- text ----------------------------------------------------------------------------------------------------


def test_what_looks_like_markup_is_shown_as_it_is(registry: Registry, run: Callable[..., Result]) -> None:
    registry.tag("iris/1", "prod", reason=MARKUP + "\x1b[2J")
    shown = run("history", "iris@prod")
    assert shown.exit_code == 0, shown.exception
    assert MARKUP in shown.stdout
    assert "\x1b[2J" not in shown.stdout
    assert "\\x1b[2J" in shown.stdout
    assert run("promote", "iris", "--version", "2", "--to", "[/x]").exit_code == 1


def test_a_table_that_is_piped_folds_nothing(registry: Registry, run: Callable[..., Result]) -> None:
    registry.tag("iris/1", "prod", reason="x" * 300)
    assert "x" * 300 in run("history", "iris@prod").stdout


def test_output_that_cannot_be_written_is_one_line() -> None:
    program = [sys.executable, "-m", "model_registry", "--version"]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the output cannot be written (No space left on device)" in done.stderr


def test_promotion_rules_are_shown_in_words(run: Callable[..., Result]) -> None:
    shown = run("rules", "iris@prod", "--require", "accuracy>=0.93", "-m", "agreed").stdout
    assert "accuracy>=0.93" in shown
    for python in ("(", "None", "False", "True"):
        assert python not in shown


def test_who_acts_is_taken_from_the_environment(registry: Registry, run: Callable[..., Result]) -> None:
    assert run("tag", "iris/1", "prod").exit_code == 0
    assert registry.tag_of("iris@prod").history[-1].by == "me"


# -- gates ---------------------------------------------------------------------------------------------------


def test_gates_are_judged_also_where_the_tag_is_there_already(registry: Registry, run: Callable[..., Result]) -> None:
    with pytest.raises(GateError, match="has no metric 'accuracy'"):
        registry.promote("iris", version=3, to_tag="prod", gates=Gates(require=("accuracy>=99",)))
    assert "(was there already)" in run("promote", "iris", "--version", "3", "--to", "prod").stdout
    registry.set_rules("iris@prod", Gates(require=("accuracy>=0.5",)), reason="new")
    with pytest.raises(GateError):
        registry.tag("iris/3", "prod")
    assert len(registry.history("iris@prod")) == 3


def test_a_rollback_goes_past_what_was_deleted_and_says_so(registry: Registry, run: Callable[..., Result]) -> None:
    registry.delete(VersionRef("iris", 2), reason="leaks")
    done = run("rollback", "iris@prod")
    assert done.stdout == "iris@prod -> iris/1\n"
    assert "iris/2 was skipped: it was deleted" in done.stderr
    with pytest.raises(NotFoundError, match="nothing to roll back to"):
        registry.rollback("iris@prod")


# -- objects that somebody made ------------------------------------------------------------------------------

BROKEN: dict[str, tuple[str, bytes]] = {
    "deep": (version_key("iris", 1, MANIFEST_FILE), b"[" * 200_000),
    "not UTF-8": (version_key("iris", 1, MANIFEST_FILE), b'{"name": "\xff"}'),
    "a deep tag": (tag_key("iris", "dev"), b'{"a":' * 200_000),
    "a tag without moves": (
        tag_key("iris", "dev"),
        b'{"format": 1, "name": "iris", "tag": "dev", "version": 1, "history": []}',
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_broken_object_never_hides_another(
    registry: Registry, storage: Storage, run: Callable[..., Result], case: str
) -> None:
    write(storage, *BROKEN[case])
    write(storage, version_key("iris", 2, MODEL_FILE), b"changed")
    found = {finding.key for finding in errors(storage)}
    assert BROKEN[case][0] in found
    assert version_key("iris", 2, MODEL_FILE) in found
    assert registry.model("iris").tags == {"prod": 3}
    assert run("list").exit_code == 0
    registry.untag("iris@prod")
    if "tag" in case and "deep" in case:
        with pytest.raises(RecordError, match="iris@dev"):
            registry.delete(VersionRef("iris", 3), reason="test")
    else:
        registry.delete(VersionRef("iris", 3), reason="test")
    for broken in ("iris/1", "iris@dev"):
        done = run("resolve", broken)
        assert not isinstance(done.exception, Exception), "one line, never a traceback"


def test_a_stray_object_among_the_tags_is_in_nobodys_way(registry: Registry, storage: Storage) -> None:
    storage.create("models/iris/tags/BAD NAME.json", b"x")
    assert registry.model("iris").tags == {"prod": 3}
    registry.delete(VersionRef("iris", 1), reason="test")
    assert [finding.key for finding in findings(storage) if finding.severity == "note"] == [
        "models/iris/tags/BAD NAME.json"
    ]


@pytest.mark.parametrize("file", ["../2/model.joblib", "/etc/passwd", "model.skops", "x.whl"])
def test_a_manifest_that_names_other_files_is_refused(registry: Registry, storage: Storage, file: str) -> None:
    odd = msgspec.structs.replace(manifest("iris", 1, b"1"), artifact=Artifact(file=file, sha256="0" * 64, size=1))
    write(storage, version_key("iris", 1, MANIFEST_FILE), encode(odd))
    with pytest.raises(RecordError, match="the manifest names a file"):
        registry.resolve("iris/1")
    assert any("names a file" in finding.fact for finding in errors(storage))


def test_a_forged_version_is_found_though_its_files_agree(registry: Registry, storage: Storage) -> None:
    write(storage, version_key("iris", 1, MODEL_FILE), b"forged")
    write(storage, version_key("iris", 1, MANIFEST_FILE), encode(manifest("iris", 1, b"forged")))
    (finding,) = errors(storage)
    assert "move 1 of iris@prod recorded" in finding.fact
    with pytest.raises(IntegrityError):
        registry.tag("iris/1", "stage")


@pytest.mark.parametrize("age", ["nan", "inf", "-1"])
def test_an_age_that_is_none_is_one_line(run: Callable[..., Result], age: str) -> None:
    done = run("gc", f"--older-than={age}")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)


# -- numbers -------------------------------------------------------------------------------------------------


def test_a_number_that_nothing_can_address_is_never_given(registry: Registry, storage: Storage) -> None:
    storage.create(version_key("wine", 999_999_999, "notes.txt"), b"")
    with pytest.raises(StorageError, match="the version numbers of wine end at 999999999"):
        add(storage, "wine", b"1")
    storage.create("models/iris/versions/1000000000/notes.txt", b"")
    storage.delete(counter_key("iris"))
    assert add(storage, "iris", b"4").manifest.version == 4
    assert registry.model("iris").versions == (1, 2, 3, 4)


def test_a_counter_that_is_lost_damaged_or_behind_is_made_good(registry: Registry, storage: Storage) -> None:
    write(storage, counter_key("iris"), b"{")
    assert [finding.key for finding in errors(storage)] == [counter_key("iris")]
    assert add(storage, "iris", b"4").manifest.version == 4
    other = Storage(MemoryStore(), "other")
    for number in range(1, 5):
        registry.copy(f"iris/{number}", Registry(other, actor="x"))
    assert add(other, "iris", b"5").manifest.version == 5


def test_an_unknown_version_among_many_is_a_short_line(storage: Storage) -> None:
    for number in range(1, 200):
        storage.create(version_key("iris", number, MANIFEST_FILE), b"{}")
    with pytest.raises(NotFoundError) as raised:
        Registry(storage, actor="x").resolve("iris/300")
    assert "190, 191" in str(raised.value)
    assert "and 189 more" in str(raised.value)
    assert len(str(raised.value)) < 200


def test_deprecating_twice_is_said_in_words(registry: Registry) -> None:
    registry.deprecate("iris/1", reason="leaks")
    with pytest.raises(ConflictError, match=r"iris/1 was deprecated already by the tests \(20.*leaks\)"):
        registry.deprecate("iris/1", reason="again")


# -- files ---------------------------------------------------------------------------------------------------


def test_a_download_replaces_nothing_unless_told_and_follows_no_link(registry: Registry, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    (tmp_path / "to").mkdir()
    link = tmp_path / "to" / MODEL_FILE
    link.symlink_to(mine)
    with pytest.raises(FileError, match="exists already"):
        registry.download("iris/1", tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").iterdir()] == [MODEL_FILE]
    registry.download("iris/1", tmp_path / "to", force=True)
    assert mine.read_bytes() == b"mine"
    assert not link.is_symlink()
    assert link.read_bytes() == b"1"


def test_a_damaged_download_leaves_what_was_there(registry: Registry, storage: Storage, tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_bytes(b"mine")
    write(storage, version_key("iris", 1, MODEL_FILE), b"changed")
    with pytest.raises(IntegrityError):
        registry.download("iris/1", tmp_path, force=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {MODEL_FILE: b"mine"}


def test_a_copy_of_what_is_there_reads_no_model(registry: Registry, storage: Storage) -> None:
    other = Storage(MemoryStore(), "other")
    target = Registry(other, actor="x")
    registry.copy("iris/1", target)
    storage.delete(version_key("iris", 1, MODEL_FILE))
    assert registry.copy("iris/1", target).manifest.version == 1


# -- services that refuse to create what was deleted ---------------------------------------------------------


class Remembers(Storage):
    """Storage that refuses to create a key that was ever deleted, as versitygw does after a delete marker."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), "memory")
        self.deleted: set[str] = set()

    def create(self, key: str, data: Content, *, token: str | None = None) -> None:
        if key in self.deleted:
            raise ConflictError(f"memory/{key} exists already, nothing was written")
        super().create(key, data, token=token)

    def delete(self, key: str) -> None:
        self.deleted.add(key)
        super().delete(key)


def test_nothing_relies_on_creating_anew_what_was_deleted() -> None:
    storage = Remembers()
    registry = Registry(storage, actor="x")
    for number in range(3):
        add(storage, "iris", str(number).encode())
    registry.tag("iris/1", "prod")
    with pytest.raises(ConflictError, match="iris/1 is tagged prod, nothing was deleted"):
        registry.delete(VersionRef("iris", 1), reason="test")
    registry.untag("iris@prod")
    registry.tag("iris/1", "prod")
    assert registry.read_model(registry.resolve("iris@prod")) == b"0"
    for _ in range(3):
        registry.deprecate("iris/2", reason="bad")
        assert registry.model("iris").deprecated == {2}
        registry.undeprecate("iris/2")
    storage.create(version_key("iris", 4, MODEL_FILE), b"cut off")
    assert len(list(registry.gc(older_than=timedelta(0)))) == 1
    registry.delete(VersionRef("iris", 3), reason="test")
    assert add(storage, "iris", b"next").manifest.version == 5
    assert errors(storage) == []


# -- records -------------------------------------------------------------------------------------------------

DECODERS: list[Callable[[bytes], object]] = [
    decode_manifest,
    decode_tag,
    decode_segment,
    decode_mark,
    decode_rules,
    decode_counter,
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=30,
)
SAMPLES = [
    encode(manifest("iris", 1, b"1")),
    encode(history.moved(history.unset(TagRef("iris", "prod")), 1, manifest_sha256="0", action="tag", by="x", at=NOW)),
    encode(Mark(by="x", at=NOW, reason="y")),
    encode(Counter(last=1, writer="x")),
    encode(Segment(name="iris", tag="prod", moves=())),
    encode(PromotionRules(gates=Gates(), set_by="x", at=NOW, reason="")),
]


def decoded(data: bytes) -> None:
    for decode in DECODERS:
        with suppress(RecordError):
            decode(data)


@given(st.binary(max_size=2000) | json_values.map(msgspec.json.encode))
def test_any_bytes_are_a_record_or_a_record_error(data: bytes) -> None:
    decoded(data)


@given(st.sampled_from(SAMPLES), st.data())
def test_any_edit_of_a_record_is_a_record_or_a_record_error(sample: bytes, data: st.DataObject) -> None:
    edited = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(edited) - 1))
        if data.draw(st.booleans()):
            edited[place] = data.draw(st.integers(0, 255))
        else:
            edited[place : place + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=20))
        if not edited:
            return
    decoded(bytes(edited))


@given(st.sampled_from(SAMPLES), st.data())
def test_any_field_of_a_record_may_hold_any_json(sample: bytes, data: st.DataObject) -> None:
    document = json.loads(sample)
    document[data.draw(st.sampled_from(sorted(document)))] = data.draw(json_values)
    decoded(msgspec.json.encode(document))


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    """The objects of a registry with every kind of record."""
    return reading.objects()


def registry_with(objects: dict[str, bytes], **changed: bytes) -> Registry:
    """A registry of these objects, some of another content, by their kind."""
    storage = Storage(MemoryStore(), "memory")
    for key, data in {**objects, **{reading.KEYS[kind]: data for kind, data in changed.items()}}.items():
        storage.overwrite(key, data)
    return Registry(storage, actor="somebody", proof="none")


def told(registry: Registry) -> list[str]:
    """The objects that doctor names, of the kinds of `reading`; a segment's in what it says of its tag."""
    return [
        next(key for key in sorted(reading.KEYS.values()) if key in one.fact + one.key)
        for one in errors(registry._storage)
    ]


@pytest.mark.parametrize("kind", reading.KEYS)
def test_every_kind_of_record_is_read_by_some_verb(whole: dict[str, bytes], kind: str) -> None:
    """Else the tests below would show nothing."""
    assert told(registry_with(whole, **{kind: b"{"})) == ([] if kind == "signing" else [reading.KEYS[kind]])
    if kind in {"signing", "rules"}:
        with pytest.raises(RegistryError):
            reading.READ["a signed version" if kind == "signing" else "rules"](registry_with(whole, **{kind: b"{"}))


@settings(max_examples=60)
@given(kind=st.sampled_from(sorted(reading.KEYS)), data=st.data())
def test_whatever_a_record_holds_every_verb_answers_or_refuses(
    whole: dict[str, bytes], kind: str, data: st.DataObject
) -> None:
    """Any bytes, any JSON, and any JSON in any place of the record that was there."""
    document: Any = msgspec.json.decode(whole.get(reading.KEYS[kind], b'{"format": 1, "key": "", "signature": ""}'))
    form = data.draw(st.sampled_from(["bytes", "json", "a field", "a field deep within"]))
    if form == "bytes":
        found = data.draw(st.binary(max_size=200))
    elif form == "json":
        found = msgspec.json.encode(data.draw(json_values))
    else:
        place = document
        while form == "a field deep within" and any(isinstance(one, dict | list) and one for one in members(place)):
            place = data.draw(st.sampled_from([one for one in members(place) if isinstance(one, dict | list) and one]))
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        place[data.draw(st.sampled_from(keys))] = data.draw(json_values)
        found = msgspec.json.encode(document)
    reading.use(registry_with(whole, **{kind: found}))


def members(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


@settings(max_examples=60)
@given(
    st.lists(
        st.lists(
            st.sampled_from(["models", "iris", "prod.json", "tags", "versions", "1", "history", "policies", "..", "."])
            | st.text(max_size=8).filter(lambda part: "/" not in part),
            min_size=1,
            max_size=7,
        ).map("/".join),
        min_size=1,
        max_size=3,
    )
)
def test_objects_of_any_name_are_in_nobodys_way(whole: dict[str, bytes], keys: list[str]) -> None:
    registry = registry_with(whole)
    for key in keys:
        with suppress(RegistryError):  # some are names that no object can have
            reading.put(registry._storage, key, b"{}")
    reading.use(registry)


@pytest.mark.parametrize("kind", reading.KEYS)
def test_a_record_of_50_megabytes_is_refused_by_its_size(whole: dict[str, bytes], kind: str) -> None:
    """Before it is read: whoever reads a record holds all of it in memory."""
    large = b'{"format": 1, "name": "' + b"x" * (50 << 20) + b'"}'
    registry = registry_with(whole, **{kind: large})
    assert told(registry) == ([] if kind == "signing" else [reading.KEYS[kind]])
    tracemalloc.start()
    try:
        reading.use(registry)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20


def test_what_a_record_has_too_much_is_not_made_objects_of() -> None:
    """6 MB of empty lists would take 112 MB and more."""
    hostile = b'{"format": 99, "x": [' + b"[]," * 2_000_000 + b"[]]}"
    tracemalloc.start()
    try:
        for decode in DECODERS:
            with pytest.raises(RecordError, match="has format 99"):
                decode(hostile)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_a_manifest_that_could_not_be_read_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "LARGEST_RECORD", 100)
    storage = Storage(MemoryStore(), "memory")
    with pytest.raises(PublishError, match="bytes, 100 are read: publish it with fewer examples"):
        add(storage, "iris", b"1")
    assert list(Registry(storage, actor="x").models()) == []


# -- histories of any length ---------------------------------------------------------------------------------


def test_a_history_of_any_length_is_read_in_bounded_pieces(storage: Storage, registry: Registry) -> None:
    for number in range(200):
        registry.tag(f"iris/{1 + number % 2}", "long")
    tag = registry.tag_of("iris@long")
    assert (tag.sealed, len(tag.history)) == (128, 72)
    moves = registry.history("iris@long")
    assert [move.sequence for move in moves] == list(range(1, 201))
    assert registry.history("iris@long", last=3) == moves[-3:]
    for move in moves[::7]:
        assert registry.which("iris@long", move.at).version in {1, 2}
    with pytest.raises(NotFoundError):
        registry.which("iris@long", moves[0].at.replace(year=2000))
    assert errors(storage) == []
    data = storage.read(segment_key("iris", "long", 65))
    assert data is not None
    write(storage, segment_key("iris", "long", 65), data.data.replace(b'"by": "the tests"', b'"by": "a forger"', 1))
    with pytest.raises(IntegrityError, match="which was edited"):
        registry.history("iris@long")
    assert errors(storage), "doctor finds it"


def test_which_answers_from_the_right_segment(registry: Registry) -> None:
    for number in range(300):
        registry.tag(f"iris/{1 + number % 3}", "long")
    by_time: dict[Any, int | None] = {}
    for move in registry.history("iris@long"):
        by_time[move.at] = move.to_version
    for at, version in by_time.items():
        assert registry.which("iris@long", at).version == version


def test_the_layout_of_the_first_release_is_read_and_carried_over_by_the_next_move(
    storage: Storage, registry: Registry
) -> None:
    for number in range(70):
        registry.tag(f"iris/{1 + number % 2}", "old")
    tag = registry.tag_of("iris@old")
    document = json.loads(encode(tag))
    assert document["sealed"] == 0
    older = {key: value for key, value in document.items() if key not in {"sealed", "fence"}} | {"format": 1}
    moves = older["history"]
    write(storage, tag_key("iris", "old"), json.dumps(older).encode())
    storage.delete(counter_key("iris"))
    assert registry.resolve("iris@old").manifest.version == tag.version
    assert [move.id for move in registry.history("iris@old")] == [move["id"] for move in moves]
    for number in range(30):
        registry.tag(f"iris/{1 + number % 2}", "old")
    assert registry.tag_of("iris@old").format == 2
    assert [move.id for move in registry.history("iris@old")][:70] == [move["id"] for move in moves]
    assert errors(storage) == []
    assert add(storage, "iris", b"4").manifest.version == 4


def test_help_shows_no_address() -> None:
    assert "0x" not in pydoc.render_doc(Registry)


def test_the_group_of_every_command_is_named() -> None:
    panels = [command.rich_help_panel for command in app.registered_commands]
    assert all(panel in {common.READ, common.MOVE, common.WRITE, common.KEEP} for panel in panels)
