"""`publish`, `keygen`."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from model_registry.cli.common import (
    AsJson,
    Bucket,
    By,
    Profile,
    app,
    known_errors,
    open_registry,
    print_json,
    release_data,
    talk,
)
from model_runtime.errors import PublishError


@app.command()
def publish(
    bucket: Bucket,
    model: Annotated[Path, typer.Argument(help="A fitted estimator, written by joblib.dump. It is loaded: trust it.")],
    name: Annotated[str, typer.Option("--name", "-n", help="The model's name.")],
    example: Annotated[
        Path, typer.Option("--example", "-x", help="Example inputs, a JSON list of objects, lists or texts, or a CSV.")
    ],
    classes: Annotated[str | None, typer.Option(help="Names of the classes, by commas, in order of classes_.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="A metric as NAME=VALUE; may be given again.")] = None,
    description: Annotated[str, typer.Option("--description", "-d", help="A sentence for people.")] = "",
    lock: Annotated[
        Path | None, typer.Option(help="A requirements file that pins the packages; default: those installed.")
    ] = None,
    skops: Annotated[
        bool, typer.Option("--skops", help="Store it as model.skops too, which is loaded without unpickling.")
    ] = False,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Convert it to ONNX too, which is served without scikit-learn.")
    ] = False,
    train: Annotated[
        Path | None, typer.Option(help="More rows, in the form of --example, on which --onnx is compared.")
    ] = None,
    signing_key: Annotated[
        Path | None,
        typer.Option(
            envvar="MODEL_REGISTRY_SIGNING_KEY", help="Private key (PEM) that signs the manifest; see keygen."
        ),
    ] = None,
    by: By = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Publish a model file as the next version of a model."""
    from model_registry.publish.estimator import load_file

    with known_errors():
        X_example = _read_examples(example)
        X_train = _read_examples(train) if train else None
        metrics = dict(_metric(text) for text in metric or ())
        with talk.status(f"loading {model}"):
            estimator, data = load_file(model)
        registry = open_registry(bucket, profile, by, signing_key=signing_key)
        with talk.status(f"publishing {len(data) / 1e6:.1f} MB to {bucket}"):
            release = registry.publish(
                estimator,
                name=name,
                X_example=X_example,
                class_names=classes.split(",") if classes else None,
                metrics=metrics,
                description=description,
                model_bytes=data,
                lock=lock,
                formats=["joblib", *(["skops"] if skops else []), *(["onnx"] if onnx else [])],
                X_train=X_train,
            )
        if as_json:
            print_json(release_data(release))
        else:
            print(release.manifest.reference)


@app.command()
def keygen(
    path: Annotated[Path, typer.Argument(help="File for the private key; it must not exist. Keep it secret.")],
    as_json: AsJson = False,
) -> None:
    """Make a key that signs manifests, and print its public key for `publicKey` of a stack.

    MODEL_REGISTRY_SIGNING_PASSPHRASE, where it is set, encrypts the file.
    """
    with known_errors():
        from model_registry.signing import create_key

        public_key = create_key(path, os.environ.get("MODEL_REGISTRY_SIGNING_PASSPHRASE"))
        if as_json:
            print_json({"private_key": str(path), "public_key": public_key})
        else:
            print(public_key)


def _read_examples(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".csv":
            return _read_csv(path)
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PublishError(f"cannot read the examples {path}: {error.strerror}") from error
    except ValueError as error:
        raise PublishError(f"the examples {path} are no JSON ({error}): give a list, or a file named *.csv") from error
    if isinstance(document, list):
        return document
    raise PublishError(f"the examples {path} hold a {type(document).__name__}: give a list of objects, lists or texts")


def _read_csv(path: Path) -> list[dict[str, Any]]:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, restkey="", restval=""))
    if any("" in row for row in rows):
        raise PublishError(f"the examples {path} have a row with more cells than the header: name every column")
    return [{name: _csv_value(text) for name, text in row.items()} for row in rows]


def _csv_value(text: str) -> Any:
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _metric(text: str) -> tuple[str, float]:
    name, separator, value = text.partition("=")
    try:
        if name and separator:
            return name, float(value)
    except ValueError:
        pass
    raise PublishError(f"metric {text!r} is not NAME=VALUE with a number, for example accuracy=0.98")
