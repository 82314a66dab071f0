"""Our own JSON, for any telephone system that can be taught to send it; docs/providers.md.

Signed and wrapped as Standard Webhooks 1.0.0 says: headers webhook-id, webhook-timestamp and
webhook-signature, envelope of type, timestamp and data. CloudEvents 1.0 in any of their modes hold
the same data and are signed the same way.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.telephony.fields import (
    MAX_TEXT,
    Fields,
    flag,
    part,
    required,
    rfc3339,
    seconds,
    text,
    url,
    word,
)
from ingest.telephony.protocols import cloud_events, whois
from ingest.telephony.request import json_object, storable
from ingest.telephony.signatures import require_fresh, require_proof, same

SHORTEST_SECRET = 24  #: octets; Standard Webhooks 1.0.0 asks for 24 to 64
MOST_SIGNATURES = 20  #: in one header; a rotation sends two
MOST_KEYS = 20  #: ids that one report may tie

# {"type": "call.answered", "timestamp": "2026-11-17T23:00:05Z", "data": {"call_id": "g1",
#  "direction": "inbound", "from": "+12025550143", "to": "+12025550100", "extension": "1001"}}
STAGES = {
    "call.ringing": CallStage.RINGING,
    "call.answered": CallStage.ANSWERED,
    "call.held": CallStage.HELD,
    "call.leg_ended": CallStage.LEG_ENDED,
    "call.ended": CallStage.ENDED,
    "call.recording": CallStage.RECORDING,
    "call.tied": CallStage.TIED,
}
DIRECTIONS = {
    "inbound": Direction.INBOUND,
    "in": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "out": Direction.OUTBOUND,
    "internal": Direction.INTERNAL,
}
OUTCOMES: Mapping[str, Outcome] = {outcome.value: outcome for outcome in Outcome}
TRANSFERS = {"blind": "blind", "attended": "attended"}
#: Who took the call. A menu or a queue that picks up is not an answer, nor its end.
TAKERS: Mapping[str, Outcome | None] = {
    "person": Outcome.ANSWERED,
    "voicemail": Outcome.VOICEMAIL,
    "menu": None,
    "queue": None,
}


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless webhook-signature holds a valid v1 over id, time and body.

    The question of a dialplan cannot be signed: it carries the secret itself.
    """
    if whois.is_question(request):
        whois.verify(request, account, "secret")
        return
    require_proof(request, account, ("secret",), lambda secrets: _proves(request, secrets))
    if account.secrets:
        require_fresh(request, _signed_at(request), account.tolerance_s)


def key(request: HookRequest, account: Account) -> str | None:
    """Return webhook-id, which a sender keeps over its repetitions, or what names a CloudEvent."""
    sent = request.header("webhook-id")
    if sent and len(sent) <= MAX_TEXT:
        return storable(sent)
    return cloud_events.event_id(request) if cloud_events.is_cloud_event(request) else None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return the event that each envelope holds: one, but for a batch."""
    if whois.is_question(request):
        raise IgnoredDelivery("a dialplan asks who is calling; the call does not change")
    if cloud_events.is_cloud_event(request):
        found = cloud_events.envelopes(request)
    else:
        found = [json_object(request.body)]
    kinds = [required(envelope, "type") for envelope in found]
    events = [
        _event(stage, envelope, part(envelope, "data"))
        for kind, envelope in zip(kinds, found, strict=True)
        if (stage := _stage(kind, envelope)) is not None
    ]
    if not events:
        said = repr(kinds[0]) if kinds else "none"
        raise IgnoredDelivery(f"events of type {said} are not about calls")
    return events


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 204: a sender of Standard Webhooks looks at the status alone."""
    return HookResponse(status=204)


def _stage(kind: str, envelope: Fields) -> CallStage | None:
    if "specversion" in envelope:  # CloudEvents ask for a reversed domain before the type
        return STAGES.get(".".join(kind.rsplit(".", 2)[-2:]))
    return STAGES.get(kind)


def _event(stage: CallStage, envelope: Fields, data: Fields) -> CallEvent:
    answered_at = rfc3339(data, "answered_at")
    talk_s = seconds(data, "talk_s")
    outcome = word(data, "outcome", OUTCOMES)
    if stage is CallStage.ENDED and outcome is None and (answered_at or talk_s):
        outcome = Outcome.ANSWERED
    taker, leg = text(data, "answered_by"), text(data, "leg")
    if stage is CallStage.ANSWERED and taker:
        outcome = word(data, "answered_by", TAKERS)
        if outcome is not Outcome.ANSWERED:
            stage, answered_at = CallStage.RINGING, None
            leg = leg or taker  # a machine that picks up is no beginning of the call
    return CallEvent(
        call_keys=_call_keys(data),
        stage=stage,
        occurred_at=rfc3339(envelope, "time" if "specversion" in envelope else "timestamp"),
        direction=word(data, "direction", DIRECTIONS),
        caller=text(data, "from"),
        callee=text(data, "to"),
        line=text(data, "line"),
        withheld=flag(data, "withheld"),
        agent=text(data, "extension"),
        leg=leg,
        outcome=outcome,
        started_at=rfc3339(data, "started_at"),
        answered_at=answered_at,
        ended_at=rfc3339(data, "ended_at"),
        duration_s=seconds(data, "duration_s"),
        talk_s=talk_s,
        recording_url=url(data, "recording_url"),
        recording_id=text(data, "recording_id"),
        recording_ready=flag(data, "recording_ready"),
        forwarded_to=text(data, "forwarded_to"),
        queue=text(data, "queue"),
        transfer=word(data, "transfer", TRANSFERS),
    )


def _call_keys(data: Fields) -> tuple[str, ...]:
    listed = data.get("call_ids")
    if listed is None:
        return (required(data, "call_id"),)
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_KEYS:
        raise UnreadableDelivery(f"call_ids is no list of 1 to {MOST_KEYS} ids")
    keys = [required({"call_ids": one}, "call_ids") for one in listed]
    own = text(data, "call_id")
    return tuple(dict.fromkeys([own, *keys] if own else keys))


def _proves(request: HookRequest, secrets: Mapping[str, str]) -> bool:
    secret = _decoded(secrets["secret"])
    sent_id, sent_at = request.header("webhook-id"), request.header("webhook-timestamp")
    if secret is None or not sent_id or not sent_at:
        return False
    head = f"{sent_id}.{sent_at}.".encode("utf-8", "surrogatepass")
    # Not hmac.digest: it lets other threads go on, and waits for its turn again, at each request.
    digest = hmac.new(secret, head + request.body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    sent = (request.header("webhook-signature") or "").split(" ", MOST_SIGNATURES)
    return any(same(each, expected) for each in sent)


def _decoded(secret: str) -> bytes | None:
    try:
        octets = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return octets if len(octets) >= SHORTEST_SECRET else None


def secret_problem(secrets: Mapping[str, str]) -> str | None:
    """Name the form of a secret, where one is given by which no request can be proved."""
    secret = secrets.get("secret")
    if secret is None or _decoded(secret) is not None:
        return None
    return f"secret could prove nothing; write whsec_ and base64 of {SHORTEST_SECRET} to 64 octets"


def _signed_at(request: HookRequest) -> datetime:
    sent = request.header("webhook-timestamp") or ""
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 10):
        raise BadSignature("webhook-timestamp is no number of seconds")
    return datetime.fromtimestamp(int(sent), UTC)


GENERIC = Provider(
    name="generic",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    lookup=whois.LOOKUP,
    secrets=("secret",),
    secret_problem=secret_problem,
    handshake=cloud_events.handshake,
)
