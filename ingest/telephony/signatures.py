"""Proofs of who sends: constant-time comparison, rotation of secrets, address lists.

The schemes of single providers stand in their modules; here is what all of them need.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
from collections.abc import Callable, Mapping
from datetime import datetime

from ingest.domain.deliveries import Account, BadSignature, HookRequest


def same(one: str | bytes, other: str | bytes) -> bool:
    """Compare two texts in a time that does not tell where they differ."""
    return hmac.compare_digest(_octets(one), _octets(other))


def require_proof(
    request: HookRequest,
    account: Account,
    names: tuple[str, ...],
    proves: Callable[[Mapping[str, str]], bool],
) -> None:
    """Raise BadSignature unless one of the source's valid secret sets proves the sender.

    A set that lacks one of `names`, or holds it empty, proves nothing. A source without any
    secret takes what comes from its address list, and nothing else.
    """
    usable = [found for found in account.secrets if all(found.get(name) for name in names)]
    if not usable:
        require_listed_address(request, account)
    elif not any(proves(found) for found in usable):
        raise BadSignature("the signature fits none of the source's secrets")


def require_listed_address(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the source takes unsigned requests from this sender's address."""
    if any(account.secrets) or not account.unsigned_from:
        raise BadSignature("the source has no usable secret")
    try:
        peer = ipaddress.ip_address(request.peer)
        networks = [ipaddress.ip_network(each, strict=False) for each in account.unsigned_from]
    except ValueError:
        raise BadSignature("the sender's address or the address list is unreadable") from None
    mapped = getattr(peer, "ipv4_mapped", None)
    if not any((mapped or peer) in network for network in networks):
        raise BadSignature("the sender's address is not in the source's address list")


def require_path_token(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless the path begins with the source's unguessable part.

    This is all there is of a sender that signs nothing.
    """
    sent = request.path.removeprefix("/").partition("/")[0]
    require_proof(
        request, account, ("path_token",), lambda secrets: same(sent, secrets["path_token"])
    )


def require_basic(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless Authorization holds the source's name and password (RFC 7617)."""
    scheme, _, sent = (request.header("authorization") or "").partition(" ")

    def proves(secrets: Mapping[str, str]) -> bool:
        pair = _octets(f"{secrets['basic_user']}:{secrets['basic_password']}")
        return scheme.lower() == "basic" and same(sent.strip(), base64.b64encode(pair))

    require_proof(request, account, ("basic_user", "basic_password"), proves)


def require_fresh(request: HookRequest, signed_at: datetime, tolerance_s: float) -> None:
    """Raise BadSignature if the signed moment is further from ours than the window.

    The message names the difference, for the page that hints at a wrong clock.
    """
    skew_s = (signed_at - request.received_at).total_seconds()
    if abs(skew_s) > tolerance_s:
        side = "ahead of" if skew_s > 0 else "behind"
        raise BadSignature(f"stale: signed {abs(skew_s):.0f} s {side} our clock")


def _octets(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
