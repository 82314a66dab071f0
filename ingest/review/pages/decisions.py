"""People's decisions: each shows what it will do, then does it; and every one can be undone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import structlog
from aiohttp import web
from sqlalchemy import Connection

from ingest.domain.people import Viewer
from ingest.redecide import Consequences
from ingest.review import proposals, show, telling
from ingest.review.proposals import Proposal, proposal
from ingest.review.render import pretty_point
from ingest.review.telling import Sentence
from ingest.review.web import Visit
from ingest.review.words import DECIDED, DECISIONS, STATUSES, _
from storage import pages, reads
from storage.decisions import Decision
from storage.facts import Conflict

log = structlog.get_logger()


async def listing(visit: Visit) -> web.Response:
    """Show what people decided, the latest first, with undo for each."""
    after = visit.asked("after", 500) or None

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        page = reads.list_decisions(connection, viewer, now=visit.now, after=after, limit=30)
        return {
            "page": page,
            "about": {it.id: describe(connection, viewer, it) for it in page.items},
        }

    return await show.page(visit, "decisions.html", area="decisions", **await visit.read(ask))


def describe(connection: Connection, viewer: Viewer, made: Decision) -> dict[str, str]:
    """Return a decision's words, its subject and the page that shows the subject."""
    verdict = verdict_of(made)
    about = subject_of(connection, viewer, made.kind, made.target)
    names = pages.client_names(connection, viewer, [made.what.get("client")])
    told = names.get(made.what.get("client") or "", "")
    if made.kind == "status":
        told = STATUSES.get(made.what["status"], made.what["status"])
    return {"verdict": verdict, "words": DECIDED[verdict], "told": told, **about}


def verdict_of(made: Decision) -> str:
    """Return the verdict of a stored decision as forms and words name it."""
    if made.kind == "status":
        return "status"
    verdict = str(made.what["verdict"])
    return "new_client" if verdict == "link" and made.what.get("created") else verdict


def subject_of(connection: Connection, viewer: Viewer, kind: str, target: str) -> dict[str, str]:
    """Return what a decision is about, in words, and the address of its page."""
    if kind == "point":
        return {"name": pretty_point(target), "href": f"/points/{target}"}
    if kind in ("status", "tie"):
        return {"name": _("a touch"), "href": f"/interactions/{target.partition('|')[0]}"}
    subject = target.partition("|")[2]
    client = subject.removeprefix("client:")
    if client == subject:
        return {"name": pretty_point(subject), "href": f"/points/{subject}"}
    names = pages.client_names(connection, viewer, [client])
    return {"name": names.get(client, _("a client")), "href": f"/clients/{client}"}


async def preview(visit: Visit) -> web.Response:
    """Show what a decision would do, with the button that takes it."""
    wanted = proposal(visit.field)
    context, by, now = visit.context, visit.person.login, visit.now

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        kind = _kind(wanted)
        return {
            "seen": proposals.latest(connection, wanted.target),
            "about": subject_of(connection, viewer, kind, wanted.target),
            "client": _client_name(connection, viewer, wanted),
            "concerned": (
                pages.touched(connection, viewer, wanted.point) if wanted.point else None
            ),
        }

    told = await visit.read(ask)
    expected = await asyncio.to_thread(
        proposals.preview, context, lambda it: wanted.apply(it, at=now, by=by), now=now
    )
    title, meaning = DECISIONS[wanted.verdict][1:]
    name = told["client"] or (STATUSES[wanted.status] if wanted.status else "")
    return await show.part_or_page(
        visit,
        "confirm.html",
        area="unmatched",
        action="/decisions",
        wanted=wanted,
        seen=told["seen"],
        title=title.format(point=told["about"]["name"], client=name),
        meaning=meaning,
        sentences=telling.consequences(expected, show.times(visit), told["concerned"]),
        expected=telling.count_of(expected),
        button=DECISIONS[wanted.verdict][0],
    )


def _kind(wanted: Proposal) -> str:
    if wanted.point:
        return "point"
    if wanted.verdict in proposals.TIE_VERDICTS:
        return "tie"
    return "status" if wanted.verdict == "status" else "flag"


def _client_name(connection: Connection, viewer: Viewer, wanted: Proposal) -> str:
    if wanted.new_client:
        return wanted.new_client
    if wanted.client is None:
        return ""
    names = pages.client_names(connection, viewer, [wanted.client])
    if wanted.client not in names:
        raise Conflict("there is no such client")
    return names[wanted.client]


async def decide(visit: Visit) -> web.Response:
    """Take a decision and say what really happened."""
    wanted = proposal(visit.field)
    made, done = await asyncio.to_thread(
        proposals.decide, visit.context, wanted, by=visit.person.login, now=visit.now
    )
    log.info("decision.made", decision=made, verdict=wanted.verdict, user=visit.person.user)
    return await _tell(visit, DECIDED[wanted.verdict], done, decision=made)


async def preview_undo(visit: Visit) -> web.Response:
    """Show what undoing a decision would do, and what would stay."""
    key = visit.request.match_info["id"]
    undone, expected = await asyncio.to_thread(
        proposals.preview_undo, visit.context, key, by=visit.person.login, now=visit.now
    )
    about = await visit.read(describe, undone.decision)
    stays = [Sentence(text, "info") for text in undone.stays]
    return await show.part_or_page(
        visit,
        "confirm.html",
        area="decisions",
        action=f"/decisions/{key}/undo",
        wanted=None,
        seen="",
        title=_("Undo: {what}, {about}?").format(what=about["words"], about=about["name"]),
        meaning=_("An earlier decision shows again, if there was one. Later work stays."),
        sentences=telling.consequences(expected, show.times(visit), None) + stays,
        expected=telling.count_of(expected),
        button=_("Undo"),
    )


async def undo(visit: Visit) -> web.Response:
    """Undo a decision and say what really happened."""
    key = visit.request.match_info["id"]
    undone, done = await asyncio.to_thread(
        proposals.undo, visit.context, key, by=visit.person.login, now=visit.now
    )
    log.info("decision.undone", decision=key, user=visit.person.user)
    return await _tell(visit, _("Undone"), done, stays=undone.stays)


async def _tell(
    visit: Visit,
    what: str,
    done: Consequences,
    *,
    decision: str | None = None,
    stays: tuple[str, ...] = (),
) -> web.Response:
    """Answer with what happened: a toast for scripts, a page without them."""
    expected = visit.field("expected")
    told = {
        "what": what,
        "text": telling.happened(
            done, expected=int(expected) if expected.isdecimal() and len(expected) < 9 else None
        ),
        "stays": stays,
        "decision": decision,
    }
    if visit.fragment:
        headers = {"HX-Trigger-After-Swap": json.dumps({"keepline:decided": {}})}
        return await show.part(visit, "toast.html", headers=headers, told=told)
    return await show.page(visit, "happened.html", area="decisions", told=told)
