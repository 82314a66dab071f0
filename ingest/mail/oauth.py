"""OAuth2 for mailboxes: where consent is asked, how tokens are asked for and what answers mean.

Pure: requests are built and answers read here, sent elsewhere. RFC 6749, RFC 7636 (PKCE), and the
providers' own pages; none was tried against a live account.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.mailboxes import Grant

DEFAULT_LIFE_S = 3600.0  #: of a token whose answer does not say
LONGEST_LIFE_S = 366 * 86_400.0
TENANT = "common"  #: of Microsoft, where the app names none


class TokenRefused(Exception):
    """No token came; the text is for people."""

    def __init__(self, text: str, *, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing  #: True: later it may come; nobody needs to act


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthProvider:
    """One provider of mailboxes that are opened with tokens."""

    name: str
    title: str
    authorize_url: str = ""  #: "" : no person consents, the app itself is trusted
    token_url: str
    scope: str
    more: Mapping[str, str] = field(default_factory=dict)  #: of the question for consent
    imap_host: str = ""


#: {tenant} is the company's own at Microsoft.
OAUTH_PROVIDERS: Mapping[str, OAuthProvider] = {
    it.name: it
    for it in (
        OAuthProvider(
            name="google",
            title="Google",
            authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
            token_url="https://oauth2.googleapis.com/token",
            scope="https://mail.google.com/",
            more={"access_type": "offline", "prompt": "consent"},
            imap_host="imap.gmail.com",
        ),
        OAuthProvider(
            name="microsoft",
            title="Microsoft 365",
            authorize_url="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
            token_url="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
            scope="https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
            more={"prompt": "select_account"},
            imap_host="outlook.office365.com",
        ),
        OAuthProvider(
            name="microsoft-app",
            title="Microsoft 365 (application)",
            token_url="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
            scope="https://outlook.office365.com/.default",
            imap_host="outlook.office365.com",
        ),
        OAuthProvider(
            name="yandex",
            title="Yandex 360",
            authorize_url="https://oauth.yandex.ru/authorize",
            token_url="https://oauth.yandex.ru/token",
            scope="mail:imap_ro",
            more={"force_confirm": "yes"},
            imap_host="imap.yandex.ru",
        ),
        OAuthProvider(
            name="mailru",
            title="Mail.ru",
            authorize_url="https://oauth.mail.ru/login",
            token_url="https://oauth.mail.ru/token",
            scope="userinfo mail.imap",
            more={"prompt_force": "1"},
            imap_host="imap.mail.ru",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthApp:
    """The company's own app at a provider, as its administrator registered it."""

    provider: str
    client_id: str
    client_secret: str = field(repr=False)
    tenant: str = TENANT
    #: Of a provider that is not in our list; `custom` has nothing but these.
    authorize_url: str = ""
    token_url: str = ""
    scope: str = ""

    @property
    def known(self) -> OAuthProvider:
        """Return the provider with what the app says instead. Raises KeyError."""
        base = OAUTH_PROVIDERS.get(self.provider)
        if base is None and self.provider != "custom":
            raise KeyError(self.provider)
        base = base or OAuthProvider(name="custom", title="OAuth2", token_url="", scope="")
        return OAuthProvider(
            name=base.name,
            title=base.title,
            authorize_url=(self.authorize_url or base.authorize_url).format(tenant=self.tenant),
            token_url=(self.token_url or base.token_url).format(tenant=self.tenant),
            scope=self.scope or base.scope,
            more=base.more,
            imap_host=base.imap_host,
        )

    @property
    def consents(self) -> bool:
        """Tell whether a person gives consent; else the app is trusted by itself."""
        return bool(self.known.authorize_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a token endpoint gave."""

    access: str = field(repr=False)
    expires_at: datetime
    refresh: str | None = field(default=None, repr=False)  #: None: the one before stays valid


def consent_url(app: OAuthApp, *, redirect: str, state: str, verifier: str, login: str) -> str:
    """Return the address at which the owner of a mailbox gives consent."""
    known = app.known
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": redirect,
        "scope": known.scope,
        "state": state,
        "login_hint": login,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **known.more,
    }
    joint = "&" if urlsplit(known.authorize_url).query else "?"
    return f"{known.authorize_url}{joint}{urlencode(asked)}"


def code_request(app: OAuthApp, *, code: str, redirect: str, verifier: str) -> ApiRequest:
    """Ask for the first tokens with the code that consent gave."""
    return _request(
        app,
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
        },
    )


def token_request(grant: Grant, refresh: str | None) -> ApiRequest:
    """Ask for another access token: with the refresh token, or in the app's own name."""
    app = app_of(grant)
    if not app.consents:
        return _request(app, {"grant_type": "client_credentials", "scope": app.known.scope})
    asked = {"grant_type": "refresh_token", "refresh_token": refresh or grant.refresh_token}
    return _request(app, asked)


def app_of(grant: Grant) -> OAuthApp:
    """Return the app that a mailbox's grant was given to."""
    return OAuthApp(
        provider=grant.provider,
        client_id=grant.client_id,
        client_secret=grant.client_secret,
        tenant=grant.tenant,
        authorize_url=grant.authorize_url,
        token_url=grant.token_url,
        scope=grant.scope,
    )


def grant_of(app: OAuthApp, refresh_token: str = "") -> Grant:
    """Return what a mailbox keeps of the consent given to an app."""
    return Grant(
        provider=app.provider,
        client_id=app.client_id,
        client_secret=app.client_secret,
        tenant=app.tenant,
        authorize_url=app.authorize_url,
        token_url=app.token_url,
        scope=app.scope,
        refresh_token=refresh_token,
    )


def granted(response: ApiResponse, title: str, now: datetime) -> Granted:
    """Read a token endpoint's answer. Raises TokenRefused."""
    said = _json(response.body)
    if response.status != 200 or "error" in said:
        raise _refusal(response, said, title)
    access = said.get("access_token")
    if not isinstance(access, str) or not access.isascii() or not access:
        raise TokenRefused(f"{title} answered without a token", passing=True)
    refresh = said.get("refresh_token")
    return Granted(
        access=access,
        expires_at=now + timedelta(seconds=_life(said.get("expires_in"))),
        refresh=refresh if isinstance(refresh, str) and refresh else None,
    )


def host_of(app: OAuthApp) -> str:
    """Return the only host that an app's tokens are asked of."""
    return urlsplit(app.known.token_url).hostname or ""


def grant_key(grant: Grant) -> str:
    """Return a name for all mailboxes that share one refreshing: those of the same consent."""
    own = (grant.provider, grant.tenant, grant.token_url, grant.client_id, grant.refresh_token)
    return hashlib.sha256("\0".join(own).encode()).hexdigest()[:32]


def _request(app: OAuthApp, asked: Mapping[str, str]) -> ApiRequest:
    form = {**asked, "client_id": app.client_id, "client_secret": app.client_secret}
    return ApiRequest(
        method="POST",
        url=app.known.token_url,
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
        body=urlencode(form).encode(),
    )


def _refusal(response: ApiResponse, said: Mapping[str, Any], title: str) -> TokenRefused:
    error = str(said.get("error", ""))[:60]
    if error == "invalid_grant":
        return TokenRefused(
            f"{title} no longer accepts the consent: it was withdrawn, has expired, or the password"
            " was changed. Sign in again on the mailbox's page"
        )
    if error in ("invalid_client", "unauthorized_client"):
        return TokenRefused(
            f"{title} does not know the app: check its id and secret (keepline oauth list)"
        )
    if error in ("invalid_scope", "invalid_request", "unsupported_grant_type"):
        return TokenRefused(f"{title} refused the request: {error}")
    return TokenRefused(f"{title} answered {response.status} {error}".strip(), passing=True)


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        said = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _life(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIFE_S
    return seconds if 0 < seconds < LONGEST_LIFE_S else DEFAULT_LIFE_S
