"""What single providers' events say where the recorded cases do not ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.domain.calls import CallStage
from ingest.domain.deliveries import IgnoredDelivery, UnreadableDelivery
from ingest.telephony.calls import fold
from ingest.telephony.request import form_fields, json_object
from tests.telephony.recorded import changed, recorded, scenarios


def test_mangos_group_number_in_a_summary_is_no_telephone_that_rang():
    assert fold(scenarios()["mango/inbound-missed-group"]).rang == ("101", "102")


def test_mangos_consultation_between_colleagues_shows_no_direction_and_no_answer():
    for name in ("26-attended-consult-appeared", "27-attended-consult-connected"):
        provider, account, request = recorded(f"mango/{name}.json")

        [event] = provider.parse(request, account)

        assert event.direction is None
        assert event.stage is CallStage.RINGING


def test_mangos_client_waits_while_two_colleagues_talk():
    reports = scenarios()["mango/attended-transfer"][:5]

    assert fold(reports).state == "held"
    assert fold(reports).talked == ("101",)


def test_mangos_recording_that_is_too_short_is_ignored():
    provider, account, request = recorded("mango/08-inbound-answered-recording-completed.json")
    body = request.body.replace(b"%22completion_code%22%3A1000", b"%22completion_code%22%3A4002")
    assert body != request.body

    with pytest.raises(IgnoredDelivery, match="too short"):
        provider.parse(changed(request, body=body), account)


def test_a_machine_that_picks_up_is_no_beginning_of_the_call():
    first, *others = scenarios()["generic/09-voicemail.json"]
    telephone = replace(first, event=replace(first.event, leg="leg-1", agent="101"))

    call = fold([telephone, *others])  # what told of the call itself was lost

    assert call.started_at == first.event.occurred_at


def test_twilios_duration_in_minutes_is_not_read():
    [ended] = [
        report.event
        for report in scenarios()["twilio/03-outbound-api-answered.json"]
        if report.event.stage is CallStage.ENDED
    ]

    assert ended.talk_s == 49


def test_a_json_name_given_twice_is_parked_since_readers_would_differ():
    with pytest.raises(UnreadableDelivery, match="twice"):
        json_object(b'{"call_id": "a", "call_id": "b"}')


def test_a_form_field_given_twice_is_parked_unless_equal():
    assert form_fields(b"a=1&a=1") == {"a": "1"}
    with pytest.raises(UnreadableDelivery, match="twice"):
        form_fields(b"a=1&a=2")
