"""JSON as stored in text columns: one spelling for one value, so that rows can be compared."""

from __future__ import annotations

from typing import Any

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder().decode


def to_text(value: Any) -> str:
    """Return a value as JSON with its names in order; moments become RFC 3339."""
    return _encode(value).decode()


def to_list(text: str) -> list[Any]:
    """Return the list that a column holds."""
    found: list[Any] = [] if text == "[]" else _decode(text)
    return found


def to_object(text: str) -> dict[str, Any]:
    """Return the object that a column holds."""
    found: dict[str, Any] = _decode(text)
    return found
