"""What a webhook's body says, decoded with limits: forms, JSON, and the key of a repeat.

Everything here is written by strangers. Whatever the bytes are, a function returns or raises
UnreadableDelivery; nothing else, and nothing slowly.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

from ingest.domain.deliveries import HookRequest, UnreadableDelivery
from ingest.telephony.multipart import multipart_pairs

MAX_BODY = 1_048_576  #: octets; the public door stops earlier
MAX_FIELDS = 500  #: of one form; the largest known request has about 40
MAX_DIGITS = 40  #: of one JSON integer

_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def delivery_key(request: HookRequest, event_id: str | None) -> str:
    """Return the key under which a delivery is kept: the very same request has the same one."""
    digest = hashlib.sha256()
    for part in (request.path, request.query):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\n")
    digest.update(request.body)
    return f"{event_id or ''}:{digest.hexdigest()}"


def storable(text: str) -> str:
    """Replace what a database refuses in text: U+0000 and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


@lru_cache(maxsize=8)
def form_pairs(encoded: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the decoded pairs of a form or a query, in order, as octets.

    Raises UnreadableDelivery for an oversized form. Octets, because signatures are over them. The
    last few are remembered: verify, key, parse and answer look at the same body in turn.
    """
    if len(encoded) > MAX_BODY:
        raise UnreadableDelivery(f"the form is larger than {MAX_BODY} octets")
    if encoded.count(b"&") >= MAX_FIELDS:
        raise UnreadableDelivery(f"the form has more than {MAX_FIELDS} fields")
    pairs = (pair.partition(b"=") for pair in encoded.split(b"&") if pair)
    return tuple((_unquoted(name), _unquoted(value)) for name, _, value in pairs)


def form_octets(encoded: bytes) -> dict[bytes, bytes]:
    """Return a form's fields as octets. Raises UnreadableDelivery if one is sent twice."""
    return _each_once(form_pairs(encoded))


def form_fields(encoded: bytes) -> dict[str, str]:
    """Return a form's fields as text; octets that are not UTF-8 become U+FFFD."""
    return _as_text(form_octets(encoded))


def json_object(octets: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds.

    Raises UnreadableDelivery for anything else: other JSON, NaN, a name given twice, an integer
    of more than MAX_DIGITS digits, depth beyond what the decoder bears, octets that are not UTF-8.
    """
    value = json_value(octets)
    if not isinstance(value, dict):
        raise UnreadableDelivery("the body is JSON, but not an object")
    return value


def json_list(octets: bytes, *, most: int) -> list[Any]:
    """Return the JSON list that a body holds, of at most so many values; else as `json_object`."""
    value = json_value(octets)
    if not isinstance(value, list):
        raise UnreadableDelivery("the body is JSON, but not a list")
    if len(value) > most:
        raise UnreadableDelivery(f"the list in the body has more than {most} values")
    return value


def json_value(octets: bytes, *, most_octets: int = MAX_BODY) -> Any:
    """Return whatever JSON a body of at most so many octets holds; else as `json_object`."""
    if len(octets) > most_octets:
        raise UnreadableDelivery(f"the body is larger than {most_octets} octets")
    try:
        return _DECODER.decode(octets.decode("utf-8"))
    except UnreadableDelivery:
        raise
    except RecursionError as error:
        raise UnreadableDelivery("the JSON is nested too deeply") from error
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError
        raise UnreadableDelivery("the body is not JSON in UTF-8") from error


def body_fields(request: HookRequest) -> Mapping[str, Any]:
    """Return the fields of a body that may be a form or JSON, told apart by its Content-Type."""
    if "json" in (request.header("content-type") or "").lower():
        return json_object(request.body)
    return form_fields(request.body)


def sent_fields(request: HookRequest) -> Mapping[str, Any]:
    """Return the fields of a request whose sender lets the administrator choose its form.

    A GET carries them in its query; a body may be JSON, whatever its Content-Type says, a form, or
    a form in parts.
    """
    if request.method == "GET":
        return form_fields(request.query.encode("utf-8", "surrogatepass"))
    kind = (request.header("content-type") or "").lower()
    if "json" in kind or request.body.lstrip().startswith(b"{"):
        return json_object(request.body)
    if kind.startswith("multipart/form-data"):
        content_type = request.header("content-type") or ""
        return _as_text(_each_once(multipart_pairs(request.body, content_type, most=MAX_FIELDS)))
    return form_fields(request.body)


def _each_once(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in pairs:
        if fields.setdefault(name, value) != value:
            raise UnreadableDelivery("a field is sent twice with different values")
    return fields


def _as_text(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for name, value in fields.items()
    }


def _unquoted(octets: bytes) -> bytes:
    # urllib's unquote_to_bytes takes 23 ms for 64 KiB of lone percent signs; this takes 2 ms
    return _ESCAPES.sub(_unescaped, octets.replace(b"+", b" "))


def _unescaped(run: re.Match[bytes]) -> bytes:
    return bytes.fromhex(run[0].replace(b"%", b"").decode("ascii"))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise UnreadableDelivery("the JSON gives one name twice")
    return fields


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise UnreadableDelivery("the JSON holds an integer that is too long")
    return int(digits)


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise UnreadableDelivery("the JSON holds a number beyond all bounds")
    return value


def _no_constant(name: str) -> NoReturn:
    raise UnreadableDelivery(f"the JSON holds {name}, which is no number")


#: Made once: making one costs as much as reading a body.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_once,
    parse_int=_bounded_int,
    parse_float=_finite_float,
    parse_constant=_no_constant,
)
