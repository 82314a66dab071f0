"""A small company to test with: say what happened, then ask what is recorded.

Everything goes through the real pipeline and a real, migrated database; only the wire is left
out: calls and mails are given as what a reader would have made of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid5

from sqlalchemy import Connection, select

from ingest import redecide
from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.deliveries import Delivery, End
from ingest.domain.directory import BEGINNING, LineKind, PointVerdict
from ingest.domain.interactions import NAMESPACE, FlagKind, Status, call_key_id
from ingest.domain.mails import Mail, MailAddress, Sighting
from ingest.matching.numbers import to_point
from ingest.pipeline import record
from ingest.readers import Reading
from ingest.rebuild import Rebuilt, rebuild
from ingest.steps import Changed, Directories
from storage import decisions, directory, facts
from storage.database import Database, sqlite_url
from storage.schema import migrate
from storage.tables import DERIVED, flags, interactions, mailboxes, participants, review_items

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
SOURCE = "office"


def day(number: int, hour: int = 12, minute: int = 0) -> datetime:
    """Return a moment in May 2026."""
    return datetime(2026, 5, number, hour, minute, tzinfo=UTC)


@dataclass
class World:
    """One company with its database."""

    database: Database
    known: Directories = field(default_factory=Directories)
    position: int = 0
    _calls: int = 0

    def close(self) -> None:
        self.database.close()

    # The directory --------------------------------------------------------------------------

    def employee(self, name: str, **more: Any) -> str:
        with self.database.write() as connection:
            return directory.add_employee(connection, name=name, at=NOW, by="test", **more)

    def line(
        self,
        number: str,
        holder: str | None = None,
        *,
        since: datetime = BEGINNING,
        shared: bool = False,
        region: str = "RU",
    ) -> str:
        kind, point = _line(number)
        with self.database.write() as connection:
            line = directory.add_line(
                connection, kind=kind, point=point, at=NOW, by="test", shared=shared, region=region
            )
            if holder:
                directory.assign_line(connection, line, holder, from_at=since, at=NOW, by="test")
            if kind is LineKind.MAILBOX:
                facts.record(
                    connection,
                    mailboxes,
                    at=NOW,
                    by="test",
                    id=f"box-{number}",
                    address=number,
                    host="localhost",
                    port=143,
                    tls="none",
                    login=number,
                    secret="",
                    config="{}",
                )
        return line

    def client(
        self, name: str, *points: str, primary: str | None = None, since: datetime = BEGINNING
    ) -> str:
        with self.database.write() as connection:
            client = directory.add_client(connection, name=name, at=NOW, by="test")
            for text in points:
                directory.hold(connection, point(text), client, at=NOW, by="test")
            if primary:
                directory.name_primary(
                    connection, client, primary, from_at=since, at=NOW, by="test"
                )
        return client

    def holds(
        self,
        client: str,
        text: str,
        since: datetime = BEGINNING,
        until: datetime | None = None,
        *,
        contact: str | None = None,
        at: datetime = NOW,
    ) -> None:
        self.change(
            directory.hold,
            point(text),
            client,
            from_at=since,
            until=until,
            contact=contact,
            at=at,
        )

    def change(
        self, function: Any, *args: Any, by: str = "test", at: datetime = NOW, **kw: Any
    ) -> Any:
        """Write a fact by a storage function, then decide anew what it touches."""
        with self.database.write() as connection:
            result = function(connection, *args, at=at, by=by, **kw)
        self.settle()
        return result

    def leaves(self, employee: str, at: datetime) -> None:
        self.change(directory.leave, employee, left_at=at)

    def never_left(self, employee: str) -> None:
        self.change(directory.undo_leave, employee, why="a mistake")

    def names(self, client: str, employee: str | None, since: datetime) -> None:
        self.change(directory.name_primary, client, employee, from_at=since)

    def assigns(self, line: str, employee: str | None, since: datetime) -> None:
        self.change(directory.assign_line, line, employee, from_at=since)

    def links(self, text: str, client: str | None = None, *, at: datetime = NOW, **kw: Any) -> str:
        decision: str = self.change(
            decisions.decide_point, point(text), PointVerdict.LINK, client=client, at=at, **kw
        )
        return decision

    def judges(self, text: str, verdict: PointVerdict, *, at: datetime = NOW) -> str:
        decision: str = self.change(decisions.decide_point, point(text), verdict, at=at)
        return decision

    def dismisses(self, subject: str, at: datetime, kind: FlagKind = FlagKind.MANAGER_LEFT) -> str:
        decision: str = self.change(decisions.decide_flag, kind, subject, "dismiss", at=at)
        return decision

    def acknowledges(
        self, subject: str, at: datetime, kind: FlagKind = FlagKind.MANAGER_LEFT
    ) -> str:
        decision: str = self.change(decisions.decide_flag, kind, subject, "ack", at=at)
        return decision

    def sets_status(self, key: str, status: Status, *, at: datetime = NOW) -> str:
        decision: str = self.change(decisions.decide_status, key, status, at=at)
        return decision

    def undoes(self, decision: str) -> decisions.Undone:
        undone: decisions.Undone = self.change(decisions.undo, decision)
        return undone

    # The wire -------------------------------------------------------------------------------

    def call(
        self,
        remote: str | None,
        line: str,
        at: datetime,
        *,
        key: str | None = None,
        learned: datetime | None = None,
        **told: Any,
    ) -> str:
        """A call with all its reports, as `call_events` has them; returns the key's id."""
        self._calls += 1
        key = key or f"call-{self._calls}"
        for event in call_events(key, remote, line, at, **told):
            self.report(event, learned or at + timedelta(seconds=1))
        return call_key_id(SOURCE, key)

    def report(self, event: CallEvent, received_at: datetime, source: str = SOURCE) -> Changed:
        self.position += 1
        return self.deliver([report_of(event, received_at, self.position, source=source)])

    def ties(self, *keys: str, at: datetime) -> None:
        """A report that says these provider's ids are one call."""
        self.report(CallEvent(call_keys=keys, stage=CallStage.TIED, occurred_at=at), at)

    def mail(self, sender: str, to: tuple[str, ...], at: datetime, **told: Any) -> str:
        """A mail seen in one of our mailboxes, as `sighting_of` has it; returns its identity."""
        self.position += 1
        reading = sighting_of(sender, to, at, self.position, **told)
        self.deliver([reading])
        assert reading.sighting is not None
        return reading.sighting.mail

    def deliver(self, readings: list[Reading]) -> Changed:
        with self.database.write() as connection:
            return record(connection, readings, self.known, region, now=NOW)

    # Working --------------------------------------------------------------------------------

    def settle(self) -> None:
        """Decide anew whatever was asked for."""
        while True:
            with self.database.write() as connection:
                if redecide.run_slice(connection, self.known, region, now=NOW) is None:
                    return

    def rebuild(self, *, dry_run: bool = False, at_once: int = 500) -> Rebuilt:
        return rebuild(self.database, region, now=NOW, dry_run=dry_run, at_once=at_once)

    # Asking ---------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self.database.read() as connection:
            yield connection

    def touch(self, key: str) -> dict[str, Any]:
        """The interaction with that key, with its clients."""
        with self.reading() as connection:
            own = decisions.interaction_of_key(connection, key) or key
            row = (
                connection.execute(select(interactions).where(interactions.c.id == own))
                .mappings()
                .one()
            )
            clients = connection.scalars(
                select(participants.c.client_id).where(
                    participants.c.interaction_id == own, participants.c.client_id.is_not(None)
                )
            ).all()
        return {**row, "clients": sorted(set(clients))}

    def status(self, key: str) -> Status:
        return Status(self.touch(key)["status"])

    def flags(self, *, at: datetime | None = None) -> list[tuple[str, str, int, bool]]:
        """Every flag as (kind, subject, number, open)."""
        with self.reading() as connection:
            rows = connection.execute(select(flags).order_by(flags.c.opened_at, flags.c.number))
            return [
                (
                    row.kind,
                    row.subject,
                    row.number,
                    row.closed_at is None or row.closed_at > (at or NOW),
                )
                for row in rows
            ]

    def flag_rows(self) -> list[dict[str, Any]]:
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(select(flags)).mappings()]

    def waiting(self) -> dict[str, str]:
        """What waits for review: point -> cause."""
        with self.reading() as connection:
            return {row.point: row.cause for row in connection.execute(select(review_items))}

    def rows(self) -> dict[str, list[str]]:
        """Every derived row as text, for comparing byte by byte."""
        with self.reading() as connection:
            return {
                table.name: sorted(
                    json.dumps(dict(row), default=str, sort_keys=True)
                    for row in connection.execute(select(table)).mappings()
                )
                for table in DERIVED
            }


