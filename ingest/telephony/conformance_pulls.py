"""Recorded answers of histories: what is read of them, compared with the calls they must give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ingest.domain.calls import Report
from ingest.domain.deliveries import (
    Account,
    Delivery,
    IgnoredDelivery,
    Kind,
    Provider,
    UnreadableDelivery,
)
from ingest.telephony import expected
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import Case, account_of, provider_of

#: Zone of naive times where a case does not name one.
ZONE_OF = {"uis": "Europe/Moscow"}
#: When an answer came whose case does not say: late enough to doubt no recorded time.
LATE = datetime(2090, 1, 1, tzinfo=UTC)


def check(case: Case) -> Iterator[str]:
    """Yield where the calls of one answer are not as the case expects."""
    provider = provider_of(case)
    assert provider is not None, "skipped before"
    account, delivery = _account(case), _delivery(case)
    wanted = case.get("expect_calls", [])
    try:
        reports = _reports(provider, account, delivery)
    except IgnoredDelivery as error:
        if wanted:
            yield f"it was ignored: {error}"
        return
    except UnreadableDelivery as error:
        if case.get("expect", {}).get("state") != "rejected":
            yield f"it cannot be read: {error}"
        return
    view = expected.View(account=account, tolerance_s=float(case.get("tolerance_s", 1)))
    yield from view.calls({"calls": wanted}, [fold(group) for group in tie(reports)])


def _reports(provider: Provider, account: Account, delivery: Delivery) -> list[Report]:
    read = provider.reads.get(Kind.PULL)
    if read is None:
        raise UnreadableDelivery(f"{provider.name} has no reader for answers of its history")
    events = read(delivery, account)
    return [Report(event=event, received_at=delivery.received_at) for event in events]


def _account(case: Case) -> Account:
    account, zone = account_of(case), ZONE_OF.get(str(case["provider"]))
    stated = (case.get("secret") or {}).get("timezone") or account.config.get("account_tz")
    return replace(account, zone=ZoneInfo(zone)) if zone and not stated else account


def _delivery(case: Case) -> Delivery:
    at = case.get("received_at")
    return Delivery(
        log="calls",
        partition=0,
        position=1,
        source="case",
        key="pull",
        received_at=datetime.fromisoformat(at) if at else LATE,
        head={"kind": str(Kind.PULL), "api": case.get("api")},
        body=str(case["response"].get("body", "")).encode("utf-8", "surrogatepass"),
    )
