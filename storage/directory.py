"""The directory's facts: read as dated values, written with what they make us decide anew."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, and_, or_, select
from sqlalchemy.exc import IntegrityError

from ingest.domain.calls import Direction
from ingest.domain.contacts import ContactPoint
from ingest.domain.directory import (
    BEGINNING,
    Change,
    Directory,
    Employee,
    EmploymentChange,
    Holding,
    Line,
    LineKind,
    NeighbourChange,
    PointDecision,
    PointFacts,
    PointVerdict,
)
from ingest.domain.interactions import DEFAULT_STATUS, Kind, Policies, Policy, Status
from ingest.domain.mailboxes import read_web_forms
from ingest.domain.working_hours import read_working_hours
from storage import facts
from storage.rows import among
from storage.tables import (
    client_primaries,
    clients,
    decisions,
    employees,
    employment,
    holdings,
    line_holders,
    lines,
    mailboxes,
    neighbours,
    policies,
    sources,
)


def current(table: Table) -> Any:
    """Return the condition that a fact was not retracted."""
    return table.c.retracted_at.is_(None)


# Reading ---------------------------------------------------------------------------------------


def load_directory(connection: Connection) -> Directory:
    """Return employees and lines with their dates, and the version they are of."""
    careers: dict[str, list[EmploymentChange]] = defaultdict(list)
    for row in connection.execute(
        select(employment.c.employee_id, employment.c.from_at, employment.c.employed)
        .where(current(employment))
        .order_by(employment.c.from_at)
    ):
        careers[row.employee_id].append(
            EmploymentChange(from_at=row.from_at, employed=row.employed)
        )
    people = {
        row.id: Employee(
            id=row.id,
            name=row.name,
            login=row.login,
            supervisor=row.supervisor_id,
            employment=tuple(careers[row.id]),
        )
        for row in connection.execute(select(employees).where(current(employees)))
    }
    held: dict[str, list[Change]] = defaultdict(list)
    for row in connection.execute(
        select(line_holders.c.line_id, line_holders.c.from_at, line_holders.c.employee_id)
        .where(current(line_holders))
        .order_by(line_holders.c.from_at)
    ):
        held[row.line_id].append(Change(from_at=row.from_at, employee=row.employee_id))
    ours = {
        row.id: Line(
            id=row.id,
            kind=LineKind(row.kind),
            point=ContactPoint.parse(row.point),
            region=row.region,
            shared=row.shared,
            name=row.name,
            holders=tuple(held[row.id]),
        )
        for row in connection.execute(select(lines).where(current(lines)))
    }
    return Directory(
        version=facts.version(connection),
        employees=people,
        lines=ours,
        by_point={str(line.point): line for line in ours.values()},
        mailboxes={
            row.id: row.address
            for row in connection.execute(select(mailboxes.c.id, mailboxes.c.address))
        },
        # The latest of each name, also of sources that are gone: their calls are still read so.
        regions={
            row.name: row.region
            for row in connection.execute(
                select(sources.c.name, sources.c.region).order_by(sources.c.recorded_at)
            )
        },
        neighbours=load_neighbours(connection),
    )


def load_neighbours(connection: Connection) -> dict[str, dict[str, list[NeighbourChange]]]:
    """Return who was declared whose neighbour; of what was all taken back only the names."""
    found: dict[str, dict[str, list[NeighbourChange]]] = defaultdict(dict)
    for row in connection.execute(select(neighbours).order_by(neighbours.c.from_at)):
        changes = found[row.source].setdefault(row.other, [])
        found[row.other][row.source] = changes
        if row.retracted_at is None:
            changes.append(NeighbourChange(from_at=row.from_at, together=row.together))
    return dict(found)


def load_policies(connection: Connection) -> Policies:
    """Return the company's rules in order of the moments they act from."""
    valid, found = Policy(), []
    for row in connection.execute(
        select(policies.c.name, policies.c.from_at, policies.c.value)
        .where(current(policies))
        .order_by(policies.c.from_at, policies.c.name)
    ):
        valid = _with_rule(valid, row.name, json.loads(row.value))
        found.append((row.from_at, valid))
    return Policies(changes=tuple(found))


def _with_rule(policy: Policy, name: str, value: Any) -> Policy:
    rules: dict[str, Any] = {
        "statuses": policy.statuses,
        "short_call": policy.short_call,
        "history_after": policy.history_after,
        "duty": policy.duty,
        "working_hours": policy.working_hours,
        "reply_within": policy.reply_within,
        "web_forms": policy.web_forms,
    }
    if name == "status":
        changed = {_status_key(key): Status(status) for key, status in value.items()}
        rules["statuses"] = {**DEFAULT_STATUS, **changed}
    elif name in ("short_call", "history_after", "reply_within"):
        rules[name] = timedelta(seconds=value)
    elif name == "web_forms":
        rules[name] = read_web_forms(value)
    elif name == "working_hours":
        rules[name] = read_working_hours(value)
    elif name == "duty":
        rules["duty"] = value
    elif name == "recordings_days":
        timedelta(days=value)  # not the pipeline's; the keeper of recordings asks for it
        if value <= 0:
            raise ValueError("days are counted from one")
    return Policy(**rules)


