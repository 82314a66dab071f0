"""Zadarma: the NOTIFY_* family's first member. Not tried against a live account."""

from __future__ import annotations

from ingest.domain.deliveries import Provider
from ingest.telephony.protocols import notify

ZADARMA = Provider(
    name="zadarma",
    verify=notify.verify,
    key=notify.key,
    parse=notify.parse,
    answer=notify.answer,
    secrets=("api_secret",),
)
