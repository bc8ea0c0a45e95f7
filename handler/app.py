"""What Lambda calls: parse, predict, respond. The model is loaded when the environment starts."""

import os
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from handler import log
from handler.metrics import COLD_START, LOAD_FAILURE, RESTORE, Tally, counted, timed
from handler.prediction import Answering
from handler.reporting import Exchange, Reporting
from handler.requests import Event, Request, is_request, refuse_foreign
from handler.responses import Problem, Response, refusal
from handler.routes import Call, name_of, route_of
from model_runtime.download import LoadError
from model_runtime.errors import RegistryError
from model_runtime.start import ServedModel, phase_of


class App:
    """Serves one model. `load_model` is called until it succeeds, then never again."""

    def __init__(self, load_model: Callable[[], ServedModel]) -> None:
        self._load = load_model
        self._served: ServedModel | None = None
        self._answering: Answering | None = None
        self._starting = True
        self._tally = Tally()
        self._reporting = Reporting.from_environment(os.environ, self._tally)

    def start(self, *, must_load: bool = False) -> None:
        """Load the model now. A failure is logged and tried again at the next request, or raised if it `must_load`."""
        try:
            self._loaded(None)
        except KeyboardInterrupt:
            raise
        except BaseException:
            if must_load:
                raise

    def restored(self) -> None:
        """Log that this environment is a copy of the one that loaded the model."""
        manifest = self._model({})[0].manifest
        log.write("restored", counted(RESTORE), model=manifest.name, version=manifest.version)

    def __call__(self, event: Event, context: object) -> Response:
        """Answer a request of API Gateway, or a direct invocation."""
        began = time.perf_counter()
        self._tally.request()
        if is_request(event):
            return self._from_gateway(Request(event), context, began)
        return self._direct(event, context, began)

    def _from_gateway(self, request: Request, context: object, began: float) -> Response:
        exchange = Exchange(name_of(request), log.ids(request.id, context), began)
        headers: dict[str, str] = {}
        try:
            route = route_of(request)
            model, answering = self._model(exchange.ids)
            headers["X-Model-Version"] = str(model.manifest.version)
            call = Call(request, model, answering, headers)
            response = route(call)
            exchange.rows = call.rows
        except Problem as problem:
            response = refusal(problem, headers)
            exchange.problem = problem
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever it was, a caller sees no internals; the log has them
            exchange.error, exchange.problem = error, _failed()
            response = refusal(exchange.problem, headers)
        self._reporting.done(exchange, response["statusCode"], self._served)
        return response

    def _direct(self, event: Any, context: object, began: float) -> Response:
        from handler import direct  # here, as the start of a function behind an API needs it not

        exchange = Exchange("direct", log.ids(None, context), began)
        try:
            refuse_foreign(event)
            response, exchange.rows = direct.answer_direct(*self._model(exchange.ids), event)
        except Problem as problem:
            response = direct.refusal_direct(problem)
            exchange.problem = problem
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # as above
            exchange.error, exchange.problem = error, _failed()
            response = direct.refusal_direct(exchange.problem)
        self._reporting.done(exchange, response["statusCode"], self._served)
        if exchange.problem is not None and direct.wants_raise(event, self._served):
            cause = exchange.error or exchange.problem.__cause__
            if cause is not None and direct.is_self_check(event, self._served):
                raise direct.failed_self_check(exchange.problem, cause)
            raise direct.failed(exchange.problem)
        return response

    def _model(self, ids: Mapping[str, str]) -> tuple[ServedModel, Answering]:
        try:
            return self._loaded(ids)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # logged there; whatever it was, nothing is served
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The model is not available; the function's log says why.",
                is_logged=True,
            ) from error

    def _loaded(self, ids: Mapping[str, str] | None) -> tuple[ServedModel, Answering]:
        if self._served is not None and self._answering is not None:
            return self._served, self._answering
        start = counted(COLD_START) if self._starting else {}
        self._starting = False
        try:
            with log.WholeLines():
                served = self._load()
        except BaseException as error:  # unpickling can raise anything
            self._log_failure(error, start, ids)
            raise
        self._served = served
        self._answering = Answering(served, self._tally, label_counts=self._reporting.label_counts)
        milliseconds = {**served.milliseconds, "total": round(sum(served.milliseconds.values()), 1)}
        log.write(
            "model_loaded",
            {**start, **timed(milliseconds)},
            **(ids or {}),
            model=served.manifest.name,
            version=served.manifest.version,
            milliseconds=milliseconds,
        )
        return self._served, self._answering

    def _log_failure(
        self, error: BaseException, start: Mapping[str, tuple[int, str]], ids: Mapping[str, str] | None
    ) -> None:
        known = isinstance(error, LoadError | RegistryError)
        if ids is not None:  # in a request, which is answered with 503
            self._tally.problem(HTTPStatus.SERVICE_UNAVAILABLE)
        names = {"model": "MODEL_NAME", "version": "MODEL_VERSION"}
        log.write(
            "model_load_failed",
            {**start, **counted(LOAD_FAILURE), **self._tally.take()},
            **(ids or {}),
            **{name: os.environ[variable] for name, variable in names.items() if variable in os.environ},
            phase=phase_of(error),
            error=type(error).__qualname__,
            reason=log.shortened(str(error)),
            **({} if known else {"traceback": log.with_messages(error)}),
        )


def _failed() -> Problem:
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The prediction failed; the function's log says why.")
