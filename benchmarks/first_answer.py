"""The fresh process of a cold start: import a handler, answer one event, say when and what it took.

    python first_answer.py MODULE.FUNCTION EVENT

It runs in the environment that is measured, so it imports nothing of the project, and nothing before the handler that
Lambda's own runtime does not import too. The last line on stdout is the result; the handler's log comes before it.
"""

import importlib
import json
import sys
import time
from collections import Counter


def peak_bytes() -> int:
    """The peak of resident memory since this program was executed.

    On Linux not `ru_maxrss`, which a process takes over from the one that started it (proc(5) on VmHWM, getrusage(2)).
    """
    if sys.platform != "linux":
        import resource  # here: the imports are counted

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    with open("/proc/self/status") as status:  # noqa: PTH123  # pathlib is one of the imports that are counted
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def main(handler: str, event: str) -> None:
    """Start and answer, then print one JSON line. `answered` is on the machine's monotonic clock, in seconds."""
    module, _, name = handler.rpartition(".")
    before = set(sys.modules)
    function = getattr(importlib.import_module(module), name)
    imported = set(sys.modules) - before
    answer = function(json.loads(event), None)
    answered = time.monotonic()
    modules = Counter(name.partition(".")[0] for name in imported)
    result = {"answered": answered, "answer": answer, "modules": modules, "peak_bytes": peak_bytes()}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
