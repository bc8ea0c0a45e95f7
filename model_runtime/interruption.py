"""Requests that Ctrl-C ends, and processes that were forked while there were some."""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_used = False
_forked = False


def was_forked() -> bool:
    """Whether this process was forked from one that had made a request: the threads for these are gone then."""
    return _forked


def interruptible(call: Callable[[], _T]) -> _T:
    """Run a request so that Ctrl-C ends the waiting: the main thread hears of signals only while it runs Python."""
    global _used  # noqa: PLW0603  # a fact about the process
    _used = True
    if threading.current_thread() is not threading.main_thread():
        return call()
    done = threading.Event()
    results: list[_T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="storage request", daemon=True).start()
    done.wait()
    if errors:
        raise errors[0]
    return results[0]


def _after_fork() -> None:
    global _forked  # noqa: PLW0603  # a fact about the process
    _forked = _used


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
