"""Views as the API's JSON: ids are strings, moments RFC 3339 in UTC, what is not known is null."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.interactions import ReviewItem
from ingest.domain.mailboxes import MailboxState
from storage import reads

Json = dict[str, Any]


def moment(at: datetime | None) -> str | None:
    """Return a moment as RFC 3339 in UTC, such as `2026-05-01T09:30:00Z`."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _stored_moment(text: str | None) -> str | None:
    return None if text is None else moment(datetime.fromisoformat(text))


def named(found: reads.Named | None) -> Json | None:
    """Return an employee, client or contact."""
    return None if found is None else {"id": found.id, "name": found.name}


def own_line(found: reads.OwnLine | None) -> Json | None:
    """Return one of our lines in short."""
    if found is None:
        return None
    return {"id": found.id, "kind": found.kind, "address": found.address, "name": found.name}


def point(text: str) -> Json:
    """Return a contact point with its kind and its bare number or address."""
    found = ContactPoint.parse(text)
    bare = None if found.kind is PointKind.WITHHELD else found.value
    return {"point": text, "kind": found.kind.value, "address": bare}


# Interactions ----------------------------------------------------------------------------------


def interaction(found: reads.InteractionView) -> Json:
    """Return one interaction."""
    remote = found.remote
    return {
        "id": found.id,
        "keys": list(found.keys),
        "kind": found.kind.value,
        "source": found.source,
        "direction": found.direction.value,
        "occurred_at": moment(found.occurred_at),
        "learned_at": moment(found.learned_at),
        "ended": found.ended,
        "ended_at": moment(found.ended_at),
        "status": found.status.value,
        "default_status": found.default_status.value,
        "decided_status": found.decided.value if found.decided else None,
        "closed_at": moment(found.closed_at),
        "closed_by": found.closed_by,
        "reply_due_at": moment(found.due_at),
        "closed_as": found.closed_as.value if found.closed_as else None,
        "outcome": found.outcome,
        "talk_s": found.talk_s,
        "own_line": own_line(found.own_line),
        "employee": named(found.employee),
        "remote": None if remote is None else {**point(remote.point), "name": remote.name},
        "participants": [participant(part) for part in found.participants],
        "clients": [named(client) for client in found.clients],
        "flags": [{"id": flag.id, "kind": flag.kind, "open": flag.open} for flag in found.flags],
        "deliveries": list(found.deliveries),
        "subject": found.subject,
        "suppressed": found.suppressed,
    }


def participant(part: reads.ParticipantView) -> Json:
    """Return one point that took part."""
    return {
        **point(part.point),
        "role": part.role,
        "side": part.side,
        "name": part.name,
        "client": named(part.client),
        "contact": named(part.contact),
        "method": part.method,
        "cause": part.cause,
    }


def call(found: reads.InteractionView) -> Json:
    """Return a call: the interaction, and what only calls have."""
    details = found.details
    return {
        **interaction(found),
        "state": details.get("state"),
        "answered_at": _stored_moment(details.get("answered_at")),
        "duration_s": details.get("duration_s"),
        "provider_keys": details.get("provider_keys", []),
        "rang": details.get("rang", []),
        "talked": details.get("talked", []),
        "legs": [
            {
                "agent": leg["agent"],
                "rang_at": _stored_moment(leg["rang_at"]),
                "answered_at": _stored_moment(leg["answered_at"]),
                "ended_at": _stored_moment(leg["ended_at"]),
            }
            for leg in details.get("legs", [])
        ],
        "queue": details.get("queue"),
        "transfer": details.get("transfer"),
        "recorded": "recording_url" in details or "recording_id" in details,
    }


# Directory -------------------------------------------------------------------------------------


def client(found: reads.ClientView) -> Json:
    """Return a client as lists show it."""
    return {
        "id": found.id,
        "name": found.name,
        "segment": found.segment,
        "client_since": moment(found.client_since),
        "external_id": found.external_id,
        "primary": named(found.primary),
        "named_primary": named(found.named_primary),
        "primary_left_at": moment(found.primary_left_at),
        "open_flags": found.open_flags,
    }


def client_card(found: reads.ClientCard) -> Json:
    """Return all that is known of a client but its interactions."""
    return {
        **client(found.client),
        "points": [
            {
                **point(held.point),
                "raw": held.raw,
                "contact": named(held.contact),
                "from_at": moment(held.from_at),
                "until": moment(held.until),
                "recorded_at": moment(held.recorded_at),
                "recorded_by": held.recorded_by,
                "provenance": held.provenance,
            }
            for held in found.points
        ],
        "contacts": [
            {"id": person.id, "name": person.name, "role": person.role} for person in found.contacts
        ],
        "primaries": [holder(change) for change in found.primaries],
        "flags": [flag(each) for each in found.flags],
    }


