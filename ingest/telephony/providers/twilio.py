"""Twilio Voice: X-Twilio-Signature with the account's auth token. Not tried live."""

from __future__ import annotations

from ingest.domain.deliveries import Account, HookRequest, Provider
from ingest.telephony.protocols import laml


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless X-Twilio-Signature signs the public address and the form."""
    laml.require_signature(request, account, "auth_token", "x-twilio-signature")


TWILIO = Provider(
    name="twilio",
    verify=verify,
    key=laml.key,
    parse=laml.parse,
    answer=laml.answer,
    secret_fields=("AccountSid",),
    secrets=("auth_token",),
)
