"""What was just stored is not read back: what is at hand says the same; both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ingest.domain.calls import Direction, Outcome
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.interactions import Kind, Participant, Role, Side, Status, Touch
from ingest.domain.mails import FailedRecipient, Mail, MailAddress, Sighting
from storage import derived, timelines, wire
from tests.world import World, day, postgres_world, sqlite_world

EAST = timezone(timedelta(hours=9))


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "sqlite":
        found = sqlite_world(tmp_path)
    else:
        found = postgres_world(request.getfixturevalue("postgres_url"))
    yield found
    found.close()


def a_part(address: str, role: Role = Role.TO, contact: str | None = None) -> Participant:
    """Return somebody at a client, or, without a contact, a stranger."""
    point = ContactPoint(PointKind.EMAIL, address)
    if contact is None:
        return Participant(
            point=point, role=role, side=Side.OTHER, cause="unknown", subject=str(point)
        )
    return Participant(
        point=point,
        role=role,
        side=Side.CLIENT,
        client="acme",
        contact=contact,
        method="exact",
        subject="client:acme",
        principal=contact == "ann",
    )


A_MAIL = Touch(
    id="mail-1",
    kind=Kind.MAIL,
    keys=("mail-1",),
    occurred_at=day(3).astimezone(EAST),
    learned_at=day(3),
    direction=Direction.INBOUND,
    ended=True,
    dialled=("box",),
    own_line="box",
    employee="eva",
    participants=(
        a_part("x@example.net", Role.FROM),
        a_part("ann@example.org", contact="ann"),
        replace(a_part("bob@example.org", contact="bob"), quiet=True),
    ),
    status=Status.AWAITING_REPLY,
    message_id="1@example.net",
    answers=("0@example.net", "re subject x"),
    details={"subject": "Order"},
)
A_CALL = Touch(
    id="call-1",
    kind=Kind.CALL,
    keys=("call-1", "call-2"),
    occurred_at=day(5),
    learned_at=day(5),
    direction=Direction.OUTBOUND,
    ended=True,
    ended_at=day(5),
    outcome=Outcome.ANSWERED,
    talk_s=12.5,
    participants=(a_part("ann@example.org", Role.REMOTE, contact="ann"),),
    status=Status.NEEDS_COMMENT,
    decided=Status.SPAM,
    machine=True,
    suppressed=True,
)


@pytest.mark.parametrize("since", [None, day(3), day(4)])
def test_touches_at_hand_are_told_as_they_would_be_read_back(world: World, since: datetime | None):
    subjects = {"client:acme", "mail:x@example.net"}
    recent = {"client:acme": since} if since else {}
    earlier = replace(A_CALL, id="call-0", keys=("call-0",), occurred_at=day(4))
    with world.database.write() as connection:
        derived.write_touches(connection, [("office", earlier)])
        written = derived.write_touches(connection, [("box", A_MAIL), ("office", A_CALL)])
        read = timelines.timelines(connection, subjects, recent)
        at_hand = timelines.timelines(connection, subjects, recent, written.touches)

    assert written.subjects == {"client:acme": day(3), "mail:x@example.net": day(3)}
    assert len(read["client:acme"]) == (2 if since == day(4) else 3)
    assert {key: {it.id: it for it in told} for key, told in at_hand.items()} == {
        key: {it.id: it for it in told} for key, told in read.items()
    }


def test_touches_stored_again_unchanged_are_not_written(world: World):
    with world.database.write() as connection:
        touches = [("box", A_MAIL), ("office", A_CALL)]
        assert derived.write_touches(connection, touches).changed == {"mail-1", "call-1"}
        assert derived.write_touches(connection, touches).changed == set()


def a_mail(identity: str) -> Mail:
    return Mail(
        identity=identity,
        message_id=f"{identity}@example.net",
        from_=MailAddress(address="x@example.net", name="Ж \u2028 <b>"),
        to=(MailAddress(address="office@example.org"),),
        date=day(1).astimezone(EAST),
        text="words\n" * 3,
        html="<p>words</p>",
        failed=(FailedRecipient(address="gone@example.net", hard=True),),
    )


def a_sighting(mail: str, mailbox: str) -> Sighting:
    return Sighting(
        mailbox=mailbox,
        folder="INBOX",
        uidvalidity=1,
        uid=7,
        sent=False,
        internal_date=day(2).astimezone(EAST),
        mail=mail,
        first_received_at=day(3),
    )


def test_mails_at_hand_are_what_would_be_read_back(world: World):
    rows = [("d2", a_mail("one"), day(3)), ("d1", a_mail("one"), day(3))]
    seen = [("d2", a_sighting("one", "b")), ("d1", a_sighting("one", "a"))]
    with world.database.write() as connection:
        at_hand = wire.insert_mails(connection, rows, seen, reader=1)
        read = wire.mails_of(connection, ["one"])

    assert at_hand == read
    assert [it.mailbox for it in read["one"][1]] == ["a", "b"]
    assert read["one"][0].text == ""


def test_mails_that_were_heard_of_before_are_not_at_hand(world: World):
    with world.database.write() as connection:
        wire.insert_mails(connection, [], [("d1", a_sighting("one", "a"))], reader=1)
        wire.insert_mails(connection, [("d2", a_mail("two"), day(3))], [], reader=1)
        rows = [("d3", a_mail("one"), day(3)), ("d4", a_mail("two"), day(3))]
        seen = [("d3", a_sighting("one", "b")), ("d4", a_sighting("two", "b"))]

        assert wire.insert_mails(connection, rows, seen, reader=1) == {}
        read = wire.mails_of(connection, ["one", "two"])

    assert [it.mailbox for it in read["one"][1]] == ["a", "b"]
