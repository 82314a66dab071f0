"""A message as it lay in a mailbox, read into a `Mail`.

Everything here was written by strangers. What is broken is read as well as it can be, with a
warning; a body that would cost too much is left unread, with the reason in `Mail.opaque`; only
what is no message at all raises UnreadableDelivery.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ingest.domain.deliveries import UnreadableDelivery
from ingest.domain.mails import Mail, MailAddress, PassageKind
from ingest.mail.automatic import Shape, why_automatic
from ingest.mail.body import Body, read_body
from ingest.mail.bounces import failed_recipients
from ingest.mail.charsets import decode
from ingest.mail.dates import received_at, stated_date
from ingest.mail.forwarded import prefix_of, senders_attached, senders_within
from ingest.mail.headers import ESSENTIAL, Headers, split
from ingest.mail.identity import identity_of
from ingest.mail.limits import LIMITS, Limits
from ingest.mail.participants import read_addresses
from ingest.mail.parts import read_parts
from ingest.mail.passages import part
from ingest.mail.pgp import is_encrypted
from ingest.mail.signed import name_in, numbers_written
from ingest.mail.text import clean
from ingest.mail.threads import message_id, message_ids
from ingest.mail.tree import Part, UnreadBody
from ingest.mail.webform import form_fields
from ingest.mail.wrappers import sealed

_LONGEST_SUBJECT = 2_000  #: characters
_LOOKED_AT = 65_536  #: octets that show how lines end
_DOUBLED = re.compile(rb"\r\r\n")
_WORDS = re.compile(rb"[^\r\n\t \0]")
_STATUS_REPORTS = ("message/delivery-status", "message/global-delivery-status")


def parse(raw: bytes, *, limits: Limits = LIMITS) -> Mail:
    """Return the message as a Mail, in bounded time and memory.

    Raises UnreadableDelivery, and nothing else, for octets that are no message.
    """
    raw = _with_line_ends(raw)
    if not _WORDS.search(raw):
        raise UnreadableDelivery("the message is empty")
    headers, start = split(raw, limits=limits)
    if not any(name in ESSENTIAL for name, _ in headers.fields):
        raise UnreadableDelivery("no field of a mail header in it: this is no message")
    root, warnings, opaque = _tree(raw, start, headers, limits)
    body = read_body(root, limits=limits)
    identity = identity_of(headers, raw[start:] if "message-id" not in headers else b"")
    opaque = opaque or sealed(root) or ("encrypted with PGP" if is_encrypted(body.text) else None)
    warnings = tuple(dict.fromkeys((*headers.broken, *warnings, *body.warnings)))
    mail = _mail(
        headers, body, root, limits, identity=identity or "", warnings=warnings, opaque=opaque
    )
    return _understood(mail, root, headers)


def header_identity(header: bytes) -> str | None:
    """Return a mail's identity from its header alone, as a follower fetches it.

    None where the mail has no Message-ID: its identity needs the body, see `identity`.
    """
    headers, _ = split(_with_line_ends(header))
    return identity_of(headers, None)


def tree_of(raw: bytes, *, limits: Limits = LIMITS) -> Part:
    """Return the parts that `parse` reads of the same octets. Raises UnreadBody."""
    raw = _with_line_ends(raw)
    headers, start = split(raw, limits=limits)
    return read_parts(_whole(raw, start, headers), limits=limits)[0]


def _with_line_ends(raw: bytes) -> bytes:
    """Return the message with line ends that parsers know: bare and doubled CR are mended."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if raw[:1] in (b"\r", b"\n"):  # exporters of mailboxes leave empty lines in front
        raw = raw.lstrip(b"\r\n")
    if raw.find(b"\n", 0, _LOOKED_AT) < 0:
        return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    doubled = _DOUBLED.search(raw, 0, _LOOKED_AT)  # by a pattern: it passes quicker over files
    return raw.replace(b"\r\r\n", b"\r\n") if doubled else raw


def _tree(
    raw: bytes, start: int, headers: Headers, limits: Limits
) -> tuple[Part, tuple[str, ...], str | None]:
    """Return the parts, what was mended in them, and why they were left unread, if so."""
    try:
        root, warnings = read_parts(_whole(raw, start, headers), limits=limits)
    except UnreadBody as error:
        return Part(type="application/octet-stream"), (), str(error)
    return root, warnings, None


