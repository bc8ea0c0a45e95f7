"""Writes docs/api.md from the code: `python -m tests.handler.api_page`; a test checks that it is current."""

import sys
from pathlib import Path

from handler.bodies import FORMS
from handler.cors import PREFLIGHT
from handler.metrics import REFUSED, SERVER_FAULTS
from handler.openapi import _MEANINGS, _PROBLEMS
from handler.responses import KSERVE_REFUSED, MAX_RESPONSE_BYTES
from handler.routes import ROUTES, Route
from model_runtime.feature_values import _FIRST_YEAR, _LAST_YEAR, LARGEST
from model_runtime.schema import _QUERY_FEATURES, PROBLEMS

PAGE = Path(__file__).parents[2] / "docs" / "api.md"

_BODIES = {
    ("GET", "/predict"): "the features as query string parameters",
    ("POST", "/predict"): '`application/json`: one instance, `{"instances": [...]}`, or a list of instances',
    ("POST", "/invocations"): "`application/json`: "
    + ", ".join(f"`{form}`" for form in FORMS)
    + ", a list of instances; `text/csv` with or without a header",
}


_BOTH, _HERE = "`/predict`, `/invocations`, direct", "`/invocations`"
_FORMS = {
    "one instance": (_BOTH, '{"a": 1.5, "b": "x"}'),
    "`instances`": (_BOTH, '{"instances": [{"a": 1.5, "b": "x"}, [2, "y"]]}'),
    "a list of instances": (_BOTH, '[{"a": 1.5, "b": "x"}, [2, "y"]]'),
    "`dataframe_split`": (_HERE, '{"dataframe_split": {"columns": ["b", "a"], "data": [["x", 1.5]]}}'),
    "`dataframe_records`": (_HERE, '{"dataframe_records": [{"a": 1.5, "b": "x"}]}'),
    "`inputs`": (_HERE, '{"inputs": {"a": [1.5, 2], "b": ["x", "y"]}}'),
    "CSV": (_HERE, "1.5,x"),
}
"""By the name of a form where it is read, and an example; a test sends each."""


def page() -> str:
    """The page's text."""
    routes = [
        f"| `{method} {path}` | {_BODIES.get((method, path), 'nothing')} | {_summary(route)} |"
        for path, methods in ROUTES.items()
        for method, route in methods.items()
    ]
    meanings = {int(status): _MEANINGS[name] for status, name in _PROBLEMS.items() if status != "default"}
    meanings |= {404: "There is no such path", 405: "The path has no such method; header `Allow`"}
    statuses = [
        f"| {status} | {meanings[status]} | `{REFUSED.get(status, SERVER_FAULTS)}` |" for status in sorted(meanings)
    ]
    return _PAGE.format(
        forms="\n".join(f"| {name} | {where} | `{example}` |" for name, (where, example) in _FORMS.items()),
        kserve=KSERVE_REFUSED,
        cors=", ".join(f"`{name}`" for name in PREFLIGHT),
        routes="\n".join(routes),
        statuses="\n".join(statuses),
        bytes=MAX_RESPONSE_BYTES,
        problems=PROBLEMS,
        largest=LARGEST,
        features=_QUERY_FEATURES,
        first=_FIRST_YEAR,
        last=_LAST_YEAR,
    )


def _summary(route: Route) -> str:
    return (route.__doc__ or "").splitlines()[0].rstrip(".")


_PAGE = """# The API

<!-- Made by `python -m tests.handler.api_page` from handler/ and model_runtime/schema.py: change those. -->

`GET /openapi.json` describes the API of the deployed model, with its features and labels, for generators of clients.

| Route | What it reads | What it does |
| --- | --- | --- |
{routes}

An instance is an object with the model's features, or a list of their values in the signature's order. A whole number
is an integer however it is written (`30`, `30.0`, `3e1`). A feature that may be missing may be `null`, left out of an
object, or empty in CSV. `/predict` answers with label or value, probabilities, model and version; `/invocations` with
`{{"predictions": [...]}}`, or with CSV where `Accept` names `text/csv`.

## Forms of a body

| Form | Where | Example, of a model with the features `a` and `b` |
| --- | --- | --- |
{forms}

An instance in a list may be an object or a list everywhere. A body of `/invocations` may have `params`, as MLflow's
clients send it, if it is empty.

{kserve}
Events of anything but a REST API (a function URL, an HTTP API, a load balancer, queues) are refused by a sentence that
names what they are of.

## Headers

| Header | On | Meaning |
| --- | --- | --- |
| `Content-Type` | request | `application/json` where it is missing; with `charset`, UTF-8 only |
| `Accept` | request to `/invocations` | an answer in CSV where it names `text/csv` |
| `x-api-key` | request | the key, where the setting `apiKey` is on |
| `Authorization`, `X-Amz-Date` | request | Signature Version 4, where the setting `authorization` is `iam` |
| `Origin` | request | compared with the setting `corsOrigins` |
| `Content-Type` | answer | `application/json`, `text/csv; charset=utf-8`, or `application/problem+json` |
| `X-Model-Version` | answer | the version that answered, on refusals of the function too |
| `Allow` | 405 | the methods that the path has |
| `Access-Control-Allow-Origin`, `Access-Control-Expose-Headers`, `Vary` | answer | where `corsOrigins` names origins |
| {cors} | answer to a preflight | as above |

## Statuses

Everything but 200 is a problem document (RFC 9457, `application/problem+json`): `type`, `title`, `status`, `detail`,
and `errors` with the place of each wrong value (`pointer`: RFC 6901 in JSON, RFC 7111 in CSV; `parameter` in a query
string).

| Status | Meaning | Metric beside `Requests` |
| --- | --- | --- |
| 200 | The answer; header `X-Model-Version` | `Rows` |
{statuses}

API Gateway itself answers 400 (a body or parameters of `/predict` that its schema refuses), 403
(key or signature), 413 (a request over 10 MB), 429 (limits) and 504 (timeout).

## Limits

- A response has {bytes:,} bytes at most as Lambda encodes it, in which each quote counts twice.
- Reading stops after {problems} wrong values.
- Times have an offset; in columns of nanoseconds, pandas' unit of old, they lie between the years {first} and {last}.
- CSV has one instance a line; the features' order is the signature's where there is no header.
- Numbers lie between -{largest:.4g} and {largest:.4g}, integers have 64 bits.
- A model with more than {features} features, or with names that a query string cannot have, has no `GET /predict`.

## Direct invocations

`aws lambda invoke` with one instance answers as the guide does: `{{"statusCode": 200, "body": "virginica"}}`. Besides:

- `{{"instances": [...]}}` or a list of instances: the body is what `POST /predict` answers.
- `{{"selfCheck": true}}`: every golden example is asked again; 500 where an answer is not the recorded one.
  With `"raise": true` the error says why; `pulumi up` asks so before a new version gets traffic.
- An event of Amazon EventBridge, a schedule's for example: nothing is predicted, the environment is warm.
- `"raise": true` beside the features: a failure is an error that Lambda counts, and not a status in the answer.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")


if __name__ == "__main__":
    main()
