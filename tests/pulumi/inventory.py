"""What there is in the account, by kind: two inventories are equal when nothing was created or left behind."""

from collections.abc import Callable, Mapping
from typing import Any

from local.ministack import LocalAws

Inventory = dict[str, list[str]]
ONE_STACK = {"REST APIs": 1, "buckets": 1, "functions": 1, "layer versions": 1, "log groups": 2, "roles": 1}
"""What a stack with default settings adds to an account."""


def _listed(service: str, method: str, items: str, name: str) -> Callable[[LocalAws], list[str]]:
    """Return the function that lists one kind; `items` and `name` are the answer's own words."""

    def run(aws: LocalAws) -> list[str]:
        client = aws.client(service)
        if client.can_paginate(method):
            return [str(one[name]) for page in client.get_paginator(method).paginate() for one in page.get(items, [])]
        return [str(one[name]) for one in getattr(client, method)().get(items, [])]

    return run


def _layer_versions(aws: LocalAws) -> list[str]:
    client = aws.client("lambda")
    layers = client.list_layers()["Layers"]
    return [
        version["LayerVersionArn"]
        for layer in layers
        for version in client.list_layer_versions(LayerName=layer["LayerName"])["LayerVersions"]
    ]


_KINDS: Mapping[str, Callable[[LocalAws], list[str]]] = {
    "alarms": _listed("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "API keys": _listed("apigateway", "get_api_keys", "items", "id"),
    "buckets": _listed("s3", "list_buckets", "Buckets", "Name"),
    "dashboards": _listed("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    "domain names": _listed("apigateway", "get_domain_names", "items", "domainName"),
    "functions": _listed("lambda", "list_functions", "Functions", "FunctionName"),
    "layer versions": _layer_versions,
    "log groups": _listed("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "REST APIs": _listed("apigateway", "get_rest_apis", "items", "id"),
    "roles": _listed("iam", "list_roles", "Roles", "RoleName"),
    "usage plans": _listed("apigateway", "get_usage_plans", "items", "id"),
}


def inventory(aws: LocalAws) -> Inventory:
    """List everything of the kinds that the project creates, sorted."""
    return {kind: sorted(listed(aws)) for kind, listed in _KINDS.items()}


def added(before: Inventory, after: Inventory) -> dict[str, int]:
    """Return how many of each kind `after` has more than `before`, without the kinds of which there are as many."""
    counts: dict[str, Any] = {kind: len(after[kind]) - len(before[kind]) for kind in after}
    return {kind: count for kind, count in counts.items() if count}
