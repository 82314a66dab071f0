"""What a decision does, or did, in sentences that a person reads before confirming."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.redecide import Consequences
from ingest.review.render import Times, listed, number
from ingest.review.words import _, ngettext
from storage.pages import Touched


@dataclass(frozen=True, slots=True)
class Sentence:
    """One consequence, with the icon and tone it is shown in."""

    text: str
    icon: str = "check"
    tone: str = ""


def amount(calls: int, mails: int) -> str:
    """Return `37 calls and 4 mails`; "" for neither."""
    parts = []
    if calls:
        parts.append(ngettext("{n} call", "{n} calls", calls).format(n=number(calls)))
    if mails:
        parts.append(ngettext("{n} mail", "{n} mails", mails).format(n=number(mails)))
    return listed(parts)


def consequences(told: Consequences, times: Times, concerned: Touched | None) -> list[Sentence]:
    """Return what a decision will do to what is recorded so far."""
    about = _("about") + " " if told.about else ""
    found = []
    if told.calls or told.mails:
        since = (
            " " + _("since {day}").format(day=times.since(told.since))
            if told.since is not None
            else ""
        )
        text = _("Links {amount}").format(amount=about + amount(told.calls, told.mails))
        found.append(Sentence(text + since, "link", "ok"))
    elif concerned is not None and (concerned.calls or concerned.mails):
        text = _("Concerns {amount}").format(amount=amount(concerned.calls, concerned.mails))
        found.append(Sentence(text, "touches"))
    if told.unlinked:
        found.append(Sentence(_unlinks(told.unlinked), "touches"))
    if told.flags_raised:
        text = ngettext("Raises {n} flag", "Raises {n} flags", told.flags_raised)
        found.append(Sentence(text.format(n=number(told.flags_raised)), "flag", "alert"))
    if told.flags_gone:
        text = ngettext("Closes {n} flag", "Closes {n} flags", told.flags_gone)
        found.append(Sentence(text.format(n=number(told.flags_gone)), "flag", "ok"))
    if not found:
        found.append(Sentence(_("Changes nothing that is recorded so far"), "info"))
    return found


def _unlinks(count: int) -> str:
    text = ngettext(
        "Takes {n} touch from the client it is linked to now",
        "Takes {n} touches from the client they are linked to now",
        count,
    )
    return text.format(n=number(count))


def happened(done: Consequences, *, expected: int | None) -> str:
    """Return what a decision really did; `expected`: how many touches the person was told of."""
    parts = []
    if done.calls or done.mails:
        parts.append(_("linked {amount}").format(amount=amount(done.calls, done.mails)))
    if done.unlinked:
        text = ngettext("{n} touch unlinked", "{n} touches unlinked", done.unlinked)
        parts.append(text.format(n=number(done.unlinked)))
    if done.flags_raised:
        text = ngettext("{n} flag raised", "{n} flags raised", done.flags_raised)
        parts.append(text.format(n=number(done.flags_raised)))
    if done.flags_gone:
        text = ngettext("{n} flag closed", "{n} flags closed", done.flags_gone)
        parts.append(text.format(n=number(done.flags_gone)))
    if done.about:
        parts.append(_("the past is being decided anew"))
    text = listed(parts)
    return (text[:1].upper() + text[1:] + _meanwhile(done, expected) + ".") if text else ""


def _meanwhile(done: Consequences, expected: int | None) -> str:
    """Return what came between the preview and the confirmation."""
    if expected is None or done.about:
        return ""
    more = done.calls + done.mails + done.unlinked - expected
    if more <= 0:
        return ""
    return "; " + ngettext("{n} came meanwhile", "{n} came meanwhile", more).format(n=number(more))


def count_of(told: Consequences) -> int:
    """Return how many touches a preview told of, to be compared with what happened."""
    return told.calls + told.mails + told.unlinked
