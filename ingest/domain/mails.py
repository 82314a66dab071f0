"""Mails: what was read from one message, and where it was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
    digest: str | None = None  #: SHA-256 of the octets, in hex; None: torn, or read before
    looks: str | None = None  #: media type by the first octets; None: they tell nothing


class PassageKind(StrEnum):
    """Who wrote a part of a mail's text."""

    NEW = "new"  #: the sender, in this mail; also what cannot be told
    QUOTE = "quote"  #: an earlier mail, with the line or block that introduces it
    SIGNATURE = "signature"  #: the sender's closing words, card or device


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One run of whole lines of a mail's text."""

    kind: PassageKind
    start: int  #: in characters of `Mail.text`
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """Who wrote the mail that this mail forwards, as its forwarder's program states it."""

    address: str | None  #: normalised; None: only a name is stated
    name: str | None = None
    date: str | None = None  #: as written: every program and language has its own form
    subject: str | None = None
    attached: bool = False  #: the mail itself is attached; else it is copied into the text


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRecipient:
    """An address that a bounce says was not reached."""

    address: str  #: normalised
    hard: bool  #: it will not be reached later either
    status: str | None = None  #: such as 5.1.1, by RFC 3463
    reason: str | None = None  #: what the other server said


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A line `label: address` in a mail's text, as web forms write it."""

    label: str
    address: str  #: normalised


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
    passages: tuple[Passage, ...] = ()  #: the text in order; (): read before it was parted
    forwarded: tuple[Forwarded, ...] = ()  #: of a forwarded mail; the outermost forward first
    failed: tuple[FailedRecipient, ...] = ()  #: of a bounce
    signed: str | None = None  #: the name in the signature
    phones: tuple[str, ...] = ()  #: numbers in the signature, as written
    form_fields: tuple[FormField, ...] = ()  #: lines `label: address` of the newly written text

    def passage(self, kind: PassageKind) -> str:
        """Return the passages of one kind, with a line between them; needs the mail's text."""
        found = (
            self.text[it.start : it.end].strip("\n") for it in self.passages if it.kind is kind
        )
        return "\n".join(text for text in found if text.strip())

    @property
    def new_text(self) -> str:
        """Return what the sender newly wrote, all of the text where it was never parted."""
        return self.passage(PassageKind.NEW) if self.passages else self.text

    @property
    def quoted(self) -> str:
        """Return what was copied from earlier mails."""
        return self.passage(PassageKind.QUOTE)

    @property
    def signature(self) -> str:
        """Return the sender's signature."""
        return self.passage(PassageKind.SIGNATURE)


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
