"""Recorded cases, run through verify, parse and fold: what differs, what was skipped and why.

The format of a case is that of the recorded cases beside the tests; docs/providers.md explains it.
Reading a case and walking its requests is here; what a call is compared with is in `expected`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ingest.domain.calls import Call, CallEvent, Report
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
from ingest.telephony import expected
from ingest.telephony.calls import fold, tie
from ingest.telephony.providers import PROVIDERS
from ingest.telephony.request import delivery_key

Case = Mapping[str, Any]

#: Folders named otherwise than our provider.
PROVIDER_OF = {"standard-webhooks": "generic"}
#: Region of national numbers where a case does not name one.
REGION_OF = {"mango": "RU", "megafon": "RU", "zadarma": "RU"}
#: Kinds of case that need more than a request, and what they need.
SKIPPED_KINDS = {
    "transcript": "a protocol of events over TCP",
    "files": "call records read from files",
    "directory": "a live answer",
}
TEST_ADDRESS = "192.0.2.1"  #: RFC 5737; the sender of cases that sign nothing


@dataclass(kw_only=True)
class Summary:
    """What a run found. `lines` are printed as they are, the last one counts."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    lines: list[str] = field(default_factory=list)

    def count(self, name: str, mismatches: Sequence[str]) -> None:
        """Count one case, and note each of its mismatches."""
        self.passed += not mismatches
        self.failed += bool(mismatches)
        self.lines += [f"FAILED {name}: {mismatch}" for mismatch in mismatches]

    def skip(self, name: str, why: str) -> None:
        """Count one case as skipped, by name."""
        self.skipped += 1
        self.lines.append(f"skipped {name}: {why}")

    def __str__(self) -> str:
        counts = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
        return "\n".join([*self.lines, counts])


@dataclass(kw_only=True)
class Walk:
    """One source while its cases are delivered: what came, and the reports so far."""

    provider: Provider
    account: Account
    kept: set[str] = field(default_factory=set)
    reports: list[Report] = field(default_factory=list)

    def deliver(self, request: HookRequest) -> expected.Seen:
        """Take one request as the public door and the worker would."""
        try:
            self.provider.verify(request, self.account)
        except BadSignature as error:
            return expected.Seen(refused=str(error), response=HookResponse(status=401))
        key = delivery_key(request, self.provider.key(request, self.account))
        receipt = Receipt.REPEATED if key in self.kept else Receipt.NEW
        self.kept.add(key)
        response = self.provider.answer(request, self.account, receipt)
        try:
            events = list(self.provider.parse(request, self.account))
        except (IgnoredDelivery, UnreadableDelivery) as error:
            return expected.Seen(ignored=str(error), response=response)
        reports = [Report(event=event, received_at=_received(request, event)) for event in events]
        if receipt is Receipt.NEW:
            self.reports += reports
        return expected.Seen(reports=reports, response=response)


def main(directory: str) -> int:
    """Print how the cases beneath a directory fare; 0 if none failed."""
    summary = run(Path(directory))
    print(summary)  # noqa: T201 - this is the command's output
    return 1 if summary.failed else 0


def run(directory: Path) -> Summary:
    """Run every recorded case beneath a directory."""
    summary = Summary()
    scenarios: dict[tuple[Path, str], list[tuple[str, Case]]] = {}
    for path in sorted(directory.rglob("*.json")):
        name = str(path.relative_to(directory))
        case = _read(path)
        if case is None:
            summary.count(name, ["is no case: not a JSON object"])
        elif why := _why_skipped(case):
            summary.skip(name, why)
        elif "scenario" in case:
            scenarios.setdefault((path.parent, str(case["scenario"])), []).append((name, case))
        else:
            summary.count(name, _guarded(_whole, case))
    for members in scenarios.values():
        members.sort(key=lambda member: (member[1].get("order", 0), member[0]))
        _run_scenario(members, summary)
    return summary


def requests_of(case: Case) -> list[HookRequest]:
    """Return the requests that a case delivers, in order of arrival."""
    recorded = case["requests"] if "requests" in case else [case["request"]]
    return [_request(each) for each in recorded]


def account_of(case: Case) -> Account:
    """Return the source that a case is delivered to."""
    secret, config = dict(case.get("secret") or {}), dict(case.get("config") or {})
    tolerance_s = float(secret.pop("tolerance_s", 300.0))
    zone = secret.pop("timezone", None) or config.get("account_tz") or "UTC"
    return Account(
        source="case",
        secrets=(secret,) if secret else (),
        zone=ZoneInfo(zone),
        region=config.get("default_region") or REGION_OF.get(case["provider"], "ZZ"),
        own_numbers=tuple(config.get("own_numbers", ())),
        config=config,
        public_url=config.get("public_base_url", ""),
        tolerance_s=tolerance_s,
        unsigned_from=() if secret else (TEST_ADDRESS,),
    )


