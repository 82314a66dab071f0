"""Raw bytes as a page or an export may show them: without what proves a sender.

The bytes could not be read, so nothing of their form is relied on: fields are found by name in
whatever looks like JSON or like a form, and secrets also by their very value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ingest.domain.deliveries import Account, Delivery, Provider

MASK = "••••••"
SHOWN_BYTES = 64 * 1024
SHORTEST_VALUE = 4  #: a shorter secret value would mask half the text

# Names of headers that carry proofs or secrets, whoever sends them.
_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|sign|key|password", re.IGNORECASE)


def masked_body(body: bytes, fields: Sequence[str], values: Iterable[str] = ()) -> str:
    """Return the beginning of the bytes as text, with these fields and values masked."""
    text = body[:SHOWN_BYTES].decode("utf-8", "replace")
    for name in fields:
        text = _mask_field(text, name)
    for value in sorted(set(values), key=len, reverse=True):
        if len(value) >= SHORTEST_VALUE:
            text = text.replace(value, MASK)
    return "".join(
        char if char in "\n\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for char in text.replace("\r\n", "\n")
    )


def _mask_field(text: str, name: str) -> str:
    field = re.escape(name)
    text = re.sub(rf'("{field}"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^,}}\]\s]+)', rf"\1{MASK}", text)
    return re.sub(rf"((?:^|[&?\s;]){field}=)[^&\s;]*", rf"\1{MASK}", text)


def masked_headers(delivery: Delivery) -> list[tuple[str, str]]:
    """Return the headers of a kept request, without proofs and cookies."""
    return [
        (name, MASK if _SECRET_HEADER.search(name) else value)
        for name, value in delivery.head.get("headers", ())
    ]


def masked_query(query: str, fields: Sequence[str], values: Iterable[str] = ()) -> str:
    """Return the query of a kept request with the same fields and values masked."""
    return masked_body(query.encode(), fields, values)


def masked_path(path: str) -> str:
    """Return a path beneath the source; of providers that sign nothing it is itself the secret."""
    return f"/{MASK}" if path.strip("/") else path


def secrets_of(known: tuple[Provider, Account] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of a source's secret fields, and the values of its secrets."""
    if known is None:
        return (), ()
    provider, account = known
    values = tuple(value for secrets in account.secrets for value in secrets.values())
    return provider.secret_fields, values
