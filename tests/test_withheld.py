"""A number that its owner wished to hide is nobody's, unless the source is set otherwise."""

from __future__ import annotations

import json

import pytest

from ingest.domain.deliveries import Account, Delivery
from ingest.readers import read
from ingest.telephony.providers import PROVIDERS
from tests.world import NOW

CALLER = "+79035554433"


def callers(direction: str, **config: object) -> list[str | None]:
    data = {"call_id": "c1", "direction": direction, "from": CALLER, "to": "+74950000001"}
    told = {
        "type": "call.ringing",
        "timestamp": NOW.isoformat(),
        "data": {**data, "withheld": True},
    }
    delivery = Delivery(
        log="calls",
        partition=0,
        position=1,
        source="office",
        key="k",
        received_at=NOW,
        head={"method": "POST", "path": "", "headers": []},
        body=json.dumps(told).encode(),
    )
    account = Account(source="office", region="RU", config=config)
    [reading] = read([delivery], {"office": (PROVIDERS["generic"], account)}, lambda raw: [])
    return [event.caller for _, event in reading.events]


@pytest.mark.parametrize(
    ("direction", "config", "caller"),
    [
        ("inbound", {}, None),
        ("inbound", {"show_withheld": True}, CALLER),
        ("inbound", {"show_withheld": "yes, please"}, None),
        ("outbound", {}, CALLER),
    ],
)
def test_a_number_that_came_with_a_wish_for_privacy(
    direction: str, config: dict[str, object], caller: str | None
) -> None:
    assert callers(direction, **config) == [caller]
