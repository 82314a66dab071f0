"""From UIDs to deliveries: one batch of messages read from an open folder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from ingest.domain.deliveries import NewDelivery
from ingest.mail.cursor import seen_name
from ingest.mail.folders import Folder
from ingest.mail.imap import HEADER_MAX, Limits, Session
from ingest.mail.imap_protocol import Refused
from ingest.mail.imap_words import Fetched
from ingest.mail.message import header_identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where messages are taken from."""

    mailbox: str
    folder: Folder
    uidvalidity: int
    received_at: datetime
    imported: bool = False  #: they lay there before the mailbox was followed


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it was read."""

    outline: Fetched
    raw: bytes  #: whole, or the header alone
    known: str | None = None  #: identity of a mail that is kept already
    missing: str | None = None  #: why only a part of it was read


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one batch came to."""

    covered: tuple[int, ...]  #: UIDs in the order asked; all that exists of them is here
    deliveries: tuple[NewDelivery, ...]
    seen: Mapping[str, int]  #: memory: identities of the mails kept, with their sizes
    recognised: int
    newest: datetime | None = None  #: when the newest of them came in, as the server says
    outlined: Mapping[int, Fetched] = field(default_factory=dict)  #: of all that was asked
    ahead: Mapping[int, Fetched] | None = None  #: outlines of what was wanted next, if they came


def joined(batches: Sequence[Batch]) -> Batch:
    """Return several batches, one behind the other, as one."""
    if len(batches) == 1:
        return batches[0]
    return Batch(
        covered=tuple(uid for batch in batches for uid in batch.covered),
        deliveries=tuple(new for batch in batches for new in batch.deliveries),
        seen={name: size for batch in batches for name, size in batch.seen.items()},
        recognised=sum(batch.recognised for batch in batches),
        newest=batches[-1].newest,
    )


Known = Callable[[Iterable[str]], Awaitable[Mapping[str, int]]]
"""Given identities, returns the sizes of those whose mail this mailbox holds already."""

GiveUpOn = Callable[[int], bool]
"""Asked at each refusal of one message, by UID: whether the server has refused it for good."""


async def take(
    session: Session,
    place: Place,
    uids: Sequence[int],
    *,
    limits: Limits,
    most_bytes: int,
    known: Known | None = None,
    give_up_on: GiveUpOn = lambda uid: True,
    outlined: Mapping[int, Fetched] | None = None,
    then: Sequence[int] = (),
) -> Batch:
    """Read these messages in this order, as many as fit; what was expunged meanwhile is skipped.

    With `known` their headers are looked at first, and mails held already are not read again.
    `outlined` is what is known of their sizes from before; the outlines of `then` are asked
    together with the messages. Raises Refused for a mail that the server will not give out, until
    `give_up_on` says that this is for good; then as much of it is kept as can be had.
    """
    if outlined is None:
        outlined = await _outlines(session, uids, give_up_on)
    elif missing := [uid for uid in uids if uid not in outlined]:
        # What was asked together with something else and did not come is asked for again, alone:
        # only then is it taken for expunged.
        outlined = {**outlined, **await _outlines(session, missing, give_up_on)}
    covered, outlines = _fitting(uids, outlined, limits, most_bytes)
    recognised = await _recognise(session, outlines, known) if known else {}
    anew = [each for each in outlines if each.uid not in recognised]
    messages, ahead = await _read(session, anew, limits, give_up_on, then)
    messages.update(
        (each.uid, Message(outline=each, raw=b"", known=recognised[each.uid]))
        for each in outlines
        if each.uid in recognised
    )
    ordered = [messages[uid] for uid in covered if uid in messages]
    deliveries, seen = await asyncio.to_thread(_deliveries, place, ordered)
    moments = [each.internal_date for each in outlines if each.internal_date is not None]
    return Batch(
        covered=tuple(covered),
        deliveries=deliveries,
        seen=seen,
        recognised=len(recognised),
        newest=max(moments, default=None),
        outlined=outlined,
        ahead=ahead,
    )


async def _outlines(
    session: Session, uids: Sequence[int], give_up_on: GiveUpOn
) -> dict[int, Fetched]:
    """Return sizes, dates and flags; of a message refused for good nothing but its UID."""
    try:
        return await session.outlines(uids)
    except Refused:
        if len(uids) > 1:
            alone = [await _outlines(session, [uid], give_up_on) for uid in uids]
            return {uid: outline for found in alone for uid, outline in found.items()}
        if not give_up_on(uids[0]):
            raise
        return {uids[0]: Fetched(uid=uids[0])}


