"""Start, find and stop MiniStack, the local AWS.

One MiniStack per state folder. It listens on loopback only, enforces IAM, and leaves nothing behind: what it
writes goes below the state folder, and it is ended by its own process id and never by name or port.

It is its owner's alone. Functions run as who started it, so only the credentials of this start create any
(`local/guard.py`), and only the owner reads the state folder, which has them.
"""

import contextlib
import fcntl
import functools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config

from local.api_models import strict
from local.environment import ministack_python
from local.errors import StartError

HOST = "127.0.0.1"
REGION = "us-east-1"
ENVIRONMENTS = Path(__file__).parents[1] / ".local"
START_SECONDS = 60
STOP_SECONDS = 10

_GUARD = Path(__file__).with_name("guard.py")
_OWNER_ONLY = 0o700

# Those that this process started and has to reap; a finished child would otherwise stay a zombie.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class LocalAws:
    """A running MiniStack."""

    url: str
    port: int
    pid: int
    started: float
    """When the process was created, in seconds since the epoch: tells it from a later one with the same pid."""
    log: Path
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    """The root's credentials, made for this start."""

    def client(self, service: str) -> Any:
        """Return a boto3 client with the rights of the account's root, which refuses what AWS would refuse."""
        return client_as(self.url, service, self.access_key, self.secret_key)

    def environment(self) -> dict[str, str]:
        """Return the variables that point boto3, obstore and the AWS command line at this MiniStack."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ALLOW_HTTP": "true",  # obstore refuses plain HTTP otherwise
            "NO_PROXY": f"{HOST},localhost",
            "no_proxy": f"{HOST},localhost",
        }

    @contextlib.contextmanager
    def activated(self) -> Iterator[None]:
        """Put this environment in place of the caller's AWS settings for the length of the block.

        Nothing of the caller's account shows in it: no profile, session token or container endpoint.
        """
        before = dict(os.environ)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(self.environment())
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@functools.cache
def client_as(url: str, service: str, key: str, secret: str) -> Any:
    """A boto3 client with these credentials, which refuses what AWS would refuse."""
    client = boto3.session.Session().client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(proxies={}, retries={"max_attempts": 2}, s3={"addressing_style": "path"}),
    )
    return strict(client)


def start(
    state: Path, *, port: int | None = None, environments: Path = ENVIRONMENTS, python: str | None = None
) -> LocalAws:
    """Start MiniStack, wait until it answers and note it in `<state>/ministack.json`.

    Args:
        state: the folder for its log and everything that it writes.
        port: where it listens; by default a free one.
        environments: the folder that holds MiniStack's own Python environment, built at the first start.
        python: the minor version of the Python that runs it, and so all functions; by default the running one.

    Raises:
        StartError: one runs here already, the port is taken, or it did not come up; nothing is left behind.

    """
    state = state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(_OWNER_ONLY)
    with _locked(state):
        found = running(state)
        if found:
            raise StartError(f"MiniStack is already running at {found.url} (process {found.pid}): stop it first")
        stop(state)  # what a killed one left
        interpreter = ministack_python(environments, python=python)
        if port is not None:
            _refuse_taken(port)
            return _start(state, interpreter, port)
        return _start_at_a_free_port(state, interpreter)


@contextlib.contextmanager
def local_aws(
    state: Path, port: int | None = None, environments: Path = ENVIRONMENTS, *, python: str | None = None
) -> Iterator[LocalAws]:
    """Give a MiniStack for the length of the block."""
    aws = start(state, port=port, environments=environments, python=python)
    try:
        yield aws
    finally:
        stop(state)


def running(state: Path) -> LocalAws | None:
    """Return the MiniStack of this state folder, or None if it does not run."""
    aws = _noted(state)
    return aws if aws and aws.access_key and _process(aws) else None


def stop(state: Path) -> bool:
    """End the MiniStack of this state folder with its workers and remove its files, all but the log.

    Returns whether one was running.
    """
    aws = _noted(state)
    process = _process(aws) if aws else None
    if aws and process:
        _end(process)
    shutil.rmtree(state / "tmp", ignore_errors=True)
    _note(state).unlink(missing_ok=True)
    return process is not None


def _start_at_a_free_port(state: Path, python: Path) -> LocalAws:
    """Start, once more where another process took the port between its choice and its use."""
    port = _free_port()
    try:
        return _start(state, python, port)
    except StartError:
        try:
            _refuse_taken(port)
        except StartError:
            return _start(state, python, _free_port())
        raise


def _start(state: Path, python: Path, port: int) -> LocalAws:
    temporary = state / "tmp"
    temporary.mkdir(_OWNER_ONLY)
    # As AWS makes them: 20 characters that begin with AKIA, and 40.
    access_key, secret_key = f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20)
    log = state / "ministack.log"
    child = None
    try:
        with log.open("wb") as output:
            child = subprocess.Popen(  # noqa: S603  # the environment's own interpreter
                [python, "-P", _GUARD],  # without its folder, whose modules are not MiniStack's
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=temporary,
                env=_process_environment(port, temporary)
                | {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key},
                umask=0o077,
                start_new_session=True,  # Ctrl-C in the terminal is ours; we stop it in order
            )
        _children[child.pid] = child
        started = psutil.Process(child.pid).create_time()
        aws = LocalAws(f"http://{HOST}:{port}", port, child.pid, started, log, access_key, secret_key)
        _write_note(state, aws)
        _wait(aws, child)
    except BaseException:
        if child:
            _children[child.pid] = child
            _end(psutil.Process(child.pid)) if child.poll() is None else _children.pop(child.pid).wait()
        shutil.rmtree(temporary, ignore_errors=True)
        _note(state).unlink(missing_ok=True)
        raise
    return aws


def _process_environment(port: int, temporary: Path) -> dict[str, str]:
    """Nothing of the caller's environment but PATH: functions inherit it, and it may hold real credentials."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "AUTH": "true",
        # Without these it opens further ports and looks after the containers of other MiniStacks.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": f"unix://{temporary}/no-docker",
        "LAMBDA_EXECUTOR": "local",
        "STATE_DIR": str(temporary / "state"),
        "S3_DATA_DIR": str(temporary / "s3"),
        # Lambda cannot write bytecode beside a layer's modules either.
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
    }


