"""sipgate.io push API: RSA signature over the body. Not tried against a live account.

`answer` and `hangup` come only if the answer to `newCall` names addresses for them. A call that is
passed on is a new `callId`; `origCallId` ties it to the first. Hangups sometimes never come.
Facts: sipgate-io/sipgateio-node lib/webhook; developer.sipgate.io/push-api; sipgate/sipgate.io
issues 93, 134, 140.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from functools import lru_cache
from xml.sax.saxutils import quoteattr

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ingest.domain.answers import Asked, Found, Lookup
from ingest.domain.calls import CallEvent, Outcome
from ingest.domain.deliveries import (
    Account,
    HookRequest,
    HookResponse,
    Kind,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.fields import required, text
from ingest.telephony.histories import sipgate as history
from ingest.telephony.naming import DECLARATION, XML, digits, xml_text
from ingest.telephony.protocols import push
from ingest.telephony.protocols.callers import shown
from ingest.telephony.signatures import require_proof

# event=newCall&direction=in&from=4917139200001&to=493023125000&callId=B38E&origCallId=162D
#  &user[]=Bob&userId[]=w1&fullUserId[]=2490001w1&diversion=493023125000
EMPTY = f"{DECLARATION}<Response/>"
CAUSES = {**push.CAUSES, "noAnswer": Outcome.REJECTED}  # declined, as by do not disturb


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless X-Sipgate-Signature is RSA-SHA256 over the body."""
    names = ("public_key_pem",)
    require_proof(
        request, account, names, lambda secrets: _proves(request, secrets["public_key_pem"])
    )


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: deliveries carry no number of their own; equal bytes are a repeat."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what newCall, answer or hangup says."""
    fields = push.fields_of(request)
    call_id, first_id = required(fields, "callId"), text(fields, "origCallId")
    people = push.listed(fields, "fullUserId", "userId", "user")
    if push.VOICEMAIL in push.listed(fields, "user"):
        people = [push.VOICEMAIL]
    passed_on = first_id not in (None, call_id) and people != [push.VOICEMAIL]
    return push.read(
        fields,
        call_keys=tuple(dict.fromkeys((call_id, first_id or call_id))),
        people=people,
        causes=CAUSES,
        transfer="blind" if passed_on and text(fields, "diversion") else None,
    )


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Ask for the events that follow, at this very address; the call goes on as it is set."""
    return HookResponse(body=_document(request).encode(), content_type=XML)


def asks(request: HookRequest, account: Account) -> Asked | None:
    """Return the question that `newCall` of an inbound call is."""
    try:
        fields = push.fields_of(request)
        if not _is_new_call(request) or text(fields, "direction") != "in":
            return None
        return Asked(number=shown(text(fields, "from")), line=text(fields, "to"))
    except UnreadableDelivery:
        return None


def answer_who(request: HookRequest, account: Account, found: Found) -> HookResponse:
    """Redirect to the number of who takes the call, and ask for the events that follow."""
    number = digits(found.answerer.direct_number) if found.answerer else None
    dial = f"<Dial><Number>{xml_text(number)}</Number></Dial>" if number else ""
    return HookResponse(body=_document(request, dial).encode(), content_type=XML)


def _document(request: HookRequest, inside: str = "") -> str:
    address = request.url.partition("?")[0].encode("ascii", "ignore").decode()
    if not address.startswith(("https://", "http://")) or not _is_new_call(request):
        return f"{DECLARATION}<Response>{inside}</Response>" if inside else EMPTY
    where = quoteattr("".join(filter(str.isprintable, address)))
    told = f"<Response onAnswer={where} onHangup={where}"
    return f"{DECLARATION}{told}>{inside}</Response>" if inside else f"{DECLARATION}{told}/>"


def _is_new_call(request: HookRequest) -> bool:
    try:
        return (text(push.fields_of(request), "event") or "").lower() == "newcall"
    except UnreadableDelivery:
        return False


def _proves(request: HookRequest, pem: str) -> bool:
    found = _public_key(pem)
    if found is None:
        return False
    try:
        sent = base64.b64decode(request.header("x-sipgate-signature") or "", validate=True)
        found.verify(sent, request.body, PKCS1v15(), SHA256())
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


@lru_cache(maxsize=32)
def _public_key(pem: str) -> RSAPublicKey | None:
    try:
        found = load_pem_public_key(pem.encode("utf-8", "surrogatepass"))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return found if isinstance(found, RSAPublicKey) else None


SIPGATE = Provider(
    name="sipgate",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    lookup=Lookup(asks, answer_who),
    secrets=("public_key_pem",),
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
)
