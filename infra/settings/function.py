"""Settings of how the function runs: its storage, its concurrency, its start, its network."""

from dataclasses import dataclass

from infra.settings.checks import SettingsError, check_pattern, check_range

# AWS Lambda Developer Guide, "Configure ephemeral storage for Lambda functions": MB.
EPHEMERAL_STORAGE = range(512, 10_240 + 1)
# Lambda API Reference, VpcConfig.
SUBNETS_MAX, SECURITY_GROUPS_MAX = 16, 5
NOT_RESERVED = -1
# The account's quota (1,000 at first) can be raised; this only keeps a slip of the finger out.
_CONCURRENCY_MAX = 100_000


@dataclass(frozen=True)
class Capacity:
    """What the function has when it runs; `ephemeral_storage` in MB, concurrency in calls at the same time."""

    ephemeral_storage: int = 512
    reserved_concurrency: int = NOT_RESERVED
    provisioned_concurrency: int = 0
    snap_start: bool = False

    def __post_init__(self) -> None:
        check_range("ephemeralStorage", self.ephemeral_storage, EPHEMERAL_STORAGE, "MB")
        reserved = range(NOT_RESERVED, _CONCURRENCY_MAX + 1)
        check_range("reservedConcurrency", self.reserved_concurrency, reserved, "calls (-1 reserves nothing)")
        check_range("provisionedConcurrency", self.provisioned_concurrency, range(_CONCURRENCY_MAX + 1), "environments")


@dataclass(frozen=True)
class Network:
    """The VPC in which the function runs, if any."""

    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_ids("subnetIds", self.subnet_ids, "subnet", SUBNETS_MAX)
        _check_ids("securityGroupIds", self.security_group_ids, "sg", SECURITY_GROUPS_MAX)

    @property
    def in_vpc(self) -> bool:
        """Whether the function runs in a VPC of the account."""
        return bool(self.subnet_ids)


def _check_ids(name: str, values: tuple[str, ...], prefix: str, most: int) -> None:
    for value in values:
        check_pattern(
            name, value, rf"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})", f"IDs such as {prefix}-0a1b2c3d", item=True
        )
    if len(values) > most:
        raise SettingsError(f"{name} has {len(values)} IDs ({', '.join(values)}), Lambda takes {most}: remove some")
