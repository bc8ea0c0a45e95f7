"""The library as programs, notebooks and their processes use it."""

import asyncio
import inspect
import multiprocessing
import os
import pydoc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from sklearn.linear_model import LogisticRegression

from infra.function_code import PROJECT
from model_registry import Registry, Storage
from model_registry.records import Gates
from model_registry.reference import VersionRef
from model_runtime.errors import ArgumentError, ConflictError, InvalidNameError
from tests.model_registry.processes import add
from tests.model_registry.reading import filled

ESTIMATOR = LogisticRegression().fit([[0.0], [1.0]], [0, 1])


@pytest.fixture(scope="module")
def memory() -> Registry:
    return filled()


def publish(registry: Registry, **arguments: Any) -> object:
    return registry.publish(ESTIMATOR, **{"name": "iris", "X_example": [[0.0], [1.0]], **arguments})


WRONG: dict[str, Callable[[Any], object]] = {
    "name is 1, of the type int: give str": lambda registry: publish(registry, name=1),
    "description is 3, of the type int: give str": lambda registry: publish(registry, description=3),
    "formats is 1, of the type int: give Iterable": lambda registry: publish(registry, formats=1),
    "model_file is 'a', of the type str: give Path or None": lambda registry: publish(registry, model_file="a"),
    "progress is 3, of the type int: give Callable": lambda registry: publish(registry, progress=3),
    "address is None, of the type NoneType: give str, VersionRef or TagRef": lambda registry: registry.resolve(None),
    "address is 1, of the type int: give str or TagRef": lambda registry: registry.history(1),
    "last is -1, so many moves": lambda registry: registry.history("iris@prod", last=-1),
    "at is '2026-01-01', of the type str: give datetime": lambda registry: registry.which("iris@prod", "2026-01-01"),
    "give it with one, as 2026-01-01T00:00:00+00:00": lambda registry: registry.which(
        "iris@prod",
        datetime(2026, 1, 1),  # noqa: DTZ001  # what is refused
    ),
    "tag is 1, of the type int: give str": lambda registry: registry.tag("iris/1", 1),
    "reason is 3, of the type int: give str": lambda registry: registry.tag("iris/1", "prod", reason=3),
    "version is '1', of the type str: give int or None": lambda registry: registry.promote(
        "iris", to_tag="dev", version="1"
    ),
    "gates is None, of the type NoneType: give Gates": lambda registry: registry.promote(
        "iris", to_tag="dev", version=1, gates=None
    ),
    "reason is None, of the type NoneType: give str": lambda registry: registry.set_rules(
        "iris@prod", Gates(), reason=None
    ),
    "ref is 'iris/1', of the type str: give VersionRef": lambda registry: registry.delete("iris/1", reason="x"),
    "release is 'iris/1', of the type str: give Release": lambda registry: registry.read_model("iris/1"),
    "target is None, of the type NoneType: give Registry": lambda registry: registry.copy("iris/1", None),
    "storage is 's3://models', of the type str: give Storage": lambda _: Registry("s3://models", actor="x"),  # type: ignore[arg-type]  # what is refused
    "actor is 3, of the type int: give str or Callable": lambda registry: Registry(registry._storage, actor=3),  # type: ignore[arg-type]  # what is refused
}


@pytest.mark.parametrize("said", WRONG)
def test_an_argument_of_another_type_is_named_with_what_it_must_be(memory: Registry, said: str) -> None:
    """Before anything is done with it: a reason that is a number would make a record that nobody can read."""
    before = memory.tag_of("iris@prod")
    with pytest.raises(ArgumentError) as raised:
        WRONG[said](memory)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, TypeError)
    assert memory.tag_of("iris@prod") == before


def test_a_bucket_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidNameError, match="3 is not a bucket name"):
        Storage.open(3)  # type: ignore[arg-type]  # what is refused


def test_a_missing_or_unknown_argument_is_what_python_says_of_one(memory: Registry) -> None:
    method: Any = memory.tag
    with pytest.raises(TypeError, match="missing a required argument: 'tag'"):
        method("iris/1")
    with pytest.raises(TypeError, match="unexpected keyword argument 'because'"):
        method("iris/1", "prod", because="x")


