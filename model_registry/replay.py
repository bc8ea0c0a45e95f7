"""The program that a verification runs inside the model's own environment.

Light: `verification` copies this module and the few that it imports next to the model, and nothing else of the
project is there.
"""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import msgspec

from model_registry.manifest import MANIFEST_FILE, Manifest, decode_manifest, digest
from model_registry.prediction import Predictor, same_prediction, unpickle


def main(folder: str) -> None:
    """Replay the golden examples of the version in a folder, and print what was found as one line of JSON.

    That is `{"error": "..."}` where the model cannot be loaded, or does not answer.
    """
    with redirect_stdout(sys.stderr):  # a model that prints must not be taken for the answer
        try:
            found = replay(Path(folder))
        except Exception as error:  # noqa: BLE001  # a model's own code can raise anything
            found = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(found))  # noqa: T201  # this is how the verification learns of it


def replay(folder: Path) -> dict[str, Any]:
    """Check the model's digest, load it, answer every golden example: `{"examples": 3, "mismatches": [...]}`.

    RuntimeError where the bytes are not those of the manifest; nothing was loaded then.
    """
    manifest = decode_manifest((folder / MANIFEST_FILE).read_bytes())
    data = (folder / manifest.artifact.file).read_bytes()
    if digest(data) != manifest.artifact.sha256:
        raise RuntimeError(f"{manifest.artifact.file} has SHA-256 {digest(data)}, not {manifest.artifact.sha256}")
    predictor = Predictor(unpickle(data), manifest.signature)
    return {"examples": len(manifest.examples), "mismatches": _mismatches(predictor, manifest)}


def _mismatches(predictor: Predictor, manifest: Manifest) -> list[dict[str, Any]]:
    found = []
    for example in manifest.examples:
        row = tuple(example.input[feature.name] for feature in manifest.signature.features)
        (answer,) = predictor.predict([row])
        if not same_prediction(answer, example.output):
            found.append(
                {
                    "input": example.input,
                    "answer": msgspec.to_builtins(answer),
                    "recorded": msgspec.to_builtins(example.output),
                }
            )
    return found
