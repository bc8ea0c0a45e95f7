"""Prove, before a version is committed, that it answers as the estimator answers to its owner.

The very bytes that will be stored are loaded by the function's own start, in a fresh process, and the owner's rows are
sent to the function's own handler as JSON. What cannot be proven is not published.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec

from model_registry import processes, shipping
from model_registry.environments import environment_for, find_interpreter
from model_registry.lambda_packages.pinned import hashes_here
from model_registry.pace import EVERY, Pace, Progress
from model_registry.publish.answers import Comparison, OwnAnswers, compare, telling_column
from model_registry.stored_wheels import chosen
from model_runtime.errors import InterpreterNotFoundError, ProofError
from model_runtime.manifest import (
    MANIFEST_FILE,
    FormatName,
    Manifest,
    Prediction,
    Proof,
    ProofKind,
    Signature,
    digest,
    encode,
    version_key,
)
from model_runtime.schema import has_query_form
from model_runtime.storage import Content

_SECONDS = 1800
_SHOWN = 3
_FEW_ROWS = 50
_TAIL = 12
_METHODS = {"label": "predict", "value": "predict", "probabilities": "predict_proba"}
"""The methods that members of an answer come from, where they are called otherwise."""
_BUCKET = "proof"
_ASKED_FILE = "asked"
"""What the program (`handler.proof`) writes while it works."""
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from handler.proof import main; "
    f"sys.path.insert(0, sys.argv[1] + '/{shipping.OWN_CODE}'); main(sys.argv[2:])"
)


@dataclass(frozen=True)
class Case:
    """A version to be proven: its manifest, its files by name, the owner's rows as objects and the own answers to them.

    The manifest may have any number: what is proven are the files, the packages and the signature.
    """

    manifest: Manifest
    files: Mapping[str, Content]
    rows: Sequence[Mapping[str, Any]]
    own: Sequence[OwnAnswers]
    code: Mapping[str, Path] = field(default_factory=dict)
    """Own code, by its path in `code.zip`."""
    model_format: FormatName = "joblib"
    """The format that is proven."""
    wheels: Sequence[Path] = ()
    """Of packages that are on no index."""
    made: int = 0
    """How many of the rows, all of the last answers, are examples that publishing has made."""

    @property
    def owners(self) -> "Case":
        """The same with the owner's rows alone."""
        return replace(self, rows=self.rows[: -self.made], own=self.own[:-1], made=0) if self.made else self


@dataclass(frozen=True)
class MissingModules:
    """A start or an answer failed because the environment lacks these modules."""

    modules: tuple[str, ...]
    said: str


def prove(case: Case, kind: ProofKind, *, progress: Progress = lambda _line: None) -> Proof | MissingModules:
    """Prove one version; `kind` is `full` or `process`.

    Raises:
        ProofError: an answer differs from the estimator's own, or the version does not start or answer.
        EnvironmentBuildError, UvNotFoundError: the environment cannot be made.

    """
    (found,) = prove_all([case], kind, progress=progress)
    if isinstance(found, ProofError):
        raise found
    return found


def prove_all(
    cases: Sequence[Case], kind: ProofKind, *, progress: Progress = lambda _line: None
) -> list[Proof | MissingModules | ProofError]:
    """Prove several versions of the same packages in one process; the error of each that is not proven in its place.

    Raises ProofError where the process ends before all have answered, and what else `prove` raises.
    """
    python = _interpreter(cases[0], kind, progress)
    rows = sum(len(case.rows) for case in cases)
    what = f"asking the function {rows} rows"
    progress(what)
    requests = sum(len(case.rows) * (2 if has_query_form(case.manifest.signature) else 1) for case in cases)
    pace = Pace(what, requests, progress, shown="{:,}".format)
    with _folders(cases) as (code, folders), _watched(folders, pace):
        _run(python, code, folders, kind, cases[0].manifest.name)
        answered = [json.loads((folder / "answers.json").read_text(encoding="utf-8")) for folder in folders]
    return [_judged_or_refused(case, found, kind) for case, found in zip(cases, answered, strict=True)]


@dataclass(frozen=True)
class Speed:
    """How long a start takes, and the answer to a request of one row (the median), in seconds."""

    start: float
    answer: float


