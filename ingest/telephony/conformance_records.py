"""Recorded files of call details, cut into records, read and folded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ingest.domain.calls import CallEvent, Report
from ingest.domain.deliveries import Account, Kind, Provider
from ingest.domain.records import Record
from ingest.telephony import expected
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import Case, account_of, provider_of
from ingest.telephony.fields import LATEST
from ingest.telephony.kept import Reader


def check(case: Case) -> Iterator[str]:
    """Yield where the calls of the case's files are not as it expects."""
    provider = provider_of(case)
    assert provider is not None, "skipped before"
    if Kind.RECORD not in provider.reads:
        yield f"{provider.name} reads no files"
        return
    reader = Reader(provider=provider, account=account_of(case))
    for record in records_of(case, provider, reader.account):
        reader.take(Kind.RECORD, record.body, record.head, _read_at(case))
    expect = {word: value for word, value in case["expect"].items() if word != "quarantined"}
    reports = [
        Report(event=report.event, received_at=_after(report.event, report.received_at))
        for report in reader.reports
    ]
    view = expected.View(account=reader.account, tolerance_s=float(case.get("tolerance_s", 1)))
    yield from view.calls(expect, [fold(group) for group in tie(reports)])
    yield from reader.parked_as(case["expect"])


def records_of(case: Case, provider: Provider, account: Account) -> list[Record]:
    """Return the records of a case's files, in order."""
    found: list[Record] = []
    for file in case["files"]:
        octets = str(file["body"]).encode("utf-8", "surrogatepass")
        records, _ = provider.files(str(file["name"]), octets, True, account)
        found += records
    return found


def _read_at(case: Case) -> datetime:
    written = case.get("received_at")
    return datetime.fromisoformat(written) if written else LATEST


def _after(event: CallEvent, read_at: datetime) -> datetime:
    """Return when a record was read: of a case that does not say, when the call was over."""
    stated = (event.occurred_at, event.started_at, event.answered_at, event.ended_at)
    if read_at != LATEST:
        return read_at
    return max((moment for moment in stated if moment), default=read_at)
