"""Coverage of a source: the provider's history asked, compared with ours, and its certificates."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import structlog
from aiohttp import web
from sqlalchemy import Connection

from ingest.custody import coverage
from ingest.domain.coverage import as_text, result
from ingest.domain.people import Viewer
from ingest.local import Refused
from ingest.review import show
from ingest.review.web import NotFound, Visit, redirect
from storage import coverage as certificates
from storage import reads

log = structlog.get_logger()

SHOWN = 20  #: certificates on a source's page
FORMS = {"json": "application/json", "txt": "text/plain"}


async def of_source(visit: Visit, *, error: str = "") -> web.Response:
    """Show what was certified of a source, and the form that asks for more."""
    name = visit.request.match_info["name"]

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        found = reads.source(connection, viewer, name, now=visit.now)
        if found is None or found.name != name:
            raise NotFound
        page = certificates.list_certificates(
            connection, viewer, now=visit.now, source=name, limit=SHOWN
        )
        return {"it": found, "made": [_shown(row) for row in page.items]}

    known = await visit.read(ask)
    provider = (await asyncio.to_thread(visit.context.sources)).get(name)
    history = provider[0].history if provider else None
    yesterday = (visit.now.astimezone(visit.zone) - timedelta(days=1)).date().isoformat()
    return await show.page(
        visit,
        "coverage.html",
        area="sources",
        status=400 if error else 200,
        history=history,
        equipped=bool(provider and history and history.equipped(provider[1])),
        since=visit.field("from", 40) or yesterday,
        until=visit.field("to", 40) or yesterday,
        error=error,
        **known,
    )


async def certify(visit: Visit) -> web.StreamResponse:
    """Ask the provider's history for a period and show the certificate that comes of it."""
    name = visit.request.match_info["name"]
    office = visit.context.office
    if office is None:
        raise NotFound
    try:
        made = await asyncio.to_thread(
            coverage.certify,
            office,
            tell=lambda done, total: None,
            source=name,
            since=visit.field("from", 40),
            until=visit.field("to", 40),
            by=visit.person.login,
        )
    except Refused as refused:
        return await of_source(visit, error=str(refused).removeprefix("--").capitalize())
    log.info("coverage.certified", user=visit.person.user, source=name, same=made["same"])
    return redirect(f"/sources/{quote(name)}/coverage/{made['id']}")


async def detail(visit: Visit) -> web.Response:
    """Show one certificate."""
    made = await _of(visit)
    return await show.page(visit, "certificate.html", area="sources", made=_shown(made))


async def export(visit: Visit) -> web.Response:
    """Return one certificate as a file, for keeping and for programs."""
    made, form = await _of(visit), visit.request.match_info["form"]
    if form not in FORMS:
        raise NotFound
    text = as_text(made) if form == "txt" else json.dumps(made, ensure_ascii=False, indent=2)
    response = web.Response(text=text, content_type=FORMS[form], charset="utf-8")
    response.headers["Content-Disposition"] = (
        f'attachment; filename="coverage-{made["source"]}-{made["from"][:10]}.{form}"'
    )
    return response


async def _of(visit: Visit) -> dict[str, Any]:
    match = visit.request.match_info
    made = await visit.read(certificates.certificate, match["id"])
    if made is None or made["source"] != match["name"]:
        raise NotFound
    return made


def _shown(made: dict[str, Any]) -> dict[str, Any]:
    """Return a certificate with its moments as moments."""

    def rows(name: str, *moments: str) -> list[dict[str, Any]]:
        return [
            {**row, **{it: datetime.fromisoformat(row[it]) for it in moments}} for row in made[name]
        ]

    return {
        **made,
        "result": result(made),
        "made_at": datetime.fromisoformat(made["made_at"]),
        "from": datetime.fromisoformat(made["from"]),
        "to": datetime.fromisoformat(made["to"]),
        "missing": rows("missing", "at"),
        "extra": rows("extra", "at"),
        "intervals": rows("intervals", "from", "to"),
    }