def speed_of(case: Case, kind: ProofKind) -> Speed:
    """Start a proven version once more, now that bytecode of its packages is there, and ask it a few rows."""
    few = replace(case, rows=case.rows[:_FEW_ROWS])
    with _folders([few]) as (code, folders):
        _run(_interpreter(few, kind, lambda _line: None), code, folders, kind, case.manifest.name)
        found = json.loads((folders[0] / "answers.json").read_text(encoding="utf-8"))
    return Speed(**found["seconds"])


def _interpreter(case: Case, kind: ProofKind, progress: Progress) -> Path:
    environment = case.manifest.model_format(case.model_format).environment
    if kind == "process" or (case.model_format == "onnx" and not _is_here(environment.python)):
        return Path(sys.executable)
    wheels = chosen(case.wheels, environment.packages)
    packages = shipping.layer_packages(environment.packages)
    hashes = hashes_here(environment)
    return environment_for(packages, environment.python, wheels=wheels, hashes=hashes, progress=progress)


def _is_here(python: str) -> bool:
    """Whether there is this Python: a model for Lambda's python3.12 may be made by one who has 3.11 only."""
    try:
        find_interpreter(python)
    except InterpreterNotFoundError:
        return False
    return True


@contextmanager
def _folders(cases: Sequence[Case]) -> Iterator[tuple[Path, list[Path]]]:
    """The function's code, and a folder for each version, until they were answered."""
    with tempfile.TemporaryDirectory(prefix="sklearn-on-lambda-proof-") as base:
        code = Path(base) / "code"
        own = {f"{shipping.OWN_CODE}/{name}": path for case in cases for name, path in case.code.items()}
        for name, path in {**shipping.function_files(), **own}.items():
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, code / name)
        folders = [Path(base) / str(number) for number in range(len(cases))]
        for case, folder in zip(cases, folders, strict=True):
            _write(case, folder)
        yield code, folders


def _write(case: Case, folder: Path) -> None:
    # Without examples the start checks none of them: what differs is told by the comparison, with its row.
    manifest = encode(msgspec.structs.replace(case.manifest, examples=()))
    bucket = folder / "bucket"
    for file, data in {**case.files, MANIFEST_FILE: manifest}.items():
        path = bucket / version_key(case.manifest.name, case.manifest.version, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, bytes):
            path.write_bytes(data)
        else:
            shutil.copyfile(data, path)
    variables = {
        "MODEL_BUCKET": _BUCKET,
        "MODEL_NAME": case.manifest.name,
        "MODEL_VERSION": str(case.manifest.version),
        "MODEL_MANIFEST_SHA256": digest(manifest),
        "MODEL_FORMAT": case.model_format,
        # Made just now from the owner's own object: its types are trusted as far as that is.
        "MODEL_TRUSTED_TYPES": ",".join(case.manifest.model_format(case.model_format).untrusted_types),
    }
    (folder / "variables.json").write_text(json.dumps(variables), encoding="utf-8")
    # Apart, so that the examples change nothing about the requests with the owner's rows.
    groups = [list(case.owners.rows), list(case.rows[len(case.owners.rows) :])]
    (folder / "rows.json").write_bytes(msgspec.json.encode(groups))


@contextmanager
def _watched(folders: Sequence[Path], pace: Pace) -> Iterator[None]:
    """Look now and then how many rows the program has sent."""
    ended = Event()

    def look() -> None:
        while not ended.wait(EVERY / 2):
            pace(sum(_asked(folder / _ASKED_FILE) for folder in folders))

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _asked(file: Path) -> int:
    try:
        return int(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # not yet, or being written
        return 0


def _run(python: Path, code: Path, folders: Sequence[Path], kind: ProofKind, name: str) -> None:
    isolated = ["-I"] if kind == "full" else []
    try:
        done = processes.run(
            [python, *isolated, "-W", "ignore", "-c", _PROGRAM, code, *folders],
            cwd=code if kind == "full" else None,
            env=_environment(folders[0], kind),
            seconds=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ProofError(
            f"{name} did not answer its own rows within {_SECONDS} s: give fewer rows, or a faster model"
        ) from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).splitlines()[-_TAIL:])
        raise ProofError(f"{name} ended the process that was to prove it, with exit code {done.returncode}: {said}")