def _status_key(text: str) -> tuple[Kind, Direction, str]:
    kind, direction, how = text.split("/")
    return Kind(kind), Direction(direction), how


def load_points(connection: Connection, points: Iterable[str]) -> dict[str, PointFacts]:
    """Return holders and the latest decision of each of these points that has any."""
    wanted = set(points)
    held: dict[str, list[Holding]] = defaultdict(list)
    for point, client, contact, from_at, until, recorded_at in connection.execute(
        _HOLDINGS_OF, {"wanted": wanted}
    ):
        held[point].append(
            Holding(
                client=client,
                contact=contact,
                from_at=from_at,
                until=until,
                recorded_at=recorded_at,
            )
        )
    decided = point_decisions(connection, wanted)
    return {
        point: PointFacts(holdings=tuple(held.get(point, ())), decision=decided.get(point))
        for point in {*held, *decided}
    }


_HOLDINGS_OF = (
    select(
        holdings.c.point,
        holdings.c.client_id,
        holdings.c.contact_id,
        holdings.c.from_at,
        holdings.c.until,
        holdings.c.recorded_at,
    )
    .where(among(holdings.c.point), current(holdings))
    .order_by(holdings.c.from_at, holdings.c.id)
)


def point_decisions(connection: Connection, points: Collection[str]) -> dict[str, PointDecision]:
    """Return the latest decision not retracted about each point."""
    found: dict[str, PointDecision] = {}
    for row in connection.execute(_DECISIONS_OF, {"wanted": points}):
        what = json.loads(row.what)
        found[row.target] = PointDecision(
            id=row.id,
            verdict=PointVerdict(what["verdict"]),
            at=row.recorded_at,
            client=what.get("client"),
            contact=what.get("contact"),
        )
    return found


_DECISIONS_OF = (
    select(decisions)
    .where(among(decisions.c.target), decisions.c.kind == "point", current(decisions))
    .order_by(decisions.c.number)
)


def load_primaries(connection: Connection, wanted: Iterable[str]) -> dict[str, tuple[Change, ...]]:
    """Return the change points of the primary of each of these clients."""
    found: dict[str, list[Change]] = defaultdict(list)
    for client, from_at, employee in connection.execute(_PRIMARIES_OF, {"wanted": wanted}):
        found[client].append(Change(from_at=from_at, employee=employee))
    return {client: tuple(rows) for client, rows in found.items()}


_PRIMARIES_OF = (
    select(
        client_primaries.c.client_id,
        client_primaries.c.from_at,
        client_primaries.c.employee_id,
    )
    .where(among(client_primaries.c.client_id), current(client_primaries))
    .order_by(client_primaries.c.from_at)
)


# Writing ---------------------------------------------------------------------------------------


def add_employee(
    connection: Connection,
    *,
    name: str,
    at: datetime,
    by: str,
    login: str | None = None,
    supervisor: str | None = None,
    from_at: datetime = BEGINNING,
    provenance: str | None = None,
) -> str:
    """Record an employee and the beginning of the employment; returns the id."""
    employee = facts.record(
        connection,
        employees,
        at=at,
        by=by,
        provenance=provenance,
        name=name,
        login=login,
        supervisor_id=supervisor,
    )
    facts.record(
        connection, employment, at=at, by=by, employee_id=employee, from_at=from_at, employed=True
    )
    facts.raise_version(connection)
    return employee


def leave(
    connection: Connection, employee: str, *, left_at: datetime, at: datetime, by: str
) -> None:
    """Record that an employee is gone from that moment on: one fact, whatever depends on it.

    Raises facts.Conflict if a leaving is already recorded that was not undone.
    """
    if _departure(connection, employee) is not None:
        raise facts.Conflict("a departure is already recorded; undo it first")
    _insert_change(
        connection,
        employment,
        {"employee_id": employee, "from_at": left_at, "employed": False},
        at=at,
        by=by,
    )
    _redecide_employee(connection, employee, left_at)


