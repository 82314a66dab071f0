"""Whether a request that changes something was meant by the person whose session it carries.

Two guards, each enough by itself: what the browser says of where the request came from, and a
token that only our own pages know. The token follows from the session's id by a one-way function,
so it needs no place of its own and dies with the session.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Container, Mapping
from urllib.parse import urlsplit

FIELD = "csrf"  #: of a form
HEADER = "X-CSRF-Token"  #: of a request made by a script of ours
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Forged(Exception):
    """This request did not come from a page of ours; nothing was changed."""


def token_of(session: str) -> str:
    """Return the token of a session, or of the visit before one signs in."""
    return hmac.new(session.encode(), b"keepline csrf token", hashlib.sha256).hexdigest()


def require_meant(
    *,
    headers: Mapping[str, str],
    hosts: Container[str],
    session: str | None,
    token: str | None,
) -> None:
    """Raise Forged unless the request came from our own page with this session's token."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        raise Forged("the browser says that another site sent it")
    origin = headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc not in hosts:
        raise Forged("its origin is another site")
    if not session or not token or not hmac.compare_digest(token_of(session), token):
        raise Forged("its token is missing or belongs to another session")
