"""Single fields of a body: what is read, and what is parked instead of being guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.domain.deliveries import UnreadableDelivery
from ingest.telephony import fields

MOSCOW, NEW_YORK = ZoneInfo("Europe/Moscow"), ZoneInfo("America/New_York")
LOCAL = "%Y-%m-%d %H:%M:%S"


def test_text_is_trimmed_and_whole_numbers_become_digits():
    found = {"a": " 101 ", "b": 101, "c": "", "d": None, "e": "  "}

    assert [fields.text(found, name) for name in "abcdef"] == ["101", "101", None, None, None, None]


@pytest.mark.parametrize("value", [1.5, True, ["101"], {"a": 1}, "9" * 513])
def test_what_is_no_text_is_parked(value: Any):
    with pytest.raises(UnreadableDelivery):
        fields.text({"a": value}, "a")


@pytest.mark.parametrize("value", ["soon", True, [1], "nan", "inf", 10**40, "1" * 400])
def test_what_is_no_number_is_parked(value: Any):
    with pytest.raises(UnreadableDelivery):
        fields.number({"a": value}, "a")


@pytest.mark.parametrize("value", [-1, 604_801])
def test_a_length_that_no_call_has_is_parked(value: int):
    with pytest.raises(UnreadableDelivery):
        fields.seconds({"a": value}, "a")


def test_an_epoch_of_zero_means_that_it_never_happened():
    assert fields.epoch({"a": 0}, "a") is None
    assert fields.epoch({"a": "1794985200"}, "a") == datetime(2026, 11, 18, 7, tzinfo=UTC)


@pytest.mark.parametrize("value", [1, 5_000_000_000, 1794985200000])
def test_a_moment_outside_of_this_century_is_parked(value: int):
    with pytest.raises(UnreadableDelivery):
        fields.epoch({"a": value}, "a")


@pytest.mark.parametrize(
    "value", ["2026-11-18T07:00:00", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00+23:59"]
)
def test_a_moment_without_an_offset_or_sense_is_parked(value: str):
    with pytest.raises(UnreadableDelivery):
        fields.rfc3339({"a": value}, "a")


def test_a_local_time_is_read_in_the_accounts_zone():
    near = datetime(2026, 11, 18, 7, 0, 1, tzinfo=UTC)

    found = fields.formatted({"a": "2026-11-18 10:00:00"}, "a", LOCAL, MOSCOW, near)

    assert found == datetime(2026, 11, 18, 7, tzinfo=UTC)


@pytest.mark.parametrize("hour", [5, 6])
def test_a_repeated_hour_takes_the_reading_nearer_to_the_receipt(hour: int):
    near = datetime(2026, 11, 1, hour, 30, 2, tzinfo=UTC)

    found = fields.formatted({"a": "2026-11-01 01:30:00"}, "a", LOCAL, NEW_YORK, near)

    assert found == datetime(2026, 11, 1, hour, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    ["javascript:alert(1)", "//host/x", "https://", "file:///etc/passwd", 7, "http://[", ""],
)
def test_what_is_no_web_address_is_no_recording(value: Any):
    assert fields.url({"a": value}, "a") is None


def test_a_web_address_is_kept_as_sent():
    assert fields.url({"a": "https://r.example.test/1.mp3"}, "a") == "https://r.example.test/1.mp3"
