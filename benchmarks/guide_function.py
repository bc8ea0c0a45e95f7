"""The guide's function: no registry, no digest, no validation; the model is loaded on every call.

It is measured in this project's own environment and in the guide's layer, so it imports nothing of the project.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import joblib

NAMES = ("setosa", "versicolor", "virginica")
FEATURES = ("sl", "sw", "pl", "pw")


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answer the bare event of the guide's test, or the event of a proxy integration, from the file MODEL_FILE."""
    model = joblib.load(os.environ["MODEL_FILE"])
    values = _values(event)
    number = model.predict([[float(values[name]) for name in FEATURES]])[0]
    return {"statusCode": 200, "body": NAMES[number]}


def from_bucket(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The same, with the model fetched before, as the guide's reader does who keeps it in a bucket."""
    _download()
    return handler(event, context)


def rows_from_bucket(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """The same for a model of rows in lists."""
    _download()
    return _answer([list(_values(event).values())])


def frame_from_bucket(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # as above
    """The same for a model of frames."""
    import pandas as pd

    _download()
    return _answer(pd.DataFrame([_values(event)]))


def _download() -> None:
    import boto3

    boto3.client("s3").download_file(os.environ["MODEL_BUCKET"], os.environ["MODEL_KEY"], os.environ["MODEL_FILE"])


def _answer(rows: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": str(joblib.load(os.environ["MODEL_FILE"]).predict(rows)[0])}


def _values(event: Mapping[str, Any]) -> Mapping[str, Any]:
    if "httpMethod" not in event:
        return event
    if event["httpMethod"] == "GET":
        query: Mapping[str, Any] = event["queryStringParameters"]
        return query
    body: Mapping[str, Any] = json.loads(event["body"])
    return body
