"""A drill: versions with a fault are promoted, and what docs/runbook.md says is done, command by command."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from infra.alarms import OWN_ALARMS
from infra.function_code import PROJECT
from local.iris import Answer
from local.ministack import LocalAws
from model_registry import Registry
from tests.conftest import new_bucket
from tests.local.stacks import Deployed, registry_of

SLOW_MS = 300
ALARMED = {alarm.metric for alarm in OWN_ALARMS}
CODE = """
import time
from sklearn.linear_model import LogisticRegression

class Drilled(LogisticRegression):
    fault = ""

    def predict_proba(self, X):
        found = super().predict_proba(X)
        if self.fault and (X[:, 0] > 5).any():
            if self.fault == "broken":
                raise RuntimeError("cannot do " + str(X))
            if self.fault == "picky":
                raise ValueError("unknown to the model: " + str(X))
            if self.fault == "slow":
                time.sleep(0.6)
            if self.fault == "wrong":
                return found[:, ::-1]
        return found
"""
X = np.array([[float(n), float(n % 3)] for n in range(10)])
Y = np.repeat(["high", "low"], 5)
CALLED = {"x0": 8.0, "x1": 2.0}
FAULTS = {2: "broken", 3: "slow", 4: "wrong", 5: "lost", 6: "picky"}
ACCURACY = {"wrong": 0.4, "picky": 0.8}


def blocks(section: str) -> list[str]:
    """The commands of a section of the page, line by line; "" is what comes before the first section."""
    before, *sections = re.split(r"^## ", (PROJECT / "docs" / "runbook.md").read_text(), flags=re.MULTILINE)
    (found,) = [part for part in sections if section in part.partition("\n")[0]] if section else [before]
    return [line for block in re.findall(r"```sh\n(.*?)```", found, re.DOTALL) for line in block.splitlines()]


@dataclass
class Drill:
    """The stack whose tag is moved, and a shell in which the page's commands run."""

    stack: Deployed
    registry: Registry
    folder: Path

    def promote(self, version: int) -> None:
        """Make a version the one that callers reach."""
        self.registry.promote("drilled", version=version, to_tag="dev")
        self.stack.up()

    def call(self, times: int = 1) -> list[Answer]:
        """Call as callers do, several at the same time."""
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda _: self.stack.post(CALLED), range(times)))

    def counted(self, since: int) -> set[str]:
        """The metrics in the log's lines from one on."""
        directives = [
            each for line in self.stack.log()[since:] for each in line.get("_aws", {}).get("CloudWatchMetrics", [])
        ]
        return {metric["Name"] for directive in directives for metric in directive["Metrics"]}

    def risen(self, since: int) -> set[str]:
        """The function's own alarms that rise over the log's lines from one on, of which CloudWatch makes metrics.

        MiniStack looks at alarms when it is sent a metric, and takes none from a log. Lambda's own Duration is not
        asked for: it is above any threshold where this machine is busy.
        """
        cloudwatch = self.stack.aws.client("cloudwatch")
        mine = {"AlarmNamePrefix": "drilled-dev-alarms-"}
        for alarm in cloudwatch.describe_alarms(**mine)["MetricAlarms"]:
            cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="a new drill")
        for line in self.stack.log()[since:]:
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
                dimensions = [{"Name": name, "Value": line[name]} for name in directive["Dimensions"][0]]
                data = [
                    {
                        "MetricName": metric["Name"],
                        "Dimensions": dimensions,
                        "Timestamp": line["_aws"]["Timestamp"] / 1000,
                        "Values": line[metric["Name"]]
                        if isinstance(line[metric["Name"]], list)
                        else [line[metric["Name"]]],
                        "Unit": metric["Unit"],
                    }
                    for metric in directive["Metrics"]
                ]
                cloudwatch.put_metric_data(Namespace=directive["Namespace"], MetricData=data)
        found = cloudwatch.describe_alarms(**mine, StateValue="ALARM")["MetricAlarms"]
        return {alarm.get("MetricName", "share") for alarm in found} & {*ALARMED, "share"}

    @property
    def lines(self) -> int:
        """How long the log is."""
        return len(self.stack.log())

    def follow(self, section: str, bad: int) -> list[str]:
        """Run the commands of a section; what each of them printed."""
        variables = {"NAME": "drilled", "TAG": "dev", "GOOD": "1", "BAD": str(bad)}
        settings = [line.replace("s3://BUCKET", f"s3://{self.stack.config['registryBucket']}") for line in blocks("")]
        settings = [
            re.sub(r"(NAME|TAG|GOOD|BAD)=\w+", lambda found: f"{found[1]}={variables[found[1]]}", s) for s in settings
        ]
        assert len(settings) == 3
        printed = []
        for line in blocks(section):
            if line == "pulumi up":
                self.stack.up()
                printed.append("")
                continue
            done = subprocess.run(
                ["bash", "-euc", "\n".join([*settings, line])],
                capture_output=True,
                text=True,
                check=False,
                cwd=PROJECT,
                env=self._environment(),
            )
            # `doctor` ends with 3 where it finds something.
            assert done.returncode in ({0, 3} if "doctor" in line else {0}), (line, done.stdout, done.stderr)
            printed.append(done.stdout)
        return printed

    def _environment(self) -> dict[str, str]:
        """With `aws` and `pulumi` as far as the page uses them: the engine is not here, the stack's outputs are."""
        programs = {
            "aws": f'exec {sys.executable} {PROJECT}/tests/local/aws_line.py "$@"',
            "pulumi": f'test "$*" = "stack output functionName"; echo {self.stack.outputs["functionName"]}',
            "python": f'exec {sys.executable} "$@"',
        }
        for name, body in programs.items():
            program = self.folder / name
            program.write_text(f"#!/bin/sh -e\n{body}\n")
            program.chmod(0o755)
        return {**os.environ, **self.stack.aws.environment(), "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def drill(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A stack that serves version 1, which is well; the versions after it have the faults."""
    folder = tmp_path_factory.mktemp("drill")
    code = folder / "code"
    code.mkdir()
    (code / "drilled_code.py").write_text(CODE)
    bucket = new_bucket(aws)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        patch.syspath_prepend(str(code))
        drilled = importlib.import_module("drilled_code").Drilled
        registry = registry_of(aws, bucket)
        for fault in ("", *FAULTS.values()):
            model = drilled().fit(X, Y)
            model.fault = fault
            registry.publish(model, name="drilled", X_example=X[1:3], metrics={"accuracy": ACCURACY.get(fault, 0.9)})
        registry.tag("drilled/1", "dev")
        config = {
            "registryBucket": bucket,
            "model": "drilled",
            "requestLog": "on",
            "labelCounts": "true",
            "alarmTopicArn": "arn:aws:sns:us-east-1:000000000000:drill",
            "alarmDurationMs": str(SLOW_MS),
        }
        stack = Deployed(aws, "dev", folder / "state", config).up()
        (folder / "bin").mkdir()
        yield Drill(stack, registry, folder / "bin")
        sys.modules.pop("drilled_code")


def right(answer: Answer) -> bool:
    return (answer.status, answer.body.get("label"), answer.body.get("version")) == (200, "low", 1)


def test_a_broken_model(drill: Drill) -> None:
    """It answers its golden example, so it is deployed, and fails for others' values."""
    assert right(drill.call()[0])
    assert drill.risen(0) == set()
    since = drill.lines
    drill.promote(2)
    (answer,) = drill.call()
    assert (answer.status, answer.body["detail"]) == (500, "The prediction failed; the function's log says why.")
    assert drill.risen(since) == {"ServerFaults"}
    log, check, *_ = drill.follow("`ServerFaults`", bad=2)
    line = json.loads(log)
    assert (line["event"], line["version"], line["status"]) == ("request_failed", 2, 500)
    assert "in predict_proba" in line["traceback"][-1]
    assert json.loads(check.splitlines()[0])["statusCode"] == 200, "the golden example is answered"
    assert right(drill.call()[0])


@pytest.mark.soak
def test_a_slow_model(drill: Drill) -> None:
    since = drill.lines
    drill.promote(3)
    (answer,) = drill.call()
    assert (answer.status, answer.body["version"]) == (200, 3)
    assert not drill.counted(since) & ALARMED, "Lambda's own Duration is what its alarm watches"
    log, *_ = drill.follow("`Duration`", bad=3)
    line = json.loads(log)
    assert (line["event"], line["version"]) == ("request", 3)
    assert min(line["predicting"], line["milliseconds"]) > SLOW_MS, "it is the model, and not the start"
    assert right(drill.call()[0])


@pytest.mark.soak
def test_a_wrong_model(drill: Drill) -> None:
    since = drill.lines
    drill.promote(4)
    (answer,) = drill.call()
    assert (answer.status, answer.body["label"]) == (200, "low")
    assert not drill.counted(since) & ALARMED, "nothing of ours knows"
    log, _, _, compared = drill.follow("answers are wrong", bad=4)
    line = json.loads(log)
    assert (line["version"], line["Label.low"]) == (4, 1)
    assert "accuracy" in compared
    assert right(drill.call()[0])


@pytest.mark.soak
def test_a_model_that_cannot_be_loaded(drill: Drill) -> None:
    """Its file goes after the deployment: environments that are warm go on, new ones fail."""
    since = drill.lines
    drill.promote(5)
    key = "models/drilled/versions/5/model.joblib"
    drill.stack.aws.client("s3").delete_object(Bucket=drill.stack.config["registryBucket"], Key=key)
    answers = drill.call(4)
    assert 503 in {answer.status for answer in answers}
    assert {"ModelLoadFailure", "ServerFaults"} <= drill.risen(since)
    log, doctor, *_ = drill.follow("`ModelLoadFailure`", bad=5)
    line = json.loads(log)
    assert (line["event"], line["phase"], line["version"]) == ("model_load_failed", "fetch", "5")
    assert key in line["reason"]
    assert "drilled/5" in doctor
    assert all(map(right, drill.call(2)))


@pytest.mark.soak
def test_a_model_that_refuses_what_callers_send(drill: Drill) -> None:
    """The log names the feature, and no value."""
    drill.promote(6)
    (answer,) = drill.call()
    assert answer.status == 422
    log, compared = drill.follow("Many refusals", bad=6)
    line = json.loads(log)
    assert (line["event"], line["version"], line["features"]) == ("values_refused", 6, ["x0"])
    assert "accuracy" in compared
    drill.promote(1)
    assert right(drill.call()[0])


def test_the_drill_has_every_command_of_the_page() -> None:
    drilled = ("`ServerFaults`", "Many refusals", "`Duration`", "answers are wrong", "`ModelLoadFailure`")
    page = (PROJECT / "docs" / "runbook.md").read_text()
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    left = set(commands) - {*blocks(""), *(line for section in drilled for line in blocks(section))}
    assert left == set()
