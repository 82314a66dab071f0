"""The read-only JSON API of the inner door, for other programs: `/api/v1/`.

A token stands for the user it was made for, and sees what that user sees. Nothing here writes.
"""

from __future__ import annotations

import asyncio
import secrets
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import structlog
from aiohttp import web
from sqlalchemy import Connection, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ingest.domain.mailboxes import MailboxState
from ingest.domain.people import Viewer
from ingest.review.api_description import description
from ingest.review.api_json import Json
from ingest.review.api_parameters import Parameters, Refused, bad, is_plain
from ingest.review.api_resources import RESOURCES, Asking, Resource
from storage import people
from storage.database import Database
from storage.log import LogUnavailable
from storage.reads import BadCursor
from storage.tables import lines

log = structlog.get_logger()

PREFIX = "/api/v1"
PAGING = ("limit", "cursor", "next")
AWAY = (OperationalError, InterfaceError, PoolTimeout, LogUnavailable)

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}

REALM = 'Bearer realm="keepline"'


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """What the API is given."""

    database: Database
    clock: Callable[[], datetime]
    regions: Callable[[str], str]  #: source -> region of its national numbers
    door: Callable[[], Mapping[str, Any]] = dict  #: `DoorCounters.snapshot()`
    mailboxes: Callable[[], Mapping[str, MailboxState]] = dict  #: by mailbox id


def add_api(
    app: web.Application,
    *,
    database: Database,
    clock: Callable[[], datetime],
    regions: Callable[[str], str],
    door: Callable[[], Mapping[str, Any]] = dict,
    mailboxes: Callable[[], Mapping[str, MailboxState]] = dict,
) -> None:
    """Serve the API beneath `/api/v1` of the application.

    `door` and `mailboxes` are called in a thread and may ask another process.
    """
    context = ApiContext(
        database=database, clock=clock, regions=regions, door=door, mailboxes=mailboxes
    )
    api = web.Application(middlewares=[_answer_errors])
    api.router.add_get("/", _about(context), allow_head=False)
    api.router.add_get("/openapi.json", _about(context), allow_head=False)
    for name, resource in RESOURCES.items():
        api.router.add_get(f"/{name}", _list_of(resource, context), allow_head=False)
        api.router.add_get(f"/{name}/{{id}}", _one_of(resource, context), allow_head=False)
    app.add_subapp(PREFIX, api)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = Callable[[Connection, Viewer], Json]


def _list_of(resource: Resource, context: ApiContext) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        def answer(connection: Connection, viewer: Viewer) -> Json:
            parameters = Parameters.of(request.query.items(), (*resource.parameters, *PAGING))
            asking = _asking(context, connection, viewer, parameters)
            try:
                items, after = resource.list(asking)
            except BadCursor:
                raise bad("cursor", "give `next` of an earlier page as it was") from None
            return {"items": items, "next": after}

        return await _answered(request, context, answer)

    return handle


def _one_of(resource: Resource, context: ApiContext) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        key = request.match_info["id"]

        def answer(connection: Connection, viewer: Viewer) -> Json:
            parameters = Parameters.of(request.query.items(), ())
            asking = _asking(context, connection, viewer, parameters)
            found = resource.one(asking, key) if is_plain(key) else None
            if found is None:
                raise Refused(404, "not_found", "there is nothing of that id that you may see")
            return found

        return await _answered(request, context, answer)

    return handle


def _about(context: ApiContext) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await _answered(request, context, lambda connection, viewer: description())

    return handle


def _asking(
    context: ApiContext, connection: Connection, viewer: Viewer, parameters: Parameters
) -> Asking:
    def regions() -> Sequence[str]:
        source = parameters.text("source")
        if source is not None and context.regions(source) != "ZZ":
            return [context.regions(source)]
        return connection.scalars(
            select(lines.c.region).where(lines.c.retracted_at.is_(None)).distinct()
        ).all()

    return Asking(
        connection=connection,
        viewer=viewer,
        now=context.clock(),
        parameters=parameters,
        regions=regions,
        door=context.door,
        mailboxes=context.mailboxes,
    )


async def _answered(
    request: web.Request, context: ApiContext, answer: Answer
) -> web.StreamResponse:
    """Return the answer for whom the token stands for, all of it from one state of the database."""
    shown = _token_of(request)

    def run() -> Json:
        with context.database.read() as connection:
            viewer = people.token_viewer(connection, shown, now=context.clock())
            if viewer is None:
                raise _unauthorised(
                    "this token is unknown, revoked or expired; make one with `keepline token add`",
                    f'{REALM}, error="invalid_token"',
                )
            return answer(connection, viewer)

    return _json(200, await asyncio.to_thread(run))


def _token_of(request: web.Request) -> str:
    given = request.headers.getall("Authorization", [])
    kind, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if kind.lower() != "bearer" or not token.strip() or not is_plain(token):
        raise _unauthorised("send the header `Authorization: Bearer TOKEN`", REALM)
    return token.strip()


def _unauthorised(message: str, challenge: str) -> Refused:
    return Refused(401, "unauthorized", message, headers={"WWW-Authenticate": challenge})


# Errors ----------------------------------------------------------------------------------------


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever goes wrong as JSON, without a word about our insides."""
    try:
        return await handler(request)
    except Refused as refused:
        return _error(refused)
    except web.HTTPMethodNotAllowed as error:
        allow = ", ".join(sorted(error.allowed_methods))
        return _error(
            Refused(405, "method_not_allowed", "the API only answers GET", headers={"Allow": allow})
        )
    except web.HTTPNotFound:
        known = ", ".join(RESOURCES)
        return _error(Refused(404, "not_found", f"there is no such address; there are: {known}"))
    except AWAY as error:
        log.warning("api.waiting", cause=type(error).__name__)
        return _error(
            Refused(
                503,
                "unavailable",
                "the database cannot be read at the moment; ask again",
                headers={"Retry-After": "5"},
            )
        )
    except web.HTTPException:
        raise
    except Exception as error:
        # The message may hold what strangers wrote or what must not be logged: only where.
        number = secrets.token_hex(8)
        log.error(
            "api.failed",
            request=number,
            error=type(error).__name__,
            where=traceback.format_tb(error.__traceback__)[-3:],
        )
        told = f"this went wrong on our side; the log tells why, see {number}"
        return _error(Refused(500, "internal", told, headers={"X-Request-Id": number}))


def _error(refused: Refused) -> web.Response:
    told = {"code": refused.code, "message": refused.message}
    if refused.parameter is not None:
        told["parameter"] = refused.parameter
    return _json(refused.status, {"error": told}, refused.headers)


def _json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={**HEADERS, **(headers or {})},
    )
