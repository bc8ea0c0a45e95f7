"""The one place that starts uv, with the same rules for layers, proofs, verification and local environments.

Where packages come from is the user's choice, wherever uv or pip lets them make it: uv's own variables and `uv.toml`,
pip's variables, certificates, proxies, keyring and netrc. Everything else that could change what is installed is left
out: constraints, overrides, dates, build options, a project's `pyproject.toml`. Both are lists of what passes, so a
setting that a later uv adds changes nothing until it is listed here.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_registry.interpreters import search_path
from model_registry.pace import Downloads, Progress
from model_runtime.errors import EnvironmentBuildError, UvNotFoundError

_INDEXES = frozenset({"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"})
_PASSED = _INDEXES | {
    *("UV_FIND_LINKS", "UV_INDEX_STRATEGY", "UV_KEYRING_PROVIDER"),
    *("UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_OFFLINE"),
    *("UV_HTTP_TIMEOUT", "UV_HTTP_CONNECT_TIMEOUT", "UV_HTTP_RETRIES", "UV_REQUEST_TIMEOUT"),
    *("UV_CACHE_DIR", "UV_NO_CACHE", "UV_CONCURRENT_DOWNLOADS", "UV_CONCURRENT_INSTALLS"),
    *("UV_PYTHON_INSTALL_DIR", "UV_PYTHON_DOWNLOADS", "UV_PYTHON_INSTALL_MIRROR"),
}
# A name from the user's configuration stands in the middle.
_CREDENTIALS = re.compile(r"UV_INDEX_.+_(USERNAME|PASSWORD)")
# Programs that uv starts (keyring) need the rest of the environment; these would name another Python.
_WITHHELD = ("UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_")

# The same choices in a `uv.toml`, at its top and in its table `pip`.
_CONFIG_KEYS = (
    *("index", "index-url", "extra-index-url", "find-links", "no-index", "index-strategy", "keyring-provider"),
    *("allow-insecure-host", "native-tls", "system-certs", "offline", "cache-dir", "no-cache", "concurrent-downloads"),
    *("python-downloads", "python-install-mirror"),
)
_CONFIG_INDEXES = ("index", "index-url", "extra-index-url")
_TRUE = ("1", "true", "yes", "on")  # pip's words
_TAIL = 6
_HASH = " --hash=sha256:"


@dataclass(frozen=True)
class Outcome:
    """How one run of uv ended."""

    code: int
    printed: str  # what it wrote to stdout
    text: str  # all of stderr in one line; older versions wrap it at the terminal's width
    tail: str  # the last lines of stderr as they were

    @property
    def ok(self) -> bool:
        """Whether uv did what it was asked."""
        return self.code == 0

    @property
    def packages(self) -> tuple[tuple[str, str], ...]:
        """The packages that were, or in a dry run would be, installed: (name, version)."""
        return tuple(re.findall(r"\+ ([A-Za-z0-9._-]+)==(\S+)", self.text))


def run(arguments: Sequence[str | Path], *, progress: Progress = lambda _line: None) -> Outcome:
    """Run uv to its end; `progress` gets a line when a large download begins or ends.

    Raises:
        UvNotFoundError: uv is not installed.
        EnvironmentBuildError: the user's `uv.toml` cannot be read.

    """
    program, variables = find_uv(), dict(os.environ)
    config = user_config(variables)
    lines, downloads = list[str](), Downloads(progress)
    with tempfile.TemporaryDirectory(prefix="uv-") as folder, tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        path = Path(folder, "uv.toml")
        path.write_text(config_text(config), encoding="utf-8")
        with subprocess.Popen(  # noqa: S603  # uv's own path; callers put what they were given behind `--`
            [program, "--color", "never", "--no-progress", "--config-file", str(path), *map(str, arguments)],
            env=environment(variables, config),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as process:
            try:
                for line in process.stderr or ():
                    lines.append(line.rstrip())
                    downloads.read(line)
            except BaseException:
                process.kill()
                raise
        printed.seek(0)
        output = printed.read()
    tail = [line for line in lines if line.strip() and not line.startswith("Using ")][-_TAIL:]
    return Outcome(process.returncode, output, " ".join(" ".join(lines).split()), "\n".join(tail))


def install(
    arguments: Sequence[str | Path], requirements: Sequence[str], *, progress: Progress = lambda _line: None
) -> Outcome:
    """Run `uv pip install` for lines of a file of requirements: wheels only, as they are, without what they require.

    Digests on a line (`requirement`) are checked, and each line must have some where all have.
    """
    hashed = ["--require-hashes"] if requirements and all(_HASH in line for line in requirements) else []
    with tempfile.TemporaryDirectory(prefix="uv-") as folder:
        path = Path(folder, "requirements.txt")
        path.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        only = ("--no-deps", "--only-binary", ":all:", *hashed)
        return run(["pip", "install", *arguments, *only, "-r", path], progress=progress)


def requirement(name: str, version: str, sha256: Iterable[str] = ()) -> str:
    """Write a package of an index as a line of a file of requirements, with the digests of which its wheel has one."""
    return f"{name}=={version}{_hashes(sha256)}"


def wheel_requirement(name: str, path: Path, sha256: str) -> str:
    """Write a wheel's file as such a line."""
    return f"{name} @ {path.absolute().as_uri()}{_hashes([sha256])}"


