"""The errors of the check.

CheckError
├── RefusedError  nothing was begun: credentials, region, Pulumi or a confirmation are missing
└── EngineError   a command of `pulumi` failed; the message is what it said
"""


class CheckError(Exception):
    """The root: one line that states the fact, the value and the remedy."""


class RefusedError(CheckError):
    """Nothing was begun: credentials, region, Pulumi or a confirmation are missing."""


class EngineError(CheckError):
    """A command of `pulumi` failed; the message is what it said."""
