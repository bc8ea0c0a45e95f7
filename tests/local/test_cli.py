"""`python -m local`, as a person uses it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import RemoteDisconnected
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ReadTimeoutError
from typer.testing import CliRunner, Result

from local import cli, iris, ministack
from local.cli import app
from local.errors import LocalError
from local.host import this_host
from local.iris import BUCKET, PROJECT, call
from training.train_iris import GUIDE_EVENT


def run(state: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--state", str(state)])


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state of a local AWS that `up` has started."""
    folder = tmp_path_factory.mktemp("cli")
    yield folder
    ministack.stop(folder)


@pytest.fixture(scope="module")
def up(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The project, whose stack's file asks for another architecture than this machine has."""
    project = tmp_path_factory.mktemp("project")
    for path in iris.PROJECT.iterdir():
        if path.name != "Pulumi.dev.yaml":
            (project / path.name).symlink_to(path)
    other = {"arm64": "x86_64", "x86_64": "arm64"}[this_host().architecture]
    stack = (iris.PROJECT / "Pulumi.dev.yaml").read_text()
    (project / "Pulumi.dev.yaml").write_text(f"{stack}  sklearn-on-lambda:architecture: {other}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iris, "PROJECT", project)
        return run(state, "up")


def test_up_serves_the_iris_model_and_prints_its_url_and_curl_lines(up: Result, state: Path) -> None:
    assert up.exit_code == 0, up.output
    url = next(line for line in up.stdout.splitlines() if line.startswith("iris/1 answers at ")).split()[-1]
    assert call(url, GUIDE_EVENT).body["label"] == "virginica"
    assert sum(line.startswith("curl ") for line in up.stdout.splitlines()) == 2
    link = next(line for line in up.stdout.splitlines() if line.startswith("Try it in a browser: ")).split()[-1]
    assert link == url.removesuffix("predict")
    assert call(f"{link}model").body["examples"], "with which the page begins"
    assert "--port" in run(state, "up", "--help").stdout


def test_it_says_that_it_answers_once_it_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the version that was deployed."""
    outputs = {"modelName": "iris", "modelVersion": 2, "invokeUrl": "http://127.0.0.1:1/dev/predict"}
    asked = []

    def answering(status: int, version: int) -> None:
        def answer(url: str) -> iris.Answer:
            asked.append(url)
            return iris.Answer(status, {}, {"status": "ok", "version": version})

        monkeypatch.setattr(iris, "call", answer)

    for wrong in ((503, 2), (200, 1)):
        answering(*wrong)
        with pytest.raises(LocalError, match="iris/2 was deployed and does not answer"):
            cli._require_answer(outputs)
    answering(200, 2)
    cli._require_answer(outputs)
    assert set(asked) == {"http://127.0.0.1:1/dev/health"}


@pytest.mark.parametrize(
    "error",
    [ReadTimeoutError(endpoint_url="http://x"), TimeoutError("timed out"), RemoteDisconnected("gone\n")],
    ids=repr,
)
def test_a_machine_under_load_gives_one_line_and_no_traceback(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "_start", fails)
    done = run(tmp_path, "up")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: the local AWS did not answer as it should (")


def test_the_lines_that_it_prints_mean_the_same_state(up: Result, state: Path) -> None:
    lines = [line for line in up.stdout.splitlines() if "-m local" in line]
    assert [f"--state {state}" in line for line in lines] == [True] * 3
    assert lines[-1].startswith("Stop it with: ")


def test_the_function_and_its_layer_are_for_this_machine(up: Result, state: Path) -> None:
    """As MiniStack runs them here; it answers, so the layer's packages load."""
    assert up.exit_code == 0
    aws = ministack.running(state)
    assert aws is not None
    (function,) = aws.client("lambda").list_functions()["Functions"]
    assert function["Architectures"] == [this_host().architecture]


def test_up_again_uses_the_one_that_runs(up: Result, state: Path) -> None:
    before = ministack.running(state)
    assert up.exit_code == 0
    assert run(state, "up").exit_code == 0
    assert ministack.running(state) == before


def test_output_prints_one_output_or_all(up: Result, state: Path) -> None:
    assert up.exit_code == 0
    assert run(state, "output", "modelName").stdout == "iris\n"
    assert json.loads(run(state, "output").stdout)["invokeUrl"].endswith("/predict")
    refused = run(state, "output", "url")
    assert refused.exit_code == 1
    assert "has no output 'url': it has " in refused.stderr


def test_a_model_of_yours_is_to_be_published_first(up: Result, state: Path) -> None:
    assert up.exit_code == 0
    said = run(state, "up", "--model", "churn")
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith("the registry is ready; churn@dev is not set: publish a version, tag it")


def test_status_tells_where_it_runs(up: Result, state: Path) -> None:
    assert up.exit_code == 0
    told = json.loads(run(state, "status", "--json").stdout)
    assert told["running"] is True
    assert told["url"].startswith("http://127.0.0.1:")
    assert len(told["functions"]) == 1
    assert (told["stack"], told["modelName"], told["modelVersion"]) == ("dev", "iris", 1)
    said = run(state, "status").stdout
    assert "running at http://127.0.0.1:" in said
    assert f"stack dev: iris/1 at {told['invokeUrl']}\n" in said


def test_invoke_takes_an_event_or_a_file_of_it(up: Result, state: Path) -> None:
    assert up.exit_code == 0
    expected = {"statusCode": 200, "body": "virginica"}
    done = run(state, "invoke", json.dumps(GUIDE_EVENT))
    assert json.loads(done.stdout) == expected
    assert done.stderr.startswith("stack dev: iris/1 at http://127.0.0.1:")
    assert json.loads(run(state, "invoke", str(PROJECT / "handler/events/direct.json")).stdout) == expected


def test_logs_have_the_cold_start(up: Result, state: Path) -> None:
    assert up.exit_code == 0
    run(state, "invoke", json.dumps(GUIDE_EVENT))
    done = run(state, "logs")
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} INFO +model_loaded  ", done.stdout, re.MULTILINE)
    assert done.stderr.startswith("stack dev: iris/1 at ")
    assert '"event": "model_loaded"' in run(state, "logs", "--json").stdout


def test_env_points_the_registrys_command_line_at_it(up: Result, state: Path) -> None:
    assert up.exit_code == 0
    program = 'eval "$("$PYTHON" -m local env --state "$STATE")" && "$PYTHON" -m model_registry resolve iris@dev'
    variables = {**os.environ, "PYTHON": sys.executable, "STATE": str(state)}
    done = subprocess.run(
        ["sh", "-c", program], env=variables, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "iris/1\n"), done.stderr
    assert f"MODEL_REGISTRY=s3://{BUCKET}" in run(state, "env").stdout


@pytest.mark.parametrize("words", [("invoke", "{}"), ("logs",), ("env",)], ids=lambda words: words[0])
def test_what_needs_it_says_how_to_start_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(tmp_path, *words)
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: the local AWS is not running: start it with `{sys.executable} -m local up --state {tmp_path}`\n"
    )