def _hashes(sha256: Iterable[str]) -> str:
    return "".join(f"{_HASH}{digest}" for digest in sorted(sha256))


def find_uv() -> str:
    """Return the path of the uv program.

    Raises:
        UvNotFoundError: neither the package `uv` nor a program of that name is installed.

    """
    try:
        import uv  # in an extra

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError, AttributeError) as error:  # the last for another module that is called uv
        on_path = shutil.which("uv")
        if on_path is None:
            raise UvNotFoundError("uv, which installs packages, is not installed: run `pip install uv`") from error
        return on_path


def environment(variables: Mapping[str, str], config: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return the variables that uv runs with.

    pip's settings count where uv has no setting of its own for the same thing, as a variable or in `config`.
    """
    passed = {
        name: value
        for name, value in variables.items()
        if not name.startswith(_WITHHELD) or name in _PASSED or _CREDENTIALS.fullmatch(name)
    }
    passed["PATH"] = search_path(variables)
    return {**_from_pip(passed, config or {}), **passed}


def _from_pip(variables: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, str]:
    settings = {**config, **config.get("pip", {})}
    found = {}
    if _INDEXES.isdisjoint(variables) and not any(key in settings for key in _CONFIG_INDEXES):
        found = {"UV_DEFAULT_INDEX": "PIP_INDEX_URL", "UV_INDEX": "PIP_EXTRA_INDEX_URL"}
    found |= {"UV_INSECURE_HOST": "PIP_TRUSTED_HOST", "SSL_CERT_FILE": "PIP_CERT"}
    translated = {uv: variables[pip] for uv, pip in found.items() if variables.get(pip)}
    # pip separates these with spaces, uv with commas.
    if folders := variables.get("PIP_FIND_LINKS", "").split():
        translated["UV_FIND_LINKS"] = ",".join(folders)
    return translated


def user_config(variables: Mapping[str, str]) -> dict[str, Any]:
    """Read the keys that pass from the user's and the system's `uv.toml`, or from the one that UV_CONFIG_FILE names.

    Raises:
        EnvironmentBuildError: a file cannot be read.

    """
    found: dict[str, Any] = {"no-index": True} if variables.get("PIP_NO_INDEX", "").lower() in _TRUE else {}
    for path in _config_files(variables):
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise EnvironmentBuildError(f"{path}, uv's configuration, cannot be read ({error}): correct it") from error
        found |= {key: content[key] for key in _CONFIG_KEYS if key in content}
        table = {key: content["pip"][key] for key in _CONFIG_KEYS if key in content.get("pip", {})}
        found |= {"pip": {**found.get("pip", {}), **table}} if table else {}
    return found


def _config_files(variables: Mapping[str, str]) -> list[Path]:
    """Name the places of `uv.toml`, the system's before the user's, which wins."""
    if variables.get("UV_NO_CONFIG"):
        return []
    if named := variables.get("UV_CONFIG_FILE"):
        return [Path(named)]
    if os.name == "nt":
        folders = [Path(variables[name]) for name in ("PROGRAMDATA", "APPDATA") if variables.get(name)]
    else:
        home = variables.get("XDG_CONFIG_HOME")
        folders = [Path("/etc"), Path(home) if home else Path.home() / ".config"]
    return [folder / "uv" / "uv.toml" for folder in folders]


def origin() -> dict[str, Any]:
    """What is configured of where packages come from, now; empty where that is uv's own index alone.

    Folders of wheels have their time of change with them.
    """
    config = user_config(os.environ)
    given, settings = environment(os.environ, config), {**config, **config.get("pip", {})}
    found = {name: given[name] for name in (*_INDEXES, "UV_FIND_LINKS", "UV_INDEX_STRATEGY") if given.get(name)}
    keys = (*_CONFIG_INDEXES, "find-links", "no-index", "index-strategy")
    found |= {key: settings[key] for key in keys if key in settings}
    times = {link: Path(link).stat().st_mtime_ns for link in _links(found) if link and Path(link).is_dir()}
    return found | ({"times": times} if times else {})


def names_an_index() -> bool:
    """Whether what is configured names an index, or a page of links, beside or instead of uv's own."""
    found = origin()
    named = not found.keys().isdisjoint({*_INDEXES, *_CONFIG_INDEXES})
    return named or any("://" in link for link in _links(found))


def _links(found: Mapping[str, Any]) -> list[str]:
    return [*found.get("UV_FIND_LINKS", "").split(","), *found.get("find-links", [])]


def config_text(config: Mapping[str, Any]) -> str:
    """Write a configuration as TOML."""
    return "".join(f"{key} = {_toml(value)}\n" for key, value in config.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # JSON's strings, numbers and booleans are TOML's
