"""Serves the components to Pulumi's engine, which makes packages for other languages of their types."""

import sys
from importlib import metadata
from typing import Any

from pulumi.errors import InputPropertiesError, InputPropertyErrorDetails
from pulumi.provider import main as serve
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError

from infra.model import SklearnModel
from infra.registry import ModelRegistryBucket
from infra.settings import SettingsError

PACKAGE = "sklearn-on-lambda"


class Host(ComponentProvider):
    """The components, with the schema that Pulumi's analyzer finds in their types and docstrings."""

    def __init__(self) -> None:
        super().__init__([ModelRegistryBucket, SklearnModel], PACKAGE, version=_version())

    def construct(self, *arguments: Any, **options: Any) -> Any:
        """Construct a component; what cannot work is one line, as in Python, and not the traceback of a bug."""
        try:
            return super().construct(*arguments, **options)
        except ComponentInitError as error:
            if isinstance(error.inner, SettingsError):
                # The engine shows the reasons alone; which argument it is, the reason says.
                refused = InputPropertyErrorDetails(property_path="args", reason=str(error.inner))
                raise InputPropertiesError("", [refused]) from error
            raise


def main() -> None:
    """Serve until the engine goes."""
    serve(Host(), sys.argv[1:])


def _version() -> str:
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "0.0.0"  # a checkout that is not installed
