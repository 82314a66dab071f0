"""HTTP Digest: a challenge for who asks, and a proof for one request, one moment, one password."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import HTTPDigestAuthHandler, Request, parse_http_list, parse_keqv_list

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ingest.domain.deliveries import Account, BadSignature, HookRequest, HookResponse
from ingest.keeper import Keeper
from ingest.telephony.digest import MAX_PROOF, challenge
from ingest.telephony.providers.freeswitch import FREESWITCH
from ingest.telephony.server import public_door
from tests.telephony.recorded import changed
from tests.telephony.test_server import GatedLog

NOW = datetime(2026, 11, 21, 18, 39, 37, tzinfo=UTC)
URL = "https://hooks.example.org/hooks/pbx?uuid=a_1-2"
BODY = b'{"variables": {}}'


def a_request(body: bytes = BODY, proof: str | None = None, **told: object) -> HookRequest:
    headers = (("authorization", proof),) if proof else ()
    return HookRequest(
        **{
            "method": "POST",
            "path": "",
            "query": "uuid=a_1-2",
            "headers": headers,
            "body": body,
            "url": URL,
            "received_at": NOW,
            **told,
        }
    )


def a_source(user: str = "fs", password: str = "cdr-pw", **told: object) -> Account:
    return Account(
        source="pbx", secrets=({"basic_user": user, "basic_password": password},), **told
    )


def asked(at: datetime = NOW) -> dict[str, str]:
    """Return what the challenge says, as the standard library reads it."""
    response = challenge(a_request(b"", received_at=at), a_source())
    assert response is not None
    [(name, value)] = response.headers
    assert name == "WWW-Authenticate"
    return parse_keqv_list(parse_http_list(value.removeprefix("Digest ")))


def a_proof(user: str = "fs", password: str = "cdr-pw", url: str = URL, at: datetime = NOW) -> str:
    """Return what the standard library's client answers to our challenge."""
    told = asked(at)
    client = HTTPDigestAuthHandler()
    client.add_password(told["realm"], url, user, password)
    return "Digest " + client.get_authorization(Request(url, data=BODY, method="POST"), told)


def test_who_asks_with_an_empty_request_is_told_how_to_prove_itself():
    response = challenge(a_request(b""), a_source())

    assert isinstance(response, HookResponse)
    assert response.status == 401
    assert asked()["qop"] == "auth"


@pytest.mark.parametrize(
    ("request_", "source"),
    [
        (a_request(), a_source()),
        (a_request(b"", "Basic ZnM6Y2RyLXB3"), a_source()),
        (a_request(b"", method="GET"), a_source()),
        (a_request(b""), Account(source="pbx")),
        (a_request(b""), a_source(password="")),
        (a_request(b""), Account(source="pbx", secrets=({"esl_password": "x"},))),
    ],
)
def test_nobody_else_is(request_: HookRequest, source: Account):
    assert challenge(request_, source) is None


def test_the_answer_to_the_challenge_is_believed():
    FREESWITCH.verify(a_request(proof=a_proof()), a_source())


def test_while_secrets_rotate_both_are_believed():
    both = Account(
        source="pbx",
        secrets=(
            {"basic_user": "fs", "basic_password": "new"},
            {"basic_user": "fs", "basic_password": "cdr-pw"},
        ),
    )
    for password in ("new", "cdr-pw"):
        FREESWITCH.verify(a_request(proof=a_proof(password=password)), both)


@pytest.mark.parametrize(
    ("change", "source"),
    [
        ({"proof": a_proof(password="another")}, a_source()),
        ({"proof": a_proof(user="another")}, a_source()),
        ({"proof": a_proof(), "method": "PUT"}, a_source()),
        ({"proof": a_proof(), "url": URL + "3"}, a_source()),
        ({"proof": a_proof(url=URL + "3")}, a_source()),
        ({"proof": a_proof(at=NOW - timedelta(minutes=6))}, a_source()),
        ({"proof": a_proof(at=NOW + timedelta(minutes=6))}, a_source()),
        ({"proof": a_proof()}, a_source(password="")),
        ({"proof": a_proof(password="")}, a_source(password="")),
        ({"proof": a_proof()}, Account(source="pbx")),
        ({"proof": "Digest"}, a_source()),
        ({"proof": "Digest "}, a_source()),
        ({"proof": a_proof() + "x" * MAX_PROOF}, a_source()),
        ({"proof": a_proof().replace('nonce="1', 'nonce="2')}, a_source()),
        ({"proof": a_proof().replace("qop=auth", "qop=auth-int")}, a_source()),
        ({"proof": 'Digest username="' + 'a="' * 600}, a_source()),
        ({"proof": a_proof(), "url": "https://[::1"}, a_source()),
    ],
)
def test_any_other_is_not(change: dict[str, object], source: Account):
    with pytest.raises(BadSignature):
        FREESWITCH.verify(a_request(**change), source)


def test_a_nonce_that_is_no_moment_is_refused_even_with_a_right_proof():
    client = HTTPDigestAuthHandler()
    client.add_password("keepline", URL, "fs", "cdr-pw")
    for nonce in ("", "abcdef", "-1", "9" * 30):
        told = {**asked(), "nonce": nonce}
        proof = "Digest " + client.get_authorization(Request(URL, data=BODY, method="POST"), told)
        with pytest.raises(BadSignature):
            FREESWITCH.verify(a_request(proof=proof), a_source())


def test_basic_is_believed_beside_it():
    FREESWITCH.verify(a_request(proof="Basic ZnM6Y2RyLXB3"), a_source())
    with pytest.raises(BadSignature):
        FREESWITCH.verify(changed(a_request(), body=b""), a_source())


async def test_through_the_door_the_probe_is_not_kept_and_what_follows_is(tmp_path: Path):
    log = GatedLog(tmp_path / "calls.log.db")
    keeper = Keeper(log, disk_free=lambda: 1.0)
    account = a_source(public_url="https://hooks.example.org")
    door = public_door(
        sources=lambda: {"pbx": (FREESWITCH, account)}, keeper=keeper, clock=lambda: NOW
    )
    async with TestClient(TestServer(door)) as client:
        target = URL.removeprefix("https://hooks.example.org")
        probe = await client.post(target)
        sent = await client.post(target, data=BODY, headers={"Authorization": a_proof()})
        strange = await client.post(target, data=BODY)

    assert (probe.status, sent.status, strange.status) == (401, 200, 401)
    assert re.match(r'Digest realm="keepline"', probe.headers["WWW-Authenticate"])
    assert [delivery.body for delivery in log.read(0, 0, 10)] == [BODY]
    await keeper.close()
    log.close()
