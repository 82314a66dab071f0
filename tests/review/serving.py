"""A site over a small company full of data, without the rest of the service.

For tests of pages, and by hand: `python -m tests.review.serving` prints the address and sign-in.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.fernet import Fernet

from ingest.accounts import Book
from ingest.custody.office import Office
from ingest.domain.calls import Outcome
from ingest.domain.deliveries import Account, Delivery, End, NewDelivery
from ingest.domain.mailboxes import FolderState, MailboxState
from ingest.domain.mails import Attachment, Mail, MailAddress, Sighting
from ingest.domain.people import UserRole
from ingest.readers import Reading, Sources
from ingest.review.context import Context
from ingest.review.passwords import hash_password
from ingest.review.site import build_site
from ingest.secrets import Secrets
from ingest.sound import SoundStore
from ingest.steps import Directories
from ingest.telephony.providers import PROVIDERS
from storage import facts, people
from storage.database import Database, sqlite_url
from storage.log import LogReader
from storage.log_sqlite import SqliteLog
from storage.tables import sources
from tests.world import NOW, World, day, delivery_of, region, sqlite_world

PASSWORD = "correct horse"
HASH = hash_password(PASSWORD)

ANNA_SIM, BORIS_SIM, OFFICE = "+79161110001", "+79161110002", "+74955550100"
SALES, ANNA_BOX = "sales@ours.example", "manager1@ours.example"
CHAMOMILE, NORTH, DUTCH = "+74951234567", "+78123334455", "+31201234567"
UNKNOWN, AMBIGUOUS, STRANGER_MAIL = "+79035554433", "+79267778899", "procurement@lumber.example"


@dataclass
class Company:
    """The people and clients of the story, by name."""

    world: World
    employees: dict[str, str] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    touches: dict[str, str] = field(default_factory=dict)


def company(world: World) -> Company:
    """Two supervisors' worth of work: a departure, calls, mails, flags, unmatched contacts."""
    it = Company(world)
    it.employees["vera"] = world.employee("Vera Orlova", login="vera")
    for key, name in (("anna", "Anna Ivanova"), ("boris", "Boris Petrov"), ("lena", "Lena Novak")):
        it.employees[key] = world.employee(name, login=key, supervisor=it.employees["vera"])
    it.lines["anna"] = world.line(ANNA_SIM, it.employees["anna"])
    it.lines["boris"] = world.line(BORIS_SIM, it.employees["boris"])
    it.lines["office"] = world.line(OFFICE, shared=True)
    it.lines["sales"] = world.line(SALES, shared=True)
    it.lines["anna_box"] = world.line(ANNA_BOX, it.employees["anna"])
    anna, boris = it.employees["anna"], it.employees["boris"]
    it.clients["chamomile"] = world.client(
        "ООО «Ромашка»", CHAMOMILE, "buyer@chamomile.example", primary=anna
    )
    it.clients["north"] = world.client("Northern Timber", NORTH, primary=boris)
    it.clients["dutch"] = world.client(
        "Van Dijk Bloemen B.V.", DUTCH, "inkoop@vandijk.example", primary=anna
    )
    for number in range(14):
        world.client(f"Trading House {number + 1}", f"+7495700{number:04}", primary=boris)
    world.client("Twin One", AMBIGUOUS, primary=boris)
    world.client("Twin Two", AMBIGUOUS, primary=boris)
    _source(world)
    return it


def _source(world: World) -> None:
    with world.database.write() as connection:
        facts.record(
            connection,
            sources,
            at=NOW,
            by="test",
            name="office",
            provider="generic",
            zone="Europe/Moscow",
            region="RU",
            config="{}",
            secrets="sealed",
        )


