"""The whole set of verbs on services that speak S3, and what people set for them."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import joblib
import numpy as np
import pytest
from botocore.config import Config
from sklearn.naive_bayes import GaussianNB
from typer.testing import CliRunner, Result

from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.cli import app
from model_runtime import uploads
from model_runtime.aws import BucketAddress, aws_session, configured_service
from model_runtime.bucket_owner import require_owner
from model_runtime.errors import BucketOwnerError, ConflictError
from model_runtime.s3_requests import S3Requests
from tests.conftest import new_bucket
from tests.model_registry.processes import add
from tests.model_registry.services import servers

X = np.arange(12.0).reshape(6, 2)
PART = 5 << 20
BUCKETS = ("models-one", "models-two")
SERVICES = ["ministack", "moto", *(pytest.param(name, marks=pytest.mark.soak) for name in servers.GO)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Starts a service once, and gives its URL."""
    urls: dict[str, str] = {}
    with ExitStack() as stack:

        def url(name: str) -> str:
            if name not in urls:
                server: Any = servers.SERVERS[name]
                urls[name] = stack.enter_context(server(tmp_path_factory.mktemp(name)))
            return urls[name]

        yield url


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two empty buckets of a service, which the environment names."""
    monkeypatch.setenv("MODEL_REGISTRY_ACTOR", "the tests")
    if request.param == "ministack":
        aws: LocalAws = request.getfixturevalue("aws")
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        return new_bucket(aws), new_bucket(aws)
    url = request.getfixturevalue("running")(request.param)
    settings = {"ENDPOINT_URL": url, "ACCESS_KEY_ID": servers.KEY, "SECRET_ACCESS_KEY": servers.SECRET}
    for name, value in {**settings, "REGION": "us-east-1", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    made = tuple(f"{bucket}-{request.node.name.encode().hex()[-40:]}"[:63] for bucket in BUCKETS)
    for bucket in made:
        s3.create_bucket(Bucket=bucket)
    return made[0], made[1]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_every_verb(service: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket, other = service
    monkeypatch.setenv("MODEL_REGISTRY", bucket)
    joblib.dump(GaussianNB().fit(X, [0, 0, 0, 1, 1, 1]), tmp_path / "model.joblib")
    (tmp_path / "rows.json").write_text(json.dumps(X.tolist()))

    def done(*arguments: str) -> Any:
        result = run(*arguments, "--json")
        assert result.exit_code == 0, (arguments, result.stderr)
        return json.loads(result.stdout)

    publish = ("publish", str(tmp_path / "model.joblib"), "-n", "iris", "-x", str(tmp_path / "rows.json"))
    for version in (1, 2, 3):
        said = run(*publish, "--metric", f"accuracy=0.9{version}", "--json")
        assert json.loads(said.stdout)["version"] == version, said.stderr
    assert done("tag", "iris/1", "prod")["version"] == 1
    assert done("promote", "iris", "--to", "prod", "--version", "2", "--require", "accuracy>=0.9")["version"] == 2
    assert done("rollback", "iris@prod")["version"] == 1
    assert done("rules", "iris@prod", "--require", "accuracy>=0.93", "-m", "better")["gates"]["require"]
    assert "error: " in run("promote", "iris", "--to", "prod", "--version", "2").stderr
    assert done("resolve", "iris@prod")["version"] == 1
    assert done("which", "iris@prod", "--at", "2999-01-01")["version"] == 1
    assert [move["to_version"] for move in done("history", "iris@prod")["history"]] == [1, 2, 1]
    assert done("deprecate", "iris/3", "-m", "leaks")["deprecated"]
    assert [one["deprecated"] for one in done("list", "iris")["versions"]] == [False, False, True]
    assert not done("deprecate", "iris/3", "--undo")["deprecated"]
    assert done("deprecate", "iris/3", "-m", "again")["deprecated"]
    assert done("copy", "iris/3", "--to", other) == done("copy", "iris/3", "--to", other)
    assert done("delete", "iris/3", "-m", "mistake") == {"deleted": "iris/3"}
    assert "tagged prod" in run("delete", "iris/1", "-m", "mistake").stderr
    assert done("gc", "--older-than", "0")["versions"] == []
    assert done("show", "iris/1")["created_by"] == "the tests"
    assert done("compare", "iris/1", "iris/2")["metrics"]
    assert done("download", "iris@prod", "--to", str(tmp_path / "there"))["model"]
    assert (tmp_path / "there" / "model.joblib").read_bytes() == (tmp_path / "model.joblib").read_bytes()
    assert done("untag", "iris@prod")["version"] is None
    assert done("list") == [{"name": "iris", "tags": {}, "broken": {}, "latest": 2}]
    assert done("doctor") == []


def test_a_large_file_is_written_once(
    service: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PART", PART)
    (tmp_path / "large").write_bytes(bytes(2 * PART + 1))
    storage = Storage.open(service[0])
    storage.create("large", tmp_path / "large", token="mine")  # noqa: S106  # no password
    storage.create("large", tmp_path / "large", token="mine")  # noqa: S106  # as above
    with pytest.raises(ConflictError):
        storage.create("large", tmp_path / "large", token="another's")  # noqa: S106  # as above
    assert sum(map(len, storage.chunks("large") or ())) == 2 * PART + 1


def test_of_many_writers_each_gets_a_number_and_no_move_is_lost(service: tuple[str, str]) -> None:
    storage = Storage.open(service[0])
    registry = Registry(storage, actor="the tests")
    add(storage, "iris", b"0")
    registry.tag("iris/1", "prod")

    def work(number: int) -> int:
        version = add(storage, "iris", b"%d" % number).manifest.version
        while True:
            try:
                registry.tag(f"iris/{version}", "prod")
            except ConflictError:
                continue
            return version

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(work, range(24)))
    assert sorted(numbers) == list(range(2, 26))
    moves = registry.history("iris@prod")
    assert sorted(filter(None, (move.to_version for move in moves))) == list(range(1, 26))
    assert [move.from_version for move in moves[1:]] == [move.to_version for move in moves[:-1]]


@pytest.mark.parametrize("service", [pytest.param("versitygw", marks=pytest.mark.soak)], indirect=True)
def test_a_service_that_looks_at_the_owner_shows_a_bucket_to_nobody_elses(service: tuple[str, str]) -> None:
    """The owner is an access key there; MiniStack, moto and SeaweedFS ignore what is expected."""
    session = aws_session()

    def opened_as(owner: str) -> None:
        require_owner(S3Requests(session, BucketAddress(service[0], owner), configured_service(session)))

    opened_as(servers.KEY)
    with pytest.raises(BucketOwnerError, match="is not a bucket of the account 123456789012"):
        opened_as("123456789012")


# -- credentials ---------------------------------------------------------------------------------------------


def test_who_may_only_read_reads_and_is_told_of_each_write(
    aws: LocalAws, registry: Registry, storage: Storage, bucket: str, request: pytest.FixtureRequest
) -> None:
    add(storage, "iris", b"1")
    registry.tag("iris/1", "prod")
    name = request.getfixturevalue("outsider")
    actions = ["s3:GetObject", "s3:ListBucket"]
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resources}]}
    aws.client("iam").put_user_policy(UserName=name, PolicyName="reads", PolicyDocument=json.dumps(policy))
    reads = (("resolve", "iris@prod"), ("list",), ("list", "iris"), ("show", "iris/1"), ("history", "iris@prod"))
    for verb in reads:
        assert run(*verb, "-b", bucket).exit_code == 0, verb
    assert run("doctor", "-b", bucket).exit_code == 0
    by = ("--by", "me")
    writes = (("tag", "iris/1", "dev", *by), ("untag", "iris@prod", *by), ("delete", "iris/1", "-m", "x", *by), ("gc",))
    for write in writes:
        refused = run(*write, "-b", bucket)
        assert refused.exit_code == 1, write
        assert refused.stderr.startswith("error: ")
        assert refused.stderr.count("\n") == 1