def _whole(raw: bytes, start: int, headers: Headers) -> bytes:
    """Return the message, a broken one under the few fields that say how its body is built.

    A broken or endless header never reaches the parsers of others.
    """
    if not headers.broken:
        return raw
    fields = b"".join(
        b"%b: %b\r\n" % (name.encode(), value[:8_192])
        for name, value in headers.fields
        if name.startswith("content-")
    )
    return fields + b"\r\n" + raw[start:]


def _mail(
    headers: Headers,
    body: Body,
    root: Part,
    limits: Limits,
    *,
    identity: str,
    warnings: tuple[str, ...],
    opaque: str | None,
) -> Mail:
    """Return the mail with its text parted; what the parts say is read by `_understood`."""
    answered = message_ids(headers.raw("in-reply-to"))
    senders = _people(headers, "from", limits) or _people(headers, "sender", limits)
    own_id = message_id(headers.raw("message-id"))
    subject = clean(headers.text("subject") or "")[:_LONGEST_SUBJECT]
    return Mail(
        identity=identity,
        message_id=clean(own_id) if own_id else None,
        in_reply_to=clean(answered[0]) if answered else None,
        references=tuple(map(clean, message_ids(headers.raw("references"))))[-limits.references :],
        from_=senders[0] if senders else None,
        reply_to=_known(_people(headers, "reply-to", limits)),
        to=_known(_people(headers, "to", limits)),
        cc=_known(_people(headers, "cc", limits)),
        subject=subject,
        date=stated_date(headers.text("date")),
        received_top=received_at(headers.raw("received")),
        text=body.text,
        html=body.html,
        attachments=body.attachments,
        automatic=why_automatic(headers, _shape(root)),
        warnings=warnings,
        opaque=opaque,
        passages=part(
            body.text,
            quotes=body.quotes,
            answers=bool(answered) or prefix_of(subject) is not None,
            sender=senders[0].name if senders else None,
        ),
    )


def _understood(mail: Mail, root: Part, headers: Headers) -> Mail:
    """Return the mail with what the parts of its text say."""
    if mail.automatic == "bounce":
        report = next((it.content for it in root.walk() if it.type in _STATUS_REPORTS), None)
        return replace(mail, failed=failed_recipients(headers, report, mail.text))
    signature = mail.passage(PassageKind.SIGNATURE)
    attached = (it.content for it in root.walk() if it.type == "message/rfc822")
    named = mail.from_.name if mail.from_ else None
    said: dict[str, Any] = {
        "forwarded": senders_within(mail.text, mail.subject) or senders_attached(attached),
        "signed": name_in(signature, named) if signature else None,
        "phones": numbers_written(signature) if signature else (),
        "form_fields": form_fields(mail.text) if "@" in mail.text else (),
    }
    return replace(mail, **said) if any(said.values()) else mail  # to copy it is dear


def _people(headers: Headers, name: str, limits: Limits) -> tuple[MailAddress, ...]:
    """Return the addresses of all fields of that name: some mailers write one field each."""
    most = limits.addresses
    people = headers.people(name, limit=most)
    if headers.count(name) > 1:
        more = headers.all_raw(name)[1:most]
        people += tuple(person for field in more for person in read_addresses(field, limit=most))
    return people[:most]


def _known(people: tuple[MailAddress, ...]) -> tuple[MailAddress, ...]:
    """Return those with an address, each address once: nobody else can be written back to."""
    first: dict[str, MailAddress] = {}
    for person in people:
        if person.address:
            first.setdefault(person.address, person)
    return tuple(first.values())


def _shape(root: Part) -> Shape:
    parts = list(root.walk())
    calendar = next((part for part in parts if part.type == "text/calendar"), None)
    return Shape(
        type=root.type,
        report_type=root.params.get("report-type", "").lower() or None,
        part_types=frozenset(part.type for part in parts),
        calendar_method=_method(calendar) if calendar else None,
    )


def _method(calendar: Part) -> str | None:
    """Return what a calendar part asks for, from its header, else from its own line."""
    if "method" in calendar.params:
        return calendar.params["method"].strip().lower()
    text, _ = decode(calendar.content[:8_192], "utf-8", whole=False)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "method":
            return value.strip().lower()
    return None
