"""Recorded cases, run through verify, parse and fold: what differs, what was skipped and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.domain.calls import Call, Report
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
from ingest.telephony import (
    conformance_lookups,
    conformance_pulls,
    conformance_records,
    conformance_streams,
    expected,
)
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import (
    Case,
    account_of,
    kind_of,
    provider_of,
    read_case,
    received_at,
    requests_of,
    why_skipped,
)
from ingest.telephony.request import delivery_key


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
            greeting = self.provider.handshake and self.provider.handshake(request, self.account)
            if greeting:
                refused = "asked for a proof" if greeting.status >= 400 else None
                check = "a check of the set-up"
                return expected.Seen(ignored=check, refused=refused, response=greeting)
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
        reports = [Report(event=event, received_at=received_at(request, event)) for event in events]
        if receipt is Receipt.NEW:
            self.reports += reports
        return expected.Seen(reports=reports, response=response)


def main(directory: str) -> int:
    """Print how the cases beneath a directory fare; 0 if none failed, else 1."""
    if not Path(directory).is_dir():
        print(f"{directory} is no directory")  # noqa: T201
        return 1
    summary = run(Path(directory))
    print(summary)  # noqa: T201 - this is the command's output
    return 1 if summary.failed else 0


def run(directory: Path) -> Summary:
    """Run every recorded case beneath a directory."""
    summary = Summary()
    scenarios: dict[tuple[Path, str], list[tuple[str, Case]]] = {}
    for path in sorted(directory.rglob("*.json")):
        name = str(path.relative_to(directory))
        case = read_case(path)
        if case is None:
            summary.count(name, ["is no case: not a JSON object"])
        elif why := why_skipped(case, KINDS):
            summary.skip(name, why)
        elif "scenario" in case and kind_of(case) == "hook":
            scenarios.setdefault((path.parent, str(case["scenario"])), []).append((name, case))
        else:
            summary.count(name, _guarded(KINDS[kind_of(case)], case))
    for members in scenarios.values():
        members.sort(key=lambda member: (member[1].get("order", 0), member[0]))
        _run_scenario(members, summary)
    return summary


def _guarded(check: Callable[..., Iterator[str]], *arguments: object) -> list[str]:
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
        refusal = last.refused is not None and "http_status" in case["expect"]
        for mismatch in expected.response({} if refusal else raw.get("respond", {}), last.response):
            yield f"request {number}: {mismatch}"
    if last is not None:
        yield from expected.response(case["expect"].get("response", {}), last.response)
    view = expected.View(account=walk.account, tolerance_s=float(case.get("tolerance_s", 1)))
    if case["expect"].get("state") in expected.ENDS_OF_A_DELIVERY and last is not None:
        yield from view.delivery(case["expect"], last, _folded(walk.reports))
    else:
        yield from view.calls(case["expect"], _folded(walk.reports), last)


#: What runs a case, by its kind: yields where it is not as expected. One module for each kind
#: beside requests, such as `conformance_streams`.
KINDS: Mapping[str, Callable[[Case], Iterator[str]]] = {
    "hook": _whole,
    "lookup": conformance_lookups.check,
    "pull": conformance_pulls.check,
    "record": conformance_records.check,
    "stream": conformance_streams.check,
}


def _folded(reports: Sequence[Report]) -> list[Call]:
    return [fold(group) for group in tie(reports)]
