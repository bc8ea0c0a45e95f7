import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from infra import aws_account, version_check
from infra.settings import SettingsError
from infra.version_check import VersionCheck, is_checked, question, read_answer
from tests.infra.examples import release, settings

PLACE = {"FunctionName": "iris-dev", "Qualifier": "4"}
SELF_CHECK = b'{"selfCheck": true, "raise": true}'


@pytest.fixture
def lambda_(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """Lambda, of which each answer is put down beforehand and checked by its API model."""
    client = boto3.session.Session("nobody", "no secret", region_name="eu-central-1").client("lambda")
    monkeypatch.setattr(aws_account, "client", lambda *_args: client)
    monkeypatch.setattr(version_check, "_PAUSE_SECONDS", 0)
    with Stubber(client) as stubbed:
        yield stubbed
        stubbed.assert_no_pending_responses()


def state(stubbed: Stubber, name: str, reason: str = "") -> None:
    stubbed.add_response("get_function_configuration", {"State": name, "StateReason": reason}, PLACE)


def answer(stubbed: Stubber, document: dict[str, Any]) -> None:
    data = json.dumps(document).encode()
    body = StreamingBody(BytesIO(data), len(data))
    stubbed.add_response("invoke", {"StatusCode": 200, "Payload": body}, {**PLACE, "Payload": SELF_CHECK})


def failed(**document: Any) -> dict[str, Any]:
    """What Lambda answers where the handler raised its problem."""
    return {"errorType": "InvocationError", "errorMessage": json.dumps({"status": 503, **document})}


def run(*, is_first: bool = False, **changes: Any) -> None:
    VersionCheck(settings(**changes), release(), "iris-dev", "4").run(is_first=is_first)


def test_a_version_that_answers_its_golden_examples_is_served(lambda_: Stubber) -> None:
    state(lambda_, "Active")
    answer(lambda_, {"statusCode": 200, "body": "{}"})
    run()


def test_what_a_new_role_may_not_yet_read_and_what_is_throttled_is_tried_again(lambda_: Stubber) -> None:
    state(lambda_, "Active")
    answer(lambda_, failed(phase="fetch", detail="S3 does not let the function's role read it"))
    lambda_.add_client_error("invoke", "TooManyRequestsException")
    answer(lambda_, {"statusCode": 200, "body": "{}"})
    run(is_first=True)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (failed(phase="load", detail="KeyError: 'x'"), "KeyError: 'x' (load); callers go on .*: go to a version"),
        (
            {"errorMessage": "Task timed out after 1.00 seconds"},
            "set timeout SECONDS` and `pulumi up`, or go",
        ),
        ({"errorMessage": "signal: killed", "errorType": "Runtime.ExitError"}, "set memory MB` and `pulumi up`, or go"),
        ({"errorMessage": "No module named 'a'", "errorType": "Runtime.ImportModuleError"}, "ModuleError: No module"),
    ],
)
def test_one_that_does_not_is_refused_at_once_with_the_reason_and_the_remedy(
    lambda_: Stubber, document: dict[str, Any], said: str
) -> None:
    state(lambda_, "Active")
    answer(lambda_, document)
    with pytest.raises(SettingsError, match=r"^iris/3 does not serve") as refusal:
        run()
    for part in said.split(".*"):
        assert part in str(refusal.value)
    assert str(refusal.value).endswith(
        "`python -m model_registry rollback iris@dev --bucket s3://models-of-ours` and `pulumi up`"
    )


def test_a_snapshot_that_lambda_could_not_make_is_refused_and_not_called(lambda_: Stubber) -> None:
    state(lambda_, "Failed", "the function's code raised an error")
    with pytest.raises(SettingsError, match=r"Failed: the .* set snapStart false` and `pulumi up`, then .* or go"):
        run(snap_start=True)


def test_without_the_right_to_call_it_the_right_is_named(lambda_: Stubber) -> None:
    state(lambda_, "Active")
    lambda_.add_client_error("invoke", "AccessDeniedException")
    with pytest.raises(SettingsError, match="give whoever deploys lambda:InvokeFunction"):
        run()


def test_what_does_not_pass_in_time_is_told(lambda_: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_check, "PATIENCE_SECONDS", 0)
    state(lambda_, "Active")
    lambda_.add_client_error("invoke", "TooManyRequestsException")
    with pytest.raises(SettingsError, match="reserve more with `pulumi config set reservedConcurrency NUMBER`"):
        run()


def test_a_feature_of_the_self_checks_name_makes_it_a_warm_up() -> None:
    assert question(["sl", "sw"]) == SELF_CHECK
    assert "detail-type" in json.loads(question(["sl", "raise"]))
    assert read_answer(b'{"statusCode": 200, "body": "{}"}') is None
    refused = read_answer(json.dumps({"statusCode": 503, "body": '{"detail": "no model"}'}).encode())
    assert refused is not None
    assert (refused.reason, refused.passes) == ("no model", True)


@pytest.mark.parametrize(
    ("reserved", "provisioned_now", "expected"),
    [(-1, 0, True), (-1, 9, True), (0, 0, False), (5, 5, False), (5, 4, True), (3, 5, False), (5, 0, True)],
)
def test_a_version_is_called_unless_all_that_is_reserved_belongs_to_the_alias(
    reserved: int, provisioned_now: int, *, expected: bool
) -> None:
    outputs = {"capacity": {"provisionedConcurrency": float(provisioned_now)}}
    assert is_checked(settings(reserved_concurrency=reserved), outputs) is expected
    assert is_checked(settings(reserved_concurrency=5), {})
