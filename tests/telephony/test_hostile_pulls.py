"""Whatever a provider's interface answers: two exceptions or events, storable and quickly."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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
from ingest.domain.histories import ApiResponse
from ingest.telephony.calls import fold, tie
from ingest.telephony.cases import account_of, kind_of, provider_of
from ingest.telephony.providers import PROVIDERS
from tests.properties import examples
from tests.telephony.recorded import cases
from tests.telephony.test_hostile import NASTY_FORMS, NASTY_JSON

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PULLED = sorted(name for name, it in PROVIDERS.items() if Kind.PULL in it.reads)
ASKED = sorted(name for name, it in PROVIDERS.items() if it.history is not None)
RECORDED = sorted(name for name, case in cases().items() if kind_of(case) == "pull")
NASTY = {**NASTY_JSON, "only separators": NASTY_FORMS["only separators"], "a table": b";" * 65_536}
ODD_VALUES: tuple[Any, ...] = (None, "x" * 600, -1, 1e300, [{}], {}, "\x00", "2026-13-40")
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("name", PULLED)
@pytest.mark.parametrize("nasty", sorted(NASTY))
def test_nasty_answers_are_refused_and_quickly(name: str, nasty: str) -> None:
    began = time.process_time()

    list(reads(PROVIDERS[name], an_account(), NASTY[nasty]))

    assert time.process_time() - began < 0.5 or len(NASTY[nasty]) > 1_000_000


@pytest.mark.parametrize("name", RECORDED)
def test_every_value_of_a_recorded_answer_may_be_anything(name: str) -> None:
    case = cases()[name]
    provider, account = provider_of(case), account_of(case)
    assert provider is not None
    body = case["response"]["body"]

    for value in ODD_VALUES:
        for changed in with_value(body, value):
            list(reads(provider, account, changed.encode("utf-8", "surrogatepass")))


@given(data=st.data())
@examples(60)
def test_odd_json_in_place_of_rows_is_read_or_refused(data: Any) -> None:
    name = data.draw(st.sampled_from(RECORDED))
    case = cases()[name]
    try:
        plain = json.loads(case["response"]["body"])
    except ValueError:
        return
    odd = data.draw(ODD)
    swapped = [odd] if isinstance(plain, list) else dict.fromkeys(plain, odd)
    body = json.dumps(swapped, default=str).encode("utf-8", "surrogatepass")

    provider = provider_of(case)
    assert provider is not None
    list(reads(provider, account_of(case), body))


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("nasty", sorted(NASTY))
def test_what_an_answer_comes_to_is_told_or_refused(name: str, nasty: str) -> None:
    history = PROVIDERS[name].history
    assert history is not None
    said = ""
    try:
        turned = history.turn(an_account(), ApiResponse(status=200, body=NASTY[nasty]), None)
        assert turned.wait_s >= 0
    except UnreadableDelivery as error:
        said = str(error)
    assert said or turned is not None


@pytest.mark.parametrize("name", ASKED)
def test_a_source_that_lacks_its_settings_is_told_which(name: str) -> None:
    history = PROVIDERS[name].history
    assert history is not None
    assert not history.equipped(Account(source="bare"))

    said = ""
    try:
        history.request(Account(source="bare"), NOON - timedelta(hours=1), NOON, None)
        assert history.grant is not None, "a request without any proof"
        history.grant.request(Account(source="bare"), None, NOON)
    except UnreadableDelivery as error:
        said = str(error)
    assert len(said) > 10


# Helpers ---------------------------------------------------------------------------------------


def an_account() -> Account:
    return Account(source="s", region="RU", config={"trunk_ids": ["1"]})


def reads(provider: Provider, account: Account, body: bytes) -> Iterator[object]:
    """Read an answer and fold what came; any exception but the two fails the test."""
    delivery = Delivery(
        log="calls",
        partition=0,
        position=1,
        source="s",
        key="k",
        received_at=NOON,
        head={"kind": "pull"},
        body=body,
    )
    try:
        events = provider.reads[Kind.PULL](delivery, account)
    except (UnreadableDelivery, IgnoredDelivery):
        return
    for event in events:
        assert event.call_keys
        assert all(key and "\x00" not in key for key in event.call_keys)
    for group in tie(Report(event=event, received_at=NOON) for event in events):
        yield fold(group)


def with_value(body: str, value: Any) -> Iterator[str]:
    """Yield the answer with each of its values replaced, one at a time."""
    try:
        plain = json.loads(body)
    except ValueError:
        for number, cell in enumerate(body.split(";")):
            cells = body.split(";")
            cells[number] = str(value)
            if cell != cells[number]:
                yield ";".join(cells)
        return
    for path in paths(plain):
        changed = json.loads(body)
        inner = changed
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        yield json.dumps(changed)


def paths(value: Any) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in list(steps)[:9]:
        yield (step,)
        if isinstance(inner, dict | list) and inner:
            yield from ((step, *rest) for rest in paths(inner))
