"""Changes of settings that pass through a state which AWS refuses. Pure.

An update changes the function first and what hangs on its alias after it, and removes at its end. What cannot be
reached in that order is refused before anything is created, with the two updates that lead there.
"""

from collections.abc import Mapping
from typing import Any

from infra.settings import Settings, SettingsError
from infra.settings.schema import NOT_RESERVED


def capacity_output(settings: Settings) -> dict[str, Any]:
    """The stack's output that the next update is compared with."""
    return {
        "provisionedConcurrency": settings.provisioned_concurrency,
        "reservedConcurrency": settings.reserved_concurrency,
        "snapStart": settings.snap_start,
    }


def check_transition(settings: Settings, outputs: Mapping[str, Any]) -> None:
    """Refuse what cannot be reached in one update from what `outputs` say is deployed.

    Raises:
        SettingsError: the message has the two updates.

    """
    deployed: Mapping[str, Any] = outputs.get("capacity") or {}
    provisioned = int(deployed.get("provisionedConcurrency", 0))
    reserved = int(deployed.get("reservedConcurrency", NOT_RESERVED))
    refusal = (
        _to_snap_start(settings, provisioned)
        or _below_provisioned(settings, provisioned, reserved)
        or _private_from_domain(settings, str(outputs.get("domainUrl") or ""))
    )
    if refusal:
        raise SettingsError(refusal)


def _to_snap_start(settings: Settings, provisioned: int) -> str | None:
    """The alias still has its environments when the function that it points at begins to be a snapshot.

    Source: AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart", Supported features.
    """
    if not (settings.snap_start and provisioned):
        return None
    return (
        f"snapStart is true and {provisioned} environments are provisioned now, which are removed at the end of an "
        "update: `pulumi config set snapStart false`, `pulumi config set provisionedConcurrency 0` and `pulumi up`; "
        "then `pulumi config set snapStart true` and `pulumi up`"
    )


def _private_from_domain(settings: Settings, domain_url: str) -> str | None:
    """The API becomes private before the domain that leads to it goes.

    Source: API Gateway Developer Guide, "Custom domain names for private APIs": a public domain has no private API.
    """
    if not (settings.vpc_endpoint_ids and domain_url):
        return None
    return (
        f"vpcEndpointIds is {', '.join(settings.vpc_endpoint_ids)} and {domain_url} leads to the API now, until the "
        "end of an update: first `pulumi config rm vpcEndpointIds` and `pulumi up`; then set them again with `pulumi "
        "config set --path 'vpcEndpointIds[0]' VALUE` and `pulumi up`"
    )


def _below_provisioned(settings: Settings, provisioned: int, reserved_now: int) -> str | None:
    """The function's reservation is changed before the alias's environments are.

    Source: AWS Lambda Developer Guide, "Configuring provisioned concurrency for a function": it counts against the
    reservation and cannot be more.
    """
    reserved = settings.reserved_concurrency
    if reserved == NOT_RESERVED or reserved >= provisioned:
        return None
    return (
        f"reservedConcurrency is {reserved} and {provisioned} environments are provisioned now: first "
        f"`pulumi config set reservedConcurrency {reserved_now}`, `pulumi config set provisionedConcurrency "
        f"{settings.provisioned_concurrency}` and `pulumi up`; then `pulumi config set reservedConcurrency {reserved}` "
        "and `pulumi up`"
    )
