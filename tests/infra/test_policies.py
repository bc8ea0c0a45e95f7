import json
from typing import Any

from infra import policies
from tests.iam import Asked, decisions

POLICY: dict[str, Any] = {
    "models_arn": "arn:aws:s3:::bucket/models/iris/versions/",
    "models_owner": "123456789012",
    "log_group_arn": "arn:aws:logs:eu-central-1:123456789012:log-group:iris",
}


def statements(document: str) -> list[dict[str, Any]]:
    parsed = json.loads(document)
    assert parsed["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = parsed["Statement"]
    return found


def actions(document: str) -> set[str]:
    listed = [statement["Action"] for statement in statements(document)]
    return {action for entry in listed for action in ([entry] if isinstance(entry, str) else entry)}


def test_the_function_may_read_its_model_write_its_log_and_trace_and_nothing_else() -> None:
    assert actions(policies.function_policy(**POLICY, tracing=True)) == {
        "s3:GetObject",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    }


def test_without_tracing_there_is_no_right_to_trace() -> None:
    assert not any(action.startswith("xray") for action in actions(policies.function_policy(**POLICY, tracing=False)))


def test_only_tracing_which_knows_no_resources_is_granted_on_everything() -> None:
    for statement in statements(policies.function_policy(**POLICY, tracing=True)):
        if statement["Resource"] == "*":
            assert all(action.startswith("xray:") for action in statement["Action"])


def test_the_function_reads_versions_of_its_own_model_only() -> None:
    (read,) = [s for s in statements(policies.function_policy(**POLICY, tracing=True)) if s["Action"] == "s3:GetObject"]
    assert read["Resource"] == "arn:aws:s3:::bucket/models/iris/versions/*"


def test_the_function_reads_from_no_bucket_of_another_account() -> None:
    """A name is free once its bucket is deleted: whoever takes it then would give the function another model."""
    policy = json.loads(policies.function_policy(**POLICY, tracing=True))
    model = "arn:aws:s3:::bucket/models/iris/versions/1/model.joblib"
    principals = {"Allow": "arn:aws:sts::123456789012:assumed-role/iris/one"}
    owners = {"Allow": "123456789012", "ImplicitDeny": "210987654321"}
    for decision, owner in owners.items():
        changed = {**policy, "Statement": json.loads(json.dumps(policy["Statement"]).replace("123456789012", owner))}
        assert decisions([Asked("s3:GetObject", model, changed, principal=principals["Allow"])]) == [decision]


def test_a_bucket_refuses_plain_http_for_its_objects_and_itself() -> None:
    (deny,) = statements(policies.tls_only("arn:aws:s3:::bucket"))
    assert deny["Effect"] == "Deny"
    assert deny["Resource"] == ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"]
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_role_is_taken_by_the_named_service_only() -> None:
    (statement,) = statements(policies.trust("lambda.amazonaws.com"))
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"


KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"


def test_with_a_key_the_function_may_decrypt_what_s3_reads_and_nothing_else() -> None:
    document = policies.function_policy(**POLICY, tracing=False, models_key_arn=KEY)
    (decrypt,) = [s for s in statements(document) if s["Action"] == "kms:Decrypt"]
    assert decrypt["Resource"] == KEY
    assert decrypt["Condition"] == {"StringLike": {"kms:ViaService": "s3.eu-central-1.amazonaws.com*"}}
    assert actions(document) - actions(policies.function_policy(**POLICY, tracing=False)) == {"kms:Decrypt"}


def test_in_a_vpc_lambda_may_connect_the_function_and_its_code_may_not() -> None:
    document = policies.function_policy(**POLICY, tracing=False, in_vpc=True)
    manage, describe, deny = statements(document)[-3:]
    assert "arn:aws:ec2:eu-central-1:*:network-interface/*" in manage["Resource"]
    assert describe["Action"] == ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    assert (describe["Effect"], deny["Effect"]) == ("Allow", "Deny")
    assert sorted(deny["Action"]) == sorted([*manage["Action"], *describe["Action"]])
    assert deny["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}