def undo_leave(
    connection: Connection, employee: str, *, at: datetime, by: str, why: str
) -> datetime:
    """Take the recorded departure back; returns the moment it had named.

    Raises facts.Conflict if no departure is recorded.
    """
    departure = _departure(connection, employee)
    if departure is None:
        raise facts.Conflict("no departure is recorded")
    facts.retract(connection, employment, [departure.id], at=at, by=by, why=why)
    _redecide_employee(connection, employee, departure.from_at)
    left_at: datetime = departure.from_at
    return left_at


def _departure(connection: Connection, employee: str) -> Any:
    """Return the latest employment change if it is a leaving."""
    last = connection.execute(
        select(employment)
        .where(employment.c.employee_id == employee, current(employment))
        .order_by(employment.c.from_at.desc())
        .limit(1)
    ).first()
    return last if last is not None and not last.employed else None


def _redecide_employee(connection: Connection, employee: str, from_at: datetime) -> None:
    """Ask for what depends on whether that employee was there from that moment on."""
    held = connection.scalars(
        select(lines.c.point)
        .join(line_holders, line_holders.c.line_id == lines.c.id)
        .where(line_holders.c.employee_id == employee, current(line_holders), current(lines))
        .distinct()
    ).all()
    facts.redecide_points(connection, held, from_at=from_at)
    named = connection.scalars(
        select(client_primaries.c.client_id)
        .where(client_primaries.c.employee_id == employee, current(client_primaries))
        .distinct()
    ).all()
    facts.redecide_subjects(connection, [f"client:{client}" for client in named])


def add_line(
    connection: Connection,
    *,
    kind: LineKind,
    point: ContactPoint,
    at: datetime,
    by: str,
    name: str = "",
    region: str = "ZZ",
    source: str | None = None,
    iccid: str | None = None,
    shared: bool = False,
    provenance: str | None = None,
) -> str:
    """Record one of our lines; returns its id. Raises facts.Conflict if the address is one."""
    if connection.scalar(select(lines.c.id).where(lines.c.point == str(point), current(lines))):
        raise facts.Conflict(f"{point.value} is already one of our lines")
    line = facts.record(
        connection,
        lines,
        at=at,
        by=by,
        provenance=provenance,
        kind=kind.value,
        point=str(point),
        name=name,
        region=region,
        source=source,
        iccid=iccid,
        shared=shared,
    )
    facts.redecide_points(connection, [str(point)])
    return line


def assign_line(
    connection: Connection,
    line: str,
    employee: str | None,
    *,
    from_at: datetime,
    at: datetime,
    by: str,
    replace: bool = False,
) -> None:
    """Record who holds the line from that moment on; None: nobody.

    Raises facts.Conflict if another change point stands at that very moment, unless `replace`.
    """
    if replace:
        _retract_change(connection, line_holders, "line_id", line, from_at, at=at, by=by)
    _insert_change(
        connection,
        line_holders,
        {"line_id": line, "from_at": from_at, "employee_id": employee},
        at=at,
        by=by,
    )
    until = connection.scalar(
        select(line_holders.c.from_at)
        .where(
            line_holders.c.line_id == line, line_holders.c.from_at > from_at, current(line_holders)
        )
        .order_by(line_holders.c.from_at)
        .limit(1)
    )
    point = connection.scalar(select(lines.c.point).where(lines.c.id == line))
    facts.redecide_points(connection, [point] if point else [], from_at=from_at, until=until)


def named_holder(connection: Connection, line: str, at: datetime) -> str | None:
    """Return who is named as holder of the line at that moment, employed or not."""
    return connection.scalar(
        select(line_holders.c.employee_id)
        .where(line_holders.c.line_id == line, line_holders.c.from_at <= at, current(line_holders))
        .order_by(line_holders.c.from_at.desc())
        .limit(1)
    )


def add_client(
    connection: Connection,
    *,
    name: str,
    at: datetime,
    by: str,
    segment: str | None = None,
    external_id: str | None = None,
    provenance: str | None = None,
    decision: str | None = None,
) -> str:
    """Record a client; returns its id. Only people and imports do, never the machine."""
    return facts.record(
        connection,
        clients,
        at=at,
        by=by,
        provenance=provenance,
        decision=decision,
        name=name,
        search=name.casefold(),
        segment=segment,
        external_id=external_id,
    )


def hold(
    connection: Connection,
    point: ContactPoint,
    client: str,
    *,
    at: datetime,
    by: str,
    raw: str | None = None,
    contact: str | None = None,
    from_at: datetime = BEGINNING,
    until: datetime | None = None,
    provenance: str | None = None,
    decision: str | None = None,
) -> str:
    """Record that a client holds a contact point over a period; returns the holding's id."""
    holding = facts.record(
        connection,
        holdings,
        at=at,
        by=by,
        provenance=provenance,
        decision=decision,
        point=str(point),
        raw=raw,
        client_id=client,
        contact_id=contact,
        from_at=from_at,
        until=until,
    )
    facts.redecide_points(connection, [str(point)], from_at=from_at, until=until)
    return holding


