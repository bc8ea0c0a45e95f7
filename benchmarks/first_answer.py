"""The fresh process of a cold start: import a handler, answer one event, say when and what it took.

    python first_answer.py MODULE.FUNCTION EVENT

It runs in the environment that is measured, so it imports nothing of the project, and nothing before the handler that
Lambda's own runtime does not import too. The last line on stdout is the result; the handler's log comes before it.
"""

import importlib
import json
import sys
import time
from pathlib import Path


def peak_bytes() -> int:
    """The peak of resident memory since this program was executed.

    Not `ru_maxrss`, which a process takes over from the one that started it (proc(5) on VmHWM, getrusage(2)).
    """
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main(handler: str, event: str) -> None:
    """Start and answer, then print one JSON line. `answered` is on the machine's monotonic clock, in seconds."""
    module, _, name = handler.rpartition(".")
    before = len(sys.modules)
    function = getattr(importlib.import_module(module), name)
    started_modules = len(sys.modules) - before
    answer = function(json.loads(event), None)
    answered = time.monotonic()
    result = {"answered": answered, "answer": answer, "modules": started_modules, "peak_bytes": peak_bytes()}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
