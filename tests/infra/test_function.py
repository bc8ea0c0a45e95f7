import json
from typing import Any

import msgspec
import pulumi
import pytest

from infra.function import FunctionArgs, ModelFunction
from infra.function_code import PROJECT, bytecode
from model_registry.release import Release
from model_registry.shipping import function_files, function_hashes, function_requirements
from model_runtime.manifest import Environment, ModelFormat, encode
from tests.handler.requirements import locked
from tests.infra.examples import release, settings
from tests.infra.recording import Recording, record

IRIS = release()
SKOPS = ModelFormat(artifact=IRIS.manifest.artifact, environment=IRIS.manifest.environment)
ONNX = ModelFormat(
    artifact=IRIS.manifest.artifact, environment=Environment(python="3.13", machine="x86_64", packages={})
)
MANIFEST = msgspec.structs.replace(IRIS.manifest, formats={"skops": SKOPS, "onnx": ONNX})
RELEASE = Release(MANIFEST, encode(MANIFEST))
LAYER = "arn:aws:lambda:eu-central-1:123456789012:layer:packages:1"


def declare(*, hold_interfaces: bool = False, **changes: Any) -> Recording:
    given = settings(**{"architecture": "arm64", **changes})
    args = FunctionArgs(release=RELEASE, layer_arn=LAYER, settings=given, hold_interfaces=hold_interfaces)
    return record(lambda: ModelFunction("iris-dev", args))


@pytest.fixture(scope="module")
def function() -> Recording:
    return declare()


def test_the_function_is_pinned_to_a_version_and_its_digest(function: Recording) -> None:
    variables = function.one("Function").inputs["environment"]["variables"]
    assert variables["MODEL_BUCKET"] == "models-of-ours"
    assert (variables["MODEL_NAME"], variables["MODEL_VERSION"]) == ("iris", "3")
    assert variables["MODEL_MANIFEST_SHA256"] == RELEASE.manifest_sha256
    assert variables["OMP_NUM_THREADS"] == variables["OPENBLAS_NUM_THREADS"] == "1"


def test_one_row_gets_one_thread(function: Recording) -> None:
    variables = function.one("Function").inputs["environment"]["variables"]
    assert (variables["OPENBLAS_NUM_THREADS"], variables["OMP_NUM_THREADS"]) == ("1", "1")


def test_the_function_knows_the_keys_that_the_stack_trusts_and_no_empty_ones(function: Recording) -> None:
    assert "MODEL_PUBLIC_KEY" not in function.one("Function").inputs["environment"]["variables"]
    variables = declare(public_keys=("ed25519:a", "ed25519:b")).one("Function").inputs["environment"]["variables"]
    assert variables["MODEL_PUBLIC_KEY"] == "ed25519:a,ed25519:b"


def test_the_function_knows_its_format_and_the_types_that_the_stack_trusts(function: Recording) -> None:
    variables = function.one("Function").inputs["environment"]["variables"]
    assert not {"MODEL_FORMAT", "MODEL_TRUSTED_TYPES"} & variables.keys(), "a stack of before stays as it is"
    made = declare(model_format="skops", trusted_types=("a.B", "c.D")).one("Function").inputs
    variables = made["environment"]["variables"]
    assert (variables["MODEL_FORMAT"], variables["MODEL_TRUSTED_TYPES"]) == ("skops", "a.B,c.D")
    assert made["runtime"] == "python3.12"


def test_the_function_knows_what_of_requests_is_logged_and_counted(function: Recording) -> None:
    variables = function.one("Function").inputs["environment"]["variables"]
    assert not {"REQUEST_LOG", "LABEL_COUNTS"} & variables.keys()
    variables = declare(request_log="sampled", label_counts=True).one("Function").inputs["environment"]["variables"]
    assert (variables["REQUEST_LOG"], variables["LABEL_COUNTS"]) == ("sampled", "on")


