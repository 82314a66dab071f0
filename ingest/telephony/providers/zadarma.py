"""Zadarma: the NOTIFY_* family's first member. Not tried against a live account."""

from __future__ import annotations

from ingest.domain.deliveries import Kind, Provider
from ingest.telephony.histories import notify as history
from ingest.telephony.protocols import notify
from ingest.telephony.sounds import ZADARMA_SOUND

ZADARMA = Provider(
    name="zadarma",
    verify=notify.verify,
    key=notify.key,
    parse=notify.parse,
    answer=notify.answer,
    secrets=("api_secret",),
    handshake=notify.handshake,
    lookup=notify.LOOKUP,
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
    recordings=ZADARMA_SOUND,
)
