"""What is asked of histories, and where one page of an answer leads: by the provider's own ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from ingest.domain.deliveries import Account, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.telephony.providers import PROVIDERS

SINCE = datetime(2026, 3, 2, 9, 30, tzinfo=ZoneInfo("Europe/Moscow"))
UNTIL = SINCE + timedelta(hours=2)
ACCOUNT = Account(
    source="s",
    secrets=(
        {
            "auth_id": "MA1",
            "auth_token": "t",
            "api_user": "u",
            "api_password": "p",
            "api_key": "k",
            "application_id": "app1",
            "private_key": "pem",
        },
    ),
    zone=ZoneInfo("Asia/Kolkata"),
    config={"account_id": "99/00"},
)


def test_bandwidth_goes_on_with_the_token_of_the_next_link_and_to_no_other_address() -> None:
    there = "https://elsewhere.example/api/v2/accounts/99/calls"
    link = f'<{there}?pageToken=p1>; rel="prev", <{there}?a=2&pageToken=p%3D%3D2>; rel=next'

    assert turned("bandwidth", [{}], link=link).next == "p==2"

    asked = request("bandwidth", "p==2")
    assert urlsplit(asked.url).hostname == "voice.bandwidth.com"
    assert query(asked)["pageToken"] == ["p==2"]
    assert query(asked)["minStartTime"] == ["2026-03-02T06:30:00Z"]


@pytest.mark.parametrize(
    "link", ["", '<https://voice.bandwidth.com/?pageToken=a>; rel="first"', "<<<>;", "next"]
)
def test_bandwidth_without_a_next_link_was_the_last_page(link: str) -> None:
    assert turned("bandwidth", [{}], link=link).next is None


@pytest.mark.parametrize("address", ["https://voice.bandwidth.com/calls", "https://[voice?a"])
def test_a_next_link_of_bandwidth_that_names_no_page_is_refused(address: str) -> None:
    with pytest.raises(UnreadableDelivery):
        turned("bandwidth", [{}], link=f'<{address}>; rel="next"')


def test_the_number_of_an_account_cannot_lead_out_of_its_place() -> None:
    assert urlsplit(request("bandwidth").url).path == "/api/v2/accounts/99%2F00/calls"


def test_plivo_is_asked_in_utc_and_goes_on_behind_what_came() -> None:
    first = query(request("plivo"))
    assert first["end_time__gte"] == ["2026-03-02 06:30:00"]
    assert first["end_time__lt"] == ["2026-03-02 08:30:00"]

    page = {"objects": [{}] * 20, "meta": {"next": True}}  # some answers only say that there is one
    assert turned("plivo", page, page="40").next == "60"
    assert query(request("plivo", "60"))["offset"] == ["60"]


def test_a_page_of_plivo_that_is_empty_is_the_last_whatever_it_says() -> None:
    assert turned("plivo", {"objects": [], "meta": {"next": "/v1/..."}}).next is None


def test_telnyx_is_asked_with_one_bound_as_it_takes_no_second() -> None:
    asked = query(request("telnyx"))

    bounds = {name: stated for name, stated in asked.items() if "occurred_at" in name}
    assert bounds == {"filter[occurred_at][gte]": ["2026-03-02T06:30:00Z"]}


def test_telnyx_goes_on_to_the_last_page_that_it_counts() -> None:
    assert turned("telnyx", {"data": [{}], "meta": {"total_pages": 2}}).next == "2"
    assert turned("telnyx", {"data": [{}], "meta": {"total_pages": 2}}, page="2").next is None
    assert turned("telnyx", {"data": [], "meta": {"total_pages": 9}}).next is None
    assert turned("telnyx", {"data": [{}]}).next is None


def test_vonage_goes_on_until_as_many_legs_came_as_it_counts() -> None:
    page = {"count": 101, "_embedded": {"calls": [{}] * 100}}
    assert turned("vonage", page).next == "100"
    assert query(request("vonage", "100"))["record_index"] == ["100"]

    last = {"count": 101, "_embedded": {"calls": [{}]}}
    assert turned("vonage", last, page="100").next is None


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("plivo", "auth_id"),
        ("bandwidth", "api_password"),
        ("telnyx", "api_key"),
        ("vonage", "private_key"),
    ],
)
def test_a_source_without_one_of_the_secrets_is_not_asked_for_its_history(
    name: str, lacking: str
) -> None:
    [held] = ACCOUNT.secrets
    bare = Account(source="s", secrets=({n: v for n, v in held.items() if n != lacking},))

    assert history(name).equipped(ACCOUNT)
    assert not history(name).equipped(bare)


# Helpers ---------------------------------------------------------------------------------------


def history(name: str) -> History:
    found = PROVIDERS[name].history
    assert found is not None
    return found


def request(name: str, page: str | None = None) -> ApiRequest:
    return history(name).request(ACCOUNT, SINCE.astimezone(UTC), UNTIL.astimezone(UTC), page)


def query(asked: ApiRequest) -> Mapping[str, list[str]]:
    return parse_qs(urlsplit(asked.url).query)


def turned(name: str, answer: Any, *, page: str | None = None, link: str | None = None) -> Turned:
    headers = {} if link is None else {"link": link}
    response = ApiResponse(status=200, headers=headers, body=json.dumps(answer).encode())
    return history(name).turn(ACCOUNT, response, page)
