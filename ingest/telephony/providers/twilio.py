"""Twilio Voice: X-Twilio-Signature with the account's auth token. Not tried live."""

from __future__ import annotations

from ingest.domain.deliveries import Account, HookRequest, Kind, Provider
from ingest.telephony.histories import laml as history
from ingest.telephony.protocols import laml
from ingest.telephony.pulled import secret
from ingest.telephony.sounds import TWILIO_SOUND

API_HOST = "api.twilio.com"


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless X-Twilio-Signature signs the public address and the form."""
    laml.require_signature(request, account, "auth_token", "x-twilio-signature")


def where(account: Account) -> tuple[str, str, str, str]:
    """Return where the account's calls are listed, and who asks."""
    sid, token = secret(account, "account_sid"), secret(account, "auth_token")
    return API_HOST, "/2010-04-01", sid, token


TWILIO = Provider(
    name="twilio",
    verify=verify,
    key=laml.key,
    parse=laml.parse,
    answer=laml.answer,
    lookup=laml.LOOKUP,
    secret_fields=("AccountSid",),
    secrets=("auth_token",),
    reads={Kind.PULL: history.read},
    history=history.history(where, ("account_sid", "auth_token"), lambda account: (API_HOST,)),
    recordings=TWILIO_SOUND,
)
