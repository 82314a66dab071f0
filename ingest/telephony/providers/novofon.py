"""Novofon: old cabinets speak Zadarma's protocol, the new platform that of UIS. Not tried live.

The body tells which: JSON is the new platform's. Each is proved in its own way, so a source needs
the secret of its platform; whoever knows only one cannot speak as the other.
Facts: novofon/user-api-v1 (lib/Webhook); sazanof/novofon-api-v2.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import (
    Account,
    HookRequest,
    HookResponse,
    Kind,
    Provider,
    Receipt,
)
from ingest.telephony.histories import novofon as history
from ingest.telephony.protocols import notify, uis


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the platform's own proof is there: signature, or part of path."""
    if _is_new(request):
        uis.verify(request, account)
    else:
        notify.verify(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: neither platform numbers its deliveries."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the one event says, in the platform's own words."""
    return uis.parse(request, account) if _is_new(request) else notify.parse(request, account)


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say nothing, on either platform."""
    answering = uis.answer if _is_new(request) else notify.answer
    return answering(request, account, receipt)


def _is_new(request: HookRequest) -> bool:
    return request.body.lstrip().startswith(b"{")


NOVOFON = Provider(
    name="novofon",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("api_secret", "path_token"),
    any_secret=True,
    handshake=notify.handshake,
    lookup=notify.LOOKUP,  # the new platform asks nothing
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
)
