"""Tokens: asked for once, shown until they end, and never lying about in clear."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ingest.domain.deliveries import Account, NewDelivery, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.tokens import Token, made_by_us
from ingest.keeper import KeepFailed
from ingest.secrets import Secrets
from ingest.telephony.desk import part_state_name
from ingest.telephony.grants import Tokens
from ingest.telephony.protocols import jwt
from ingest.telephony.providers import PROVIDERS
from storage.log import Kept
from tests.telephony.quick_desk import NOON, House, a_desk
from tests.telephony.simulators import telnyx, vonage

T2 = PROVIDERS["t2"]
ACCOUNT = Account(source="sims", secrets=({"refresh_token": "entered-1"},))
STATE = part_state_name("sims", "token")
CALLS = ApiRequest(url="https://ats2.t2.ru/crm/openapi/call-records/info")


class Office:
    """T2's side: gives a new pair for a refresh token that is good, once."""

    def __init__(self, *good: str) -> None:
        self.good = set(good)
        self.renewed: list[str] = []

    async def __call__(self, request: ApiRequest) -> ApiResponse:
        shown = request.headers["Authorization"]
        self.renewed.append(shown)
        if shown not in self.good:
            return ApiResponse(status=403, body=b'{"details": "already updated"}')
        self.good.remove(shown)
        number = len(self.renewed)
        self.good.add(f"refresh-{number}")
        pair = {"accessToken": f"access-{number}", "refreshToken": f"refresh-{number}"}
        return ApiResponse(status=200, body=json.dumps(pair).encode())


def tokens(house: House, office: Office, account: Account = ACCOUNT, **more: Any) -> Tokens:
    assert T2.history is not None
    assert T2.history.grant is not None
    return Tokens(a_desk(T2, account, house, **more), T2.history.grant, office)


async def shown(held: Tokens) -> str:
    return (await held.authorised(CALLS)).headers["Authorization"]


async def test_a_token_is_asked_for_once_and_again_when_it_ends() -> None:
    house, office = House(), Office("entered-1")
    held = tokens(house, office)

    assert [await shown(held) for _ in range(3)] == ["access-1"] * 3
    house.now += timedelta(hours=13)
    assert await shown(held) == "access-2"
    assert office.renewed == ["entered-1", "refresh-1"]


async def test_a_token_that_is_refused_is_not_shown_again() -> None:
    house, office = House(), Office("entered-1")
    held = tokens(house, office)
    await shown(held)

    assert not held.refused_by(ApiResponse(status=500))
    assert await shown(held) == "access-1"
    assert held.refused_by(ApiResponse(status=403))
    assert await shown(held) == "access-2"


async def test_what_renews_itself_once_outlives_the_process_sealed() -> None:
    house, office = House(), Office("entered-1")
    await shown(tokens(house, office))

    edited = replace(ACCOUNT, region="RU", config={"own_numbers_of": "sales"})
    again = await shown(tokens(house, office, edited))
    house.now += timedelta(hours=13)
    later = await shown(tokens(house, office))

    assert (again, later) == ("access-1", "access-2")
    told = json.dumps(house.memory)
    assert STATE in house.memory
    assert not any(word in told for word in ("access-", "refresh-", "entered-1"))


async def test_what_renews_itself_once_is_not_lost_while_the_log_is_away() -> None:
    class Away(House):
        away = True

        async def keep(
            self, deliveries: Sequence[NewDelivery], memory: Mapping[str, Any]
        ) -> list[Kept]:
            if self.away:
                raise KeepFailed("the log is away")
            return await super().keep(deliveries, memory)

    house, office = Away(), Office("entered-1")
    held = tokens(house, office)

    assert await shown(held) == "access-1"
    assert house.memory == {}
    house.away = False
    assert await shown(held) == "access-1"
    house.now += timedelta(hours=13)
    assert await shown(tokens(house, office)) == "access-2"  # after a restart


async def test_a_new_secret_of_the_administrator_counts_and_not_what_grew_from_the_old() -> None:
    house, office = House(), Office("entered-1", "entered-2")
    await shown(tokens(house, office))

    await shown(tokens(house, office, replace(ACCOUNT, secrets=({"refresh_token": "entered-2"},))))

    assert office.renewed == ["entered-1", "entered-2"]


async def test_another_key_file_or_anothers_row_opens_nothing() -> None:
    house, office = House(), Office("entered-1")
    await shown(tokens(house, office))
    other = Secrets([Fernet.generate_key()])

    with pytest.raises(UnreadableDelivery, match="make a new one"):
        await shown(tokens(house, office, vault=other))
    house.memory[STATE] = "not sealed at all"
    with pytest.raises(UnreadableDelivery):
        await shown(tokens(house, office))


async def test_without_a_key_nothing_is_remembered() -> None:
    house, office = House(), Office("entered-1")

    assert await shown(tokens(house, office, vault=None)) == "access-1"
    assert house.memory == {}


def test_a_token_without_what_renews_it_is_no_token() -> None:
    assert T2.history is not None
    grant = T2.history.grant
    assert grant is not None
    for answer in (b'{"accessToken": "a"}', b"[]", b"<html>"):
        with pytest.raises(UnreadableDelivery):
            grant.granted(ACCOUNT, ApiResponse(status=200, body=answer), House().now)
    old = Token(value="a", expires_at=House().now, more={"refresh": "r"})
    assert grant.request(ACCOUNT, old, House().now).headers["Authorization"] == "r"


def test_nothing_that_is_printed_shows_a_secret() -> None:
    request = ApiRequest(
        url="https://x.example/s3cret",
        headers={"A": "s3cret"},
        body=b"s3cret",
        digest=("u", "s3cret"),
    )
    token = Token(value="s3cret", expires_at=NOON, more={"refresh": "s3cret"})
    account = Account(source="office", secrets=({"api_key": "s3cret"},))

    assert "s3cret" not in repr((account, request, token))
    assert "office" in repr(account)


async def test_a_token_of_our_own_making_is_asked_of_nobody_and_made_anew_when_it_ends() -> None:
    made: list[datetime] = []

    def make(account: Account, now: datetime) -> Token:
        made.append(now)
        return Token(value=f"ours-{len(made)}", expires_at=now + timedelta(minutes=15))

    house, office = House(), Office()
    held = Tokens(a_desk(T2, ACCOUNT, house), made_by_us(make), office)

    assert [await shown(held), await shown(held)] == ["Bearer ours-1", "Bearer ours-1"]
    house.now += timedelta(minutes=15)
    assert await shown(held) == "Bearer ours-2"
    assert held.refused_by(ApiResponse(status=401))
    assert await shown(held) == "Bearer ours-3"
    assert office.renewed == []
    assert house.memory == {}


def test_a_token_for_vonage_is_signed_with_the_applications_key_on_one_line_as_well() -> None:
    for pem in (vonage.private_key(), vonage.private_key().replace("\n", "\\n")):
        said = vonage.claims(f"Bearer {jwt.signed_with(pem, {'iat': 1, 'exp': 2, 'jti': 'a'})}")
        assert said == {"iat": 1, "exp": 2, "jti": "a"}


@pytest.mark.parametrize("pem", ["", "not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END"])
def test_what_is_no_private_key_is_said_in_words_that_do_not_show_it(pem: str) -> None:
    with pytest.raises(UnreadableDelivery, match="the private key is no PEM") as caught:
        jwt.signed_with(pem, {})
    assert not pem or pem not in str(caught.value)


def test_a_key_of_another_kind_does_not_sign() -> None:
    pem = telnyx.KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(UnreadableDelivery, match="no RSA key"):
        jwt.signed_with(pem, {})
