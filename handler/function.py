"""The entry point, `handler.function.handler`: the model is loaded when Lambda imports this."""

import os

from handler import BEGAN, snapstart
from handler.app import App
from handler.model import Pin, ServedModel, load

_since = [BEGAN]  # of the first start only; one that is tried again begins then


def _load() -> ServedModel:
    return load(Pin.from_environment(os.environ), since=_since.pop() if _since else None)


handler = App(_load)
if snapstart.is_snapshot(os.environ):
    # A version that cannot load its model must not be published: each of its environments would be a copy of that.
    handler.start(must_load=True)
    snapstart.after_restore(snapstart.reseed, handler.restored)
else:
    handler.start()
