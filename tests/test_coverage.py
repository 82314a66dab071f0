"""Coverage: an outage, what the history fills, what differs and why, and the certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ingest import outages
from ingest.accounts import Book
from ingest.custody import coverage
from ingest.custody.office import Office
from ingest.demo.pbx.script import Script
from ingest.demo.simulators import SIMULATORS
from ingest.domain.coverage import (
    Compared,
    OurCall,
    Rules,
    TheirCall,
    as_text,
    compare,
    digest,
)
from ingest.domain.deliveries import NewDelivery, UnreadableDelivery
from ingest.domain.people import UserRole, Viewer
from ingest.local import Refused
from ingest.outages import Outage
from ingest.secrets import Secrets
from ingest.telephony.desk import part_state_name
from ingest.telephony.history import Puller
from ingest.telephony.history_state import recalled
from ingest.telephony.history_wishes import wish_name
from ingest.worker import Worker
from storage.coverage import certificate, list_certificates
from storage.log_sqlite import SqliteLog, open_log
from tests.desk import no_mails
from tests.telephony.quick_desk import House as Desks
from tests.telephony.quick_desk import a_desk
from tests.telephony.simulators.houses import HOUSES, House, apart
from tests.telephony.simulators.serving import Simulated, refused, served
from tests.world import World, sqlite_world

MORNING = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OUTAGE = (MORNING + timedelta(minutes=35), MORNING + timedelta(minutes=75))
RULES = Rules(now=NOON, settles=timedelta(minutes=5), keeps=timedelta(days=90))


# Comparing -------------------------------------------------------------------------------------


def test_equal_sets_are_the_same_and_have_the_same_digest() -> None:
    found = compared([theirs("a"), theirs("b")], [ours("b"), ours("a")])

    assert not found.missing
    assert not found.extra
    assert digest(found.theirs) == digest(found.ours)


def test_a_call_of_several_ids_is_one_whichever_of_them_we_have() -> None:
    found = compared([theirs("a", "z")], [ours("z")])

    assert found.ours == found.theirs == ("a",)


def test_a_missing_call_is_named_with_its_time_and_reason() -> None:
    found = compared([theirs("a"), theirs("b", at=60)], [ours("a")])

    [row] = found.missing
    assert (row.id, row.at) == ("b", MORNING + timedelta(minutes=60))
    assert "parked" in row.why
    assert digest(found.theirs) != digest(found.ours)


def test_what_has_not_settled_is_said_to_be_so() -> None:
    late = replace(theirs("a", at=290), ended_at=NOON - timedelta(minutes=1))

    assert "not settled" in compared([late], []).missing[0].why


def test_what_waits_to_be_recorded_is_said_to_be_so() -> None:
    rules = replace(RULES, unrecorded="its answer is parked: no list")

    assert compared([theirs("a")], [], rules).missing[0].why == "its answer is parked: no list"


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ({}, "does not have it"),
        ({"ended": False}, "still going on"),
        ({"internal": True}, "between colleagues"),
        ({"began_at": NOON - timedelta(minutes=2)}, "not settled"),
    ],
)
def test_a_call_that_only_we_have_says_why(call: dict[str, Any], why: str) -> None:
    [row] = compared([], [replace(ours("a"), **call)]).extra

    assert why in row.why


def test_what_lies_beyond_the_providers_memory_is_said_to_be_so() -> None:
    rules = replace(RULES, keeps=timedelta(hours=1))

    [row] = compared([], [ours("a")], rules).extra

    assert "outside of what the provider keeps" in row.why


def test_calls_just_outside_of_the_period_match_and_are_not_counted() -> None:
    found = compared([theirs("a", at=-1)], [ours("a", at=1)])

    assert found.extra == found.missing == ()
    assert found.theirs == found.ours == ()


# The whole way ---------------------------------------------------------------------------------


def test_after_an_outage_the_history_and_ours_are_the_same_set(office: Site) -> None:
    calls = office.house.calls(MORNING)
    heard = apart(calls, *OUTAGE)
    office.hears(heard)

    made = office.certifies(calls)

    assert made["same"], made
    assert made["theirs"] == made["ours"]
    assert made["theirs"]["calls"] == len(calls)
    assert made["restored"] == len(calls) - len(heard)


def test_a_second_look_finds_nothing_more_and_gives_the_same_digest(office: Site) -> None:
    calls = office.house.calls(MORNING)
    first, second = office.certifies(calls), office.certifies(calls)

    assert first["theirs"] == second["theirs"]
    assert office.deliveries() == office.deliveries_before


def test_a_call_that_the_provider_lost_is_named(office: Site) -> None:
    calls = office.house.calls(MORNING)
    office.hears(calls)

    made = office.certifies(calls[1:])

    assert not made["same"]
    assert [row["id"] for row in made["extra"]] == [calls[0].key]
    assert made["theirs"]["sha256"] != made["ours"]["sha256"]


def test_intervals_that_were_filled_and_those_that_cannot_be_are_named(office: Site) -> None:
    office.was_down(*OUTAGE)

    filled = office.certifies([])
    office.trouble = "refused"
    unfilled = office.certifies([])

    assert [row["recovered"] for row in filled["intervals"]] == [True]
    [row] = unfilled["intervals"]
    assert not row["recovered"]
    assert row["because"] == unfilled["failed"] == "it refused with status 403"
    assert not unfilled["same"]
    assert unfilled["theirs"] is None


def test_of_a_provider_without_a_history_outages_are_named_as_lost(office: Site) -> None:
    office.was_down(*OUTAGE)
    office.provider = replace(office.provider, history=None)

    made = office.certifies([])

    assert made["failed"] == "the provider has no history that can be asked"
    assert not made["same"]
    assert made["intervals"][0]["because"] == made["failed"]


def test_an_answer_that_cannot_be_read_keeps_the_sets_from_being_the_same(office: Site) -> None:
    def broken(delivery: Any, account: Any) -> Any:
        raise UnreadableDelivery("another form")

    office.provider = replace(office.provider, reads=dict.fromkeys(office.provider.reads, broken))

    made = office.certifies(office.house.calls(MORNING))

    assert not made["same"]
    assert made["unread"][0].endswith("another form")


def test_a_source_that_lacks_the_secret_says_which(office: Site) -> None:
    office.account = replace(office.account, secrets=({"crm_token": "c"},))

    assert "api_key" in office.certifies([])["failed"]


def test_certificates_are_kept_and_shown_to_supervisors_alone(office: Site) -> None:
    made = office.certifies(office.house.calls(MORNING))
    boss = Viewer(user="u", login="u", name="U", role=UserRole.SUPERVISOR)
    manager = Viewer(user="m", login="m", name="M", role=UserRole.MANAGER, employee="e")

    with office.world.database.read() as connection:
        assert certificate(connection, boss, made["id"]) == made
        assert certificate(connection, manager, made["id"]) is None
        assert list(list_certificates(connection, boss, now=NOON).items) == [made]
        assert not list_certificates(connection, manager, now=NOON).items


def test_the_text_names_source_period_counts_and_digests(office: Site) -> None:
    made = office.certifies(office.house.calls(MORNING))

    text = as_text(made)

    assert "Source:    megafon (megafon)" in text
    assert "Period:    2026-03-02T07:00:00Z to 2026-03-02T12:00:00Z" in text
    assert made["theirs"]["sha256"] in text
    assert "the same set of calls" in text


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        ("2026-03-02", "2026-03-01", "ends before"),
        ("2026-03-05", "2026-03-06", "ahead of us"),
        ("2025-01-01", "2026-03-01", "92 days"),
        ("yesterday", "today", "write them like"),
    ],
)
def test_a_period_that_makes_no_sense_is_refused(
    office: Site, since: str, until: str, why: str
) -> None:
    with pytest.raises(Refused, match=why):
        coverage.certify(
            office.office(Simulated(calls=[], secrets={})),
            tell=lambda done, total: None,
            source="megafon",
            since=since,
            until=until,
        )


# Outages ---------------------------------------------------------------------------------------


def test_pulses_far_apart_are_an_outage_and_close_ones_are_none() -> None:
    at = NOON
    known = outages.noted((), None, at, None)
    known = outages.noted(known, at, at + timedelta(seconds=5), None)
    assert known == ()

    known = outages.noted(known, at, at + timedelta(hours=6), None)

    assert known == (Outage(begin=at, end=at + timedelta(hours=6), why=outages.DOWN),)
    assert outages.recalled(outages.plain(known)) == known


def test_refusals_one_after_another_are_one_outage() -> None:
    known: tuple[Outage, ...] = ()
    for second in range(5, 60, 5):
        now = NOON + timedelta(seconds=second)
        known = outages.noted(known, now - timedelta(seconds=5), now, "the disk is nearly full")

    [outage] = known
    assert (outage.begin, outage.end) == (NOON, NOON + timedelta(seconds=55))
    assert "the disk is nearly full" in outage.why


def test_a_pulse_that_was_not_written_is_measured_from_the_last_that_was() -> None:
    pulses = outages.Pulses(NOON.isoformat())
    pulses.memory(NOON + timedelta(seconds=5), None)  # it could not be written
    memory = pulses.memory(NOON + timedelta(seconds=40), None)
    pulses.written()

    assert memory[outages.MEMORY][0]["from"] == NOON.isoformat()
    assert pulses.memory(NOON + timedelta(seconds=45), None) == {}


# Helpers ---------------------------------------------------------------------------------------


def theirs(*keys: str, at: float = 10) -> TheirCall:
    began = MORNING + timedelta(minutes=at)
    return TheirCall(keys=keys, began_at=began, ended_at=began + timedelta(minutes=1))


def ours(*keys: str, at: float = 10) -> OurCall:
    return OurCall(keys=keys, began_at=MORNING + timedelta(minutes=at), ended=True)


def compared(
    their_calls: list[TheirCall], our_calls: list[OurCall], rules: Rules = RULES
) -> Compared:
    return compare(their_calls, our_calls, since=MORNING, until=NOON, rules=rules)


class OneSource(Book):
    """A book that holds the site's source."""

    site: Site

    def sources(self) -> Any:
        return {self.site.account.source: (self.site.provider, self.site.account)}


