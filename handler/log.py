"""The function's log: one JSON line for what happened, with the metrics that CloudWatch takes from it."""

import json
import os
import sys
import time
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from handler.metrics import Metrics, embedded

_FRAMES = 30
"""Innermost frames of a traceback that are written; a recursion has thousands."""
MESSAGE = 2048
"""Characters of messages that one line has, where the stack says that it has some."""


def write(event: str, metrics: Metrics | None = None, **fields: Any) -> None:
    """Write one line; `metrics` has a value, or several, and a unit of each metric."""
    line = {"event": event, **fields, **(embedded(metrics, os.environ) if metrics else {})}
    print(json.dumps(line), flush=True)  # noqa: T201  # stdout is the function's log


def has_messages(environment: Mapping[str, str]) -> bool:
    """Whether the stack says that messages of errors, warnings and loggers are written (LOG_MESSAGES is `on`)."""
    return environment.get("LOG_MESSAGES") == "on"


def places(error: BaseException, *, messages: bool = False) -> list[str]:
    """The types of an error and of what caused it, with the places where they were raised.

    Messages are left out unless they are asked for: scikit-learn's, pandas' and an owner's own repeat the values that
    they are about.
    """
    import traceback  # here, as a start that goes well has none; so is what follows

    found: list[str] = []
    left = MESSAGE
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        kind = type(current)
        said = f": {current}"[:left] if messages else ""
        left -= len(said)
        found.append(f"{kind.__module__}.{kind.__qualname__}{said}")
        frames = traceback.walk_tb(current.__traceback__)
        where = [f"  {frame.f_code.co_filename}:{line} in {frame.f_code.co_name}" for frame, line in frames]
        found += where[-_FRAMES:]
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return found


def with_messages(error: BaseException) -> str:
    """A whole traceback, for what happens while the model is loaded: there are no values of a caller yet."""
    import linecache
    import traceback

    linecache.checkcache()
    return "".join(shortened(line) for line in traceback.format_exception(error))


def shortened(message: str) -> str:
    """A message as far as the log has it."""
    return message if len(message) <= MESSAGE else f"{message[:MESSAGE]}...\n"


class WholeLines:
    """Ends the line that a model leaves open on stdout or stderr: the next line of the log has to be JSON."""

    def __init__(self) -> None:
        self._streams: tuple[Any, Any] | None = None

    def __enter__(self) -> None:
        streams = sys.stdout, sys.stderr
        if streams != self._streams:
            self._streams, self._tracked = streams, (_Tracked(sys.stdout), _Tracked(sys.stderr))
        sys.stdout, sys.stderr = self._tracked

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout, sys.stderr = self._streams or (sys.__stdout__, sys.__stderr__)
        for tracked in self._tracked:
            if tracked.is_open:
                tracked.end_line()


class _Tracked:
    """A stream that knows whether its last line is open."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.is_open = False

    def write(self, text: str) -> int:
        if text:
            self.is_open = text[-1] != "\n"
        return self._stream.write(text)  # type: ignore[no-any-return]  # as any stream's

    def end_line(self) -> None:
        self._stream.write("\n")
        self._stream.flush()
        self.is_open = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def warnings_without_messages(*, messages: bool = False) -> None:
    """From now on a Python warning is one line with its type and place: its message may have a caller's values."""
    shown: set[tuple[str, str]] = set()

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_more: Any) -> None:
        warning = category.__qualname__, f"{filename}:{lineno}"
        if warning not in shown:
            shown.add(warning)
            said: dict[str, Any] = {"message": shortened(str(message))} if messages else {}
            write("warning", category=warning[0], place=warning[1], **said)

    warnings.showwarning = show  # type: ignore[assignment]  # it is called with all six, by position


def records_without_messages() -> None:
    """From now on what a library logs is one line with its level and place: its message may have a caller's values.

    What goes to handlers that the model's own code adds later is its owner's affair, as what it prints.
    """
    logging = sys.modules.get("logging")
    if logging is None:
        return

    def leave_out(record: Any) -> bool:
        write("logged", level=record.levelname, logger=record.name, place=f"{record.pathname}:{record.lineno}")
        return False

    for handler in (*logging.getLogger().handlers, logging.lastResort):
        if handler is not None:
            handler.addFilter(leave_out)


def milliseconds_since(began: float) -> float:
    """Milliseconds since a moment of `time.perf_counter`."""
    return round((time.perf_counter() - began) * 1000, 3)


def ids(request_id: str | None, context: object) -> Mapping[str, str]:
    """The request's ID as the access log has it, and the invocation's as Lambda's own lines have it."""
    found = {}
    if isinstance(request_id, str):
        found["request"] = request_id
    if isinstance(invocation := getattr(context, "aws_request_id", None), str):
        found["invocation"] = invocation
    return found