def test_files_may_be_named_by_texts(memory: Registry, tmp_path: Path) -> None:
    paths = memory.download("iris/1", str(tmp_path / "to"))
    memory.save_model(memory.resolve("iris/1"), str(tmp_path / "model"))
    assert (tmp_path / "model").read_bytes() == paths[0].read_bytes()


def test_help_reads_well() -> None:
    """Each public method has a sentence, and its own signature."""
    text = pydoc.plain(pydoc.render_doc(Registry))
    assert "tag(self, address: str, tag: str, *, gates:" in text
    assert "Publish immutable" not in text
    assert "0x" not in text
    for name, method in inspect.getmembers(Registry, inspect.isfunction):
        if not name.startswith("_"):
            assert (inspect.getdoc(method) or "").partition("\n")[0].endswith((".", ",", ";", ":")), name
            assert "args" not in inspect.signature(method).parameters, name


def test_many_threads_use_one_registry(storage: Storage, registry: Registry) -> None:
    add(storage, "iris", b"0")
    registry.tag("iris/1", "prod")

    def work(number: int) -> int:
        version = add(storage, "iris", b"%d" % number).manifest.version
        while True:
            try:
                return registry.tag(f"iris/{version}", "prod").history[-1].to_version or 0
            except ConflictError:
                assert registry.resolve("iris@prod").manifest.name == "iris"

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(work, range(16))) == list(range(2, 18))
    assert len(registry.history("iris@prod")) == 17


def _resolve(registry: Registry, answers: Any) -> None:
    answers.put(registry.resolve("iris@prod").manifest.reference)


def _open_and_fork(bucket: str, answers: Any) -> None:
    """As a program does that opens the registry before it starts its workers; nothing was asked of it yet."""
    registry = Registry(Storage.open(bucket), actor="the tests")
    children = [
        multiprocessing.get_context("fork").Process(target=_resolve, args=(registry, answers)) for _ in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        child.kill()
    _resolve(registry, answers)


def test_a_registry_that_was_opened_before_a_fork_is_used_by_parent_and_children(
    bucket: str, storage: Storage, registry: Registry
) -> None:
    add(storage, "iris", b"1")
    registry.tag("iris/1", "prod")
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_open_and_fork, args=(bucket, answers))
    process.start()
    assert [answers.get(timeout=120) for _ in range(3)] == ["iris/1"] * 3
    process.join(60)
    assert process.exitcode == 0


def test_a_registry_works_where_an_event_loop_runs(storage: Storage, registry: Registry) -> None:
    add(storage, "iris", b"1")

    async def main() -> str:
        registry.tag("iris/1", "prod")
        there = await asyncio.gather(*(asyncio.to_thread(registry.resolve, "iris@prod") for _ in range(4)))
        return ", ".join(one.manifest.reference for one in [registry.resolve("iris/1"), *there])

    assert asyncio.run(main()) == ", ".join(["iris/1"] * 5)


def test_a_notebook_shows_a_registry_as_a_table(bucket: str, storage: Storage, registry: Registry) -> None:
    """In a kernel, where an event loop runs, and what a cell ends with is shown as HTML."""
    add(storage, "iris", b"1")
    registry.tag("iris/1", "prod", reason="<b>")
    opened = f"from model_registry import Registry, Storage; registry = Registry(Storage.open({bucket!r}), actor='me')"
    cells = [opened, "registry", "registry.tag('iris/1', 'dev').version", "registry.which('iris@dev', 3)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(
        notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": PROJECT}}
    )
    client.execute(env={**os.environ, "PYTHONPATH": str(PROJECT), "JUPYTER_PLATFORM_DIRS": "1"})
    shown = [cell["outputs"] for cell in notebook["cells"]]
    assert shown[0] == []
    assert "prod → 1" in shown[1][0]["data"]["text/html"]
    assert shown[2][0]["data"]["text/plain"] == "1"
    assert shown[3][0]["evalue"] == "at is 3, of the type int: give datetime"
    assert registry.which("iris@dev", datetime.now(UTC)) == VersionRef("iris", 1)
