"""People's decisions: facts of their own, beside the machine's opinion and above it.

Of several decisions on one target the latest not retracted counts. Undo is a retraction; it takes
back what the decision created, unless something later refers to it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ingest.domain.contacts import ContactPoint
from ingest.domain.directory import PointVerdict
from ingest.domain.interactions import FlagKind, Status, flag_key
from ingest.domain.ties import TieVerdict
from storage import directory, facts, ties
from storage.directory import current
from storage.rows import among
from storage.tables import call_keys, client_primaries, clients, contacts, decisions, holdings


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A person's decision as stored."""

    id: str
    number: int
    kind: str  #: point, status, flag or tie
    target: str  #: point, key, flag key or two keys
    what: dict[str, Any]
    at: datetime
    by: str
    retracted_at: datetime | None = None
    retracted_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What undoing a decision took back, and what stays because something refers to it."""

    decision: Decision
    stays: tuple[str, ...] = ()  #: sentences


def decide_point(
    connection: Connection,
    point: ContactPoint,
    verdict: PointVerdict,
    *,
    at: datetime,
    by: str,
    client: str | None = None,
    new_client: str | None = None,
) -> str:
    """Record a decision about a contact point, with the client and holding it creates.

    Raises facts.Conflict if the point cannot belong to a client, or the client is unknown.
    """
    decision = facts.new_id()
    created = None
    if verdict is PointVerdict.LINK:
        if not point.can_belong_to_a_client:
            raise facts.Conflict("only a whole number or address can belong to a client")
        if new_client is not None:
            client = created = directory.add_client(
                connection, name=new_client, at=at, by=by, provenance="decision", decision=decision
            )
        if client is None or not connection.scalar(
            select(clients.c.id).where(clients.c.id == client, current(clients))
        ):
            raise facts.Conflict("there is no such client")
        directory.hold(
            connection,
            point,
            client,
            at=at,
            by=by,
            provenance="decision",
            decision=decision,
        )
    what = {"verdict": verdict.value, "client": client, "created": created}
    _record(connection, decision, "point", str(point), what, at=at, by=by)
    facts.redecide_points(connection, [str(point)])
    return decision


def decide_status(
    connection: Connection, key: str, status: Status, *, at: datetime, by: str
) -> str:
    """Record a person's status for the touch with that key."""
    decision = facts.new_id()
    _record(connection, decision, "status", key, {"status": status.value}, at=at, by=by)
    facts.redecide_keys(connection, [key])
    return decision


def decide_flag(
    connection: Connection,
    kind: FlagKind,
    subject: str,
    verdict: str,
    *,
    at: datetime,
    by: str,
) -> str:
    """Record that a person dismissed or acknowledged (`dismiss`, `ack`) the flag open now."""
    decision = facts.new_id()
    _record(
        connection, decision, "flag", flag_key(kind, subject), {"verdict": verdict}, at=at, by=by
    )
    facts.redecide_subjects(connection, _subjects_of_flag(connection, subject))
    return decision


def decide_tie(
    connection: Connection,
    key: str,
    other: str,
    verdict: TieVerdict,
    *,
    at: datetime,
    by: str,
) -> str:
    """Record that two sources' reports, named by a key of each, are or are not of one call.

    Raises facts.Conflict if they are not reports of two calls of sources that have neighbours.
    """
    one, two = ties.of_key(connection, key), ties.of_key(connection, other)
    if one is None or two is None or one.sight.id == two.sight.id:
        raise facts.Conflict("these are not two reports of sources declared neighbours")
    decision = facts.new_id()
    what = {"verdict": verdict.value}
    number = _record(connection, decision, "tie", tie_target(key, other), what, at=at, by=by)
    ties.record_verdict(
        connection, key, other, verdict, number=number, decision=decision, at=at, by=by
    )
    facts.redecide_keys(connection, [key, other])
    return decision


def tie_target(key: str, other: str) -> str:
    """Return what decisions about two call keys hang on, whichever is named first."""
    return "|".join(sorted((key, other)))


def undo(connection: Connection, decision: str, *, at: datetime, by: str) -> Undone:
    """Retract a decision, at any age, and what it created unless something refers to that.

    Raises facts.Conflict if there is no such decision, or it was undone before.
    """
    found = get(connection, decision)
    if found is None:
        raise facts.Conflict("there is no such decision")
    if found.retracted_at is not None:
        raise facts.Conflict("this decision was undone before")
    facts.retract(connection, decisions, [decision], at=at, by=by, why="undone")
    stays: list[str] = []
    if found.kind == "point":
        _retract_created(connection, found, stays, at=at, by=by)
        facts.redecide_points(connection, [found.target])
    elif found.kind == "status":
        facts.redecide_keys(connection, [found.target])
    elif found.kind == "tie":
        ties.retract_verdicts(connection, found.id, at=at, by=by)
        facts.redecide_keys(connection, found.target.split("|"))
    else:
        _, _, subject = found.target.partition("|")
        facts.redecide_subjects(connection, _subjects_of_flag(connection, subject))
    return Undone(decision=found, stays=tuple(stays))


