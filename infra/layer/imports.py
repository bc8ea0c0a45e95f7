"""Import modules one by one and print, as JSON, those that fail, each with its error.

Run as a program by an interpreter of the layer's own minor version, which need not have this project installed:

    python -I -S imports.py SITE_PACKAGES MODULE ...
"""

import importlib
import io
import json
import sys
from contextlib import redirect_stdout


def failures(modules: list[str], present: set[str]) -> dict[str, str]:
    """Import modules and return the errors; that a package is missing which is not `present` is not counted."""
    failed = {}
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if (error.name or name).partition(".")[0] in present:
                failed[name] = repr(error)
        except BaseException as error:  # noqa: BLE001  # SystemExit of a program that is named like a module too
            failed[name] = repr(error)
    return failed


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    with redirect_stdout(io.StringIO()):  # modules print
        _failed = failures(sys.argv[2:], set(sys.argv[2:]))
    print(json.dumps(_failed))  # noqa: T201  # what the caller reads
