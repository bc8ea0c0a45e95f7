"""What every resource type shares: its record, and the way from Pulumi's properties to a request's parameters."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.errors import UnsupportedError
from local.ministack import LocalAws

Properties = dict[str, Any]
Field = str | tuple[str, Callable[[Any], Any]]
"""A request's parameter, with the function that makes its value from the input's where they differ."""

COMMON = frozenset({"region", "tagsAll"})
"""Inputs that every type ignores: there is one region here, and `tagsAll` repeats `tags`."""


@dataclass(frozen=True)
class ResourceType:
    """How one type of resource is created and updated.

    Both functions return the output properties beyond the inputs; the outputs as the pulumi-aws provider gives them are
    the inputs with these over them.
    """

    create: Callable[[LocalAws, Properties], tuple[str, Properties]]
    """Takes the inputs, returns the physical id and the outputs."""
    inputs: frozenset[str]
    """The inputs that the functions use."""
    update: Callable[[LocalAws, str, Properties], Properties] | None = None
    """Takes the physical id and the new inputs; None if a changed resource is replaced."""
    ignored: frozenset[str] = frozenset()
    """The inputs that have no meaning here; any input in neither set is refused."""
    identity: frozenset[str] = frozenset()
    """The inputs whose change makes another resource, so that it is replaced and not updated."""
    renewed: frozenset[str] = frozenset()
    """The outputs that an update may change: a preview does not know them."""
    named: str | None = None
    """The input that is made up from the logical name when the program leaves it out."""

    def complete(self, token: str, urn: str, inputs: Properties, salt: str = "") -> Properties:
        """Return the inputs with the made-up name, which differs between deployments of other salt.

        Raises:
            UnsupportedError: an input is neither used nor ignored here.

        """
        unknown = sorted(key for key in set(inputs) - self.inputs - self.ignored - COMMON if not key.startswith("__"))
        if unknown:
            raise UnsupportedError(
                f"{urn.rsplit('::', 1)[-1]} ({token}) sets {', '.join(unknown)}, which the local AWS does not have: "
                f"leave it out for this stack, or add it to local/resources"
            )
        if self.named is None or self.named in inputs:
            return inputs
        # The provider's suffix is random; this one is the same in every deployment of the stack.
        suffix = hashlib.sha256((salt + urn).encode()).hexdigest()[:7]
        return inputs | {self.named: f"{urn.rsplit('::', 1)[-1]}-{suffix}"}


def whole(value: Any) -> Any:
    """Return a whole number whole: numbers travel as floats between program, engine and provider."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def request(fields: Mapping[str, Field], inputs: Properties) -> Properties:
    """Return the parameters of a request: those of `fields` that have an input."""
    parameters = {}
    for name, field in fields.items():
        if inputs.get(name) is not None:
            parameter, convert = (field, _same) if isinstance(field, str) else field
            parameters[parameter] = convert(inputs[name])
    return parameters


def _same(value: Any) -> Any:
    return value


_PASCAL = {"id": "ID", "mfaDelete": "MFADelete", "sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"}


def pascal(value: Any) -> Any:
    """Return the value with the keys of every mapping in it as most AWS services write them: `days` is `Days`."""
    if isinstance(value, dict):
        return {_PASCAL.get(key, key[0].upper() + key[1:]): pascal(item) for key, item in value.items()}
    return [pascal(item) for item in value] if isinstance(value, list) else value


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags as S3 and IAM take them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def account(aws: LocalAws) -> str:
    """Return the account's number."""
    return str(aws.client("sts").get_caller_identity()["Account"])
