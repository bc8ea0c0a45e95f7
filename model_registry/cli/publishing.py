"""`publish`, `keygen`."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from model_registry.cli.common import (
    WRITE,
    AsJson,
    Bucket,
    By,
    Profile,
    app,
    known_errors,
    open_registry,
    print_json,
    proof_kind,
    release_data,
    talk,
    working,
)
from model_registry.cli.work import Work
from model_registry.registry import NOTE, PROOF_VARIABLE
from model_runtime.errors import PublishError
from model_runtime.manifest import FeatureType, Manifest

if TYPE_CHECKING:
    from model_registry.publish.from_mlflow import MlflowModel


_OPTIONS = {"X_example": "--example", "X_test": "--test", "y_test": "--target", "X_train": "--train"}
_PARAMETERS = re.compile(rf"(?<![\w/\\.'\"`-])(?:{'|'.join(_OPTIONS)})(?![\w/\\.'\"`-])")
"""Parameters as a sentence names them: not in paths, and not columns, which errors of the library quote."""


@app.command(rich_help_panel=WRITE)
def publish(
    bucket: Bucket,
    name: Annotated[str, typer.Option("--name", "-n", help="The model's name.")],
    model: Annotated[
        Path | None,
        typer.Argument(help="A fitted estimator, written by joblib.dump; - is standard input. It is loaded: trust it."),
    ] = None,
    from_mlflow: Annotated[
        str | None,
        typer.Option(help="Instead of MODEL, a folder of MLflow, or models:/NAME@ALIAS. It is loaded: trust it."),
    ] = None,
    example: Annotated[
        Path | None,
        typer.Option(
            "--example",
            "-x",
            help="Example inputs: a JSON list of objects, lists or texts, a CSV, or Parquet; - is JSON "
            "from standard input. MLflow may have some.",
        ),
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Names of the classes, by commas, in order of classes_.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="A metric as NAME=VALUE; may be given again.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="A label as NAME=VALUE; may be given again. Callers see it in GET /model.")
    ] = None,
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
        Path | None, typer.Option(help="More rows like those of --example: types are learnt from them, and proven.")
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            help="Rows that the model was not trained on, with what is true of them: the version gets a report on them."
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="The column of --test that is true of its rows; default: the last. May be given again."),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(help="A method that is served, such as predict or decision_function; may be given again."),
    ] = None,
    nullable: Annotated[
        list[str] | None, typer.Option(help="A feature that may be missing, or * for all; may be given again.")
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option(
            "--type", help="A feature's type as NAME=integer, number, string, boolean or datetime; may be given again."
        ),
    ] = None,
    code: Annotated[
        list[Path] | None,
        typer.Option(help="A module or package folder of your own that goes with the model; default: what it needs."),
    ] = None,
    no_code: Annotated[bool, typer.Option("--no-code", help="Take none of your own code.")] = False,
    package: Annotated[
        list[str] | None,
        typer.Option(help="NAME==VERSION of a package that is added, or replaces what was found; may be given again."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="A package that is left out, as the model works without; may be given again."),
    ] = None,
    proof: Annotated[
        str | None,
        typer.Option(
            envvar=PROOF_VARIABLE,
            help="full: in an environment of exactly the model's packages (default); process: in this one; none.",
        ),
    ] = None,
    examples: Annotated[
        str,
        typer.Option(help="What may be shown: synthetic rows; those of --example masked, or as given."),
    ] = "synthetic",
    golden: Annotated[
        str,
        typer.Option(help="What is recorded for verifiers only: the rows of --example as given, masked, or none."),
    ] = "given",
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
    """Publish a model file, or a model of MLflow, as the next version of a model."""
    with known_errors():
        from model_registry.publish.files import read_rows

        metrics, notes = dict(_metric(text) for text in metric or ()), list[str]()
        labels, packages = _labels(label or ()), _packages(package or ())
        with working(f"loading {model or from_mlflow}") as work, _spooled(model) as file:
            found = _loaded(file, from_mlflow)
            estimator = found.estimator
            types = {**found.types, **dict(map(_type, type_ or ()))}
            registry = open_registry(bucket, profile, by, signing_key=signing_key, work=work, may_be_new=True)
            work(f"publishing to {bucket}")
            X_example = read_rows(example, estimator, types) if example else _logged_example(found, from_mlflow)
            X_test, y_test = _test_rows(test, target or (), estimator, types, X_example)
            X_train = read_rows(train, estimator, types, "training rows") if train else None
            with _in_words_of_options():
                release = registry.publish(
                    estimator,
                    name=name,
                    X_example=X_example,
                    X_test=X_test,
                    y_test=y_test,
                    class_names=classes.split(",") if classes else None,
                    metrics={**found.metrics, **metrics},
                    labels=labels,
                    description=description,
                    model_file=file,
                    lock=lock,
                    formats=["joblib", *(["skops"] if skops else []), *(["onnx"] if onnx else [])],
                    X_train=X_train,
                    outputs=output,
                    nullable=True if "*" in (nullable or ()) else [*found.nullable, *(nullable or ())],
                    types=types,
                    proof=proof_kind(proof),
                    code=code or not no_code,
                    packages=packages,
                    pins=found.pins,
                    mlflow_run=found.run,
                    without=without or (),
                    examples=examples,
                    golden=golden,
                    progress=lambda line: _show(line, work, notes),
                )
        if as_json:
            print_json(release_data(release))
        else:
            _print_found(release.manifest, notes)
            print(release.manifest.reference)


@app.command(rich_help_panel=WRITE)
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


@contextmanager
def _spooled(path: Path | None) -> Iterator[Path | None]:
    """The path, or that of a copy of standard input for `-`."""
    if str(path) != "-":
        yield path
        return
    with TemporaryDirectory(prefix="sklearn-on-lambda-input-") as folder:
        copy = Path(folder) / "standard-input.joblib"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield copy


@contextmanager
def _in_words_of_options() -> Iterator[None]:
    """Errors of the library name the options that its parameters are."""
    try:
        yield
    except PublishError as error:
        error.args = (_PARAMETERS.sub(lambda found: _OPTIONS[found.group()], str(error)),)
        raise


def _loaded(model: Path | None, from_mlflow: str | None) -> "MlflowModel":
    """The model with what was logged of it."""
    from model_registry.publish.estimator import load_file
    from model_registry.publish.from_mlflow import MlflowModel, read_mlflow

    if model is not None and from_mlflow is None:
        return MlflowModel(load_file(model))
    if model is None and from_mlflow is not None:
        return read_mlflow(from_mlflow)
    raise PublishError("a version is made of one model: give a joblib file, or --from-mlflow, and not both")


def _logged_example(found: "MlflowModel", from_mlflow: str | None) -> Any:
    if found.X_example is None:
        raise PublishError(f"there are no rows for {from_mlflow or 'the model'}: give some with --example")
    return found.X_example


def _test_rows(
    path: Path | None, targets: Sequence[str], estimator: Any, types: dict[str, FeatureType], X_example: Any
) -> tuple[Any, Any]:
    from sklearn.base import is_regressor

    from model_registry.publish.files import read_test

    if path is None:
        if targets:
            raise PublishError("--target is given without --test: give the file that has this column, too")
        return None, None
    X_test, y_test = read_test(path, estimator, types, targets, X_example)
    if y_test is None and (hasattr(estimator, "classes_") or is_regressor(estimator)):
        raise PublishError(
            f"the test rows {path} have the features alone: add a column with what is true of each row, and name it by "
            "--target"
        )
    return X_test, y_test


def _show(line: str, work: Work, notes: list[str]) -> None:
    """Show what is being done, and keep what was found."""
    if line.startswith(NOTE):
        notes.append(line)
    else:
        work(line)


def _print_found(manifest: Manifest, notes: Sequence[str]) -> None:
    """Show on stderr what was found, for the publisher to see that it is right."""
    for note in notes:
        talk.print(note, markup=False, highlight=False, soft_wrap=True)
    for feature in manifest.signature.features:
        facts = [feature.type, *(["may be missing"] if feature.nullable else [])]
        if feature.categories is not None:
            facts.append(f"{len(feature.categories)} categories")
        talk.print(f"  {feature.name}: {', '.join(facts)}", markup=False, highlight=False, soft_wrap=True)


def _type(text: str) -> tuple[str, FeatureType]:
    name, separator, kind = text.rpartition("=")
    kinds: tuple[FeatureType, ...] = get_args(FeatureType)
    for known in kinds:
        if name and separator and kind == known:
            return name, known
    raise PublishError(f"--type is {text!r}: write NAME=TYPE with one of {', '.join(kinds)}")


def _labels(texts: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise PublishError(f"--label is {text!r}: write NAME=VALUE, for example team=risk")
        if name in labels:
            raise PublishError(f"--label {name!r} is given twice: give one value")
        labels[name] = value
    return labels


def _packages(texts: Sequence[str]) -> dict[str, str]:
    packages: dict[str, str] = {}
    for text in texts:
        name, separator, version = text.partition("==")
        if not (name and separator):
            raise PublishError(f"--package is {text!r}: write NAME==VERSION, for example pandas==2.3.2")
        if name in packages:
            raise PublishError(f"--package {name} is given twice: give one version")
        packages[name] = version
    return packages


def _metric(text: str) -> tuple[str, float]:
    name, separator, value = text.partition("=")
    try:
        if name and separator:
            return name, float(value)
    except ValueError:
        pass
    raise PublishError(f"metric {text!r} is not NAME=VALUE with a number, for example accuracy=0.98")
