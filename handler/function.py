"""The entry point, `handler.function.handler`: the model is loaded when Lambda imports this."""

import gc

gc.disable()  # until the model is loaded: what a start makes stays, looking for garbage among it finds none

import os
import sys
from collections.abc import Callable
from typing import Any

from handler import BEGAN, log
from handler.app import App
from model_runtime.download import REFUSED_SECONDS
from model_runtime.start import INIT_SECONDS, REQUEST_SECONDS, SNAPSHOT_SECONDS, Deployment, ServedModel, load

_REQUEST = (REQUEST_SECONDS, REFUSED_SECONDS)
_TIMES = {"on-demand": (INIT_SECONDS, REFUSED_SECONDS), "snap-start": (SNAPSHOT_SECONDS, SNAPSHOT_SECONDS)}
"""How long an init phase of each type may fetch, and try again what is refused."""


class _Loader:
    """Loads the pinned model: at first as the start of this environment, afterwards as part of a request."""

    def __init__(self) -> None:
        # Only the init phase of an environment that a request waits for is limited to 10 s.
        self._since: float | None = BEGAN
        self._times = _TIMES.get(_initialization, _REQUEST)

    def __call__(self) -> ServedModel:
        since, (seconds, refused) = self._since, self._times
        self._since, self._times = None, _REQUEST
        gc.disable()
        try:
            deployment = Deployment.from_environment(os.environ)
            served = load(deployment, since=since, seconds=seconds, refused_seconds=refused)
            gc.freeze()  # nor is it looked through later
        finally:
            gc.enable()
        return served


# The owner's own code comes first, as the folder of a script does where it was trained. Ours is imported already.
_own = f"{os.path.dirname(os.path.dirname(__file__))}/own"
if os.path.isdir(_own):
    sys.path.insert(0, _own)

_initialization = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
_app = App(_Loader())
if _initialization == "snap-start":
    from handler import snapstart  # here, as no other start needs it; so is what follows

    # A version that cannot load its model must not be published: each of its environments would be a copy of that.
    _app.start(must_load=True)
    snapstart.after_restore(snapstart.reseed, _app.restored)
else:
    _app.start()
_messages = log.has_messages(os.environ)
log.warnings_without_messages(messages=_messages)
if not _messages:
    log.records_without_messages()
handler: Callable[[Any, object], dict[str, Any]] = _app
if origins := os.environ.get("ALLOWED_ORIGINS"):
    from handler.cors import allow

    handler = allow(_app, origins)
