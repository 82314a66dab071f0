"""A delivery log, a main database and workers between them, with a provider that obeys the test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    End,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    NewDelivery,
    Provider,
    UnreadableDelivery,
)
from ingest.domain.mails import Mail
from ingest.readers import Sources
from ingest.worker import Worker
from storage import wire
from storage.log_sqlite import SqliteLog, open_log
from storage.tables import deliveries
from tests.world import NOW, World, day

HEAD = {"method": "POST", "path": "", "headers": []}


class Died(BaseException):
    """Stands for the death of the process: nothing catches it."""


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """A provider that says by the body what the test wants of its reader."""
    said: dict[str, Any] = json.loads(request.body)
    if said.get("raises"):
        raise RuntimeError("a fault in the reader")
    if said.get("unreadable"):
        raise UnreadableDelivery("no call is named")
    if said.get("ignored"):
        raise IgnoredDelivery("a test message")
    if said.get("deadly"):
        raise Died
    ends = said["stage"] == "ended"
    return [
        CallEvent(
            call_keys=(said["call"],),
            stage=CallStage(said["stage"]),
            direction=Direction.INBOUND,
            caller=said.get("from", "+79161110001"),
            callee="+74951110001",
            outcome=Outcome.NO_ANSWER if ends else None,
        )
    ]


PROVIDER = Provider(
    name="plain",
    verify=lambda request, account: None,
    key=lambda request, account: None,
    parse=parse,
    answer=lambda request, account, receipt: HookResponse(),
)


def sources() -> Sources:
    return {"office": (PROVIDER, Account(source="office", region="RU"))}


def no_mails(bodies: Sequence[bytes]) -> Sequence[Mail | str]:
    return ["not a mail" for _ in bodies]


@dataclass
class Desk:
    """A log, a main database and as many workers, one after another, as the test needs."""

    world: World
    path: Path
    log: SqliteLog = field(init=False)
    kept: int = 0

    def __post_init__(self) -> None:
        self.log = open_log(self.path / "calls.log.db", name="calls")

    def keep(self, *said: dict[str, Any], source: str = "office") -> None:
        """Keep one delivery for each of these bodies."""
        for body in said:
            self.keep_bytes(json.dumps(body).encode(), source)

    def keep_bytes(self, body: bytes, source: str = "office") -> None:
        self.kept += 1
        at = day(6) + timedelta(seconds=self.kept)
        new = NewDelivery(source=source, key=f"d{self.kept}", received_at=at, head=HEAD, body=body)
        self.log.append(0, [new])

    def worker(self, *, batch: int = 500, log: Any = None) -> Worker:
        return Worker(
            database=self.world.database,
            logs={"calls": log or self.log},
            sources=sources,
            read_mails=no_mails,
            clock=lambda: NOW,
            attempts=self.path / "attempts",
            batch=batch,
        )

    def ends(self) -> dict[str, tuple[str, str | None]]:
        """What became of each delivery, by its key."""
        with self.world.reading() as connection:
            rows = connection.execute(
                select(deliveries.c.key, deliveries.c.end, deliveries.c.reason)
            )
            return {row.key: (row.end, row.reason) for row in rows}

    def parked(self) -> dict[str, str | None]:
        return {key: why for key, (end, why) in self.ends().items() if end == End.PARKED}

    def position(self) -> int:
        with self.world.reading() as connection:
            mark = wire.position(connection, "calls", 0)
        return mark.position if mark else 0

    def count(self, table: Any) -> int:
        with self.world.reading() as connection:
            return int(connection.scalar(select(func.count()).select_from(table)) or 0)

    def on_sqlite(self, statement: str) -> None:
        """Let the database itself refuse something."""
        with self.world.database.write() as connection:
            connection.execute(text(statement))


def a_call(number: int, stage: str = "ended", **more: Any) -> dict[str, Any]:
    """What one delivery says of one call."""
    return {"call": f"c{number}", "stage": stage, **more}
