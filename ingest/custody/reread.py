"""Reread: after an upgrade, mails that an earlier reader read are read as new ones are.

A reading gives way only to a later reader's of the same mail: same bytes, same identity. Where the
bytes are gone, cannot be read any more or now name another mail, the reading stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ingest.custody.office import Office
from ingest.domain.deliveries import Delivery
from ingest.domain.mails import Mail
from ingest.local import Tell
from ingest.pipeline import remake
from ingest.readers import read
from ingest.steps import MAIL_READER
from ingest.worker import note_change
from storage.rereading import ReadBefore, count_read_before, read_before, renew
from storage.wire import delivery_id

SLICE = 100  #: mails of one transaction
_MOST_OCTETS = 32 * 1024 * 1024  #: of mails that are held at once, but for the last


def reread(office: Office, *, tell: Tell, dry_run: bool = False) -> dict[str, Any]:
    """Read all mails again that an earlier reader read; returns what became of them.

    `dry_run`: each slice is rolled back, and it says what would change.
    """
    with office.database.read() as connection:
        total = count_read_before(connection, MAIL_READER)
    count = {"read": 0, "differ": 0, "left": 0, "bytes_gone": 0, "rows_changed": 0}
    done, after = 0, ""
    while places := _places(office, after):
        after = places[-1].mail
        for part in _in_parts(office, places, count):
            _renew(office, part, count, dry_run=dry_run)
        done += len(places)
        tell(done, total)
    return count


def _places(office: Office, after: str) -> list[ReadBefore]:
    with office.database.read() as connection:
        return read_before(connection, MAIL_READER, after=after, limit=SLICE)


def _in_parts(
    office: Office, places: Sequence[ReadBefore], count: dict[str, int]
) -> Iterator[list[tuple[str, Delivery]]]:
    """Yield the mails whose bytes are there, no more octets at once than memory should hold."""
    part: list[tuple[str, Delivery]] = []
    octets = 0
    for place in places:
        kept = _kept(office, place)
        if kept is None:
            count["bytes_gone"] += 1
            continue
        part.append((place.mail, kept))
        octets += len(kept.body or b"")
        if octets > _MOST_OCTETS:
            yield part
            part, octets = [], 0
    if part:
        yield part


def _kept(office: Office, place: ReadBefore) -> Delivery | None:
    kept_log = office.logs.get(place.log)
    found = kept_log.get(place.partition, place.position) if kept_log else None
    if found is None or found.body is None:
        return None
    # A log that was put in place of its own may hold another one there.
    return found if delivery_id(found.source, found.key) == place.delivery else None


def _renew(
    office: Office,
    part: Sequence[tuple[str, Delivery]],
    count: dict[str, int],
    *,
    dry_run: bool,
) -> None:
    readings = read([it for _, it in part], office.book.sources(), office.read_mails)
    same: list[Mail] = []
    for (identity, _), reading in zip(part, readings, strict=True):
        if reading.mail is not None and reading.mail.identity == identity:
            same.append(reading.mail)
        else:
            count["left"] += 1
    count["read"] += len(same)
    now = office.clock()
    try:
        with office.database.write() as connection:
            trial = connection.begin_nested()
            differ = renew(connection, same, reader=MAIL_READER)
            changed = remake(connection, (), differ, office.known, office.book.region, now=now)
            note_change(connection, changed, now)
            if dry_run:
                trial.rollback()
            else:
                trial.commit()
    except BaseException:
        office.known.forget()  # what was loaded in the transaction never was
        raise
    count["differ"] += len(differ)
    count["rows_changed"] += changed.rows
