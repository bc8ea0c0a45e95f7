"""Services that speak S3, each on a free port of this machine: built or installed once, into the user's cache."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from model_registry import uv

KEY, SECRET = "access", "secretsecret"
MOTO = "moto[s3,server]==5.2.5"
GO = {
    "versitygw": "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
    "seaweedfs": "github.com/seaweedfs/seaweedfs/weed@v0.0.0-20261109003541-7506e5f91cd6",
}
"""Built by Go from its module proxy: versitygw in 1 to 2 minutes, SeaweedFS in 3 to 5 on two cores."""
_START_SECONDS = 90


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Give the URL of moto's server."""
    port = _free_port()
    with _running([_moto(), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], folder, port) as url:
        yield url


@contextmanager
def versitygw(folder: Path) -> Iterator[str]:
    """Give the URL of a versitygw that keeps objects in a folder."""
    port, data = _free_port(), folder / "data"
    data.mkdir()
    command = [str(_built("versitygw")), "--access", KEY, "--secret", SECRET, "--port", f"127.0.0.1:{port}"]
    # Not with --sidecar: then an object and its ETag are written one after the other, and a reader gets one of each.
    with _running([*command, "posix", str(data)], folder, port) as url:
        yield url


@contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """Give the URL of SeaweedFS with all its parts in one process."""
    identity = {"accessKey": KEY, "secretKey": SECRET}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identities = {"identities": [{"name": "tests", "credentials": [identity], "actions": actions}]}
    (folder / "s3.json").write_text(json.dumps(identities), encoding="utf-8")
    port, master, volume, filer = (_free_port() for _ in range(4))
    command = [str(_built("seaweedfs")), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"]
    ports = [f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={port}"]
    s3 = ["-volume.max=200", "-master.volumeSizeLimitMB=64", "-filer", "-s3", f"-s3.config={folder / 's3.json'}"]
    with _running([*command, *ports, *s3], folder, port) as url:
        yield url


SERVERS: dict[str, Callable[[Path], object]] = {"moto": moto, "versitygw": versitygw, "seaweedfs": seaweedfs}


@contextmanager
def _running(command: Sequence[str | Path], folder: Path, port: int) -> Iterator[str]:
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process:
        try:
            _wait(process, port, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                return
        except urllib.error.HTTPError as error:  # it wants a signed request, or has not all of its parts yet
            error.close()
            if error.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the service did not start: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    # SeaweedFS listens at 10,000 above each of its ports, too.
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
        if port < 55_000:
            return port


def _cache(name: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sklearn-on-lambda" / "s3-services" / name


def _moto() -> Path:
    folder = _cache(f"moto-{MOTO.rpartition('=')[2]}-python{sys.version_info.major}.{sys.version_info.minor}")
    with _once(folder) as building:
        if building:
            _uv("venv", "--python", Path(sys.executable).resolve(), building)
            _uv("pip", "install", "--python", building / "bin" / "python", MOTO)
    return folder / "bin" / "python"


def _uv(*arguments: str | Path) -> None:
    done = uv.run(arguments)
    assert done.ok, done.tail


def _built(name: str) -> Path:
    package, version = GO[name].split("@")
    folder = _cache(f"{name}-{version}")
    with _once(folder) as building:
        if building:
            go = shutil.which("go")
            assert go, f"building {name} needs Go on PATH"
            # In a module of its own, as a module that replaces others cannot be installed by its name.
            for command in (
                ("mod", "init", "services"),
                ("get", "-tool", f"{package}@{version}"),
                ("build", "-o", name, package),
            ):
                subprocess.run([go, *command], cwd=building, check=True, capture_output=True)
            (building / "go.sum").unlink()
    return folder / name


@contextmanager
def _once(folder: Path) -> Iterator[Path | None]:
    """Give a folder to build into, which then gets its name; None where it is there. Others wait meanwhile."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            yield None
            return
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
        try:
            yield building
            building.replace(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