# What readers make of the wire ---------------------------------------------------------------


def call_events(
    key: str,
    remote: str | None,
    line: str,
    at: datetime,
    *,
    talk: float | None = None,
    outcome: Outcome | None = None,
    agent: str | None = None,
    rang: tuple[str, ...] = (),
    out: bool = False,
    ended: bool = True,
    did: str | None = None,
    told: bool = True,
) -> list[CallEvent]:
    """A call's start, each telephone that rang and, unless it goes on, its end.

    `did` is the public line where it is not the number at our end; `told`: the direction is.
    """
    caller, callee = (line, remote) if out else (remote, line)
    common: dict[str, Any] = {
        "call_keys": (key,),
        "direction": (Direction.OUTBOUND if out else Direction.INBOUND) if told else None,
        "caller": caller,
        "callee": callee,
        "line": did,
        "withheld": remote is None,
    }
    events = [CallEvent(stage=CallStage.RINGING, occurred_at=at, **common)]
    events += [
        CallEvent(stage=CallStage.RINGING, occurred_at=at, agent=ext, **common) for ext in rang
    ]
    if ended:
        end = at + timedelta(seconds=5 + (talk or 15))
        default = Outcome.ANSWERED if talk is not None else Outcome.NO_ANSWER
        events.append(
            CallEvent(
                stage=CallStage.ENDED,
                occurred_at=end,
                started_at=at,
                answered_at=at + timedelta(seconds=5) if talk is not None else None,
                ended_at=end,
                talk_s=talk or 0.0,
                outcome=outcome or default,
                agent=agent,
                **common,
            )
        )
    return events


