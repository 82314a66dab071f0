"""JSON Web Tokens (RFC 7519): believed with HMAC-SHA256 (alg HS256) and no other kind.

Of our own making are those that a provider's interface wants, signed with RSA (alg RS256).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

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


def signed_with(key_pem: str, said: Mapping[str, Any]) -> str:
    """Return a token that says this, signed with RS256.

    Of a key given on one line `\\n` stands for the ends of its lines. Raises UnreadableDelivery for
    what is no RSA key.
    """
    try:
        key = load_pem_private_key(key_pem.replace("\\n", "\n").strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnreadableDelivery("the private key is no PEM without a password") from error
    if not isinstance(key, RSAPrivateKey):
        raise UnreadableDelivery("the private key is no RSA key")
    head = {"alg": "RS256", "typ": "JWT"}
    signed = b".".join(_encoded(json.dumps(each).encode()) for each in (head, said))
    return (signed + b"." + _encoded(key.sign(signed, PKCS1v15(), SHA256()))).decode()


def _encoded(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def _decoded(part: bytes) -> bytes:
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableDelivery("a part of the JSON Web Token is not base64") from error
