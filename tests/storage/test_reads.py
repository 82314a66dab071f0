"""What people see: the right rows, in pages, and nothing that is not theirs."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event

from ingest.domain.contacts import ContactPoint
from ingest.domain.deliveries import Delivery, End
from ingest.domain.directory import BEGINNING, PointVerdict
from ingest.domain.interactions import FlagKind, Kind, Status
from ingest.domain.people import UserRole, Viewer
from ingest.readers import Reading
from storage import decisions, directory, facts, reads
from storage.database import Database, sqlite_url
from storage.reads import (
    BadCursor,
    FlagFilter,
    FlagOrder,
    FlagState,
    InteractionFilter,
)
from storage.tables import contacts, metadata, sources
from tests.world import NOW, SOURCE, World, day, postgres_world, sqlite_world

BOSS = Viewer(user="u-boss", login="boss", name="Boss", role=UserRole.SUPERVISOR)

OFFICE, ANNAS = "+74951110000", "+74951110001"
SHOP, RIVAL, STRANGER = "+74952220001", "+74953330001", "+74954440001"


def manager(employee: str | None) -> Viewer:
    return Viewer(user="u-m", login="m", name="M", role=UserRole.MANAGER, employee=employee)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = sqlite_world(tmp_path)
    yield made
    made.database.close()


@dataclasses.dataclass(frozen=True)
class Filled:
    """A company's database, to be copied for each test."""

    file: Path
    company: Company


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    where = tmp_path_factory.mktemp("filled")
    made = sqlite_world(where)
    company = a_company(made)
    made.database.close()
    return Filled(where / "main.db", company)


@pytest.fixture
def company(tmp_path: Path, filled: Filled) -> Iterator[Company]:
    """The company of `a_company`, in a database of the test's own."""
    copy = shutil.copy(filled.file, tmp_path / "main.db")
    world = World(Database(sqlite_url(copy)))
    before = filled.company.world
    world.position, world._calls = before.position, before._calls
    yield dataclasses.replace(filled.company, world=world)
    world.database.close()


@dataclasses.dataclass
class Company:
    """A company in which Anna's clients are foreign to Boris, and the other way round."""

    world: World
    anna: str
    boris: str
    gone: str
    line: str
    shop: str
    rival: str
    keys: dict[str, str]
    decision: str


def a_company(world: World) -> Company:
    boss = world.employee("Vera Boss")
    anna = world.employee("Anna Ours", supervisor=boss)
    boris = world.employee("Boris Other")
    gone = world.employee("Gleb Gone", supervisor=boss)
    line = world.line(OFFICE, gone)
    world.line(ANNAS, anna)
    world.line("anna@ours.example", anna)
    shop = world.client("Ванильная Лавка", SHOP, "shop@client.example", primary=anna)
    rival = world.client("Rival Foreign Ltd", RIVAL, "rival@foreign.example", primary=gone)
    with world.database.write() as connection:
        for client, name in ((shop, "Olga Shopkeeper"), (rival, "Ivan Foreigner")):
            facts.record(
                connection, contacts, at=NOW, by="test", client_id=client, name=name, role="buyer"
            )
        facts.record(
            connection,
            sources,
            at=NOW,
            by="test",
            name=SOURCE,
            provider="generic",
            zone="UTC",
            region="RU",
            config='{"path": "foreign-path"}',
            secrets="foreign-secret",
        )
    world.leaves(gone, day(10))
    keys = {
        "shop": world.call(SHOP, ANNAS, day(11), talk=40.0),
        "missed": world.call(SHOP, ANNAS, day(12)),
        "rival": world.call(RIVAL, OFFICE, day(13)),
        "both": world.mail(
            "shop@client.example",
            ("anna@ours.example", "rival@foreign.example"),
            day(14),
            cc=("third@foreign.example",),
        ),
        "stranger": world.call(STRANGER, OFFICE, day(15)),
        "orphan": world.call(SHOP, OFFICE, day(16)),
    }
    park(world, "calls", "foreign reason")
    decision = world.change(
        decisions.decide_point,
        ContactPoint.parse("tel:+74955550001"),
        PointVerdict.LINK,
        new_client="Made Foreign",
    )
    return Company(world, anna, boris, gone, line, shop, rival, keys, decision)


