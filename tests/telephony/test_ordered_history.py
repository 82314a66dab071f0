"""Rostelecom's history: a file is ordered, looked for, and taken once it is made."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from ingest.domain.deliveries import Account, UnreadableDelivery
from ingest.domain.histories import ApiResponse, Turned
from ingest.telephony.histories import rostelecom
from tests.telephony.simulators.rostelecom import HEAD

ACCOUNT = Account(source="s", secrets=({"client_id": "id1", "sign_key": "key1"},))
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
ROW = "SDij-01;1;1;2;sip:79051230011@a.test;;sip:74951230005@a.test;;;1795071600;0;;;;0;"
MADE = f"{HEAD}\r\n{ROW}\r\n".encode()
GONE = ApiResponse(status=404, body=b"<h1>File [1.csv.z] not found</h1>")


def test_it_is_ordered_for_a_period_in_moscows_time_and_signed_over_its_very_octets() -> None:
    asked = rostelecom.request(ACCOUNT, NOON - timedelta(hours=1), NOON, None)

    fields = json.loads(asked.body)
    assert (fields["date_start"], fields["date_end"]) == (
        "2026-11-18 14:00:00",
        "2026-11-18 15:00:00",
    )
    assert asked.headers["X-Client-ID"] == "id1"
    proof = hashlib.sha256(b"id1" + asked.body + b"key1").hexdigest()
    assert asked.headers["X-Client-Sign"] == proof


def test_with_the_order_it_is_asked_for() -> None:
    told = turn(b'{"result": 0, "resultMessage": "", "order_id": "815:a"}', None)

    assert (told.next, told.keep) == ("1:815:a", False)
    asked = rostelecom.request(ACCOUNT, NOON, NOON, told.next)
    assert asked.url.endswith("/download_call_history")
    assert json.loads(asked.body) == {"order_id": "815:a"}


def test_a_refused_order_is_told_in_the_providers_words() -> None:
    with pytest.raises(UnreadableDelivery, match="already ordered"):
        turn(b'{"result": "5", "resultMessage": "already ordered"}', None)


@pytest.mark.parametrize(
    "answer",
    [
        GONE,
        ApiResponse(status=200, body=GONE.body),
        ApiResponse(status=200, body=b'{"result": "1", "resultMessage": "not ready"}'),
        ApiResponse(status=200),
        ApiResponse(status=200, body=HEAD.encode()),
    ],
    ids=["not found", "a page", "an object", "nothing", "no rows yet"],
)
def test_what_is_not_made_yet_is_looked_for_again(answer: ApiResponse) -> None:
    told = rostelecom.turn(ACCOUNT, answer, "1:815")

    assert (told.next, told.keep) == ("2:815", False)
    assert told.wait_s >= 10


def test_what_is_made_is_taken_and_so_is_one_that_stays_without_rows() -> None:
    assert turn(MADE, "1:815") == Turned()
    assert turn(HEAD.encode(), "4:815") == Turned()


def test_what_is_never_made_is_given_up() -> None:
    with pytest.raises(UnreadableDelivery, match="did not make"):
        rostelecom.turn(ACCOUNT, GONE, f"{rostelecom.MOST_LOOKS}:815")


def turn(body: bytes, page: str | None) -> Turned:
    return rostelecom.turn(ACCOUNT, ApiResponse(status=200, body=body), page)