def holder(change: reads.Holder) -> Json:
    """Return who was named from a moment on."""
    return {
        "from_at": moment(change.from_at),
        "employee": named(change.employee),
        "left_at": moment(change.left_at),
    }


def employee(found: reads.EmployeeView) -> Json:
    """Return a colleague."""
    return {
        "id": found.id,
        "name": found.name,
        "login": found.login,
        "supervisor": named(found.supervisor),
        "employed": found.employed,
        "left_at": moment(found.left_at),
        "leaves_at": moment(found.leaves_at),
        "lines": [own_line(line) for line in found.lines],
        "clients": found.clients,
    }


def line(found: reads.LineView) -> Json:
    """Return one of our lines with its holders."""
    return {
        "id": found.id,
        "kind": found.kind.value,
        "point": found.point,
        "address": found.address,
        "name": found.name,
        "region": found.region,
        "shared": found.shared,
        "holder": named(found.holder),
        "holders": [holder(change) for change in found.holders],
    }


# Flags and review ------------------------------------------------------------------------------


def flag(found: reads.FlagView) -> Json:
    """Return a flag with its state and handler of this moment."""
    return {
        "id": found.id,
        "kind": found.kind.value,
        "number": found.number,
        "client": named(found.client),
        "point": found.point,
        "departed": named(found.departed),
        "line": own_line(found.line),
        "state": found.state.value,
        "opened_at": moment(found.opened_at),
        "last_at": moment(found.last_at),
        "acknowledged_at": moment(found.acknowledged_at),
        "closed_at": moment(found.closed_at),
        "closed_why": found.closed_why,
        "withdrawn_at": moment(found.withdrawn_at),
        "handler": named(found.handler),
        "live": found.live,
        "interactions": list(found.interactions),
    }


def review_item(found: ReviewItem) -> Json:
    """Return a contact point that no client is known for."""
    return {
        "id": found.point,
        **point(found.point),
        "cause": found.cause,
        "count": found.count,
        "calls": found.calls,
        "mails": found.mails,
        "missed": found.missed,
        "first_at": moment(found.first_at),
        "last_at": moment(found.last_at),
    }


# Operations ------------------------------------------------------------------------------------

#: What the public door counts of a source and the API shows.
DOOR_COUNTERS = (
    "accepted",
    "repeated",
    "changed",
    "rejected",
    "handshakes",
    "overloaded",
    "failed",
)


def source(found: reads.SourceView, door: Mapping[str, Any]) -> Json:
    """Return a source, with what the public door counted; no secret is in either."""
    counted = door.get("sources", {}).get(found.name, {})
    last = counted.get("last_event_at")
    return {
        "id": found.id,
        "name": found.name,
        "provider": found.provider,
        "zone": found.zone,
        "region": found.region,
        "added_at": moment(found.added_at),
        "last_event_at": _stored_moment(last) if last else moment(found.last_event_at),
        "parked": found.parked,
        **{name: counted.get(name, 0) for name in DOOR_COUNTERS},
    }


def mailbox(found: reads.MailboxView, state: MailboxState | None) -> Json:
    """Return a mailbox, with how following it goes; no secret is in either."""
    return {
        "id": found.id,
        "address": found.address,
        "host": found.host,
        "port": found.port,
        "tls": found.tls,
        "added_at": moment(found.added_at),
        "last_mail_at": moment(found.last_mail_at),
        "last_event_at": moment(state.last_event_at) if state else None,
        "parked": found.parked,
        "connected": state.connected if state else False,
        "paused": state.paused if state else None,
        "error": state.error if state else None,
        "folders": [
            {
                "folder": folder.folder,
                "sent": folder.sent,
                "connected": folder.connected,
                "complete": folder.complete,
                "kept": folder.kept,
                "total": folder.total,
                "rate": folder.rate,
                "left_s": folder.left_s,
                "rests": folder.rests,
                "reached": moment(folder.reached),
                "alert": folder.alert,
                "error": folder.error,
            }
            for folder in (state.folders if state else ())
        ],
    }


def delivery(found: reads.DeliveryView) -> Json:
    """Return a delivery that waits parked."""
    return {
        "id": found.id,
        "log": found.log,
        "source": found.source,
        "key": found.key,
        "received_at": moment(found.received_at),
        "reason": found.reason,
    }
