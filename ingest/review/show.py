"""Showing a page: its template with what the frame around it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment
from sqlalchemy import Connection

from ingest.domain.people import Viewer
from ingest.review import csrf
from ingest.review.events import Changes
from ingest.review.render import Times
from ingest.review.web import Visit
from ingest.worker import last_change
from storage import pages


@dataclass(frozen=True, slots=True)
class Show:
    """What the frame of every page is made with."""

    templates: Environment
    changes: Changes


SHOW = web.AppKey("keepline_show", Show)


def times(visit: Visit) -> Times:
    """Return how moments are shown during this visit."""
    return Times(visit.zone, visit.now)


async def page(
    visit: Visit, template: str, *, area: str, status: int = 200, **values: Any
) -> web.Response:
    """Return a whole page."""
    show = visit.request.app[SHOW]

    def frame(connection: Connection, viewer: Viewer) -> tuple[pages.Badges, int]:
        return pages.badges(connection, viewer, now=visit.now), last_change(connection)

    badges, number = await visit.read(frame)
    return _response(
        visit,
        template,
        status,
        area=area,
        badges=badges,
        redeciding=badges.redeciding,
        drawn=show.changes.mark(number),
        here=visit.request.path_qs,
        **values,
    )


async def part(
    visit: Visit, template: str, *, headers: Mapping[str, str] | None = None, **values: Any
) -> web.Response:
    """Return a part of a page, for a script of ours to put in its place."""
    response = _response(visit, template, 200, **values)
    response.headers.update(headers or {})
    return response


async def part_or_page(visit: Visit, template: str, *, area: str, **values: Any) -> web.Response:
    """Return a part for scripts; without them the same part as a page of its own."""
    if visit.fragment:
        return await part(visit, template, **values)
    return await page(visit, "sheet_page.html", area=area, sheet=template, **values)


def _response(visit: Visit, template: str, status: int, **values: Any) -> web.Response:
    text = (
        visit.request.app[SHOW]
        .templates.get_template(template)
        .render(
            viewer=visit.viewer,
            csrf=csrf.token_of(visit.session) if visit.session else "",
            times=times(visit),
            now=visit.now,
            fragment=visit.fragment,
            query=query_of(visit),
            **values,
        )
    )
    return web.Response(status=status, text=text, content_type="text/html")


def query_of(visit: Visit) -> Callable[..., str]:
    """Return a function that gives this page's query with some values replaced; None: removed."""

    def query(**changes: str | None) -> str:
        values: dict[str, str | None] = {**visit.request.query, "after": None, **changes}
        return urlencode({name: value for name, value in values.items() if value})

    return query
