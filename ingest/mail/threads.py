"""Message ids: the one a mail has, and those that it answers."""

from __future__ import annotations

import re

from ingest.domain.mails import Mail

LONGEST = 998  #: characters of one id, as of one line in RFC 5322

_BRACKETED = re.compile(r"<([^<>]{1,998})>")


def message_id(field: str | None) -> str | None:
    """Return the id in a Message-ID field without its brackets, or None.

    Odd ones are kept as they are, `[1.2.3.4]@host` or `a b@host`: whoever answers quotes them.
    """
    if not field:
        return None
    found = _BRACKETED.search(field)
    text = found[1] if found else field
    return " ".join(text.strip(" <>").split())[:LONGEST] or None


def message_ids(field: str | None) -> tuple[str, ...]:
    """Return the ids in a References or In-Reply-To field, in order, each once."""
    if not field:
        return ()
    found = _BRACKETED.findall(field) or [word for word in field.split() if "@" in word]
    ids = (" ".join(text.strip(" <>").split())[:LONGEST] for text in found)
    return tuple(dict.fromkeys(one for one in ids if one))


def thread_ids(mail: Mail) -> tuple[str, ...]:
    """Return the ids of the messages this mail answers, the nearest first, each once.

    A mail never answers itself, whatever its header says.
    """
    nearest = (*(message_ids(mail.in_reply_to and f"<{mail.in_reply_to}>")),)
    ids = dict.fromkeys((*nearest, *reversed(mail.references)))
    return tuple(one for one in ids if one != mail.message_id)
