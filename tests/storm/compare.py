"""What is recorded of a call in two runs, compared field by field."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ingest.domain.calls import MISSED, Outcome
from storage.tables import clients, employees, interactions, lines, participants
from tests.storm.calls import Tale
from tests.storm.houses import HOUSES, Fate
from tests.world import World

NEAR_S = 1.0  #: that moments and lengths may differ: providers state whole seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is recorded of one call: the fields that are compared."""

    ids: frozenset[str]  #: the provider's, of all that is one touch
    direction: str
    parties: tuple[str, ...]
    employee: str | None
    outcome: tuple[bool, str | None]  #: whether it is over, and how it ended
    missed: bool
    talk: float | None
    start: datetime
    recording: str | None
    legs: frozenset[tuple[str, bool]]  #: telephones, and whether somebody talked on them


#: By source and each of the provider's ids.
Touches = Mapping[tuple[str, str], Seen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing about one call that is not as in the perfect run."""

    call: str
    what: str
    wanted: object
    found: object
    why: str | None = None  #: why no source can restore it; None: it should be the same

    def __str__(self) -> str:
        told = f"{self.call}: {self.what} is {self.found!s}, was {self.wanted!s}"
        return f"{told} ({self.why})" if self.why else told


def touches(world: World) -> Touches:
    """Return what is recorded."""
    with world.reading() as connection:
        names = _names(connection)
        parts: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for part in connection.execute(select(participants)).mappings():
            parts[part["interaction_id"]].append(dict(part))
        found: dict[tuple[str, str], Seen] = {}
        for row in connection.execute(select(interactions)).mappings():
            details = json.loads(row["details"])
            seen = _seen(dict(row), details, parts[row["id"]], names)
            for key in details["provider_keys"]:
                found[row["source"], key] = seen
    return found


def differences(
    calls: Sequence[Tale], perfect: Touches, stormy: Touches, fates: Mapping[str, Fate]
) -> list[Difference]:
    """Return every difference between two runs, with the reason where no source can restore it."""
    found = [
        difference
        for call in calls
        for difference in _of_call(call, perfect, stormy, fates.get(call.name, Fate()))
    ]
    invented = sorted(stormy.keys() - perfect.keys())
    return found + [
        Difference(call=f"{source} {key}", what="call", wanted="not there", found="there")
        for source, key in invented
    ]


def _of_call(call: Tale, perfect: Touches, stormy: Touches, fate: Fate) -> list[Difference]:
    gaps = HOUSES[call.house].gaps(call, fate)
    wanted, found = perfect[call.house, call.key], stormy.get((call.house, call.key))
    if found is None:
        why = gaps.get("call")
        return [Difference(call=call.name, what="call", wanted="there", found="missing", why=why)]
    return [
        Difference(
            call=call.name,
            what=name,
            wanted=getattr(wanted, name),
            found=getattr(found, name),
            why=gaps.get(name),
        )
        for name in (field.name for field in fields(Seen))
        if not _same(getattr(wanted, name), getattr(found, name))
    ]


def _same(wanted: object, found: object) -> bool:
    if isinstance(wanted, datetime) and isinstance(found, datetime):
        return abs((wanted - found).total_seconds()) <= NEAR_S
    if isinstance(wanted, float) and isinstance(found, float):
        return abs(wanted - found) <= NEAR_S
    return wanted == found


def _seen(
    row: Mapping[str, Any],
    details: Mapping[str, Any],
    parts: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
) -> Seen:
    sides = [part for part in parts if part["role"] != "leg"]
    sides.sort(key=lambda part: int(part["ordinal"]))
    talked = set(details.get("talked", ()))
    agents = {leg["agent"] for leg in details.get("legs", ())}
    outcome = Outcome(row["outcome"]) if row["outcome"] else None
    return Seen(
        ids=frozenset(details["provider_keys"]),
        direction=row["direction"],
        parties=tuple(_party(part, names) for part in sides),
        employee=names.get(row["employee_id"] or ""),
        outcome=(bool(row["ended"]), row["outcome"]),
        missed=row["direction"] == "in" and bool(row["ended"]) and outcome in MISSED,
        talk=row["talk_s"],
        start=row["occurred_at"],
        recording=details.get("recording_url") or details.get("recording_id"),
        legs=frozenset((agent, agent in talked) for agent in agents | talked),
    )


def _party(part: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return a point and whose it is; ids of rows are not the same in two databases."""
    kind, _, value = str(part["point"]).partition(":")
    client = names.get(part["client_id"] or "", "nobody")
    return f"{kind}:{names.get(value, value)} {client}"


def _names(connection: Connection) -> dict[str, str]:
    """Return what rows are called, by their ids."""
    found = {
        row.id: row.name for row in connection.execute(select(employees.c.id, employees.c.name))
    }
    found |= {row.id: row.name for row in connection.execute(select(clients.c.id, clients.c.name))}
    found |= {row.id: row.point for row in connection.execute(select(lines.c.id, lines.c.point))}
    return found
