"""Mail that a machine sent, told by what machines say of themselves.

A wrong "machine" costs more than a wrong "person": a client's mail would wait unseen. So one
sign that people's mail also bears never counts alone: X-Auto-Response-Suppress (Exchange puts
it on people's mail), an invitation (a person asks for a meeting), From noreply@ with another
Reply-To (a web form), a group address of the receiver's own house (a list by its header only).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from ingest.mail.headers import Headers
from ingest.mail.participants import read_addresses
from ingest.mail.words import parameters

#: Subject that auto-responders begin with; people write behind it, after "Re:".
SUBJECTS = (
    "automatic reply:",
    "auto reply:",
    "autoreply:",
    "auto-reply:",
    "out of office:",
    "out of office autoreply:",
    "автоответ:",
    "автоматический ответ:",
    "автоматическое уведомление об отсутствии:",
    "automatisch antwoord:",
    "automatische antwoord:",
    "afwezigheidsbericht:",
    "niet aanwezig:",
    "automatische antwort:",
    "abwesenheitsnotiz:",
    "abwesend:",
)

#: Subject of a postmaster's bounce that says nothing of itself in its header.
BOUNCE_SUBJECTS = (
    *("undeliverable", "undelivered mail", "delivery status notification", "delivery failure"),
    *("mail delivery failed", "mail delivery system", "returned mail", "failure notice"),
    *("delivery has failed", "message not delivered", "warning: message"),
    *("onbestelbaar", "niet bezorgd", "bericht niet afgeleverd", "bezorging mislukt"),
    *("unzustellbar", "nicht zustellbar", "zustellung fehlgeschlagen", "mail nicht zugestellt"),
    *("не доставлено", "не удается доставить", "не удалось доставить", "недоставленное"),
    *("сообщение не доставлено", "письмо не доставлено", "ваше письмо не доставлено"),
    *("ошибка доставки", "невозможно доставить"),
)

#: More hops than any mail needs: two forwardings that send to each other.
MOST_HOPS = 50

PRECEDENCE = {"auto_reply": "auto-reply", "bulk": "bulk", "junk": "bulk", "list": "list"}

REPORTS = {
    "delivery-status": "bounce",
    "disposition-notification": "receipt",
    "feedback-report": "complaint",
}

RESPONDERS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply", "x-vacation")

#: Answers to an invitation and its withdrawal are made by a click.
CALENDAR_METHODS = frozenset({"reply", "cancel", "refresh", "declinecounter"})

_NO_REPLY = re.compile(r"(^|[._+-])(no|not|do-?_?\.?not)[._-]?repl(y|ies)($|[._+\d-])")
_LIST_ID = re.compile(r"<([^<>]{1,200})>")
_CALENDAR = re.compile(r"^calendar(-notification|-noreply|-server|bot)?@|^calendar-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the parts of a mail say of its origin."""

    type: str = "text/plain"  #: of the whole
    report_type: str | None = None
    part_types: Collection[str] = field(default_factory=frozenset)
    calendar_method: str | None = None  #: of a text/calendar part, in lower case


def why_automatic(headers: Headers, shape: Shape | None = None) -> str | None:
    """Return why a machine is thought to have sent this mail, or None for a person's.

    The reason is one stable word: bounce, receipt, complaint, loop, auto-reply, calendar,
    list, generated, bulk, no-reply. Sources: RFC 3834 section 5 (Auto-Submitted), RFC 2919
    (List-Id), RFC 2369 (List-Unsubscribe), RFC 3464 and 6522 (reports), RFC 5321 section
    4.5.5 (null reverse path) and 6.3 (loops).
    """
    shape = shape or Shape()
    submitted = _submitted(headers)
    return (
        _report(headers, shape, submitted)
        or _loop(headers)
        or _responder(headers, submitted)
        or _calendar(headers, shape)
        or _list(headers)
        or ("generated" if submitted else None)
        or PRECEDENCE.get(_precedence(headers))
        or _no_reply(headers)
    )


def _submitted(headers: Headers) -> str | None:
    """Return the word in Auto-Submitted without parameters and comments; None for "no"."""
    if "auto-submitted" not in headers:
        return None
    word = parameters(headers.raw("auto-submitted") or "")[0].partition("(")[0].strip()
    return word if word not in ("", "no") else None


