"""A stack's API, and what the stack says of it: how to call it."""

from typing import Any

import pulumi

from infra.api import ApiArgs, ModelApi
from infra.curl import Access, get_line, post_line
from infra.custom_domain import CustomDomain
from infra.settings import Settings
from model_runtime.manifest import Manifest

POLICY = "apiPolicy"
"""The output that says whether the API has a resource policy; the next update reads it."""


def api_outputs(settings: Settings, manifest: Manifest, api: ModelApi) -> dict[str, pulumi.Input[Any]]:
    """The URL, a line of `curl` for each form of a request, and the key's ID."""
    root = api.url if settings.default_endpoint else pulumi.Output.from_input(f"https://{settings.domain_name}")
    invoke_url = root.apply(lambda url: f"{url.rstrip('/')}/predict")
    access: Access = {
        "api_key": settings.api_key,
        "signed": settings.authorization == "iam",
        "token": bool(settings.authorizer_arn),
        "certificate": bool(settings.truststore_uri),
    }
    outputs: dict[str, pulumi.Input[Any]] = {
        "invokeUrl": invoke_url,
        "curlGet": invoke_url.apply(lambda url: get_line(url, manifest, **access)),
        "curlPost": invoke_url.apply(lambda url: post_line(url, manifest, **access)),
    }
    if settings.has_open_page:
        outputs["pageUrl"] = root.apply(lambda url: f"{url.rstrip('/')}/")
    if api.api_key_id is not None:
        outputs["apiKeyId"] = api.api_key_id
    return outputs


def deploy_api(
    name: str, arguments: ApiArgs, manifest: Manifest, opts: pulumi.ResourceOptions
) -> tuple[ModelApi, dict[str, pulumi.Input[Any]]]:
    """The REST API, and the domain where it has one; with what is said of them."""
    settings = arguments.settings
    api = ModelApi(f"{name}-api", arguments, opts=opts)
    outputs = {**api_outputs(settings, manifest, api), POLICY: arguments.has_policy}
    if settings.domain_name:
        domain = CustomDomain(
            f"{name}-domain", settings=settings, rest_api=api.rest_api_id, stage=api.stage_name, opts=opts
        )
        outputs["domainUrl"] = f"https://{settings.domain_name}/predict"
        outputs["domainTarget"] = domain.target
        outputs["domainTargetZone"] = domain.target_zone
    return api, outputs
