"""What the benchmarks share: the machine, a company to measure with, kept deliveries."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import aiohttp
from sqlalchemy import insert

from ingest import logs
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.deliveries import Account, NewDelivery
from ingest.domain.directory import BEGINNING, LineKind
from ingest.telephony.providers import PROVIDERS
from ingest.telephony.request import delivery_key
from storage import directory
from storage.database import Database, sqlite_url
from storage.schema import migrate
from storage.tables import client_primaries, clients, holdings

SECRET = "whsec_VmFtR6lTsICZaT42nynHrwbKmmtyGcmWKWxKWDzhR90="
NOW = datetime.now(UTC)
SOURCE = "office"


def arguments(description: str, *, profiled: bool = False) -> argparse.Namespace:
    """Return the command line: `--small` only shows that the benchmark runs."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--small", action="store_true", help="only show that it runs")
    parser.add_argument("--rounds", type=int, default=3)
    if profiled:
        parser.add_argument("--profile", type=int, default=0, help="show so many functions")
    logs.configure("error")
    return parser.parse_args()


def machine() -> str:
    """Return one line about where this was measured."""
    cpu = "unknown"
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return (
        f"{NOW:%Y-%m-%d}, {os.cpu_count()} x {cpu}, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" aiohttp {aiohttp.__version__}"
    )


def show(name: str, values: list[float], unit: str) -> None:
    """Print the median of the rounds, with their range."""
    print(f"{name:44} {median(values):12,.2f} {unit:10} ({min(values):,.2f}-{max(values):,.2f})")


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="keepline-bench-") as name:
        yield Path(name)


def number(index: int) -> str:
    """Return the E.164 number of the client with that index."""
    return f"+79{index:09d}"


def client_id(index: int) -> str:
    """Return the id of the client with that index: a UUID, as the product makes them."""
    return f"{index:08x}-0000-4000-8000-000000000000"


def company(where: Path, size: int) -> Database:
    """Make a main database with so many clients, each with a mobile number, and ten lines."""
    database = Database(sqlite_url(where / "main.db"))
    migrate(database)
    with database.write() as connection:
        people = [
            directory.add_employee(connection, name=f"Employee {i}", at=NOW, by="bench")
            for i in range(10)
        ]
        for i, person in enumerate(people):
            line = directory.add_line(
                connection,
                kind=LineKind.SIM,
                point=ContactPoint(PointKind.PHONE, f"+7495000000{i}"),
                region="RU",
                at=NOW,
                by="bench",
            )
            directory.assign_line(connection, line, person, from_at=BEGINNING, at=NOW, by="bench")
    common = {"recorded_at": NOW, "recorded_by": "bench"}
    for start in range(0, size, 20_000):
        several = range(start, min(start + 20_000, size))
        with database.write() as connection:
            connection.execute(
                insert(clients),
                [
                    {"id": client_id(i), "name": f"Client {i}", "search": f"client {i}", **common}
                    for i in several
                ],
            )
            connection.execute(
                insert(holdings),
                [
                    {
                        "id": f"h{i}",
                        "point": f"tel:{number(i)}",
                        "client_id": client_id(i),
                        "from_at": BEGINNING,
                        **common,
                    }
                    for i in several
                ],
            )
            connection.execute(
                insert(client_primaries),
                [
                    {
                        "id": f"p{i}",
                        "client_id": client_id(i),
                        "from_at": BEGINNING,
                        "employee_id": people[i % 10],
                        **common,
                    }
                    for i in several
                ],
            )
    return database


def account() -> Account:
    """Return the account of the source that the benchmarks send from."""
    return Account(
        source=SOURCE,
        secrets=({"secret": SECRET},),
        zone=ZoneInfo("Europe/Moscow"),
        region="RU",
        public_url="http://127.0.0.1",
    )


def sources() -> dict:
    """Return the sources as the door and the worker want them."""
    return {SOURCE: (PROVIDERS["generic"], account())}


def body(call: int, client: int, line: int, at: datetime) -> bytes:
    """Return a webhook's body: an ended call, 600 octets."""
    text = json.dumps(
        {
            "type": "call.ended",
            "timestamp": at.isoformat(),
            "data": {
                "call_id": f"call-{call}",
                "direction": "inbound",
                "from": number(client),
                "to": f"+7495000000{line}",
                "outcome": "answered",
                "started_at": (at - timedelta(seconds=90)).isoformat(),
                "answered_at": (at - timedelta(seconds=80)).isoformat(),
                "ended_at": at.isoformat(),
            },
        }
    )
    return text.ljust(600).encode()


def deliveries(count: int, size: int, seed: int = 7, first: int = 0) -> Iterator[NewDelivery]:
    """Yield kept webhooks: 70 % from clients (Zipf), the rest from strangers."""
    random_ = random.Random(seed)
    for call in range(first, first + count):
        known = random_.random() < 0.7
        client = int(size * random_.random() ** 3) if known else size + random_.randrange(size)
        # Calls come one after another, ten a second, up to now.
        at = NOW - timedelta(days=2) + timedelta(seconds=call / 10)
        raw = body(call, client, random_.randrange(10), at)
        yield NewDelivery(
            source=SOURCE,
            key=delivery_key_of(raw),
            received_at=NOW,
            head={"method": "POST", "path": "", "query": "", "headers": [], "url": ""},
            body=raw,
        )


def delivery_key_of(raw: bytes) -> str:
    """Return the key of a body posted to the source itself."""
    from ingest.domain.deliveries import HookRequest

    return delivery_key(HookRequest(method="POST", path="", body=raw, received_at=NOW), None)


if sys.platform != "linux":
    print("note: figures are meant for Linux", file=sys.stderr)
