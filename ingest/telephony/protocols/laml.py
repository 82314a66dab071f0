"""Status callbacks in the manner of Twilio, whose fields compatible clouds send as well.

Forms, signed over the public address. The inbound call is a parent leg whose completion tells
nothing of people; its children (`ParentCallSid`) are the telephones that rang.
Facts: www.twilio.com/docs/usage/webhooks/voice-webhooks; twilio/twilio-python request_validator.py.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import quoteattr

from ingest.domain.answers import Answerer, Asked, Found, Lookup
from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.fields import Fields, required, rfc2822, seconds, text, url
from ingest.telephony.naming import identity_of, outside_number, xml_response, xml_text
from ingest.telephony.request import form_fields, form_pairs
from ingest.telephony.signatures import require_proof, same

# CallSid=CAaa87&From=%2B12025550143&To=%2B13125550188&CallStatus=completed&Direction=outbound-dial
#  &Timestamp=Mon%2C+16+Nov+2026+18%3A01%3A19+%2B0000&CallbackSource=call-progress-events
#  &SequenceNumber=3&CallDuration=70&Duration=2&ParentCallSid=CAafc3    (Duration is in minutes)
STAGES = {
    "queued": CallStage.RINGING,
    "initiated": CallStage.RINGING,
    "ringing": CallStage.RINGING,
    "in-progress": CallStage.ANSWERED,
    "completed": CallStage.ENDED,
    "busy": CallStage.ENDED,
    "failed": CallStage.ENDED,
    "no-answer": CallStage.ENDED,
    "canceled": CallStage.ENDED,
}
OUTCOMES = {
    "completed": Outcome.ANSWERED,
    "busy": Outcome.BUSY,
    "failed": Outcome.FAILED,
    "no-answer": Outcome.NO_ANSWER,
    "canceled": Outcome.CANCELLED,
}
#: Elements of TwiML by how an identity begins, and whether that beginning is part of its text.
NOUNS = {"client:": ("Client", False), "sip:": ("Sip", True)}
#: Without these nothing would tell who took a call that we put through.
LEG_EVENTS = "initiated ringing answered completed"
IDENTITIES = ("client:", "sip:")  #: how a caller is named who is one of ours, not a number
TWIML = "application/xml"
NEUTRAL = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
PORTS = {"https": 443, "http": 80}


def proves(request: HookRequest, token: str, header: str) -> bool:
    """Tell whether the header signs this request with the token.

    Signed is the public address with the form's fields sorted behind it. Whether the sender wrote
    the default port into the address cannot be known, so both spellings are tried. Of a body that
    is no form the address carries the SHA-256.
    """
    sent = request.header(header) or ""
    try:
        fields, spellings = _signed_fields(request), list(_spellings(request.url))
    except (UnreadableDelivery, ValueError) as error:
        raise BadSignature("the request's address or form is unreadable") from error
    return fields is not None and any(
        same(sent, _signature(token, address + fields)) for address in spellings
    )


def key(request: HookRequest, account: Account) -> str | None:
    """Return the leg and its running number; None where a request has no such number.

    The header I-Twilio-Idempotency-Token is not signed, so it is not used.
    """
    try:
        fields = _fields(request)
        number, leg = text(fields, "SequenceNumber"), text(fields, "CallSid")
    except UnreadableDelivery:
        return None
    return f"{leg}:{number}" if leg and number else None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what a voice request, a status callback or a recording callback says."""
    fields = _fields(request)
    if text(fields, "RecordingSid"):
        return [_recording(fields)]
    status = text(fields, "CallStatus")
    if status is None:
        raise IgnoredDelivery("a request without CallStatus tells nothing of a call's course")
    if status not in STAGES:
        raise IgnoredDelivery(f"unknown CallStatus {status!r}")
    return [leg_event(fields, status)]


def leg_event(fields: Fields, status: str) -> CallEvent:
    """Return what one leg did, by its fields and a status that `STAGES` knows."""
    return _child(fields, status) if text(fields, "ParentCallSid") else _parent(fields, status)


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Give an empty TwiML document to whoever asks for instructions; callbacks get a bare 200."""
    try:
        fields = _fields(request)
    except UnreadableDelivery:
        return HookResponse()
    if fields.get("CallbackSource") or fields.get("RecordingSid"):
        return HookResponse()
    return HookResponse(body=NEUTRAL, content_type=TWIML)


def asks(request: HookRequest, account: Account) -> Asked | None:
    """Return the question that the request to the voice address is, of an inbound call."""
    try:
        fields = _fields(request)
        tells = ("CallbackSource", "RecordingSid", "ParentCallSid")
        caller = text(fields, "From")
        asked = text(fields, "CallStatus") == "ringing" and text(fields, "Direction") == "inbound"
        if not asked or any(fields.get(name) for name in tells):
            return None
        return None if _is_ours(caller) else Asked(number=caller, line=text(fields, "To"))
    except UnreadableDelivery:
        return None


def answer_who(request: HookRequest, account: Account, found: Found) -> HookResponse:
    """Dial who takes the call, or who is on duty, or the source's `fallback`.

    The cloud has no routing of its own: an empty document, which is all that is left where nothing
    of this is known, ends the call.
    """
    fallback = account.config.get("fallback")
    targets = (
        _target(account, found.answerer),
        _target(account, found.duty),
        fallback if isinstance(fallback, str) else None,
    )
    target = next(filter(None, targets), None)
    if target is None:
        return HookResponse(body=NEUTRAL, content_type=TWIML)
    begins = next((each for each in NOUNS if target.startswith(each)), "")
    noun, whole = NOUNS.get(begins, ("Number", True))
    named = xml_text(target if whole else target.removeprefix(begins))
    told = _leg_callback(request)
    return xml_response(f"<Response><Dial><{noun}{told}>{named}</{noun}></Dial></Response>")


LOOKUP = Lookup(asks, answer_who)


def require_signature(request: HookRequest, account: Account, secret: str, header: str) -> None:
    """Raise BadSignature unless `header` signs the request with the secret of that name."""
    require_proof(
        request, account, (secret,), lambda secrets: proves(request, secrets[secret], header)
    )


def _fields(request: HookRequest) -> Fields:
    """Return the form's fields; a GET carries them in its query."""
    if request.method == "GET":
        return form_fields(request.query.encode("utf-8", "surrogatepass"))
    return form_fields(request.body)