def test_the_function_knows_that_there_is_no_page(function: Recording) -> None:
    assert "TRY_IT_PAGE" not in function.one("Function").inputs["environment"]["variables"]
    assert declare(try_it_page=False).one("Function").inputs["environment"]["variables"]["TRY_IT_PAGE"] == "off"


def test_the_runtime_of_a_format_that_unpickles_nothing_is_its_own() -> None:
    assert declare(model_format="onnx").one("Function").inputs["runtime"] == "python3.13"


def test_the_runtime_follows_the_python_of_the_manifest(function: Recording) -> None:
    inputs = function.one("Function").inputs
    assert inputs["runtime"] == "python3.12"
    assert inputs["architectures"] == ["arm64"]
    assert inputs["layers"] == [LAYER]


def test_the_alias_points_at_a_published_version(function: Recording) -> None:
    assert function.one("Function").inputs["publish"] is True
    alias = function.one("Alias").inputs
    assert (alias["name"], alias["functionVersion"]) == ("live", "7")


def test_the_first_update_that_lets_callers_in_again_changes_the_alias_so_that_its_version_is_called() -> None:
    """With `reservedConcurrency` 0 no version can be called before; what is reserved is no part of a version."""
    open_again, refused = declare(), declare(reserved_concurrency=0)
    texts = [one.one("Alias").inputs["description"] for one in (open_again, refused)]
    assert texts == ["What the API calls", "What the API calls, while calls are refused"]
    assert declare(reserved_concurrency=5).one("Alias").inputs["description"] == texts[0]


def test_tracing_is_on_by_setting_in_function_and_rights() -> None:
    on, off = declare(tracing=True), declare(tracing=False)
    assert on.one("Function").inputs["tracingConfig"]["mode"] == "Active"
    assert off.one("Function").inputs["tracingConfig"]["mode"] == "PassThrough"
    assert "xray" in on.one("RolePolicy").inputs["policy"]
    assert "xray" not in off.one("RolePolicy").inputs["policy"]


def test_the_function_logs_to_its_own_group_with_retention(function: Recording) -> None:
    group = function.one("LogGroup")
    assert group.inputs["retentionInDays"] == 7
    assert function.one("Function").inputs["loggingConfig"]["logGroup"] == group.name


def test_the_role_reads_versions_of_the_served_model_only(function: Recording) -> None:
    assert "lambda.amazonaws.com" in function.one("Role").inputs["assumeRolePolicy"]
    statements = json.loads(function.one("RolePolicy").inputs["policy"])["Statement"]
    (read,) = [statement for statement in statements if statement["Action"] == "s3:GetObject"]
    assert read["Resource"] == "arn:aws:s3:::models-of-ours/models/iris/versions/*"


def test_the_code_is_the_handler_and_the_light_part_of_the_registry(function: Recording) -> None:
    code = function.one("Function").inputs["code"]
    assert isinstance(code, pulumi.AssetArchive)
    names = set(function_files())
    assert set(code.assets) == names | bytecode(MANIFEST.environment.python).keys()
    assert {"handler/function.py", "model_runtime/storage.py"} <= names
    assert (
        not {"model_registry/identity.py", "model_registry/publish/estimator.py", "model_registry/registry.py"} & names
    )
    assert "model_runtime/signing.py" in names
    assert "model_registry/signing.py" not in names, "private keys are no matter of the function"


def test_the_handlers_packages_are_pinned_as_in_the_lock() -> None:
    lock = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    pins, signing = function_requirements(), function_requirements(signing=True)
    assert set(pins) == {"msgspec", "obstore"}
    assert set(signing) - set(pins) == {"cffi", "cryptography", "pycparser"}
    for name, version in signing.items():
        assert f"\n{name}=={version} " in lock


