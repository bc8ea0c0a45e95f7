"""The errors of the local AWS.

LocalError
├── StartError        MiniStack or its environment could not be started
├── ApiModelError     AWS would refuse the request that a resource makes
├── ConfigError       a stack's configuration is missing, or is not what Pulumi.yaml declares
└── UnsupportedError  the program asks for a resource, an input or a call that the local AWS does not have
"""


class LocalError(Exception):
    """The root: one line that states the fact, the value and the remedy."""


class StartError(LocalError):
    """MiniStack or its environment could not be started."""


class ApiModelError(LocalError):
    """AWS would refuse a request; the message names operation, member, value and rule."""


class ConfigError(LocalError):
    """A stack's configuration is missing, or is not what Pulumi.yaml declares."""


class UnsupportedError(LocalError):
    """The program asks for a resource, an input or a call that the local AWS does not have."""
