"""What becomes of an error on its way out: a problem in the one shape that all errors have."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from moodfuse.errors import MoodfuseError
from moodfuse.serve.problems import CONTENT_TYPE, Problem, keeps_nothing


def add_handlers(app: FastAPI) -> None:
    """Have the app answer every error with a problem."""

    def respond(request: Request, problem: Problem) -> Response:
        body = problem.body(request.scope.get("state", {}).get("request_id", ""))
        return Response(body, problem.status, {"Content-Type": CONTENT_TYPE, **problem.headers})

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        return respond(request, problem)

    @app.exception_handler(ClientDisconnect)
    async def on_gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=499)  # for the log: nobody is there to be told

    @app.exception_handler(OSError)
    async def on_no_room(request: Request, error: OSError) -> Response:
        if not keeps_nothing(error):
            raise error
        return respond(
            request,
            Problem(507, "the service's disk is full or not to be written to; come again later", {"Retry-After": "60"}),
        )

    @app.exception_handler(MoodfuseError)
    async def on_data_error(request: Request, error: MoodfuseError) -> Response:
        return respond(request, Problem(422, str(error)[:500]))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return respond(request, Problem(422, f"{first['loc'][-1]}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        return respond(request, Problem(error.status_code, str(error.detail)[:300], error.headers))

    @app.exception_handler(Exception)
    async def on_fault(request: Request, _error: Exception) -> Response:
        return respond(request, Problem(500, "a fault of the service, not of the request"))
