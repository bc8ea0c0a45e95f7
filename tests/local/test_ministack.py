import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from local import ministack
from local.errors import StartError
from local.ministack import LocalAws, local_aws, running, start, stop


def _in_session(leader: int) -> list[int]:
    found = []
    for process in psutil.pids():
        try:
            if os.getsid(process) == leader:
                found.append(process)
        except ProcessLookupError:
            continue
    return found


def test_it_answers_on_loopback_only(aws: LocalAws) -> None:
    """A stand-in for an account that any neighbour could use would be a hole."""
    listening = [c.laddr for c in psutil.Process(aws.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", aws.port)]
    assert aws.client("sts").get_caller_identity()["Account"]


def test_it_enforces_iam(aws: LocalAws, unique: str) -> None:
    """A user without a policy is refused what the root may do."""
    import boto3

    aws.client("s3").create_bucket(Bucket=unique)
    iam = aws.client("iam")
    iam.create_user(UserName=unique)
    key = iam.create_access_key(UserName=unique)["AccessKey"]
    user = boto3.session.Session().client(
        "s3",
        endpoint_url=aws.url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        user.list_objects_v2(Bucket=unique)
    user.close()
    assert aws.client("s3").list_objects_v2(Bucket=unique)["KeyCount"] == 0


def test_its_environment_points_a_default_client_at_it(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user's own program needs is in the environment alone."""
    import boto3

    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    client = boto3.session.Session().client("sts")
    assert client.meta.endpoint_url == aws.url
    assert client.get_caller_identity()["Arn"].endswith(":root")
    client.close()


def test_nothing_of_the_callers_environment_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions inherit its environment, and the caller's may hold real credentials."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    with local_aws(tmp_path) as aws:
        environment = psutil.Process(aws.pid).environ()
    assert "real" not in environment.values()
    assert "PYTHONPATH" not in environment


def test_a_taken_port_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    """The message names the port and the remedy."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=rf"port {port} on 127\.0\.0\.1 cannot be used .*: choose another"):
            start(tmp_path, port=port)
    assert running(tmp_path) is None
    assert not (tmp_path / "tmp").exists()


@pytest.mark.parametrize("port", [65536, -1])
def test_a_number_that_is_no_port_is_refused(tmp_path: Path, port: int) -> None:
    """It ends in the same error as a taken one."""
    with pytest.raises(StartError, match=f"port {port} "):
        start(tmp_path, port=port)


def test_a_given_port_is_used_and_a_second_start_is_refused(tmp_path: Path) -> None:
    """One state folder has one MiniStack."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with local_aws(tmp_path, port=port) as aws:
        assert aws.url == f"http://127.0.0.1:{port}"
        assert running(tmp_path) == aws
        with pytest.raises(StartError, match=rf"already running at {aws.url} \(process {aws.pid}\): stop it"):
            start(tmp_path)
        assert running(tmp_path) == aws


def test_a_free_port_that_another_process_takes_first_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ports are chosen before they are used: two test runs at the same time may choose the same."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], ministack._free_port()])
        monkeypatch.setattr(ministack, "_free_port", lambda: next(ports))
        with local_aws(tmp_path) as aws:
            assert aws.port != taken.getsockname()[1]
            assert running(tmp_path) == aws
    assert next(ports, None) is None


def test_stop_leaves_no_process_and_no_temporary_file(tmp_path: Path) -> None:
    """Its workers end with it; only the log stays to be read."""
    aws = start(tmp_path)
    (tmp_path / "tmp" / "of-a-worker").mkdir()
    assert _in_session(aws.pid)
    assert stop(tmp_path) is True
    assert _in_session(aws.pid) == []
    assert not psutil.pid_exists(aws.pid)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "ministack.log"]
    assert stop(tmp_path) is False


def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped process cannot take SIGTERM, and must not outlive stop."""
    monkeypatch.setattr(ministack, "STOP_SECONDS", 0.5)
    aws = start(tmp_path)
    os.kill(aws.pid, signal.SIGSTOP)
    assert stop(tmp_path) is True
    assert not psutil.pid_exists(aws.pid)


def test_a_killed_ministack_is_noticed_and_can_be_started_again(tmp_path: Path) -> None:
    """The note of a dead process is not believed, and what it left is cleaned away."""
    aws = start(tmp_path)
    os.kill(aws.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running(tmp_path) is None
    with local_aws(tmp_path) as again:
        assert again.pid != aws.pid
    assert not (tmp_path / "tmp").exists()


def test_a_stranger_with_the_noted_process_id_is_left_alone(tmp_path: Path) -> None:
    """Process ids are used again: the note counts only with the time of creation."""
    me = psutil.Process()
    stranger = LocalAws("http://127.0.0.1:1", 1, me.pid, me.create_time() - 3600, tmp_path / "ministack.log", "a", "b")
    ministack._write_note(tmp_path, stranger)
    assert running(tmp_path) is None
    assert stop(tmp_path) is False
    assert me.is_running()


@pytest.mark.parametrize(
    ("script", "seconds", "message"),
    [
        ("echo broken; exit 3", 60, r"ended at once with exit code 3; its log: broken"),
        ("exec sleep 60", 1, r"did not answer .*\(empty\)"),
    ],
)
def test_a_failed_start_shows_the_log_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, seconds: float, message: str
) -> None:
    """Neither a process, a temporary folder nor a note of it stays."""
    fake = tmp_path / "fake-python"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(ministack, "ministack_python", lambda _environments, **_python: fake)
    monkeypatch.setattr(ministack, "START_SECONDS", seconds)
    state = tmp_path / "state"
    before = set(psutil.Process().children())
    with pytest.raises(StartError, match=message):
        start(state)
    assert set(psutil.Process().children()) <= before
    assert sorted(path.name for path in state.iterdir()) == [".lock", "ministack.log"]
