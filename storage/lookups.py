"""What an index of the clientele is made of: all of it in slices, and what changed by name.

Moments stay microseconds here: a million rows are read, and nobody looks at most of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Connection, select, tuple_, type_coerce

from ingest.domain.directory import Change, PointFacts
from storage import facts
from storage.directory import current, load_points, load_primaries
from storage.tables import client_primaries, clients, decisions, holdings, policies

ClientRow = tuple[str, str]  #: id, name
PrimaryRow = tuple[str, int, str | None]  #: client, from, employee
HoldingRow = tuple[str, str, int, int | None]  #: point, client, from, until
DutyRow = tuple[int, str, str | list[str] | None]  #: from, name of the rule, its value

DUTY_RULES = ("duty", "duty_line")


def clients_after(connection: Connection, after: str, most: int) -> list[ClientRow]:
    """Return clients behind that id, in order of ids."""
    return [
        (row.id, row.name)
        for row in connection.execute(
            select(clients.c.id, clients.c.name)
            .where(current(clients), clients.c.id > after)
            .order_by(clients.c.id)
            .limit(most)
        )
    ]


def primaries_after(connection: Connection, after: tuple[str, int], most: int) -> list[PrimaryRow]:
    """Return change points behind that client and moment, in that order."""
    table = client_primaries.c
    from_at = type_coerce(table.from_at, BigInteger)
    return [
        (row[0], row[1], row[2])
        for row in connection.execute(
            select(table.client_id, from_at, table.employee_id)
            .where(current(client_primaries), tuple_(table.client_id, from_at) > tuple_(*after))
            .order_by(table.client_id, from_at)
            .limit(most)
        )
    ]


def holdings_after(
    connection: Connection, after: tuple[str, str], most: int
) -> tuple[list[HoldingRow], tuple[str, str]]:
    """Return holdings of numbers behind that point and holding, and the last of both.

    In order of the points, as an index has them.
    """
    table = holdings.c
    from_at, until = type_coerce(table.from_at, BigInteger), type_coerce(table.until, BigInteger)
    found = connection.execute(
        select(table.point, table.client_id, from_at, until, table.id)
        .where(
            current(holdings),
            table.point.startswith("tel:"),  # no bound: servers differ in the order of signs
            tuple_(table.point, table.id) > tuple_(*max(after, ("tel:", ""))),
        )
        .order_by(table.point, table.id)
        .limit(most)
    ).all()
    last = (found[-1][0], found[-1][4]) if found else after
    return [(row[0], row[1], row[2], row[3]) for row in found], last


def decided_after(
    connection: Connection, after: int, most: int
) -> tuple[dict[str, PointFacts], int]:
    """Return all that is known of numbers that people decided about, and the last decision."""
    table = decisions.c
    found = connection.execute(
        select(table.number, table.target)
        .where(current(decisions), table.kind == "point", table.number > after)
        .order_by(table.number)
        .limit(most)
    ).all()
    numbers = [row.target for row in found if row.target.startswith("tel:")]
    return points_of(connection, numbers), found[-1].number if found else after


def points_of(connection: Connection, points: Iterable[str]) -> dict[str, PointFacts]:
    """Return all that is known now of each of these points; of unknown ones that nothing is."""
    wanted = set(points)
    known = load_points(connection, wanted)
    return {point: known.get(point, PointFacts()) for point in wanted}


def clients_of(
    connection: Connection, ids: Sequence[str]
) -> dict[str, tuple[str, tuple[Change, ...]] | None]:
    """Return name and primaries of each of these clients, None of one that is no more."""
    names: dict[str, str] = {}
    for chunk in facts.chunks(ids):
        for row in connection.execute(
            select(clients.c.id, clients.c.name).where(clients.c.id.in_(chunk), current(clients))
        ):
            names[row.id] = row.name
    primaries = load_primaries(connection, names)
    return {id_: (names[id_], primaries.get(id_, ())) if id_ in names else None for id_ in ids}


def duty_rows(connection: Connection) -> list[DutyRow]:
    """Return every rule of who is on duty, in order of the moments they act from."""
    from_at = type_coerce(policies.c.from_at, BigInteger)
    return [
        (row[0], row[1], json.loads(row[2]))
        for row in connection.execute(
            select(from_at, policies.c.name, policies.c.value)
            .where(current(policies), policies.c.name.in_(DUTY_RULES))
            .order_by(from_at, policies.c.name)
        )
    ]
