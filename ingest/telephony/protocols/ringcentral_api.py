"""RingCentral's interface: the token for a JWT credential, and the subscription of the webhook.

Not tried against a live account. A subscription that it calls blacklisted stays dead, so a new one
is asked for; each is asked for a week, and renewed at half of it.
Facts: ringcentral/ringcentral-api-docs docs/authentication/jwt-flow.md,
docs/notifications/webhooks/{creating-webhooks,troubleshooting}.md.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from ingest.domain.deliveries import Account, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.subscriptions import Subscribed, Subscription, SubscriptionGone
from ingest.domain.tokens import Grant, Token
from ingest.telephony.fields import Fields, number, required, rfc3339, text
from ingest.telephony.request import json_object

HOST = "platform.ringcentral.com"
API_HOST = "api_host"  #: the setting that names another one
SESSIONS = "/restapi/v1.0/account/~/telephony/sessions"  #: every session of the account
LIFE_S = 7 * 86_400  #: asked for; the provider may give less
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: `status` of a subscription that will report nothing any more.
DEAD = frozenset({"blacklisted", "suspended", "blocked"})
NAMES = ("client_id", "client_secret", "jwt", "validation_token")


def ask_token(account: Account, old: Token | None, now: datetime) -> ApiRequest:
    """Ask for a token; the JWT credential is good for any number of them."""
    held = _secrets(account)
    pair = base64.b64encode(f"{held['client_id']}:{held['client_secret']}".encode()).decode()
    form = urlencode({"grant_type": JWT_GRANT, "assertion": held["jwt"]})
    return ApiRequest(
        method="POST",
        url=f"https://{host_of(account)}/restapi/oauth/token",
        headers={
            "Authorization": f"Basic {pair}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        },
        body=form.encode(),
    )


def granted(account: Account, answer: ApiResponse, now: datetime) -> Token:
    """Return the token. Raises UnreadableDelivery with the provider's own word for a refusal."""
    fields = _answered(answer, "the sign-in")
    life_s = number(fields, "expires_in") or 0.0
    token = required(fields, "access_token")
    return Token(value=token, expires_at=now + timedelta(seconds=life_s))


def request(account: Account, held: Subscribed | None, now: datetime) -> ApiRequest:
    """Ask for a new subscription of the source's address, or renew the one that is held."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    address = f"https://{host_of(account)}/restapi/v1.0/subscription"
    if held is not None:
        renewed = f"{address}/{quote(held.id, safe='')}/renew"
        return ApiRequest(method="POST", url=renewed, headers=headers)
    if not account.public_url.startswith("https://"):
        raise UnreadableDelivery("public_url: RingCentral reports to an https address only")
    wish = {
        "eventFilters": [SESSIONS],
        "expiresIn": LIFE_S,
        "deliveryMode": {
            "transportType": "WebHook",
            "address": f"{account.public_url}/hooks/{account.source}",
            "verificationToken": _secrets(account)["validation_token"],
        },
    }
    return ApiRequest(method="POST", url=address, headers=headers, body=json.dumps(wish).encode())


def subscribed(account: Account, answer: ApiResponse, now: datetime) -> Subscribed:
    """Return what is held now.

    Raises SubscriptionGone where it is not known or dead, UnreadableDelivery for a refusal.
    """
    if answer.status == 404:
        raise SubscriptionGone("RingCentral does not know this subscription")
    fields = _answered(answer, "the subscription")
    status = (text(fields, "status") or "active").lower()
    if status in DEAD:
        raise SubscriptionGone(f"RingCentral calls this subscription {status}")
    life_s = number(fields, "expiresIn")
    stated = rfc3339(fields, "expirationTime")
    expires_at = now + timedelta(seconds=life_s) if life_s else stated  # its clock may be wrong
    if expires_at is None:
        raise UnreadableDelivery("RingCentral does not say until when it is subscribed")
    return Subscribed(id=required(fields, "id"), expires_at=expires_at)


def _secrets(account: Account) -> Mapping[str, str]:
    """Return the newest set of secrets that has what the interface needs."""
    found = next((h for h in account.secrets if all(h.get(name) for name in NAMES)), None)
    if found is None:
        raise UnreadableDelivery(f"the source lacks one of {', '.join(NAMES)}")
    return found


def host_of(account: Account) -> str:
    """Return the interface's host: the usual one, or what the setting `api_host` names."""
    named = account.config.get(API_HOST)
    return named if isinstance(named, str) and named else HOST


def _answered(answer: ApiResponse, what: str) -> Fields:
    """Return the fields of a good answer; of another its message is told."""
    if answer.status in (200, 201):
        return json_object(answer.body)
    try:
        fields = json_object(answer.body)
        said = text(fields, "message") or text(fields, "error_description") or ""
    except UnreadableDelivery:
        said = ""
    raise UnreadableDelivery(f"RingCentral refused {what}: {answer.status} {said[:200]}".rstrip())


GRANT = Grant(request=ask_token, granted=granted)
SUBSCRIPTION = Subscription(
    request=request,
    subscribed=subscribed,
    secrets=NAMES,
    hosts=(HOST,),
    hosts_of=lambda account: (host_of(account),),
    grant=GRANT,
)
