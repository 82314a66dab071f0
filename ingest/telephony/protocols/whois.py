"""The question of a dialplan: who is calling, and where to? One GET, answered as text or JSON.

    GET /hooks/SOURCE/whois?number=+79161234567&line=+74951230001&want=extension

Basic authentication with the source's secret as the password (any name), or the same as a bearer
token: `CURL()` of Asterisk and `curl` of FreeSWITCH can do the first.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from ingest.domain.answers import Asked, Found, Lookup
from ingest.domain.deliveries import Account, HookRequest, HookResponse, UnreadableDelivery
from ingest.telephony.fields import text
from ingest.telephony.naming import json_response
from ingest.telephony.request import form_fields
from ingest.telephony.signatures import require_proof, same

PATH = "/whois"
FIELDS = ("extension", "number", "login", "name")  #: of the answer, in this order
SEPARATOR = "|"
#: What a dialplan would take for its own: variables, arguments, quotes, our separator.
_DANGEROUS = re.compile(r"""[|$\\{}()\[\]"'`;,&<>@^]|[^\x20-\x7e\u00a0-\uffff]""")


def is_question(request: HookRequest) -> bool:
    """Tell whether a request is this question; it tells nothing of a call's course."""
    return request.method == "GET" and request.path.rstrip("/") == PATH


def verify(request: HookRequest, account: Account, secret: str) -> None:
    """Raise BadSignature unless the request carries the secret of that name."""
    sent = _sent_secret(request)
    require_proof(request, account, (secret,), lambda known: same(sent, known[secret]))


def asks(request: HookRequest, account: Account) -> Asked | None:
    """Return the question; None: another request."""
    if not is_question(request):
        return None
    try:
        fields = _fields(request)
        return Asked(number=text(fields, "number"), line=text(fields, "line"))
    except UnreadableDelivery:
        return Asked(number=None)


def answer(request: HookRequest, account: Account, found: Found) -> HookResponse:
    """Return what was wanted, or all of it: empty where it is not known."""
    taker = found.answerer
    known = {
        "extension": taker and taker.extension,
        "number": taker and taker.direct_number,
        "login": taker and taker.login,
        "name": found.client_name,
    }
    try:
        fields = _fields(request)
        wanted, form = text(fields, "want"), text(fields, "format")
    except UnreadableDelivery:
        wanted = form = None
    if form == "json" or "json" in (request.header("accept") or "").lower():
        return json_response(known)
    names = (wanted,) if wanted in known else FIELDS
    said = SEPARATOR.join(_harmless(known[name] or "") for name in names)
    return HookResponse(body=said.encode("utf-8", "replace"))


def _fields(request: HookRequest) -> Mapping[str, str]:
    # A plus stands for itself here: nobody who writes a dialplan escapes the plus of a number.
    query = request.query.replace("+", "%2B")
    return form_fields(query.encode("utf-8", "surrogatepass"))


def _harmless(said: str) -> str:
    """Return a text that a dialplan can set as a variable, whoever wrote it."""
    return " ".join(_DANGEROUS.sub(" ", said).split())


def _sent_secret(request: HookRequest) -> str:
    scheme, _, sent = (request.header("authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        return sent.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(sent, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


LOOKUP = Lookup(asks, answer, usual=False)