def report_of(
    event: CallEvent, received_at: datetime, position: int, *, source: str = SOURCE
) -> Reading:
    """The delivery that carries one call event."""
    return Reading(
        delivery=delivery_of("calls", source, received_at, position),
        end=End.READ,
        events=((source, event),),
    )


def sighting_of(
    sender: str,
    to: tuple[str, ...],
    at: datetime,
    position: int,
    *,
    cc: tuple[str, ...] = (),
    box: str | None = None,
    sent: bool = False,
    message_id: str | None = None,
    reply_to: str | None = None,
    automatic: str | None = None,
    learned: datetime | None = None,
    received_top: datetime | None = None,
    read: Mapping[str, Any] | None = None,
) -> Reading:
    """The delivery that carries a mail as one of our mailboxes held it."""
    message_id = message_id or f"{position}@example.org"
    identity = str(uuid5(NAMESPACE, message_id))
    box = box or next(it for it in (*to, *cc, sender) if it.endswith("@ours.example"))
    delivery = delivery_of("mail", f"box-{box}", learned or at + timedelta(seconds=1), position)
    return Reading(
        delivery=delivery,
        end=End.READ,
        mail=Mail(
            identity=identity,
            message_id=message_id,
            in_reply_to=reply_to,
            from_=MailAddress(address=sender),
            to=tuple(MailAddress(address=it) for it in to),
            cc=tuple(MailAddress(address=it) for it in cc),
            **{"subject": "A subject", "automatic": automatic, **(read or {})},
        ),
        sighting=Sighting(
            mailbox=f"box-{box}",
            folder="Sent" if sent else "INBOX",
            uidvalidity=1,
            uid=position,
            sent=sent,
            internal_date=at,
            received_top=received_top,
            mail=identity,
            first_received_at=delivery.received_at,
        ),
    )


def delivery_of(log: str, source: str, received_at: datetime, position: int) -> Delivery:
    return Delivery(
        log=log,
        partition=0,
        position=position,
        source=source,
        key=f"key-{position}",
        received_at=received_at,
        head={},
        body=b"",
    )


def region(source: str) -> str:
    return "RU"


def point(text: str) -> ContactPoint:
    if "@" in text:
        return ContactPoint(PointKind.EMAIL, text)
    return to_point(text, "RU", SOURCE)


def _line(number: str) -> tuple[LineKind, ContactPoint]:
    where = point(number)
    kinds = {
        PointKind.EMAIL: LineKind.MAILBOX,
        PointKind.EXTENSION: LineKind.EXTENSION,
    }
    return kinds.get(where.kind, LineKind.SIM), where


@cache
def _migrated() -> bytes:
    """An empty, migrated database as a file: made once, because migrating takes its time."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "main.db"
        database = Database(sqlite_url(file))
        migrate(database)
        database.close()
        return file.read_bytes()


def sqlite_world(path: Path) -> World:
    """A company in a fresh SQLite file."""
    (path / "main.db").write_bytes(_migrated())
    return World(Database(sqlite_url(path / "main.db")))


def postgres_world(url: str) -> World:
    """A company in an empty PostgreSQL database."""
    database = Database(url)
    migrate(database)
    return World(database)
