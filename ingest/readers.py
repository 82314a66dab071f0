"""Read: from kept bytes to call events or a mail; what cannot be read is said why.

Reading is pure but for the mails, which a child process reads (`children`); it is handed in.
A delivery has three ends: read, ignored because, parked because.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from ingest.domain.calls import CallEvent, CallStage, Direction
from ingest.domain.deliveries import (
    Account,
    Delivery,
    End,
    IgnoredDelivery,
    Kind,
    Provider,
    UnreadableDelivery,
    request_of,
)
from ingest.domain.mails import Mail, Sighting

Sources = Mapping[str, tuple[Provider, Account]]
ReadMails = Callable[[Sequence[bytes]], Sequence[Mail | str]]  #: a mail, or why it is none

#: The source that closes calls which never ended on the wire; no other can have its name.
CLOCK = "!clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one delivery says, or why it says nothing."""

    delivery: Delivery
    end: End
    reason: str | None = None
    events: tuple[tuple[str, CallEvent], ...] = ()  #: with the source they belong to
    mail: Mail | None = None  #: None also for a mail that was read at an earlier sighting
    sighting: Sighting | None = None


def read(batch: Sequence[Delivery], sources: Sources, read_mails: ReadMails) -> list[Reading]:
    """Return what each delivery says, in the order given."""
    mails = [it for it in batch if it.log == "mail" and it.body and "resighted" not in it.head]
    read_by_id = dict(zip((it.id for it in mails), _bodies(mails, read_mails), strict=True))
    return [_read_one(it, sources, read_by_id.get(it.id)) for it in batch]


def _read_one(delivery: Delivery, sources: Sources, mail: Mail | str | None) -> Reading:
    try:
        if delivery.log == "mail":
            return _read_mail(delivery, mail)
        return _read_call(delivery, sources)
    except Exception as error:  # a reader's fault is one delivery's trouble, not its neighbours'
        return _parked(delivery, f"reading it failed: {type(error).__name__}")


def _bodies(mails: Sequence[Delivery], read_mails: ReadMails) -> Sequence[Mail | str]:
    return read_mails([it.body or b"" for it in mails]) if mails else []


def _read_call(delivery: Delivery, sources: Sources) -> Reading:
    if delivery.source == CLOCK:
        return _read_closing(delivery)
    known = sources.get(delivery.source)
    if known is None:
        return _parked(delivery, f"no source is named {delivery.source}")
    provider, account = known
    try:
        events = _events(delivery, provider, account)
    except IgnoredDelivery as ignored:
        return Reading(delivery=delivery, end=End.IGNORED, reason=str(ignored))
    except UnreadableDelivery as unreadable:
        return _parked(delivery, str(unreadable))
    except Exception as error:  # a reader's fault is one delivery's trouble, not its neighbours'
        return _parked(delivery, f"the reader of {provider.name} failed: {type(error).__name__}")
    if not events:
        return Reading(delivery=delivery, end=End.IGNORED, reason="it reports no call")
    if account.config.get("show_withheld") is not True:
        events = [private(event) for event in events]
    named = tuple((delivery.source, event) for event in events)
    return Reading(delivery=delivery, end=End.READ, events=named)


def private(event: CallEvent) -> CallEvent:
    """Return the event without a number that came with its owner's wish that it be hidden.

    A source's setting `show_withheld` keeps it, where the law and the contract allow that.
    """
    theirs = event.direction in (None, Direction.INBOUND)  # a call out shows our own number
    return replace(event, caller=None) if event.withheld and event.caller and theirs else event


def _events(delivery: Delivery, provider: Provider, account: Account) -> Sequence[CallEvent]:
    if delivery.kind is Kind.HOOK:
        return provider.parse(request_of(delivery), account)
    read_it = provider.reads.get(delivery.kind)
    if read_it is None:
        raise UnreadableDelivery(f"{provider.name} has no reader for a {delivery.kind}")
    if delivery.body is None:
        raise UnreadableDelivery("the raw bytes have expired by policy")
    return read_it(delivery, account)


def closing(source: str, call_key: str, reason: str) -> bytes:
    """Return the body of the clock's delivery that closes a call, for `read` to understand."""
    return msgspec.json.encode({"source": source, "call_key": call_key, "reason": reason})


def _read_closing(delivery: Delivery) -> Reading:
    if delivery.body is None:
        return _parked(delivery, "the raw bytes have expired by policy")
    said: dict[str, Any] = msgspec.json.decode(delivery.body)
    event = CallEvent(
        call_keys=(said["call_key"],),
        stage=CallStage.STALE,
        occurred_at=delivery.received_at,
    )
    return Reading(delivery=delivery, end=End.READ, events=((said["source"], event),))


def _read_mail(delivery: Delivery, found: Mail | str | None) -> Reading:
    resighted = delivery.head.get("resighted")
    if isinstance(found, str):
        return _parked(delivery, found)
    if found is None and resighted is None:
        return _parked(delivery, "the raw bytes are empty or have expired by policy")
    mail = found
    if mail is not None and "truncated" in delivery.head:
        because = delivery.head.get("truncated_because") or "only its headers were fetched"
        mail = replace(mail, warnings=(*mail.warnings, str(because)))
    identity = mail.identity if mail is not None else str(resighted)
    top = mail.received_top if mail is not None else None
    seen = _sighting(delivery, identity, top)
    return Reading(delivery=delivery, end=End.READ, mail=mail, sighting=seen)


def _sighting(delivery: Delivery, identity: str, top: datetime | None) -> Sighting:
    head = delivery.head
    dated = head.get("internal_date")
    return Sighting(
        mailbox=delivery.source,
        folder=str(head.get("folder", "")),
        uidvalidity=int(head.get("uidvalidity", 0)),
        uid=int(head.get("uid", 0)),
        sent=bool(head.get("sent", False)),
        internal_date=datetime.fromisoformat(dated) if dated else None,
        received_top=top,
        mail=identity,
        first_received_at=delivery.received_at,
    )


def _parked(delivery: Delivery, reason: str) -> Reading:
    return Reading(delivery=delivery, end=End.PARKED, reason=reason)
