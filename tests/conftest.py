"""What the tests of several folders share: a real local AWS, a bucket, a registry, the guide's model."""

import dataclasses
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from local.ministack import REGION, LocalAws, local_aws
from model_registry import Registry, Storage
from model_runtime.pin import Pin
from model_runtime.start import Deployment, ServedModel, load
from tests.go_programs import ProgramNotFoundError, Progress
from training.train_iris import Trained, publish, train

ACTOR = "the tests"

# A time limit for one example would measure the machine; CI repeats the same examples, people get new ones each time.
hypothesis.settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("project")

# A shell starts what it puts in the background with Ctrl-C ignored; what tests interrupt must not inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_proof() -> Iterator[None]:
    """Tests of the proof ask for it; an environment for each other one, and for fixtures, would prove nothing more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL_REGISTRY_PROOF", "none")
        yield


@pytest.fixture(autouse=True)
def _no_real_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the credentials, profiles or settings of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name == "MODEL_REGISTRY"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as in a pipe: readline, which pytest imports, sets COLUMNS for the workers of pytest-xdist."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def show(pytestconfig: pytest.Config) -> Progress:
    """Print on the terminal, past the capture."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():  # people see why it takes minutes
            print(f"\n{text}", flush=True)  # noqa: T201  # progress on the terminal

    return line


def found_or_skip(find: Callable[[], Path]) -> Path:
    """Return a program; where there is none, skip with the reason, and fail in CI, where a skip would go unseen."""
    try:
        return find()
    except ProgramNotFoundError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must run these tests. {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """One MiniStack for all tests, IAM enforced; its Python environment is the project's, in `.local`."""
    with local_aws(tmp_path_factory.mktemp("aws")) as running:
        let_gateway_log(running)
        let_vpc_reach_s3(running)
        yield running


def let_gateway_log(aws: LocalAws) -> None:
    """As in an account in use: some role is there by which API Gateway writes its logs."""
    role = "arn:aws:iam::000000000000:role/logs-of-api-gateway"
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]
    aws.client("apigateway").update_account(patchOperations=patch)


def let_vpc_reach_s3(aws: LocalAws) -> None:
    """As in an account in use: functions in its VPC read their models."""
    ec2 = aws.client("ec2")
    service = f"com.amazonaws.{REGION}.s3"
    for table in ec2.describe_route_tables()["RouteTables"]:
        ec2.create_vpc_endpoint(VpcId=table["VpcId"], ServiceName=service, RouteTableIds=[table["RouteTableId"]])


def new_bucket(aws: LocalAws) -> str:
    """Make an empty, versioned bucket."""
    name = f"models-{uuid.uuid4().hex[:12]}"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def bucket(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket; the environment has the account's credentials."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    return new_bucket(aws)


@pytest.fixture
def storage(bucket: str) -> Storage:
    return Storage.open(bucket)


@pytest.fixture
def registry(storage: Storage) -> Registry:
    return Registry(storage, actor=ACTOR)


@pytest.fixture
def outsider(aws: LocalAws, bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Turn the environment's credentials into those of an IAM user without any right; returns the user's name."""
    name = f"user-of-{bucket}"
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    return name


@pytest.fixture(scope="session")
def trained_iris() -> Trained:
    """The guide's random forest, without the test part: a report with each version of it would prove nothing more."""
    return dataclasses.replace(train(), X_test=None, y_test=None)


@pytest.fixture(scope="session")
def served_iris(aws: LocalAws, trained_iris: Trained) -> ServedModel:
    """The guide's model, published as version 1 and loaded as the function loads it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        bucket = new_bucket(aws)
        registry = Registry(Storage.open(bucket), actor=ACTOR, proof="none")
        release = publish(registry, trained_iris, "Random forest of the guide")
        pin = Pin(release.manifest.name, release.manifest.version, release.manifest_sha256)
        return load(Deployment(bucket, pin))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage where hypothesis repeats what is covered already: it takes as long as the test itself."""
    for item in items:
        if hypothesis.is_hypothesis_test(getattr(item, "function", None)):
            item.add_marker(pytest.mark.no_cover)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests Pulumi's real engine has run: without an engine they are skipped."""
    counts = {
        outcome: len([one for one in terminalreporter.stats.get(outcome, []) if one.nodeid.startswith("tests/pulumi/")])
        for outcome in ("passed", "failed", "error", "skipped")
    }
    if any(counts.values()):
        said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        terminalreporter.write_line(f"with Pulumi's engine: {said}")
