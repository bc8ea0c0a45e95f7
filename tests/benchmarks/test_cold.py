"""A cold start outside Lambda: the function's own files and its layer, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.cold import ColdStart
from infra.function_code import bytecode
from model_registry.environments import RUNNING
from training.train_iris import GUIDE_EVENT


def test_the_first_answer_comes_from_code_and_layer_alone(iris: ColdStart) -> None:
    first = iris.run()
    assert (first.answer["statusCode"], json.loads(first.answer["body"])["label"]) == (200, "virginica")
    assert [line["event"] for line in first.log] == ["model_loaded", "requests"]
    assert first.seconds > 0.01
    assert 50e6 < first.peak_bytes < 250e6
    assert {"handler", "sklearn", "numpy", "obstore"} <= set(first.modules)
    task = iris.folder / "task"
    found = {path.relative_to(task).as_posix() for path in task.rglob("*.pyc")}
    assert found == bytecode(RUNNING).keys(), "Lambda cannot write bytecode"
    assert not list((iris.folder / "opt").rglob("__pycache__")), "as above"


def _instead(start: ColdStart, program: str) -> ColdStart:
    """The same interpreter with the same options, running another program."""
    place = next(place for place, word in enumerate(start.command) if word.endswith("first_answer.py"))
    return replace(start, command=(*start.command[:place], "-c", program))


def test_a_start_that_fails_says_why(iris: ColdStart) -> None:
    with pytest.raises(RuntimeError, match=r"the cold start ended with 1: [\s\S]*no_such_module"):
        _instead(iris, "import no_such_module").run()


def test_the_interpreter_s_packages_are_not_seen(iris: ColdStart) -> None:
    program = "import json, sys; print(json.dumps({'answered': 0, 'answer': sys.path, 'modules': {}, 'peak_bytes': 0}))"
    paths = [Path(path) for path in _instead(iris, program).run().answer]
    assert [path.name for path in paths if path.is_relative_to(iris.folder)] == ["task", "site-packages"]
    assert sum(path.name == "site-packages" for path in paths) == 1


def test_a_start_does_not_look_for_garbage(iris: ColdStart) -> None:
    program = "import gc, json; before = gc.get_stats(); import handler.function; looked = gc.get_stats() != before; "
    program += "print(json.dumps({'answered': 0, 'answer': [looked, gc.isenabled()], 'modules': {}, 'peak_bytes': 0}))"
    assert _instead(iris, program).run().answer == [False, True], "not until the model is loaded, and then again"


def test_the_event_may_be_the_bare_one(iris: ColdStart) -> None:
    *rest, _event = iris.command
    direct = replace(iris, command=(*rest, json.dumps(GUIDE_EVENT)))
    assert direct.run().answer == {"statusCode": 200, "body": "virginica"}
