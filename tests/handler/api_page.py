"""Writes docs/api.md from the code: `python -m tests.handler.api_page`; a test checks that it is current."""

import sys
from pathlib import Path

from handler.bodies import FORMS
from handler.metrics import REFUSED, SERVER_FAULTS
from handler.openapi import _MEANINGS, _PROBLEMS
from handler.responses import MAX_RESPONSE_BYTES
from handler.routes import ROUTES, Route
from model_runtime.feature_values import LARGEST
from model_runtime.schema import _QUERY_FEATURES, PROBLEMS

PAGE = Path(__file__).parents[2] / "docs" / "api.md"

_BODIES = {
    ("GET", "/predict"): "the features as query string parameters",
    ("POST", "/predict"): '`application/json`: one instance, `{"instances": [...]}`, or a list of instances',
    ("POST", "/invocations"): "`application/json`: "
    + ", ".join(f"`{form}`" for form in FORMS)
    + ", a list of instances; `text/csv` with or without a header",
}


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
        routes="\n".join(routes),
        statuses="\n".join(statuses),
        bytes=MAX_RESPONSE_BYTES,
        problems=PROBLEMS,
        largest=LARGEST,
        features=_QUERY_FEATURES,
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

## Statuses

Everything but 200 is a problem document (RFC 9457, `application/problem+json`): `type`, `title`, `status`, `detail`,
and `errors` with the place of each wrong value (`pointer`: RFC 6901 in JSON, RFC 7111 in CSV; `parameter` in a query
string).

| Status | Meaning | Metric beside `Requests` |
| --- | --- | --- |
| 200 | The answer; header `X-Model-Version` | `Rows` |
{statuses}

API Gateway itself answers 403 (key or signature), 413 (a request over 10 MB), 429 (limits) and 504 (timeout).

## Limits

- A response has {bytes:,} bytes at most as Lambda encodes it, in which each quote counts twice.
- Reading stops after {problems} wrong values.
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
