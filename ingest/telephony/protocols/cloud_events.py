"""CloudEvents 1.0 over HTTP: the three modes in which an event comes, and the handshake.

Structured: one JSON envelope. Batch: a JSON list of envelopes. Binary: attributes in `ce-` headers,
the data alone as the body. Whichever it is, what comes out are envelopes.
Facts: cloudevents/spec http-protocol-binding.md, json-format.md, http-webhook.md.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote

from ingest.domain.deliveries import Account, HookRequest, HookResponse, UnreadableDelivery
from ingest.telephony.fields import Fields, required
from ingest.telephony.request import json_list, json_object, storable

BATCH = "application/cloudevents-batch+json"
MOST_EVENTS = 1_000  #: in one batch
PREFIX = "ce-"
ATTRIBUTES = ("specversion", "type", "source", "id", "time")
LONGEST_ORIGIN = 253  #: characters of a name in the DNS


def is_cloud_event(request: HookRequest) -> bool:
    """Tell whether the request says that it carries CloudEvents, in whichever mode."""
    return request.header(PREFIX + "specversion") is not None or _content_type(request).startswith(
        "application/cloudevents"
    )


def envelopes(request: HookRequest) -> list[Fields]:
    """Return the events of a request as envelopes with their data decoded.

    Raises UnreadableDelivery for a batch that holds anything but objects.
    """
    if _content_type(request) == BATCH:
        return [_decoded(_object(each)) for each in json_list(request.body, most=MOST_EVENTS)]
    if request.header(PREFIX + "specversion") is not None:
        return [_binary(request)]
    return [_decoded(json_object(request.body))]


def event_id(request: HookRequest) -> str | None:
    """Return source and id of a single event, which together name it; a batch has no id."""
    try:
        [envelope] = _binary_head(request) or envelopes(request)
        return storable(f"{required(envelope, 'source')} {required(envelope, 'id')}")
    except (UnreadableDelivery, ValueError):
        return None


def handshake(request: HookRequest, account: Account) -> HookResponse | None:
    """Allow an origin of the source's `allowed_origins` to send, and refuse any other.

    How often it may send is not limited here: who sends too much is told to wait.
    """
    origin = request.header("webhook-request-origin")
    if request.method != "OPTIONS" or origin is None:
        return None
    allowed = account.config.get("allowed_origins")
    names = [str(each).lower() for each in allowed] if isinstance(allowed, list | tuple) else []
    if len(origin) > LONGEST_ORIGIN or not origin.isascii() or not origin.isprintable():
        return HookResponse(status=403)
    if origin.lower() not in names and "*" not in names:
        return HookResponse(status=403)
    headers = (
        ("WebHook-Allowed-Origin", origin),
        ("WebHook-Allowed-Rate", "*"),
        ("Allow", "POST"),
    )
    return HookResponse(headers=headers)


def _binary(request: HookRequest) -> Fields:
    [head] = _binary_head(request)
    return {**head, "data": json_object(request.body) if request.body else {}}


def _binary_head(request: HookRequest) -> list[Fields]:
    """Return the attributes in the headers, if that is where they are."""
    if request.header(PREFIX + "specversion") is None:
        return []
    sent = {name: request.header(PREFIX + name) for name in ATTRIBUTES}
    return [{name: unquote(value.strip('"')) for name, value in sent.items() if value}]


def _decoded(envelope: Fields) -> Fields:
    """Return the envelope with its data as an object, also where it came in base64."""
    sealed = envelope.get("data_base64")
    if sealed is None:
        return envelope
    if not isinstance(sealed, str):
        raise UnreadableDelivery("the field data_base64 is no text")
    try:
        octets = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableDelivery("the field data_base64 is no base64") from error
    return {**envelope, "data": json_object(octets)}


def _object(value: Any) -> Fields:
    if not isinstance(value, dict):
        raise UnreadableDelivery("the batch holds something that is no event")
    return value


def _content_type(request: HookRequest) -> str:
    written = request.header("content-type") or ""
    return written.partition(";")[0].strip().lower()
