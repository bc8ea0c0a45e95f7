"""`python -m tests.fuzz TARGET FOLDER SECONDS`, in an environment that has atheris: fuzz one of the targets.

What it found is in the folder afterwards, and the exit code is not 0.
"""

import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["handler", "model_registry", "model_runtime"]):
    from tests.fuzz import targets


def mutated(data: bytes, most: int, seed: int) -> bytes:
    """Other bytes: an edit of the JSON that they are, or of the bytes."""
    return (targets.edited(data, seed) if seed % 2 else atheris.Mutate(data, most))[:most]


def main() -> None:
    """Fuzz for the time that was given, within bounded memory."""
    target, folder, seconds = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(targets.seeds(target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    # The function's log goes to stdout, at a line for each request.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    options = [f"-max_total_time={seconds}", "-max_len=20000", "-timeout=30", "-rss_limit_mb=1500"]
    arguments = ["fuzz", *options, f"-artifact_prefix={folder}/", str(corpus)]
    atheris.Setup(arguments, targets.TARGETS[target], custom_mutator=mutated)
    targets.TARGETS[target](b"\x00{}")  # what is imported and opened once
    targets.forbid()
    atheris.Fuzz()


if __name__ == "__main__":
    main()
