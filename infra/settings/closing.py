"""Rules of what closes an API: its endpoint, its domain, its limits. In the form that `rules` describes."""

from infra.settings.field import remedy, shown
from infra.settings.schema import THROTTLE_BURST, THROTTLE_RATE, Settings


def throttle_is_lifted(settings: Settings) -> str | None:
    """`throttle` `none` with `throttleRate` or `throttleBurst`.

    Source: the settings would change nothing.
    """
    given = {
        "throttleRate": (settings.throttle_rate, THROTTLE_RATE),
        "throttleBurst": (settings.throttle_burst, THROTTLE_BURST),
    }
    for name, (value, default) in given.items():
        if settings.throttle == "none" and value != default:
            return (
                f"throttle is none and {name} is {value}, which limits nothing then: `pulumi config set throttle on`, "
                f"or `pulumi config rm {name}`"
            )
    return None


def domain_with_certificate(settings: Settings) -> str | None:
    """`domainName` without `certificateArn`, or the other way round.

    Source: API Gateway Developer Guide, "Custom domain name for public REST APIs in API Gateway".
    """
    if bool(settings.domain_name) == bool(settings.certificate_arn):
        return None
    given, value, missing = (
        ("domainName", settings.domain_name, "certificateArn")
        if settings.domain_name
        else ("certificateArn", settings.certificate_arn, "domainName")
    )
    return f"{given} is {shown(value)} and {missing} is empty, one needs the other: {remedy(missing)}"


def private_without_domain(settings: Settings) -> str | None:
    """`vpcEndpointIds` with `domainName`: a private API has private domains, which this program does not make.

    Source: API Gateway Developer Guide, "Custom domain names for private APIs in API Gateway".
    """
    if not (settings.vpc_endpoint_ids and settings.domain_name):
        return None
    return (
        f"vpcEndpointIds is {', '.join(settings.vpc_endpoint_ids)} and domainName {settings.domain_name!r}, a public "
        "domain leads to no private API: `pulumi config rm domainName` and `pulumi config rm certificateArn`, or "
        "`pulumi config rm vpcEndpointIds`"
    )


def default_endpoint_beside_domain(settings: Settings) -> str | None:
    """`defaultEndpoint` `false` without `domainName`: nobody would reach the API.

    Source: API Gateway Developer Guide, "Disable the default endpoint for REST APIs in API Gateway".
    """
    if settings.default_endpoint or settings.domain_name:
        return None
    return (
        "defaultEndpoint is false and domainName is empty, so that nobody reaches the API: `pulumi config set "
        "defaultEndpoint true`, or `pulumi config set domainName VALUE`"
    )


def truststore_of_domain(settings: Settings) -> str | None:
    """`truststoreUri` without `domainName`.

    Source: API Gateway Developer Guide, "How to turn on mutual TLS authentication for your REST APIs in API Gateway".
    """
    if not settings.truststore_uri or settings.domain_name:
        return None
    return (
        f"truststoreUri is {settings.truststore_uri} and domainName is empty, callers show certificates at a domain "
        "alone: `pulumi config set domainName VALUE`, or `pulumi config rm truststoreUri`"
    )


def truststore_alone(settings: Settings) -> str | None:
    """`truststoreUri` with `defaultEndpoint` `true`, where callers need no certificate.

    Source: API Gateway Developer Guide, "How to turn on mutual TLS authentication for your REST APIs in API Gateway".
    """
    if not (settings.truststore_uri and settings.domain_name and settings.default_endpoint):
        return None
    return (
        f"truststoreUri is {settings.truststore_uri} and defaultEndpoint is true, where nobody is asked for a "
        "certificate: `pulumi config set defaultEndpoint false`"
    )
