"""Subscriptions kept over time: made, renewed, tried again, and made anew when they end."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from ingest.domain.deliveries import Account, HookRequest, HookResponse, Provider
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.telephony import api_client
from ingest.telephony.api_client import ApiUnreachable
from ingest.telephony.desk import part_state_name
from ingest.telephony.providers import PROVIDERS
from ingest.telephony.subscriptions import ended_memory, keep_subscribed, wanted
from tests.telephony.quick_desk import NOON, House, a_desk
from tests.telephony.test_api_client import a_provider

RINGCENTRAL = PROVIDERS["ringcentral"]
SECRETS = {"validation_token": "vt", "client_id": "id", "client_secret": "cs", "jwt": "a.b.c"}
ACCOUNT = Account(source="rc", secrets=(SECRETS,), public_url="https://h.example")
STATE = part_state_name("rc", "subscription")
NEW, RENEW = "/restapi/v1.0/subscription", "/restapi/v1.0/subscription/{}/renew"


@dataclass
class RingCentral:
    """The provider's side: gives tokens and subscriptions for a while, or says no."""

    house: House
    life_s: int = 3600
    made: int = 0
    tokens: int = 0
    asked: list[tuple[datetime, str, str]] = field(default_factory=list)  #: at, method, path
    wishes: list[dict[str, Any]] = field(default_factory=list)
    refuses: dict[int, ApiResponse | Exception] = field(default_factory=dict)  #: by question
    revoked: set[str] = field(default_factory=set)

    async def __call__(self, request: ApiRequest, *, hosts: tuple[str, ...], **_: Any) -> Any:
        assert api_client.why_not_allowed(request.url, hosts) is None
        path = request.url.removeprefix("https://platform.ringcentral.com")
        if path == "/restapi/oauth/token":
            return self.token(request)
        self.asked.append((self.house.now, request.method, path))
        told = self.refuses.get(len(self.asked))
        if isinstance(told, Exception):
            raise told
        if told is not None:
            return told
        shown = request.headers["Authorization"].removeprefix("Bearer ")
        if shown in self.revoked:
            return answer(401, {"message": "Token revoked"})
        assert shown == f"t{self.tokens}"
        if path == NEW:
            self.made += 1
            self.wishes.append(json.loads(request.body))
        id_ = path.split("/")[4] if path != NEW else f"s{self.made}"
        return answer(200, {"id": id_, "status": "Active", "expiresIn": self.life_s})

    def token(self, request: ApiRequest) -> ApiResponse:
        pair = b64decode(request.headers["Authorization"].removeprefix("Basic "))
        assert pair == b"id:cs"
        assert parse_qs(request.body.decode())["assertion"] == ["a.b.c"]
        self.tokens += 1
        return answer(200, {"access_token": f"t{self.tokens}", "expires_in": 7199})

    @property
    def paths(self) -> list[str]:
        return [path for _, _, path in self.asked]


def answer(status: int, fields: dict[str, Any]) -> ApiResponse:
    return ApiResponse(status=status, body=json.dumps(fields).encode())


async def run(house: House, provider: RingCentral, account: Account = ACCOUNT, **more: Any) -> None:
    await keep_subscribed(a_desk(RINGCENTRAL, account, house, **more), call=provider)


async def test_it_is_made_once_and_renewed_at_half_of_its_life() -> None:
    house = House(ends=NOON + timedelta(minutes=70))
    provider = RingCentral(house)

    await run(house, provider)

    assert provider.paths == [NEW, RENEW.format("s1"), RENEW.format("s1")]
    moments = [(at - NOON).total_seconds() / 60 for at, _, _ in provider.asked]
    assert [round(moment) for moment in moments] == [0, 30, 60]
    assert provider.tokens == 1
    [wish] = provider.wishes
    assert wish["deliveryMode"] == {
        "transportType": "WebHook",
        "address": "https://h.example/hooks/rc",
        "verificationToken": "vt",
    }


async def test_its_state_is_remembered_and_holds_no_secret() -> None:
    house = House(ends=NOON + timedelta(minutes=1))

    await run(house, RingCentral(house))

    state = house.memory[STATE]
    assert (state["state"], state["id"], state["because"]) == ("subscribed", "s1", None)
    told = re.sub(r"gAAAA[\w=-]+", "", json.dumps(house.memory))  # what is sealed may say anything
    assert not any(secret in told for secret in ("vt", "a.b.c", '"cs"', "t1"))


