"""Commands about kept deliveries: export, replay, rebuild."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.commands.calling import office
from ingest.custody.masking import MASK
from ingest.domain.deliveries import NewDelivery
from ingest.worker import Worker
from storage.log_sqlite import open_log
from tests.commands.conftest import Keepline

ADD = (
    *("source", "add", "branch", "--provider", "megafon", "--zone", "UTC", "--region", "RU"),
    *("--secret", "crm_token=hush-hush"),
)
BODY = (
    b"cmd=history&type=in&phone=%2B79037654321&diversion=%2B79160000001&start=20261120T100000Z"
    b"&duration=40&callid=c1&status=Missed&crm_token=hush-hush&user=ivanova"
)


@pytest.fixture
def kept(company: Keepline) -> Keepline:
    """A company in whose log lies a delivery of a source that nobody has entered yet."""
    with office(company.settings) as here:
        log = open_log(company.settings.log_file("calls"), name="calls")
        log.append(0, [_delivery()])
        Worker(
            database=here.database,
            logs={"calls": log},
            sources=here.book.sources,
            read_mails=here.read_mails,
            clock=here.clock,
            attempts=company.settings.data_dir / "worker.attempt",
        ).drain()
        log.close()
    open_log(company.settings.log_file("mail"), name="mail").close()
    return company


def test_a_parked_delivery_is_applied_once_by_replay_after_the_fix(kept: Keepline) -> None:
    assert _shown(kept, "calls-0-1")["reason"] == "no source is named branch"
    assert "0 read, 0 ignored, 1 parked again, 0 rows changed." in kept.fine("replay", "--parked")

    kept.fine(*ADD)

    first = kept.fine("replay", "--parked", "--source", "branch")
    assert first.startswith("1 read, 0 ignored, 0 parked again, ")
    assert " 0 rows changed" not in first
    assert _shown(kept, "calls-0-1")["end"] == "read"
    again = kept.fine("replay", _shown(kept, "calls-0-1")["id"])
    assert again == "1 read, 0 ignored, 0 parked again, 0 rows changed.\n"
    assert ", 0 rows would change." in kept.fine("rebuild", "--dry-run")
    assert ", 0 rows changed." in kept.fine("rebuild")


def test_replay_asks_what_to_read_again(kept: Keepline) -> None:
    assert "say which: ids of deliveries, --parked or --ignored" in kept.refused("replay")


def test_reread_says_what_became_of_mails_of_an_earlier_version(kept: Keepline) -> None:
    assert kept.fine("reread") == "0 mails read again, 0 differ, 0 rows changed.\n"
    tried = kept.fine("reread", "--dry-run")
    assert tried == "0 mails read again, 0 would differ, 0 rows would change.\n"


def test_export_masks_secrets_wherever_they_stand(kept: Keepline) -> None:
    kept.fine(*ADD)

    said = kept.fine("export", "calls-0-1")

    shown = json.loads(said)
    assert "hush-hush" not in said
    assert f"crm_token={MASK}" in shown["body"]
    assert "callid=c1" in shown["body"]
    assert ["authorization", MASK] in shown["head"]["headers"]
    assert ["content-type", "application/x-www-form-urlencoded"] in shown["head"]["headers"]


def test_export_raw_gives_the_octets_as_they_came(kept: Keepline) -> None:
    assert kept.fine("export", "calls-0-1", "--raw") == BODY.decode()


def test_export_names_a_delivery_that_is_not_there(kept: Keepline) -> None:
    for name in ("calls-0-99", "mail-0-1", "6f1d6a52-0d4b-5b0e-9a53-5c2b9f5f7d11", "calls-7-1"):
        assert f"DELIVERY: there is no delivery {name}" in kept.refused("export", name)


@pytest.mark.parametrize("delivery", ["calls-0-17", "6f1d6a52-0d4b-5b0e-9a53-5c2b9f5f7d11"])
def test_export_before_anything_was_kept_says_so(keepline: Keepline, delivery: str) -> None:
    assert "DELIVERY: nothing was kept yet" in keepline.refused("export", delivery)
    keepline.fine("init", "--zone", "UTC", "--region", "NL")
    assert "DELIVERY: nothing was kept yet" in keepline.refused("export", delivery)


def _shown(kept: Keepline, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(kept.fine("export", name))
    return shown


def _delivery() -> NewDelivery:
    return NewDelivery(
        source="branch",
        key="k1",
        received_at=datetime(2026, 11, 20, 10, 1, tzinfo=UTC),
        head={
            "method": "POST",
            "path": "",
            "query": "",
            "headers": [
                ["content-type", "application/x-www-form-urlencoded"],
                ["authorization", "hush-hush"],
            ],
            "url": "http://127.0.0.1:8080/hooks/branch?crm_token=hush-hush",
            "peer": "127.0.0.1",
        },
        body=BODY,
    )
