"""What holds for all components alike."""

from collections import Counter

import pytest

from infra.account_verifier import ModelVerifier
from infra.alarms import ModelAlarms
from infra.api import ApiArgs, ModelApi
from infra.api_logging import ApiGatewayLogging
from infra.artifact_bucket import ArtifactBucket
from infra.audit_trail import AuditTrail
from infra.custom_domain import CustomDomain
from infra.dashboard import ModelDashboard
from infra.function import FunctionArgs, ModelFunction
from infra.layer_version import DependencyLayer
from infra.registry_bucket import RegistryBucket
from infra.registry_policies import RegistryPolicies
from infra.settings import RegistrySettings
from tests.infra.examples import IRIS, layer, release, settings
from tests.infra.recording import Recording, record


def everything() -> None:
    account = RegistrySettings(registry_bucket="models-of-ours", object_lock_days=1, role_policies=("reader",))
    registry = RegistryBucket("registry", bucket_name="models-of-ours", account=account)
    AuditTrail("registry-audit", registry=registry, account=account)
    RegistryPolicies("registry-policies", account=account)
    ModelVerifier("registry-verifier", account=account)
    ApiGatewayLogging("api-logging")
    packages = DependencyLayer(
        "iris-dev-layer",
        layer=layer(),
        python="3.12",
        architecture="x86_64",
        artifacts=ArtifactBucket("iris-dev-artifacts"),
    )
    given = settings(
        provisioned_concurrency=1,
        api_key=True,
        throttle_rate=1,
        throttle_burst=1,
        cors_origins=("*",),
        domain_name="iris.example.com",
    )
    function = ModelFunction("iris-dev", FunctionArgs(release=release(), layer_arn=packages.arn, settings=given))
    ModelApi("iris-dev-api", ApiArgs(signature=IRIS, function=function, settings=given))
    api_name, function_name = "rest", function.function_name
    CustomDomain("iris-dev-domain", settings=given, rest_api="rest", stage="dev")
    ModelAlarms("iris-dev-alarms", settings=given, function_name=function_name, api_name=api_name)
    ModelDashboard(
        "iris-dev-dashboard",
        settings=given,
        signature=IRIS,
        function_arn=function.function_arn,
        log_group=function.log_group,
        api_name=api_name,
    )


@pytest.fixture(scope="module")
def all_components() -> Recording:
    return record(everything)


def test_every_resource_is_the_child_of_a_component(all_components: Recording) -> None:
    """The mock monitor writes the chain of parent types into the URN."""
    components = [r for r in all_components.resources if r.is_component]
    assert len(components) == 14
    for urn in all_components.urns:
        chain = urn.split("::")[2].split("$")
        assert any(kind.startswith("sklearn-on-lambda:infra:") for kind in chain), urn


def test_names_are_unique_in_the_whole_program(all_components: Recording) -> None:
    counts = Counter(resource.name for resource in all_components.resources)
    assert [name for name, count in counts.items() if count > 1] == []


def test_children_are_named_after_their_component(all_components: Recording) -> None:
    components = [r.name for r in all_components.resources if r.is_component]
    for resource in all_components.resources:
        if not resource.is_component:
            assert any(resource.name.startswith(f"{name}-") for name in components), resource.name


def test_nothing_calls_the_unpublished_version(all_components: Recording) -> None:
    for resource in all_components.resources:
        assert "$LATEST" not in str(resource.inputs), resource.name