@dataclass
class Site:
    """A service with one source, without its processes."""

    world: World
    log: SqliteLog
    path: Path
    house: House = HOUSES["megafon"]
    trouble: str | None = None
    deliveries_before: int = 0
    provider: Any = field(init=False)
    account: Any = field(init=False)

    def __post_init__(self) -> None:
        self.provider, self.account = self.house.provider, self.house.account

    def hears(self, calls: Iterable[Script]) -> None:
        """Let the webhooks of these calls come."""
        simulator = SIMULATORS[self.house.name]
        for call in calls:
            for number, report in enumerate(simulator.reports(call)):
                at = call.at(report.after_s)
                signed = simulator.sign(report, self.house.secrets, "https://h.example/x", at)
                headers = [[name.lower(), value] for name, value in signed.headers.items()]
                new = NewDelivery(
                    source=self.account.source,
                    key=f"{call.key}:{number}",
                    received_at=at,
                    head={"method": "POST", "path": report.path, "headers": headers},
                    body=signed.body,
                )
                self.log.append(0, [new])

    def was_down(self, begin: datetime, end: datetime) -> None:
        down = [Outage(begin=begin, end=end, why=outages.DOWN)]
        self.log.remember({outages.MEMORY: outages.plain(down)})

    def certifies(self, calls: Iterable[Script]) -> dict[str, Any]:
        """Certify the morning against a provider that has these calls."""
        self.deliveries_before = self.deliveries()
        knows = self.house.simulated(list(calls))
        return coverage.certify(
            self.office(knows),
            tell=lambda done, total: None,
            source=self.account.source,
            since=MORNING.isoformat(),
            until=NOON.isoformat(),
        )

    def deliveries(self) -> int:
        return self.log.bounds(0).last

    def office(self, knows: Simulated) -> Office:
        secrets = Secrets([Fernet.generate_key()])
        book = OneSource(self.world.database, secrets, "https://h.example")
        book.site = self
        worker = Worker(
            database=self.world.database,
            logs={"calls": self.log},
            sources=book.sources,
            read_mails=no_mails,
            clock=lambda: NOON,
            attempts=self.path / "attempts",
        )
        return Office(
            database=self.world.database,
            secrets=secrets,
            book=book,
            clock=lambda: NOON,
            logs={"calls": self.log},
            read_mails=no_mails,
            public_url="https://h.example",
            wake=worker.drain,
            pull=lambda source, since, until, tell: asyncio.run(self.pull(knows, since, until)),
        )

    async def pull(self, knows: Simulated, since: datetime, until: datetime) -> Mapping[str, Any]:
        """Do what the edges do when they are asked to."""
        desks = Desks(now=NOON)
        wish = {"id": "w", "since": since.isoformat(), "until": until.isoformat()}
        self.log.remember(
            {
                wish_name(self.account.source): wish,
                part_state_name(self.account.source, "history"): None,
            }
        )
        if self.trouble is not None:
            knows.trouble = [refused(403)] * 10
        async with served(self.house.simulator.routes, knows, self.house.simulator.HOSTS) as server:
            desk = replace(
                a_desk(self.provider, self.account, desks),
                keep=self._keep,
                recall=self._recall,
            )
            puller = Puller(desk, self.provider.history, server.ask)
            state = recalled(None, NOON)
            while state.granted is None:
                await desk.wait(await puller.step())
                state = puller.state
        return {"places": state.granted.places, "failed": state.granted.failed}

    async def _keep(self, deliveries: Any, memory: Any) -> Any:
        return self.log.append(0, deliveries, memory=memory)

    async def _recall(self, name: str) -> Any:
        return self.log.memory(name)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Site]:
    world = sqlite_world(tmp_path)
    world.line("+74951230001", world.employee("Xenia"))
    log = open_log(tmp_path / "calls.log.db", name="calls")
    yield Site(world=world, log=log, path=tmp_path)
    log.close()
    world.close()
