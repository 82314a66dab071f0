"""Who is calling, answered from memory: an index of the directory, kept as new as main is.

It is loaded in slices, follows the notes that every change of the directory leaves in main, and
goes on with what it knew last when main cannot be read. Whoever asks waits for none of that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from ingest.domain.answers import Asked, Found
from ingest.domain.contacts import ContactPoint
from ingest.domain.deliveries import Account
from ingest.domain.directory import PointFacts
from ingest.matching.numbers import to_point
from ingest.matching.register import Packing, Register
from ingest.matching.who import ClientFacts, Company, DutyChange, company_of, who
from ingest.pauses import settle
from storage import lookups as stored
from storage import noting
from storage.database import Database
from storage.directory import load_directory

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupLimits:
    """Bounds of the index."""

    look_s: float = 0.25  #: between looks whether the directory changed: well below a second
    away_s: float = 2.0  #: the same after main could not be read
    slice_rows: int = 2_000  #: read in one transaction
    pause_s: float = 0.001  #: between slices of a later load: answers go first
    most_notes: int = 20_000  #: followed one by one; who is further behind reads everything
    most_recent: int = 100_000  #: points and clients beside the packed ones; then all is packed


@dataclass(frozen=True, slots=True)
class _Known:
    """What the index knows."""

    company: Company
    register: Register
    number: int  #: of the last note that is in it
    unpacked: int  #: points that people decided about: beside the packed ones from the load on


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What changed since."""

    number: int
    company: Company | None = None  #: None: as before
    points: Mapping[str, PointFacts] = field(default_factory=dict)
    clients: Mapping[str, ClientFacts | None] = field(default_factory=dict)


