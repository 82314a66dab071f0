"""Mails: what was read from one message, and where it was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAddress:
    """One address of a header, normalised; the name is as its writer chose it."""

    address: str  #: normalised; "" where the header held none
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What is attached; the bytes stay in the delivery."""

    name: str | None
    type: str  #: as declared
    size: int  #: octets, decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message as read. Nothing here is trusted: all of it was written by strangers."""

    identity: str  #: UUID of Message-ID with a fingerprint of From, Date and Subject
    message_id: str | None = None  #: without angle brackets
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    from_: MailAddress | None = None
    reply_to: tuple[MailAddress, ...] = ()
    to: tuple[MailAddress, ...] = ()
    cc: tuple[MailAddress, ...] = ()
    subject: str = ""
    date: datetime | None = None  #: the sender's claim; shown, decides nothing
    received_top: datetime | None = None  #: time in the topmost Received header
    text: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    automatic: str | None = None  #: why a machine is thought to have sent it; None: a person
    warnings: tuple[str, ...] = ()  #: what was broken and how it was read
    opaque: str | None = None  #: why the body was left unread; the header was read


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """That a mailbox held this mail."""

    mailbox: str  #: id of the mailbox, never used twice
    folder: str
    uidvalidity: int
    uid: int
    sent: bool  #: seen in the folder of sent mail
    internal_date: datetime | None
    received_top: datetime | None = None  #: time in this copy's topmost Received header
    mail: str  #: identity
    first_received_at: datetime  #: when we kept it
