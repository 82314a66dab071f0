"""What a command needs: the database, the key, the logs, the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ingest.accounts import Book
from ingest.local import Refused, Tell
from ingest.readers import ReadMails
from ingest.secrets import Secrets
from ingest.steps import Directories
from storage import directory
from storage.database import Database
from storage.log import LogReader

#: Asks a source's history for a period: source, since, until, progress. Returns `places`, where
#: each answer lies in the log of calls (partition, position), and `failed`: why not, or None.
Pull = Callable[[str, datetime, datetime, Tell], Mapping[str, Any]]


def _nobody_pulls(source: str, since: datetime, until: datetime, tell: Tell) -> Mapping[str, Any]:
    raise Refused("the running service asks for histories: start it with `keepline serve`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Where commands run: in the running core, or in a process of their own that owns main."""

    database: Database
    secrets: Secrets
    book: Book
    clock: Callable[[], datetime]
    logs: Mapping[str, LogReader]
    read_mails: ReadMails
    public_url: str
    wake: Callable[[], None] = lambda: None
    pull: Pull = field(default=_nobody_pulls)
    by: str = "command"
    known: Directories = field(default_factory=Directories)  #: for trials and replays

    def zone(self, connection: Connection) -> ZoneInfo:
        """Return the company's zone."""
        return company_zone(connection, self.clock())

    def region(self, connection: Connection) -> str:
        """Return the company's own region, used where nothing nearer says one."""
        return company_region(connection, self.clock())


def company_zone(connection: Connection, now: datetime) -> ZoneInfo:
    """Return the company's zone; UTC until `keepline init` set one."""
    return ZoneInfo(directory.policy_value(connection, "zone", now) or "UTC")


def company_region(connection: Connection, now: datetime) -> str:
    """Return the company's own region; ZZ until `keepline init` set one."""
    return str(directory.policy_value(connection, "region", now) or "ZZ")


def end_of_day(day: str, zone: ZoneInfo) -> datetime:
    """Return the moment after the last of that day: 00:00 of the next, in the company's zone."""
    following = datetime.fromisoformat(day).date() + timedelta(days=1)
    return datetime.combine(following, time(), zone).astimezone(UTC)


def start_of_day(day: str, zone: ZoneInfo) -> datetime:
    """Return 00:00 of that day in the company's zone."""
    return datetime.combine(datetime.fromisoformat(day).date(), time(), zone).astimezone(UTC)


def local_time(at: datetime, zone: ZoneInfo) -> str:
    """Return a moment as commands print it: to the minute in the company's zone, which is named."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} {zone.key}"


def moment(text: str, zone: ZoneInfo) -> datetime:
    """Return the moment that a person wrote: a date, or date and time, with or without a zone."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
