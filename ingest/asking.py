"""Asks the token endpoints of mail providers, for followers and for the page of consent."""

from __future__ import annotations

from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.mailboxes import Grant
from ingest.mail.oauth import OAuthApp, TokenRefused, app_of, host_of
from ingest.telephony.api_client import ApiNotAllowed, ApiUnreachable, call

TOKEN_BYTES = 256 * 1024
TOKEN_S = 20.0


async def ask_app(app: OAuthApp, request: ApiRequest) -> ApiResponse:
    """Return what the token endpoint of an app's provider answered. Raises TokenRefused."""
    host = host_of(app)
    # A name that means this machine is an administrator's own doing: a provider tried out here.
    near = host in ("127.0.0.1", "localhost", "::1")
    try:
        return await call(
            request, hosts=(host,), timeout_s=TOKEN_S, most_bytes=TOKEN_BYTES, loopback=near
        )
    except (ApiNotAllowed, ApiUnreachable) as error:
        raise TokenRefused(f"{app.known.title}: {error}", passing=True) from error


async def ask_grant(grant: Grant, request: ApiRequest) -> ApiResponse:
    """Return what the token endpoint of a grant's provider answered. Raises TokenRefused."""
    return await ask_app(app_of(grant), request)
