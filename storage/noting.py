"""Notes of what changed in the directory, so that an index in memory follows without reading all.

Every fact goes through `facts`, which leaves the note in the fact's own transaction. Notes have
numbers in order of commit, because one writer at a time is the rule. They only say look again: old
ones are pruned, and who is further behind than that reads everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select

from storage.tables import directory_changes

KEPT = 20_000  #: notes
PRUNE_EVERY = 1_000  #: notes

#: Of which kind a note about a fact of that table is, and the column that names its target.
ABOUT: Mapping[str, tuple[str, str | None]] = {
    "holdings": ("point", "point"),
    "decisions": ("point", "target"),
    "clients": ("client", "id"),
    "client_primaries": ("client", "client_id"),
    "employees": ("company", None),
    "employment": ("company", None),
    "lines": ("company", None),
    "line_holders": ("company", None),
    "policies": ("company", None),
}


def note(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note that these facts of a table were recorded or retracted."""
    kind, column = ABOUT.get(table.name, (None, None))
    if kind is None:
        return
    targets = dict.fromkeys(str(row[column]) if column else "" for row in rows)
    if kind == "point":
        targets = {target: None for target in targets if target.startswith("tel:")}
    if not targets:
        return
    connection.execute(
        insert(directory_changes), [{"kind": kind, "target": target} for target in targets]
    )
    last = newest(connection)
    if last % PRUNE_EVERY < len(targets):
        connection.execute(
            delete(directory_changes).where(directory_changes.c.number <= last - KEPT)
        )


def note_ids(connection: Connection, table: Table, ids: Sequence[str]) -> None:
    """Note the same of facts that are named by their ids."""
    kind, column = ABOUT.get(table.name, (None, None))
    if kind is None:
        return
    if column is None or column == "id":
        note(connection, table, [{"id": each} for each in ids])
        return
    found = connection.scalars(select(table.c[column]).where(table.c.id.in_(ids))).all()
    note(connection, table, [{column: each} for each in found])


def newest(connection: Connection) -> int:
    """Return the number of the latest note; 0 if there was none yet."""
    return int(connection.scalar(select(func.max(directory_changes.c.number))) or 0)


def notes_after(
    connection: Connection, number: int, most: int
) -> list[tuple[int, str, str]] | None:
    """Return the notes behind that one, as number, kind and target, the oldest first.

    None if they cannot be told any more: they were pruned, or another database stands there now.
    """
    table = directory_changes.c
    oldest = connection.scalar(select(func.min(table.number)))
    if newest(connection) < number or (oldest is not None and oldest > number + 1):
        return None
    return [
        (row.number, row.kind, row.target)
        for row in connection.execute(
            select(table.number, table.kind, table.target)
            .where(table.number > number)
            .order_by(table.number)
            .limit(most)
        )
    ]
