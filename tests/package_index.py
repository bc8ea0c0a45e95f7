"""A package index on loopback, and wheels to serve: made by a test, or put together from what is installed here."""

import base64
import hashlib
import importlib.metadata
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name


def make_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str], *, requires: Iterable[str] = ()
) -> Path:
    """Write a pure-Python wheel with these modules."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {it}" for it in requires),
    ]
    content = {
        **{path: text.encode() for path, text in files.items()},
        f"{info}/METADATA": ("\n".join(metadata) + "\n").encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    return _zip(folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl", info, content)


def installed_wheel(folder: Path, name: str) -> Path:
    """Put the wheel of an installed distribution together again."""
    found = importlib.metadata.distribution(name)
    files = [path for path in found.files or () if ".." not in path.parts and "__pycache__" not in path.parts]
    wheel = next(path for path in files if path.match("*.dist-info/WHEEL"))
    fields = [line.partition(": ") for line in wheel.read_text().splitlines()]
    tags = [value.split("-") for key, _, value in fields if key == "Tag"]
    tag = "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*tags, strict=True))
    left_out = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    content = {str(path): path.read_binary() for path in files if path.name not in left_out or len(path.parts) > 2}
    info = wheel.parts[0]
    return _zip(folder / f"{info.removesuffix('.dist-info')}-{tag}.whl", info, content)


def _zip(target: Path, info: str, content: Mapping[str, bytes]) -> Path:
    rows = [f"{name},sha256={_hash(data)},{len(data)}" for name, data in content.items()]
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,", ""]))
    return target


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path, wheels: Iterable[Path]) -> Iterator[str]:
    """Serve wheels as a simple index (PEP 503) below an empty folder; gives its URL."""
    for wheel in wheels:
        page = folder / "simple" / canonicalize_name(wheel.name.partition("-")[0]) / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        with page.open("a", encoding="utf-8") as file:
            file.write(f'<a href="{wheel.name}">{wheel.name}</a>\n')
        (page.parent / wheel.name).symlink_to(wheel)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
