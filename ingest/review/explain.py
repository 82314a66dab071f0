"""A delivery field by field: what came, and which field of it each thing that was read says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from ingest.custody import masking
from ingest.domain.deliveries import Account, Delivery, Kind, Provider

MOST_FIELDS = 200
LONGEST = 300  #: characters shown of one value

_DIGITS = re.compile(r"\D+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that was read, with the field that came whose value it is."""

    name: str
    value: str
    came_as: str | None = None  #: the name of the field that came; None: worked out from several


def raw_fields(kept: Delivery, known: tuple[Provider, Account] | None) -> list[tuple[str, str]]:
    """Return the fields of a delivery as they came: query, then body; secrets masked."""
    fields, values = masking.secrets_of(known)
    found: list[tuple[str, str]] = []
    for name, value in _all(kept):
        bare = name.rpartition(".")[2]
        octets = _octets(value)
        told = masking.MASK if bare in fields else masking.masked_body(octets, fields, values)
        found.append((_octets(name).decode()[:LONGEST], told[:LONGEST]))
        if len(found) >= MOST_FIELDS:
            break
    return found


def _octets(text: str) -> bytes:
    """Return a text that can be sent: JSON may hold halves of pairs, which no encoding knows."""
    return text.encode("utf-8", "replace")


def read_fields(event: Mapping[str, Any], raw: Sequence[tuple[str, str]]) -> list[Field]:
    """Return what an event says, each with where it came from as far as equal values tell."""
    by_value: dict[str, str] = {}
    by_digits: dict[str, str] = {}
    for name, value in raw:
        by_value.setdefault(value.lower(), name)
        digits = _DIGITS.sub("", value)
        if len(digits) >= 3:
            by_digits.setdefault(digits, name)
    found = []
    for name, value in event.items():
        if value in (None, "", [], False):
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        origin = by_value.get(text.lower()) or by_digits.get(_DIGITS.sub("", text) or "-")
        found.append(Field(name=name, value=text[:LONGEST], came_as=origin))
    return found


def _all(kept: Delivery) -> Iterator[tuple[str, str]]:
    query = str(kept.head.get("query", ""))
    yield from parse_qsl(query, keep_blank_values=True, max_num_fields=None)
    body = (kept.body or b"")[: masking.SHOWN_BYTES].decode("utf-8", "replace").strip()
    if not body:
        return
    if body[:1] in "{[":
        try:
            yield from _flat("", json.loads(body), 0)
            return
        except (ValueError, RecursionError):
            pass
    if kept.kind is Kind.HOOK and "=" in body and not body.startswith("<"):
        for name, value in parse_qsl(body, keep_blank_values=True):
            yield name, value
            if value[:1] in "{[":  # a form that carries JSON, as Mango's
                try:
                    yield from _flat(name, json.loads(value), 0)
                except (ValueError, RecursionError):
                    continue
        return
    for number, line in enumerate(body.splitlines(), 1):
        name, colon, value = line.partition(": ")
        yield (name, value) if colon and " " not in name else (f"line {number}", line)


def _flat(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth < 8:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner, depth + 1)
    elif isinstance(value, list) and depth < 8:
        for number, inner in enumerate(value):
            yield from _flat(f"{name}[{number}]", inner, depth + 1)
    elif value is not None:
        yield name, value if isinstance(value, str) else json.dumps(value)
