"""Run in the environment of `clients.txt`: MLflow's and SageMaker's own client code against the URL that is given.

Prints what each client returned, as one JSON document.
"""

import json
import sys
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient  # type: ignore[import-not-found]  # in that environment only
from sagemaker.base_deserializers import CSVDeserializer, JSONDeserializer  # type: ignore[import-not-found]  # in that environment only
from sagemaker.base_serializers import CSVSerializer, JSONSerializer  # type: ignore[import-not-found]  # in that environment only

FRAME = pd.DataFrame({"pw": [2.3, 0.2], "sl": [6.9, 5.0], "sw": [3.1, 3.4], "pl": [5.1, 1.5]})
ROWS = FRAME[["sl", "sw", "pl", "pw"]].to_numpy()


def mlflow(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    client = ScoringServerClient(parts.hostname, parts.port)
    client.ping()
    return {
        "dataframe": client.invoke(FRAME).get_predictions()[0].tolist(),
        "array": client.invoke(ROWS).get_predictions("ndarray").tolist(),
        "list": client.invoke(ROWS.tolist()).get_predictions()[0].tolist(),
    }


def sagemaker(url: str) -> dict[str, object]:
    """What `Predictor.predict` does with an endpoint, but for the signature that AWS asks for."""

    def predict(serializer: Any, deserializer: Any, data: object) -> object:
        body = serializer.serialize(data)
        headers = {"Content-Type": serializer.CONTENT_TYPE, "Accept": ", ".join(deserializer.ACCEPT)}
        request = urllib.request.Request(f"{url}/invocations", body.encode(), headers)  # noqa: S310  # http, on loopback
        answer = urllib.request.urlopen(request)  # noqa: S310  # as above
        return deserializer.deserialize(answer, answer.headers["Content-Type"].partition(";")[0])

    return {
        "json": predict(JSONSerializer(), JSONDeserializer(), ROWS),
        "json dict": predict(JSONSerializer(), JSONDeserializer(), {"instances": FRAME.to_dict("records")}),
        "csv": predict(CSVSerializer(), CSVDeserializer(), ROWS),
        "csv list": predict(CSVSerializer(), CSVDeserializer(), ROWS.tolist()),
        "csv text": predict(CSVSerializer(), JSONDeserializer(), FRAME.to_csv(index=False)),
        "numpy": predict(CSVSerializer(), CSVDeserializer(), np.float32(ROWS)),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"mlflow": mlflow(sys.argv[1]), "sagemaker": sagemaker(sys.argv[1])}))
