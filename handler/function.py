"""The entry point, `handler.function.handler`: the model is loaded when Lambda imports this."""

import os

from handler.app import App
from handler.cors import allow
from handler.model import Pin, load

_app = App(lambda: load(Pin.from_environment(os.environ)))
_app.start()
handler = allow(_app, os.environ.get("ALLOWED_ORIGINS", ""))
