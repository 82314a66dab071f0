"""What a FreeSWITCH posts: the record of one leg, in one of two languages and several wrappings.

JSON or XML come bare, JSON also labelled as a form (`disable-100-continue`); as `cdr=` they are a
form, a form that only looks like one (`application/x-www-form-plaintext`), or base64. Labels lie,
so the octets decide wherever they can.
"""

from __future__ import annotations

import base64
import binascii

from ingest.domain.deliveries import HookRequest, UnreadableDelivery
from ingest.telephony.protocols import json_cdr, xml_cdr
from ingest.telephony.protocols.json_cdr import Record
from ingest.telephony.request import form_octets

_FIELD = b"cdr="
_PLAIN, _ENCODED = (b"{", b"<"), (b"%7B", b"%3C")
_BASE64 = (b"eyI", b"eyJ", b"PD94", b"PGNk")  #: `{"`, `<?x` and `<cd`


def record(request: HookRequest) -> Record:
    """Return the record that a request holds. Raises UnreadableDelivery for anything else."""
    body = request.body.strip()
    if not body.startswith(_FIELD):
        return record_in(body)
    inner = body.removeprefix(_FIELD)
    if inner.startswith(b"<"):
        return xml_cdr.read(inner)
    if "base64" in (request.header("content-type") or "").lower():
        return record_in(_base64(inner))
    return record_in(form_octets(body).get(b"cdr", b""), repair=True)


def record_in(octets: bytes, *, repair: bool = False) -> Record:
    """Return the record that a text holds, such as a file. Raises UnreadableDelivery."""
    octets = octets.strip()
    if octets.startswith(b"<"):
        return xml_cdr.read(octets)
    return json_cdr.read(octets, repair=repair)


def record_in_file(octets: bytes) -> Record | None:
    """Return the record of a file beside the switch; None if it does not begin like a record.

    With `encode` the modules write what they would have posted: encoded, without `cdr=` before it.
    Raises UnreadableDelivery.
    """
    octets = octets.strip()
    if octets.startswith(_PLAIN):
        return record_in(octets)
    if octets[:3].upper().startswith(_ENCODED):
        return record_in(form_octets(_FIELD + octets).get(b"cdr", b""), repair=True)
    if octets.startswith(_BASE64):
        return record_in(_base64(octets))
    return None


def _base64(octets: bytes) -> bytes:
    try:
        return base64.b64decode(octets, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableDelivery("the field cdr is not base64") from error
