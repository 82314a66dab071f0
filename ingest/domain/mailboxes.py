"""Mailboxes: how each is reached, and what is known of how following it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Tls(StrEnum):
    """How the connection is protected."""

    IMPLICIT = "implicit"  #: TLS from the first byte, usually port 993
    STARTTLS = "starttls"  #: TLS before anything else is said, usually port 143
    NONE = "none"  #: only to this very machine


class Auth(StrEnum):
    """How we prove who we are."""

    PASSWORD = "password"  #: AUTHENTICATE PLAIN, or LOGIN where that is not offered
    XOAUTH2 = "xoauth2"  #: the secret is an access token
    OAUTHBEARER = "oauthbearer"  #: the secret is an access token


@dataclass(frozen=True, slots=True, kw_only=True)
class WebForm:
    """A form on a web site that writes to a mailbox in the name of the company."""

    sender: str  #: the address in From of what it writes, normalised
    field: str | None = None  #: label of the line that holds the person's address; None: Reply-To


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Leave to open a mailbox with tokens, given by its owner or to the app itself."""

    provider: str  #: google, microsoft, microsoft-app, yandex, mailru or custom
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)  #: "" where the app itself is trusted
    tenant: str = "common"
    authorize_url: str = ""  #: instead of the provider's own, as are the two below
    token_url: str = ""
    scope: str = ""


def read_web_forms(told: Mapping[str, Any]) -> dict[str, tuple[WebForm, ...]]:
    """Read `{"sales@ours.example": [{"from": "form@ours.example", "field": "E-mail:"}]}`.

    Raises ValueError.
    """
    found = {}
    for mailbox, rules in told.items():
        if not isinstance(rules, list) or not all(isinstance(it, dict) for it in rules):
            raise ValueError(f"{mailbox} needs a list of rules")
        if not all(isinstance(it.get("from"), str) for it in rules):
            raise ValueError(f"{mailbox}: a rule needs the address in From of what the form writes")
        found[mailbox.lower()] = tuple(
            WebForm(sender=it["from"].lower(), field=it.get("field")) for it in rules
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """One mailbox of the company and how to sign in to it."""

    id: str  #: never used twice
    address: str  #: the mail address of its owner
    host: str
    port: int = 993
    tls: Tls = Tls.IMPLICIT
    auth: Auth = Auth.PASSWORD
    login: str
    secret: str = field(repr=False)
    grant: Grant | None = None  #: the secret is a token, asked for anew when it has expired
    ca_file: str | None = None  #: PEM file of the company's own authority; None: the system's
    folders: tuple[str, ...] = ()  #: followed beside INBOX and the folder of sent mail
    version: str = ""  #: changes with the settings; a pause holds for one version only


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderState:
    """How far one folder is followed."""

    folder: str
    sent: bool = False  #: it holds sent mail
    connected: bool = False
    uidvalidity: int | None = None
    low: int | None = None  #: every mail from this UID on is kept, up to `high`
    high: int | None = None
    kept: int = 0  #: mails kept of the first import so far
    total: int = 0  #: mails that lay there when the first import began
    complete: bool = False  #: the first import is over
    alert: str | None = None  #: something that a person should know, such as a renumbering
    error: str | None = None  #: why it is not followed right now
    rate: float | None = (
        None  #: mails a second that the first import takes; None: it does not go on
    )
    rests: str | None = None  #: why the first import rests just now
    reached: datetime | None = None  #: moment of the oldest mail that the first import has taken

    @property
    def left_s(self) -> float | None:
        """Return how many seconds the first import takes yet at its rate; None: nobody can tell."""
        if self.complete or not self.rate or self.rests:
            return None
        return max(self.total - self.kept, 0) / self.rate

    def reaches(self, moment: datetime) -> bool:
        """Tell whether all mail since this moment is kept."""
        return self.complete or (self.reached is not None and self.reached <= moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxState:
    """How following one mailbox goes: what the mailboxes page shows."""

    mailbox: str
    last_event_at: datetime | None = None  #: when the server last answered us
    paused: str | None = None  #: why following stopped until a person acts
    error: str | None = None  #: why nothing is followed right now; it will be tried again
    folders: tuple[FolderState, ...] = ()

    @property
    def connected(self) -> bool:
        """Tell whether each known folder is followed at this moment."""
        return bool(self.folders) and all(folder.connected for folder in self.folders)

    def settled(self, since: datetime) -> bool:
        """Tell whether INBOX and the folders of sent mail are kept back to this moment.

        Until then an answer may lie in what has not come in yet, so that nobody should be told
        that a mail waits for one.
        """
        needed = [each for each in self.folders if each.sent or each.folder.upper() == "INBOX"]
        return bool(needed) and all(each.reaches(since) for each in needed)


def state_to_memory(state: MailboxState) -> dict[str, Any]:
    """Return a state as plain JSON, for the edge memory."""
    plain = asdict(state)
    plain["last_event_at"] = state.last_event_at and state.last_event_at.isoformat()
    for folder in plain["folders"]:
        folder["reached"] = folder["reached"] and folder["reached"].isoformat()
    return plain


def state_from_memory(plain: Mapping[str, Any]) -> MailboxState:
    """Return the state that `state_to_memory` wrote."""
    at = plain["last_event_at"]
    folders = tuple(_folder_from_memory(folder) for folder in plain["folders"])
    return MailboxState(
        mailbox=plain["mailbox"],
        last_event_at=datetime.fromisoformat(at) if at else None,
        paused=plain["paused"],
        error=plain["error"],
        folders=folders,
    )


def _folder_from_memory(plain: Mapping[str, Any]) -> FolderState:
    reached = plain.get("reached")
    return FolderState(**{**plain, "reached": datetime.fromisoformat(reached) if reached else None})