@pytest.mark.parametrize("event", ["{", "/no/such/event.json"])
def test_a_bad_event_is_one_line(up: Result, state: Path, event: str) -> None:
    assert up.exit_code == 0
    done = run(state, "invoke", event)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_line_and_leaves_nothing(aws: ministack.LocalAws, tmp_path: Path) -> None:
    done = run(tmp_path, "up", "--port", str(aws.port))
    assert done.exit_code == 1
    assert f"port {aws.port} on 127.0.0.1" in done.stderr
    assert done.stderr.count("\n") == 1
    assert ministack.running(tmp_path) is None


def test_down_stops_it_and_status_says_so(tmp_path: Path) -> None:
    running = ministack.start(tmp_path)
    assert run(tmp_path, "down").stdout == "stopped\n"
    assert not psutil.pid_exists(running.pid)
    assert run(tmp_path, "down").stdout == "was not running\n"
    assert run(tmp_path, "status").exit_code == 3
    again = cli._start(tmp_path, None)
    assert again.port == running.port, "links and shells go on"
    ministack.stop(tmp_path)


def test_a_failing_deployment_stops_what_up_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first deployment in a folder leaves nothing running when it fails."""
    from infra.layer import build as layer_build

    monkeypatch.setattr(layer_build, "LIMIT_UNZIPPED", 1_000_000)
    done = run(tmp_path, "up")
    assert done.exit_code == 1
    assert "error: iris/1: the layer is" in done.stderr
    assert ministack.running(tmp_path) is None


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=lambda ending: ending.name)
def test_an_interrupted_demo_leaves_nothing_running(ending: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, or a supervisor's SIGTERM, in the middle of it: exit code 130, no process, no folder."""
    demo = subprocess.Popen(
        [sys.executable, "-m", "local", "demo"],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    assert any("Deploy the stack registry" in line for line in demo.stdout)
    started = psutil.Process(demo.pid).children(recursive=True)
    assert started
    demo.send_signal(ending)
    said = demo.communicate(timeout=60)
    # Where Ctrl-C comes within `exec` of a string, CPython ends by the signal in the end, whatever the exit code was to
    # be: a shell has 130 for that, too.
    assert demo.returncode in {130, -signal.SIGINT}, said
    deadline = time.monotonic() + 60
    while any(process.is_running() for process in started) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(process.is_running() for process in started)
    assert list(tmp_path.glob("sklearn-on-lambda-*")) == []
