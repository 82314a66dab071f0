"""JSON Web Tokens signed with HMAC-SHA256 (RFC 7519, alg HS256), and no other kind."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from ingest.domain.deliveries import UnreadableDelivery
from ingest.telephony.request import json_object
from ingest.telephony.signatures import same

ALGORITHM = "HS256"
_PARTS = 3


def is_signed(token: bytes, secret: str) -> bool:
    """Tell whether the token is signed with the secret; one of another algorithm is not."""
    parts = token.split(b".")
    if len(parts) != _PARTS:
        return False
    try:
        header = json_object(_decoded(parts[0]))
        sent = _decoded(parts[2])
    except UnreadableDelivery:
        return False
    key = secret.encode("utf-8", "surrogatepass")
    digest = hmac.new(key, parts[0] + b"." + parts[1], hashlib.sha256).digest()
    return header.get("alg") == ALGORITHM and same(sent, digest)


def claims(token: bytes) -> dict[str, Any]:
    """Return what the token says, signed or not. Raises UnreadableDelivery for what is no token."""
    parts = token.split(b".")
    if len(parts) != _PARTS:
        raise UnreadableDelivery("this is no JSON Web Token")
    return json_object(_decoded(parts[1]))


def _decoded(part: bytes) -> bytes:
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableDelivery("a part of the JSON Web Token is not base64") from error
