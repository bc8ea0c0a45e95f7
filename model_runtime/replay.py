"""The program that a verification runs inside the model's own environment.

Light: `verification` copies this module and the few that it imports next to the model, and nothing else of the
project is there.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import msgspec

from model_runtime import formats
from model_runtime.formats import Predicts
from model_runtime.formats.skops import untrusted_types
from model_runtime.golden import decode_golden
from model_runtime.manifest import (
    FORMAT_FILES,
    GOLDEN_FILE,
    MANIFEST_FILE,
    Example,
    FormatName,
    Manifest,
    decode_manifest,
    digest,
)
from model_runtime.schema import Inputs


def main(folder: str, model_format: FormatName) -> None:
    """Replay the golden examples of the version in a folder by a format, and print what was found as a line of JSON.

    That is `{"error": "..."}` where the model cannot be loaded, or does not answer.
    """
    with redirect_stdout(sys.stderr):  # a model that prints must not be taken for the answer
        try:
            found = replay(Path(folder), model_format)
        except Exception as error:  # noqa: BLE001  # a model's own code can raise anything
            found = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(found))  # noqa: T201  # this is how the verification learns of it


def replay(folder: Path, model_format: FormatName) -> dict[str, Any]:
    """Check the model's digest, load it, answer every golden example: `{"examples": 3, "mismatches": [...]}`.

    So are the recorded rows, where their file is there. RuntimeError where the bytes are not those of the manifest;
    nothing was loaded then.
    """
    manifest = decode_manifest((folder / MANIFEST_FILE).read_bytes())
    artifact = manifest.model_format(model_format).artifact
    data = (folder / FORMAT_FILES[model_format]).read_bytes()
    if digest(data) != artifact.sha256:
        raise RuntimeError(f"{artifact.file} has SHA-256 {digest(data)}, not {artifact.sha256}")
    # Whoever verifies a version also unpickles its joblib file: there is nothing more to be trusted here.
    trusted = untrusted_types(data) if model_format == "skops" else ()
    golden = decode_golden(manifest, (folder / GOLDEN_FILE).read_bytes()) if manifest.golden else ()
    predictor = formats.load(manifest, model_format, data, trusted_types=trusted)
    found = [*_mismatches(predictor, manifest, model_format), *_wrong_rows(predictor, manifest, model_format, golden)]
    return {"examples": len(manifest.examples) + len(golden), "mismatches": found}


def _wrong_rows(
    predictor: Predicts, manifest: Manifest, model_format: FormatName, golden: Sequence[Example]
) -> Iterator[dict[str, Any]]:
    """Recorded rows that are answered differently, by their numbers: what is in them is for no terminal and no log."""
    form, inputs = manifest.model_format(model_format), Inputs(manifest.signature)
    for number, example in enumerate(golden, 1):
        try:
            (answer,) = predictor.predict([inputs.read_example(example)])
        except Exception as error:  # noqa: BLE001  # a model's own code can raise anything, and name the values
            yield {"row": number, "raised": type(error).__name__}
            continue
        if not formats.same_answer(form, answer, example.output):
            yield {"row": number}


def _mismatches(predictor: Predicts, manifest: Manifest, model_format: FormatName) -> list[dict[str, Any]]:
    found = []
    form = manifest.model_format(model_format)
    inputs = Inputs(manifest.signature)
    for example in manifest.examples:
        (answer,) = predictor.predict([inputs.read_example(example)])
        if not formats.same_answer(form, answer, example.output):
            found.append(
                {
                    "input": example.input,
                    "answer": msgspec.to_builtins(answer),
                    "recorded": msgspec.to_builtins(example.output),
                }
            )
    return found