def test_the_handlers_packages_have_the_digests_of_wheels_of_the_lock() -> None:
    hashes, known = function_hashes(signing=True), locked()
    assert hashes.keys() == function_requirements(signing=True).keys()
    for name, found in hashes.items():
        assert found
        assert set(found) <= known[name][1]
    # One for each Python and architecture, but for 3.11 on arm64: obstore has no wheel for its image.
    assert len(hashes["msgspec"]) == 7


KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


def test_by_default_nothing_is_reserved_provisioned_or_in_a_vpc(function: Recording) -> None:
    inputs = function.one("Function").inputs
    assert inputs["ephemeralStorage"] == {"size": 512}
    assert inputs["reservedConcurrentExecutions"] == -1
    assert not {"snapStart", "vpcConfig", "kmsKeyArn", "tags"} & inputs.keys()
    assert not function.all("ProvisionedConcurrencyConfig")
    assert "ALLOWED_ORIGINS" not in inputs["environment"]["variables"]


def test_provisioned_concurrency_is_on_the_alias_that_the_api_calls() -> None:
    recording = declare(ephemeral_storage=2048, reserved_concurrency=10, provisioned_concurrency=3)
    provisioned = recording.one("ProvisionedConcurrencyConfig").inputs
    assert (provisioned["qualifier"], provisioned["provisionedConcurrentExecutions"]) == ("live", 3)
    inputs = recording.one("Function").inputs
    assert (inputs["ephemeralStorage"], inputs["reservedConcurrentExecutions"]) == ({"size": 2048}, 10)


def test_snap_start_is_for_published_versions() -> None:
    inputs = declare(snap_start=True).one("Function").inputs
    assert inputs["snapStart"] == {"applyOn": "PublishedVersions"}
    assert inputs["publish"] is True


def test_in_a_vpc_the_role_may_have_network_interfaces() -> None:
    recording = declare(subnet_ids=("subnet-0a1b2c3d",), security_group_ids=("sg-0a1b2c3d",))
    expected = {"subnetIds": ["subnet-0a1b2c3d"], "securityGroupIds": ["sg-0a1b2c3d"]}
    assert recording.one("Function").inputs["vpcConfig"] == expected
    assert "ec2:CreateNetworkInterface" in recording.one("RolePolicy").inputs["policy"]


def test_out_of_a_vpc_the_rights_stay_while_a_version_has_interfaces(function: Recording) -> None:
    leaving = declare(hold_interfaces=True)
    assert "vpcConfig" not in leaving.one("Function").inputs
    assert "ec2:DeleteNetworkInterface" in leaving.one("RolePolicy").inputs["policy"]
    assert "ec2:" not in function.one("RolePolicy").inputs["policy"]


def test_key_tags_and_boundary_are_on_all_that_takes_them() -> None:
    recording = declare(kms_key_arn=KEY, permissions_boundary_arn=BOUNDARY, tags={"team": "a"})
    assert recording.one("Function").inputs["kmsKeyArn"] == KEY
    assert recording.one("LogGroup").inputs["kmsKeyId"] == KEY
    assert recording.one("Role").inputs["permissionsBoundary"] == BOUNDARY
    for kind in ("Function", "LogGroup", "Role"):
        assert recording.one(kind).inputs["tags"] == {"team": "a"}


@pytest.mark.parametrize("registry_key", ["", KEY.replace("0a1b", "2c3d")])
def test_the_role_decrypts_with_the_registrys_key_which_is_the_stacks_own_unless_said(registry_key: str) -> None:
    recording = declare(kms_key_arn=KEY, registry_kms_key_arn=registry_key)
    statements = json.loads(recording.one("RolePolicy").inputs["policy"])["Statement"]
    assert [s["Resource"] for s in statements if s["Action"] == "kms:Decrypt"] == [registry_key or KEY]


def test_the_handler_is_told_the_origins() -> None:
    origins = ("https://app.example.com", "http://localhost:8080")
    variables = declare(cors_origins=origins).one("Function").inputs["environment"]["variables"]
    assert variables["ALLOWED_ORIGINS"] == ",".join(origins)