def park(world: World, log: str, reason: str, end: End = End.PARKED) -> str:
    world.position += 1
    delivery = Delivery(
        log=log,
        partition=0,
        position=world.position,
        source=SOURCE,
        key=f"foreign-key-{world.position}",
        received_at=day(17),
        head={},
        body=b"",
    )
    world.deliver([Reading(delivery=delivery, end=end, reason=reason)])
    return delivery.id


def plain(value: Any) -> str:
    """Everything that a view says, as text."""
    return json.dumps(_plain(value), ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {it.name: _plain(getattr(value, it.name)) for it in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set):
        return [_plain(item) for item in value]
    return value


# Interactions ----------------------------------------------------------------------------------


def test_the_latest_interaction_comes_first_with_all_that_is_known_of_it(company: Company) -> None:
    world = company.world

    with world.reading() as connection:
        page = reads.list_interactions(connection, BOSS, now=NOW)
        missed = reads.interaction(connection, BOSS, company.keys["missed"], now=NOW)

    assert [it.occurred_at.day for it in page.items] == [16, 15, 14, 13, 12, 11]
    assert missed is not None
    assert missed.kind is Kind.CALL
    assert missed.status is Status.CALLBACK_DUE
    assert missed.outcome == "no_answer"
    assert missed.own_line is not None
    assert missed.own_line.address == ANNAS
    assert missed.employee is not None
    assert missed.employee.name == "Anna Ours"
    assert [client.id for client in missed.clients] == [company.shop]
    assert missed.remote is not None
    assert missed.remote.address == SHOP
    assert missed.deliveries == ("calls-0-3", "calls-0-4")


def test_pages_join_to_the_whole_list_without_gap_or_repeat(world: World) -> None:
    for minute in range(7):
        world.call(STRANGER, OFFICE, day(11, 9, minute // 3))  # several at one moment

    with world.reading() as connection:
        whole = reads.list_interactions(connection, BOSS, now=NOW).items
        seen, after = [], None
        while True:
            page = reads.list_interactions(connection, BOSS, now=NOW, after=after, limit=2)
            seen += page.items
            after = page.next
            if after is None:
                break

    assert len(whole) == 7
    assert seen == list(whole)


@pytest.mark.parametrize(
    "cursor", ["", "x", "W10", "WzEsMl0", "null", "WyJhIiwiYiJd", "é", "[" * 300]
)
def test_a_cursor_from_nowhere_is_refused(world: World, cursor: str) -> None:
    with world.reading() as connection, pytest.raises(BadCursor):
        reads.list_interactions(connection, BOSS, now=NOW, after=cursor)


def test_each_filter_keeps_what_it_says(company: Company) -> None:
    world = company.world
    keys = company.keys
    wanted = {
        InteractionFilter(from_at=day(15)): {"stranger", "orphan"},
        InteractionFilter(until=day(12)): {"shop"},
        InteractionFilter(client=company.shop): {"shop", "missed", "both", "orphan"},
        InteractionFilter(number=f"tel:{STRANGER}"): {"stranger"},
        InteractionFilter(number="mail:third@foreign.example"): {"both"},
        InteractionFilter(client=company.rival, number=f"tel:{SHOP}"): set(),
        InteractionFilter(source="box-anna@ours.example"): {"both"},
        InteractionFilter(kind=Kind.MAIL): {"both"},
        InteractionFilter(status=Status.AWAITING_REPLY): {"both"},
        InteractionFilter(employee=company.anna): {"shop", "missed", "both"},
        InteractionFilter(line=company.line): {"rival", "stranger", "orphan"},
        InteractionFilter(flag_kind=FlagKind.LINE_UNHELD): {"orphan"},
        InteractionFilter(status=Status.IN_PROGRESS): set(),
    }
    names = {key: name for name, key in keys.items()}

    with world.reading() as connection:
        for asked, expected in wanted.items():
            page = reads.list_interactions(connection, BOSS, asked, now=NOW)
            found = {names[it.id] for it in page.items}
            assert found == expected, asked
            assert reads.count_interactions(connection, BOSS, asked, now=NOW) == len(expected)


def test_a_filter_that_many_pass_finds_the_same_as_one_that_few_pass(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage import reads_filter

    world = company.world
    asked = [
        InteractionFilter(client=company.shop),
        InteractionFilter(number=f"tel:{STRANGER}"),
        InteractionFilter(flag_kind=FlagKind.MANAGER_LEFT),
        InteractionFilter(),
    ]

    def ask() -> list[Any]:
        with world.reading() as connection:
            return [
                reads.list_interactions(connection, viewer, it, now=NOW)
                for it in asked
                for viewer in (BOSS, manager(company.anna))
            ]

    few = ask()
    monkeypatch.setattr(reads_filter, "FEW", 0)

    assert ask() == few


def test_every_key_ever_shown_leads_to_its_interaction(world: World) -> None:
    from ingest.domain.calls import CallEvent, CallStage
    from ingest.domain.interactions import call_key_id

    one = world.call(SHOP, ANNAS, day(11), key="leg-b", ended=False)
    other = world.call(SHOP, ANNAS, day(11), key="leg-a", ended=False)
    world.report(CallEvent(call_keys=("leg-a", "leg-b"), stage=CallStage.TIED), day(11))

    with world.reading() as connection:
        found = [reads.interaction(connection, BOSS, key, now=NOW) for key in (one, other)]
        listed = reads.list_interactions(connection, BOSS, now=NOW).items

    assert len(listed) == 1
    assert found == [listed[0], listed[0]]
    assert set(listed[0].keys) == {call_key_id(SOURCE, "leg-a"), call_key_id(SOURCE, "leg-b")}


def test_a_touch_never_to_be_logged_is_in_no_list_and_shows_nothing_of_itself(
    world: World,
) -> None:
    world.line(OFFICE)
    key = world.call(STRANGER, OFFICE, day(11), agent="101", talk=30.0)
    world.change(
        decisions.decide_point, ContactPoint.parse(f"tel:{STRANGER}"), PointVerdict.NEVER_LOG
    )

    with world.reading() as connection:
        listed = reads.list_interactions(connection, BOSS, now=NOW)
        found = reads.interaction(connection, BOSS, key, now=NOW)

    assert listed.items == ()
    assert found is not None
    assert found.suppressed
    assert STRANGER not in plain(found)


def test_a_call_closed_by_a_later_one_says_by_which(world: World) -> None:
    anna = world.employee("Anna")
    world.line(ANNAS, anna)
    world.client("Shop", SHOP, primary=anna)
    missed = world.call(SHOP, ANNAS, day(11))
    answer = world.call(SHOP, ANNAS, day(12), talk=60.0, out=True)

    with world.reading() as connection:
        found = reads.interaction(connection, BOSS, missed, now=NOW)

    assert found is not None
    assert found.closed_by == answer
    assert found.status is Status.DONE
    assert found.default_status is Status.CALLBACK_DUE


@pytest.mark.parametrize(
    ("after", "out", "closed_as"),
    [
        (timedelta(hours=24), True, "called_back"),
        (timedelta(hours=24, seconds=1), True, "called_back_late"),
        (timedelta(hours=1), False, "client_reached_us"),
        (timedelta(days=3), False, "client_reached_us"),
    ],
)
def test_a_call_closed_by_a_later_one_says_what_that_one_was(
    world: World, after: timedelta, out: bool, closed_as: str
) -> None:
    anna = world.employee("Anna")
    world.line(ANNAS, anna)
    world.client("Shop", SHOP, primary=anna)
    missed = world.call(SHOP, ANNAS, day(11))
    world.call(SHOP, ANNAS, day(11) + after, talk=60.0, out=out)

    with world.reading() as connection:
        found = reads.interaction(connection, BOSS, missed, now=NOW)

    assert found is not None
    assert found.closed_as == closed_as


def test_neither_an_open_call_nor_an_answered_mail_was_called_back(world: World) -> None:
    anna = world.employee("Anna")
    world.line(ANNAS, anna)
    world.line("anna@ours.example", anna)
    world.client("Shop", SHOP, "buyer@shop.example", primary=anna)
    mail = world.mail("buyer@shop.example", ("anna@ours.example",), day(11))
    world.call(SHOP, ANNAS, day(12), talk=60.0, out=True)
    missed = world.call(SHOP, ANNAS, day(13))

    with world.reading() as connection:
        answered = reads.interaction(connection, BOSS, mail, now=NOW)
        waiting = reads.interaction(connection, BOSS, missed, now=NOW)

    assert answered is not None
    assert waiting is not None
    assert (answered.status, answered.closed_as) == (Status.DONE, None)
    assert (waiting.status, waiting.closed_as) == (Status.CALLBACK_DUE, None)


def test_the_text_of_a_mail_is_shown_to_whom_the_mail_is(company: Company) -> None:
    world = company.world
    mail = company.keys["both"]

    with world.reading() as connection:
        assert reads.mail_body(connection, BOSS, mail, now=NOW) is not None
        assert reads.mail_body(connection, manager(company.anna), mail, now=NOW) is not None
        assert reads.mail_body(connection, manager(company.boris), mail, now=NOW) is None


# Clients, employees, lines ---------------------------------------------------------------------


def test_clients_are_found_by_a_part_of_the_name_in_any_case(company: Company) -> None:
    world = company.world
    world.client("100% Real_Deal", "+74959990001")

    with world.reading() as connection:

        def names(text: str) -> list[str]:
            page = reads.list_clients(connection, BOSS, now=NOW, search=text)
            return [client.name for client in page.items]

        assert names("ВАНИЛЬ") == ["Ванильная Лавка"]
        assert names(company.shop) == ["Ванильная Лавка"]
        assert names("%") == ["100% Real_Deal"]
        assert names("l_d") == ["100% Real_Deal"]
        assert names("nobody") == []


def test_clients_are_listed_by_number_and_by_manager_and_in_pages(company: Company) -> None:
    world = company.world

    with world.reading() as connection:
        everyone = reads.list_clients(connection, BOSS, now=NOW).items
        first = reads.list_clients(connection, BOSS, now=NOW, limit=2)
        rest = reads.list_clients(connection, BOSS, now=NOW, limit=2, after=first.next)
        held = reads.list_clients(connection, BOSS, now=NOW, number=f"tel:{SHOP}").items
        theirs = reads.list_clients(connection, BOSS, now=NOW, employee=company.gone).items

    assert len(everyone) == 3
    assert (*first.items, *rest.items) == everyone
    assert rest.next is None
    assert [client.id for client in held] == [company.shop]
    assert [client.id for client in theirs] == [company.rival]


def test_a_client_whose_manager_left_says_so(company: Company) -> None:
    world = company.world

    with world.reading() as connection:
        card = reads.client(connection, BOSS, company.rival, now=NOW)

    assert card is not None
    assert card.client.primary is None
    assert card.client.named_primary is not None
    assert card.client.named_primary.name == "Gleb Gone"
    assert card.client.primary_left_at == day(10)
    assert card.client.open_flags == 1
    assert [flag.kind for flag in card.flags] == [FlagKind.MANAGER_LEFT]
    assert {point.address for point in card.points} == {RIVAL, "rival@foreign.example"}
    assert [person.name for person in card.contacts] == ["Ivan Foreigner"]


def test_who_looked_after_a_client_is_told_over_time(world: World) -> None:
    anna, boris = world.employee("Anna"), world.employee("Boris")
    shop = world.client("Shop", SHOP, primary=anna)
    world.names(shop, boris, day(5))
    world.names(shop, None, day(30))  # still to come

    with world.reading() as connection:
        card = reads.client(connection, BOSS, shop, now=NOW)

    assert card is not None
    told = [(it.from_at, it.employee and it.employee.name) for it in card.primaries]
    assert told == [(BEGINNING, "Anna"), (day(5), "Boris"), (day(30), None)]
    assert card.client.primary is not None
    assert card.client.primary.name == "Boris"


def test_employees_say_what_they_hold_and_when_they_left_or_will(company: Company) -> None:
    world = company.world
    world.leaves(company.boris, day(25))

    with world.reading() as connection:
        page = reads.list_employees(connection, BOSS, now=NOW)
        here = reads.list_employees(connection, BOSS, now=NOW, employed=True)
    people = {person.name: person for person in page.items}

    assert [person.name for person in page.items] == sorted(people)
    assert people["Gleb Gone"].left_at == day(10)
    assert not people["Gleb Gone"].employed
    assert people["Gleb Gone"].clients == 1
    assert [line.address for line in people["Gleb Gone"].lines] == [OFFICE]
    assert people["Boris Other"].employed
    assert people["Boris Other"].leaves_at == day(25)
    assert "Gleb Gone" not in {person.name for person in here.items}


def test_a_line_names_its_holders_and_has_none_in_effect_once_he_left(company: Company) -> None:
    world = company.world

    with world.reading() as connection:
        line = reads.line(connection, BOSS, company.line, now=NOW)
        before = reads.line(connection, BOSS, company.line, now=day(9))
        listed = reads.list_lines(connection, BOSS, now=NOW, number=f"tel:{OFFICE}").items

    assert line is not None
    assert line.holder is None
    assert line.holders[0].left_at == day(10)
    assert before is not None
    assert before.holder is not None
    assert listed == (line,)


# Flags -----------------------------------------------------------------------------------------


def test_a_flag_names_its_handler_of_this_moment(world: World) -> None:
    boss = world.employee("Vera Boss")
    gone = world.employee("Gleb Gone", supervisor=boss)
    world.line(OFFICE, gone)
    rival = world.client("Rival", RIVAL, primary=gone)
    world.leaves(gone, day(10))
    call = world.call(RIVAL, OFFICE, day(13))

    with world.reading() as connection:
        [flag] = reads.list_flags(connection, BOSS, now=NOW).items
    world.names(rival, world.employee("Boris Other"), day(18))
    with world.reading() as connection:
        after = reads.flag(connection, BOSS, flag.id, now=NOW)

    assert flag.handler is not None
    assert flag.handler.name == "Vera Boss"  # the supervisor of who left
    assert flag.departed is not None
    assert flag.departed.name == "Gleb Gone"
    assert flag.interactions == (call,)
    assert flag.line is not None
    assert flag.line.address == OFFICE
    assert after is not None
    assert after.handler is not None
    assert after.handler.name == "Boris Other"


def test_a_flag_goes_from_open_to_acknowledged_to_closed(company: Company) -> None:
    world = company.world
    subject = f"client:{company.rival}"

    def states() -> list[FlagState]:
        with world.reading() as connection:
            wanted = FlagFilter(client=company.rival)
            return [it.state for it in reads.list_flags(connection, BOSS, wanted, now=NOW).items]

    def listed(**wanted: Any) -> int:
        with world.reading() as connection:
            asked = FlagFilter(client=company.rival, **wanted)
            found = reads.list_flags(connection, BOSS, asked, now=NOW).items
            assert reads.count_flags(connection, BOSS, asked, now=NOW) == len(found)
            return len(found)

    assert states() == [FlagState.OPEN]
    world.change(decisions.decide_flag, FlagKind.MANAGER_LEFT, subject, "ack", at=day(18))
    assert states() == [FlagState.ACKNOWLEDGED]
    assert (listed(open=True), listed(state=FlagState.OPEN)) == (1, 0)
    world.dismisses(subject, day(19))
    assert states() == [FlagState.CLOSED]
    assert (listed(open=True), listed(open=False)) == (0, 1)


def test_a_flag_closed_at_a_later_moment_is_open_until_then(company: Company) -> None:
    world = company.world
    world.dismisses(f"client:{company.rival}", day(25))

    with world.reading() as connection:
        wanted = FlagFilter(client=company.rival)
        [now] = reads.list_flags(connection, BOSS, wanted, now=NOW).items
        [later] = reads.list_flags(connection, BOSS, wanted, now=day(26)).items

    assert (now.state, later.state) == (FlagState.OPEN, FlagState.CLOSED)


def test_a_withdrawn_flag_goes_on_resolving(company: Company) -> None:
    world = company.world
    with world.reading() as connection:
        [flag] = reads.list_flags(connection, BOSS, FlagFilter(client=company.rival), now=NOW).items
    world.change(directory.undo_leave, company.gone, why="a mistake")

    with world.reading() as connection:
        found = reads.flag(connection, BOSS, flag.id, now=NOW)
        foreign = reads.flag(connection, manager(company.anna), flag.id, now=NOW)
        own = reads.flag(connection, manager(company.gone), flag.id, now=NOW)

    assert found is not None
    assert found.state is FlagState.WITHDRAWN
    assert found.client is not None
    assert found.client.id == company.rival
    assert foreign is None
    assert own is not None


def test_the_flag_whose_client_called_last_can_come_first(company: Company) -> None:
    world = company.world
    world.call(RIVAL, OFFICE, day(19), ended=False)

    with world.reading() as connection:
        opened = reads.list_flags(connection, BOSS, now=NOW).items
        touched = reads.list_flags(connection, BOSS, now=NOW, order=FlagOrder.TOUCHED).items

    assert touched[0].subject == f"client:{company.rival}"
    assert touched[0].live
    assert opened[0].subject != touched[0].subject
    assert set(opened) == set(touched)


# Review, deliveries, operations ----------------------------------------------------------------


def test_an_unmatched_number_shows_what_waits_and_what_was_decided(company: Company) -> None:
    world = company.world
    point = f"tel:{STRANGER}"

    with world.reading() as connection:
        listed = reads.list_review_items(connection, BOSS, now=NOW).items
        found = reads.review_item(connection, BOSS, point, now=NOW)
    world.links(STRANGER, company.shop)
    with world.reading() as connection:
        linked = reads.review_item(connection, BOSS, point, now=NOW)

    assert [item.point for item in listed] == [point]
    assert found is not None
    assert found.item == listed[0]
    assert [touch.id for touch in found.timeline.items] == [company.keys["stranger"]]
    assert linked is not None
    assert linked.item is None
    assert [made.kind for made in linked.decisions] == ["point"]


def test_parked_deliveries_are_found_by_their_place_and_by_their_fixed_id(world: World) -> None:
    place = park(world, "calls", "unreadable")
    park(world, "calls", "a ping", End.IGNORED)

    with world.reading() as connection:
        [parked] = reads.list_deliveries(connection, BOSS, End.PARKED, now=NOW).items
        [ignored] = reads.list_deliveries(connection, BOSS, End.IGNORED, now=NOW).items
        by_place = reads.delivery(connection, BOSS, place, now=NOW)
        by_id = reads.delivery(connection, BOSS, parked.fixed_id, now=NOW)
        nothing = reads.delivery(connection, BOSS, "calls-0-99999", now=NOW)

    assert (parked.id, parked.reason) == (place, "unreadable")
    assert ignored.reason == "a ping"
    assert by_place == by_id == parked
    assert nothing is None


def test_sources_and_mailboxes_show_no_secret(company: Company) -> None:
    world = company.world

    with world.reading() as connection:
        [source] = reads.list_sources(connection, BOSS, now=NOW).items
        [box] = reads.list_mailboxes(connection, BOSS, now=NOW).items
        assert reads.source(connection, BOSS, SOURCE, now=NOW) == source
        assert reads.mailbox(connection, BOSS, "anna@ours.example", now=NOW) == box

    assert source.last_event_at == day(17)
    assert source.parked == 1
    assert "secret" not in plain(source)
    assert "foreign-path" not in plain(source)
    assert box.last_mail_at == day(14) + timedelta(seconds=1)


def test_each_counter_is_the_length_of_its_list(company: Company) -> None:
    world = company.world
    world.call(SHOP, ANNAS, day(20, 11), ended=False)

    for viewer in (BOSS, manager(company.anna), manager(company.boris)):
        with world.reading() as connection:
            counters = {
                it.name: it for it in reads.today(connection, viewer, now=NOW, since=day(20, 0))
            }
            for counter in counters.values():
                if counter.filter is not None:
                    page = reads.list_interactions(connection, viewer, counter.filter, now=NOW)
                    assert counter.count == len(page.items), counter.name
            open_flags = reads.list_flags(connection, viewer, FlagFilter(open=True), now=NOW)
            assert counters["flags_open"].count == len(open_flags.items)

    with world.reading() as connection:
        boss = {
            it.name: it.count for it in reads.today(connection, BOSS, now=NOW, since=day(20, 0))
        }
    assert boss["live"] == boss["calls_today"] == 1
    assert boss["unmatched"] == boss["parked"] == 1


# What a manager may see ------------------------------------------------------------------------

#: Arguments for those functions that need more than connection, viewer and now.
FOREIGN_ARGUMENTS = {
    "client": lambda it: [it.rival],
    "employee": lambda it: [it.gone],
    "line": lambda it: [it.line],
    "flag": lambda it: [foreign_flag(it)],
    "interaction": lambda it: [it.keys["rival"]],
    "mail_body": lambda it: ["nothing"],
    "count_interactions": lambda it: [InteractionFilter()],
    "count_flags": lambda it: [FlagFilter()],
    "review_item": lambda it: [f"tel:{STRANGER}"],
    "list_deliveries": lambda it: [End.PARKED],
    "count_deliveries": lambda it: [End.PARKED],
    "delivery": lambda it: ["calls-0-13"],
    "source": lambda it: [SOURCE],
    "mailbox": lambda it: ["anna@ours.example"],
}

#: Public functions that are given no viewer, because they read nothing.
NOT_QUERIES = {"today_filters"}


def foreign_flag(company: Company) -> str:
    with company.world.reading() as connection:
        wanted = FlagFilter(client=company.rival)
        return reads.list_flags(connection, BOSS, wanted, now=NOW).items[0].id


def queries() -> dict[str, Any]:
    public = {name: getattr(reads, name) for name in reads.__all__}
    return {
        name: function
        for name, function in public.items()
        if inspect.isfunction(function) and name not in NOT_QUERIES
    }


def ask_all(company: Company, viewer: Viewer) -> dict[str, str]:
    found = {}
    with company.world.reading() as connection:
        for name, function in queries().items():
            arguments = FOREIGN_ARGUMENTS.get(name, lambda it: [])(company)
            more: dict[str, Any] = {"now": NOW}
            if "since" in inspect.signature(function).parameters:
                more["since"] = day(1)
            found[name] = plain(function(connection, viewer, *arguments, **more))
    return found


def test_every_query_made_for_a_person_takes_the_viewer_first() -> None:
    for name, function in queries().items():
        assert list(inspect.signature(function).parameters)[:2] == ["connection", "viewer"], name


def foreign_words(company: Company) -> list[str]:
    return [
        company.rival,
        "Rival",
        "oreign",  # every foreign name and address says so
        RIVAL,
        STRANGER,
        company.keys["rival"],
        company.keys["stranger"],
        company.decision,
        foreign_flag(company),
    ]


def test_no_query_tells_a_manager_a_foreign_row_name_or_id(company: Company) -> None:
    words = foreign_words(company)

    told = ask_all(company, manager(company.anna))
    to_boss = " ".join(ask_all(company, BOSS).values())

    for name, text in told.items():
        assert not [word for word in words if word in text], name
    assert not [word for word in words if word not in to_boss]  # else the test sees nothing
    assert "Ванильная" in told["list_clients"]
    assert company.keys["both"] in told["list_interactions"]


def test_no_query_tells_a_manager_a_foreign_count(company: Company) -> None:
    world = company.world
    before = ask_all(company, manager(company.anna))

    world.client("Another Foreign", "+74956660001", primary=company.boris)
    world.call("+74956660001", OFFICE, day(18))
    world.call(RIVAL, OFFICE, day(18, 13))
    world.call(STRANGER, OFFICE, day(18, 14))
    world.call("+74957770001", OFFICE, day(18, 14))  # nobody's either: one more waits for review
    world.mail("rival@foreign.example", ("anna@ours.example",), day(18, 15))
    park(world, "calls", "foreign reason")

    assert ask_all(company, manager(company.anna)) == before


def test_a_foreign_touch_that_closed_a_shared_one_is_not_named(world: World) -> None:
    anna, boris = world.employee("Anna"), world.employee("Boris")
    world.line("anna@ours.example", anna)
    world.line(OFFICE, boris)
    world.client("Shop", "shop@client.example", primary=anna)
    world.client("Rival", RIVAL, "rival@foreign.example", primary=boris)
    mail = world.mail(
        "rival@foreign.example", ("anna@ours.example",), day(11), cc=("shop@client.example",)
    )
    call = world.call(RIVAL, OFFICE, day(12), talk=60.0)

    with world.reading() as connection:
        closed = {
            viewer.employee: reads.interaction(connection, viewer, mail, now=NOW)
            for viewer in (manager(anna), manager(boris))
        }

    to_anna, to_boris = closed[anna], closed[boris]
    assert to_anna is not None
    assert to_boris is not None
    assert to_boris.closed_by == call
    assert (to_anna.closed_by, to_anna.closed_at, to_anna.closed_as) == (None, None, None)


def test_a_manager_without_clients_or_employee_sees_no_client_at_all(company: Company) -> None:
    for viewer in (manager(company.boris), manager(None), manager("nobody")):
        told = ask_all(company, viewer)
        for name, text in told.items():
            assert company.shop not in text, name
            assert company.rival not in text, name
            assert SHOP not in text, name


def test_a_manager_who_left_sees_nothing_any_more(company: Company) -> None:
    world = company.world
    world.leaves(company.anna, day(19))

    with world.reading() as connection:
        viewer = manager(company.anna)
        before = reads.list_clients(connection, viewer, now=day(18)).items
        after = reads.list_clients(connection, viewer, now=NOW).items

    assert len(before) == 1
    assert after == ()


def test_a_client_handed_over_is_seen_by_the_successor_from_that_moment(company: Company) -> None:
    world = company.world
    world.names(company.shop, company.boris, day(19))

    def seen(viewer: Viewer, now: datetime) -> int:
        with world.reading() as connection:
            return len(reads.list_interactions(connection, viewer, now=now).items)

    assert (seen(manager(company.anna), day(18)), seen(manager(company.boris), day(18))) == (4, 0)
    assert (seen(manager(company.anna), NOW), seen(manager(company.boris), NOW)) == (0, 4)


def test_a_foreign_number_cannot_be_probed_by_a_filter(company: Company) -> None:
    world = company.world
    probes = [
        InteractionFilter(number="mail:rival@foreign.example"),
        InteractionFilter(number="mail:third@foreign.example"),
        InteractionFilter(client=company.rival),
        InteractionFilter(flag=foreign_flag(company)),
        InteractionFilter(flag_kind=FlagKind.MANAGER_LEFT),
    ]

    with world.reading() as connection:
        viewer = manager(company.anna)
        found = [reads.list_interactions(connection, viewer, it, now=NOW).items for it in probes]
        held = reads.list_clients(connection, viewer, now=NOW, number=f"tel:{RIVAL}").items
        theirs = reads.list_clients(connection, viewer, now=NOW, employee=company.gone).items

    assert found == [(), (), (), (), ()]
    assert held == theirs == ()


def test_postgres_says_the_same_as_sqlite(tmp_path: Path, postgres_url: str) -> None:
    told = []
    for world in (sqlite_world(tmp_path), postgres_world(postgres_url)):
        company = a_company(world)
        for viewer in (BOSS, manager(company.anna)):
            text = json.dumps(ask_all(company, viewer), ensure_ascii=False)
            told.append(re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text))
        world.database.close()

    assert told[:2] == told[2:]


# Speed -----------------------------------------------------------------------------------------


def explained(tmp_path: Path, ask: Any) -> list[str]:
    """The plan of every statement that a query runs on the tables as declared here."""
    engine = create_engine(f"sqlite:///{tmp_path / 'plans.db'}")
    metadata.create_all(engine)
    plans: list[str] = []
    with engine.connect() as connection:

        @event.listens_for(engine, "before_cursor_execute")
        def explain(
            conn: Connection, cursor: Any, statement: str, parameters: Any, *_: Any
        ) -> None:
            if statement.lstrip().upper().startswith("SELECT"):
                rows = conn.connection.cursor().execute(
                    f"EXPLAIN QUERY PLAN {statement}", parameters
                )
                plans.extend(row[3] for row in rows)

        ask(connection)
    engine.dispose()
    return plans


BIG = ("interactions", "participants", "call_reports", "deliveries", "sightings", "call_keys")


@pytest.mark.parametrize("viewer", [BOSS, manager("e")], ids=["supervisor", "manager"])
def test_no_list_reads_a_large_table_from_end_to_end_or_sorts_it(
    tmp_path: Path, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage import reads_filter

    # Every filter counts as one that many pass; of those that few pass only they are sorted.
    monkeypatch.setattr(reads_filter, "FEW", -1)

    def ask(connection: Connection) -> None:
        for wanted in (
            InteractionFilter(),
            InteractionFilter(client="c"),
            InteractionFilter(number="tel:+1"),
            InteractionFilter(source="s"),
            InteractionFilter(status=Status.CALLBACK_DUE),
            InteractionFilter(employee="e"),
            InteractionFilter(from_at=day(1), until=day(2)),
            InteractionFilter(overdue=((None, day(1)), (day(1), day(2)))),
        ):
            reads.list_interactions(connection, viewer, wanted, now=NOW)
        reads.list_deliveries(connection, viewer, End.PARKED, now=NOW)

    plans = explained(tmp_path, ask)

    assert plans
    scans = [plan for plan in plans if plan.startswith(tuple(f"SCAN {table}" for table in BIG))]
    assert not [plan for plan in scans if "INDEX" not in plan]
    assert not [plan for plan in plans if plan == "USE TEMP B-TREE FOR ORDER BY"]


@pytest.mark.parametrize("viewer", [BOSS, manager("e")], ids=["supervisor", "manager"])
def test_nothing_is_looked_up_by_reading_a_large_table_from_end_to_end(
    tmp_path: Path, viewer: Viewer
) -> None:
    def ask(connection: Connection) -> None:
        reads.interaction(connection, viewer, "x", now=NOW)
        reads.mail_body(connection, viewer, "x", now=NOW)
        reads.delivery(connection, viewer, "calls-0-1", now=NOW)
        reads.review_item(connection, viewer, "tel:+1", now=NOW)
        reads.list_sources(connection, viewer, now=NOW)
        reads.list_clients(connection, viewer, now=NOW)
        reads.today(connection, viewer, now=NOW, since=day(1))

    plans = explained(tmp_path, ask)

    assert plans
    assert not [
        plan
        for plan in plans
        if plan.startswith(tuple(f"SCAN {table}" for table in BIG)) and "INDEX" not in plan
    ]