def _wait(aws: LocalAws, child: subprocess.Popen[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise StartError(f"MiniStack ended at once with exit code {child.returncode}; its log: {_tail(aws.log)}")
        # Only its own answer counts: another process may have taken the port in between.
        if _listens(child.pid, aws.port):
            with contextlib.suppress(urllib.error.URLError, TimeoutError, ConnectionError):
                opener.open(f"{aws.url}/_ministack/health", timeout=5).close()
                return
        time.sleep(0.05)
    raise StartError(f"MiniStack did not answer at {aws.url} within {START_SECONDS} s; its log: {_tail(aws.log)}")


def _listens(pid: int, port: int) -> bool:
    with contextlib.suppress(psutil.Error):
        connections = psutil.Process(pid).net_connections("tcp")
        return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)
    return False


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) or "(empty)"


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise StartError(f"port {port} on {HOST} cannot be used ({error}): choose another, or none") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _note(state: Path) -> Path:
    return state / "ministack.json"


def _write_note(state: Path, aws: LocalAws) -> None:
    writing = _note(state).with_suffix(".writing")
    writing.unlink(missing_ok=True)
    with os.fdopen(os.open(writing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(aws) | {"log": str(aws.log)}, file)
    writing.replace(_note(state))


def _noted(state: Path) -> LocalAws | None:
    try:
        note = json.loads(_note(state).read_text())
    except FileNotFoundError:
        return None
    # An earlier release had `test` for credentials and noted none: what it started can only be stopped.
    return LocalAws(**{"access_key": "", "secret_key": ""} | note | {"log": Path(note["log"])})


def _process(aws: LocalAws) -> psutil.Process | None:
    """Return the process if it is still the noted one: process ids are used again."""
    child = _children.get(aws.pid)
    if child and child.poll() is not None:
        del _children[aws.pid]
        return None
    try:
        process = psutil.Process(aws.pid)
        # The clock that dates processes may be corrected by a little; a reused id is much younger.
        same = abs(process.create_time() - aws.started) < 2  # noqa: PLR2004  # seconds
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _end(process: psutil.Process) -> None:
    """End MiniStack, then the workers of its functions, which share its session."""
    for end in (process.terminate, process.kill):
        with contextlib.suppress(psutil.NoSuchProcess):
            end()
        child = _children.get(process.pid)
        try:
            child.wait(STOP_SECONDS) if child else process.wait(STOP_SECONDS)
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
            continue
        break
    _children.pop(process.pid, None)
    # No new process can get this id while its session lives, so these are its own.
    for worker in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(worker) == process.pid:
                os.kill(worker, signal.SIGKILL)


@contextlib.contextmanager
def _locked(state: Path) -> Iterator[None]:
    """Two starts in one state folder come one after the other; the second then finds the first."""
    with (state / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