def _precedence(headers: Headers) -> str:
    word = (headers.raw("precedence") or "").strip().lower().replace("-", "_")
    if word == "list" and _is_own_group(headers):
        return ""
    return word


def _report(headers: Headers, shape: Shape, submitted: str | None) -> str | None:
    if shape.type == "multipart/report":
        return REPORTS.get(shape.report_type or "", "bounce")
    if "message/delivery-status" in shape.part_types or "x-failed-recipients" in headers:
        return "bounce"
    local = _sender(headers).partition("@")[0]
    if local == "mailer-daemon":
        return "bounce"
    subject = (headers.text("subject") or "").lower()
    told = submitted or _null_path(headers) or subject.startswith(BOUNCE_SUBJECTS)
    exchange = local.startswith("microsoftexchange")
    if (local == "postmaster" and told) or (exchange and len(local) > 40):
        return "bounce"
    return None


def _loop(headers: Headers) -> str | None:
    """Tell a mail that comes round again: by the mark it got here the last time, or its hops.

    X-Loop with another's address is somebody's own forwarding, behind which a person may be.
    """
    if headers.count("received") > MOST_HOPS:
        return "loop"
    if "x-loop" not in headers:
        return None
    marks = {_bare_address(value) for value in headers.all_raw("x-loop")}
    here = {_address(headers, name) for name in ("delivered-to", "x-original-to", "to")}
    return "loop" if marks & (here - {""}) else None


def _bare_address(field: str) -> str:
    people = read_addresses(field, limit=1)
    return people[0].address if people else ""


def _responder(headers: Headers, submitted: str | None) -> str | None:
    subject = (headers.text("subject") or "").lower()
    precedence = PRECEDENCE.get(_precedence(headers))
    if (
        submitted == "auto-replied"
        or precedence == "auto-reply"
        or subject.startswith(SUBJECTS)
        or any(_says_yes(headers, name) for name in RESPONDERS)
        or _null_path(headers)
    ):
        return "auto-reply"
    return None


def _says_yes(headers: Headers, name: str) -> bool:
    value = headers.raw(name)
    return value is not None and value.strip().lower() not in ("no", "false", "0")


def _null_path(headers: Headers) -> bool:
    return (headers.raw("return-path") or "").replace(" ", "") == "<>"


def _calendar(headers: Headers, shape: Shape) -> str | None:
    if shape.calendar_method in CALENDAR_METHODS:
        return "calendar"
    robots = [_address(headers, "from"), _address(headers, "sender")]
    return "calendar" if any(_CALENDAR.match(robot) for robot in robots) else None


def _list(headers: Headers) -> str | None:
    if _is_own_group(headers):
        return None
    if "list-id" in headers or "list-post" in headers:
        return "list"
    return "bulk" if "list-unsubscribe" in headers else PRECEDENCE.get(_precedence(headers))


def _is_own_group(headers: Headers) -> bool:
    """Tell whether the list is a group address of the receiver's own house.

    Google and Microsoft send what comes to sales@ to its members as a mailing list; there
    a client wrote. The list's domain is then the one that the mail was delivered to.
    """
    found = _LIST_ID.search(headers.raw("list-id") or "") if "list-id" in headers else None
    if not found:
        return False
    home = found[1].lower().partition(".")[2]
    names = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to")
    homes = {_address(headers, name).rpartition("@")[2] for name in names}
    return bool(home) and home in homes and "list-unsubscribe-post" not in headers


def _no_reply(headers: Headers) -> str | None:
    local = _sender(headers).partition("@")[0]
    if "repl" not in local or not _NO_REPLY.search(local):
        return None
    back = _address(headers, "reply-to")
    if back and not _NO_REPLY.search(back.partition("@")[0]):
        return None  # a web form: the person stands in Reply-To
    return "no-reply"


def _sender(headers: Headers) -> str:
    return _address(headers, "from") or _bare_word(headers.raw("from"))


def _bare_word(field: str | None) -> str:
    """Return the one word of a From without a domain: some bounces come from MAILER-DAEMON."""
    words = re.findall(r"[\w.+-]+", (field or "")[:200])
    return words[0].lower() if len(words) == 1 else ""


def _address(headers: Headers, name: str) -> str:
    people = headers.people(name)
    return people[0].address if people else ""
