"""Where each provider's recordings are asked for, and with what proof."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ingest.domain.deliveries import Account, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.recordings import RecordingOf
from ingest.outbound import Allowed, Forbidden, check
from ingest.telephony.providers import PROVIDERS
from ingest.telephony.recordings import allowed_of
from tests.telephony.simulators import vonage


def asked(
    provider: str, secrets: dict[str, str], config: dict[str, Any] | None = None, **named: str
) -> ApiRequest | None:
    """Return what is asked; whatever it is, it goes only to where it may."""
    account = Account(source="s", secrets=(secrets,), config=config or {})
    sound = PROVIDERS[provider].recordings
    assert sound is not None
    request = sound.request(account, RecordingOf(call_key="c", **named))
    if request is not None:
        check(request.url, allowed_of(sound, account))
    return request


def test_mango_is_asked_by_id_with_a_signed_form() -> None:
    request = asked("mango", {"vpbx_api_key": "k", "vpbx_api_salt": "s"}, id="rec-1")

    assert request is not None
    assert request.url == "https://app.mango-office.ru/vpbx/queries/recording/post"
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    assert json.loads(form["json"]) == {"recording_id": "rec-1", "action": "download"}
    assert form["sign"] == hashlib.sha256(f"k{form['json']}s".encode()).hexdigest()


def test_zadarma_is_asked_for_a_link_which_is_then_followed() -> None:
    request = asked("zadarma", {"api_key": "k", "api_secret": "s"}, id="1439981389.2702773")
    sound = PROVIDERS["zadarma"].recordings
    assert request is not None
    assert sound is not None
    assert sound.link is not None

    assert urlsplit(request.url).path == "/v1/pbx/record/request/"
    assert parse_qs(urlsplit(request.url).query)["call_id"] == ["1439981389.2702773"]
    assert request.headers["Authorization"].startswith("k:")
    account = Account(source="s")
    said = {"status": "success", "link": "https://api.zadarma.com/v1/pbx/record/download/x/1.mp3"}
    answer = ApiResponse(status=200, body=json.dumps(said).encode())
    assert sound.link(account, answer).url == said["link"]
    with pytest.raises(UnreadableDelivery):
        sound.link(account, ApiResponse(status=200, body=b'{"status": "error"}'))


def test_twilio_is_asked_as_the_account_and_for_a_format_that_browsers_play() -> None:
    url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1"
    request = asked("twilio", {"account_sid": "AC1", "auth_token": "t"}, url=url, id="RE1")

    assert request is not None
    assert request.url == url + ".mp3"
    assert request.headers["Authorization"] == f"Basic {base64.b64encode(b'AC1:t').decode()}"


def test_vonage_is_asked_for_the_very_address_with_a_token_that_the_fetch_makes() -> None:
    url = "https://api-us.nexmo.com/v1/files/aaaaaaaa"
    held = {"signature_secret": "x", "application_id": "app1", "private_key": vonage.private_key()}

    assert asked("vonage", held, url=url) == ApiRequest(url=url)
    assert asked("vonage", {"signature_secret": "x"}, url=url) is None

    sound = PROVIDERS["vonage"].recordings
    assert sound is not None
    assert sound.made is not None
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    said = vonage.claims(sound.made(Account(source="s", secrets=(held,)), now).value)
    assert said is not None
    assert (said["application_id"], said["iat"]) == ("app1", int(now.timestamp()))


def test_ringcentral_is_asked_where_its_call_log_says_with_the_token_of_its_history() -> None:
    url = "https://media.ringcentral.com/restapi/v1.0/account/1/recording/2/content"
    held = {"client_id": "i", "client_secret": "s", "jwt": "a.b.c", "validation_token": "v"}

    assert asked("ringcentral", held, url=url) == ApiRequest(url=url)
    assert asked("ringcentral", {"validation_token": "v"}, url=url) is None

    provider = PROVIDERS["ringcentral"]
    assert provider.recordings is not None
    assert provider.history is not None
    assert provider.recordings.grant is provider.history.grant
    assert provider.recordings.grant is not None


def test_bandwidth_is_asked_as_a_user_of_its_interface_or_else_as_its_webhooks() -> None:
    url = "https://voice.bandwidth.com/api/v2/accounts/99/calls/c-1/recordings/r-1/media"
    hook = {"basic_user": "h", "basic_password": "p"}

    for held, who in (({**hook, "api_user": "u", "api_password": "p"}, b"u:p"), (hook, b"h:p")):
        request = asked("bandwidth", held, url=url)
        assert request is not None
        assert request.url == url
        assert request.headers["Authorization"] == f"Basic {base64.b64encode(who).decode()}"


def test_without_the_keys_of_the_interface_nothing_is_asked() -> None:
    assert asked("zadarma", {"api_secret": "s"}, id="x") is None
    assert asked("twilio", {"auth_token": "t"}, url="https://api.twilio.com/x") is None


def test_links_that_carry_their_own_proof_are_taken_as_they_are() -> None:
    url = "https://s3.amazonaws.com/telephony-recorder-prod/a/1.mp3?X-Amz-Signature=abc"
    request = asked("telnyx", {"public_key_base64": "x"}, url=url)

    assert request == ApiRequest(url=url)


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("twilio", "https://evil.example/2010-04-01/Accounts/AC1/Recordings/RE1"),
        ("telnyx", "https://s3.amazonaws.com.evil.example/x"),
        ("aircall", "http://assets.aircall.io/calls/1/recording"),
        ("megafon", "https://records.elsewhere.example/1.mp3"),
    ],
)
def test_an_address_of_somebody_else_is_not_asked(provider: str, url: str) -> None:
    secrets = {"account_sid": "AC1", "auth_token": "t"}

    with pytest.raises(Forbidden):
        asked(provider, secrets, {"api_host": "our.megapbx.example"}, url=url)


def test_the_accounts_own_host_is_where_a_virtual_exchange_keeps_its_recordings() -> None:
    config = {"api_host": "our.megapbx.example"}
    request = asked("megafon", {}, config, url="https://our.megapbx.example/r/21.mp3")

    assert request is not None


PBX = {"recordings_url": "https://pbx.ours.example/monitor", "recording_networks": ["10.0.0.0/8"]}


def test_a_telephone_system_of_our_own_is_asked_by_the_path_it_reported() -> None:
    secrets = {"recordings_user": "u", "recordings_password": "p"}
    request = asked("asterisk", secrets, PBX, id="2026/11/18/in-101 1.wav")

    assert request is not None
    assert request.url == "https://pbx.ours.example/monitor/2026/11/18/in-101%201.wav"
    assert request.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("path", ["../../etc/shadow", "a/../../b", "..\\x", "..", "x/.."])
def test_a_path_out_of_the_folder_is_not_asked(path: str) -> None:
    assert asked("freeswitch", {}, PBX, id=path) is None


def test_without_an_address_of_its_recordings_our_own_system_is_not_asked() -> None:
    assert asked("asterisk", {}, {}, id="in-101.wav") is None


def test_every_provider_that_gives_sound_names_hosts_or_lets_them_be_named() -> None:
    for name, provider in PROVIDERS.items():
        if provider.recordings is not None and provider.recordings.hosts:
            for host in provider.recordings.hosts:
                assert "." in host.strip("."), name
                check(
                    f"https://x{host}" if host[0] == "." else f"https://{host}",
                    Allowed(hosts=(host,)),
                )
