"""Threads: the id a mail has, those that it answers, and, without any, what its subject says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.domain.mails import Mail
from ingest.mail.quote_words import REPLY_PREFIXES

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


# By subject ------------------------------------------------------------------------------------

#: Before the name of a thread that has no ids; no message id holds a space.
SUBJECT = "subject "
ANSWERS_SUBJECT = "re "

_SHORTEST = 4  #: letters and digits of a subject that tells anything
_MOST_PEOPLE = 20
_PREFIXES = 8


def subject_of(text: str) -> tuple[str, bool]:
    """Return a subject without what answers put before it, folded, and whether it had that."""
    text = " ".join(text[:200].casefold().split())
    answer = False
    for _ in range(_PREFIXES):
        head, colon, behind = text.partition(":")
        word = re.sub(r"\s?[\[(]\d{1,3}[\])]$|\^\d{1,3}$", "", head).strip(". ")
        if not colon or word not in REPLY_PREFIXES:
            break
        text, answer = behind.strip(), True
    return text, answer


def subject_names(mail: Mail, people: Iterable[str]) -> tuple[str, ...]:
    """Return what a mail without any ids may be known by to others without, for each of the people.

    `people`: the contact points of the other side. An answer (Re:, AW:, Antw:, Отв:) names what it
    answers, so that a letter of the same subject closes nothing by itself.
    """
    if mail.in_reply_to or mail.references:
        return ()
    subject, answer = subject_of(mail.subject)
    if sum(map(str.isalnum, subject)) < _SHORTEST:
        return ()
    names = [f"{SUBJECT}{person} {subject}" for person in sorted(set(people))[:_MOST_PEOPLE]]
    return tuple(f"{ANSWERS_SUBJECT}{name}" for name in names) if answer else tuple(names)


def is_by_subject(name: str) -> bool:
    """Tell whether a thread's name is one of `subject_names`."""
    return name.startswith((SUBJECT, f"{ANSWERS_SUBJECT}{SUBJECT}"))


def named_subject(name: str) -> str:
    """Return the name by which both a letter and its answer are known."""
    return name.removeprefix(ANSWERS_SUBJECT) if is_by_subject(name) else name
