"""What there is in an account, by kind: what a check must not leave behind, and what tests compare."""

from collections.abc import Callable, Mapping
from typing import Any

Client = Callable[[str], Any]
"""Gives a boto3 client of a service."""
Inventory = dict[str, list[str]]


def _listed(service: str, method: str, items: str, name: str) -> Callable[[Client], list[str]]:
    """Return the function that lists one kind; `items` and `name` are the answer's own words."""

    def run(client: Client) -> list[str]:
        found = client(service)
        if found.can_paginate(method):
            return [str(one[name]) for page in found.get_paginator(method).paginate() for one in page.get(items, [])]
        return [str(one[name]) for one in getattr(found, method)().get(items, [])]

    return run


def _layer_versions(client: Client) -> list[str]:
    layers = client("lambda")
    return [
        version["LayerVersionArn"]
        for page in layers.get_paginator("list_layers").paginate()
        for layer in page["Layers"]
        for version in layers.list_layer_versions(LayerName=layer["LayerName"])["LayerVersions"]
    ]


KINDS: Mapping[str, Callable[[Client], list[str]]] = {
    "alarms": _listed("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "API keys": _listed("apigateway", "get_api_keys", "items", "name"),
    "buckets": _listed("s3", "list_buckets", "Buckets", "Name"),
    "dashboards": _listed("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    "domain names": _listed("apigateway", "get_domain_names", "items", "domainName"),
    "functions": _listed("lambda", "list_functions", "Functions", "FunctionName"),
    "layer versions": _layer_versions,
    "log groups": _listed("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "REST APIs": _listed("apigateway", "get_rest_apis", "items", "name"),
    "roles": _listed("iam", "list_roles", "Roles", "RoleName"),
    "usage plans": _listed("apigateway", "get_usage_plans", "items", "name"),
}
"""For each kind that the project creates, what lists the names of all there are."""


def inventory(client: Client) -> Inventory:
    """List everything of the kinds that the project creates, sorted."""
    return {kind: sorted(listed(client)) for kind, listed in KINDS.items()}
