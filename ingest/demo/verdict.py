"""The verdict: a table of what was expected and what was found, and the exit status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import Connection

from ingest.demo import story
from ingest.demo.everyday import Past
from ingest.demo.evidence import (
    SUPERVISOR,
    Row,
    count_row,
    flags_before,
    flags_opened,
    touch_rows,
    touches,
)
from ingest.demo.stage import Stage
from ingest.domain.deliveries import End
from ingest.domain.interactions import Kind
from ingest.edges import Edges
from storage import reads

WAIT_S = 20.0  #: for the last mail of the story to be followed and recorded
LOOK_EVERY_S = 0.25

#: Some providers state times in whole seconds, so a call may seem to begin before the story.
ROUNDED = timedelta(seconds=60)


async def print_verdict(stage: Stage, past: Past, edges: Edges, say: Callable[[str], None]) -> int:
    """Print what came of the story; returns the exit status: 0 if all is as expected."""

    def look(connection: Connection) -> list[Row]:
        return all_rows(connection, stage, past, _counted(edges))

    ends = stage.clock() + timedelta(seconds=WAIT_S)
    while True:
        rows = await stage.read(look)
        if all(row.fine for row in rows) or stage.clock() > ends:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    say("")
    for line in _table(rows):
        say(line)
    fine = sum(row.fine for row in rows)
    say(f"{fine} of {len(rows)} as expected.")
    return 0 if fine == len(rows) else 1


def _counted(edges: Edges) -> dict[str, int]:
    """Return what the public door counted, over all sources."""
    sources = edges.report()["door"]["sources"].values()
    return {name: sum(it[name] for it in sources) for name in ("rejected", "repeated")}


def all_rows(connection: Connection, stage: Stage, past: Past, door: dict[str, int]) -> list[Row]:
    """Return a line for everything that is checked."""
    now, began = stage.clock(), stage.begins_at
    calls = [it for it in stage.expected if it.handle.source != "mail"]
    before = began - ROUNDED

    def parked(end: End) -> int:
        return reads.count_deliveries(connection, SUPERVISOR, end, now=now)

    return [
        *touch_rows(connection, stage.expected, now=now),
        flag_row(stage),
        count_row("calls of the story", len(calls), touches(connection, Kind.CALL, since=began)),
        count_row(
            "mails of the story",
            len(stage.expected) - len(calls),
            touches(connection, Kind.MAIL, since=began),
        ),
        count_row("flags raised by the story", story.FLAGS, flags_opened(connection, since=before)),
        count_row(
            "calls of the ten days before",
            len(past.calls),
            touches(connection, Kind.CALL) - touches(connection, Kind.CALL, since=began),
        ),
        count_row(
            "mails of the ten days before",
            past.mails,
            touches(connection, Kind.MAIL) - touches(connection, Kind.MAIL, since=began),
        ),
        count_row(
            "flags still open from before",
            past.flags_open,
            flags_before(connection, until=before, closed=False),
        ),
        count_row(
            "flags closed by handing over",
            past.flags_closed,
            flags_before(connection, until=before, closed=True),
        ),
        count_row("requests sent twice, kept once", 1, door["repeated"]),
        count_row("requests with a wrong signature, rejected", 1, door["rejected"]),
        count_row("deliveries that cannot be read, parked", 1, parked(End.PARKED)),
        count_row("deliveries ignored", 0, parked(End.IGNORED)),
    ]


def flag_row(stage: Stage) -> Row:
    """Return the line about the flag that must be up before anybody takes the call."""
    after_s = stage.flagged_after_s
    return Row(
        what="the leaver's client was flagged while it still rang",
        expected="before anybody takes the call",
        found="not seen" if after_s is None else f"{after_s * 1000:.0f} ms after its first report",
        fine=after_s is not None,
    )


def _table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of each row: what was checked, what was expected, what was found."""
    lines = []
    for row in rows:
        lines.append(f"{'ok  ' if row.fine else 'FAIL'}  {row.what}")
        if row.fine:
            lines.append(f"{'':8}as expected: {row.found}")
        else:
            lines += [f"{'':8}expected: {row.expected}", f"{'':8}found:    {row.found}"]
    return lines
