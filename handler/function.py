"""The entry point, `handler.function.handler`: the model is loaded when Lambda imports this."""

import os

from handler.app import App
from handler.model import Pin, load

handler = App(lambda: load(Pin.from_environment(os.environ)))
handler.start()
