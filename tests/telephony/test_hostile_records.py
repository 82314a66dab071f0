"""Whatever stands in a file, comes over a connection or is answered: read, ignored or parked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.calls import Report
from ingest.domain.deliveries import (
    Account,
    Delivery,
    IgnoredDelivery,
    Kind,
    Provider,
    UnreadableDelivery,
)
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import account_of, kind_of, provider_of
from ingest.telephony.conformance_records import records_of
from ingest.telephony.providers import PROVIDERS
from tests.properties import examples
from tests.telephony.quick_desk import NOON
from tests.telephony.recorded import cases
from tests.telephony.test_hostile import KIB_64, NASTY_FORMS, NASTY_JSON, assert_storable

Seed = tuple[Provider, Account, Kind, bytes, Mapping[str, Any]]

READERS = sorted(
    (name, str(kind)) for name, provider in PROVIDERS.items() for kind in provider.reads
)
NASTY_LINES = {
    "only separators": b"," * KIB_64,
    "only quotes": b'"' * KIB_64,
    "every other a quote": b'",' * (KIB_64 // 2),
    "only line ends": b"\r\n" * (KIB_64 // 2),
    "only colons": b":" * KIB_64,
    "one long cell": b"1" * KIB_64,
    "NUL": b"\0" * KIB_64,
    "octets that are not UTF-8": b"\xff\xfe," * (KIB_64 // 3),
}
NASTY = NASTY_JSON | NASTY_FORMS | NASTY_LINES


@cache
def seeds() -> list[Seed]:
    """Return every recorded record, message and answer."""
    return list(_seeds())


def _seeds() -> Iterator[Seed]:
    for case in cases().values():
        provider = provider_of(case)
        if provider is None:
            continue
        account, kind = account_of(case), kind_of(case)
        if kind == "pull" and Kind.PULL in provider.reads:
            body = str(case["response"].get("body", "")).encode()
            yield provider, account, Kind.PULL, body, {"api": case.get("api")}
        if case.get("files") and Kind.RECORD in provider.reads:
            for record in records_of(case, provider, account):
                yield provider, account, Kind.RECORD, record.body, record.head
        if kind == "stream" and provider.talk is not None:
            talk = provider.talk(account)
            talk.opened()
            for item in case["transcript"]:
                if item.get("dir") == "S":
                    at = datetime.fromisoformat(item["at"])
                    said = talk.received(str(item.get("data") or "").encode(), at)
                    for message in said.keep:
                        yield provider, account, Kind.STREAM, message.body, message.head


def seed_of(name: str, kind: str) -> Seed:
    """Return a recorded one of that reader, or else one of a source without settings."""
    without = (PROVIDERS[name], Account(source="s"), Kind(kind), b"", {})
    return next((it for it in seeds() if (it[0].name, str(it[2])) == (name, kind)), without)


def read(seed: Seed, body: bytes) -> list[Report]:
    """Read a body like the recorded one; any but the two named exceptions fails the test."""
    provider, account, kind, _, head = seed
    delivery = Delivery(
        log="calls",
        partition=0,
        position=1,
        source="s",
        key="k",
        received_at=NOON,
        head={**head, "kind": str(kind)},
        body=body,
    )
    try:
        events = provider.reads[kind](delivery, account)
    except (UnreadableDelivery, IgnoredDelivery) as error:
        return [] if str(error) else pytest.fail("it does not say why")
    for event in events:
        assert event.call_keys
        assert_storable(repr(event))
    return [Report(event=event, received_at=NOON) for event in events]


@pytest.mark.parametrize(("name", "kind"), READERS)
def test_nasty_octets_are_ignored_parked_or_read_and_quickly(name: str, kind: str) -> None:
    seed = seed_of(name, kind)
    for nasty, octets in NASTY.items():
        read(seed, octets[: 2 * KIB_64])

        def took(octets: bytes = octets[:KIB_64]) -> float:
            begun = time.process_time()
            read(seed, octets)
            return time.process_time() - begun

        # that the machine was busy once is not the reader's fault
        assert any(took() < 0.05 for _ in range(3)), nasty


@examples(200)
@given(data=st.data())
def test_recorded_octets_that_were_changed_are_ignored_parked_or_read(data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(seeds()))
    body = bytearray(seed[3])
    for _ in range(data.draw(st.integers(0, 4))):
        where = data.draw(st.integers(0, len(body)))
        body[where : where + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))

    for reports in tie(read(seed, bytes(body))):
        fold(reports)


@examples(150)
@given(data=st.data())
def test_files_of_anything_are_cut_without_losing_an_octet(data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from([each for each in seeds() if each[2] is Kind.RECORD]))
    provider, account = seed[:2]
    anything = data.draw(st.binary(max_size=200))
    octets = anything + seed[3] + data.draw(st.sampled_from([b"", b"\n", b'"', b"\r\n,"]))

    for final in (False, True):
        records, taken = provider.files("Master.csv", octets, final, account)
        assert 0 <= taken <= len(octets)
        assert taken == len(octets) or not final
        for record in records:
            assert 0 <= record.begin < record.end <= taken
            read((provider, account, Kind.RECORD, record.body, record.head), record.body)
