"""How a live answer names an employee to a provider, and writes what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from ingest.domain.answers import Answerer
from ingest.domain.deliveries import Account, HookResponse
from ingest.matching.numbers import normalise

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
XML = "application/xml"


def identity_of(account: Account, answerer: Answerer | None) -> str | None:
    """Return the provider's own identity of an employee, as the source's `agents` map it."""
    agents = account.config.get("agents")
    if answerer is None or not isinstance(agents, Mapping):
        return None
    names = {name for name in (answerer.login, answerer.employee) if name}
    return next((str(identity) for identity, who in agents.items() if who in names), None)


def outside_number(account: Account, answerer: Answerer | None) -> str | None:
    """Return a number that can be dialled without coming back to this very account."""
    number = answerer.direct_number if answerer else None
    own = {normalise(each, account.region).e164 for each in account.own_numbers}
    return None if number in own else number


def digits(number: str | None) -> str | None:
    """Return a whole number without its plus, as many providers write it."""
    return number.removeprefix("+") if number else None


def json_response(said: Mapping[str, Any]) -> HookResponse:
    """Return an answer of JSON, letters beyond ASCII as they are."""
    body = json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")
    return HookResponse(body=body, content_type="application/json")


def xml_response(document: str) -> HookResponse:
    """Return an answer of XML; what it holds was escaped by `xml_text`."""
    return HookResponse(
        body=f"{DECLARATION}{document}".encode("utf-8", "replace"), content_type=XML
    )


def xml_text(text: str) -> str:
    """Return a text as it may stand in XML: escaped, and without what XML cannot hold."""
    return escape("".join(filter(str.isprintable, text)))
