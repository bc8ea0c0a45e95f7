"""Published versions of the function: which there are, and which go.

Lambda keeps each version that is published, with its network interfaces, its snapshot (SnapStart) and its share of the
account's storage for code. Source: AWS Lambda Developer Guide, "Manage Lambda function versions" and "Lambda quotas".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from botocore.exceptions import ClientError

from infra import aws_account

_LATEST = "$LATEST"


@dataclass(frozen=True)
class Version:
    """A published version; `in_vpc`: it holds network interfaces."""

    number: int
    in_vpc: bool = False


@dataclass(frozen=True)
class Published:
    """The versions of one function, and the numbers of those that an alias points at."""

    function: str = ""
    versions: tuple[Version, ...] = ()
    aliased: frozenset[int] = frozenset()

    @property
    def hold_interfaces(self) -> bool:
        """Whether any version has network interfaces, which Lambda removes with the rights of the function's role."""
        return any(version.in_vpc for version in self.versions)

    def to_delete(self, keep: int) -> list[int]:
        """The numbers of the versions that go: all but the newest `keep`, those in use, and the one before each."""
        numbers = sorted(version.number for version in self.versions)
        before = {max((one for one in numbers if one < used), default=used) for used in self.aliased}
        kept = {*numbers[-keep:], *self.aliased, *before}
        return [number for number in numbers if number not in kept]


def published(function: str | None) -> Published:
    """Read the versions of a function; none where there is no function yet."""
    if not function:
        return Published()
    lambda_ = aws_account.client("lambda")
    try:
        pages = lambda_.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        found = [one for page in pages for one in page["Versions"] if one["Version"] != _LATEST]
        aliases = [
            alias
            for page in lambda_.get_paginator("list_aliases").paginate(FunctionName=function)
            for alias in page["Aliases"]
        ]
    except lambda_.exceptions.ResourceNotFoundException:
        return Published()
    used = {number for alias in aliases for number in _numbers(alias)}
    versions = (Version(int(one["Version"]), bool(one.get("VpcConfig", {}).get("SubnetIds"))) for one in found)
    return Published(function, tuple(versions), frozenset(used))


def holds_interfaces(found: Published, outputs: Mapping[str, Any]) -> bool:
    """Whether the role must keep its rights on network interfaces, without a VPC in the settings.

    Lambda removes interfaces later than the versions that had them, with the same rights; `outputs` are the stack's.
    """
    remain = bool(outputs.get("interfaceRights")) and aws_account.interfaces_remain(found.function)
    return found.hold_interfaces or remain


def prune(found: Published, keep: int) -> None:
    """Delete old versions, in an update; in a preview say which."""
    numbers = found.to_delete(keep)
    if not numbers:
        return
    pulumi.log.info(f"old versions of the function go, {keep} stay (keepVersions): {_ranges(numbers)}")
    if pulumi.runtime.is_dry_run():
        return
    lambda_ = aws_account.client("lambda")
    for number in numbers:
        try:
            lambda_.delete_function(FunctionName=found.function, Qualifier=str(number))
        except ClientError as error:
            pulumi.log.warn(f"version {number} of {found.function} stays: {error}")


def _numbers(alias: dict[str, object]) -> Iterable[int]:
    routing = alias.get("RoutingConfig")
    weights = routing.get("AdditionalVersionWeights") if isinstance(routing, dict) else None
    return (int(str(number)) for number in (alias["FunctionVersion"], *(weights or {})) if number != _LATEST)


def _ranges(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
