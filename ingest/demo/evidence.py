"""What came of the story: read as a supervisor reads it, held against what must come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from ingest.domain.interactions import Kind, call_key_id
from ingest.domain.people import UserRole, Viewer
from storage import reads
from storage.tables import clients, flags, interactions

SUPERVISOR = Viewer(user="demo", login="demo", name="Demo", role=UserRole.SUPERVISOR)
NOBODY, NONE = "nobody", "none"


@dataclass(frozen=True, slots=True)
class Handle:
    """By what a touch is found: source and the provider's call id, or a Message-ID."""

    source: str  #: "mail" for a Message-ID
    key: str

    def __str__(self) -> str:
        return f"{self.source}/{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must be known of one touch; the words are those of `found_of`."""

    what: str
    handle: Handle
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table that the demo prints."""

    what: str
    expected: str
    found: str
    fine: bool


def differences(expected: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what was found otherwise, by its word; a touch that is not there differs in all."""
    if found is None:
        return dict.fromkeys(expected, "not there")
    return {
        word: found.get(word, "not there")
        for word, value in expected.items()
        if word not in found or found[word] != value
    }


def touch_rows(connection: Connection, wanted: Sequence[Expected], *, now: datetime) -> list[Row]:
    """Return a line for each touch that was expected."""
    ids = {each.handle: id_of(connection, each.handle, now=now) for each in wanted}
    names = {found: str(handle) for handle, found in ids.items() if found}
    rows = []
    for each in wanted:
        found_id = ids[each.handle]
        found = found_of(connection, found_id, names, now=now) if found_id else None
        amiss = differences(each.fields, found)
        rows.append(
            Row(
                what=each.what,
                expected=_listed({word: each.fields[word] for word in amiss} or each.fields),
                found=_listed(amiss or each.fields),
                fine=not amiss,
            )
        )
    return rows


def count_row(what: str, expected: int, found: int) -> Row:
    """Return a line that compares two numbers."""
    return Row(what=what, expected=str(expected), found=str(found), fine=expected == found)


def id_of(connection: Connection, handle: Handle, *, now: datetime) -> str | None:
    """Return the id of the touch that is found by this handle; None: there is none."""
    if handle.source == "mail":
        return connection.scalar(
            select(interactions.c.id).where(interactions.c.message_id == handle.key)
        )
    key = call_key_id(handle.source, handle.key)
    view = reads.interaction(connection, SUPERVISOR, key, now=now)
    return view.id if view else None


def found_of(
    connection: Connection, touch: str, names: Mapping[str, str], *, now: datetime
) -> dict[str, Any]:
    """Return what is known of a touch in the words of the story; `names` are those of touches."""
    view = reads.interaction(connection, SUPERVISOR, touch, now=now)
    assert view is not None
    raised = [reads.flag(connection, SUPERVISOR, it.id, now=now) for it in view.flags]
    known = [flag for flag in raised if flag is not None and flag.is_open]
    remote = view.remote
    detail = remote and reads.review_item(connection, SUPERVISOR, remote.point, now=now)
    waits = detail.item if detail else None
    return {
        "direction": view.direction.value,
        "status": view.status.value,
        "outcome": view.outcome or NONE,
        "client": _listing(it.name for it in view.clients),
        "employee": view.employee.name if view.employee else NOBODY,
        "flags": _listing(flag.kind.value for flag in known),
        "left": _listing((flag.departed.name for flag in known if flag.departed), NOBODY),
        "handler": _listing((flag.handler.name for flag in known if flag.handler), NOBODY),
        "seen": len(view.deliveries),
        "ids": len(view.details.get("provider_keys", view.keys)),
        "rang": len(view.details.get("rang", ())),
        "talked": len(view.details.get("talked", ())),
        "closed by": names.get(view.closed_by or "", NONE),
        "waits for review": waits.cause if waits else NONE,
    }


def _listing(words: Any, empty: str = NONE) -> str:
    return ", ".join(sorted(set(words))) or empty


def _listed(fields: Mapping[str, Any]) -> str:
    return "; ".join(f"{word} {value}" for word, value in fields.items())


# Counts ----------------------------------------------------------------------------------------


def touches(connection: Connection, kind: Kind, *, since: datetime | None = None) -> int:
    """Return how many calls or mails were learned of, in all or from a moment on."""
    conditions = [interactions.c.kind == kind.value]
    if since is not None:
        conditions.append(interactions.c.learned_at >= since)
    return _count(connection, interactions, conditions)


def flags_opened(connection: Connection, *, since: datetime) -> int:
    """Return how many flags were opened from that moment on."""
    return _count(connection, flags, [flags.c.opened_at >= since])


def flags_before(connection: Connection, *, until: datetime, closed: bool) -> int:
    """Return how many flags opened before that moment are closed, or open."""
    state = flags.c.closed_at.is_not(None) if closed else flags.c.closed_at.is_(None)
    return _count(connection, flags, [flags.c.opened_at < until, state])


def _count(connection: Connection, table: Any, conditions: Sequence[Any]) -> int:
    counted = connection.scalar(select(func.count()).select_from(table).where(*conditions))
    return int(counted or 0)


def client_id(connection: Connection, external: str) -> str:
    """Return the id of an imported client by the one in its file."""
    found = connection.execute(select(clients.c.id).where(clients.c.external_id == external))
    return str(found.scalar_one())


# While it rings --------------------------------------------------------------------------------


def is_flagged_while_ringing(connection: Connection, handle: Handle, *, now: datetime) -> bool:
    """Tell whether the call goes on, nobody has taken it, and its client's flag is open."""
    key = call_key_id(handle.source, handle.key)
    view = reads.interaction(connection, SUPERVISOR, key, now=now)
    if view is None or view.ended or view.details.get("answered_at"):
        return False
    return any(flag.open for flag in view.flags)
