"""Tokens of mailboxes: asked for once for all, renewed in time, and a withdrawn consent said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from cryptography.fernet import Fernet

from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.mailboxes import Auth, Grant, Mailbox
from ingest.keeper import KeepFailed
from ingest.mail.oauth import (
    OAUTH_PROVIDERS,
    OAuthApp,
    TokenRefused,
    code_request,
    consent_url,
    grant_key,
    grant_of,
    granted,
    host_of,
    token_request,
)
from ingest.mail.tokens import Tokens
from ingest.secrets import Secrets

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
APP = OAuthApp(provider="google", client_id="an app", client_secret="s3cret+/")
GRANT = grant_of(APP, "refresh-1")


def mailbox(address: str = "manager1@ours.example", grant: Grant | None = GRANT) -> Mailbox:
    return Mailbox(
        id=f"box-{address}",
        address=address,
        host="imap.gmail.com",
        auth=Auth.XOAUTH2,
        login=address,
        secret="",
        grant=grant,
    )


def answer(said: Mapping[str, Any], status: int = 200) -> ApiResponse:
    return ApiResponse(status=status, body=json.dumps(said).encode())


# Words -----------------------------------------------------------------------------------------


def test_consent_is_asked_with_a_proof_that_only_we_can_complete() -> None:
    url = consent_url(
        APP,
        redirect="https://keepline.ours.example/mailboxes/consent",
        state="st",
        verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",  # of RFC 7636, appendix B
        login="manager1@ours.example",
    )
    asked = dict(parse_qsl(urlsplit(url).query))

    assert url.startswith("https://accounts.google.com/o/oauth2/v2/auth?")
    assert asked["code_challenge"] == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "https://mail.google.com/"
    assert (asked["access_type"], asked["state"]) == ("offline", "st")
    assert "s3cret" not in url


def test_the_code_and_the_refresh_token_are_sent_to_the_token_endpoint_alone() -> None:
    first = code_request(APP, code="c0de", redirect="https://x.example/back", verifier="v" * 43)
    later = token_request(GRANT, "refresh-2")

    assert (first.method, first.url) == ("POST", "https://oauth2.googleapis.com/token")
    assert parse_qs(first.body.decode())["client_secret"] == ["s3cret+/"]
    assert parse_qs(first.body.decode())["code_verifier"] == ["v" * 43]
    assert parse_qs(later.body.decode())["refresh_token"] == ["refresh-2"]
    assert parse_qs(later.body.decode())["grant_type"] == ["refresh_token"]


def test_an_application_of_microsoft_asks_in_its_own_name_at_its_own_tenant() -> None:
    app = OAuthApp(
        provider="microsoft-app", client_id="i", client_secret="s", tenant="contoso.example"
    )
    request = token_request(grant_of(app), None)

    assert not app.consents
    assert request.url == "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
    assert parse_qs(request.body.decode())["grant_type"] == ["client_credentials"]
    assert parse_qs(request.body.decode())["scope"] == ["https://outlook.office365.com/.default"]


@pytest.mark.parametrize("name", sorted(OAUTH_PROVIDERS))
def test_every_provider_is_asked_over_tls(name: str) -> None:
    app = OAuthApp(provider=name, client_id="i", client_secret="s", tenant="t")

    assert app.known.token_url.startswith("https://")
    assert app.known.authorize_url.startswith("https://") is app.consents
    assert host_of(app) in app.known.token_url
    assert app.known.imap_host


@pytest.mark.parametrize(
    ("said", "status", "words", "passing"),
    [
        ({"error": "invalid_grant"}, 400, "no longer accepts the consent", False),
        ({"error": "invalid_client"}, 401, "check its id and secret", False),
        ({"error": "invalid_scope"}, 400, "refused the request", False),
        ({"error": "temporarily_unavailable"}, 503, "answered 503", True),
        ({}, 500, "answered 500", True),
        ({"access_token": ""}, 200, "without a token", True),
        ({"access_token": 7}, 200, "without a token", True),
        ([1], 200, "without a token", True),
    ],
)
def test_a_refusal_says_whether_somebody_must_act(
    said: Any, status: int, words: str, passing: bool
) -> None:
    with pytest.raises(TokenRefused, match=words) as caught:
        granted(answer(said, status), "Google", NOW)

    assert caught.value.passing is passing


@pytest.mark.parametrize("life", [None, "soon", -1, 1e300, "NaN", [], True])
def test_a_token_that_does_not_say_how_long_it_lasts_is_taken_for_one_of_an_hour(life: Any) -> None:
    found = granted(answer({"access_token": "a", "expires_in": life}), "Google", NOW)

    assert found.expires_at <= NOW + timedelta(hours=1)


def test_mailboxes_of_one_consent_share_a_name_and_others_do_not() -> None:
    assert grant_key(GRANT) == grant_key(replace(GRANT, client_secret="rotated"))
    assert grant_key(GRANT) != grant_key(replace(GRANT, refresh_token="another"))


# Tokens ----------------------------------------------------------------------------------------


@dataclass
class Provider:
    """A token endpoint, and the log's memory beside it."""

    asked: list[dict[str, list[str]]] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    now: datetime = NOW
    answers: list[ApiResponse] = field(default_factory=list)
    away: bool = False  #: the log cannot be written
    secrets: Secrets = field(default_factory=lambda: Secrets([Fernet.generate_key()]))

    def tokens(self) -> Tokens:
        async def recall(names: Iterable[str]) -> dict[str, Any]:
            return {name: self.memory[name] for name in names if name in self.memory}

        async def remember(values: Mapping[str, Any]) -> None:
            if self.away:
                raise KeepFailed("the log is away")
            self.memory.update(values)

        return Tokens(self.secrets, self.ask, lambda: self.now, recall=recall, remember=remember)

    async def ask(self, grant: Grant, request: ApiRequest) -> ApiResponse:
        self.asked.append(parse_qs(request.body.decode()))
        await asyncio.sleep(0)  # others get their turn while the answer is on its way
        if self.answers:
            return self.answers.pop(0)
        number = len(self.asked)
        return answer({"access_token": f"token-{number}", "expires_in": 3600})