def _fitting(
    uids: Sequence[int], found: Mapping[int, Fetched], limits: Limits, most_bytes: int
) -> tuple[list[int], list[Fetched]]:
    """Return the UIDs up to where the bytes are used up, and the messages among them."""
    covered: list[int] = []
    outlines: list[Fetched] = []
    room = most_bytes
    for uid in uids:
        outline = found.get(uid)
        if outline is not None:
            size = limits.slice_bytes if outline.size is None else outline.size
            if outlines and size > room:
                break
            room -= size
            outlines.append(outline)
        covered.append(uid)
    return covered, outlines


async def _recognise(session: Session, outlines: Sequence[Fetched], known: Known) -> dict[int, str]:
    """Return the identities of those messages that this mailbox holds already, by UID."""
    headers = await session.headers([each.uid for each in outlines])
    identities = await asyncio.to_thread(
        lambda: {uid: identity_by_header(each.content or b"") for uid, each in headers.items()}
    )
    sizes = await known({identity for identity in identities.values() if identity})
    return {
        each.uid: identity
        for each in outlines
        if (identity := identities.get(each.uid)) and sizes.get(identity, -1) == each.size
    }


async def _read(
    session: Session,
    outlines: Sequence[Fetched],
    limits: Limits,
    give_up_on: GiveUpOn,
    then: Sequence[int] = (),
) -> tuple[dict[int, Message], dict[int, Fetched] | None]:
    """Read messages together; where the server refuses, one by one, so that one cannot block.

    Also returns the outlines of `then`, or None if they did not come.
    """
    fitting = [each for each in outlines if (each.size or 0) <= limits.mail_max_bytes]
    larger = [each for each in outlines if (each.size or 0) > limits.mail_max_bytes]
    ahead: dict[int, Fetched] | None = None
    try:
        if then:
            bodies, ahead = await session.bodies_and_outlines(fitting, then)
        else:
            bodies = await session.bodies(fitting)
        # What was there a moment ago and does not come is asked for once more: only then is it
        # taken for expunged.
        bodies |= await session.bodies([each for each in fitting if each.uid not in bodies])
    except Refused:
        if len(outlines) > 1 or then:
            alone = [await _read(session, [each], limits, give_up_on) for each in outlines]
            return {uid: message for found, _ in alone for uid, message in found.items()}, None
        [outline] = fitting
        if not give_up_on(outline.uid):
            raise
        refused = "the mail server refuses to give it out"
        return await _headers_only(session, outline, refused), None
    found = {
        each.uid: Message(outline=each, raw=bodies[each.uid])
        for each in fitting
        if each.uid in bodies
    }
    for each in larger:
        reason = f"it is larger than {limits.mail_max_bytes} octets"
        found.update(await _headers_only(session, each, reason))
    return found, ahead


async def _headers_only(session: Session, outline: Fetched, reason: str) -> dict[int, Message]:
    try:
        header = (await session.headers([outline.uid])).get(outline.uid)
    except Refused:
        header = outline
    if header is None:
        return {}
    return {outline.uid: Message(outline=outline, raw=header.content or b"", missing=reason)}


def _deliveries(
    place: Place, messages: Sequence[Message]
) -> tuple[tuple[NewDelivery, ...], dict[str, int]]:
    seen: dict[str, int] = {}
    for message in messages:
        identity = message.known or identity_by_header(message.raw)
        if identity and message.outline.size is not None:
            seen[seen_name(place.mailbox, identity)] = message.outline.size
    return tuple(_delivery(place, message) for message in messages), seen


def _delivery(place: Place, message: Message) -> NewDelivery:
    outline, folder = message.outline, place.folder
    digest = sha256(message.raw).digest()
    print_of = message.known or digest.hex()
    moment = outline.internal_date
    head: dict[str, Any] = {
        "mailbox": place.mailbox,
        "folder": folder.name,
        "uidvalidity": place.uidvalidity,
        "uid": outline.uid,
        "internal_date": moment.isoformat().replace("+00:00", "Z") if moment else None,
        "sent": folder.sent,
        "size": outline.size,
        "flags": list(outline.flags),
    }
    if place.imported:
        head["imported"] = True
    if message.known:
        head["resighted"] = message.known
    if message.missing:
        head |= {"truncated": True, "truncated_because": message.missing}
    return NewDelivery(
        source=place.mailbox,
        key=f"mail:{folder.name}:{place.uidvalidity}:{outline.uid}:{print_of}",
        received_at=place.received_at,
        head=head,
        body=message.raw,
        digest=digest,
    )


def identity_by_header(raw: bytes) -> str | None:
    """Return the identity that a header gives; None: only the whole mail can tell."""
    end = raw.find(b"\r\n\r\n", 0, HEADER_MAX)
    try:
        return header_identity(raw if end < 0 else raw[: end + 4])
    except Exception:  # a header must never stop a mailbox; the reader will say what is wrong
        return None