def _retract_created(
    connection: Connection, found: Decision, stays: list[str], *, at: datetime, by: str
) -> None:
    made = connection.scalars(
        select(holdings.c.id).where(holdings.c.decision_id == found.id, current(holdings))
    ).all()
    facts.retract(connection, holdings, made, at=at, by=by, why="undone")
    created = found.what.get("created")
    if not created:
        return
    reason = _refers_to(connection, created)
    if reason is None:
        facts.retract(connection, clients, [created], at=at, by=by, why="undone")
    else:
        name = connection.scalar(select(clients.c.name).where(clients.c.id == created))
        stays.append(f"The client {name} stays: {reason}.")


def _refers_to(connection: Connection, client: str) -> str | None:
    """Return why a client that a decision created cannot go, or None."""
    held = connection.scalar(
        select(holdings.c.point).where(holdings.c.client_id == client, current(holdings)).limit(1)
    )
    if held is not None:
        return f"{ContactPoint.parse(held).value} belongs to it by now"
    if facts.count(
        connection,
        client_primaries,
        client_primaries.c.client_id == client,
        current(client_primaries),
    ):
        return "it has a manager by now"
    if facts.count(connection, contacts, contacts.c.client_id == client, current(contacts)):
        return "it has people by now"
    return None


def _subjects_of_flag(connection: Connection, subject: str) -> list[str]:
    """Return the timelines a flag's decision acts in: a point's also in its client's."""
    if subject.startswith("client:"):
        return [subject]
    holders = connection.scalars(
        select(holdings.c.client_id).where(holdings.c.point == subject, current(holdings))
    ).all()
    return [subject, *(f"client:{client}" for client in holders)]


def _record(
    connection: Connection,
    decision: str,
    kind: str,
    target: str,
    what: dict[str, Any],
    *,
    at: datetime,
    by: str,
) -> int:
    number = facts.bump(connection, "decision_number")
    facts.record(
        connection,
        decisions,
        id=decision,
        at=at,
        by=by,
        number=number,
        kind=kind,
        target=target,
        what=json.dumps(what, sort_keys=True),
    )
    return number


def get(connection: Connection, decision: str) -> Decision | None:
    """Return one decision, retracted or not."""
    row = connection.execute(select(decisions).where(decisions.c.id == decision)).first()
    return _decision(row) if row is not None else None


def of_target(connection: Connection, target: str) -> list[Decision]:
    """Return every decision about that target, the latest first."""
    return [
        _decision(row)
        for row in connection.execute(
            select(decisions)
            .where(decisions.c.target == target)
            .order_by(decisions.c.number.desc())
        )
    ]


def of_touch(connection: Connection, keys: Sequence[str]) -> list[Decision]:
    """Return every decision about the touch with these keys: its status, and its ties."""
    made = [it for key in keys for it in of_target(connection, key)]
    about_ties = (get(connection, it) for it in ties.decisions_about(connection, keys))
    return sorted([*made, *filter(None, about_ties)], key=lambda it: -it.number)


def _decision(row: Any) -> Decision:
    return Decision(
        id=row.id,
        number=row.number,
        kind=row.kind,
        target=row.target,
        what=json.loads(row.what),
        at=row.recorded_at,
        by=row.recorded_by,
        retracted_at=row.retracted_at,
        retracted_by=row.retracted_by,
    )


def statuses(connection: Connection, keys: Collection[str]) -> dict[str, tuple[int, Status]]:
    """Return a person's latest status for each of these keys, with its decision's number."""
    found: dict[str, tuple[int, Status]] = {}
    for row in _live(connection, "status", keys):
        found[row.target] = (row.number, Status(json.loads(row.what)["status"]))
    return found


def flag_verdicts(
    connection: Connection, subjects: Iterable[str]
) -> dict[str, list[tuple[FlagKind, str, datetime]]]:
    """Return what people decided about flags of these subjects: subject -> (kind, verdict, at)."""
    targets = {
        flag_key(kind, subject): (kind, subject) for subject in subjects for kind in FlagKind
    }
    found: dict[str, list[tuple[FlagKind, str, datetime]]] = defaultdict(list)
    for row in _live(connection, "flag", targets):
        kind, subject = targets[row.target]
        found[subject].append((kind, json.loads(row.what)["verdict"], row.recorded_at))
    return found


def _live(connection: Connection, kind: str, targets: Collection[str]) -> Iterable[Any]:
    if not targets:
        return ()
    return connection.execute(_LIVE, {"wanted": targets, "kind": kind})


_LIVE = (
    select(decisions)
    .where(among(decisions.c.target), decisions.c.kind == bindparam("kind"), current(decisions))
    .order_by(decisions.c.number)
)


def interaction_of_key(connection: Connection, key: str) -> str | None:
    """Return the interaction that a call key belongs to now; a mail's key is its own id."""
    return connection.scalar(select(call_keys.c.interaction_id).where(call_keys.c.key == key))
