"""What a bounce says: which address was not reached, for good or for now, and why.

By the report that RFC 3464 defines where there is one, else by the words that servers write.
Hard is said only of an address that does not exist: a full mailbox, a blocked sender or a mail
that is too large say nothing about tomorrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.domain.mails import FailedRecipient
from ingest.mail.headers import Headers
from ingest.mail.participants import read_addresses
from ingest.mail.text import clean
from ingest.matching.addresses import normalise_address

MOST = 50  #: addresses of one bounce
_OCTETS = 64 * 1024  #: of a report that are read
_LINES = 300
_LONGEST_REASON = 300  #: characters

#: Status codes of RFC 3463 that say that the address itself is wrong.
HARD_STATUS = re.compile(r"5\.(?:1\.(?:0|1|2|3|4|6|10)|2\.1|4\.1|4\.4|4\.310)$")

#: What servers write of an address that does not exist.
HARD_WORDS = (
    *("user unknown", "unknown user", "no such user", "does not exist", "doesn't exist"),
    *("no mailbox here", "address not found", "couldn't be found", "could not be found"),
    *("wasn't found at", "was not found at", "no such recipient", "recipient unknown"),
    *("unknown recipient", "unknown or illegal alias", "invalid recipient", "no such mailbox"),
    *(
        "mailbox not found",
        "user not found",
        "unrouteable address",
        "host or domain name not found",
    ),
    *("account is disabled", "account has been disabled", "address unknown", "unknown address"),
    *("invalid mailbox", "mailbox unavailable", "not a valid mailbox", "no longer available"),
    *("не существует", "не найден", "неизвестный пользователь", "нет такого пользователя"),
    *("пользователь неизвестен", "ящик недоступен", "ящик отключен", "ящик заблокирован"),
    *("bestaat niet", "onbekende gebruiker", "onbekende ontvanger", "niet gevonden"),
    *("geen geldig adres", "gebruiker onbekend", "adres onbekend", "is niet bekend"),
    *("existiert nicht", "unbekannter empfänger", "unbekannter benutzer", "nicht gefunden"),
    *("empfänger unbekannt", "benutzer unbekannt", "adresse unbekannt", "ist unbekannt"),
    *("ungültige adresse", "nicht vorhanden"),
)
#: What they write of one that may be reached later, or by another mail; outranks the above.
SOFT_WORDS = (
    *("quota", "mailbox full", "mailbox is full", "over limit", "insufficient storage"),
    *("temporar", "try again", "delayed", "will retry", "greylist", "timed out", "deferred"),
    *("spam", "blocked", "blacklist", "policy", "too large", "size limit", "not yet been"),
    *("переполнен", "квота", "временно", "попытки будут", "задержан", "спам", "слишком большое"),
    *("postvak is vol", "mailbox vol", "tijdelijk", "vertraagd", "opnieuw geprobeerd", "te groot"),
    *("postfach ist voll", "überfüllt", "vorübergehend", "verzögert", "erneut versucht", "zu groß"),
)

_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -])")
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"'«»@]{1,64}@[^\s<>()\[\],;:\"'«»@]{1,190}")


def failed_recipients(
    headers: Headers, report: bytes | None, text: str
) -> tuple[FailedRecipient, ...]:
    """Return the addresses that a bounce says were not reached, each once.

    `report`: its part message/delivery-status, if there is one; `text`: what it tells people.
    """
    found = {it.address: it for it in _by_report(report or b"", text)}
    if not found:
        found = {it.address: it for it in _by_words(headers, text)}
    return tuple(found.values())[:MOST]


def _by_report(report: bytes, text: str) -> Iterator[FailedRecipient]:
    for fields in _blocks(report[:_OCTETS].decode("utf-8", "replace")):
        action = fields.get("action", "").lower()
        address = _recipient(fields)
        if address is None or action in ("delivered", "relayed", "expanded"):
            continue
        reason = fields.get("diagnostic-code", "").partition(";")[2].strip()
        status = _first(_CODE, fields.get("status", "")) or _first(_CODE, reason)
        yield _failed(address, status, reason, delayed=action == "delayed", told=text)


def _recipient(fields: dict[str, str]) -> str | None:
    """Return the address that was written to: behind an alias the final one is another."""
    for name in ("original-recipient", "final-recipient"):
        value = fields.get(name, "").rpartition(";")[2].strip()
        if value and (address := normalise_address(value)):
            return address
    return None


def _blocks(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each block of a report; blocks are parted by empty lines."""
    fields: dict[str, str] = {}
    last = ""
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[:1] in " \t" and last:
            fields[last] = f"{fields[last]} {line.strip()}"[:2_000]
        else:
            name, _, value = line.partition(":")
            last = name.strip().lower()
            fields.setdefault(last, value.strip()[:2_000])


def _by_words(headers: Headers, text: str) -> Iterator[FailedRecipient]:
    """Read a bounce without a report: by X-Failed-Recipients, else the first address it names."""
    told = "\n".join(text.split("\n", _LINES)[:_LINES])
    told = _before_original(told)[:_OCTETS]
    status = _first(_CODE, told)
    reason = _reason(told)
    named = read_addresses(headers.raw("x-failed-recipients") or "", limit=MOST)
    addresses = [person.address for person in named if person.address]
    if not addresses:
        ours = {
            person.address
            for name in ("to", "from", "delivered-to", "cc")
            for person in read_addresses(headers.raw(name) or "")
        }
        addresses = _addresses(told, ours)[:1]
    for address in addresses:
        yield _failed(address, status, reason, delayed=False, told=told)


_ORIGINALS = (
    "--- below this line is a copy",
    "------ this is a copy of",
    "original message headers",
    "reporting-mta:",
    "return-path:",
    "received: from",
)


def _before_original(text: str) -> str:
    """Return the text before the copy of the mail that came back."""
    folded = text.casefold()
    ends = [place for mark in _ORIGINALS if (place := folded.find(mark)) > 0]
    return text[: min(ends)] if ends and len(folded) == len(text) else text


def _addresses(text: str, ours: set[str]) -> list[str]:
    found: dict[str, None] = {}
    for line in text.split("\n"):
        if "@" not in line:
            continue
        for written in _ADDRESS.findall(line[:500])[:10]:
            address = normalise_address(written.strip("<>.,:;"))
            if address is None or address in ours or "." not in address.rpartition("@")[2]:
                continue
            if address.partition("@")[0] not in ("mailer-daemon", "postmaster", "support", "abuse"):
                found.setdefault(address)
    return list(found)


def _reason(text: str) -> str:
    """Return the line that holds a reply code or words that are known."""
    for line in text.split("\n"):
        folded = line[:500].casefold()
        if _CODE.search(folded) or any(word in folded for word in (*HARD_WORDS, *SOFT_WORDS)):
            return line.strip()[:_LONGEST_REASON]
    return ""


def _failed(
    address: str, status: str | None, reason: str, *, delayed: bool, told: str
) -> FailedRecipient:
    reason = clean(" ".join(reason.split()))[:_LONGEST_REASON]
    hard = False if delayed else _is_hard(status, reason or told[:4_000])
    return FailedRecipient(address=address, hard=hard, status=status, reason=reason or None)


def _is_hard(status: str | None, words: str) -> bool:
    folded = words.casefold()
    if (status or "").startswith(("4", "2")) or any(word in folded for word in SOFT_WORDS):
        return False
    if status is not None and HARD_STATUS.match(status):
        return True
    reply = _first(_REPLY, words)
    if reply is not None and reply.startswith("4"):
        return False
    return any(word in folded for word in HARD_WORDS)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None
