"""The one error of the settings."""

import pulumi


class SettingsError(pulumi.RunError):
    """A setting that cannot work; the message names it, its value and the remedy.

    Pulumi prints a RunError as one line, without a traceback.
    """
