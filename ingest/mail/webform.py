"""Mail that a web form wrote: the person stands in Reply-To, or on a labelled line of the body."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.domain.mailboxes import WebForm
from ingest.domain.mails import FormField, Mail, MailAddress
from ingest.matching.addresses import normalise_address

MOST_FIELDS = 12
_MOST_LINES = 400
_LONGEST_LABEL = 40  #: characters


def form_fields(text: str) -> tuple[FormField, ...]:
    """Return the lines `label: address` of a text; the label may stand on the line before."""
    found: list[FormField] = []
    above = ""
    for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]:
        line = line[:400].strip(" \t\u00a0*_|")
        if "@" in line:
            label, _, value = line.rpartition(":")
            if label.casefold().endswith("mailto"):
                label, _, value = label[:-6].rstrip(" <[(").rpartition(":")
            address = normalise_address(value.strip(" \t<>[]()"))
            label = label.strip(" \t\u00a0*_:") or above
            if address is not None and label and len(label) <= _LONGEST_LABEL:
                found.append(FormField(label=label, address=address))
                if len(found) == MOST_FIELDS:
                    break
        above = line.strip(" \t*_:")[: _LONGEST_LABEL + 1] if line else above
    return tuple(found)


def form_sender(mail: Mail, rules: Sequence[WebForm]) -> MailAddress | None:
    """Return the person who filled in a form, by the first rule whose form sent this mail.

    The field that the rule names outranks Reply-To, which some forms fill with their own address.
    """
    sender = mail.from_.address if mail.from_ else ""
    for rule in rules:
        if rule.sender != sender:
            continue
        wanted = _folded(rule.field) if rule.field else None
        for field in mail.form_fields:
            if wanted is not None and _folded(field.label) == wanted:
                return MailAddress(address=field.address)
        backs = [person for person in mail.reply_to if person.address != sender]
        return backs[0] if backs else None
    return None


def _folded(label: str) -> str:
    return " ".join(label.casefold().strip(" :*").split())
