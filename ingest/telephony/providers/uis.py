"""UIS and CoMagic: notifications by our own template. Not tried against a live account."""

from __future__ import annotations

from ingest.domain.deliveries import Provider
from ingest.telephony.protocols import uis

UIS = Provider(
    name="uis",
    verify=uis.verify,
    key=uis.key,
    parse=uis.parse,
    answer=uis.answer,
    secrets=("path_token",),
    signs=False,
)
