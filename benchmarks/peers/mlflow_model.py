"""Save a joblib file as a model that MLflow serves, in MLflow's environment: `mlflow_model.py MODEL FOLDER`."""

import os
import sys
import warnings

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")
warnings.filterwarnings("ignore")

import joblib  # noqa: E402  # after the warnings are off
import mlflow.sklearn  # type: ignore[import-not-found]  # noqa: E402  # after its settings; only there

if __name__ == "__main__":
    mlflow.sklearn.save_model(
        joblib.load(sys.argv[1]),
        sys.argv[2],
        pip_requirements=["scikit-learn"],
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE,  # skops refuses forests
    )
