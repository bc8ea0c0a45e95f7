"""API Gateway's domain names: MiniStack routes requests by their `Host` to the mapped stage, over plain HTTP."""

from collections.abc import Mapping

from local.ministack import REGION, LocalAws
from local.resources.base import Field, Properties, ResourceType, request

_DOMAIN: Mapping[str, Field] = {
    "domainName": "domainName",
    # It is kept: MiniStack serves domains over plain HTTP.
    "mutualTlsAuthentication": "mutualTlsAuthentication",
    # The provider has one type as a string where the service has a list.
    "endpointConfiguration": ("endpointConfiguration", lambda value: value | {"types": [value["types"]]}),
    "regionalCertificateArn": "regionalCertificateArn",
    "regionalCertificateName": "regionalCertificateName",
    "securityPolicy": "securityPolicy",
    "tags": "tags",
}
_MAPPING: Mapping[str, Field] = {
    "domainName": "domainName",
    "basePath": "basePath",
    "restApi": "restApiId",
    "stageName": "stage",
}
_ROOT = "(none)"  # the service's word for no base path


def _create_domain(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    domain = aws.client("apigateway").create_domain_name(**request(_DOMAIN, inputs))
    return domain["domainName"], {
        "arn": f"arn:aws:apigateway:{REGION}::/domainnames/{domain['domainName']}",
        "regionalDomainName": domain["regionalDomainName"],
        "regionalZoneId": domain["regionalHostedZoneId"],
    }


def _update_domain(aws: LocalAws, name: str, inputs: Properties) -> Properties:
    """Create it again with its mappings: MiniStack does not change a domain, but replaces one that exists."""
    gateway = aws.client("apigateway")
    mappings = gateway.get_base_path_mappings(domainName=name).get("items", [])
    outputs = _create_domain(aws, inputs)[1]
    for mapping in mappings:
        gateway.create_base_path_mapping(domainName=name, **mapping)
    return outputs


def _create_mapping(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    mapping = aws.client("apigateway").create_base_path_mapping(**request(_MAPPING, inputs))
    return f"{inputs['domainName']}/{inputs.get('basePath', '')}", {"basePath": _path(mapping["basePath"])}


def _update_mapping(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
    aws.client("apigateway").delete_base_path_mapping(
        domainName=inputs["domainName"], basePath=inputs.get("basePath") or _ROOT
    )
    return _create_mapping(aws, inputs)[1]


def _path(base_path: str) -> str:
    return "" if base_path == _ROOT else base_path


RESOURCES = {
    "aws:apigateway/domainName:DomainName": ResourceType(
        _create_domain,
        frozenset(_DOMAIN),
        _update_domain,
        identity=frozenset({"domainName"}),
    ),
    "aws:apigateway/basePathMapping:BasePathMapping": ResourceType(
        _create_mapping,
        frozenset(_MAPPING),
        _update_mapping,
        identity=frozenset({"domainName", "basePath"}),
    ),
}
