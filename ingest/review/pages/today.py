"""The first page: who is calling right now, what waits, and what happened last."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.interactions import Kind, Status
from ingest.domain.people import Viewer
from ingest.review import show
from ingest.review.web import Visit
from ingest.review.words import _
from storage import reads
from storage.reads import FlagFilter, FlagOrder, FlagView, InteractionFilter, InteractionView

#: Each counter: its name, its words, its list, and whether more than none of it is alarming.
COUNTERS = {
    "flags_open": (_("Open flags"), "/flags", True),
    "unmatched": (_("Unmatched contacts"), "/unmatched", False),
    "callback_due": (_("To call back"), None, False),
    "overdue": (_("Replies overdue"), "/interactions?overdue=yes", True),
    "awaiting_reply": (_("Mails awaiting reply"), None, False),
    "needs_comment": (_("Calls without a comment"), None, False),
    "not_reached": (_("Not reached"), None, False),
    "calls_today": (_("Calls today"), None, False),
    "mails_today": (_("Mails today"), None, False),
    "parked": (_("Parked deliveries"), "/parked", False),
}


async def page(visit: Visit) -> web.Response:
    """Show today."""
    since = start_of_day(visit)

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        counted = reads.today(connection, viewer, now=visit.now, since=since)
        live = reads.list_interactions(
            connection,
            viewer,
            InteractionFilter(status=Status.IN_PROGRESS, kind=Kind.CALL),
            now=visit.now,
            limit=20,
        ).items
        return {
            "counters": _counters({it.name: it.count for it in counted}, since),
            "live": _loudest_first(connection, viewer, live, visit.now),
            "flags": reads.list_flags(
                connection,
                viewer,
                FlagFilter(open=True),
                now=visit.now,
                order=FlagOrder.TOUCHED,
                limit=6,
            ).items,
            "latest": reads.list_interactions(connection, viewer, now=visit.now, limit=12).items,
        }

    failures = visit.asked("failures")
    return await show.page(
        visit,
        "today.html",
        area="today",
        failures=int(failures) if failures.isdecimal() and len(failures) < 5 else 0,
        **await visit.read(ask),
    )


def start_of_day(visit: Visit) -> datetime:
    """Return when today began where the company is."""
    local = visit.now.astimezone(visit.zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def _counters(counts: dict[str, int], since: datetime) -> list[dict[str, Any]]:
    filters = reads.today_filters(since)
    found = []
    for name, (label, href, alarming) in COUNTERS.items():
        if name not in counts:
            continue
        number = counts[name]
        found.append(
            {
                "label": label,
                "number": number,
                "href": href or f"/interactions?{_query(filters[name])}",
                "hot": alarming and number > 0,
            }
        )
    return found


def _query(wanted: InteractionFilter) -> str:
    """Return the address of the list that a counter counts."""
    values = {
        "status": wanted.status.value if wanted.status else None,
        "kind": wanted.kind.value if wanted.kind else None,
        "from": wanted.from_at.date().isoformat() if wanted.from_at else None,
    }
    return urlencode({name: value for name, value in values.items() if value})


def _loudest_first(
    connection: Connection, viewer: Viewer, live: tuple[InteractionView, ...], now: datetime
) -> list[tuple[InteractionView, FlagView | None]]:
    """Return the calls going on with their open flag; those that have one come first."""
    found: list[tuple[InteractionView, FlagView | None]] = []
    for touch in live:
        flagged = next((it for it in touch.flags if it.open), None)
        flag = reads.flag(connection, viewer, flagged.id, now=now) if flagged else None
        found.append((touch, flag))
    return sorted(found, key=lambda it: it[1] is None)
