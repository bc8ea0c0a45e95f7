"""The entry point, `handler.function.handler`: the model is loaded when Lambda imports this."""

import gc
import os

from handler import BEGAN, snapstart
from handler.app import App
from handler.cors import allow
from model_runtime.start import INIT_SECONDS, REQUEST_SECONDS, Pin, ServedModel, load

# Only the init phase of an environment that a request waits for is limited to 10 s.
_is_on_demand = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand") == "on-demand"
_first = [(BEGAN, INIT_SECONDS if _is_on_demand else REQUEST_SECONDS)]


def _load() -> ServedModel:
    # A start that is tried again is part of a request.
    since, seconds = _first.pop() if _first else (None, REQUEST_SECONDS)
    gc.disable()  # what a start makes is there to stay: looking for garbage among it costs time and finds none
    try:
        served = load(Pin.from_environment(os.environ), since=since, seconds=seconds)
    finally:
        gc.enable()
    gc.freeze()  # nor is it looked through later
    return served


_app = App(_load)
if snapstart.is_snapshot(os.environ):
    # A version that cannot load its model must not be published: each of its environments would be a copy of that.
    _app.start(must_load=True)
    snapstart.after_restore(snapstart.reseed, _app.restored)
else:
    _app.start()
handler = allow(_app, os.environ.get("ALLOWED_ORIGINS", ""))
