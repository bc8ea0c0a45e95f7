"""What the checks of all settings share: their error, and the shapes of values. Pure but for the error's base."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from model_runtime.errors import InvalidNameError
from model_runtime.manifest import check_slug as registry_slug


class SettingsError(pulumi.RunError):
    """A setting that cannot work; the message names it, its value and the remedy.

    Pulumi prints a RunError as one line, without a traceback.
    """


@dataclass(frozen=True)
class ArnShape:
    """How the ARN of one kind of resource looks.

    Source: IAM User Guide, "Identify AWS resources with Amazon Resource Names (ARNs)", and the resource types of each
    service in the Service Authorization Reference.
    """

    what: str
    service: str
    resource: str
    """A pattern."""
    example: str
    regional: bool = True


KMS_KEY = ArnShape(
    # CloudWatch Logs takes the ARN of a key and not of an alias (CloudWatch Logs API Reference, AssociateKmsKey).
    *("a KMS key", "kms", r"key/[0-9A-Za-z-]+", "arn:aws:kms:eu-central-1:123456789012:key/ID")
)
SNS_TOPIC = ArnShape("an SNS topic", "sns", r"[0-9A-Za-z_-]+", "arn:aws:sns:eu-central-1:123456789012:NAME")
CERTIFICATE = ArnShape(
    *("a certificate", "acm", r"certificate/[0-9A-Za-z-]+", "arn:aws:acm:eu-central-1:123456789012:certificate/ID")
)
IAM_POLICY = ArnShape(
    *("an IAM policy", "iam", r"policy/[\w+=,.@/-]+", "arn:aws:iam::123456789012:policy/NAME"), regional=False
)


def check_slug(name: str, value: str) -> None:
    """Refuse what the registry takes for no name."""
    try:
        registry_slug(value, name)
    except InvalidNameError as error:
        raise SettingsError(str(error)) from error


def check_range(name: str, value: int, allowed: range, unit: str) -> None:
    """Refuse a number outside the range."""
    if value not in allowed:
        raise SettingsError(f"{name} is {value}, it must be from {allowed[0]} to {allowed[-1]} {unit}: {remedy(name)}")


def check_choice(name: str, value: object, allowed: Sequence[object]) -> None:
    """Refuse what is none of the choices."""
    if value not in allowed:
        raise SettingsError(f"{name} is {value!r}, it must be one of {', '.join(map(str, allowed))}: {remedy(name)}")


def check_pattern(name: str, value: str, pattern: str, what: str, *, item: bool = False) -> None:
    """Refuse a text that the pattern does not match as a whole; `item`: it is one of a list."""
    if not re.fullmatch(pattern, value, re.ASCII):
        verb = "has" if item else "is"
        raise SettingsError(f"{name} {verb} {value!r}, it must be {what}: {remedy(name, item=item)}")


def check_arn(name: str, value: str, shape: ArnShape) -> None:
    """Refuse what is not the ARN of this kind of resource; an empty text is no ARN at all and right."""
    place = r"[a-z0-9-]+:\d{12}" if shape.regional else r":(\d{12}|aws)"
    if value:
        what = f"the ARN of {shape.what} such as {shape.example}"
        check_pattern(name, value, rf"arn:aws[a-z-]*:{shape.service}:{place}:{shape.resource}", what)


def check_region(name: str, arn: str, region: str) -> None:
    """Refuse a regional ARN of another region than the stack's; either may be empty, when it is not known."""
    found = arn.split(":")[3] if arn else ""
    if found and region and found != region:
        raise SettingsError(
            f"{name} is {arn!r}, of the region {found}, and aws:region is {region}: name one of the stack's own region"
        )


def remedy(name: str, *, item: bool = False) -> str:
    """The command that sets a value, or one of a list."""
    return f"`pulumi config set --path '{name}[0]' VALUE`" if item else f"`pulumi config set {name} VALUE`"
