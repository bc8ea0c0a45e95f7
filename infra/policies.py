"""IAM documents, from plain values."""

import json
from typing import Any

_VERSION = "2012-10-17"


def trust(service: str) -> str:
    """Who may take the role: an AWS service, for example `lambda.amazonaws.com`."""
    return _document({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def function_policy(*, models_arn: str, log_group_arn: str, tracing: bool) -> str:
    """What the function may do: read versions of its model, write its own log, send traces.

    `models_arn` is the registry bucket's ARN with the key prefix of the model's versions. The function lists
    nothing and writes nothing to any bucket.
    """
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{models_arn}*"},
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
        },
    ]
    if tracing:
        # These two actions know no resources (Service Authorization Reference, AWS X-Ray).
        statements.append(
            {"Effect": "Allow", "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "Resource": "*"}
        )
    return _document(*statements)


def tls_only(bucket_arn: str) -> str:
    """A bucket policy that refuses requests over plain HTTP."""
    return _document(
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket_arn, f"{bucket_arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": _VERSION, "Statement": list(statements)}, sort_keys=True)