def story(it: Company) -> None:
    """Fill the company's last weeks, up to a call that rings right now."""
    world = it.world
    it.touches["before"] = world.call(CHAMOMILE, ANNA_SIM, day(5, 9, 12), talk=412)
    world.call(DUTCH, ANNA_SIM, day(6, 10), talk=95)
    world.call(NORTH, BORIS_SIM, day(7, 8), talk=33, out=True)
    for number in range(9):
        world.call(
            UNKNOWN, ANNA_SIM, day(8 + number, 11, number * 3), talk=60 if number % 3 else None
        )
    world.leaves(it.employees["anna"], day(14, 0))
    world.call(CHAMOMILE, ANNA_SIM, day(15, 9), outcome=Outcome.NO_ANSWER)
    world.call(UNKNOWN, ANNA_SIM, day(18, 16, 30))
    world.call(AMBIGUOUS, OFFICE, day(18, 12), talk=41)
    world.call("+442071838750", BORIS_SIM, day(19, 9, 40), talk=4)
    world.call("+4930901820", OFFICE, day(19, 15, 5))
    letter(world, STRANGER_MAIL, "Olga, purchasing", "Price list for July", day(19, 14), SALES)
    it.touches["letter"] = letter(
        world, "inkoop@vandijk.example", "J. van Dijk", "Order 2026-114", day(20, 6), ANNA_BOX
    )
    world.mail("news@bulk.example", (SALES,), day(20, 5), automatic="List-Id: weekly news")
    world.call(NORTH, BORIS_SIM, day(20, 7), talk=187)
    for number in range(6):
        world.call(f"+7495700{number:04}", BORIS_SIM, day(20, 8, number * 7), talk=50 + number * 31)
    world.call("+74957000009", OFFICE, day(20, 10, 20))
    _parked(world)
    it.touches["ringing"] = world.call(CHAMOMILE, ANNA_SIM, day(20, 11, 59), ended=False)


def letter(world: World, sender: str, name: str, subject: str, at: datetime, box: str) -> str:
    """A mail with text, formatting and what a hostile writer would add."""
    world.position += 1
    delivery = delivery_of("mail", f"box-{box}", at, world.position)
    identity = f"00000000-0000-5000-8000-{world.position:012}"
    html = (
        f"<h2>{subject}</h2><p onclick='x()'>Hello, we need <b>40 m³</b> of planed boards.</p>"
        "<script>document.title = 'taken'</script><img src='https://tracker.example/x.png'>"
        "<a href='javascript:alert(1)'>our site</a><form action='https://evil.example'></form>"
    )
    mail = Mail(
        identity=identity,
        message_id=f"{world.position}@wire.example",
        from_=MailAddress(address=sender, name=name),
        to=(MailAddress(address=box),),
        subject=subject,
        text="Hello,\n\nwe need 40 m³ of planed boards by the end of July.\n\nKind regards",
        html=html,
        attachments=(Attachment(name="list.xlsx", type="application/vnd.ms-excel", size=48_211),),
    )
    sighting = Sighting(
        mailbox=f"box-{box}",
        folder="INBOX",
        uidvalidity=1,
        uid=delivery.position,
        sent=False,
        internal_date=at,
        mail=identity,
        first_received_at=at,
    )
    world.deliver([Reading(delivery=delivery, end=End.READ, mail=mail, sighting=sighting)])
    return identity


BROKEN = (
    b'{"type": "call.answred", "data": {"call_id": "g7", "from": "+79035554433",'
    b' "token": "s3cret-value"}}'
)


@cache
def _told() -> tuple[bytes, Company]:
    with tempfile.TemporaryDirectory() as folder:
        it = company(sqlite_world(Path(folder)))
        story(it)
        it.world.close()
        return (Path(folder) / "main.db").read_bytes(), it


def told_company(path: Path) -> Company:
    """The company with its story, in a file of its own: told once, then copied."""
    octets, told = _told()
    (path / "main.db").write_bytes(octets)
    world = replace(
        told.world, database=Database(sqlite_url(path / "main.db")), known=Directories()
    )
    return Company(
        world,
        employees=dict(told.employees),
        clients=dict(told.clients),
        lines=dict(told.lines),
        touches=dict(told.touches),
    )


def _parked(world: World) -> None:
    for number in range(3):
        delivery = Delivery(
            log="calls",
            partition=0,
            position=number + 1,
            source="office",
            key=f"broken-{number}",
            received_at=day(19, 3 + number),
            head={},
            body=None,
        )
        why = "type is not one that we know: call.answred"
        world.deliver([Reading(delivery=delivery, end=End.PARKED, reason=why)])


def kept_bytes(path: Path) -> SqliteLog:
    """The delivery log in which the parked ones lie."""
    log = SqliteLog(path / "calls.log.db", name="calls")
    log.append(
        0,
        [
            NewDelivery(
                source="office",
                key=f"broken-{number}",
                received_at=day(19, 3 + number),
                head={
                    "method": "POST",
                    "path": "/in",
                    "query": "",
                    "headers": [
                        ["content-type", "application/json"],
                        ["webhook-signature", "v1,bm90IGZvciBhbnlib2R5"],
                    ],
                    "url": "",
                },
                body=BROKEN,
            )
            for number in range(3)
        ],
    )
    return log