def _environment(home: Path, kind: ProofKind) -> dict[str, str]:
    """Nothing of the caller's in a full proof, as in a function; the caller's own path in the other."""
    given = dict(os.environ) if kind == "process" else processes.bare_environment(home)
    if kind == "process":
        given["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return given | shipping.ONE_THREAD


def _judged_or_refused(case: Case, found: Mapping[str, Any], kind: ProofKind) -> Proof | MissingModules | ProofError:
    try:
        return _judged(case, found, kind)
    except ProofError as error:
        return error


def _judged(case: Case, found: Mapping[str, Any], kind: ProofKind) -> Proof | MissingModules:
    name = case.manifest.name
    if found.get("modules"):
        return MissingModules(tuple(found["modules"]), found["error"])
    if "error" in found:
        raise ProofError(f"{name} does not answer as a function: {_of_event(found)}{found['error']}")
    answers: Mapping[str, list[Any]] = found["answers"]
    compared = [(way, _compared(case.own, given)) for way, given in answers.items()]
    for judged in (case.owners, case):  # what the owner knows tells more
        count = len(judged.own)
        wrong = [(way, each[:count]) for way, each in compared if any(one.differences for one in each[:count])]
        if wrong:
            raise ProofError(_told(judged, *wrong[0], _remedy(case.manifest.signature, wrong)))
    largest = [comparison.largest for _, each in compared for comparison in each]
    return Proof(
        kind=kind,
        rows=len(case.owners.rows),
        requests=found["requests"],
        relative=max(own.tolerance.relative for own in case.own),
        absolute=max(own.tolerance.absolute for own in case.own),
        difference=max(largest, default=0.0),
        ties=max(sum(comparison.ties for comparison in each) for _, each in compared),
    )


def _compared(own: Sequence[OwnAnswers], given: Sequence[Any]) -> list[Comparison]:
    """Hold what one way of asking gave against the answers to each table of rows."""
    answers = [msgspec.convert(each, Prediction) for each in given]
    found, start = [], 0
    for each in own:
        count = len(each.predictions)
        found.append(compare(each, answers[start : start + count]))
        start += count
    return found


def _remedy(signature: Signature, wrong: Sequence[tuple[str, Sequence[Comparison]]]) -> str:
    """What to do about the ways of asking that gave other answers."""
    differ = {one.output for _, each in wrong for comparison in each for one in comparison.differences}
    methods = {_METHODS.get(output, output) for output in differ}
    outputs = ", ".join(sorted(methods))
    leave = f"leave {outputs} out of outputs"
    if methods >= _served(signature):
        leave = "publish one that answers each row by itself, as nothing else of it is served"
    if all(way != "batch" for way, _ in wrong):
        return (
            f"Among others these rows are answered as they should be, alone they are not: {outputs} of this estimator "
            f"is random, or depends on the other rows: {leave}"
        )
    return (
        "Give X_example with the types that the model was fitted on, and more rows of them as X_train; where the "
        f"estimator is random, or an answer depends on the other rows of a request, {leave}"
    )


def _served(signature: Signature) -> set[str]:
    """The names that `outputs` has for what is served."""
    predict = {"predict"} if signature.output else set()
    return predict | ({"predict_proba"} if signature.probabilities else set()) | {*signature.methods}


def _told(case: Case, way: str, each: Sequence[Comparison], remedy: str) -> str:
    differences, start = [], 0
    for own, comparison in zip(case.own, each, strict=True):
        differences += [(start + one.row, one) for one in comparison.differences]
        start += len(own.predictions)
    shown = "; ".join(
        f"row {number}, {json.dumps(case.rows[number], default=str)}: {one.output} is {one.other}, and the estimator "
        f"answers its owner {one.own}"
        for number, one in differences[:_SHOWN]
    )
    numbers = {number for number, _ in differences}
    column = telling_column(case.rows, numbers)
    return (
        f"{case.manifest.name} answers {len(numbers)} of {len(case.rows)} rows differently when served (by {way}): "
        f"{shown}{'; ' + column if column else ''}. {remedy}"
    )


def _of_event(found: Mapping[str, Any]) -> str:
    event = found.get("event")
    if event is None:
        return ""
    sent = event["body"] if event["httpMethod"] == "POST" else event["multiValueQueryStringParameters"]
    return f"{event['httpMethod']} {str(sent)[:300]} gives "
