"""The one error of the settings."""

import pulumi

from model_registry.printable import printable


class SettingsError(pulumi.RunError):
    """A setting that cannot work; the message names it, its value and the remedy.

    Pulumi prints a RunError as one line, without a traceback. Names of a manifest in it are shown, and not obeyed.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message, but="\n"))
