"""A model asked in a process of its own, as the function has one.

Where models were trained and published, what was freed lies scattered between what is kept. The small objects of a
batch are then made all over the memory: 10,000 rows took half as long again, and `predict` alone, which makes none, no
longer. Lambda's process has loaded one model and nothing before it.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from multiprocessing import get_context
from typing import Any, ParamSpec, TypeVar

from benchmarks.measured import Measured, interleaved
from handler.app import App
from model_runtime.start import Deployment, load

P = ParamSpec("P")
Returned = TypeVar("Returned")


@dataclass(frozen=True)
class Question:
    """Rows as `predict` takes them and as an event, and how many calls each side makes in a round."""

    rows: Any
    event: Mapping[str, Any]
    calls: int


def own_process(call: Callable[P, Returned], *arguments: P.args, **named: P.kwargs) -> Returned:
    """Call a function in a new interpreter, which knows the variables and the import path of this one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(call, *arguments, **named).result()


def ask(
    environment: Mapping[str, str], estimator: Any, questions: Sequence[Question], rounds: int
) -> list[tuple[Measured, Measured]]:
    """For each question what `predict` alone takes, and the handler of the version that the environment names."""
    app = served(environment)
    found = []
    for question in questions:
        sides: dict[str, tuple[int, Callable[[], object]]] = {
            "own": (question.calls, partial(estimator.predict, question.rows)),
            "ours": (question.calls, partial(checked, app, question.event)),
        }
        measured = interleaved(sides, rounds)
        found.append((measured["own"], measured["ours"]))
    return found


def served(environment: Mapping[str, str]) -> App:
    """The handler in this process, its model loaded."""
    app = App(lambda: load(Deployment.from_environment(environment)))
    with redirect_stdout(StringIO()):  # its log
        app.start()
    return app


def checked(handler: Callable[[Any, Any], Mapping[str, Any]], event: Mapping[str, Any]) -> None:
    """Call a handler; a refusal would be fast and tell nothing."""
    answer = handler(event, None)
    if answer["statusCode"] != 200:  # noqa: PLR2004  # HTTP's OK
        raise RuntimeError(f"the handler answered {answer}")
