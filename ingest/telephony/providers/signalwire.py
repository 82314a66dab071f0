"""SignalWire's compatibility interface: Twilio's callbacks, signed with the project's signing key.

Not tried against a live account; that the signature is made as Twilio's is unconfirmed.
Facts: signalwire/docs compatibility-api webhook-security, voice-status-callbacks.
"""

from __future__ import annotations

from ingest.domain.deliveries import Account, HookRequest, Provider
from ingest.telephony.protocols import laml


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless X-SignalWire-Signature signs the public address and the form."""
    laml.require_signature(request, account, "signing_key", "x-signalwire-signature")


SIGNALWIRE = Provider(
    name="signalwire",
    verify=verify,
    key=laml.key,
    parse=laml.parse,
    answer=laml.answer,
    secret_fields=("AccountSid",),
    secrets=("signing_key",),
)
