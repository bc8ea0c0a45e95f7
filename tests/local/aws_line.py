"""Stands in for the AWS command line, whose options are the API's members spelled with dashes: `aws SERVICE OPERATION`.

No part of this project needs the real one, which asks for another botocore.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3
import jmespath  # type: ignore[import-untyped]  # of boto3


def camel(option: str) -> str:
    """`--function-name` is FunctionName, or functionName where a service writes it so."""
    return "".join(part.capitalize() for part in option.removeprefix("--").split("-"))


def _value(text: str) -> str:
    """`file://PATH` stands for what is in the file."""
    return Path(text.removeprefix("file://")).read_text() if text.startswith("file://") else text


def main(service: str, operation: str, *arguments: str) -> None:
    """Call, and print what the command line would."""
    *pairs, last = arguments if len(arguments) % 2 else (*arguments, "")
    options = dict(zip(pairs[::2], pairs[1::2], strict=True))
    options = {name: _value(text) for name, text in options.items()}
    query, is_text = options.pop("--query", "@"), options.pop("--output", "json") == "text"
    assert options.pop("--cli-binary-format", "raw-in-base64-out") == "raw-in-base64-out"  # of the tests
    client = boto3.client(service)
    method = operation.replace("-", "_")
    members = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape.members
    known = {name.lower(): name for name in members}
    answer: dict[str, Any] = getattr(client, method)(**{known[camel(name).lower()]: options[name] for name in options})
    if last:  # where the body goes
        assert last == "/dev/stdout"  # of the tests
        sys.stdout.write(answer.pop("Payload").read().decode() + "\n")
    found = jmespath.search(query, answer)
    sys.stdout.write(str(found) if is_text else json.dumps(found, default=str))


if __name__ == "__main__":
    os.environ.setdefault("AWS_DEFAULT_REGION", os.environ.get("AWS_REGION", ""))
    main(*sys.argv[1:])
