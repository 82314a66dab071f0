"""What every page stands on: routes with a declared right, one visit, one answer.

A route says who may use it where it is declared; `guard` holds it to that. A page is a function
from a `Visit` to a response; it never sees a request that may not see it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.people import Viewer
from ingest.review.context import Context

T = TypeVar("T")


class Right(StrEnum):
    """Who may use a route."""

    ANYONE = "anyone"
    SIGNED_IN = "signed_in"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


class NotFound(Exception):
    """There is nothing at this address, or nothing that you may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request by one person, with what a page needs to answer it."""

    request: web.Request
    context: Context
    viewer: Viewer | None
    session: str | None  #: id of the session, or of the visit before one signs in
    form: Mapping[str, Any]  #: fields sent; empty for GET
    now: datetime
    zone: ZoneInfo  #: of the company
    request_id: str

    @property
    def person(self) -> Viewer:
        """Return who is signed in; only for routes that need someone to be."""
        assert self.viewer is not None
        return self.viewer

    @property
    def fragment(self) -> bool:
        """Tell whether a script of ours asks for a part of a page, not for a whole one."""
        return "HX-Request" in self.request.headers and "HX-Boosted" not in self.request.headers

    def field(self, name: str, longest: int = 500) -> str:
        """Return a field of the form, trimmed and cut; "" if it was not sent."""
        value = self.form.get(name, "")
        return value.strip()[:longest] if isinstance(value, str) else ""

    def asked(self, name: str, longest: int = 200) -> str:
        """Return a parameter of the address, trimmed and cut; "" if it is not there."""
        return self.request.query.get(name, "").strip()[:longest]

    async def read(self, question: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Ask the database for what this person may see: `question(connection, viewer, ...)`."""
        database, person = self.context.database, self.viewer

        def ask() -> T:
            with database.read() as connection:
                return question(connection, person, *args, **kwargs)

        return await asyncio.to_thread(ask)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run a change in the one write transaction."""
        database = self.context.database

        def run() -> T:
            with database.write() as connection:
                return change(connection)

        return await asyncio.to_thread(run)


Page = Callable[[Visit], Coroutine[Any, Any, web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One address of the site, and who may use it."""

    method: str
    path: str
    page: Page
    right: Right = Right.SUPERVISOR


Handler = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


def guarded(
    route: Route, handle: Callable[[Route, web.Request], Coroutine[Any, Any, web.StreamResponse]]
) -> Handler:
    """Return a route's handler as aiohttp sees it, which carries the declared right."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return await handle(route, request)

    vars(handler)["right"] = route.right
    return handler


def right_of(route: web.AbstractRoute) -> Right | None:
    """Return the right that a route of the application declares; None: it declares none."""
    found = getattr(route.handler, "right", None)
    return found if isinstance(found, Right) else None


def redirect(to: str) -> web.Response:
    """Return the answer that sends the browser on by GET."""
    return web.Response(status=303, headers={"Location": to})


def security_headers(*, secure: bool) -> Mapping[str, str]:
    """Return the headers that every answer carries unless it says otherwise itself."""
    headers = {
        "Content-Security-Policy": (
            "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
            "frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-store",
    }
    if secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers
