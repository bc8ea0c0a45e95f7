"""Versions are verified in the account: what is asked of CodeBuild, how a build is followed, and what it runs."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pulumi
import pytest
from typer.testing import CliRunner

from infra.verifier_code import code_files, commands
from local.ministack import LocalAws
from local.resources.assets import content
from model_registry import Registry, Release, Storage, roles
from model_registry.cli import app
from model_registry.in_account import AccountVerifier, log_group, project_name
from model_registry.records import Gates
from model_registry.verification import Verification
from model_registry.verifier import BUCKET
from model_registry.verify_request import VARIABLES, VerifyAnswer, VerifyRequest
from model_runtime.errors import GateError, InvalidNameError, VerificationError, VerifierError
from model_runtime.manifest import Prediction
from tests.conftest import new_bucket
from tests.model_registry.processes import add
from tests.model_registry.test_verification import craft
from training.train_iris import Trained, publish

LINK = "https://console.example/log"
SOUND = Verification("iris/1", "3.11", 5, 3, 1.5)
Script = dict[str, Any]


@pytest.fixture
def iris(storage: Storage) -> Release:
    """A version that nobody here loads."""
    return add(storage, "iris", b"a model")


@pytest.fixture
def published(registry: Registry, trained_iris: Trained) -> Release:
    return publish(registry, trained_iris, "Random forest of the guide")


class CodeBuild:
    """CodeBuild and CloudWatch Logs by their wire protocol, with builds that go as a test says."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.states: list[Script] = []
        self.busy = 0
        self.stopped: list[str] = []
        self.is_stoppable = True
        self.log: list[str] = []

    def answer(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        if target == "Logs_20140328.GetLogEvents":
            assert body == {"logGroupName": "group", "logStreamName": "stream"}
            return {"events": [{"message": line + "\n", "timestamp": 1} for line in self.log]}
        if target == "CodeBuild_20161006.StopBuild":
            self.stopped.append(body["id"])
            return {}
        if target == "CodeBuild_20161006.StartBuild":
            self.asked.append(body)
        else:
            assert (target, body) == ("CodeBuild_20161006.BatchGetBuilds", {"ids": ["verifier:1"]})
        logs = {"deepLink": LINK, "groupName": "group", "streamName": "stream"}
        build = {"id": "verifier:1", "buildStatus": "IN_PROGRESS", "logs": logs, **self.states.pop(0)}
        return {"build": build} if target.endswith("StartBuild") else {"builds": [build]}


@pytest.fixture
def codebuild(monkeypatch: pytest.MonkeyPatch) -> Iterator[CodeBuild]:
    service = CodeBuild()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body, target = (
                json.loads(self.rfile.read(int(self.headers["Content-Length"]))),
                self.headers["X-Amz-Target"],
            )
            refused = service.busy > 0 and target.endswith("StartBuild")
            service.busy -= refused
            error = {"__type": "AccountLimitExceededException", "message": "Cannot have more than 1 builds"}
            if target.endswith("StopBuild") and not service.is_stoppable:
                refused, error = True, {"__type": "AccessDeniedException", "message": "not authorized"}
            data = json.dumps(error if refused else service.answer(target, body)).encode()
            self.send_response(400 if refused else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments: object) -> None:
            """Keep the tests' output free of requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name in ("CODEBUILD", "CLOUDWATCH_LOGS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", f"http://127.0.0.1:{server.server_port}")
        yield service
        server.shutdown()
        thread.join()


def verifier(bucket: str) -> AccountVerifier:
    return AccountVerifier(bucket, poll_seconds=0.01, log_seconds=0.1)


def phase(name: str, status: str, message: str = "") -> Script:
    return {"phaseType": name, "phaseStatus": status, "contexts": [{"message": message}] if message else []}


def failed(name: str, message: str = "", status: str = "FAILED") -> Script:
    return {"buildStatus": status, "phases": [phase("SUBMITTED", "SUCCEEDED"), phase(name, status, message)]}


def said(release: Release, **answer: Any) -> list[str]:
    return ["[Container] Running command x", VerifyAnswer(release.manifest_sha256, **answer).line, "[Container] done"]


def test_a_build_is_started_with_an_exact_version_alone_and_followed_to_its_answer(
    codebuild: CodeBuild, bucket: str, iris: Release
) -> None:
    steps: list[str] = []
    codebuild.states = [{"currentPhase": "QUEUED"}, {"currentPhase": "INSTALL"}, {"currentPhase": "BUILD"}]
    codebuild.states += [{"buildStatus": "SUCCEEDED"}]
    codebuild.log = said(iris, verified=SOUND)
    assert verifier(bucket)(iris, model_format="joblib", progress=steps.append) == SOUND
    assert codebuild.stopped == []
    (asked,) = codebuild.asked
    given = {one["name"]: one["value"] for one in asked.pop("environmentVariablesOverride")}
    assert asked == {"projectName": f"model-verifier-{bucket}"}
    assert given == dict(zip(VARIABLES, ["iris/1", iris.manifest_sha256, "joblib"], strict=True))
    assert [step.rpartition("account")[2] for step in steps] == [
        "",
        ": waiting for a machine (verifier:1)",
        ": installing the verifier (verifier:1)",
        ": rebuilding the environment and replaying the golden examples (verifier:1)",
    ]


def test_a_build_waits_for_its_turn_but_not_for_ever(codebuild: CodeBuild, bucket: str, iris: Release) -> None:
    codebuild.states, codebuild.log, codebuild.busy = [{"buildStatus": "SUCCEEDED"}], said(iris, verified=SOUND), 2
    steps: list[str] = []
    assert verifier(bucket)(iris, progress=steps.append) == SOUND
    assert steps[1:] == ["verifying iris/1 in the account: waiting for another build to end"] * 2
    codebuild.busy = 1
    with pytest.raises(VerifierError, match=r"takes no build now .*: try it again once others have ended"):
        AccountVerifier(bucket, turn_seconds=-1)(iris)


class Interrupted(BaseException):
    """As Ctrl-C, which ends a run of tests."""


def test_whoever_stops_waiting_stops_the_build_and_is_told_where_that_fails(
    codebuild: CodeBuild, bucket: str, iris: Release, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupt(line: str) -> None:
        if "installing" in line:
            raise Interrupted

    for stoppable in (True, False):
        codebuild.is_stoppable = stoppable
        codebuild.states = [{"currentPhase": "QUEUED"}, {"currentPhase": "INSTALL"}]
        with pytest.raises(Interrupted):
            verifier(bucket)(iris, progress=interrupt)
        assert codebuild.stopped == ["verifier:1"]
        assert bool(caplog.messages) is not stoppable
    (warning,) = caplog.messages
    assert warning.startswith("the build verifier:1 goes on, as it could not be stopped (")
    assert warning.endswith("): `aws codebuild stop-build --id verifier:1`")


FAILURES: dict[str, tuple[Script, Callable[[Release], list[str]], type[Exception], str]] = {
    "a faulty version": (
        failed("BUILD", "exit status 3"),
        lambda iris: said(iris, fault="iris/1 answers 1 of 3 golden examples differently"),
        VerificationError,
        "^iris/1 answers 1 of 3 golden examples differently$",
    ),
    "an error": (
        failed("BUILD"),
        lambda iris: said(iris, error="s3://models: access denied"),
        VerifierError,
        "^the build verifier:1 could not verify iris/1: s3://models: access denied$",
    ),
    "a phase before": (
        failed("INSTALL", "pip says no"),
        lambda iris: said(iris, verified=SOUND),
        VerifierError,
        rf"of model-verifier-.* ended as FAILED in the phase INSTALL \(pip says no\): read its log, {LINK}$",
    ),
    "no end": (
        failed("BUILD", status="TIMED_OUT"),
        lambda _: [],
        VerifierError,
        f"ended as TIMED_OUT in the phase BUILD: read its log, {LINK}$",
    ),
    "no answer": ({"buildStatus": "SUCCEEDED"}, lambda _: ["done"], VerifierError, "SUCCEEDED: read its log"),
    "an answer on another version": (
        {"buildStatus": "SUCCEEDED"},
        lambda _: [VerifyAnswer("0" * 64, verified=SOUND).line],
        VerifierError,
        "SUCCEEDED: read its log",
    ),
    "an answer that the build's end contradicts": (
        failed("BUILD", "exit status 1"),
        lambda iris: said(iris, verified=SOUND),
        VerificationError,
        "ended as FAILED in the phase BUILD",
    ),
    "an answer of another release": (
        {"buildStatus": "SUCCEEDED"},
        lambda _: ["verification: {}"],
        VerifierError,
        "cannot be read .*: update the stack `registry`",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_did_not_verify_says_why_and_where_to_read_on(
    codebuild: CodeBuild, bucket: str, iris: Release, case: str
) -> None:
    state, log, kind, message = FAILURES[case]
    codebuild.states, codebuild.log = [state], log(iris)
    with pytest.raises(kind, match=message):
        verifier(bucket)(iris)


def test_a_rule_is_followed_in_the_account_and_the_move_says_so(
    codebuild: CodeBuild, bucket: str, registry: Registry, iris: Release
) -> None:
    registry.set_rules("iris@prod", Gates(verify=True), reason="always")
    with pytest.raises(GateError, match="runs the model's code on this machine"):
        registry.promote("iris", version=1, to_tag="prod")
    codebuild.states, codebuild.log = [failed("BUILD")], said(iris, fault="it differs")
    with pytest.raises(VerificationError, match="it differs"):
        registry.promote("iris", version=1, to_tag="prod", verifier=verifier(bucket))
    codebuild.states, codebuild.log = [{"buildStatus": "SUCCEEDED"}], said(iris, verified=SOUND)
    registry.promote("iris", version=1, to_tag="prod", verifier=verifier(bucket))
    (move,) = registry.history("iris@prod")
    assert move.checks[-1] == f"{SOUND}, in the account"


WRONG = [
    ("iris@prod", "a tag: give the version"),
    ("iris/1; id", "not a version reference"),
    ("$(id)/1", "model name"),
    ("--help", "not a version reference"),
]


@pytest.mark.parametrize(("version", "message"), WRONG)
def test_a_build_takes_no_word_that_is_not_what_it_must_be(version: str, message: str) -> None:
    good = {VARIABLES[0]: "iris/1", VARIABLES[1]: "0" * 64}
    for request in (good, good | {VARIABLES[2]: "onnx"}):
        assert VerifyRequest.read(request).variables == request
    with pytest.raises(InvalidNameError, match=message):
        VerifyRequest.read(good | {VARIABLES[0]: version})
    for name, value in ((VARIABLES[1], "0" * 63 + "\n"), (VARIABLES[1], ""), (VARIABLES[2], "joblib; id")):
        with pytest.raises(InvalidNameError, match=name):
            VerifyRequest.read(good | {name: value})


@pytest.fixture
def project(aws: LocalAws, bucket: str) -> str:
    """A project as MiniStack keeps it: its builds end at once and run nothing."""
    name, image = project_name(bucket), {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"}
    source = {"type": "NO_SOURCE", "buildspec": "version: 0.2"}
    aws.client("codebuild").create_project(
        name=name, source=source, artifacts={"type": "NO_ARTIFACTS"}, environment=image, serviceRole="arn:aws:iam::0:x"
    )
    aws.client("logs").create_log_group(logGroupName=log_group(bucket))
    return name


def test_a_promoter_has_a_version_verified_by_that_project_and_no_other(
    aws: LocalAws, bucket: str, iris: Release, project: str, outsider: str
) -> None:
    policy = roles.promoter(bucket, "prod", in_account=True)
    # MiniStack does not see of which project a build is, nor which stream is read.
    unnamed = ["codebuild:BatchGetBuilds", "logs:GetLogEvents"]
    assert {one["Action"] for one in policy["Statement"][-2:]} == set(unnamed)
    policy["Statement"].append({"Effect": "Allow", "Action": unnamed, "Resource": "*"})
    aws.client("iam").put_user_policy(UserName=outsider, PolicyName="role", PolicyDocument=json.dumps(policy))

    def build() -> None:
        while not (ids := aws.client("codebuild").list_builds_for_project(projectName=project)["ids"]):
            time.sleep(0.05)
        stream = {"logGroupName": log_group(bucket), "logStreamName": ids[0].replace(":", "/")}
        aws.client("logs").create_log_stream(**stream)
        events = [{"timestamp": int(time.time() * 1000), "message": line} for line in said(iris, verified=SOUND)]
        aws.client("logs").put_log_events(**stream, logEvents=events)

    thread = threading.Thread(target=build)
    thread.start()
    assert AccountVerifier(bucket, poll_seconds=0.1)(iris) == SOUND
    thread.join()

    elsewhere = AccountVerifier(new_bucket(aws))
    with pytest.raises(VerifierError, match=r"not allowed to StartBuild: take a role that may \(`policies promoter"):
        elsewhere(iris)
    policy = roles.promoter(bucket, "prod")
    aws.client("iam").put_user_policy(UserName=outsider, PolicyName="role", PolicyDocument=json.dumps(policy))
    with pytest.raises(VerifierError, match="not allowed to StartBuild"):
        verifier(bucket)(iris)


def test_without_a_project_the_remedy_is_the_stacks_setting(bucket: str, iris: Release) -> None:
    with pytest.raises(
        VerifierError, match=f"no CodeBuild project {project_name(bucket)}: set `verifier` in the stack"
    ):
        verifier(bucket)(iris)


def test_exit_codes_are_those_of_verify(codebuild: CodeBuild, bucket: str, iris: Release, tmp_path: Path) -> None:
    line = ["verify", "iris/1", "--in-account", "--bucket"]
    codebuild.states, codebuild.log = [{"buildStatus": "SUCCEEDED"}], said(iris, verified=SOUND)
    sound = CliRunner().invoke(app, [*line, bucket])
    assert (sound.exit_code, sound.stdout) == (0, f"{SOUND}\n")
    codebuild.states, codebuild.log = [failed("BUILD")], said(iris, fault="iris/1 differs")
    faulty = CliRunner().invoke(app, [*line, bucket])
    assert (faulty.exit_code, faulty.stdout) == (3, "iris/1 differs\n")
    codebuild.states = [failed("PROVISIONING", "no machine")]
    unknown = CliRunner().invoke(app, [*line, bucket])
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "in the phase PROVISIONING (no machine)" in unknown.stderr
    quick = CliRunner().invoke(app, [*line, bucket, "--quick"])
    assert (quick.exit_code, "leave out --in-account or --quick" in quick.stderr) == (1, True)
    folder = CliRunner().invoke(app, [*line, str(tmp_path)])
    assert (folder.exit_code, "not a bucket in an AWS account: leave out --in-account" in folder.stderr) == (1, True)


@dataclass(frozen=True)
class Build:
    """A build's folder as CodeBuild fills it, where its commands are run by bash with the variables that it has."""

    folder: Path
    variables: dict[str, str]

    def run(self, phase: str, request: VerifyRequest) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-ec", "\n".join(commands()[phase])],
            cwd=self.folder,
            env={**self.variables, **request.variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def verify(self, request: VerifyRequest) -> tuple[int, VerifyAnswer | None]:
        done = self.run("build", request)
        assert VARIABLES[0] not in done.stdout + done.stderr or done.returncode, "no shell repeats what it was given"
        return done.returncode, VerifyAnswer.find(done.stdout)


@pytest.fixture
def build(aws: LocalAws, bucket: str, tmp_path: Path) -> Build:
    """What the stack uploads, unpacked; the environment is empty but for how uv and pip find the index here."""
    archive = pulumi.AssetArchive({name: pulumi.FileAsset(str(path)) for name, path in code_files().items()})
    with zipfile.ZipFile(BytesIO(content(archive))) as unpacked:
        unpacked.extractall(tmp_path / "source")
    kept = ("HOME", "XDG_CACHE_HOME", "SKLEARN_ON_LAMBDA_CACHE")
    passed = {name: os.environ[name] for name in os.environ if name in kept or name.startswith(("UV_", "PIP_", "SSL_"))}
    python = Path(sys.executable).resolve().parent
    return Build(
        tmp_path / "source",
        {**passed, **aws.environment(), "PATH": f"{python}{os.pathsep}{os.defpath}", BUCKET: bucket},
    )


def spoiled(registry: Registry, storage: Storage) -> VerifyRequest:
    """The request for iris/2, of which one recorded answer is another."""
    first, *others = registry.resolve("iris/1").manifest.examples
    output = Prediction(label="nothing", probabilities=first.output.probabilities)
    craft(registry, storage, examples=(msgspec.structs.replace(first, output=output), *others))
    return VerifyRequest.of(registry.resolve("iris/2"))


def check(build: Build, registry: Registry, storage: Storage, published: Release) -> None:
    """One sound version, a faulty one, and one whose manifest is not the one that the caller saw."""
    code, sound = build.verify(VerifyRequest.of(published))
    assert sound is not None, "the build says nothing"
    assert (code, sound.fault, sound.error, sound.verified and sound.verified.reference) == (0, "", "", "iris/1")
    request = spoiled(registry, storage)
    code, faulty = build.verify(request)
    assert (code, faulty and faulty.verified) == (3, None)
    assert "iris/2 answers 1 of 3 golden examples differently" in str(faulty)
    code, changed = build.verify(replace(request, manifest_sha256=published.manifest_sha256))
    assert (code, "it was changed since it was looked at" in str(changed)) == (3, True)


def test_the_commands_of_the_build_tell_a_sound_version_from_a_faulty_one(
    build: Build, registry: Registry, storage: Storage, published: Release
) -> None:
    """With this environment in place of the one that the build installs: that is below."""
    (build.folder / ".verifier").symlink_to(sys.prefix)
    check(build, registry, storage, published)
    hostile = build.run(
        "build", replace(VerifyRequest.of(published), model_format="joblib; touch pwned $(touch pwned)")
    )
    assert hostile.returncode == 1
    assert "VERIFY_FORMAT is 'joblib; touch" in hostile.stdout
    assert not list(build.folder.rglob("pwned"))


@pytest.mark.soak
def test_the_build_installs_its_verifier_by_digests(
    build: Build, registry: Registry, storage: Storage, published: Release
) -> None:
    """Every command of every phase; the index is the one of this machine."""
    installed = build.run("install", VerifyRequest.of(published))
    assert installed.returncode == 0, installed.stderr
    check(build, registry, storage, published)
    shutil.rmtree(build.folder / ".verifier")
    lock = build.folder / "verifier.txt"
    lock.write_text(re.sub(r"(?<=sha256:)\w{8}", "0a1b2c3d", lock.read_text()))
    refused = build.run("install", VerifyRequest.of(published))
    assert (refused.returncode, "DO NOT MATCH THE HASHES" in refused.stderr) == (1, True)
