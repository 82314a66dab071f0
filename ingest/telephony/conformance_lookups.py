"""Recorded questions: the answer is given out of the case's own directory, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ingest.domain.answers import Asked
from ingest.domain.calls import Report
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.domain.directory import (
    BEGINNING,
    Change,
    Directory,
    Employee,
    EmploymentChange,
    Line,
    LineKind,
)
from ingest.matching.numbers import to_point
from ingest.matching.register import Packing, Register
from ingest.matching.who import Company, DutyChange, company_of, who
from ingest.telephony import expected
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import Case, account_of, provider_of, received_at, requests_of

Entry = Mapping[str, Any]
MICROSECOND = timedelta(microseconds=1)


def check(case: Case) -> Iterator[str]:
    """Yield where an answer, or the call that the questions tell of, is not as expected."""
    provider, account = provider_of(case), account_of(case)
    assert provider is not None, "skipped before"
    house = _House(case.get("directory", {}), account)
    recorded = case["requests"] if "requests" in case else [case["request"]]
    requests, asked, reports, last = requests_of(case), None, list[Report](), None
    for raw, request in zip(recorded, requests, strict=True):
        last, question = house.deliver(provider, request)
        asked = asked or question
        reports += last.reports
        wanted = {**raw.get("respond", {}), **case.get("expect_response", {})}
        yield from expected.response(wanted, last.response)
    if asked is None:
        yield "nobody asked"
    expect = case["expect"]
    if expect.get("state") == "lookup":
        yield from _question(expect, asked, account, reports)
        return
    alone = "scenario" in case
    tolerance_s = float(case.get("tolerance_s", 0 if alone else 1))
    view = expected.View(account=account, tolerance_s=tolerance_s, alone=alone)
    calls = [fold(group) for group in tie(reports)]
    if alone and last is not None:
        yield from view.delivery(expect, last, calls)
    else:
        yield from view.calls(expect, calls, last)


def _question(
    expect: Entry, asked: Asked | None, account: Account, reports: list[Report]
) -> Iterator[str]:
    """Yield where a question that changes no call is not as expected."""
    if reports:
        yield "a call came of what changes none"
    found = asked and asked.number and to_point(asked.number, account.region, account.source)
    number = found.value if found and found.kind is PointKind.PHONE else None
    if "from_e164" in expect and expect["from_e164"] != number:
        yield f"from_e164: {expect['from_e164']!r} expected, {number!r} found"


class _House:
    """One source, and all that is known where it asks."""

    def __init__(self, directory: Entry, account: Account) -> None:
        self.account = account
        self.company = _company(directory, account)
        self.register = _register(directory)

    def deliver(
        self, provider: Provider, request: HookRequest
    ) -> tuple[expected.Seen, Asked | None]:
        """Take one request as the public door and the worker would."""
        account = self.account
        try:
            provider.verify(request, account)
        except BadSignature as error:
            return expected.Seen(refused=str(error), response=HookResponse(status=401)), None
        asked = provider.lookup.asks(request, account) if provider.lookup else None
        if asked is None or provider.lookup is None:
            response = provider.answer(request, account, Receipt.NEW)
        else:
            found = who(
                self._point(asked.number),
                called=self._point(asked.line),
                at=request.received_at,
                source=account.source,
                company=self.company,
                clientele=self.register,
            )
            response = provider.lookup.answer(request, account, found)
        try:
            events = list(provider.parse(request, account))
        except (IgnoredDelivery, UnreadableDelivery) as error:
            return expected.Seen(ignored=str(error), response=response), asked
        reports = [Report(event=event, received_at=received_at(request, event)) for event in events]
        return expected.Seen(reports=reports, response=response), asked

    def _point(self, number: str | None) -> ContactPoint | None:
        return to_point(number, self.account.region, self.account.source) if number else None


def _company(directory: Entry, account: Account) -> Company:
    zone = ZoneInfo(directory.get("timezone", "UTC"))
    people, lines = {}, list[Line]()
    for entry in directory.get("employees", ()):
        left_at = _left_at(entry, zone)
        departure = [EmploymentChange(from_at=left_at, employed=False)] if left_at else []
        people[entry["id"]] = Employee(
            id=entry["id"],
            name=entry["name"],
            login=entry.get("login"),
            employment=(EmploymentChange(from_at=BEGINNING, employed=True), *departure),
        )
        lines += _lines(entry, account)
    known = Directory(
        employees=people,
        lines={line.id: line for line in lines},
        by_point={str(line.point): line for line in lines},
    )
    return company_of(known, [DutyChange(from_at=BEGINNING, employee=directory.get("duty"))])


def _lines(entry: Entry, account: Account) -> Iterator[Line]:
    held = (Change(from_at=BEGINNING, employee=entry["id"]),)
    if entry.get("extension"):
        point = ContactPoint(PointKind.EXTENSION, f"{entry['extension']}@{account.source}")
        yield Line(id=str(point), kind=LineKind.EXTENSION, point=point, holders=held)
    if entry.get("direct_number"):
        point = ContactPoint(PointKind.PHONE, entry["direct_number"])
        yield Line(id=str(point), kind=LineKind.DID, point=point, holders=held)


def _register(directory: Entry) -> Register:
    """Return the clients. A successor is named primary from the departure on."""
    zone = ZoneInfo(directory.get("timezone", "UTC"))
    left = {entry["id"]: _left_at(entry, zone) for entry in directory.get("employees", ())}
    clients, successors = directory.get("clients", ()), directory.get("successors", {})
    packing = Packing()
    packing.add_clients((client["id"], client["name"]) for client in clients)
    for client in clients:
        primary = client.get("primary_employee_id")
        packing.add_primaries([(client["id"], 0, primary)])
        left_at = left.get(primary)
        if left_at is not None and client["id"] in successors:
            micros = (left_at - BEGINNING) // MICROSECOND
            packing.add_primaries([(client["id"], micros, successors[client["id"]])])
        packing.add_holdings(
            (f"tel:{number}", client["id"], 0, None) for number in client["numbers"]
        )
    return packing.done()


def _left_at(entry: Entry, zone: ZoneInfo) -> datetime | None:
    """Return the moment from which an employee is gone: 00:00 after the last day of work."""
    if not entry.get("left_on"):
        return None
    following = date.fromisoformat(entry["left_on"]) + timedelta(days=1)
    return datetime.combine(following, time(), zone).astimezone(UTC)
