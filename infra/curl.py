"""Ready `curl` lines for the outputs, made from the model's first example. Pure: no Pulumi."""

import json
import shlex
from typing import Any, TypedDict, Unpack
from urllib.parse import quote, quote_plus, urlencode

import msgspec

from model_registry.publish.synthetic import synthetic_rows
from model_runtime.manifest import Manifest
from model_runtime.schema import why_no_query_form

_KEY_HEADER = " -H 'x-api-key: YOUR-KEY'"
_BEARER = " -H 'Authorization: YOUR-TOKEN'"
_CERTIFICATE = " --cert YOUR-CERTIFICATE --key YOUR-KEY-FILE"
# The shell fills in the caller's own credentials, which `aws configure export-credentials --format env` prints.
_SIGNED = (
    ' --aws-sigv4 "aws:amz:$AWS_REGION:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
    ' -H "x-amz-security-token: $AWS_SESSION_TOKEN"'
)


class Access(TypedDict, total=False):
    """What a caller shows besides the request: an API key, a signature, a token, a client's certificate."""

    api_key: bool
    signed: bool
    token: bool
    certificate: bool


_OPTIONS = {"api_key": _KEY_HEADER, "signed": _SIGNED, "token": _BEARER, "certificate": _CERTIFICATE}


def get_line(url: str, manifest: Manifest, **access: Unpack[Access]) -> str:
    """GET with the example as query string; a shell's comment that says why where the model has no query form."""
    reason = why_no_query_form(manifest.signature)
    if reason is not None:
        return f"# There is no GET, as {reason}: take curlPost."
    present = {name: value for name, value in _example(manifest).items() if value is not None}
    texts = {name: json.dumps(value) if not isinstance(value, str) else value for name, value in present.items()}
    # Older versions of curl (7.88 among them) sign a query string as it stands, and AWS its canonical form: sorted,
    # with %20 for a space (IAM User Guide, "Create a signed AWS API request").
    signed = access.get("signed")
    query = urlencode(sorted(texts.items()) if signed else texts, quote_via=quote if signed else quote_plus)
    return f"curl{_options(access)} {shlex.quote(f'{url}?{query}')}"


def post_line(url: str, manifest: Manifest, **access: Unpack[Access]) -> str:
    """POST with the example as JSON body."""
    body = shlex.quote(json.dumps(_example(manifest)))
    return f"curl{_options(access)} -H 'Content-Type: application/json' -d {body} {shlex.quote(url)}"


def _options(access: Access) -> str:
    return "".join(option for name, option in _OPTIONS.items() if access.get(name))


def _example(manifest: Manifest) -> dict[str, Any]:
    """The values to show: older releases recorded rows that nobody said may be shown, and values are made instead."""
    features = manifest.signature.features
    if manifest.example_kind is None or not manifest.examples:
        made, *_ = synthetic_rows(manifest.signature, (), {}, ())
        return {feature.name: msgspec.to_builtins(value) for feature, value in zip(features, made, strict=True)}
    inputs = manifest.examples[0].input
    return {feature.name: inputs[feature.name] for feature in features}
