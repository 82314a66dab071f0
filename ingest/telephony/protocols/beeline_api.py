"""Beeline's interface: the subscription of its events, and the sound of recorded calls.

Not tried against a live account. A subscription cannot be renewed, only made anew; both report
until the older one ends.
Facts: cloudpbx.beeline.ru/apis/portal (subscription, v2/records), by public code that asks it.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from urllib.parse import quote

from ingest.domain.deliveries import Account, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.recordings import RecordingOf
from ingest.domain.subscriptions import Subscribed
from ingest.telephony.fields import number, required, text
from ingest.telephony.request import json_object

HOST = "cloudpbx.beeline.ru"
LIFE_S = 86_400  #: asked for
NAMES = ("path_token", "api_token")


def ask(account: Account, held: Subscribed | None, now: datetime) -> ApiRequest:
    """Ask for a subscription of all users, or of those that the setting `pattern` names."""
    secrets = next((it for it in account.secrets if all(it.get(name) for name in NAMES)), None)
    if secrets is None:
        raise UnreadableDelivery(f"the source lacks one of {', '.join(NAMES)}")
    if not account.public_url:
        raise UnreadableDelivery("public_url: Beeline must be told an address to report to")
    wish = {
        "expires": LIFE_S,
        "subscriptionType": "BASIC_CALL",
        "url": f"{account.public_url}/hooks/{account.source}/{secrets['path_token']}",
    }
    pattern = account.config.get("pattern")
    if isinstance(pattern, str) and pattern:
        wish["pattern"] = pattern
    return ApiRequest(
        method="PUT",
        url=f"https://{HOST}/apis/portal/subscription",
        headers={
            "X-MPBX-API-AUTH-TOKEN": secrets["api_token"],
            "Content-Type": "application/json",
            "Accept": "application/json",
        },
        body=json.dumps(wish).encode(),
    )


def subscribed(account: Account, answered: ApiResponse, now: datetime) -> Subscribed:
    """Return what is held now. Raises UnreadableDelivery with Beeline's own word for a refusal."""
    if answered.status not in (200, 201):
        raise UnreadableDelivery(
            f"Beeline refused the subscription: {answered.status} {_said(answered)}".rstrip()
        )
    fields = json_object(answered.body)
    if "subscriptionId" not in fields:
        raise UnreadableDelivery(f"Beeline refused the subscription: {_said(answered)}".rstrip())
    life_s = number(fields, "expires") or LIFE_S
    expires_at = now + timedelta(seconds=min(life_s, LIFE_S))
    return Subscribed(id=required(fields, "subscriptionId"), expires_at=expires_at)


def ask_sound(account: Account, recording: RecordingOf) -> ApiRequest | None:
    """Ask for what was recorded of one user's half of a call; None: there is no key to ask with."""
    key_of_api = next(
        (each["api_token"] for each in account.secrets if each.get("api_token")), None
    )
    if key_of_api is None or recording.id is None:
        return None
    half = "/".join(quote(part, safe=":@") for part in (recording.call_key, recording.id))
    return ApiRequest(
        url=f"https://{HOST}/apis/portal/v2/records/{half}/download",
        headers={"X-MPBX-API-AUTH-TOKEN": key_of_api},
    )


def _said(answered: ApiResponse) -> str:
    try:
        fields = json_object(answered.body)
        return " ".join(filter(None, (text(fields, "errorCode"), text(fields, "description"))))
    except UnreadableDelivery:
        return ""