def provider_of(case: Case) -> Provider | None:
    """Return the provider that speaks as this case does, if we have it."""
    name = str(case.get("provider"))
    return PROVIDERS.get(PROVIDER_OF.get(name, name))


def _read(path: Path) -> Case | None:
    try:
        case = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return case if isinstance(case, dict) else None


def _why_skipped(case: Case) -> str | None:
    if case.get("kind") == "pull":
        return "a history that is asked for"
    for key, why in SKIPPED_KINDS.items():
        if key in case:
            return why
    if case.get("expect", {}).get("state") == "lookup":
        return "a live answer"
    if provider_of(case) is None:
        return f"no provider {case.get('provider')!r} yet"
    if "request" not in case and "requests" not in case:
        return "no request"
    return None


def _guarded(check: Any, *arguments: Any) -> list[str]:
    """Return a check's mismatches; a case that breaks it has failed, not the run."""
    try:
        return list(check(*arguments))
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def _walk(case: Case) -> Walk:
    provider = provider_of(case)
    assert provider is not None, "skipped before"
    return Walk(provider=provider, account=account_of(case))


def _run_scenario(members: Sequence[tuple[str, Case]], summary: Summary) -> None:
    """Deliver the one-request cases of a scenario to one source, in their order."""
    walk = _walk(members[0][1])
    for name, case in members:
        summary.count(name, _guarded(_step, walk, case))


def _step(walk: Walk, case: Case) -> Iterator[str]:
    """Yield where one delivered request, or the call so far, is not as the case expects."""
    walk.account = account_of(case)
    [request] = requests_of(case)
    seen = walk.deliver(request)
    tolerance_s = float(case.get("tolerance_s", 0))
    alone = expected.View(account=walk.account, tolerance_s=tolerance_s, alone=True)
    yield from alone.delivery(case["expect"], seen, _folded(seen.reports))
    yield from expected.response(case.get("expect_response", {}), seen.response)
    if "expect_merged" in case:
        merged = expected.View(account=walk.account, tolerance_s=tolerance_s)
        for mismatch in merged.calls(case["expect_merged"], _folded(walk.reports)):
            yield f"merged: {mismatch}"


def _whole(case: Case) -> Iterator[str]:
    """Yield where the calls after all requests, or an answer, are not as the case expects."""
    walk = _walk(case)
    recorded = case["requests"] if "requests" in case else [case["request"]]
    last = None
    for number, (raw, request) in enumerate(zip(recorded, requests_of(case), strict=True), 1):
        last = walk.deliver(request)
        for mismatch in expected.response(raw.get("respond", {}), last.response):
            yield f"request {number}: {mismatch}"
    view = expected.View(account=walk.account, tolerance_s=float(case.get("tolerance_s", 1)))
    if case["expect"].get("state") in expected.ENDS_OF_A_DELIVERY and last is not None:
        yield from view.delivery(case["expect"], last, _folded(walk.reports))
    else:
        yield from view.calls(case["expect"], _folded(walk.reports), last)


def _folded(reports: Sequence[Report]) -> list[Call]:
    return [fold(group) for group in tie(reports)]


def _request(recorded: Mapping[str, Any]) -> HookRequest:
    raw_path, _, query = str(recorded["path"]).partition("?")
    beneath = "/".join(raw_path.split("/")[3:])  # behind /webhooks/<provider>
    return HookRequest(
        method=recorded["method"],
        path=f"/{beneath}" if raw_path.count("/") > 2 else "",
        query=query,
        headers=tuple((name.lower(), value) for name, value in recorded["headers"].items()),
        body=recorded.get("body", "").encode("utf-8", "surrogatepass"),
        url=recorded.get("url", f"https://hooks.example.test{recorded['path']}"),
        received_at=_moment(recorded.get("received_at")),
        peer=TEST_ADDRESS,
    )


#: Of a case that does not say when the request came: late enough to doubt no recorded time.
_UNSAID = datetime(2090, 1, 1, tzinfo=UTC)


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else _UNSAID


def _received(request: HookRequest, event: CallEvent) -> datetime:
    """Return when a report was received: the event's own time where the case does not say."""
    if request.received_at != _UNSAID:
        return request.received_at
    stated = (event.occurred_at, event.started_at, event.answered_at, event.ended_at)
    return max((moment for moment in stated if moment), default=_UNSAID)
