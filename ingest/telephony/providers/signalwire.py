"""SignalWire's compatibility interface: Twilio's callbacks, signed with the project's signing key.

Not tried against a live account; that the signature is made as Twilio's is unconfirmed.
Facts: signalwire/docs compatibility-api webhook-security, voice-status-callbacks.
"""

from __future__ import annotations

from ingest.domain.deliveries import Account, HookRequest, Kind, Provider
from ingest.telephony.histories import laml as history
from ingest.telephony.protocols import laml
from ingest.telephony.pulled import host_named, secret, setting

SPACE = "space"  #: the setting that names the project's own host, such as x.signalwire.com


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless X-SignalWire-Signature signs the public address and the form."""
    laml.require_signature(request, account, "signing_key", "x-signalwire-signature")


def where(account: Account) -> tuple[str, str, str, str]:
    """Return where the project's calls are listed, and who asks."""
    project, token = secret(account, "project_id"), secret(account, "api_token")
    return setting(account, SPACE), "/api/laml/2010-04-01", project, token


SIGNALWIRE = Provider(
    name="signalwire",
    verify=verify,
    key=laml.key,
    parse=laml.parse,
    answer=laml.answer,
    lookup=laml.LOOKUP,
    secret_fields=("AccountSid",),
    secrets=("signing_key",),
    reads={Kind.PULL: history.read},
    history=history.history(
        where, ("project_id", "api_token"), lambda account: host_named(account, SPACE)
    ),
)