def office_of(world: World) -> Office:
    """Return where sources are entered."""
    secrets = Secrets([Fernet.generate_key()])
    return Office(
        database=world.database,
        secrets=secrets,
        book=Book(world.database, secrets, "https://hooks.ours.example"),
        clock=lambda: NOW,
        logs={},
        read_mails=lambda raw: ["no mail" for _ in raw],
        public_url="https://hooks.ours.example",
    )


@dataclass
class Site:
    """A running site and what its tests look at."""

    server: TestServer
    world: World
    context: Context
    replayed: list[str]
    now: datetime = NOW

    @property
    def url(self) -> str:
        """Return the address of the site."""
        return str(self.server.make_url("/")).rstrip("/")


def add_people(world: World, employee: str | None = None) -> None:
    """Let an administrator, a supervisor, and a manager if an employee is named, sign in."""
    with world.database.write() as connection:
        people.add_user(
            connection,
            login="ada",
            name="Ada Sokolova",
            role=UserRole.ADMINISTRATOR,
            password=HASH,
            at=NOW,
            by="test",
        )
        people.add_user(
            connection,
            login="vera",
            name="Vera Orlova",
            role=UserRole.SUPERVISOR,
            password=HASH,
            at=NOW,
            by="test",
        )
        if employee:
            people.add_user(
                connection,
                login="boris",
                name="Boris Petrov",
                role=UserRole.MANAGER,
                password=HASH,
                employee=employee,
                at=NOW,
                by="test",
            )


@contextlib.asynccontextmanager
async def serving(
    world: World,
    *,
    logs: Path | None = None,
    port: int | None = None,
    trouble: str | None = None,
    more_logs: Mapping[str, LogReader] | None = None,
    sound: SoundStore | None = None,
    sources: Sources | None = None,
    door: Mapping[str, Any] | None = None,
    office: Office | None = None,
    **more: Any,
) -> AsyncIterator[Site]:
    """Serve the site over that company until the block ends."""
    log = kept_bytes(logs) if logs else None
    replayed: list[str] = []
    clock = {"now": NOW}

    def replay(ids: Sequence[str]) -> int:
        replayed.extend(ids)
        return len(ids)

    account = Account(source="office", secrets=({"secret": "s3cret-value"},))
    given = dict[str, Any](
        database=world.database,
        known=world.known,
        regions=region,
        clock=lambda: clock["now"],
        zone=lambda: ZoneInfo("Europe/Moscow"),
        sources=lambda: sources or {"office": (PROVIDERS["generic"], account)},
        door=lambda: (
            door
            if door is not None
            else {
                "unknown": 2,
                "sources": {
                    "office": {
                        "accepted": 12_431,
                        "repeated": 87,
                        "changed": 1,
                        "rejected": 4,
                        "last_rejection": "the timestamp is 412 s old",
                        "last_skew_s": -412.0,
                    }
                },
            }
        ),
        mailboxes=lambda: {
            f"box-{SALES}": MailboxState(
                mailbox=f"box-{SALES}",
                last_event_at=NOW - timedelta(seconds=40),
                folders=(FolderState(folder="INBOX", connected=True, complete=True),),
            ),
            f"box-{ANNA_BOX}": MailboxState(
                mailbox=f"box-{ANNA_BOX}", paused="the password was refused three times"
            ),
        },
        trouble=lambda: trouble,
        logs={**({"calls": log} if log else {}), **(more_logs or {})},
        replay=replay,
        sound=sound,
        office=office or office_of(world),
    )
    context = Context(**{**given, **more})
    app = web.Application()
    build_site(app, context)
    server = TestServer(app, port=port)
    await server.start_server()
    try:
        yield Site(server, world, context, replayed)
    finally:
        await server.close()
        if log:
            log.close()


async def _by_hand() -> None:
    from tests.review.rich import rich

    with tempfile.TemporaryDirectory() as folder:
        it = company(sqlite_world(Path(folder)))
        story(it)
        add_people(it.world, it.employees["boris"])
        kept_bytes(Path(folder)).close()
        more = rich(it, Path(folder), office_of(it.world))
        async with serving(it.world, port=8090, **more) as site:
            print(f"{site.url} — sign in as ada, vera or boris with password {PASSWORD}")
            await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_by_hand())
