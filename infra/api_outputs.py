"""What a stack says of its API: how to call it."""

from typing import Any

import pulumi

from infra.api import ModelApi
from infra.curl import get_line, post_line
from infra.settings import Settings
from model_runtime.manifest import Manifest


def api_outputs(settings: Settings, manifest: Manifest, api: ModelApi) -> dict[str, pulumi.Input[Any]]:
    """The URL, a line of `curl` for each form of a request, and the key's ID."""
    invoke_url = api.url.apply(lambda url: f"{url.rstrip('/')}/predict")
    access = {"api_key": settings.api_key, "signed": settings.authorization == "iam"}
    outputs: dict[str, pulumi.Input[Any]] = {
        "invokeUrl": invoke_url,
        "curlGet": invoke_url.apply(lambda url: get_line(url, manifest, **access)),
        "curlPost": invoke_url.apply(lambda url: post_line(url, manifest, **access)),
    }
    if api.api_key_id is not None:
        outputs["apiKeyId"] = api.api_key_id
    return outputs