async def test_a_restart_goes_on_with_what_is_held() -> None:
    house = House(ends=NOON + timedelta(minutes=10))
    provider = RingCentral(house)
    await run(house, provider)
    house.ends = NOON + timedelta(minutes=40)

    await run(house, provider)

    assert provider.paths == [NEW, RENEW.format("s1")]


async def test_other_settings_need_another_subscription() -> None:
    house = House(ends=NOON + timedelta(minutes=1))
    provider = RingCentral(house)
    await run(house, provider)
    house.ends += timedelta(minutes=1)

    await run(house, provider, replace(ACCOUNT, public_url="https://moved.example"))

    assert provider.paths == [NEW, NEW]
    assert provider.wishes[1]["deliveryMode"]["address"].startswith("https://moved.example/")


async def test_settings_that_it_is_not_made_of_leave_it_as_it_is() -> None:
    house = House(ends=NOON + timedelta(minutes=1))
    provider = RingCentral(house)
    await run(house, provider)
    house.ends += timedelta(minutes=1)

    await run(house, provider, replace(ACCOUNT, region="DE", config={"fallback": "+493012345"}))

    assert provider.paths == [NEW]


async def test_without_a_key_nothing_of_it_outlives_the_process() -> None:
    house = House(ends=NOON + timedelta(minutes=1))
    provider = RingCentral(house)
    await run(house, provider, vault=None)
    house.ends += timedelta(minutes=1)

    await run(house, provider, vault=None)

    assert provider.paths == [NEW, NEW]


async def test_trouble_is_tried_again_with_growing_pauses_and_said() -> None:
    house = House(ends=NOON + timedelta(minutes=2))
    provider = RingCentral(house, refuses=dict.fromkeys(range(1, 5), ApiUnreachable("no answer")))

    await run(house, provider)

    seconds = [round((at - NOON).total_seconds()) for at, _, _ in provider.asked]
    assert seconds == [0, 5, 15, 35, 75]
    assert house.memory[STATE]["state"] == "subscribed"


async def test_a_refusal_is_told_in_the_providers_words() -> None:
    house = House(ends=NOON + timedelta(seconds=3))
    refusal = answer(400, {"message": "Parameter [address] is invalid"})

    await run(house, RingCentral(house, refuses={1: refusal}))

    state = house.memory[STATE]
    assert state["state"] == "refused"
    assert "Parameter [address] is invalid" in state["because"]


async def test_one_that_is_unknown_or_blacklisted_is_replaced_at_once() -> None:
    dead = answer(200, {"id": "s1", "status": "Blacklisted", "expiresIn": 99})
    for gone in (answer(404, {}), dead):
        house = House(ends=NOON + timedelta(minutes=31))
        provider = RingCentral(house, refuses={2: gone})

        await run(house, provider)

        assert provider.paths == [NEW, RENEW.format("s1"), NEW]
        assert provider.asked[2][0] == provider.asked[1][0]


async def test_a_provider_that_has_none_at_all_is_not_asked_in_a_circle() -> None:
    house = House(ends=NOON + timedelta(minutes=5))
    provider = RingCentral(house, refuses=dict.fromkeys(range(1, 99), answer(404, {})))

    await run(house, provider)

    assert len(provider.asked) < 10


async def test_a_token_that_is_taken_back_is_asked_for_anew() -> None:
    house = House(ends=NOON + timedelta(minutes=31))
    provider = RingCentral(house)

    async def revoking(request: ApiRequest, **more: Any) -> Any:
        if request.url.endswith("/renew"):
            provider.revoked.add("t1")
        return await provider(request, **more)

    await keep_subscribed(a_desk(RINGCENTRAL, ACCOUNT, house), call=revoking)

    assert provider.paths == [NEW, RENEW.format("s1"), RENEW.format("s1")]
    assert provider.tokens == 2
    assert house.memory[STATE]["state"] == "subscribed"


# When the provider says that it has ended ---------------------------------------------------------

