"""MLflow's registry, in MLflow's environment: `mlflow_store.py sqlite|file FOLDER VERSIONS REPEATS [at-scale]`."""

import logging
import os
import re
import sqlite3
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", MLFLOW_ALLOW_FILE_STORE="true")
warnings.filterwarnings("ignore")

import mlflow  # type: ignore[import-not-found]  # noqa: E402  # after its settings; only there
import mlflow.sklearn  # type: ignore[import-not-found]  # noqa: E402  # after its settings; only there
from mlflow import MlflowClient  # noqa: E402  # after its settings; only there
from sklearn.datasets import load_iris  # noqa: E402  # after the warnings are off
from sklearn.ensemble import RandomForestClassifier  # noqa: E402  # after the warnings are off
from timing import FEW, NAME, give, timed  # type: ignore[import-not-found]  # noqa: E402  # beside this script, which is run as a file


def main(kind: str, folder: Path, versions: int, repeats: int, *, at_scale: bool) -> None:
    """Fill a registry, and measure it."""
    logging.disable(logging.WARNING)
    folder.mkdir(parents=True)
    os.chdir(folder)
    uri = "sqlite:///registry.db" if kind == "sqlite" else (folder / "store").as_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment("benchmark")
    client = MlflowClient()
    examples, labels = load_iris(return_X_y=True)
    estimator = RandomForestClassifier(random_state=0).fit(examples, labels)

    def publish(number: int = 0, **more: Any) -> str:
        with mlflow.start_run():
            mlflow.log_metric("accuracy", number)
            info = mlflow.sklearn.log_model(
                estimator,
                name="model",
                registered_model_name=NAME,
                serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE,  # skops refuses forests
                **more,
            )
            return str(info.model_uri)

    source = publish(pip_requirements=["scikit-learn"])
    fill(kind, folder, versions)
    client.set_registered_model_alias(NAME, "prod", "1")

    def listed(_number: int) -> None:
        token, found = None, 0
        while token is None or token:
            page = client.search_model_versions(f"name='{NAME}'", max_results=1000, page_token=token)
            token, found = page.token or "", found + len(page)
        if found != versions:
            raise RuntimeError(f"{found} of {versions} versions were listed")

    results = {
        "resolve a tag": timed(lambda _: client.get_model_version_by_alias(NAME, "prod"), repeats),
        "promote": timed(lambda n: client.set_registered_model_alias(NAME, "prod", str(1 + n % 2)), repeats),
        "list": timed(listed, FEW),
        "add": timed(lambda _: client.create_model_version(NAME, source), FEW),
    }
    if not at_scale:
        results["publish"] = timed(lambda n: publish(n, input_example=examples[:3]), FEW)
    give({"version": mlflow.__version__, "seconds": results})


def fill(kind: str, folder: Path, versions: int) -> None:
    """Add versions 2, 3, ... as copies of the record of the first: the client would take minutes."""
    if kind == "sqlite":
        with sqlite3.connect(folder / "registry.db") as database:
            columns = [row[1] for row in database.execute("PRAGMA table_info(model_versions)")]
            names = ", ".join(columns)
            values = ", ".join("?" if column == "version" else column for column in columns)
            database.executemany(
                f"INSERT INTO model_versions ({names}) SELECT {values} FROM model_versions WHERE version = 1",  # noqa: S608  # its own columns
                [(version,) for version in range(2, versions + 1)],
            )
        database.close()
        return
    first = next((folder / "store").rglob("version-1"))
    record = (first / "meta.yaml").read_text()
    for version in range(2, versions + 1):
        copy = first.with_name(f"version-{version}")
        copy.mkdir()
        (copy / "meta.yaml").write_text(re.sub(r"(?m)^version:.*$", f"version: {version}", record))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), at_scale="at-scale" in sys.argv)
