"""Settings that an account's rules ask for, in every stack: the key, the tags, the boundary of roles."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.settings.checks import IAM_POLICY, KMS_KEY, SettingsError, check_arn, check_pattern

# Tagging AWS Resources, "Tag naming limits and requirements"; the characters are those that every service takes.
_CHARACTERS = r"[\w .:/=+@-]"
_TAGS_MAX = 50


@dataclass(frozen=True)
class AccountSettings:
    """What holds for all resources of a stack; empty for none."""

    kms_key_arn: str = ""
    permissions_boundary_arn: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_arn("kmsKeyArn", self.kms_key_arn, KMS_KEY)
        check_arn("permissionsBoundaryArn", self.permissions_boundary_arn, IAM_POLICY)
        _check_tags(self.tags)

    @property
    def kms_key(self) -> str | None:
        """The key, as resources take it."""
        return self.kms_key_arn or None

    @property
    def permissions_boundary(self) -> str | None:
        """The boundary, as roles take it."""
        return self.permissions_boundary_arn or None

    @property
    def resource_tags(self) -> dict[str, str] | None:
        """The tags, as resources take them."""
        return dict(sorted(self.tags.items())) or None


def _check_tags(tags: Mapping[str, str]) -> None:
    """Refuse what some service would refuse.

    Source: Tagging AWS Resources and Tag Editor User Guide, "Tag naming limits and requirements".
    """
    for key, value in tags.items():
        what = "a name of 1 to 128 letters, digits, spaces and _.:/=+-@ that does not begin with aws:"
        check_pattern("tags", key, rf"(?!(?i:aws):){_CHARACTERS}{{1,128}}", f"{what} (and a value)")
        what = "0 to 256 letters, digits, spaces and _.:/=+-@"
        check_pattern(f"tags.{key}", value, rf"{_CHARACTERS}{{0,256}}", what)
    if len(tags) > _TAGS_MAX:
        raise SettingsError(f"tags has {len(tags)} tags, a resource takes {_TAGS_MAX}: remove some")
