"""The web application: routes of the API, and the page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from importlib import resources
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from medgraft.serving.access import Access
from medgraft.serving.headers import Guard
from medgraft.serving.limits import BusyError, Limits, Visit
from medgraft.serving.metrics import KIND
from medgraft.serving.model import ServedModel
from medgraft.serving.refusal import RefusedError
from medgraft.serving.replies import error_reply, json_reply
from medgraft.serving.schema import ErrorAnswer, Health, ModelAnswer, PredictAnswer, PredictRequest, request_body
from medgraft.serving.service import Service, by_name
from medgraft.serving.uploads import read_request
from medgraft.version import __version__

_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
}
_FAULTS = {
    400: "The request makes no sense, or the file is empty.",
    401: "The token is missing or wrong.",
    403: "A page of another origin, or another machine without a token.",
    408: "The request came too slowly.",
    413: "Too many bytes, images or pixels.",
    415: "The body or the files are of a type that is not read.",
    422: "A field does not fit, or no image can be decoded.",
    503: "The server is full; send the request again after the seconds in Retry-After.",
}
_RETRY = {"Retry-After": "1"}
_Responses = dict[int | str, dict[str, Any]]


def create_app(models: Sequence[ServedModel], limits: Limits | None = None, token: str | None = None) -> FastAPI:
    """The application for some models.

    Parameters
    ----------
    models : the first one answers where a request names none.
    limits : see :class:`~medgraft.serving.limits.Limits`.
    token : what clients have to show; without one only this machine is answered.
    """
    service = Service(by_name(list(models)), limits or Limits())

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.close)

    # Its own pages of documentation load scripts from elsewhere.
    app = FastAPI(
        title="Medgraft",
        description="Predictions for medical images. For research only; not a medical device.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=life,
    )
    app.state.service = service
    app.add_middleware(_Visits, service=service)
    app.add_middleware(Access, token=token)
    app.add_middleware(Guard, metrics=service.metrics)
    _add_faults(app)
    guards = [] if token is None else [Depends(HTTPBearer(auto_error=False))]
    _add_facts(app, service, guards)
    _add_predict(app, service, guards)
    _add_page(app)
    _complete_schema(app)
    return app


class _Visits:
    """Holds what a prediction takes until its last byte is sent."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/predict":
            await self._app(scope, receive, send)
            return
        with self._service.room.visit() as visit:
            scope.setdefault("state", {})["visit"] = visit
            await self._app(scope, receive, send)


def _faults(*statuses: int) -> _Responses:
    """What goes wrong, for OpenAPI."""
    return {status: {"model": ErrorAnswer, "description": _FAULTS[status]} for status in statuses}


def _add_facts(app: FastAPI, service: Service, guards: list[Any]) -> None:
    """The routes that say what there is."""
    shut = _faults(401, 403) if guards else _faults(403)

    @app.get("/healthz", response_model=Health, tags=["server"], summary="Whether the server is up")
    async def health() -> Response:
        return json_reply(Health().model_dump())

    @app.get(
        "/metrics", tags=["server"], summary="Figures for Prometheus", dependencies=guards, response_class=Response,
        responses=shut | {200: {"content": {"text/plain": {}}, "description": "In Prometheus' text format."}},
    )  # fmt: skip
    async def metrics() -> Response:
        return Response(service.metrics.text(), headers={"Content-Type": KIND})

    @app.get(
        "/v1/models", response_model=list[ModelAnswer], tags=["models"], summary="What is served", dependencies=guards,
        responses=shut,
    )  # fmt: skip
    async def models() -> Response:
        return json_reply(service.model_answers())


def _add_predict(app: FastAPI, service: Service, guards: list[Any]) -> None:
    """The route that does the work."""
    faults = _faults(*(status for status in _FAULTS if guards or status != 401))

    @app.post(
        "/v1/predict", response_model=PredictAnswer, response_model_exclude_unset=True, tags=["models"],
        summary="What a model says of images", dependencies=guards, responses=faults,
        openapi_extra={"requestBody": request_body(service.limits.max_images)},
    )  # fmt: skip
    async def predict(request: Request) -> Response:
        """Each image gets a result of its own, or a sentence that says why it cannot be used."""
        visit: Visit = request.state.visit
        visit.take(images=1)
        wanted = await read_request(request, service.limits, visit)
        visit.take(images=len(wanted.images) - 1)
        return json_reply(await _while_there(request, service.predict(wanted)))


async def _while_there(request: Request, work: Any) -> Any:
    """The result of ``work``, which is broken off when the client goes."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_faults(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return error_reply(error)

    @app.exception_handler(BusyError)
    async def busy(_: Request, error: BusyError) -> Response:
        return error_reply(RefusedError(503, "The server is full; send the request again in a second.", _RETRY))

    @app.exception_handler(HTTPException)
    async def known(_: Request, error: HTTPException) -> Response:
        return error_reply(RefusedError(error.status_code, f"{error.detail}.", error.headers))

    @app.exception_handler(RequestValidationError)
    async def unfit(_: Request, error: RequestValidationError) -> Response:
        return error_reply(RefusedError(422, "The request does not fit what /openapi.json says."))

    @app.exception_handler(ClientDisconnect)
    async def left(_: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=499)


def _add_page(app: FastAPI) -> None:
    """The page and its files, which are read once; no path of a request is opened."""
    folder = resources.files("medgraft.serving") / "page"
    files = {
        entry.name: (entry.read_bytes(), _KINDS[entry.name.rpartition(".")[2]])
        for entry in folder.iterdir()
        if entry.is_file() and entry.name.rpartition(".")[2] in _KINDS
    }

    def reply(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "Not found")
        content, kind = files[name]
        return Response(content, headers={"Content-Type": kind, "Cache-Control": "no-cache"})

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return reply("index.html")

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        return reply(name)


def _complete_schema(app: FastAPI) -> None:
    """Publish what a JSON request looks like; the body is read by ourselves, so FastAPI does not know of it."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            own = PredictRequest.model_json_schema(ref_template="#/components/schemas/{model}")
            parts = own.pop("$defs", {})
            schema["components"]["schemas"] |= {"PredictRequest": own} | parts
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