async def test_a_password_is_left_as_it_is() -> None:
    provider = Provider()

    box = replace(mailbox(grant=None), secret="a password")
    assert await provider.tokens().opened(box) == box
    assert provider.asked == []


async def test_whoever_comes_while_a_token_is_asked_for_gets_the_same() -> None:
    provider = Provider()
    tokens = provider.tokens()

    opened = await asyncio.gather(*(tokens.opened(mailbox(f"m{n}@x.example")) for n in range(50)))

    assert {box.secret for box in opened} == {"token-1"}
    assert len(provider.asked) == 1


async def test_a_token_is_renewed_before_it_expires_and_not_sooner() -> None:
    provider = Provider()
    tokens = provider.tokens()

    assert (await tokens.opened(mailbox())).secret == "token-1"
    provider.now += timedelta(minutes=57)
    assert (await tokens.opened(mailbox())).secret == "token-1"
    provider.now += timedelta(minutes=2)
    assert (await tokens.opened(mailbox())).secret == "token-2"


async def test_a_token_that_the_server_refuses_is_asked_for_anew_once_for_all() -> None:
    provider = Provider()
    tokens = provider.tokens()
    await tokens.opened(mailbox())
    provider.now += timedelta(minutes=5)

    opened = await asyncio.gather(*(tokens.opened(mailbox(), "token-1") for _ in range(20)))

    assert {box.secret for box in opened} == {"token-2"}


async def test_a_token_outlives_the_process_sealed() -> None:
    provider = Provider()
    await provider.tokens().opened(mailbox())

    assert "token-1" not in json.dumps(provider.memory)
    assert (await provider.tokens().opened(mailbox())).secret == "token-1"
    assert len(provider.asked) == 1


async def test_a_refresh_token_that_was_changed_is_the_one_used_next() -> None:
    provider = Provider(
        answers=[answer({"access_token": "a", "expires_in": 60, "refresh_token": "refresh-2"})]
    )
    tokens = provider.tokens()
    await tokens.opened(mailbox())
    provider.now += timedelta(hours=1)
    await tokens.opened(mailbox())
    provider.now += timedelta(hours=2)
    await provider.tokens().opened(mailbox())  # after a restart too

    assert [it["refresh_token"] for it in provider.asked] == [
        ["refresh-1"],
        ["refresh-2"],
        ["refresh-2"],
    ]


async def test_a_withdrawn_consent_is_said_and_nothing_is_held() -> None:
    provider = Provider(answers=[answer({"error": "invalid_grant"}, 400)])

    with pytest.raises(TokenRefused, match="Sign in again"):
        await provider.tokens().opened(mailbox())
    assert provider.memory == {}


async def test_what_another_key_sealed_is_asked_for_anew() -> None:
    provider = Provider()
    await provider.tokens().opened(mailbox())
    provider.secrets = Secrets([Fernet.generate_key()])

    assert (await provider.tokens().opened(mailbox())).secret == "token-2"


async def test_what_renews_itself_once_is_not_lost_while_the_log_is_away() -> None:
    rotated = {"access_token": "a", "expires_in": 3600, "refresh_token": "refresh-2"}
    provider = Provider(answers=[answer(rotated)], away=True)
    tokens = provider.tokens()

    assert (await tokens.opened(mailbox())).secret == "a"
    assert provider.memory == {}
    provider.away = False
    assert (await tokens.opened(mailbox())).secret == "a"
    provider.now += timedelta(hours=2)
    await provider.tokens().opened(mailbox())  # after a restart

    assert [it["refresh_token"] for it in provider.asked] == [["refresh-1"], ["refresh-2"]]
