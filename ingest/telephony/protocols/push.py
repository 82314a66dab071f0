"""The push interface newCall, answer, hangup of sipgate, which Zammad and many bridges took over.

Forms, JSON or forms in parts. Events carry no time, so the time of receipt is theirs, and a call
that is passed on gets a new id which may name the first one (`origCallId`).
Facts: developer.sipgate.io/push-api/api-reference; zammad/zammad-documentation api/generic-cti.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import HookRequest, IgnoredDelivery, UnreadableDelivery
from ingest.telephony.fields import Fields, required, text, word
from ingest.telephony.multipart import multipart_pairs
from ingest.telephony.protocols.callers import shown
from ingest.telephony.request import MAX_FIELDS, form_pairs, json_object

# event=newCall&direction=in&from=4917139200001&to=493023125000&callId=84C7&user[]=Alice&user[]=Bob
STAGES = {
    "newcall": CallStage.RINGING,
    "answer": CallStage.ANSWERED,
    "hangup": CallStage.ENDED,
}
DIRECTIONS = {"in": Direction.INBOUND, "out": Direction.OUTBOUND}
#: `cause`. One that is not here tells nothing of its own: the answer, if one came, decides.
CAUSES = {
    "cancel": Outcome.CANCELLED,
    "busy": Outcome.BUSY,
    "noAnswer": Outcome.NO_ANSWER,
    "congestion": Outcome.FAILED,
    "notFound": Outcome.FAILED,
}
VOICEMAIL = "voicemail"  #: stands where a person's name would
MOST_PEOPLE = 200  #: telephones that one call rings


def fields_of(request: HookRequest) -> Mapping[str, Any]:
    """Return the fields of a body; a name that ends in [] holds a list."""
    content_type = request.header("content-type") or ""
    if "json" in content_type.lower() or request.body.lstrip().startswith(b"{"):
        return json_object(request.body)
    if content_type.lower().startswith("multipart/"):
        return _fields(multipart_pairs(request.body, content_type, most=MAX_FIELDS))
    return _fields(form_pairs(request.body))


def read(
    fields: Fields,
    *,
    call_keys: tuple[str, ...],
    people: Sequence[str] = (),
    causes: Mapping[str, Outcome] = CAUSES,
    **told: Any,
) -> list[CallEvent]:
    """Return what one event says: one report, and one more for each further telephone that rings.

    `people` are those whose telephones ring, or the one who took the call.
    """
    stage = STAGES.get(required(fields, "event").lower())
    if stage is None:
        raise IgnoredDelivery(f"the event {text(fields, 'event')!r} changes no call")
    direction = word(fields, "direction", DIRECTIONS)
    if direction is None:
        raise UnreadableDelivery("the field direction is missing")
    told |= {"call_keys": call_keys, "stage": stage, **_sides(fields, direction)}
    told["outcome"] = causes.get(text(fields, "cause") or "")
    if stage is CallStage.ENDED:
        return [CallEvent(**told)]
    if VOICEMAIL in (each.lower() for each in people):
        return [CallEvent(**told | {"outcome": Outcome.VOICEMAIL})]
    if stage is CallStage.ANSWERED:
        return [CallEvent(agent=people[0] if len(people) == 1 else None, **told)]
    return [CallEvent(agent=each, **told) for each in people] or [CallEvent(**told)]


def listed(fields: Fields, *names: str) -> list[str]:
    """Return the texts of the first of these fields that is there; it may be a list or one text."""
    for name in names:
        value = fields.get(name, fields.get(f"{name}[]"))
        if value is None or value in ("", []):
            continue
        several = value if isinstance(value, list) else [value]
        if len(several) > MOST_PEOPLE:
            raise UnreadableDelivery(f"the field {name} has more than {MOST_PEOPLE} entries")
        texts = [text({name: each}, name) for each in several]
        return list(dict.fromkeys(each for each in texts if each))
    return []


def _sides(fields: Fields, direction: Direction) -> dict[str, Any]:
    ours, theirs = text(fields, "to"), text(fields, "from")
    if direction is Direction.OUTBOUND:
        return {"direction": direction, "callee": ours, "line": shown(theirs)}
    caller = shown(theirs)
    return {
        "direction": direction,
        "caller": caller,
        "withheld": theirs is not None and caller is None,
        "callee": ours,
    }


def _fields(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for octets, value in pairs:
        name, written = octets.decode("utf-8", "replace"), value.decode("utf-8", "replace")
        if name.endswith("[]"):
            found.setdefault(name, []).append(written)
        elif found.setdefault(name, written) != written:
            raise UnreadableDelivery("a field is sent twice with different values")
    return found
