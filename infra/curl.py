"""Ready `curl` lines for the outputs, made from the model's first golden example. Pure: no Pulumi."""

import json
import shlex
from typing import Any
from urllib.parse import urlencode

from model_registry.manifest import Manifest
from model_registry.schema import has_query_form

_KEY_HEADER = " -H 'x-api-key: YOUR-KEY'"
# The shell fills in the caller's own credentials, which `aws configure export-credentials --format env` prints.
_SIGNED = (
    ' --aws-sigv4 "aws:amz:$AWS_REGION:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
    ' -H "x-amz-security-token: $AWS_SESSION_TOKEN"'
)


def get_line(url: str, manifest: Manifest, *, api_key: bool = False, signed: bool = False) -> str | None:
    """GET with the example as query string; None where the model has no query form."""
    if not has_query_form(manifest.signature):
        return None
    present = {name: value for name, value in _example(manifest).items() if value is not None}
    query = urlencode(
        {name: json.dumps(value) if not isinstance(value, str) else value for name, value in present.items()}
    )
    return f"curl{_options(api_key=api_key, signed=signed)} {shlex.quote(f'{url}?{query}')}"


def post_line(url: str, manifest: Manifest, *, api_key: bool = False, signed: bool = False) -> str:
    """POST with the example as JSON body."""
    body = shlex.quote(json.dumps(_example(manifest)))
    options = _options(api_key=api_key, signed=signed)
    return f"curl{options} -H 'Content-Type: application/json' -d {body} {shlex.quote(url)}"


def _options(*, api_key: bool, signed: bool) -> str:
    return f"{_KEY_HEADER if api_key else ''}{_SIGNED if signed else ''}"


def _example(manifest: Manifest) -> dict[str, Any]:
    inputs = manifest.examples[0].input
    return {feature.name: inputs[feature.name] for feature in manifest.signature.features}
