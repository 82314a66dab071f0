"""Who is believed: rotation, replay windows, empty secrets, address lists, foreign vectors."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from standardwebhooks.webhooks import Webhook

from ingest.domain.deliveries import Account, BadSignature, HookRequest
from ingest.telephony.protocols import laml
from ingest.telephony.providers import PROVIDERS
from ingest.telephony.request import delivery_key
from tests.telephony.recorded import cases, changed, recorded

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
OLD = "whsec_" + b64encode(b"an invented secret, the older one").decode()
NEW = "whsec_" + b64encode(b"an invented secret, the newer one").decode()
GENERIC = PROVIDERS["generic"]
BODY = '{"type": "call.ended",  "data": {"call_id": "\\u0431 б"}}'

FIRST_SIGNED = {
    "aircall": "aircall/01-inbound-answered.json",
    "bandwidth": "bandwidth/01-inbound-transfer-answered.json",
    "beeline": "beeline/03-inbound-released.json",
    "dialpad": "dialpad/01-inbound-answered-jwt.json",
    "exolve_vats": "exolve_vats/01-history-answered.json",
    "freeswitch": "freeswitch/01-inbound-answered-a-leg.json",
    "generic": "generic/standard-webhooks-01-valid-v1.json",
    "grandstream_ucm": "grandstream_ucm/07-pushed-row.json",
    "mango": "mango/07-inbound-answered-summary.json",
    "megafon": "megafon/05-inbound-answered-history.json",
    "mts_vats": "mts_vats/03-inbound-end.json",
    "novofon": "novofon/02-inbound-end.json",
    "onlinepbx": "onlinepbx/03-inbound-end.json",
    "placetel": "placetel/01-inbound-answered.json",
    "plivo": "plivo/01-outbound-answered-hangup.json",
    "ringcentral": "ringcentral/02-inbound-answered-sequence-out-of-order.json",
    "rostelecom": "rostelecom/05-inbound-end.json",
    "signalwire": "signalwire/01-outbound-answered.json",
    "sipgate": "sipgate/01-inbound-answered.json",
    "sipuni": "sipuni/03-inbound-hangup.json",
    "telnyx": "telnyx/01-inbound-answered-two-legs.json",
    "telphin": "telphin/03-inbound-hangup.json",
    "twilio": "twilio/03-outbound-api-answered.json",
    "uis": "uis/05-inbound-call-end.json",
    "vonage": "vonage/01-outbound-answered-lifecycle.json",
    "yeastar_p": "yeastar_p/01-newcdr-inbound-answered.json",
    "zadarma": "zadarma/05-inbound-end.json",
    "zammad": "zammad/01-inbound-answered-json.json",
    "zoom_phone": "zoom_phone/02-inbound-answered.json",
}
#: What proves the sender of that request: octets that are signed, a header, or the path.
PROOFS: dict[str, tuple[bytes, bytes] | str] = {
    "aircall": (b"58f0c2", b"58f0c3"),
    "bandwidth": "authorization",
    "beeline": "path",
    "dialpad": (b"eyJkYXRlX3N0", b"eyJkYXRlX3N1"),
    "exolve_vats": (b"crm_token=e", b"crm_token=f"),
    "freeswitch": "authorization",
    "generic": (b"g1", b"g2"),
    "grandstream_ucm": "authorization",
    "mango": (b"NDQx", b"NDQy"),
    "megafon": (b"crm_token=3", b"crm_token=4"),
    "mts_vats": "authorization",
    "novofon": (b"9051112233", b"9051112234"),
    "onlinepbx": "path",
    "placetel": (b"a14d51", b"a14d52"),
    "plivo": (b"CallUUID=11f4", b"CallUUID=11f5"),
    "ringcentral": "validation-token",
    "rostelecom": (b"SDij-0", b"SDij-1"),
    "signalwire": (b"fedced80", b"fedced81"),
    "sipgate": (b"84C7B8", b"84C7B9"),
    "sipuni": "path",
    "telnyx": (b"a2eb2f41", b"a2eb2f42"),
    "telphin": "path",
    "twilio": (b"CAecc", b"CAecd"),
    "uis": "path",
    "vonage": (b"5f5bd70c", b"5f5bd70d"),
    "yeastar_p": (b"1795000000.16", b"1795000000.17"),
    "zadarma": (b"9051112233", b"9051112234"),
    "zammad": "path",
    "zoom_phone": (b"7000000000000000001", b"7000000000000000002"),
}
everybody = pytest.mark.parametrize(
    "name", sorted(name for name, provider in PROVIDERS.items() if provider.hooks)
)


def signed_by(*secrets: str, at: datetime = NOW, body: str = BODY) -> HookRequest:
    signatures = " ".join(Webhook(secret).sign("msg_1", at, body) for secret in secrets)
    return HookRequest(
        method="POST",
        path="",
        headers=(
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", str(int(at.timestamp()))),
            ("webhook-signature", signatures),
        ),
        body=body.encode(),
        received_at=NOW,
    )


def a_source(*secrets: str, **told: object) -> Account:
    return Account(source="s", secrets=tuple({"secret": each} for each in secrets), **told)


def test_what_the_reference_library_signs_is_believed():
    GENERIC.verify(signed_by(NEW), a_source(NEW))


def test_the_reference_library_believes_the_recorded_signatures():
    _, account, request = recorded("generic/standard-webhooks-01-valid-v1.json")
    library = Webhook(account.secrets[0]["secret"])
    stamp = datetime.fromtimestamp(int(request.header("webhook-timestamp") or 0), tz=UTC)

    sent = request.header("webhook-signature")

    assert sent == library.sign("msg_1", stamp, request.body.decode())


@pytest.mark.parametrize("secrets", [(NEW, OLD), (OLD, NEW)])
@pytest.mark.parametrize("signer", [(NEW,), (OLD,), (OLD, NEW)])
def test_while_secrets_rotate_both_are_believed(secrets: tuple[str], signer: tuple[str]):
    GENERIC.verify(signed_by(*signer), a_source(*secrets))


def test_after_the_rotation_the_old_secret_is_not_believed():
    with pytest.raises(BadSignature):
        GENERIC.verify(signed_by(OLD), a_source(NEW))


@pytest.mark.parametrize("off_s", [-300, -299, 0, 299, 300])
def test_a_timestamp_within_five_minutes_is_fresh(off_s: int):
    GENERIC.verify(signed_by(NEW, at=NOW + timedelta(seconds=off_s)), a_source(NEW))


@pytest.mark.parametrize(("off_s", "side"), [(-301, "behind"), (301, "ahead of"), (600, "ahead")])
def test_a_timestamp_beyond_the_window_is_stale_and_the_skew_is_named(off_s: int, side: str):
    with pytest.raises(BadSignature, match=f"stale: signed {abs(off_s)} s {side}"):
        GENERIC.verify(signed_by(NEW, at=NOW + timedelta(seconds=off_s)), a_source(NEW))


def test_the_window_is_the_sources_own():
    with pytest.raises(BadSignature):
        GENERIC.verify(signed_by(NEW, at=NOW - timedelta(seconds=9)), a_source(NEW, tolerance_s=8))


@pytest.mark.parametrize("stamp", ["", "soon", "-5", "²²", "9" * 5000, "1e9"])
def test_a_timestamp_that_is_no_number_is_a_bad_signature(stamp: str):
    request = signed_by(NEW)
    headers = tuple(
        (key, stamp if key == "webhook-timestamp" else value) for key, value in request.headers
    )

    with pytest.raises(BadSignature):
        GENERIC.verify(changed(request, headers=headers), a_source(NEW))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_####", "whsec_c2hvcnQ=", "short"])
def test_an_empty_unreadable_or_short_secret_proves_nothing(secret: str):
    with pytest.raises(BadSignature):
        GENERIC.verify(signed_by(NEW), a_source(secret))


@everybody
def test_every_provider_believes_its_recorded_request(name: str):
    provider, account, request = recorded(FIRST_SIGNED[name])

    provider.verify(request, account)


@everybody
def test_one_octet_changed_is_not_believed(name: str):
    provider, account, request = recorded(FIRST_SIGNED[name])

    with pytest.raises(BadSignature):
        provider.verify(spoilt(request, PROOFS[name]), account)


def spoilt(request: HookRequest, proof: tuple[bytes, bytes] | str) -> HookRequest:
    """Return the request with one sign of its proof changed."""
    if isinstance(proof, tuple):
        found = changed(request, body=request.body.replace(*proof))
    elif proof == "path":
        found = changed(request, path=request.path[:2] + "~" + request.path[3:])
    else:
        found = changed(
            request,
            headers=tuple(
                (key, value[:9] + "~" + value[10:] if key == proof else value)
                for key, value in request.headers
            ),
        )
    assert found != request
    return found


@everybody
def test_a_second_secret_set_is_believed_as_well(name: str):
    provider, account, request = recorded(FIRST_SIGNED[name])
    other = dict.fromkeys(provider.secrets, "another, newer secret of 32 signs")

    provider.verify(request, with_secrets(account, other, account.secrets[0]))


@everybody
@pytest.mark.parametrize("blank", ["", None])
def test_an_empty_or_missing_secret_never_proves(name: str, blank: str | None):
    provider, account, request = recorded(FIRST_SIGNED[name])
    empty = {} if blank is None else dict.fromkeys(provider.secrets, blank)

    for secrets in ((), (empty,), (empty, empty)):
        with pytest.raises(BadSignature):
            provider.verify(request, with_secrets(account, *secrets))


def hmac_sha1(signed: bytes) -> bytes:
    return hmac.new(b"", signed, hashlib.sha1).digest()


def test_what_anybody_can_sign_with_an_empty_secret_is_not_believed():
    for name in FIRST_SIGNED:
        provider, account, request = recorded(FIRST_SIGNED[name])
        empty = with_secrets(account, dict.fromkeys(provider.secrets, ""))
        forged = {
            "generic": changed(request, headers=generic_headers_signed_with_nothing(request)),
            "mango": changed(
                request, body=b"vpbx_api_key=&json={}&sign=" + sha256(b"{}").hexdigest().encode()
            ),
            "megafon": changed(request, body=b"cmd=event&callid=1&type=COMPLETED&crm_token="),
            "twilio": changed(
                request,
                body=b"",
                headers=(
                    ("x-twilio-signature", b64encode(hmac_sha1(request.url.encode())).decode()),
                ),
            ),
            "zadarma": changed(
                request,
                body=b"event=NOTIFY_RECORD&pbx_call_id=a&call_id_with_rec=b",
                headers=(("signature", b64encode(hmac_sha1(b"ab").hex().encode()).decode()),),
            ),
        }
        unproved = changed(request, headers=(("authorization", "Basic Og=="),), path="", body=b"{}")
        with pytest.raises(BadSignature):
            provider.verify(forged.get(name, unproved), empty)


def generic_headers_signed_with_nothing(request: HookRequest) -> tuple[tuple[str, str], ...]:
    stamp = str(int(request.received_at.timestamp()))
    digest = hmac.new(b"", f"m.{stamp}.".encode() + request.body, hashlib.sha256).digest()
    return (
        ("webhook-id", "m"),
        ("webhook-timestamp", stamp),
        ("webhook-signature", f"v1,{b64encode(digest).decode()}"),
    )


@everybody
def test_an_address_list_opens_nothing_where_a_secret_is_set_but_empty(name: str):
    provider, account, request = recorded(FIRST_SIGNED[name])
    empty = dict.fromkeys(provider.secrets, "")
    listed = with_secrets(account, empty, unsigned_from=("198.51.100.0/24",))

    with pytest.raises(BadSignature):
        provider.verify(changed(request, peer="198.51.100.7"), listed)


@everybody
def test_a_source_without_secrets_takes_what_its_address_list_names(name: str):
    provider, account, request = recorded(FIRST_SIGNED[name])
    listed = with_secrets(account, unsigned_from=("198.51.100.0/24", "2001:db8::/32"))

    for peer in ("198.51.100.7", "2001:db8::1", "::ffff:198.51.100.7"):
        provider.verify(changed(request, peer=peer), listed)
    for peer in ("198.51.101.7", "2001:db9::1", "", "localhost"):
        with pytest.raises(BadSignature):
            provider.verify(changed(request, peer=peer), listed)


@everybody
def test_an_address_list_opens_nothing_where_a_secret_is_set(name: str):
    provider, account, request = recorded(FIRST_SIGNED[name])
    wrong = dict.fromkeys(provider.secrets, "another, newer secret of 32 signs")
    listed = with_secrets(account, wrong, unsigned_from=("198.51.100.0/24",))

    with pytest.raises(BadSignature):
        provider.verify(changed(request, peer="198.51.100.7"), listed)


def test_a_json_body_is_proved_by_its_digest_in_the_signed_address():
    body = b'{"CallSid": "CA1"}'
    url = f"https://calls.example.test/hooks/t?bodySHA256={sha256(body).hexdigest()}"
    signature = laml._signature("token", url.encode()).decode()
    account = Account(source="t", secrets=({"auth_token": "token"},))
    request = HookRequest(
        method="POST",
        path="",
        headers=(("x-twilio-signature", signature),),
        body=body,
        url=url,
        received_at=NOW,
    )

    PROVIDERS["twilio"].verify(request, account)
    with pytest.raises(BadSignature):
        PROVIDERS["twilio"].verify(changed(request, body=body + b" "), account)


def test_the_checks_of_cabinets_need_no_signature_and_only_they():
    mango, account, check = recorded("mango/22-connection-check.json")
    assert mango.handshake(check, account) is not None
    for other in ({"path": "/events/call"}, {"query": "a=1"}, {"body": b"x"}):
        assert mango.handshake(changed(check, **other), account) is None
        with pytest.raises(BadSignature):
            mango.verify(changed(check, **other), account)

    zadarma, account, echo = recorded("zadarma/01-echo.json")
    assert zadarma.handshake(echo, account) is not None
    for other in ({"query": "zd_echo=<b>"}, {"query": "zd_echo=" + "a" * 65}, {"method": "POST"}):
        assert zadarma.handshake(changed(echo, **other), account) is None
        with pytest.raises(BadSignature):
            zadarma.verify(changed(echo, **other), account)


def test_the_key_of_a_repeat_tells_path_query_body_and_event_id_apart():
    one = signed_by(NEW)
    same_again = changed(one, received_at=NOW + timedelta(days=900), headers=())
    others = [
        changed(one, path="/x"),
        changed(one, query="x"),
        changed(one, body=one.body + b" "),
    ]

    assert delivery_key(one, "msg_1") == delivery_key(same_again, "msg_1")
    assert delivery_key(one, "msg_1").startswith("msg_1:")
    assert len({delivery_key(each, None) for each in [one, *others]}) == 4


def test_a_repeated_delivery_of_the_recorded_cases_has_the_same_key():
    for name in ("mango/07-inbound-answered-summary.json", "zadarma/05-inbound-end.json"):
        provider, account, first = recorded(name)
        again = next(
            recorded(other)[2]
            for other, case in cases().items()
            if "duplicate" in other and case["provider"] == provider.name
        )
        assert delivery_key(first, provider.key(first, account)) == delivery_key(
            again, provider.key(again, account)
        )


def with_secrets(account: Account, *secrets: dict[str, str], **told: object) -> Account:
    return replace(account, secrets=secrets, **told)
