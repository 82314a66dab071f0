"""The four functions of a provider that sends no HTTP requests: its sources have no door.

They are there because every provider has them; `hooks=False` keeps requests away from them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    HookResponse,
    Receipt,
    UnreadableDelivery,
)


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature: nobody can prove to be one who sends nothing."""
    raise BadSignature("this provider sends no requests")


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: there is no event id."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Raise UnreadableDelivery: its reports come by other ways, see `reads`."""
    raise UnreadableDelivery("this provider sends no requests")


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say that it is not here."""
    return HookResponse(status=404)
