"""What is understood of mails, through the real pipeline: late facts, rebuilds, pages' queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.domain.interactions import Status
from ingest.domain.mails import FormField, Forwarded, Passage, PassageKind
from ingest.domain.people import UserRole, Viewer
from ingest.review.forwards import clients_by_forwards
from ingest.review.signed import numbers_of_client
from storage import directory, facts, reads, wire
from storage.reads import InteractionFilter
from tests.world import NOW, World, day, sqlite_world

OURS, COLLEAGUE, FORM = "x@ours.example", "info@ours.example", "form@ours.example"
THEIRS = "c@client.example"
VERA = Viewer(user="v", login="vera", name="Vera", role=UserRole.SUPERVISOR)


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = sqlite_world(tmp_path)
    found.line(OURS, found.employee("X"))
    found.line(COLLEAGUE, found.employee("Y"))
    return found


def history(world: World, client: str) -> list[str]:
    with world.reading() as connection:
        page = reads.list_interactions(connection, VERA, InteractionFilter(client=client), now=NOW)
    return [it.id for it in page.items]


def test_a_forwarded_mail_is_in_the_history_of_a_client_who_becomes_known_later(
    world: World,
) -> None:
    told = {"forwarded": (Forwarded(address=THEIRS),)}
    mail = world.mail(COLLEAGUE, (OURS,), day(5), read=told)
    client = world.client("C")

    world.links(THEIRS, client)
    world.settle()

    assert history(world, client) == [mail]
    assert world.status(mail) is Status.INTERNAL
    assert world.rebuild().rows == 0


def test_a_forms_rule_given_later_makes_its_mails_the_clients(world: World) -> None:
    client = world.client("C", THEIRS)
    read = {"form_fields": (FormField(label="E-mail", address=THEIRS),)}
    mail = world.mail(FORM, (OURS,), day(5), automatic="no-reply", read=read)
    assert (world.status(mail), history(world, client)) == (Status.AUTO, [])

    rule = {OURS: [{"from": FORM, "field": "E-mail:"}]}
    with world.database.write() as connection:
        directory.set_policy(connection, "web_forms", rule, from_at=day(4), at=NOW, by="test")
    world.settle()

    assert world.status(mail) is Status.AWAITING_REPLY
    assert history(world, client) == [mail]
    assert world.rebuild().rows == 0


def test_a_forms_rule_acts_from_its_date_on(world: World) -> None:
    world.client("C", THEIRS)
    read = {"form_fields": (FormField(label="E-mail", address=THEIRS),)}
    rule = {OURS: [{"from": FORM, "field": "E-mail:"}]}
    with world.database.write() as connection:
        directory.set_policy(connection, "web_forms", rule, from_at=day(5, 0), at=NOW, by="test")

    before, after = (
        world.mail(FORM, (OURS,), day(at), automatic="no-reply", read=read) for at in (4, 6)
    )

    assert (world.status(before), world.status(after)) == (Status.AUTO, Status.AWAITING_REPLY)


@pytest.mark.parametrize("told", [[], {OURS: {}}, {OURS: ["x"]}, {OURS: [{"field": "E-mail"}]}])
def test_a_forms_rule_that_cannot_be_read_is_none(world: World, told: Any) -> None:
    with world.database.write() as connection, pytest.raises(facts.Conflict):
        directory.set_policy(connection, "web_forms", told, from_at=day(5), at=NOW, by="test")


def test_an_answer_without_ids_closes_by_its_subject_and_rebuild_agrees(world: World) -> None:
    world.client("C", THEIRS)
    asked = world.mail(THEIRS, (OURS,), day(5), read={"subject": "Offer 118"})
    answer = {"subject": "Re: Offer 118"}
    world.mail(OURS, (THEIRS,), day(6), sent=True, read=answer)

    assert world.status(asked) is Status.DONE
    assert world.rebuild().rows == 0


def test_an_answer_that_is_learned_first_closes_all_the_same(world: World) -> None:
    world.client("C", THEIRS)
    world.mail(OURS, (THEIRS,), day(6), sent=True, read={"subject": "AW: Offer 118"})
    asked = world.mail(THEIRS, (OURS,), day(5), read={"subject": "Offer 118"})

    assert world.status(asked) is Status.DONE
    assert world.rebuild().rows == 0


# Suggestions of forwarded mails ------------------------------------------------------------------


STRANGER = "new@stranger.example"


def suggested(world: World, address: str, viewer: Viewer = VERA) -> list[tuple[str, str, bool]]:
    with world.reading() as connection:
        found = clients_by_forwards(connection, viewer, f"mail:{address}", now=NOW)
    return [(it.client, it.mail, it.forwards) for it in found]


def forwards(world: World, sender: str, *written_by: str, at: int = 5, **more: Any) -> str:
    read = {"forwarded": tuple(Forwarded(address=it) for it in written_by)}
    return world.mail(sender, (OURS,), day(at), read=read, **more)


def test_a_stranger_who_forwards_a_clients_mail_is_suggested_that_client(world: World) -> None:
    client = world.client("C", THEIRS)
    forwards(world, STRANGER, THEIRS)
    latest = forwards(world, STRANGER, COLLEAGUE, THEIRS, at=6)

    assert suggested(world, STRANGER) == [(client, latest, False)]
    assert history(world, client) == []


def test_a_stranger_whose_mail_a_client_forwards_is_suggested_that_client(world: World) -> None:
    client = world.client("C", THEIRS)
    mail = forwards(world, THEIRS, STRANGER)

    assert suggested(world, STRANGER) == [(client, mail, True)]


def test_what_is_suggested_ends_where_the_address_is_no_clients(world: World) -> None:
    world.holds(world.client("C"), THEIRS, until=day(4))
    forwards(world, STRANGER, THEIRS)
    forwards(world, COLLEAGUE, STRANGER)

    assert suggested(world, STRANGER) == []


def test_what_a_robot_forwards_suggests_nothing_and_a_manager_is_told_nothing(
    world: World,
) -> None:
    world.client("C", THEIRS)
    forwards(world, "robot@stranger.example", THEIRS, automatic="generated")
    forwards(world, STRANGER, THEIRS)
    boris = Viewer(user="b", login="b", name="B", role=UserRole.MANAGER, employee="e")

    assert suggested(world, "robot@stranger.example") == []
    assert suggested(world, STRANGER, boris) == []


# Readings --------------------------------------------------------------------------------------


def test_what_was_understood_of_a_mail_is_stored_with_its_reading(world: World) -> None:
    passages = (Passage(kind=PassageKind.NEW, start=0, end=3),)
    read: dict[str, Any] = {"text": "new", "passages": passages, "signed": "Anna", "phones": ("1",)}
    mail = world.mail(THEIRS, (OURS,), day(5), read=read)

    with world.reading() as connection:
        body = reads.mail_body(connection, VERA, mail, now=NOW)
        stored, _ = wire.mails_of(connection, [mail])[mail]

    assert body is not None
    assert (body.text, body.passages) == ("new", passages)
    assert (stored.signed, stored.phones) == ("Anna", ("1",))


def test_a_reading_of_the_first_reader_is_still_read() -> None:
    first = (
        b'{"identity":"m","message_id":"a@b","subject":"s","text":"","html":"","automatic":null}'
    )

    found = wire.read_mail(first)

    assert (found.passages, found.forwarded, found.failed, found.phones) == ((), (), (), ())


# Numbers in signatures -------------------------------------------------------------------------


def offered(world: World, client: str, viewer: Viewer = VERA) -> list[tuple[str, str | None]]:
    with world.reading() as connection:
        found = numbers_of_client(connection, viewer, client, now=NOW)
    return [(it.point, it.name) for it in found]


def signs(world: World, *phones: str, sender: str = THEIRS) -> None:
    read = {"phones": phones, "signed": "Anna Visser"}
    world.mail(sender, (OURS,), day(5), read=read)


@pytest.fixture
def client(world: World) -> str:
    with world.database.write() as connection:
        directory.set_policy(connection, "region", "RU", from_at=day(1), at=NOW, by="test")
    return world.client("C", THEIRS)


def test_a_number_in_a_clients_signature_is_offered_in_the_companys_region(
    world: World, client: str
) -> None:
    signs(world, "8 (495) 123-45-67", "12345")

    assert offered(world, client) == [("tel:+74951234567", "Anna Visser")]


def test_a_number_that_somebody_holds_or_that_is_ours_is_not_offered(
    world: World, client: str
) -> None:
    world.client("D", "+74951234567")
    world.line("+74957654321", shared=True)
    signs(world, "8 495 123-45-67", "8 495 765-43-21")

    assert offered(world, client) == []


def test_numbers_of_strangers_are_offered_at_no_client(world: World, client: str) -> None:
    signs(world, "8 (495) 123-45-67", sender="new@stranger.example")

    assert offered(world, client) == []


def test_managers_are_offered_nothing(world: World, client: str) -> None:
    signs(world, "8 (495) 123-45-67")
    boris = Viewer(user="b", login="b", name="B", role=UserRole.MANAGER, employee="e")

    assert offered(world, client, boris) == []