ENDED = part_state_name("rc", "subscription-ended")


async def test_one_that_the_provider_ended_is_made_anew_at_once() -> None:
    house = House(ends=NOON + timedelta(minutes=6))
    provider = RingCentral(house)

    async def ending(request: ApiRequest, **more: Any) -> Any:
        said = await provider(request, **more)
        if provider.made == 1:
            at = house.after(minutes=5)
            house.memory[ENDED] = {"id": "s1", "at": at.isoformat()}
        return said

    desk = a_desk(RINGCENTRAL, ACCOUNT, house)
    await keep_subscribed(desk, call=ending)

    # the word is dated ahead here, so it is heard at the first look: after the shortest pause
    assert provider.paths == [NEW, NEW]
    assert provider.asked[1][0] - provider.asked[0][0] <= timedelta(seconds=32)


async def test_the_end_of_another_or_an_earlier_one_changes_nothing() -> None:
    for word in (
        {"id": "of somebody else", "at": NOON + timedelta(minutes=1)},
        {"id": "s1", "at": NOON - timedelta(minutes=1)},
    ):
        house = House(ends=NOON + timedelta(minutes=5))
        house.memory[ENDED] = {**word, "at": word["at"].isoformat()}
        provider = RingCentral(house)

        await run(house, provider)

        assert provider.paths == [NEW]


async def test_a_provider_that_ends_each_new_one_is_not_asked_in_a_circle() -> None:
    house = House(ends=NOON + timedelta(minutes=10))
    house.memory[ENDED] = {"id": "", "at": house.ends.isoformat()}
    provider = RingCentral(house)

    await run(house, provider)

    assert 2 <= len(provider.asked) <= 20


def a_hook(body: bytes) -> HookRequest:
    return HookRequest(method="POST", path="", body=body, received_at=NOON)


def test_the_door_remembers_the_word_that_one_has_ended_and_no_other() -> None:
    def ended(request: HookRequest, account: Account) -> str | None:
        if request.body == b"fault":
            raise RuntimeError("a fault in ended")
        return "s1" if request.body == b"terminated" else None

    subscription = replace(RINGCENTRAL.subscription, ended=ended)
    provider = replace(RINGCENTRAL, subscription=subscription)

    assert ended_memory(a_hook(b"terminated"), provider, ACCOUNT) == {
        ENDED: {"id": "s1", "at": NOON.isoformat()}
    }
    assert ended_memory(a_hook(b"a call"), provider, ACCOUNT) == {}
    assert ended_memory(a_hook(b"fault"), provider, ACCOUNT) == {}
    assert ended_memory(a_hook(b"terminated"), a_provider_without(), ACCOUNT) == {}


def a_provider_without() -> Provider:
    return Provider(
        name="none",
        verify=lambda request, account: None,
        key=lambda request, account: None,
        parse=lambda request, account: [],
        answer=lambda request, account, receipt: HookResponse(),
    )


def test_a_source_without_all_its_secrets_is_not_subscribed() -> None:
    assert wanted(RINGCENTRAL, ACCOUNT)
    assert not wanted(RINGCENTRAL, replace(ACCOUNT, secrets=({"validation_token": "vt"},)))
    assert not wanted(a_provider_without(), ACCOUNT)


async def test_it_works_over_a_real_connection() -> None:
    house = House(ends=NOON + timedelta(minutes=31))
    provider = RingCentral(house)

    async def handler(request: web.Request) -> web.Response:
        asked = ApiRequest(
            method=request.method,
            url="https://platform.ringcentral.com" + request.raw_path,
            headers=dict(request.headers),
            body=await request.read(),
        )
        said = await provider(asked, hosts=("platform.ringcentral.com",))
        return web.Response(status=said.status, body=said.body)

    async with a_provider(handler) as base:

        async def here(request: ApiRequest, **more: Any) -> ApiResponse:
            url = request.url.replace("https://platform.ringcentral.com", base)
            bounds = {**more, "hosts": ("127.0.0.1",), "loopback": True}
            return await api_client.call(replace(request, url=url), **bounds)

        await keep_subscribed(a_desk(RINGCENTRAL, ACCOUNT, house), call=here)

    assert provider.paths == [NEW, RENEW.format("s1")]
