"""Who is calling and who takes the call: values in, values out, each at its own moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from ingest.custody.office import end_of_day
from ingest.domain.answers import Answerer, Found
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import (
    BEGINNING,
    Change,
    Directory,
    Employee,
    EmploymentChange,
    Holding,
    Line,
    LineKind,
    PointDecision,
    PointFacts,
    PointVerdict,
)
from ingest.matching.who import ClientFacts, Company, DutyChange, company_of, who
from tests.world import day

CALLER = ContactPoint(PointKind.PHONE, "+79161230001")
MOMENT = timedelta(microseconds=1)
USUAL = day(20)


@dataclass
class Clients:
    """The clientele as plain dictionaries."""

    points: Mapping[str, PointFacts] = field(default_factory=dict)
    clients: Mapping[str, ClientFacts] = field(default_factory=dict)

    def holders(self, point: ContactPoint) -> PointFacts:
        return self.points.get(str(point), PointFacts())

    def client(self, client: str) -> ClientFacts | None:
        return self.clients.get(client)


def an_employee(name: str, *, left_at: datetime | None = None, back_at: datetime | None = None):
    employment = [EmploymentChange(from_at=BEGINNING, employed=True)]
    employment += [EmploymentChange(from_at=left_at, employed=False)] if left_at else []
    employment += [EmploymentChange(from_at=back_at, employed=True)] if back_at else []
    return Employee(id=name, name=name.title(), login=name, employment=tuple(employment))


def an_extension(digits: str, *holders: tuple[datetime, str | None], source: str = "office"):
    point = ContactPoint(PointKind.EXTENSION, f"{digits}@{source}")
    return a_line(LineKind.EXTENSION, point, *holders)


def a_number(number: str, *holders: tuple[datetime, str | None], kind: LineKind = LineKind.DID):
    return a_line(kind, ContactPoint(PointKind.PHONE, number), *holders)


def a_line(
    kind: LineKind, point: ContactPoint, *holders: tuple[datetime, str | None], shared: bool = False
) -> Line:
    changes = tuple(Change(from_at=at, employee=who) for at, who in holders)
    return Line(id=str(point), kind=kind, point=point, holders=changes, shared=shared)


def a_company(
    people: Sequence[Employee], lines: Sequence[Line] = (), duty: Sequence[DutyChange] = ()
) -> Company:
    known = Directory(
        employees={person.id: person for person in people},
        lines={line.id: line for line in lines},
        by_point={str(line.point): line for line in lines},
    )
    return company_of(known, duty)


def office(**left: datetime) -> Company:
    """Anna, Boris and Dora with a telephone each; Dora is on duty."""
    return a_company(
        [an_employee(name, left_at=left.get(name)) for name in ("anna", "boris", "dora")],
        [
            an_extension("101", (BEGINNING, "anna")),
            an_extension("102", (BEGINNING, "boris")),
            an_extension("109", (BEGINNING, "dora")),
            a_number("+74950000101", (BEGINNING, "anna")),
            a_number("+79260000101", (BEGINNING, "anna"), kind=LineKind.SIM),
        ],
        [DutyChange(from_at=BEGINNING, employee="dora")],
    )


def a_client(*primary: tuple[datetime, str | None], name: str = "Acme", facts=None) -> Clients:
    changes = tuple(Change(from_at=at, employee=who) for at, who in primary)
    return Clients(
        {str(CALLER): facts or PointFacts(holdings=(Holding(client="acme"),))},
        {
            "acme": ClientFacts(name=name, primary=changes),
            "other": ClientFacts(
                name="Other", primary=((Change(from_at=BEGINNING, employee="boris")),)
            ),
        },
    )


def ask(
    company: Company,
    clients: Clients,
    at: datetime = USUAL,
    *,
    caller: ContactPoint | None = CALLER,
    called: str | None = None,
    source: str = "office",
) -> Found:
    line = ContactPoint(PointKind.PHONE, called) if called else None
    return who(caller, called=line, at=at, source=source, company=company, clientele=clients)


def extension(found: Found) -> str | None:
    return found.answerer.extension if found.answerer else None


def test_a_client_is_named_and_his_manager_takes_the_call():
    found = ask(office(), a_client((BEGINNING, "anna")))

    assert found.client_name == "Acme"
    assert found.answerer == Answerer(
        employee="anna", login="anna", extension="101", direct_number="+74950000101"
    )
    assert found.duty is not None
    assert found.duty.extension == "109"


def test_a_transfer_entered_for_18_00_acts_at_18_00():
    clients = a_client((BEGINNING, "anna"), (day(20, 18), "boris"))

    assert extension(ask(office(), clients, day(20, 18) - MOMENT)) == "101"
    assert extension(ask(office(), clients, day(20, 18))) == "102"


@pytest.mark.parametrize(
    ("zone", "last_day", "gone_at"),
    [
        ("Europe/Moscow", "2026-05-20", "2026-05-20T21:00:00+00:00"),
        (
            "America/New_York",
            "2026-03-07",
            "2026-03-08T05:00:00+00:00",
        ),  # the clock changes at 2:00
        ("America/New_York", "2026-03-08", "2026-03-09T04:00:00+00:00"),
        ("Africa/Cairo", "2026-04-23", "2026-04-23T22:00:00+00:00"),  # there is no 00:00 that day
        ("America/Havana", "2026-10-31", "2026-11-01T04:00:00+00:00"),  # there are two 00:00
    ],
)
def test_who_leaves_is_gone_from_00_00_of_the_next_day_in_the_companys_zone(
    zone: str, last_day: str, gone_at: str
):
    from zoneinfo import ZoneInfo

    left_at = end_of_day(last_day, ZoneInfo(zone))
    assert left_at == datetime.fromisoformat(gone_at)
    company, clients = office(anna=left_at), a_client((BEGINNING, "anna"))

    assert extension(ask(company, clients, left_at - MOMENT)) == "101"
    assert extension(ask(company, clients, left_at)) == "109"


def test_a_successor_answers_for_who_has_left_also_before_his_own_beginning():
    company = office(anna=day(18))

    from_then = a_client((BEGINNING, "anna"), (day(18), "boris"))
    later = a_client((BEGINNING, "anna"), (day(25), "boris"))

    assert extension(ask(company, from_then, day(18) - MOMENT)) == "101"
    assert extension(ask(company, from_then, day(18))) == "102"
    assert extension(ask(company, later, day(18) - MOMENT)) == "101"
    assert extension(ask(company, later, day(18))) == "102"


def test_a_successor_who_has_left_as_well_gives_way_to_duty():
    company = office(anna=day(10), boris=day(12))

    found = ask(company, a_client((BEGINNING, "anna"), (day(10), "boris")))

    assert (found.client_name, extension(found)) == ("Acme", "109")


def test_a_client_of_nobody_is_named_and_goes_to_duty():
    named_nobody = a_client((BEGINNING, "anna"), (day(19), None), (day(25), "boris"))

    assert extension(ask(office(), named_nobody)) == "109"
    assert ask(office(), a_client()).client_name == "Acme"
    assert extension(ask(office(), a_client())) == "109"


def test_who_comes_back_answers_again():
    anna = an_employee("anna", left_at=day(10), back_at=day(20))
    company = a_company([anna], [an_extension("101", (BEGINNING, "anna"))])
    clients = a_client((BEGINNING, "anna"))

    assert ask(company, clients, day(19)).answerer is None
    assert extension(ask(company, clients, day(20))) == "101"


def test_a_number_that_two_clients_hold_gets_no_name_and_duty():
    both = PointFacts(holdings=(Holding(client="acme"), Holding(client="other", from_at=day(15))))
    clients = a_client((BEGINNING, "anna"), facts=both)

    assert ask(office(), clients, day(15) - MOMENT).client_name == "Acme"
    found = ask(office(), clients, day(15))
    assert (found.client_name, extension(found)) == (None, "109")


def test_a_number_belongs_to_who_held_it_at_the_moment_of_the_call():
    moved = PointFacts(
        holdings=(
            Holding(client="acme", until=day(15)),
            Holding(client="other", from_at=day(15)),
        )
    )
    clients = a_client((BEGINNING, "anna"), facts=moved)

    assert ask(office(), clients, day(15) - MOMENT).client_name == "Acme"
    assert ask(office(), clients, day(15)).client_name == "Other"


def test_a_persons_link_outranks_what_two_clients_hold():
    linked = PointFacts(
        holdings=(Holding(client="acme"), Holding(client="other")),
        decision=PointDecision(id="d", verdict=PointVerdict.LINK, at=day(1), client="other"),
    )

    assert ask(office(), a_client(facts=linked)).client_name == "Other"


@pytest.mark.parametrize(
    "caller",
    [
        None,
        ContactPoint(PointKind.WITHHELD, ""),
        ContactPoint(PointKind.EXTENSION, "102@office"),
        ContactPoint(PointKind.PHONE, "+79990000000"),
        ContactPoint(PointKind.PHONE, "+74950000101"),
    ],
    ids=["none", "withheld", "a colleague", "a stranger", "one of our lines"],
)
def test_of_nobody_known_only_duty_is_told(caller: ContactPoint | None):
    found = ask(office(), a_client((BEGINNING, "anna")), caller=caller)

    assert (found.client_name, found.answerer) == (None, None)
    assert found.duty is not None
    assert found.duty.extension == "109"


def test_nobody_is_on_duty_who_has_left_and_duty_changes_at_its_moment():
    changes = [
        DutyChange(from_at=BEGINNING, employee="dora"),
        DutyChange(from_at=day(20), employee="boris"),
    ]
    people = [an_employee("dora", left_at=day(19)), an_employee("boris")]
    company = a_company(people, duty=changes)

    def on_duty(at: datetime) -> str | None:
        found = company.on_duty(at=at, source="office")
        return found.employee if found else None

    assert on_duty(day(19) - MOMENT) == "dora"
    assert on_duty(day(19)) is None
    assert on_duty(day(20)) == "boris"


def test_the_duty_line_stands_in_for_a_person_and_fills_what_he_lacks():
    lines = [
        an_extension("300"),
        an_extension("390", source="branch"),
        a_number("+74950000300"),
        a_number("+79260000001", (BEGINNING, "dora"), kind=LineKind.SIM),
    ]
    every = tuple(line.id for line in lines[:3])
    alone = a_company([], lines, [DutyChange(from_at=BEGINNING, lines=every)])
    together = a_company(
        [an_employee("dora")],
        lines,
        [DutyChange(from_at=BEGINNING, employee="dora", lines=every)],
    )

    assert alone.on_duty(at=day(1), source="branch") == Answerer(
        employee=None, extension="390", direct_number="+74950000300"
    )
    assert together.on_duty(at=day(1), source="office") == Answerer(
        employee="dora", login="dora", extension="300", direct_number="+79260000001"
    )


def test_an_extension_is_of_the_asking_source_and_of_its_holder_at_that_moment():
    lines = [
        an_extension("101", (BEGINNING, "anna"), (day(15), "boris")),
        an_extension("501", (BEGINNING, "anna"), source="branch"),
        an_extension("103", (day(15), "anna")),
    ]
    company = a_company([an_employee("anna"), an_employee("boris")], lines)
    clients = a_client((BEGINNING, "anna"))

    assert extension(ask(company, clients, day(15) - MOMENT)) == "101"
    assert extension(ask(company, clients, day(15))) == "103"
    assert extension(ask(company, clients, day(15), source="branch")) == "501"
    assert extension(ask(company, clients, day(15), source="third")) is None


def test_of_several_telephones_the_latest_is_dialled_and_a_shared_one_is_nobodys():
    lines = [
        an_extension("101", (BEGINNING, "anna")),
        an_extension("105", (day(10), "anna")),
        a_line(
            LineKind.EXTENSION,
            ContactPoint(PointKind.EXTENSION, "100@office"),
            (day(12), "anna"),
            shared=True,
        ),
    ]
    company = a_company([an_employee("anna")], lines)

    assert extension(ask(company, a_client((BEGINNING, "anna")))) == "105"


def test_the_number_that_was_called_is_not_dialled_again():
    clients = a_client((BEGINNING, "anna"))

    found = ask(office(), clients, called="+74950000101")

    assert found.answerer is not None
    assert found.answerer.direct_number == "+79260000101"


def test_a_client_that_is_no_more_is_nobody():
    gone = Clients({str(CALLER): PointFacts(holdings=(Holding(client="gone"),))})

    assert ask(office(), gone).client_name is None
    assert ask(office(), gone).answerer is None


def test_moments_before_all_that_is_known_have_an_answer():
    early = datetime(1960, 1, 1, tzinfo=UTC)

    assert ask(office(), a_client((BEGINNING, "anna")), early) == Found()
