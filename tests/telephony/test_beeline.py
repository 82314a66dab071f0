"""Beeline Cloud PBX: whose events are taken, how its subscription is asked for, odd events."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.domain.calls import CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    HookRequest,
    IgnoredDelivery,
    UnreadableDelivery,
)
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.recordings import RecordingOf
from ingest.domain.subscriptions import Subscribed
from ingest.telephony.api_client import why_not_allowed
from ingest.telephony.calls import fold
from ingest.telephony.providers.beeline import BEELINE
from ingest.telephony.subscriptions import (
    SubscriptionLimits,
    ended_memory,
    keep_subscribed,
)
from tests.telephony.quick_desk import NOON, House, a_desk
from tests.telephony.recorded import changed, recorded, scenarios

NOW = datetime(2026, 11, 18, 7, 0, tzinfo=UTC)
SUBSCRIPTION = BEELINE.subscription
ENDED = "beeline/38-subscription-ended.json"
MISSED = "beeline/30-inbound-missed.json"


def a_source(**config: Any) -> Account:
    return Account(
        source="office",
        secrets=({"path_token": "beeTok7", "api_token": "an invented key"},),
        config=config,
        public_url="https://hooks.example.org",
    )


def an_event(**replaced: str) -> HookRequest:
    """Return a recorded event with pieces of its XML replaced."""
    _, _, request = recorded(MISSED)
    body = request.body.decode()
    for old, new in replaced.items():
        assert f"<xsi:{old}>" in body
        before, _, rest = body.partition(f"<xsi:{old}>")
        body = f"{before}<xsi:{old}>{new}</xsi:{old}>{rest.partition(f'</xsi:{old}>')[2]}"
    return changed(request, body=body.encode())


def of_type(kind: str) -> HookRequest:
    request = an_event()
    return changed(request, body=request.body.replace(b"CallReceivedEvent", kind.encode()))


def test_events_of_the_named_subscription_are_believed_and_no_others():
    _, account, request = recorded("beeline/40-another-subscription.json")
    theirs = "11111111-1111-4a4a-9c9c-0123456789ab"

    with pytest.raises(BadSignature, match="another subscription"):
        BEELINE.verify(request, account)
    BEELINE.verify(request, a_source())
    BEELINE.verify(request, a_source(subscription_id=theirs))
    with pytest.raises(BadSignature):
        BEELINE.verify(request, a_source(subscription_id=theirs[:-1]))
    with pytest.raises(BadSignature):
        BEELINE.verify(changed(request, body=b"<!DOCTYPE x>"), account)


def test_a_subscription_of_a_day_is_asked_for_with_the_whole_address():
    asked = SUBSCRIPTION.request(a_source(), None, NOW)

    assert (asked.method, asked.url) == (
        "PUT",
        "https://cloudpbx.beeline.ru/apis/portal/subscription",
    )
    assert asked.headers["X-MPBX-API-AUTH-TOKEN"] == "an invented key"
    assert json.loads(asked.body) == {
        "expires": 86_400,
        "subscriptionType": "BASIC_CALL",
        "url": "https://hooks.example.org/hooks/office/beeTok7",
    }


def test_it_is_made_anew_and_not_renewed_and_a_pattern_narrows_it():
    held = Subscribed(id="s-1", expires_at=NOW)

    asked = SUBSCRIPTION.request(a_source(pattern="9600000601"), held, NOW)

    assert asked.method == "PUT"
    assert json.loads(asked.body)["pattern"] == "9600000601"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (replace(a_source(), public_url=""), "public_url"),
        (replace(a_source(), secrets=({"path_token": "x"},)), "api_token"),
    ],
)
def test_what_lacks_to_ask_is_named(source: Account, why: str):
    with pytest.raises(UnreadableDelivery, match=why):
        SUBSCRIPTION.request(source, None, NOW)


@pytest.mark.parametrize(
    ("told", "lives_s"),
    [({}, 86_400), ({"expires": 3_600}, 3_600), ({"expires": 10**9}, 86_400)],
)
def test_what_is_held_ends_when_beeline_says_and_within_a_day(told: dict[str, int], lives_s: int):
    body = json.dumps({"subscriptionId": "s-1", **told}).encode()

    held = SUBSCRIPTION.subscribed(a_source(), ApiResponse(status=200, body=body), NOW)

    assert held == Subscribed(id="s-1", expires_at=NOW + timedelta(seconds=lives_s))


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (400, b'{"errorCode": "BadRequest", "description": "expires"}', "400 BadRequest expires"),
        (200, b'{"errorCode": "UserNotFound"}', "UserNotFound"),
        (503, b"<html>", "503"),
        (200, b"[]", "not an object"),
    ],
)
def test_a_refusal_is_told_in_beelines_own_words(status: int, body: bytes, why: str):
    with pytest.raises(UnreadableDelivery, match=why):
        SUBSCRIPTION.subscribed(a_source(), ApiResponse(status=status, body=body), NOW)


def test_a_subscription_that_ended_is_named_and_no_other_event_ends_one():
    _, account, request = recorded(ENDED)

    assert SUBSCRIPTION.ended(request, account) == "b7f0c9d2-1111-4a4a-9c9c-0123456789ab"
    assert SUBSCRIPTION.ended(an_event(), account) is None
    with pytest.raises(IgnoredDelivery, match="SubscriptionTerminatedEvent"):
        BEELINE.parse(request, account)


@pytest.mark.parametrize("kind", ["HookStatusEvent", "CallUpdatedEvent", "x" * 3_000, ""])
def test_events_of_no_call_are_ignored(kind: str):
    with pytest.raises(IgnoredDelivery):
        BEELINE.parse(of_type(kind), a_source())


def test_the_prefix_of_the_schema_may_be_another_or_none():
    request = an_event()
    bare = request.body.replace(b"xsi:", b"").replace(b":xsi1", b":t").replace(b"xsi1:", b"t:")
    bare = bare.replace(b"xmlns:xsi=", b"xmlns=")

    assert BEELINE.parse(changed(request, body=bare), a_source()) == BEELINE.parse(
        request, a_source()
    )


@pytest.mark.parametrize(
    ("address", "direction", "caller"),
    [
        ("tel:+79814270002", Direction.INBOUND, "+79814270002"),
        ("sip:+79814270002@mpbx.sip.beeline.ru;user=phone", Direction.INBOUND, "+79814270002"),
        ("tel:89814270002", Direction.INBOUND, "89814270002"),
        ("tel:602", Direction.INTERNAL, "602"),
        ("anonymous", Direction.INBOUND, None),
        ("", Direction.INBOUND, None),
    ],
)
def test_the_other_side_is_read_out_of_its_address(
    address: str, direction: Direction, caller: str | None
):
    [event] = BEELINE.parse(an_event(address=address), a_source())

    assert (event.direction, event.caller) == (direction, caller)
    assert event.withheld is (caller is None)


def test_without_an_id_of_the_call_its_half_is_the_key():
    [event] = BEELINE.parse(an_event(extTrackingId=""), a_source())

    assert event.call_keys == ("c30:0",)


def test_a_user_that_is_no_number_gives_no_line():
    [event] = BEELINE.parse(an_event(targetId="SIP0001@mpbx.sip.beeline.ru"), a_source())

    assert (event.agent, event.line) == ("SIP0001", None)


@pytest.mark.parametrize(
    "replaced",
    [
        {"personality": "Robot"},
        {"startTime": "soon"},
        {"startTime": "1794985200321000"},
        {"callId": "x" * 600},
        {"remoteParty": "<xsi:address>" + "1" * 600 + "</xsi:address>"},
    ],
)
def test_an_event_that_makes_no_sense_is_parked(replaced: dict[str, str]):
    with pytest.raises(UnreadableDelivery):
        BEELINE.parse(an_event(**replaced), a_source())


def test_a_group_whose_telephones_all_stop_ends_with_the_caller():
    reports = scenarios()["beeline/34-group-still-rings.json"]
    gave_up = scenarios()[MISSED][-1]
    last = replace(gave_up, event=replace(gave_up.event, call_keys=("34:1",), leg="c34:2"))

    call = fold([*reports, last])

    assert call.missed
    assert {report.event.stage for report in reports} == {CallStage.RINGING, CallStage.LEG_ENDED}
    assert reports[-1].event.outcome is Outcome.REJECTED


def test_a_talk_names_its_recording_only_where_the_source_says_that_calls_are_recorded():
    _, account, request = recorded("beeline/03-inbound-released.json")
    recording = replace(account, config={"recordings": True})

    assert BEELINE.parse(request, account)[0].recording_id is None
    [ended] = BEELINE.parse(request, recording)
    assert (ended.recording_id, ended.recording_ready) == (
        "9600000601@mpbx.sip.beeline.ru",
        True,
    )
    [unanswered] = BEELINE.parse(an_event(), recording)
    assert unanswered.recording_id is None


def test_a_recording_is_asked_for_by_call_and_user():
    wanted = RecordingOf(call_key="5701687:1", id="9600000601@mpbx.sip.beeline.ru")

    asked = BEELINE.recordings.request(a_source(), wanted)

    assert asked.url == (
        "https://cloudpbx.beeline.ru/apis/portal/v2/records/5701687:1/"
        "9600000601@mpbx.sip.beeline.ru/download"
    )
    assert asked.headers == {"X-MPBX-API-AUTH-TOKEN": "an invented key"}
    keyless = replace(a_source(), secrets=({"path_token": "x"},))
    assert BEELINE.recordings.request(keyless, wanted) is None
    assert "../" not in BEELINE.recordings.request(a_source(), replace(wanted, id="../x?y")).url


async def test_it_is_kept_subscribed_day_after_day_and_anew_at_once_when_it_ends() -> None:
    house = House(ends=NOON + timedelta(hours=47))
    asked: list[datetime] = []

    async def beeline(request: ApiRequest, *, hosts: tuple[str, ...], **_: Any) -> ApiResponse:
        assert why_not_allowed(request.url, hosts) is None
        asked.append(house.now)
        if len(asked) == 2:  # after a day it says that the second one has ended
            house.memory |= ended_memory(over("s-2", house.now), BEELINE, source)
        body = json.dumps({"subscriptionId": f"s-{len(asked)}", "expires": 86_400}).encode()
        return ApiResponse(status=200, body=body)

    source = a_source()

    rarely = SubscriptionLimits(look_s=300.0)
    await keep_subscribed(a_desk(BEELINE, source, house), call=beeline, limits=rarely)

    hours = [round((at - NOON).total_seconds() / 3_600, 1) for at in asked]
    assert hours == [0.0, 21.6, 21.7, 43.3]


def over(subscription: str, at: datetime) -> HookRequest:
    """Return the event by which Beeline ends a subscription."""
    _, _, request = recorded(ENDED)
    ours = b"b7f0c9d2-1111-4a4a-9c9c-0123456789ab"
    later = at + timedelta(seconds=60)
    return changed(
        request, body=request.body.replace(ours, subscription.encode()), received_at=later
    )
