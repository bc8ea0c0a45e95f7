"""Make `docs/settings.md` from the schema in `Pulumi.yaml` and the rules: `python -m infra.settings.page`."""

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from infra.function_code import PROJECT
from infra.settings.rules import RULES, snap_start_python

PAGE = PROJECT / "docs" / "settings.md"

_HEAD = """\
# Settings

<!-- Made by `python -m infra.settings.page` from Pulumi.yaml and infra/settings/rules.py: change those. -->

`pulumi config set KEY VALUE` sets one for the selected stack; lists and tags are set entry by entry, with `--path`:

```
pulumi config set memory 2048
pulumi config set --path 'corsOrigins[0]' https://app.example.com
pulumi config set --path tags.team forecasting
```

A value that cannot work is refused before anything is created. The stack `registry` uses `registryBucket`, `kmsKeyArn`,
`permissionsBoundaryArn` and `tags`.
"""

_REFUSED = """\
## Combinations that are refused

AWS would refuse these in the middle of a deployment, or take them and never do what they say.
"""

_OUTSIDE = """\
## What some settings need outside the stack

- `kmsKeyArn`: the key's policy must let CloudWatch Logs use it (principal `logs.REGION.amazonaws.com`), and whoever
  deploys needs `kms:CreateGrant`, `kms:Encrypt`, `kms:Decrypt` and `kms:GenerateDataKey`. The function's role may
  decrypt with the registry's key, and only through S3. Layers have Lambda's own key, which cannot be chosen.
- `subnetIds`: a function in a VPC reaches nothing outside it by itself. It reads its model from S3, so the subnets'
  route tables need a gateway endpoint for S3 (which is free) or a NAT gateway. Its log and traces do not pass through
  the VPC.
- `certificateArn` and `domainName`: the certificate must be issued before, in the stack's region. The outputs
  `domainTarget` and `domainTargetZone` are the target of the DNS record, which you make: this program manages no
  zone. `invokeUrl` stays the stage's own URL, which answers at once.
- `alarmTopicArn`: the topic's policy must let CloudWatch publish to it if it has one of its own.
- `provisionedConcurrency` and `snapStart` act on the published version that the API calls.
- `accessLog`: the stack `registry` gives API Gateway the right to write logs, once per account and region. API
  Gateway has no variable for the query string or body of a REST API's request, so no format can log the features.
- `corsOrigins`: with one origin, or `*`, the gateway answers preflights itself; with several the function does. What
  the gateway refuses itself (a missing key, a wrong body) every page may read if there are several origins: the
  gateway cannot compare. CORS tells browsers which pages may read answers, and keeps nobody else out: for that there
  are `apiKey` and `authorization`.
- `authorization`: callers need `execute-api:Invoke` on `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/*`. With
  `apiKey` too, a request needs both.
"""


def page(schema: Mapping[str, Mapping[str, Any]]) -> str:
    """The page's Markdown; `schema` is what `config` has in Pulumi.yaml."""
    table = ["| Key | Type | Default | What it is |", "| --- | --- | --- | --- |"]
    table += [
        f"| `{key}` | {_type(entry)} | {_default(entry)} | {_cell(entry['description'])} |"
        for key, entry in schema.items()
    ]
    refused = ["| Combination | Source |", "| --- | --- |", *_refusals()]
    return "\n".join([_HEAD, *table, "", _REFUSED, *refused, "", _OUTSIDE])


def _type(entry: Mapping[str, Any]) -> str:
    kind = str(entry["type"])
    return f"{kind} of {entry['items']['type']}s" if kind == "array" else kind


def _default(entry: Mapping[str, Any]) -> str:
    if "default" not in entry:
        return "required"
    value = entry["default"]
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`" if text else "empty"


def _refusals() -> Iterator[str]:
    for rule in (*RULES, snap_start_python):
        combination, _, source = (inspect.getdoc(rule) or "").partition("Source:")
        yield f"| {_cell(combination).rstrip('.')} | {_cell(source).rstrip('.')} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def read_schema() -> dict[str, dict[str, Any]]:
    """Read the schema of the project's settings."""
    schema: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    return schema


if __name__ == "__main__":
    PAGE.write_text(page(read_schema()), encoding="utf-8")
