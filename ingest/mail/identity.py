"""Who a mail is: the same in every mailbox that holds it, and nobody else's.

The Message-ID alone would let a stranger hide a mail behind another's id, so that the second
one counts as seen. The identity therefore covers what the sender wrote and no server changes:
the id, the address in From, the moment in Date, the Subject. Received, Delivered-To and other
fields that servers add differ between mailboxes and are not in it.
"""

from __future__ import annotations

import hashlib
from datetime import UTC
from uuid import UUID

from ingest.mail.dates import read_date
from ingest.mail.headers import Headers
from ingest.mail.text import clean
from ingest.mail.threads import message_id

#: Never changed: every identity ever stored was made with it.
NAMESPACE = UUID("6f1c1f9a-7f43-5b0e-9c0b-5d3f0a8c2e17")

#: Where a UUID says how it was made, and what it says there of a name's hash (RFC 9562, 5.5).
_VERSION_AND_VARIANT = 0xF << 76 | 0x3 << 62
_VERSION_5 = 5 << 76 | 0x2 << 62


def identity_of(headers: Headers, body: bytes | None) -> str | None:
    """Return the identity of a mail.

    A mail without Message-ID is known by its recipients and body as well; where the body
    is not at hand (`None`) that gives None, and the caller fetches the whole message.
    """
    own_id = message_id(headers.raw("message-id"))
    if own_id is not None:
        return _uuid5(f"{clean(own_id)}\n{_fingerprint(headers)}")
    if body is None:
        return None
    people = ",".join(person.address for person in headers.people("to"))
    digest = hashlib.sha256(body.replace(b"\r\n", b"\n").rstrip()).hexdigest()
    return _uuid5(f"\n{_fingerprint(headers)}\n{people}\n{digest}")


def _uuid5(name: str) -> str:
    """Return `str(uuid.uuid5(NAMESPACE, name))`, at a third of its cost."""
    octets = hashlib.sha1(NAMESPACE.bytes + name.encode(), usedforsecurity=False).digest()
    number = int.from_bytes(octets[:16])
    number = number & ~_VERSION_AND_VARIANT | _VERSION_5
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _fingerprint(headers: Headers) -> str:
    """Return a hash of From, Date and Subject, deaf to folding, encoding and zones."""
    sender = next(iter(headers.people("from")), None)
    stated = headers.text("date") or ""
    moment = read_date(stated)
    parts = (
        (sender.address or sender.name or "") if sender else "",
        moment.astimezone(UTC).isoformat() if moment else stated,
        headers.text("subject") or "",
    )
    return hashlib.sha256(clean("\n".join(parts)).encode()).hexdigest()
