"""Who really wrote a mail: behind a web form, or before a colleague forwarded it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import Directory
from ingest.domain.interactions import Policy
from ingest.domain.mails import Mail, MailAddress, Sighting
from ingest.mail.webform import form_sender

#: What makes a form's mail look like a robot's, although a person filled the form in.
_OF_FORMS = frozenset({"generated", "no-reply", "bulk", "auto-reply"})


def as_written(
    mail: Mail, sightings: Sequence[Sighting], directory: Directory, policy: Policy
) -> tuple[Mail, MailAddress | None]:
    """Return the mail as its writer's, and the form that sent it for him, if a form did.

    The rules are those of the mailboxes that hold the mail. An address of ours that somebody typed
    into a form makes no colleague of him.
    """
    if not policy.web_forms:
        return mail, None
    boxes = sorted({directory.mailboxes.get(seen.mailbox, "") for seen in sightings})
    rules = [rule for box in boxes for rule in policy.web_forms.get(box, ())]
    person = form_sender(mail, rules) if rules else None
    if person is None or directory.line_of(ContactPoint(PointKind.EMAIL, person.address)):
        return mail, None
    automatic = None if mail.automatic in _OF_FORMS else mail.automatic
    return replace(mail, from_=person, automatic=automatic), mail.from_


def original_senders(mail: Mail) -> list[tuple[ContactPoint, str | None]]:
    """Return who wrote what this mail forwards, the outermost first, each once."""
    found: dict[ContactPoint, str | None] = {}
    for it in mail.forwarded:
        if it.address:
            found.setdefault(ContactPoint(PointKind.EMAIL, it.address), it.name)
    return list(found.items())
