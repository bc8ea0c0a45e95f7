"""What the log and the metrics say of each request: one line at most, and never a value of the caller's."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from handler import log
from handler.metrics import PREDICTION_TIME, Metrics, Tally
from handler.responses import Problem
from model_runtime.errors import OutputError
from model_runtime.start import ServedModel

SAMPLED = 100
"""With REQUEST_LOG=sampled every so many-th request has a line."""


class ValuesRefused(Problem):
    """The model has no answer to the caller's values; `features` are those that are known to be the cause."""

    def __init__(self, detail: str, errors: list[dict[str, str]], features: list[str]) -> None:
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors)
        self.features = features


class Exchange(msgspec.Struct):
    """A request and what became of it; `error` is there where the function is at fault."""

    route: str
    ids: Mapping[str, str]
    began: float
    rows: int = 0
    problem: Problem | None = None
    error: BaseException | None = None


class Reporting:
    """Writes what is to be known of requests. Faults of the function are always written."""

    def __init__(
        self, tally: Tally, *, request_log: str, label_counts: bool, in_lambda: bool, messages: bool = False
    ) -> None:
        self.label_counts = label_counts
        self._messages = messages
        self._tally = tally
        self._every = {"on": 1, "sampled": SAMPLED}.get(request_log, 0)
        self._in_lambda = in_lambda
        self._count = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], tally: Tally) -> "Reporting":
        """Read REQUEST_LOG (`off`, `sampled` or `on`), LABEL_COUNTS and LOG_MESSAGES (`on`)."""
        return cls(
            tally,
            request_log=environment.get("REQUEST_LOG", "off"),
            label_counts=environment.get("LABEL_COUNTS") == "on",
            in_lambda="AWS_LAMBDA_FUNCTION_NAME" in environment,
            messages=log.has_messages(environment),
        )

    def done(self, exchange: Exchange, status: int, model: ServedModel | None) -> None:
        """Count what became of a request, and write its line if it has one."""
        problem = exchange.problem
        if problem is not None:
            if problem.is_logged:
                return
            self._tally.problem(status)
        if exchange.error is not None:
            self._write("request_failed", exchange, status, model, **self._described(exchange.error))
        elif isinstance(problem, ValuesRefused) and problem.__cause__ is not None:
            traceback = log.places(problem.__cause__, messages=self._messages)
            self._write("values_refused", exchange, status, model, features=problem.features, traceback=traceback)
        elif self._is_chosen():
            self._write("request", exchange, status, model)
        elif self._tally.is_due:
            metrics = self._tally.take()
            if self._in_lambda:
                log.write("requests", metrics, **_model(model), **_predicting(metrics))

    def _described(self, error: BaseException) -> dict[str, Any]:
        # Only what this package says itself is known to have no values in it.
        reason = {"reason": str(error)} if isinstance(error, OutputError) else {}
        return {**reason, "traceback": log.places(error, messages=self._messages)}

    def _is_chosen(self) -> bool:
        if not self._every:
            return False
        self._count += 1
        return self._count % self._every == 1 % self._every

    def _write(self, event: str, exchange: Exchange, status: int, model: ServedModel | None, **more: Any) -> None:
        metrics = self._tally.take()
        log.write(
            event,
            metrics,
            **exchange.ids,
            route=exchange.route,
            status=status,
            rows=exchange.rows,
            milliseconds=log.milliseconds_since(exchange.began),
            **_model(model),
            **_predicting(metrics),
            **more,
        )


def _predicting(metrics: Metrics) -> dict[str, float]:
    # Logs Insights can sum this by version; it knows no lists, as the metric is one.
    times = metrics.get(PREDICTION_TIME, ([], ""))[0]
    return {"predicting": round(sum(times), 3)} if isinstance(times, list) and times else {}


def _model(model: ServedModel | None) -> dict[str, Any]:
    return {} if model is None else {"model": model.manifest.name, "version": model.manifest.version}