class Lookups:
    """Answers who is calling, from memory. `refresh` reads main; `answer` never does."""

    def __init__(self, database: Database, *, limits: LookupLimits | None = None) -> None:
        self._database = database
        self._limits = limits or LookupLimits()
        self._known: _Known | None = None
        self._away = False

    @property
    def loaded(self) -> bool:
        """Tell whether the index can answer."""
        return self._known is not None

    def answer(self, asked: Asked, account: Account, at: datetime) -> Found | None:
        """Return who is calling and who takes the call; None while nothing is loaded."""
        known = self._known
        if known is None:
            return None
        called = _point(asked.line, account.region, account)
        line = known.company.directory.line_of(called)
        # Numbers are dialled from where the line is, for the answer as for the touch.
        region = line.region if line is not None and line.region != "ZZ" else account.region
        return who(
            _point(asked.number, region, account),
            called=called,
            at=at,
            source=str(account.config.get("extensions_of") or account.source),
            company=known.company,
            clientele=known.register,
        )

    def refresh(self) -> None:
        """Read what changed, or everything the first time. Raises what the database raises."""
        self._take(self._read())

    async def follow(self, wanted: Callable[[], bool]) -> None:
        """Keep the index as new as main for as long as anybody wants it."""
        while True:
            pause_s = self._limits.look_s
            if wanted():
                try:
                    self._take(await asyncio.to_thread(self._read))
                    self._say_away(None)
                except Exception as error:
                    self._say_away(error)
                    pause_s = self._limits.away_s
            else:
                self._known = None
            await asyncio.sleep(pause_s)

    def report(self) -> dict[str, Any]:
        """Return what health and metrics want to know, as JSON values."""
        known = self._known
        if known is None:
            return {"loaded": False, "away": self._away}
        clients, holdings = known.register.counts
        return {
            "loaded": True,
            "away": self._away,
            "clients": clients,
            "holdings": holdings,
            "packed_bytes": known.register.packed_bytes,
            "recent": known.register.recent,
        }

    # Reading, in a thread ------------------------------------------------------------------------

    def _read(self) -> _Known | _News | None:
        known = self._known
        if known is None:
            return self._load(pause_s=0.0)
        if known.register.recent - known.unpacked > self._limits.most_recent:
            return self._load(pause_s=self._limits.pause_s)
        with self._database.read() as connection:
            if noting.newest(connection) == known.number:
                return None
            most = self._limits.most_notes
            notes = noting.notes_after(connection, known.number, most + 1)
            if notes is not None and len(notes) <= most:
                return _news(connection, notes, known.number)
        return self._load(pause_s=self._limits.pause_s)

    def _load(self, *, pause_s: float) -> _Known:
        """Read everything. What changes meanwhile has a later note, so it is read again."""
        began = time.perf_counter()
        with self._database.read() as connection:
            number = noting.newest(connection)
            company = _company(connection)
        packing = Packing()
        client, primary, holding, decision = "", ("", 0), ("", ""), 0
        while rows := self._slice(stored.clients_after, client, pause_s):
            packing.add_clients(rows)
            client = rows[-1][0]
        while changes := self._slice(stored.primaries_after, primary, pause_s):
            packing.add_primaries(changes)
            primary = changes[-1][:2]
        while True:
            held, holding = self._slice(stored.holdings_after, holding, pause_s)
            if not held:
                break
            packing.add_holdings(held)
        register = packing.done()
        settle()  # reading a million rows made the collector look at everything again and again
        while True:
            before = decision
            decided, decision = self._slice(stored.decided_after, decision, pause_s)
            if decision == before:
                break
            register.update(decided, {})
        clients, holdings = register.counts
        log.info(
            "lookup.loaded",
            clients=clients,
            holdings=holdings,
            packed_mib=round(register.packed_bytes / 2**20, 1),
            took_s=round(time.perf_counter() - began, 2),
        )
        return _Known(company, register, number, register.recent)

    def _slice(
        self, read: Callable[[Connection, Any, int], Any], after: Any, pause_s: float
    ) -> Any:
        if pause_s:
            time.sleep(pause_s)  # in a thread of its own
        with self._database.read() as connection:
            return read(connection, after, self._limits.slice_rows)

    # Taking, on the loop: nobody sees half of a change -------------------------------------------

    def _take(self, read: _Known | _News | None) -> None:
        if isinstance(read, _Known):
            self._known = read
        elif read is not None and self._known is not None:
            known = self._known
            known.register.update(read.points, read.clients)
            company = read.company or known.company
            self._known = _Known(company, known.register, read.number, known.unpacked)

    def _say_away(self, error: Exception | None) -> None:
        away = error is not None
        if away and not self._away:
            log.warning("lookup.main_away", because=type(error).__name__, loaded=self.loaded)
        elif self._away and not away:
            log.info("lookup.main_back")
        self._away = away


def _news(connection: Connection, notes: list[tuple[int, str, str]], number: int) -> _News:
    """Return what stands now of everything that the notes name."""
    named: dict[str, list[str]] = {"point": [], "client": [], "company": []}
    for _, kind, target in notes:
        named.setdefault(kind, []).append(target)
    clients = stored.clients_of(connection, list(dict.fromkeys(named["client"])))
    return _News(
        number=notes[-1][0] if notes else number,
        company=_company(connection) if named["company"] else None,
        points=stored.points_of(connection, named["point"]),
        clients={
            id_: ClientFacts(name=known[0], primary=known[1]) if known else None
            for id_, known in clients.items()
        },
    )


def _company(connection: Connection) -> Company:
    duty: list[DutyChange] = []
    employee: str | None = None
    lines: tuple[str, ...] = ()
    for micros, name, value in stored.duty_rows(connection):
        if name == "duty":
            employee = value if isinstance(value, str) else None
        else:
            lines = tuple(value) if isinstance(value, list) else ()
        at = _EPOCH + timedelta(microseconds=micros)
        duty.append(DutyChange(from_at=at, employee=employee, lines=lines))
    return company_of(load_directory(connection), duty)


def _point(number: str | None, region: str, account: Account) -> ContactPoint | None:
    return to_point(number, region, account.source) if number else None
