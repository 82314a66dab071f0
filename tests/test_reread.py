"""Reread: readings of an earlier reader give way to this one's, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import update

from ingest.accounts import Book
from ingest.custody.office import Office
from ingest.custody.reread import reread
from ingest.domain.deliveries import NewDelivery
from ingest.domain.mails import Mail, PassageKind
from ingest.domain.people import UserRole, Viewer
from ingest.mail.message import parse
from ingest.secrets import Secrets
from ingest.steps import MAIL_READER
from storage import reads
from storage.log_sqlite import open_log
from storage.reads import InteractionFilter
from storage.tables import mails
from tests.desk import Desk
from tests.world import NOW, day, sqlite_world

OURS, COLLEAGUE, THEIRS = "x@ours.example", "info@ours.example", "c@client.example"
VERA = Viewer(user="v", login="vera", name="Vera", role=UserRole.SUPERVISOR)
FORWARDED = f"""\
From: {COLLEAGUE}
To: {OURS}
Date: Tue, 5 May 2026 10:00:00 +0000
Subject: Fwd: Order
Message-ID: <a@ours.example>

Please look.

---------- Forwarded message ---------
From: Anna <{THEIRS}>
Date: Mon, 4 May 2026 at 12:00
Subject: Order
To: <{COLLEAGUE}>

Forty boards.
"""

Reader = Callable[[Sequence[bytes]], Sequence[Mail | str]]


def now_read(raw: Sequence[bytes]) -> list[Mail | str]:
    return [parse(it) for it in raw]


def once_read(raw: Sequence[bytes]) -> list[Mail | str]:
    """Read as a reader did that knew neither passages nor forwarded mails."""
    return [replace(parse(it), passages=(), forwarded=()) for it in raw]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    world = sqlite_world(tmp_path)
    world.line(OURS, world.employee("X"))
    world.line(COLLEAGUE, world.employee("Y"))
    found = Desk(world, tmp_path)
    found.log.close()
    found.log = open_log(tmp_path / "mail.log.db", name="mail")
    yield found
    found.log.close()
    world.close()


def was_read(desk: Desk, *raw: str, reader: int = MAIL_READER - 1) -> None:
    """Keep these mails and read them as an earlier reader did."""
    for number, it in enumerate(raw):
        new = NewDelivery(
            source="box", key=f"m{number}", received_at=day(6), head={}, body=it.encode()
        )
        desk.log.append(0, [new])
    worker = desk.worker()
    worker.logs, worker.read_mails = {"mail": desk.log}, once_read
    worker.drain()
    with desk.world.database.write() as connection:
        connection.execute(update(mails).values(reader=reader))


def rereads(desk: Desk, reader: Reader = now_read, **more: Any) -> dict[str, Any]:
    secrets = Secrets([Fernet.generate_key()])
    office = Office(
        database=desk.world.database,
        secrets=secrets,
        book=Book(desk.world.database, secrets, "https://h.example"),
        clock=lambda: NOW,
        logs={"mail": desk.log},
        read_mails=reader,
        public_url="https://h.example",
    )
    return reread(office, tell=lambda done, total: None, **more)


def parts(desk: Desk) -> list[PassageKind]:
    mail = parse(FORWARDED.encode()).identity
    with desk.world.reading() as connection:
        body = reads.mail_body(connection, VERA, mail, now=NOW)
    assert body is not None
    return [it.kind for it in body.passages]


def history(desk: Desk, client: str) -> int:
    with desk.world.reading() as connection:
        wanted = InteractionFilter(client=client)
        return reads.count_interactions(connection, VERA, wanted, now=NOW)


def test_mails_of_an_earlier_reader_are_understood_as_new_ones_are(desk: Desk) -> None:
    client = desk.world.client("C", THEIRS)
    was_read(desk, FORWARDED)
    assert (parts(desk), history(desk, client)) == ([], 0)

    done = rereads(desk)

    assert (done["read"], done["differ"], done["left"]) == (1, 1, 0)
    assert done["rows_changed"] > 0
    assert parts(desk) == [PassageKind.NEW, PassageKind.QUOTE]
    assert history(desk, client) == 1
    assert desk.world.rebuild().rows == 0
    assert rereads(desk)["read"] == 0


def test_trying_it_out_says_the_same_and_changes_nothing(desk: Desk) -> None:
    desk.world.client("C", THEIRS)
    was_read(desk, FORWARDED)
    before = desk.world.rows()

    tried = rereads(desk, dry_run=True)

    assert (desk.world.rows(), parts(desk)) == (before, [])
    assert rereads(desk) == tried


def test_what_this_reader_read_is_not_read_again(desk: Desk) -> None:
    was_read(desk, FORWARDED, reader=MAIL_READER)

    assert rereads(desk)["read"] == 0
    assert parts(desk) == []


@pytest.mark.parametrize(
    "reader",
    [
        lambda raw: ["it has no header" for _ in raw],
        lambda raw: [replace(parse(it), identity="another") for it in raw],
    ],
    ids=["it cannot be read any more", "it reads as another mail"],
)
def test_a_reading_stays_where_this_reader_has_none_of_the_same_mail(
    desk: Desk, reader: Reader
) -> None:
    was_read(desk, FORWARDED)
    before = desk.world.rows()

    done = rereads(desk, reader)

    assert (done["read"], done["left"]) == (0, 1)
    assert desk.world.rows() == before


def test_a_reading_whose_bytes_are_gone_stays(desk: Desk) -> None:
    was_read(desk, FORWARDED)
    desk.log.close()
    for file in desk.path.glob("mail.log.db*"):
        file.unlink()
    desk.log = open_log(desk.path / "mail.log.db", name="mail")

    assert rereads(desk)["bytes_gone"] == 1
    assert parts(desk) == []


def test_more_mails_than_fit_into_one_transaction_are_all_read(desk: Desk) -> None:
    was_read(desk, *(FORWARDED.replace("<a@", f"<a{number}@") for number in range(120)))

    assert rereads(desk)["differ"] == 120
    assert desk.world.rebuild().rows == 0
