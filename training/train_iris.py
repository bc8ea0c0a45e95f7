"""The worked example: train a random forest on Iris as the guide does, and publish it to the registry.

python -m training.train_iris --bucket s3://NAME
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import pandas as pd
import typer
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

from model_registry import Registry, RegistryError, Release, open_storage
from model_registry.folder import folder_of
from model_registry.identity import caller_identity, local_identity

NAME = "iris"
FEATURES = ("sl", "sw", "pl", "pw")
"""Sepal length, sepal width, petal length, petal width, in cm."""

GUIDE_EVENT = {"sl": 6.9, "sw": 3.1, "pl": 5.1, "pw": 2.3}
"""The guide's test event, a virginica: the first golden example."""


@dataclass(frozen=True)
class Trained:
    """A fitted classifier, its accuracy on the test part, from 0 to 1, that part, and rows to show how it is called."""

    estimator: Any
    accuracy: float
    X_example: pd.DataFrame
    X_test: pd.DataFrame | None
    y_test: pd.Series | None


def train(estimator: ClassifierMixin | None = None) -> Trained:
    """Fit on 67 % of Iris (100 rows) and test on the rest (50), the guide's split.

    The guide takes `RandomForestClassifier()`; here it has a seed, so that a version can be trained again.
    """
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.columns = list(FEATURES)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.33, random_state=42)
    fitted = (estimator or RandomForestClassifier(random_state=42)).fit(X_train, y_train)
    accuracy = float(accuracy_score(y_test, fitted.predict(X_test)))
    examples = pd.concat([pd.DataFrame([GUIDE_EVENT]), X_test.head(2)], ignore_index=True)
    return Trained(fitted, accuracy, examples, X_test, y_test)


def publish(registry: Registry, trained: Trained, description: str, *, formats: Sequence[str] = ("joblib",)) -> Release:
    """Publish as the next version of `iris`, its classes named setosa, versicolor and virginica, with a report."""
    return registry.publish(
        trained.estimator,
        name=NAME,
        X_example=trained.X_example,
        X_test=trained.X_test,
        y_test=trained.y_test,
        class_names=load_iris().target_names.tolist(),
        metrics={"accuracy": trained.accuracy},
        description=description,
        formats=formats,
        examples="given",  # flowers: their rows may be shown
    )


def main(
    bucket: Annotated[
        str, typer.Option("--bucket", "-b", envvar="MODEL_REGISTRY", help="The registry: s3://NAME or ./FOLDER.")
    ],
    profile: Annotated[str | None, typer.Option("--profile", help="AWS profile.")] = None,
) -> None:
    """Train the guide's Iris classifier and publish it."""
    trained = train()
    print(f"test accuracy {trained.accuracy:.2f}")
    try:
        identity = local_identity if folder_of(bucket) else partial(caller_identity, profile)
        registry = Registry(open_storage(bucket, profile=profile), actor=identity)
        release = publish(registry, trained, "Random forest of the guide")
    except RegistryError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    print(f"published {release.manifest.reference}")


if __name__ == "__main__":
    typer.run(main)