def _is_ours(caller: str | None) -> bool:
    return (caller or "").startswith(IDENTITIES)


def _target(account: Account, answerer: Answerer | None) -> str | None:
    return identity_of(account, answerer) or outside_number(account, answerer)


def _leg_callback(request: HookRequest) -> str:
    address = request.url.partition("?")[0].encode("ascii", "ignore").decode()
    if not address.startswith(("https://", "http://")):
        return ""
    where = quoteattr("".join(filter(str.isprintable, address)))
    return f' statusCallback={where} statusCallbackEvent="{LEG_EVENTS}"'


def _parent(fields: Fields, status: str) -> CallEvent:
    """Return what the call itself did, as against the telephones that it made ring."""
    from_us = _is_ours(text(fields, "From"))
    inbound = text(fields, "Direction") == "inbound"
    stage = STAGES[status]
    if inbound:  # that the first leg is up means only that the cloud executes instructions
        stage = CallStage.RINGING if stage is CallStage.ANSWERED else stage
        outcome = None if status == "completed" else OUTCOMES.get(status)
    else:
        outcome = OUTCOMES.get(status)
    lasted_s = seconds(fields, "CallDuration")
    over = stage is CallStage.ENDED
    return CallEvent(
        call_keys=(required(fields, "CallSid"),),
        stage=stage,
        occurred_at=rfc2822(fields, "Timestamp"),
        outcome=outcome,
        duration_s=lasted_s if over and inbound and status == "completed" else None,
        talk_s=lasted_s if over and not inbound else None,
        **(_as_outbound(fields, from_us) if from_us or not inbound else _as_inbound(fields)),
    )


def _as_inbound(fields: Fields) -> dict[str, Any]:
    caller = text(fields, "From")
    return {
        "direction": Direction.INBOUND,
        "caller": caller,
        "withheld": caller is None,
        "callee": text(fields, "To"),
    }


def _as_outbound(fields: Fields, from_us: bool) -> dict[str, Any]:
    caller = text(fields, "From")
    return {
        "direction": Direction.OUTBOUND,
        "caller": None if from_us else caller,
        "callee": text(fields, "To"),
        "agent": caller if from_us else None,
    }


def _child(fields: Fields, status: str) -> CallEvent:
    """Return what one telephone did that the call made ring."""
    leg = required(fields, "CallSid")
    over = STAGES[status] is CallStage.ENDED
    return CallEvent(
        call_keys=(required(fields, "ParentCallSid"), leg),
        stage=CallStage.LEG_ENDED if over else STAGES[status],
        occurred_at=rfc2822(fields, "Timestamp"),
        agent=text(fields, "To"),
        leg=leg,
        outcome=OUTCOMES.get(status),
        talk_s=seconds(fields, "CallDuration") if over else None,
    )


def _recording(fields: Fields) -> CallEvent:
    return CallEvent(
        call_keys=(required(fields, "CallSid"),),
        stage=CallStage.RECORDING,
        recording_id=required(fields, "RecordingSid"),
        recording_url=url(fields, "RecordingUrl"),
        recording_ready=text(fields, "RecordingStatus") == "completed",
    )


def _signed_fields(request: HookRequest) -> bytes | None:
    """Return what the signature covers behind the address; None if the body is not covered."""
    stated = parse_qs(urlsplit(request.url).query, max_num_fields=100).get("bodySHA256")
    if stated:
        return b"" if same(hashlib.sha256(request.body).hexdigest(), stated[0]) else None
    if request.method == "GET":
        return b""
    return b"".join(name + value for name, value in sorted(set(form_pairs(request.body))))


def _spellings(public: str) -> Iterator[bytes]:
    """Yield the address as it is, without its port and with it: senders differ in the default."""
    parts = urlsplit(public)
    host = parts.hostname or ""
    bare = f"[{host}]" if ":" in host else host
    port = parts.port or PORTS.get(parts.scheme)
    for spelling in dict.fromkeys((parts.netloc, bare, f"{bare}:{port}")):
        yield public.replace(parts.netloc, spelling, 1).encode("utf-8", "surrogatepass")


def _signature(token: str, signed: bytes) -> bytes:
    return base64.b64encode(hmac.new(token.encode(), signed, hashlib.sha1).digest())
