"""Signing in and out."""

from __future__ import annotations

import math
import secrets

import structlog
from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.people import Viewer
from ingest.review import csrf
from ingest.review.passwords import LONGEST_PASSWORD, Hashing, SlowDown
from ingest.review.show import SHOW
from ingest.review.web import Visit, redirect
from ingest.review.words import _, ngettext
from storage import people

log = structlog.get_logger()

HASHING = web.AppKey("keepline_hashing", Hashing)
SLOW_DOWN = web.AppKey("keepline_slow_down", SlowDown)
COOKIE = web.AppKey("keepline_cookie", str)


async def form(visit: Visit) -> web.Response:
    """Ask who it is."""
    if visit.viewer is not None:
        return redirect("/")
    return _form(visit)


async def sign_in(visit: Visit) -> web.Response:
    """Begin a session under a fresh id, or say that name and password do not belong together."""
    login, slow = visit.field("login", 200), visit.request.app[SLOW_DOWN]
    password = visit.form.get("password", "")
    if not isinstance(password, str) or len(password) > LONGEST_PASSWORD:
        return _form(visit, fault=_("Name and password do not belong together."), status=401)
    wait = slow.wait(login, visit.now)
    if wait:
        seconds = math.ceil(wait.total_seconds())
        text = ngettext(
            "Too many tries. Wait {n} second.", "Too many tries. Wait {n} seconds.", seconds
        )
        response = _form(visit, fault=text.format(n=seconds), status=429)
        response.headers["Retry-After"] = str(seconds)
        return response

    def find(connection: Connection, _viewer: Viewer) -> people.User | None:
        return people.find_user(connection, login)

    user = await visit.read(find)
    matches = await visit.request.app[HASHING].check(user.password if user else None, password)
    if user is None or not matches:
        slow.failed(login, visit.now)
        log.warning("user.refused", request=visit.request_id)
        return _form(visit, fault=_("Name and password do not belong together."), status=401)
    failures = slow.succeeded(login)
    known = user

    def begin(connection: Connection) -> str:
        people.drop_ended_sessions(connection, now=visit.now)
        if visit.session:
            people.end_session(connection, visit.session)
        return people.add_session(connection, known.id, at=visit.now)

    session = await visit.write(begin)
    log.info("user.signed_in", user=known.id, failures=failures)
    target = _own_address(visit.field("next", 2000))
    if failures:
        target += ("&" if "?" in target else "?") + f"failures={failures}"
    response = redirect(target)
    _set_cookie(visit, response, session, lasts=True)
    return response


async def sign_out(visit: Visit) -> web.Response:
    """End the session."""
    session = visit.session

    def end(connection: Connection) -> None:
        if session:
            people.end_session(connection, session)

    await visit.write(end)
    response = redirect("/sign-in")
    response.del_cookie(
        visit.request.app[COOKIE],
        path="/",
        secure=visit.context.secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def _form(visit: Visit, *, fault: str = "", status: int = 200) -> web.Response:
    # The form's token needs something to belong to before there is a session: a word that signs
    # nobody in and is thrown away by signing in.
    visitor = visit.session or secrets.token_hex(32)
    text = (
        visit.request.app[SHOW]
        .templates.get_template("sign_in.html")
        .render(
            viewer=None,
            csrf=csrf.token_of(visitor),
            fault=fault,
            login=visit.field("login", 200),
            next=_own_address(visit.field("next", 2000) or visit.asked("next", 2000)),
        )
    )
    response = web.Response(status=status, text=text, content_type="text/html")
    if visitor != visit.session:
        _set_cookie(visit, response, visitor, lasts=False)
    return response


def _set_cookie(visit: Visit, response: web.Response, value: str, *, lasts: bool) -> None:
    response.set_cookie(
        visit.request.app[COOKIE],
        value,
        path="/",
        max_age=round(people.LIFETIME.total_seconds()) if lasts else None,
        secure=visit.context.secure,
        httponly=True,
        samesite="Lax",
    )


def _own_address(text: str) -> str:
    """Return an address within this site; anything else becomes the first page."""
    plain = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if plain and "\\" not in text else "/"
