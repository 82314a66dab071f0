"""Who may do what, before any page is asked: session, meaning, right, and what errors look like."""

from __future__ import annotations

import asyncio
import secrets
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import web
from jinja2 import Environment

from ingest.domain.people import Viewer
from ingest.review import csrf
from ingest.review.context import Context
from ingest.review.web import NotFound, Right, Route, Visit, redirect
from ingest.review.words import _
from storage import people
from storage.facts import Conflict
from storage.reads_common import BadCursor

log = structlog.get_logger()

FORM_BYTES = 64 * 1024
FORM_DEADLINE_S = 15.0
REQUEST_ID = web.RequestKey("keepline_request_id", str)


class Guard:
    """Stands before every page of the site."""

    def __init__(self, context: Context, templates: Environment) -> None:
        self.context = context
        self.templates = templates

    @property
    def cookie(self) -> str:
        """Return the name of the session's cookie; the prefix binds it to this very host."""
        return "__Host-keepline" if self.context.secure else "keepline"

    async def handle(self, route: Route, request: web.Request) -> web.StreamResponse:
        """Answer a request by the route's page, if the person may use it."""
        session = request.cookies.get(self.cookie)
        viewer = await self._viewer(session)
        try:
            form = await self._form(request, session)
        except csrf.Forged as forged:
            log.warning("request.forged", request=request_id(request), why=str(forged))
            return self.refuse(request, 403, _("This request did not come from a page of ours."))
        if route.right is not Right.ANYONE and viewer is None:
            return self._send_to_sign_in(request)
        if not _may(route.right, viewer):
            return self.refuse(request, 403, _("This page is for supervisors."), viewer)
        visit = Visit(
            request=request,
            context=self.context,
            viewer=viewer,
            session=session,
            form=form,
            now=self.context.clock(),
            zone=await asyncio.to_thread(self.context.zone),
            request_id=request_id(request),
        )
        return await self._answer(route, visit)

    async def _answer(self, route: Route, visit: Visit) -> web.StreamResponse:
        try:
            return await route.page(visit)
        except NotFound:
            return self.refuse(
                visit.request, 404, _("There is nothing here, or nothing for you."), visit.viewer
            )
        except (Conflict, BadCursor) as refused:
            status = 409 if isinstance(refused, Conflict) else 400
            return self.refuse(visit.request, status, _sentence(refused), visit.viewer)

    async def _viewer(self, session: str | None) -> Viewer | None:
        if not session:
            return None
        now, database = self.context.clock(), self.context.database

        def find() -> people.Session | None:
            with database.read() as connection:
                return people.find_session(connection, session, now=now)

        def see() -> None:
            with database.write() as connection:
                people.see_session(connection, session, now=now)

        found = await asyncio.to_thread(find)
        if found is not None and people.needs_seeing(found, now=now):
            await asyncio.to_thread(see)
        return found.viewer if found else None

    async def welcome(self, session: str | None, viewer: Viewer) -> bool:
        """Tell whether the session still belongs to that person, as open streams ask."""
        return await self._viewer(session) == viewer

    async def _form(self, request: web.Request, session: str | None) -> Mapping[str, Any]:
        if request.method in csrf.SAFE_METHODS:
            return {}
        if (request.content_length or 0) > FORM_BYTES:
            raise web.HTTPRequestEntityTooLarge(FORM_BYTES, request.content_length or 0)
        async with asyncio.timeout(FORM_DEADLINE_S):
            form = await request.post()
        sent = request.headers.get(csrf.HEADER) or form.get(csrf.FIELD)
        csrf.require_meant(
            headers=request.headers,
            hosts={request.host, urlsplit(self.context.inner_url).netloc},
            session=session,
            token=sent if isinstance(sent, str) else None,
        )
        return form

    def _send_to_sign_in(self, request: web.Request) -> web.Response:
        if request.method == "GET" and "HX-Request" not in request.headers:
            to = "" if request.path == "/" else f"?next={quote(request.path_qs, safe='')}"
            return redirect(f"/sign-in{to}")
        return self.refuse(request, 401, _("You are signed out. Sign in again."))

    def refuse(
        self, request: web.Request, status: int, why: str, viewer: Viewer | None = None
    ) -> web.Response:
        """Return an error as a page, or as a fragment if a script asked; never with a traceback."""
        fragment = "HX-Request" in request.headers
        template = self.templates.get_template("refused.html" if fragment else "error.html")
        text = template.render(
            status=status,
            why=why,
            request_id=request_id(request),
            viewer=None,
            signed_in=viewer is not None,
        )
        headers = {"X-Fragment": "1"} if fragment else {}
        if fragment and request.method not in csrf.SAFE_METHODS:
            headers |= {"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"}
        return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def _may(right: Right, viewer: Viewer | None) -> bool:
    if right is Right.ANYONE:
        return True
    if viewer is None:
        return False
    if right is Right.ADMINISTRATOR:
        return viewer.administers
    return right is Right.SIGNED_IN or viewer.sees_everything


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def request_id(request: web.Request) -> str:
    """Return the request's id, which error pages show and the log holds."""
    found = request.get(REQUEST_ID)
    if found is None:
        found = request[REQUEST_ID] = secrets.token_hex(8)
    return found


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def errors_as_pages(guard: Guard, *, except_under: tuple[str, ...]) -> Any:
    """Return the middleware that turns what went wrong into a page with the request's id."""

    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith(except_under):
            return await handler(request)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            refused = guard.refuse(request, error.status, _MEANINGS.get(error.status, error.reason))
            refused.headers.update(
                {
                    name: error.headers[name]
                    for name in ("Allow", "Retry-After")
                    if name in error.headers
                }
            )
            return refused
        except Exception as error:
            # The message may hold what strangers wrote or what must not be logged: only where.
            log.error(
                "request.failed",
                request=request_id(request),
                error=type(error).__name__,
                where=traceback.format_tb(error.__traceback__)[-3:],
            )
            return guard.refuse(request, 500, _("Something went wrong on our side."))

    return middleware


_MEANINGS = {
    404: _("There is nothing here, or nothing for you."),
    405: _("This address is not used like that."),
    413: _("That is too much to send at once."),
    503: _("Too many pages are open; try again in a minute."),
}