def name_primary(
    connection: Connection,
    client: str,
    employee: str | None,
    *,
    from_at: datetime,
    at: datetime,
    by: str,
    replace: bool = False,
) -> None:
    """Record who is the client's primary from that moment on; None: nobody.

    Raises facts.Conflict if another change point stands at that very moment, unless `replace`.
    """
    if replace:
        _retract_change(connection, client_primaries, "client_id", client, from_at, at=at, by=by)
    _insert_change(
        connection,
        client_primaries,
        {"client_id": client, "from_at": from_at, "employee_id": employee},
        at=at,
        by=by,
    )
    facts.redecide_subjects(connection, [f"client:{client}"])


def declare_neighbours(
    connection: Connection,
    source: str,
    other: str,
    together: bool = True,
    *,
    from_at: datetime,
    at: datetime,
    by: str,
) -> None:
    """Record that from that moment on two sources report the same calls, or that they do not.

    What was recorded for that very moment is replaced.
    """
    one, two = sorted((source, other))
    ids = connection.scalars(
        select(neighbours.c.id).where(
            neighbours.c.source == one,
            neighbours.c.other == two,
            neighbours.c.from_at == from_at,
            current(neighbours),
        )
    ).all()
    facts.retract(connection, neighbours, ids, at=at, by=by, why="replaced")
    values = {"source": one, "other": two, "from_at": from_at, "together": together}
    _insert_change(connection, neighbours, values, at=at, by=by)
    for name in (one, two):
        facts.redecide_source(connection, name, from_at)


def set_policy(
    connection: Connection, name: str, value: Any, *, from_at: datetime, at: datetime, by: str
) -> None:
    """Record a rule of the company that acts from that moment on.

    Raises facts.Conflict if the rule cannot be read: it would stop every decision.
    """
    try:
        _with_rule(Policy(), name, value)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise facts.Conflict(f"{name} cannot be {value!r}") from error
    _retract_change(connection, policies, "name", name, from_at, at=at, by=by)
    _insert_change(
        connection,
        policies,
        {"name": name, "from_at": from_at, "value": json.dumps(value, sort_keys=True)},
        at=at,
        by=by,
    )
    if name in ("status", "short_call", "history_after", "web_forms"):
        facts.redecide_since(connection, from_at)
    else:
        facts.raise_version(connection)


def policy_value(connection: Connection, name: str, at: datetime) -> Any:
    """Return what the rule of that name says at that moment, or None."""
    found = connection.scalar(
        select(policies.c.value)
        .where(policies.c.name == name, policies.c.from_at <= at, current(policies))
        .order_by(policies.c.from_at.desc())
        .limit(1)
    )
    return None if found is None else json.loads(found)


def _insert_change(
    connection: Connection, table: Table, values: Mapping[str, Any], *, at: datetime, by: str
) -> None:
    try:
        with connection.begin_nested():
            facts.record(connection, table, at=at, by=by, **values)
    except IntegrityError as error:
        raise facts.Conflict("another change stands at that very moment") from error


def _retract_change(
    connection: Connection,
    table: Table,
    column: str,
    owner: str,
    from_at: datetime,
    *,
    at: datetime,
    by: str,
) -> None:
    ids = connection.scalars(
        select(table.c.id).where(
            and_(table.c[column] == owner, table.c.from_at == from_at, current(table))
        )
    ).all()
    facts.retract(connection, table, ids, at=at, by=by, why="replaced")


def find_employees(connection: Connection, who: str) -> list[Employee]:
    """Return the employees that an id, a login or a part of the name can mean."""
    everyone = load_directory(connection).employees
    if who in everyone:
        return [everyone[who]]
    wanted = who.casefold()
    by_login = [person for person in everyone.values() if (person.login or "").casefold() == wanted]
    if by_login:
        return by_login
    exact = [person for person in everyone.values() if person.name.casefold() == wanted]
    if exact:
        return exact
    return sorted(
        (person for person in everyone.values() if wanted in person.name.casefold()),
        key=lambda person: person.name,
    )


def find_clients(connection: Connection, who: str, limit: int = 20) -> list[Any]:
    """Return clients (id, name, segment) that an id or a part of the name can mean."""
    return list(
        connection.execute(
            select(clients.c.id, clients.c.name, clients.c.segment)
            .where(
                current(clients),
                or_(
                    clients.c.id == who,
                    clients.c.external_id == who,
                    clients.c.search.contains(who.casefold(), autoescape=True),
                ),
            )
            .order_by(clients.c.name)
            .limit(limit)
        )
    )
