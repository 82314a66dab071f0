"""Recorded conversations over TCP, run through a provider's talk, its readers and the fold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingest.domain.deliveries import Kind, Provider
from ingest.domain.streams import Message, Said, Talk
from ingest.telephony import expected
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import Case, account_of, provider_of
from ingest.telephony.conformance_records import records_of
from ingest.telephony.kept import Reader

#: Words about the connection, not about a call.
WORDS = frozenset({"connected", "error", "action", "quarantined"})


@dataclass(kw_only=True)
class Line:
    """One connection of a recorded conversation: the source's side of it."""

    talk: Talk
    ready: bool = False
    closed: bool = False
    failed: list[str] = field(default_factory=list)
    sent: bytes = b""

    def hear(self, data: bytes, now: datetime) -> Sequence[Message]:
        """Take one read; return what is to be kept."""
        return self.follow(self.talk.received(data, now))

    def follow(self, said: Said) -> Sequence[Message]:
        """Note what the talk says; return what is to be kept."""
        self.sent += said.send
        self.ready = self.ready or said.ready
        if said.failed is not None:
            self.failed.append(said.failed)
        return said.keep


def check(case: Case) -> Iterator[str]:
    """Yield where what was heard is not as the case expects.

    Files of the same calls, if the case has any, change nothing and double nothing.
    """
    provider = provider_of(case)
    assert provider is not None, "skipped before"
    if provider.talk is None:
        yield f"{provider.name} opens no connections"
        return
    reader = Reader(provider=provider, account=account_of(case))
    lines = replay(case, provider, reader)
    yield from _connections(case["expect"], lines)
    yield from _calls(case, reader)
    if case.get("files"):
        now = max(_moment(item) for item in case["transcript"])
        for record in records_of(case, provider, reader.account):
            reader.take(Kind.RECORD, record.body, record.head, now)
        for mismatch in _calls(case, reader):
            yield f"with its files: {mismatch}"


def replay(case: Case, provider: Provider, reader: Reader) -> list[Line]:
    """Feed each connection what came over it; one that was closed is opened anew."""
    assert provider.talk is not None
    open_now: dict[int, Line] = {}
    lines: list[Line] = []
    for item in case["transcript"]:
        if item.get("dir") != "S" and not item.get("close"):
            continue
        number = int(item.get("conn", 1))
        line = open_now.get(number)
        if line is None or line.closed:
            line = open_now[number] = Line(talk=provider.talk(reader.account))
            lines.append(line)
            _keep(reader, line.follow(line.talk.opened()), _moment(item))
        data = str(item.get("data") or "").encode("utf-8", "surrogatepass")
        if data and not line.failed:
            _keep(reader, line.hear(data, _moment(item)), _moment(item))
        line.closed = bool(item.get("close"))
    return lines


def _keep(reader: Reader, messages: Sequence[Message], now: datetime) -> None:
    for message in messages:
        reader.take(Kind.STREAM, message.body, message.head, now, message.event_id)


def _connections(expect: Mapping[str, Any], lines: Sequence[Line]) -> Iterator[str]:
    last = lines[-1] if lines else None
    connected = last is not None and last.ready and not (last.closed or last.failed)
    if "connected" in expect and expect["connected"] != connected:
        yield f"connected: {expect['connected']} expected, {connected} found"
    reasons = [reason for line in lines for reason in line.failed]
    if expect.get("error") and not any(_same(str(expect["error"]), each) for each in reasons):
        yield f"error: {expect['error']!r} expected, {reasons} found"
    if "error" in expect and not expect["error"] and reasons:
        yield f"error: none expected, {reasons} found"
    went_on = len(lines) < 2 and not reasons and not any(line.closed for line in lines)
    if expect.get("action") and went_on:
        yield f"action: {expect['action']!r} expected, the connection simply goes on"


def _same(wanted: str, found: str) -> bool:
    """Tell whether a reason says what is wanted, or that a login was refused, in other words."""
    plain = [" ".join(text.replace("_", " ").lower().split()) for text in (wanted, found)]
    login = ("auth", "login", "password", "credential", "secret")
    return plain[0] in plain[1] or all(any(word in text for word in login) for text in plain)


def _calls(case: Case, reader: Reader) -> Iterator[str]:
    expect = {word: value for word, value in case["expect"].items() if word not in WORDS}
    view = expected.View(account=reader.account, tolerance_s=float(case.get("tolerance_s", 1)))
    yield from view.calls(expect, [fold(group) for group in tie(reader.reports)])
    yield from reader.parked_as(case["expect"])


def _moment(item: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(item["at"])
